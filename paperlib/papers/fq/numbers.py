"""Feature quantization's numbers: those of the records, and what tables and claims make of them."""

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import NamedTuple

from paperlib import degrade
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.papers.fq.study import (
    DISTORTIONS,
    DRAWN,
    MIXED,
    NAMES,
    PENALTIES,
    SPLITS,
    STRENGTHS,
    distorted,
    fractions,
)

DETECTED = "map50"  # mean average precision at an overlap of one half, as on PASCAL VOC
# What Table 3 prints: top-5, but top-1 under the occlusion
MEASURES = dict.fromkeys((*DISTORTIONS, MIXED), "top5") | {"targeted_occlusion": "top1"}
# derived cell -> the study's cells that it is made of
DERIVED = {f"smallcnn/{p}": [f"smallcnn/{p}/pow-{k}" for k in SPLITS] for p in PENALTIES}
DERIVED |= {f"{network}/clean": [f"{network}/base"] for network in NAMES}
DERIVED |= {"detector/clean": ["detector/base/clean"]}


class Strength(NamedTuple):
    """What the calibration found for a distortion, on held-out training images."""

    asked: float  # the share of its accuracy that the paper's ResNet-18 keeps
    value: float  # the strength
    kept: float  # the share that ours keeps at it

    @property
    def reached(self) -> bool:
        """Whether the distortion costs what it should; not if even its strongest costs less."""
        return self.value < 1 or self.kept <= self.asked


def strengths(found: Scores) -> dict[str, Strength]:
    """Distortion -> its calibration; empty without one."""
    out = {}
    for name, asked in fractions().items():
        own = [
            found.values("strengths", f"validation_{what}@{name}") for what in ("strength", "kept")
        ]
        if all(own):
            out[name] = Strength(asked, *(next(iter(values.values())) for values in own))
    return out


def metric(distortion: str) -> str:
    """That of Table 3 under a distortion, whatever its strength: "top5@ngrn_noise"."""
    return f"{MEASURES[distortion]}@{distortion}"


def scores(items: Items) -> Scores:
    """All numbers, and what is made of them.

    - `metric(distortion)` of the cells of "table3" and "scale", and "top5_error@..." of the first;
    - the cell "<network>/clean": what its base network has without distortion, by these names;
    - "error" of Table 1's cells, and the cells "smallcnn/l1" and "smallcnn/l2", means over splits;
    - the cell "detector/clean": the detector without non-linearities on clean scenes.
    """
    found = Scores.of(*items.values())
    found = found.plus(_by_distortion(found, [*items["table3"], *items["scale"]]))
    return found.plus([*_clean(found), *_errors(found, items), *_means(found)])


def _by_distortion(found: Scores, cells: list[str]) -> Iterator[Score]:
    values = {name: own.value for name, own in strengths(found).items()}
    specs: dict[str, Mapping[str, object]] = {n: distorted(n, x) for n, x in values.items()}
    if values:
        specs[MIXED] = {"name": MIXED, **values}
    for name, spec in specs.items():
        measured = f"{MEASURES[name]}@{degrade.label(spec)}"
        for cell in cells:
            for seed, value in found.values(cell, measured).items():
                yield Score(cell, seed, metric(name), value)


def _clean(found: Scores) -> Iterator[Score]:
    for network in NAMES:
        for name, measure in MEASURES.items():
            for seed, value in found.values(f"{network}/base", measure).items():
                yield Score(f"{network}/clean", seed, metric(name), value)
    for seed, value in found.values("detector/base/clean", DETECTED).items():
        yield Score("detector/clean", seed, DETECTED, value)


def _errors(found: Scores, items: Items) -> Iterator[Score]:
    names = {"top1": "error"} | {metric(n): f"top5_error@{n}" for n in DISTORTIONS}
    for cell in (*items["table1"], *items["table3"]):
        for measured, error in names.items():
            for seed, value in found.values(cell, measured).items():
                yield Score(cell, seed, error, 100 - value)


def _means(found: Scores) -> Iterator[Score]:
    for penalty in PENALTIES:
        cell = f"smallcnn/{penalty}"
        own = [found.values(part) for part in DERIVED[cell]]
        for seed in sorted(set.intersection(*map(set, own))):
            yield Score(cell, seed, "top1", fmean(values[seed] for values in own))


Curves = dict[str, dict[str, dict[float, Estimate]]]


def curves(found: Scores) -> Curves:
    """Fig. 3: distortion -> model -> strength -> top-5, top-1 under the occlusion.

    Strength 0 is clean. The network is ResNet-50, as in the paper, or ResNet-18. Empty without
    records.
    """
    network = "resnet50" if found.values("fig3/resnet50/base") else "resnet18"
    out: Curves = {}
    for name, own in strengths(found).items():
        measure = MEASURES[name]
        specs = [distorted(name, factor * own.value) for factor in STRENGTHS]
        metrics = {0.0: measure}
        metrics |= {float(spec["strength"]): f"{measure}@{degrade.label(spec)}" for spec in specs}
        for model in DRAWN:
            cell = f"fig3/{network}/{model}"
            drawn = {at: found.estimate(cell, measured) for at, measured in metrics.items()}
            if curve := {at: value for at, value in drawn.items() if value}:
                out.setdefault(DISTORTIONS[name], {})[label(network, model)] = curve
    return out


def label(network: str, model: str) -> str:
    """A row of Table 3, as the paper prints it."""
    return NAMES[network] if model == "base" else f"+{model.upper()}"
