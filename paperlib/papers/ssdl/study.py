"""The runs behind simple self-distillation: methods under noise, and why it works."""

import itertools
from dataclasses import replace
from typing import Any

from paperlib.datasets import DETECTION
from paperlib.papers.ssdl.profiles import PAIR, Settings
from paperlib.papers.ssdl.profiles import PROFILES as PROFILES
from paperlib.runs import Run
from paperlib.study import BaseStudy, Collected, Results, RunCells, as_trained, collect

NAMES = {"resnet18": "ResNet-18"}
METHODS = {
    "floor": "clean-trained, tested on noise (floor)",
    "noisy": "noisy baseline",
    "noisy-long": "noisy baseline, compute of teacher + student",
    "n2n": "Noise2Noise, then classify",
    "joint": "joint training, denoiser + frozen classifier",
    "stl": "student-teacher learning, clean teacher",
    "ssdl": "SSDL",
    "ssdl-independent": "SSDL, teacher sees another draw",
}
CLEAN = {"name": "none"}  # no degradation
NEEDS_CLEAN = ("floor", "joint", "stl")  # clean training images
TAPS = ("last", "stages")
TUNED = ("stl", "ssdl")  # alike: the same grid, the same level, the same images kept out
DECIDED = ("noisy", "noisy-long", "stl", "ssdl", "joint", "n2n")  # have seeds until it is clear
LENGTHS = (1, 2)  # times the epochs, on held-out images: does longer training change much?
DETECTED = "gaussian-60"  # the noise of scenes
ITEMS = (
    "main",
    "setting",
    "tuning",
    "teachers",
    "schedules",
    "similarity",
    "scale",
    "detection",
)


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set, under one profile. A *cell* is "<method>/<level>"."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        self.network = settings.networks[0]
        self.level = settings.levels[0]  # of claims, tuning, ablations and pictures

    # The runs.

    def clean(self, seed: int, holdout: int = 0) -> Run:
        """Trained on clean images: the ceiling, and the teacher of STL."""
        return self.run(self.network, seed, holdout=holdout)

    def noisy(self, level: str, seed: int, holdout: int = 0, epochs: float = 1.0) -> Run:
        """The baseline and SSDL's teacher: on noisy images, for a share of the recipe's epochs."""
        clean = self.clean(seed, holdout)
        share = max(1, round(epochs * clean.epochs))
        return replace(clean, degrade=noise(level), epochs=share)

    def denoiser(self, level: str, seed: int, holdout: int = 0) -> Run:
        """Noise2Noise: from one draw of the noise to another."""
        recipe, options = self.settings.denoisers["unet"], {"target": "again"}
        fields = {"degrade": noise(level), "holdout": holdout}
        return self.run("unet", seed, recipe, "denoising", options, **fields)

    def model(self, name: str, level: str, seed: int, holdout: int = 0, **options: Any) -> Run:
        """One of `METHODS`: one recipe and budget, from scratch.

        `options` of those that distil take the place of the tuned ones.
        """
        clean, noisy = self.clean(seed, holdout), self.noisy(level, seed, holdout)
        match name:
            case "floor":
                return as_trained(clean, degrade=noise(level))
            case "noisy":
                return noisy
            case "noisy-long":
                return self.noisy(level, seed, holdout, epochs=PAIR)
            case "n2n":
                return replace(noisy, uses={"frontend": self.denoiser(level, seed, holdout)})
            case "joint":  # the authors' order: first restore, then both
                recipe, options = self.settings.denoisers["liu"], {"target": "clean"}
                fields = {"degrade": noise(level), "holdout": holdout}
                before = self.run("liu", seed, recipe, "denoising", options, **fields)
                uses = {"frozen": clean, "init": before}
                return replace(before, method="joint", uses=uses, options={})
        own = {**self.settings.distilled[name.removesuffix("-independent")], **options}
        if name == "stl":
            return replace(noisy, method="stl", uses={"teacher": clean}, options=own)
        if name == "ssdl-independent":
            own["draw"] = "independent"
        return replace(noisy, method="ssdl", uses={"teacher": noisy}, options=own)

    def student(self, seed: int, taught: float = 1.0, epochs: float = 1.0) -> Run:
        """SSDL at the first level.

        Args:
            seed: of student and teacher.
            taught, epochs: of teacher and student, as shares of the recipe's epochs.
        """
        student = self.model("ssdl", self.level, seed)
        length = self.noisy(self.level, seed, epochs=epochs).epochs
        uses = {"teacher": self.noisy(self.level, seed, epochs=taught)}
        return replace(student, epochs=length, uses=uses)

    def compared(self, level: str, seed: int) -> Run:
        """The noisy teacher's features beside the clean teacher's, each from another start."""
        other, again = self.noisy(level, seed + 1), self.clean(seed + 1)
        uses = {"network": self.clean(seed), "other": other, "again": again}
        recipe = self.settings.recipes[self.network].but(epochs=0)
        return self.run(self.network, seed, recipe, "similarity", uses=uses, degrade=noise(level))

    def detector(self, name: str, seed: int) -> Run:
        """One more task: a detector on noisy scenes, "noisy" (the baseline), "stl" or "ssdl"."""
        # a detector names the network of its backbone
        clean = self.run("plain10", seed, self.settings.detector, "detection")
        noisy = replace(clean, degrade=noise(DETECTED))
        if name == "noisy":
            return noisy
        view, teacher = {"stl": ("clean", clean), "ssdl": ("noisy", noisy)}[name]
        options, uses = {"view": view}, {"teacher": teacher}
        return replace(noisy, method="detection_ssdl", options=options, uses=uses)

    # The tables and figures.

    def main(self) -> RunCells:
        """Cells "<method>/<level>", "denoiser/<level>" (that of "n2n"), and "ceiling/clean".

        Those that claims are about have all seeds, at the first level; what they use has, too.
        """
        cells: RunCells = {"ceiling/clean": [self.clean(seed) for seed in self.seeds]}
        for level in self.settings.levels:
            first = level == self.level
            for name in METHODS:
                seeds = self.seeds if first and name in DECIDED else self.few
                cells[f"{name}/{level}"] = [self.model(name, level, seed) for seed in seeds]
            seeds = self.seeds if first else self.few
            cells[f"denoiser/{level}"] = [self.denoiser(level, seed) for seed in seeds]
        return cells

    def scale(self) -> RunCells:
        """Cells "scale/<factor>/<method>/<level>", with a share of the training images."""
        cells: RunCells = {}
        for factor in self.settings.scales:
            other = Study(self.settings.scaled(factor), self.dataset)
            for name in DECIDED:
                runs = [other.model(name, self.level, seed) for seed in self.few]
                cells[f"scale/{factor:g}/{name}/{self.level}"] = runs
        return cells

    def setting(self) -> RunCells:
        """Cells "setting/<clean or noisy>/<times the epochs>", judged on held-out images."""
        cells: RunCells = {}
        for times in LENGTHS if self.settings.checked else ():
            for name in ("clean", "noisy"):
                runs = []
                for seed in self.few:
                    run = self.noisy(self.level, seed, self.settings.holdout, times)
                    runs.append(run if name == "noisy" else replace(run, degrade=CLEAN))
                cells[f"setting/{name}/{times}"] = runs
        return cells

    def tuning(self) -> RunCells:
        """Cells "<method>/<taps>/<lambda>", judged on held-out noisy training images."""
        cells: RunCells = {}
        for name, taps, value in itertools.product(TUNED, TAPS, self.settings.lambdas):
            options = {"taps": taps, "lambda_": value}
            cells[f"{name}/{taps}/{value:g}"] = [
                self.model(name, self.level, seed, self.settings.holdout, **options)
                for seed in self.few
            ]
        return cells

    def teachers(self) -> RunCells:
        """Does a stronger noisy teacher teach better?

        Cells "teacher/<share of its epochs>" and "student/<share>".
        """
        few, cells = self.few, {}
        for share in self.settings.strengths:
            cells[f"teacher/{share:.2g}"] = [self.noisy(self.level, s, epochs=share) for s in few]
            cells[f"student/{share:.2g}"] = [self.student(seed, share) for seed in few]
        return cells

    def schedules(self) -> RunCells:
        """Who gains from more training? Cells "noisy/<share of epochs>" and "ssdl/<share>"."""
        cells: RunCells = {}
        for share in self.settings.schedules:
            cells[f"ssdl/{share:.2g}"] = [self.student(seed, share, share) for seed in self.few]
            for long in (share, PAIR * share):
                noisy = [self.noisy(self.level, seed, epochs=long) for seed in self.few]
                cells[f"noisy/{long:.2g}"] = noisy
        return cells

    def similarity(self) -> RunCells:
        """Cells "<level>"."""
        levels = self.settings.levels
        return {level: [self.compared(level, seed) for seed in self.few] for level in levels}

    def detection(self) -> RunCells:
        """Cells "detector/<noisy, stl or ssdl>"."""
        names = ("noisy", "stl", "ssdl")
        return {f"detector/{name}": [self.detector(name, s) for s in self.few] for name in names}


def noise(level: str) -> dict[str, Any]:
    """The noise of "gaussian-<sigma of 255>" or "poisson_gaussian": one fixed draw per image."""
    kind, _, sigma = level.partition("-")
    strength = {"sigma": int(sigma)} if sigma else {"peak": 30, "sigma": 10}
    return {"name": "noise", "noise": kind, **strength, "draw": "fixed"}


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """All runs on a data set, by item (`ITEMS`) and cell, one per seed.

    Claims and ablations come from data sets for classification, "detection" from the others; an
    item that has no place on this one has no cells.
    """
    runs = Study(settings, dataset)
    return {
        item: getattr(runs, item)() if (item == "detection") == (dataset in DETECTION) else {}
        for item in ITEMS
    }


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """The records of `plan`, by item and cell; a cell without records is empty."""
    return collect(results, plan(settings, dataset, results))
