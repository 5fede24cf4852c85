"""All five papers' methods on one protocol: the same images, network, budget and seeds.

Each method is trained for one kind of degradation and tested under it, on clean images, and under
the corruptions that nobody saw. No paper has this table.
"""

from collections.abc import Iterable
from typing import Any

from paperlib.common_corruptions import severity_table, trained_on
from paperlib.degrade.tables import EXTRA
from paperlib.papers.compared.profiles import PROFILES as PROFILES
from paperlib.papers.compared.profiles import Settings
from paperlib.papers.ssdl.profiles import PAIR, TUNED
from paperlib.runs import Plain, Run
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
# what ssdl finds best on held-out images
SSDL = TUNED["ssdl"]
# of the six distortions: they cost a ResNet-18 on CIFAR-10 about what they cost fq's on ImageNet
STRENGTHS = {
    "motion_blur": 0.5,
    "jpeg_compression": 0.7,
    "salt_and_pepper": 0.1,
    "ngrn_noise": 0.3,
    "inpainting": 0.5,
    "targeted_occlusion": 0.4,
}
DEGRADATIONS = {
    "corruptions": "15 corruptions",
    "lowres": "8 × 8 pixels",
    "noise": "Gaussian noise, σ = 30",
    "poisson": "Poisson–Gaussian noise",
    "distortions": "6 distortions",
}


def degradation(name: str, dataset: str) -> dict[str, Any]:
    """A kind of degradation, as a run names it."""
    specs: dict[str, dict[str, Plain]] = {
        "corruptions": trained_on(dataset),
        "lowres": {"name": "lowres", "factor": 4},
        "noise": {"name": "noise", "noise": "gaussian", "sigma": 30},
        "poisson": {"name": "noise", "noise": "poisson_gaussian", "peak": 30, "sigma": 10},
        "distortions": {"name": "distortion_mix", **STRENGTHS},
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

    def model(self, name: str, degraded: str, seed: int) -> Run:
        """One of `METHODS` trained for one of `DEGRADATIONS`, with the budget that all have."""
        clean = self.run(self.network, seed)  # where the others start
        conditions = {
            "degrade": degradation(degraded, self.dataset),
            "evaluate": ({"name": "none"}, unseen(self.dataset, self.settings.severities)),
        }
        method, recipe, uses = name, self.settings.adapted, {"init": clean}
        options: dict[str, Plain] = {}
        match name:
            case "vanilla":
                return as_trained(clean, **conditions)
            case "fq-base" | "fq":
                own = self.run(self.network, seed, method="fq", options=QUANTIZED[name])
                return as_trained(own, **conditions)
            case "degraded":
                method = "supervised"
            case "longer":
                method, recipe = "supervised", recipe.but(epochs=round(PAIR * recipe.epochs))
            case "both":
                method, options = "sfd", {"lambda_": 0.0}
            case "dfd":
                uses = {"init": clean, "teacher": clean}
            case "ssdl":
                options = SSDL
                uses = {"init": clean, "teacher": self.model("degraded", degraded, seed)}
            case "ddp":
                recipe, uses = self.settings.module, {"frozen": clean}
        recipe = recipe.but(width=clean.width)
        return self.run(self.network, seed, recipe, method, options, uses=uses, **conditions)

    def cells(self) -> RunCells:
        """Cells "<method>/<degradation>"."""
        return {
            f"{name}/{degraded}": [self.model(name, degraded, seed) for seed in self.seeds]
            for name in METHODS
            for degraded in DEGRADATIONS
        }


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """All runs on a data set, by item ("compared" is the only one) and cell, one per seed."""
    return {"compared": Study(settings, dataset).cells()}


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """The records of `plan`, by item and cell; a cell without records is empty."""
    return collect(results, plan(settings, dataset, results))
