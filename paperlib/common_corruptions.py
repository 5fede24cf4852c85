"""The common corruptions as ddp, sfd and the comparison use them: which are seen, and summaries.

Seen are the 15 standard corruptions of ImageNet-C, unseen its four extra ones. The embedded data
sets need no files, so frost, which needs photographs, is there replaced by `procedural_frost`;
everywhere else it is the published one.
"""

from collections.abc import Mapping
from itertools import product
from statistics import fmean
from typing import Any

from paperlib import degrade
from paperlib.degrade.tables import EXTRA, SEVERITIES, STANDARD
from paperlib.evidence.robustness import Baseline, mce
from paperlib.evidence.scores import Score, Scores

EMBEDDED = ("synthdigits",)
SUMMARIES = {"hq": "HQ", "seen": "seen", "unseen": "unseen", "mce": "mCE"}  # the columns of tables


def seen(dataset: str) -> tuple[str, ...]:
    """The corruptions that training may show, on a data set."""
    frost = "procedural_frost" if dataset in EMBEDDED else "frost"
    return tuple(frost if name == "frost" else name for name in STANDARD)


def severity_table(dataset: str) -> str:
    """Whose severities: ImageNet-C's for folders of photographs, else CIFAR-C's, for 32 pixels."""
    return "imagenet-c" if "@" in dataset else "cifar-c"


def condition(dataset: str, corruption: str, severity: int) -> dict[str, Any]:
    """One corruption at one severity."""
    what = {"corruption": corruption, "severity": severity, "table": severity_table(dataset)}
    return {"name": "corruption", **what}


def trained_on(dataset: str) -> dict[str, Any]:
    """For training images: a seen corruption at some severity, drawn anew for each image."""
    table, names = severity_table(dataset), ",".join(seen(dataset))
    return {"name": "random_corruption", "table": table, "corruptions": names}


def tested_on(dataset: str) -> tuple[dict[str, Any], ...]:
    """Clean images, and all 19 corruptions at all five severities."""
    names, severities = ",".join((*seen(dataset), *EXTRA)), ",".join(map(str, SEVERITIES))
    everything = {"corruption": names, "severity": severities, "table": severity_table(dataset)}
    return {"name": "none"}, {"name": "corruption", **everything}


def metric(dataset: str, corruption: str, severity: int) -> str:
    """The name in a record of top-1 under a corruption at a severity."""
    return f"top1@{degrade.label(condition(dataset, corruption, severity))}"


def with_summaries(scores: Scores, clean_trained: str, dataset: str) -> Scores:
    """The scores and, for every cell and seed that was tested under all corruptions, further rows.

    "hq": top-1 on clean images; "<corruption>": mean over its severities; "seen" and "unseen":
    means over the corruptions; "mce": mCE over the seen ones, in per cent, relative to the mean
    errors of the clean-trained network, where those were measured.

    Args:
        scores: of cells "<network>/...".
        clean_trained: names the cell "<network>/<clean_trained>" that mCE is relative to.
        dataset: that all was measured on.
    """
    keys = product((*seen(dataset), *EXTRA), SEVERITIES)
    table = {key: metric(dataset, *key) for key in keys}
    baselines: dict[str, Baseline | None] = {}
    rows: list[Score] = []
    for cell in scores.cells:
        network = cell.partition("/")[0]
        if network not in baselines:
            baselines[network] = _baseline(scores, f"{network}/{clean_trained}", table, dataset)
        for seed in scores.seeds(cell):
            found = {key: scores.values(cell, name).get(seed) for key, name in table.items()}
            own = {key: value for key, value in found.items() if value is not None}
            if len(own) == len(table):
                parts = {"hq": scores.values(cell, "top1@none")[seed]}
                parts |= _summary(own, baselines[network], dataset)
                rows += [Score(cell, seed, name, value) for name, value in parts.items()]
    return scores.plus(rows)


def _summary(
    accuracies: Mapping[tuple[str, int], float], baseline: Baseline | None, dataset: str
) -> dict[str, float]:
    """The summaries of one network's accuracies by (corruption, severity)."""
    parts = {
        name: fmean(accuracies[name, severity] for severity in SEVERITIES)
        for name in (*seen(dataset), *EXTRA)
    }
    for group, names in (("seen", seen(dataset)), ("unseen", EXTRA)):
        parts[group] = fmean(parts[name] for name in names)
    if baseline is not None:
        errors = {key: 100 - value for key, value in accuracies.items()}
        parts["mce"] = mce(errors, baseline, dataset, seen(dataset))
    return parts


def _baseline(
    scores: Scores, cell: str, table: Mapping[tuple[str, int], str], dataset: str
) -> Baseline | None:
    """The clean-trained network that mCE is relative to; None where it was not measured."""
    if not scores.values(cell, "top1@none"):
        return None
    errors = {key: 100 - fmean(scores.values(cell, name).values()) for key, name in table.items()}
    clean = 100 - fmean(scores.values(cell, "top1@none").values())
    name = f"the clean-trained {cell.partition('/')[0]}"
    return Baseline.from_errors(name, errors, clean, dataset)
