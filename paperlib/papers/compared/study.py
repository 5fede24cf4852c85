"""All five papers' methods on one protocol: the same images, network, budget and seeds, on
degradations of every kind.

Each method is trained for one kind of degradation and tested under it, on clean images, and under
the corruptions that nobody saw. No paper has this table.
"""

import dataclasses
from typing import Any

from paperlib.common_corruptions import severity_table, trained_on
from paperlib.degrade.tables import EXTRA
from paperlib.runs import Plain, Record, Run
from paperlib.study import BaseStudy, Cells, Results, Settings, collect

NAMES = {"resnet18": "ResNet-18"}
METHODS = {
    "vanilla": "clean images only",
    "fq": "feature quantization (POW-1), clean images only",
    "degraded": "cross-entropy, degraded images",
    "both": "cross-entropy, clean and degraded images",
    "dfd": "deep feature distillation",
    "ssdl": "self-distillation, degraded teacher",
    "ddp": "deep degradation prior",
    "sfd": "self-feature distillation, UEM",
}
CLEAN_ONLY = ("vanilla", "fq")  # one training serves all degradations
# of the six distortions, what costs a ResNet-18 on CIFAR-10 about as much as the paper's (chapter
# fq)
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

RECIPE = {"batch_size": 64, "schedule": "onecycle"}
# of all that go on from the clean network, see sfd
ADAM = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-3}
MODULE = {"optimizer": "adam", "weight_decay": 0.0}
PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        networks=("resnet18",),
        recipe={**RECIPE, "train_size": 128, "test_size": 32, "epochs": 1},
        by_network={
            "resnet18": {"width": 0.0625, "lr": 0.1},
            "adapted": {**ADAM},
            "ddp": {**MODULE, "lr": 3e-3},
        },
        holdout=0,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        networks=("resnet18",),
        recipe={**RECIPE, "train_size": 10_000, "test_size": 500, "epochs": 4},
        by_network={
            "resnet18": {"width": 0.125, "lr": 0.1},
            "adapted": {**ADAM, "train_size": 2500, "epochs": 2},
            "ddp": {**MODULE, "lr": 3e-3},
        },
        holdout=0,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10",),
        seeds=5,
        networks=("resnet18",),
        recipe={"epochs": 100, "batch_size": 128, "schedule": "step"},
        by_network={
            "resnet18": {"lr": 0.1},
            "adapted": {**ADAM, "epochs": 60},
            "ddp": {**MODULE, "lr": 1e-3},
        },
        holdout=0,
    ),
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


def unseen(dataset: str) -> dict[str, Any]:
    """The four corruptions that no method is trained on, at three severities."""
    what = {"corruption": ",".join(EXTRA), "severity": "1,3,5", "table": severity_table(dataset)}
    return {"name": "corruption", **what}


class Study(BaseStudy):
    """Every run of the comparison on one data set. A *cell* is "<method>/<degradation>"."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        self.network = settings.networks[0]

    def clean(self, seed: int, **fields: Any) -> Run:
        """Trained on clean images: the baseline, the teacher, and where the others start."""
        return self.settings.run(self.dataset, self.network, seed, **fields)

    def tested(self, run: Run, name: str) -> Run:
        """A network trained on clean images, under a degradation."""
        return dataclasses.replace(run, epochs=0, uses={"init": run}, **self._view(name))

    def run(self, method: str, name: str, seed: int) -> Run:
        """A method trained for a degradation, with the budget that all have."""
        clean = self.clean(seed)
        if method == "vanilla":
            return self.tested(clean, name)
        if method == "fq":
            return self.tested(
                self.clean(seed, method="fq", options={"kind": "pow", "splits": 1}), name
            )
        own: dict[str, Any] = {"method": method, "uses": {"init": clean}}
        match method:
            case "degraded":
                own["method"] = "supervised"
            case "both":
                own |= {"method": "sfd", "options": {"lambda_": 0.0}}
            case "dfd":
                own["uses"] = {"init": clean, "teacher": clean}
            case "ssdl":
                own["uses"] = {"init": clean, "teacher": self.run("degraded", name, seed)}
            case "ddp":
                own |= {"uses": {"frozen": clean}, **self.settings.by_network["ddp"]}
        return dataclasses.replace(
            clean, **{**self.settings.by_network["adapted"], **self._view(name), **own}
        )

    def _view(self, name: str) -> dict[str, Any]:
        return {
            "degrade": degradation(name, self.dataset),
            "evaluate": ({"name": "none"}, unseen(self.dataset)),
        }

    def cells(self) -> Cells:
        """Cells "<method>/<degradation>", a run a seed."""
        return {f"{m}/{d}": self._seeds(self.run, m, d) for m in METHODS for d in DEGRADATIONS}


def study(settings: Settings, dataset: str, results: Results) -> dict[str, dict[str, list[Record]]]:
    """Everything that `make reproduce PAPER=compared` trains on a data set, by item and cell."""
    return collect(results, {"compared": Study(settings, dataset).cells()})
