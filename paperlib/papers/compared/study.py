"""All five papers' methods on one protocol: as many images, one network, one budget, equal seeds.

Each method is trained for one kind of degradation and tested under it, on clean images, and, where
that is a mixture of corruptions, under others that nobody saw. No paper has this table.

What the chapters train by the same recipe is not trained again: it is only tested anew.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from paperlib.common_corruptions import severity_table, trained_on
from paperlib.degrade.tables import EXTRA
from paperlib.papers.compared.profiles import PROFILES as PROFILES
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.dfd.study import LAMBDA, low
from paperlib.papers.fq.profiles import PROFILES as FQ
from paperlib.papers.sfd.profiles import PROFILES as SFD
from paperlib.papers.ssdl.profiles import PAIR, TUNED
from paperlib.papers.ssdl.study import noise
from paperlib.runs import Plain, Run, in_order
from paperlib.study import BaseStudy, Collected, Results, RunCells, as_trained, collect

NAMES = {"resnet18": "ResNet-18"}
METHODS = {
    "vanilla": "clean images only",
    "fq-base": "the same in float32, as fq needs it",
    "fq": "feature quantization (POW-1), clean images only",
    "degraded": "cross-entropy, degraded images",
    "longer": "cross-entropy, degraded images, the most compute",
    "both": "cross-entropy, clean and degraded images",
    "dfd": "deep feature distillation",
    "ssdl": "self-distillation, degraded teacher",
    "ddp": "deep degradation prior",
    "sfd": "self-feature distillation, UEM",
}
CLEAN_ONLY = ("vanilla", "fq-base", "fq")  # one training serves all degradations
QUANTIZED: dict[str, dict[str, Plain]] = {
    "fq-base": {"kind": "none"},
    "fq": {"kind": "pow", "splits": 1},
}
DEGRADATIONS = {
    "noise": "Gaussian noise, σ = 60",
    "lowres": "8 × 8 pixels",
    "corruptions": "15 corruptions",
}
MIXED = ("corruptions",)  # a method for all of them may know others, too
CLEAN = {"name": "none"}  # no degradation
# Of a network for an image, where an answer is 1 and a step of training 3. A teacher answers once;
# DDP's network answers for the clean image and, as the module learns through it, is gone through
# backwards for the degraded one; sfd trains on two images.
PASSES = {"dfd": 4, "ssdl": 4, "ddp": 4, "sfd": 6}
STEP = 3


def degradation(name: str, dataset: str) -> dict[str, Any]:
    """A kind of degradation, as a run names it."""
    specs: dict[str, dict[str, Plain]] = {
        "noise": noise("gaussian-60"),  # one draw for each image
        "lowres": {**low(8)},
        "corruptions": trained_on(dataset),
    }
    return specs[name]


def unseen(dataset: str, severities: Iterable[int]) -> dict[str, Any]:
    """The four corruptions that no method is trained on, at some severities."""
    what = {"corruption": ",".join(EXTRA), "severity": ",".join(map(str, severities))}
    return {"name": "corruption", **what, "table": severity_table(dataset)}


class Study(BaseStudy[Settings]):
    """Every run of the comparison on one data set. A *cell* is "<method>/<degradation>"."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        self.network = settings.networks[0]

    def clean(self, seed: int) -> Run:
        """Trained on clean images; also tested on 8x8, as in dfd's chapter."""
        return self.run(self.network, seed, evaluate=(low(8),))

    def trained(self, name: str, degraded: str, seed: int) -> Run:
        """One of `METHODS`, trained for one of `DEGRADATIONS`."""
        clean, spec = self.clean(seed), degradation(degraded, self.dataset)
        adapted = self.settings.adapted.but(width=clean.width)
        plain = self.run(self.network, seed, degrade=spec)
        match name:
            case "vanilla":
                return clean
            case "fq-base" | "fq":  # without the images that its chapter calibrates on
                kept = FQ[self.settings.profile].holdout
                return self.run(
                    self.network, seed, method="fq", options=QUANTIZED[name], holdout=kept
                )
            case "degraded":
                return plain
            case "longer":
                return replace(plain, epochs=max(1, round(PAIR * plain.epochs)))
            case "dfd":
                uses, options = {"teacher": clean}, {"lambda_": LAMBDA}
                return replace(plain, method="dfd", options=options, uses=uses)
            case "ssdl":
                return replace(plain, method="ssdl", options=TUNED["ssdl"], uses={"teacher": plain})
            case "ddp":
                module, frozen = self.settings.module.but(width=clean.width), {"frozen": clean}
                return self.run(self.network, seed, module, "ddp", degrade=spec, uses=frozen)
        weight = 0.0 if name == "both" else SFD[self.settings.profile].weight("sfd")
        own: dict[str, Plain] = {"lambda_": weight}
        return self.run(self.network, seed, adapted, "sfd", own, degrade=spec, uses={"init": clean})

    def tested(self, name: str, degraded: str, seed: int) -> Run:
        """`trained` as it is, under its degradation, on clean images, and for `MIXED` on others."""
        learned = self.trained(name, degraded, seed)
        others = (unseen(self.dataset, self.settings.severities),) if degraded in MIXED else ()
        spec = degradation(degraded, self.dataset)
        run = as_trained(learned, degrade=spec, evaluate=(CLEAN, *others), holdout=0)
        if name in ("dfd", "ssdl"):  # what they leave is a classifier like any other
            return replace(run, method="supervised", options={})
        if name == "ddp":
            return replace(run, uses={**learned.uses, **run.uses})
        return run

    def cost(self, name: str, degraded: str) -> float:
        """Of a method, the networks it needs included, in trainings of the clean one."""
        per_image = {"supervised": STEP, "fq": STEP, **PASSES}
        needed = in_order([self.trained(name, degraded, 0)])
        clean = self.clean(0)
        passes = sum(per_image[run.method] * run.epochs for run in needed)
        return passes / (STEP * clean.epochs)

    def cells(self) -> RunCells:
        """Cells "<method>/<degradation>"."""
        return {
            f"{name}/{degraded}": [self.tested(name, degraded, seed) for seed in self.seeds]
            for name in METHODS
            for degraded in DEGRADATIONS
        }


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """All runs on a data set, by item ("compared" is the only one) and cell, one per seed."""
    return {"compared": Study(settings, dataset).cells()}


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """The records of `plan`, by item and cell; a cell without records is empty."""
    return collect(results, plan(settings, dataset, results))
