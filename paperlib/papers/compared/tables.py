"""The tables of the comparison, made of the records that `compared.study` returns."""

from collections.abc import Iterator, Mapping
from statistics import fmean

from paperlib import common_corruptions as corruptions
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.looks import Interval, interval
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.compared.study import CLEAN_ONLY, DEGRADATIONS, METHODS, NAMES
from paperlib.report import NOTHING, Table, text

# What all are compared with: cross-entropy alone, on the same degraded images and labels, for as
# long as the method that costs most.
FAIR = "longer"
# What one has -> a method that can use it, and what is at hand without one.
SITUATIONS = {
    "clean images and labels": ("fq", "fq-base"),
    "clean and degraded images, no labels": ("ddp", "vanilla"),
    "degraded images and labels": ("ssdl", FAIR),
    "both with labels; the degraded ones matter": ("dfd", FAIR),
    "both with labels; both matter": ("sfd", "both"),
}


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    degraded = settings.images(settings.adapted)
    images = f"{settings.images()} clean images, then {degraded} degraded ones"
    return settings.caption([images, *settings.width_text(NAMES)])


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
    for cell in found.cells:
        for seed in found.seeds(cell):
            mean = fmean(found.values(cell, metric)[seed] for metric in metrics)
            yield Score(cell, seed, "unseen", mean)


def accuracy(title: str, found: Scores, metric: str = "top1") -> Table:
    """Rows: methods. Columns: the degradation that they are trained for.

    What is trained for none of them has one number under what no degradation decides.
    """
    rows = []
    for method, label in METHODS.items():
        own = [text(found.estimate(f"{method}/{name}", metric)) for name in DEGRADATIONS]
        once = method in CLEAN_ONLY and metric != "top1"
        rows.append((label, own[0], *["the same"] * (len(own) - 1)) if once else (label, *own))
    return Table(title, ("", *DEGRADATIONS.values()), rows)


def gain(found: Scores, method: str, base: str, name: str, metric: str = "top1") -> Interval | None:
    """Of one method over another for one degradation, paired by seed; None without both."""
    differences = found.differences(f"{method}/{name}", f"{base}/{name}", metric)
    return interval(differences) if differences else None


def gain_text(value: Interval | None) -> str:
    """ "+1.23 ± 0.34" for a table; bold where the interval excludes 0."""
    if value is None:
        return NOTHING
    if value.n < 3:  # no interval
        return f"{value.mean:+.1f}"
    shown = f"{value.mean:+.2f} ± {value.half:.2f}"
    return f"**{shown}**" if told(value) else shown


def told(value: Interval) -> int:
    """1 where the interval is above 0, -1 where it is below, else 0."""
    return (value.low > 0) - (value.high < 0)


def gains(found: Scores) -> dict[str, dict[str, Interval]]:
    """Method -> degradation -> gain over `FAIR`."""
    out: dict[str, dict[str, Interval]] = {}
    for method in METHODS:
        for name in DEGRADATIONS:
            value = gain(found, method, FAIR, name)
            if value is not None and method != FAIR:
                out.setdefault(method, {})[name] = value
    return out


def gain_table(dataset: str, found: Scores) -> Table:
    """`gains` as a table; those whose interval excludes 0 are bold."""
    own = gains(found)
    rows = [
        (label, *(gain_text(own.get(method, {}).get(name)) for name in DEGRADATIONS))
        for method, label in METHODS.items()
        if method != FAIR
    ]
    title = f"Gain over cross-entropy on degraded images with the most compute (points), {dataset}"
    return Table(title, ("", *DEGRADATIONS.values()), rows)


def advice(dataset: str, found: Scores) -> Table:
    """What to use, by what one has: a method that is ahead somewhere and behind nowhere."""
    rows = []
    for situation, (method, other) in SITUATIONS.items():
        signs: dict[int, list[str]] = {1: [], -1: [], 0: []}
        for name, label in DEGRADATIONS.items():
            if (value := gain(found, method, other, name)) is not None:
                signs[told(value)].append(label)
        ahead, behind, open_ = (", ".join(signs[sign]) or "none" for sign in (1, -1, 0))
        rows.append((situation, method, METHODS[other], ahead, behind, open_, _use(signs, method)))
    headers = ("you have", "method", "beside", "ahead under", "behind under", "open", "so use")
    return Table(f"What to use when, {dataset}", headers, rows)


def _use(signs: Mapping[int, list[str]], method: str) -> str:
    if not any(signs.values()):
        return NOTHING
    if signs[1]:
        return "either, by the degradation" if signs[-1] else method
    return "the simple one" if signs[-1] else "the simple one, until more seeds say otherwise"


def costs(found: Scores) -> Table:
    """Seconds of training and images per second, for the first degradation, means over seeds."""
    rows = []
    for method, label in METHODS.items():
        cell = f"{method}/{next(iter(DEGRADATIONS))}"
        seconds = found.estimate(cell, "seconds")
        speed = found.estimate(cell, "images_per_second")
        if method not in CLEAN_ONLY and seconds and speed:
            # its teacher is the network of another row
            taught = found.estimate(cell.replace("ssdl", "degraded"), "seconds")
            total = seconds.mean + (taught.mean if method == "ssdl" and taught else 0.0)
            rows.append((label, f"{seconds.mean:.1f}", f"{total:.1f}", f"{speed.mean:.0f}"))
    title = "Cost of the training on degraded images"
    headers = ("", "seconds", "with a teacher of its own", "images per second")
    return Table(title, headers, rows)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """None: no paper has this comparison, and none claims anything of it."""
    return []


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the page's order. `studies`: by data set what `compared.study` returned."""
    out = []
    for dataset, items in studies.items():
        found, trained = scores(settings, dataset, items), "that was trained for"
        title = f"Top-1 (%) under the degradation {trained}: {dataset}, {describe(settings)}"
        clean = f"Top-1 (%) on clean images, by the degradation {trained}: {dataset}"
        unseen = f"Top-1 (%) under four unseen corruptions, by what was trained for: {dataset}"
        out += [
            advice(dataset, found),
            accuracy(title, found),
            accuracy(clean, found, "top1@none"),
            accuracy(unseen, found, "unseen"),
            gain_table(dataset, found),
            costs(found),
        ]
    return out
