"""What ddp, sfd and the comparison share: which corruptions are seen, and accuracies and mCE from a
record.

Seen are the 15 standard corruptions of ImageNet-C, unseen its four extra ones. The embedded data
sets need no files, so frost, which needs photographs, is there replaced by `procedural_frost`;
everywhere else it is the published one.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from paperlib.degrade.tables import EXTRA, SEVERITIES, STANDARD
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.robustness import Baseline, mce
from paperlib.runs import Record

EMBEDDED = ("synthdigits",)
SUMMARIES = {"hq": "HQ", "seen": "seen", "unseen": "unseen", "mce": "mCE"}
AT = "top1@"

Measured = Mapping[str, Sequence[Record]]  # cell -> its records, one a seed
Accuracies = dict[tuple[str, int], float]  # (corruption, severity) -> top-1, per cent


def seen(dataset: str) -> tuple[str, ...]:
    """The corruptions that training may show, on a data set."""
    return tuple(
        "procedural_frost" if name == "frost" and dataset in EMBEDDED else name for name in STANDARD
    )


def severity_table(dataset: str) -> str:
    """Whose severities: ImageNet-C's for folders of photographs, CIFAR-C's for images of 32
    pixels."""
    return "imagenet-c" if "@" in dataset else "cifar-c"


def condition(dataset: str, corruption: str, severity: int) -> dict[str, Any]:
    """One corruption at one severity."""
    return {
        "name": "corruption",
        "corruption": corruption,
        "severity": severity,
        "table": severity_table(dataset),
    }


def trained_on(dataset: str) -> dict[str, Any]:
    """What training images go through: one of the seen corruptions at one severity, drawn anew for
    each image."""
    table, names = severity_table(dataset), ",".join(seen(dataset))
    return {"name": "random_corruption", "table": table, "corruptions": names}


def tested_on(dataset: str) -> tuple[dict[str, Any], ...]:
    """Clean images, and all 19 corruptions at all five severities."""
    names, severities = ",".join((*seen(dataset), *EXTRA)), ",".join(map(str, SEVERITIES))
    everything = {"corruption": names, "severity": severities, "table": severity_table(dataset)}
    return {"name": "none"}, {"name": "corruption", **everything}


def accuracies(record: Record) -> Accuracies:
    """What a record says of single corruptions."""
    out = {}
    for name, value in record.metrics.items():
        corruption, _, severity = name.removeprefix(AT).rpartition("-")
        if name.startswith(AT) and severity.isdigit():
            out[corruption, int(severity)] = value
    return out


def by_corruption(records: Sequence[Record]) -> dict[str, Estimate]:
    """Corruption -> top-1, mean over severities, with its interval over seeds."""
    values: dict[str, list[float]] = {}
    for record in records:
        own = accuracies(record)
        for name in dict.fromkeys(name for name, _ in own):
            values.setdefault(name, []).append(
                statistics.fmean(v for (c, _), v in own.items() if c == name)
            )
    return {name: Estimate.of(own) for name, own in values.items()}


def reference(vanilla: Sequence[Record], dataset: str) -> Baseline | None:
    """The clean-trained network that mCE is relative to: its errors, means over seeds. None without
    a record."""
    if not vanilla:
        return None
    tables = [accuracies(record) for record in vanilla]
    errors = {key: 100 - statistics.fmean(table[key] for table in tables) for key in tables[0]}
    clean = 100 - statistics.fmean(record.metrics["top1@none"] for record in vanilla)
    return Baseline.from_errors(
        f"the clean-trained {vanilla[0].run.network}", errors, clean, dataset
    )


def summary(record: Record, baseline: Baseline | None, dataset: str) -> dict[str, float]:
    """HQ, mean top-1 under seen and unseen corruptions, and mCE over the seen ones, in per cent."""
    own, known = accuracies(record), seen(dataset)
    parts = {"hq": record.metrics["top1@none"]}
    for name, group in (("seen", known), ("unseen", EXTRA)):
        parts[name] = statistics.fmean(
            value for (corruption, _), value in own.items() if corruption in group
        )
    if baseline is not None:
        errors = {key: 100 - value for key, value in own.items()}
        parts["mce"] = mce(errors, baseline, dataset, known)
    return parts


def summary_texts(records: Sequence[Record], baseline: Baseline | None, dataset: str) -> list[str]:
    """The `SUMMARIES` of some records for a table, means over seeds with their intervals."""
    own = [summary(record, baseline, dataset) for record in records]
    return [
        Estimate.of([values[name] for values in own]).text() if own else "–" for name in SUMMARIES
    ]


def summarised(cells: Measured, vanilla: str, dataset: str) -> dict[str, list[Record]]:
    """Cells "<cell>/<hq, seen, unseen, -mce or a corruption>", whose "top1" is that summary of each
    record.

    "-mce" is mCE with its sign turned, so that more is better, as in all other cells. `vanilla` is
    the cell that mCE is relative to.
    """
    baseline = reference(cells.get(vanilla, ()), dataset)
    out: dict[str, list[Record]] = {}
    for cell, records in cells.items():
        for record in records:
            values = summary(record, baseline, dataset)
            if "mce" in values:
                values["-mce"] = -values.pop("mce")
            values |= {name: value.mean for name, value in by_corruption([record]).items()}
            for name, value in values.items():
                out.setdefault(f"{cell}/{name}", []).append(
                    dataclasses.replace(record, metrics={"top1": value})
                )
    return out
