"""The tables of the comparison, made of the records that `compared.study` returns."""

from collections.abc import Iterator, Mapping
from statistics import fmean

from paperlib import common_corruptions as corruptions
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.compared.study import CLEAN_ONLY, DEGRADATIONS, METHODS, NAMES
from paperlib.report import Table, gain_text, text

# what all are compared with: the same degraded images and labels, and cross-entropy alone
FAIR = "degraded"


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    degraded = settings.images(settings.adapted)
    images = f"{settings.images()} clean images, then {degraded} degraded ones"
    return settings.caption([images, *settings.width_text(NAMES)])


def scores(dataset: str, items: Items) -> Scores:
    """All numbers; "unseen" is the mean top-1 under the corruptions that no method saw."""
    found = Scores.of(items["compared"])
    return found.plus(_unseen(dataset, found))


def _unseen(dataset: str, found: Scores) -> Iterator[Score]:
    metrics = [corruptions.metric(dataset, name, s) for name in EXTRA for s in (1, 3, 5)]
    for cell in found.cells:
        for seed in found.seeds(cell):
            mean = fmean(found.values(cell, metric)[seed] for metric in metrics)
            yield Score(cell, seed, "unseen", mean)


def accuracy(title: str, found: Scores, metric: str = "top1") -> Table:
    """Rows: methods. Columns: the degradation that they are trained for."""
    rows = [
        (label, *(text(found.estimate(f"{method}/{name}", metric)) for name in DEGRADATIONS))
        for method, label in METHODS.items()
    ]
    return Table(title, ("", *DEGRADATIONS.values()), rows)


def gains(found: Scores) -> dict[str, dict[str, Estimate]]:
    """Method -> degradation -> gain over cross-entropy on the same degraded images."""
    out: dict[str, dict[str, Estimate]] = {}
    for method in METHODS:
        for name in DEGRADATIONS:
            gain = found.gain(f"{method}/{name}", f"{FAIR}/{name}")
            if gain is not None and method != FAIR:
                out.setdefault(method, {})[name] = gain
    return out


def gain_table(dataset: str, found: Scores) -> Table:
    """`gains` as a table; those whose interval excludes 0 are bold."""
    own = gains(found)
    rows = [
        (label, *(gain_text(own.get(method, {}).get(name)) for name in DEGRADATIONS))
        for method, label in METHODS.items()
        if method != FAIR
    ]
    title = f"Gain over cross-entropy on the same degraded images (points), {dataset}"
    return Table(title, ("", *DEGRADATIONS.values()), rows)


def costs(found: Scores) -> Table:
    """Seconds of training and images per second, for the first degradation, means over seeds."""
    rows = []
    for method, label in METHODS.items():
        cell = f"{method}/{next(iter(DEGRADATIONS))}"
        seconds = found.estimate(cell, "seconds")
        speed = found.estimate(cell, "images_per_second")
        if method not in CLEAN_ONLY and seconds and speed:
            rows.append((label, f"{seconds.mean:.1f}", f"{speed.mean:.0f}"))
    title = "Cost of the training on degraded images"
    return Table(title, ("", "seconds", "images per second"), rows)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """None: no paper has this comparison, and none claims anything of it."""
    return []


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the page's order. `studies`: by data set what `compared.study` returned."""
    out = []
    for dataset, items in studies.items():
        found, trained = scores(dataset, items), "that was trained for"
        title = f"Top-1 (%) under the degradation {trained}: {dataset}, {describe(settings)}"
        clean = f"Top-1 (%) on clean images, by the degradation {trained}: {dataset}"
        unseen = f"Top-1 (%) under four unseen corruptions, by what was trained for: {dataset}"
        out += [
            accuracy(title, found),
            accuracy(clean, found, "top1@none"),
            accuracy(unseen, found, "unseen"),
            gain_table(dataset, found),
            costs(found),
        ]
    return out
