"""The numbers that the tables of the deep degradation prior are made of, beside the records' own.

Cells of single runs become cells of a network: "<network>/condition-5" is what the modules for the
15 corruptions at severity 5 have, "<network>/frozen-5" what the network has without them.
"""

from collections.abc import Iterator, Mapping
from statistics import fmean, variance

from paperlib.common_corruptions import metric, seen, with_summaries
from paperlib.degrade.tables import SEVERITIES
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.papers.ddp.profiles import Settings
from paperlib.papers.ddp.study import QUALITIES, SEVEREST

MEAN = "condition"  # the metric of the mean over the seen corruptions at one severity
Seeds = Mapping[int, float]  # values by seed


def scores(dataset: str, items: Items) -> Scores:
    """All numbers, the summaries of those tested under all corruptions, and further rows.

    - "<cell>-<severity>" has each seen corruption at the severity by its name, and "condition",
      their mean: of networks tested under all of them, and of modules tested under their own;
    - "<network>/clean" is the frozen network on clean images, beside any of those numbers;
    - "<network>/jpeg/frozen" and "<network>/jpeg/ddp" have "q25" to "q7", by JPEG quality;
    - "<network>/drift-own" and "<network>/drift-mixed" have "cosine", the mean over corruptions of
      100 times the cosine between drifts of similar patches, and of those of mixed conditions;
    - "drift_left_share": the squared distance to the clean features behind a module over that
      without.
    """
    found = with_summaries(Scores.of(*items.values()), "frozen", dataset)
    found = found.plus([*_by_severity(dataset, found), *_qualities(found)])
    return found.plus([*_clean(found), *_cosines(dataset, found), *_drift_left(found)])


def _by_severity(dataset: str, found: Scores) -> Iterator[Score]:
    names = {f"{name}-{s}": (name, s) for name in seen(dataset) for s in SEVERITIES}
    grouped: dict[str, dict[str, Seeds]] = {}  # "<cell>-<severity>" -> corruption -> values
    for cell in found.cells:
        head, _, tail = cell.rpartition("/")
        if "/jpeg/" in cell:  # the same names, of another table of severities
            continue
        if tail in names:
            name, severity = names[tail]
            grouped.setdefault(f"{head}-{severity}", {})[name] = found.values(cell)
            continue
        for name, severity in names.values():
            if own := found.values(cell, metric(dataset, name, severity)):
                grouped.setdefault(f"{cell}-{severity}", {})[name] = own
    for cell, parts in grouped.items():
        for name, values in parts.items():
            yield from (Score(cell, seed, name, value) for seed, value in values.items())
        if len(parts) == len(seen(dataset)):
            yield from (Score(cell, *mean) for mean in _means(parts, MEAN))


def _means(own: Mapping[str, Seeds], name: str) -> Iterator[tuple[int, str, float]]:
    """Of the seeds that all have, their mean, as the end of a `Score`."""
    for seed in sorted(set.intersection(*map(set, own.values()))):
        yield seed, name, fmean(values[seed] for values in own.values())


def _qualities(found: Scores) -> Iterator[Score]:
    for cell in found.cells:
        network, _, tail = cell.partition("/jpeg/")
        for severity, quality in QUALITIES.items():
            values: Seeds = {}
            if tail == "frozen":
                values = found.values(cell, f"top1@jpeg_compression-{severity}")
            elif tail == str(severity):
                values = found.values(cell)
            to = f"{network}/jpeg/{'frozen' if tail == 'frozen' else 'ddp'}"
            yield from (Score(to, seed, f"q{quality}", value) for seed, value in values.items())


def _clean(found: Scores) -> Iterator[Score]:
    bounded = (MEAN, "seen", "unseen", *(f"q{quality}" for quality in QUALITIES.values()))
    for cell in found.cells:
        if cell.endswith("/frozen") and found.values(cell, "hq"):
            to = f"{cell.removesuffix('/frozen')}/clean"
            for seed, value in found.values(cell, "hq").items():
                yield from (Score(to, seed, name, value) for name in bounded)


def _cosines(dataset: str, found: Scores) -> Iterator[Score]:
    parts = {"own": "cosine_clusters", "mixed": "cosine_clusters_control"}
    for network in {cell.partition("/drift/")[0] for cell in found.cells if "/drift/" in cell}:
        for part, name in parts.items():
            own = {c: found.values(f"{network}/drift/{c}", name) for c in seen(dataset)}
            for seed, _, cosine in _means(own, name):
                yield Score(f"{network}/drift-{part}", seed, "cosine", 100 * cosine)


def _drift_left(found: Scores) -> Iterator[Score]:
    for cell in found.cells:
        without = found.values(cell, "drift")
        for seed, left in found.values(cell, "drift_left").items():
            if without[seed]:  # clean images do not drift
                yield Score(cell, seed, "drift_left_share", left / without[seed])


def measured_on(settings: Settings, dataset: str) -> dict[str, list[str]]:
    """Cell of a claim -> the study's cells that it is made of."""
    first, names = settings.networks[0], seen(dataset)
    cells: dict[str, list[str]] = {}
    for network in settings.networks:
        cells[f"{network}/clean"] = [f"{network}/frozen"]
        for severity in SEVERITIES:
            modules = [f"{network}/condition/{name}-{severity}" for name in names]
            cells[f"{network}/condition-{severity}"] = modules
            cells[f"{network}/frozen-{severity}"] = [f"{network}/frozen"]
    cells[f"{first}/jpeg/ddp"] = [f"{first}/jpeg/{severity}" for severity in QUALITIES]
    for part in ("own", "mixed"):
        cells[f"{first}/drift-{part}"] = [f"{first}/drift/{name}" for name in names]
    return cells


def gains(
    network: str, name: str, severity: int, dataset: str, found: Scores
) -> dict[str, Estimate]:
    """Corruption -> gain over the frozen network at a severity, of modules or of one for all."""
    cells = f"{network}/{name}-{severity}", f"{network}/frozen-{severity}"
    return found.gains(*cells, seen(dataset))


def drifts(network: str, dataset: str, found: Scores) -> dict[str, dict[str, float]]:
    """Corruption -> metrics of `drift`, means over seeds."""
    cells = {name: f"{network}/drift/{name}" for name in seen(dataset)}
    return {
        name: {metric: fmean(found.values(cell, metric).values()) for metric in found.metrics(cell)}
        for name, cell in cells.items()
        if cell in found.cells
    }


def spreads(network: str, dataset: str, found: Scores) -> dict[str, tuple[float, float]]:
    """Variances of gains at the severest: of all that a seed varies, and of test noise alone.

    The first is over seeds. The second is of what the first seed has trained, over the test images
    and draws of several seeds. By "one condition" (pooled over the seen corruptions) and "mean over
    conditions"; what has fewer than two seeds is left out.
    """
    places = {"one condition": seen(dataset), "mean over conditions": (MEAN,)}
    out: dict[str, tuple[float, float]] = {}
    for label, metrics in places.items():
        seeds, noise = (
            [
                variance(own)
                for name in metrics
                if len(own := found.differences(*_pair(prefix, network), name)) > 1
            ]
            for prefix in ("", "retest/")
        )
        if seeds and noise:
            out[label] = fmean(seeds), fmean(noise)
    return out


def _pair(prefix: str, network: str) -> tuple[str, str]:
    cells = (f"{prefix}{network}/{name}-{SEVEREST}" for name in ("condition", "frozen"))
    better, worse = cells
    return better, worse
