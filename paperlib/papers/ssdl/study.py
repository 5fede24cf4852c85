"""The runs behind simple self-distillation: methods under noise, their tuning, and why it works."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paperlib.datasets import DETECTION
from paperlib.papers.ssdl.profiles import PAIR, Settings
from paperlib.papers.ssdl.profiles import PROFILES as PROFILES
from paperlib.runs import Record, Run
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
NEEDS_CLEAN = ("floor", "joint", "stl")  # clean training images
LAMBDAS = (0.1, 1.0, 10.0, 100.0)
TAPS = ("last", "stages")
TUNED = ("stl", "ssdl")  # alike: the same grid, the same level, the same images kept out
STRENGTHS = (1 / PAIR, PAIR)  # of the teacher's epochs, beside 1
DETECTED = "gaussian-60"  # the noise of scenes
ITEMS = ("tuning", "main", "teachers", "schedules", "similarity", "detection")

Options = dict[str, Any]  # of a distilling method: its taps and lambda, ...


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set, under one profile. A *cell* is "<method>/<level>"."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        self.network = settings.networks[0]
        self.level = settings.levels[0]  # of tuning, ablations and pictures
        self.few = self.seeds[: settings.ablation_seeds]  # of ablations and detection

    # The runs.

    def clean(self, seed: int, holdout: int = 0) -> Run:
        """Trained on clean images: the ceiling, and the teacher of STL."""
        return self.run(self.network, seed, holdout=holdout)

    def noisy(self, level: str, seed: int, holdout: int = 0, epochs: float = 1.0) -> Run:
        """The baseline and SSDL's teacher: on noisy images, for a share of the recipe's epochs."""
        clean = self.clean(seed, holdout)
        share = max(1, round(epochs * clean.epochs))
        return replace(clean, degrade=noise(level), epochs=share)

    def denoiser(self, level: str, seed: int, network: str = "unet", target: str = "again") -> Run:
        """Noise2Noise: from one draw of the noise to another ("again"), or to the clean image."""
        recipe, options = self.settings.denoisers[network], {"target": target}
        return self.run(network, seed, recipe, "denoising", options, degrade=noise(level))

    def model(self, name: str, level: str, seed: int, holdout: int = 0, **options: Any) -> Run:
        """One of `METHODS`: one recipe and budget, from scratch; `options` of those that distil."""
        clean, noisy = self.clean(seed, holdout), self.noisy(level, seed, holdout)
        match name:
            case "floor":
                return as_trained(clean, degrade=noise(level))
            case "noisy":
                return noisy
            case "noisy-long":
                return self.noisy(level, seed, holdout, epochs=PAIR)
            case "n2n":
                return replace(noisy, uses={"frontend": self.denoiser(level, seed)})
            case "joint":  # the authors' order: first restore, then both
                before = self.denoiser(level, seed, "liu", "clean")
                uses = {"frozen": clean, "init": before}
                return replace(before, method="joint", uses=uses, options={}, holdout=holdout)
            case "stl":
                return replace(noisy, method="stl", uses={"teacher": clean}, options=options)
        if name == "ssdl-independent":
            options["draw"] = "independent"
        return replace(noisy, method="ssdl", uses={"teacher": noisy}, options=options)

    def student(
        self, seed: int, options: Options, taught: float = 1.0, epochs: float = 1.0, apart: int = 0
    ) -> Run:
        """SSDL at the first level.

        Args:
            seed: of the student.
            options: those of `SSDL`.
            taught, epochs: of teacher and student, as shares of the recipe's epochs.
            apart: the teacher's seed minus the student's; 0: both have the same initial weights.
        """
        uses = {"teacher": self.noisy(self.level, seed + apart, epochs=taught)}
        student = self.noisy(self.level, seed, epochs=epochs)
        return replace(student, method="ssdl", uses=uses, options=options)

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

    def tuning(self) -> RunCells:
        """Cells "<method>/<taps>/<lambda>", judged on held-out noisy training images; one seed."""
        cells: RunCells = {}
        for name, taps, value in itertools.product(TUNED, TAPS, LAMBDAS):
            options = {"taps": taps, "lambda_": value}
            run = self.model(name, self.level, 0, self.settings.holdout, **options)
            cells[f"{name}/{taps}/{value:g}"] = [run]
        return cells

    def main(self, chosen: Mapping[str, Options]) -> RunCells:
        """Cells "<method>/<level>", "denoiser/<level>" (that of "n2n"), and "ceiling/clean"."""
        cells: RunCells = {"ceiling/clean": [self.clean(seed) for seed in self.seeds]}
        for level in self.settings.levels:
            cells[f"denoiser/{level}"] = [self.denoiser(level, seed) for seed in self.seeds]
            for name in METHODS:
                own = chosen.get(name.removesuffix("-independent"), {})
                cells[f"{name}/{level}"] = [self.model(name, level, s, **own) for s in self.seeds]
        return cells

    def teachers(self, chosen: Mapping[str, Options]) -> RunCells:
        """Does a stronger noisy teacher teach better, or one that started from other weights?

        Cells "teacher/<share of its epochs>", "student/<share>" and "student/apart".
        """
        own, few = chosen["ssdl"], self.few
        cells: RunCells = {"student/apart": [self.student(seed, own, apart=1) for seed in few]}
        for share in STRENGTHS:
            cells[f"teacher/{share:.2g}"] = [self.noisy(self.level, s, epochs=share) for s in few]
            cells[f"student/{share:.2g}"] = [self.student(seed, own, share) for seed in few]
        return cells

    def schedules(self, chosen: Mapping[str, Options]) -> RunCells:
        """Who gains from more training? Cells "noisy/<share of epochs>" and "ssdl/<share>"."""
        own, cells = chosen["ssdl"], {}
        for share in self.settings.schedules:
            cells[f"ssdl/{share:.2g}"] = [self.student(s, own, share, share) for s in self.few]
            for long in (share, PAIR * share):
                noisy = [self.noisy(self.level, seed, epochs=long) for seed in self.few]
                cells[f"noisy/{long:.2g}"] = noisy
        return cells

    def similarity(self) -> RunCells:
        """Cells "<level>"."""
        levels = self.settings.levels
        return {level: [self.compared(level, seed) for seed in self.seeds] for level in levels}

    def detection(self) -> RunCells:
        """Cells "detector/<noisy, stl or ssdl>"."""
        names = ("noisy", "stl", "ssdl")
        return {f"detector/{name}": [self.detector(name, s) for s in self.few] for name in names}


def noise(level: str) -> dict[str, Any]:
    """The noise of "gaussian-<sigma of 255>" or "poisson_gaussian": one fixed draw per image."""
    kind, _, sigma = level.partition("-")
    strength = {"sigma": int(sigma)} if sigma else {"peak": 30, "sigma": 10}
    return {"name": "noise", "noise": kind, **strength, "draw": "fixed"}


def choose_options(tuning: Mapping[str, list[Record]]) -> dict[str, Options]:
    """The tuned methods' taps and lambda of best held-out accuracy; empty without records."""
    chosen: dict[str, Options] = {}
    for name in TUNED:
        own = [
            r for cell, records in tuning.items() if cell.startswith(f"{name}/") for r in records
        ]
        if own:
            best = max(own, key=lambda record: record.metrics["validation_top1"])
            chosen[name] = dict(best.run.options)
    return chosen


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """All that `make reproduce PAPER=ssdl` trains on a data set: tuning first, then the rest.

    Returns records by item (`ITEMS`) and cell; a cell without records is empty, and an item that
    has no place on this data set has no cells.
    """
    runs = Study(settings, dataset)
    items: dict[str, RunCells] = {item: {} for item in ITEMS}
    if dataset in DETECTION:
        return collect(results, {**items, "detection": runs.detection()})
    tuned = collect(results, {"tuning": runs.tuning()})
    chosen = choose_options(tuned["tuning"])
    items["similarity"] = runs.similarity()
    if len(chosen) == len(TUNED):
        items["main"], items["teachers"] = runs.main(chosen), runs.teachers(chosen)
        items["schedules"] = runs.schedules(chosen)
    return {**collect(results, items), **tuned}
