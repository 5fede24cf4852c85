"""The tables of the comparison, made of the records that `compared.study` returns."""

import dataclasses
import statistics
from collections.abc import Mapping

from paperlib.common_corruptions import accuracies
from paperlib.evidence.estimates import Estimate, as_top1, effect, top1
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.compared.study import CLEAN_ONLY, DEGRADATIONS, METHODS, NAMES
from paperlib.report import Table, gain_text
from paperlib.runs import Record

Cells = Mapping[str, list[Record]]
# what all are compared with: the same degraded images and labels, and cross-entropy alone
FAIR = "degraded"


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    degraded = settings.images(settings.adapted)
    images = f"{settings.images()} clean images, then {degraded} degraded ones"
    return settings.described([images, *settings.narrowed(NAMES)])


def clean(cells: Cells) -> dict[str, list[Record]]:
    """ "top1" on clean images."""
    return {cell: as_top1(records, "top1@none") for cell, records in cells.items()}


def unseen(cells: Cells) -> dict[str, list[Record]]:
    """ "top1" under the four corruptions that no method saw, mean over them and their
    severities."""
    out: dict[str, list[Record]] = {}
    for cell, records in cells.items():
        means = [statistics.fmean(accuracies(record).values()) for record in records]
        out[cell] = [
            dataclasses.replace(r, metrics={"top1": mean})
            for r, mean in zip(records, means, strict=True)
        ]
    return out


def accuracy(title: str, cells: Cells) -> Table:
    """Rows: methods. Columns: the degradation that they are trained for."""
    rows = []
    for method, label in METHODS.items():
        values = [top1(cells.get(f"{method}/{name}", [])) for name in DEGRADATIONS]
        rows.append((label, *(value.text() if value else "–" for value in values)))
    return Table(title, ("", *DEGRADATIONS.values()), rows)


def gains(cells: Cells) -> dict[str, dict[str, Estimate]]:
    """Method -> degradation -> gain over cross-entropy on the same degraded images, paired by
    seed."""
    out: dict[str, dict[str, Estimate]] = {}
    for method in METHODS:
        for name in DEGRADATIONS:
            gain = effect(cells.get(f"{method}/{name}", []), cells.get(f"{FAIR}/{name}", []))
            if gain is not None and method != FAIR:
                out.setdefault(method, {})[name] = gain
    return out


def gain_table(dataset: str, cells: Cells) -> Table:
    """`gains` as a table; those told from zero are bold."""
    found, rows = gains(cells), []
    for method, label in METHODS.items():
        if method == FAIR:
            continue
        row = [label]
        for name in DEGRADATIONS:
            row.append(gain_text(found.get(method, {}).get(name)))
        rows.append(row)
    title = f"Gain over cross-entropy on the same degraded images (points), {dataset}"
    return Table(title, ("", *DEGRADATIONS.values()), rows)


def costs(cells: Cells) -> Table:
    """Seconds of training and images a second, for the first degradation, means over seeds."""
    rows = []
    for method, label in METHODS.items():
        records = cells.get(f"{method}/{next(iter(DEGRADATIONS))}", [])
        if records and method not in CLEAN_ONLY:
            means = [
                statistics.fmean(r.provenance[name] for r in records)
                for name in ("seconds", "images_per_second")
            ]
            rows.append((label, f"{means[0]:.1f}", f"{means[1]:.0f}"))
    return Table(
        "Cost of the training on degraded images", ("", "seconds", "images a second"), rows
    )


def tables(settings: Settings, studies: Mapping[str, Mapping[str, Cells]]) -> list[Table]:
    """All tables in the page's order. `studies` holds what `compared.study` returned, by data
    set."""
    out = []
    for dataset, items in studies.items():
        cells = items["compared"]
        title = f"{dataset}, {describe(settings)}"
        out += [
            accuracy(f"Top-1 (%) under the degradation that was trained for: {title}", cells),
            accuracy(
                f"Top-1 (%) on clean images, by the degradation that was trained for: {dataset}",
                clean(cells),
            ),
            accuracy(
                f"Top-1 (%) under four unseen corruptions, by what was trained for: {dataset}",
                unseen(cells),
            ),
            gain_table(dataset, cells),
            costs(cells),
        ]
    return out
