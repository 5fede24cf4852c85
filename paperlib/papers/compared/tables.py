"""The tables of the comparison, made of the records that `compared.study` returns."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from paperlib import common_corruptions as corruptions
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.compared.study import CLEAN_ONLY, DEGRADATIONS, METHODS, MIXED, NAMES, Study
from paperlib.report import Table, gain_text, text

# What all are compared with: cross-entropy alone, on the same degraded images and labels, for as
# long as the method that costs most.
FAIR = "longer"


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    images = f"{settings.images()} training images"
    return settings.caption([images, settings.schedule(), *settings.width_text(NAMES)])


def scores(settings: Settings, dataset: str, items: Items) -> Scores:
    """All numbers; "unseen" is the mean top-1 under the corruptions that no method saw."""
    found = Scores.of(items["compared"])
    return found.plus(_unseen(settings, dataset, found))


def _unseen(settings: Settings, dataset: str, found: Scores) -> Iterator[Score]:
    metrics = [
        corruptions.metric(dataset, name, severity)
        for name in EXTRA
        for severity in settings.severities
    ]
    for cell in (cell for cell in found.cells if cell.partition("/")[2] in MIXED):
        for seed in found.seeds(cell):
            mean = fmean(found.values(cell, metric)[seed] for metric in metrics)
            yield Score(cell, seed, "unseen", mean)


def measured(found: Scores) -> list[str]:
    """The degradations that any method was tested under."""
    tested = {cell.partition("/")[2] for cell in found.cells}
    return [name for name in DEGRADATIONS if name in tested]


def accuracy(title: str, found: Scores, metric: str = "top1") -> Table:
    """Rows: methods. Columns: the degradation that they are trained for, where it is measured.

    What is trained for none of them has one number under what no degradation decides.
    """
    columns, rows = measured(found), []
    for method, label in _rows(found):
        own = [text(found.estimate(f"{method}/{name}", metric)) for name in columns]
        once = method in CLEAN_ONLY and metric != "top1"
        rows.append((label, own[0], *["the same"] * (len(own) - 1)) if once else (label, *own))
    return Table(title, ("", *(DEGRADATIONS[name] for name in columns)), rows)


def elsewhere(title: str, found: Scores) -> Table:
    """Top-1 under what nobody saw, of what was trained for `MIXED`; the gain over `FAIR`."""
    (name,), rows = MIXED, []
    for method, label in _rows(found):
        own = found.estimate(f"{method}/{name}", "unseen")
        over = found.gain(f"{method}/{name}", f"{FAIR}/{name}", "unseen")
        if own:
            rows.append((label, text(own), "" if method == FAIR else gain_text(over)))
    return Table(title, ("", "top-1 (%)", "gain (points)"), rows)


def _rows(found: Scores) -> Iterator[tuple[str, str]]:
    """Methods of which there is a number, and their words."""
    tested = {cell.partition("/")[0] for cell in found.cells}
    return ((method, label) for method, label in METHODS.items() if method in tested)


def gains(found: Scores) -> dict[str, dict[str, Estimate]]:
    """Method -> degradation -> gain over `FAIR`, paired by seed."""
    out: dict[str, dict[str, Estimate]] = {}
    for method in METHODS:
        for name in DEGRADATIONS:
            value = found.gain(f"{method}/{name}", f"{FAIR}/{name}")
            if value is not None and method != FAIR:
                out.setdefault(method, {})[name] = value
    return out


def gain_table(dataset: str, found: Scores) -> Table:
    """`gains` as a table; those whose interval excludes 0 are bold."""
    own = gains(found)
    columns = [name for name in DEGRADATIONS if any(name in row for row in own.values())]
    rows = [
        (METHODS[method], *(gain_text(row.get(name)) for name in columns))
        for method, row in own.items()
    ]
    title = f"Gain over cross-entropy on degraded images with the most compute (points), {dataset}"
    return Table(title, ("", *(DEGRADATIONS[name] for name in columns)), rows)


def costs(settings: Settings, dataset: str) -> Table:
    """What a method costs by the number of times that images go through networks."""
    study, name = Study(settings, dataset), next(iter(DEGRADATIONS))
    rows = [(label, f"{study.cost(method, name):.2g}") for method, label in METHODS.items()]
    title = "Cost of a method and of the networks it needs, in trainings of the clean one"
    return Table(title, ("", "trainings"), rows)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """None: no paper has this comparison, and none claims anything of it."""
    return []


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the page's order. `studies`: by data set what `compared.study` returned."""
    out = []
    for dataset, items in studies.items():
        out += [*_measured(settings, dataset, scores(settings, dataset, items))]
        out.append(costs(settings, dataset))
    return out


def _measured(settings: Settings, dataset: str, found: Scores) -> Sequence[Table]:
    trained = "that was trained for"
    title = f"Top-1 (%) under the degradation {trained}: {dataset}, {describe(settings)}"
    clean = f"Top-1 (%) on clean images, by the degradation {trained}: {dataset}"
    unseen = f"Top-1 (%) under four unseen corruptions, trained for 15 others: {dataset}"
    return (
        accuracy(title, found),
        gain_table(dataset, found),
        accuracy(clean, found, "top1@none"),
        elsewhere(unseen, found),
    )
