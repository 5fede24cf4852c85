"""The runs behind simple self-distillation: methods under noise, their tuning, and why it works."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from paperlib.datasets import DETECTION
from paperlib.papers.ssdl.profiles import PAIR as PAIR
from paperlib.papers.ssdl.profiles import PROFILES as PROFILES
from paperlib.papers.ssdl.profiles import Settings
from paperlib.runs import Plain, Record, Run
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
DISTILLED = ("stl", "ssdl", "ssdl-independent")
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
        """Trained on noisy images, for a share of the recipe's epochs: the baseline, and the
        teacher of SSDL."""
        clean = self.clean(seed, holdout)
        share = max(1, round(epochs * clean.epochs))
        return dataclasses.replace(clean, degrade=noise(level), epochs=share)

    def denoiser(self, level: str, seed: int, network: str = "unet", target: str = "again") -> Run:
        """Noise2Noise: from one draw of the noise to another, without clean images; or to the clean
        image."""
        recipe, options = self.settings.denoisers[network], {"target": target}
        return self.run(network, seed, recipe, "denoising", options, degrade=noise(level))

    def model(self, name: str, level: str, seed: int, holdout: int = 0, **options: Any) -> Run:
        """One of `METHODS`: one recipe and budget, from scratch; `options` are those of a
        distilling method."""
        clean, noisy = self.clean(seed, holdout), self.noisy(level, seed, holdout)
        match name:
            case "floor":
                return as_trained(clean, degrade=noise(level))
            case "noisy":
                return noisy
            case "noisy-long":
                return self.noisy(level, seed, holdout, epochs=PAIR)
            case "n2n":
                return dataclasses.replace(noisy, uses={"frontend": self.denoiser(level, seed)})
            case "joint":
                # the authors' order: first restore, then both
                before = self.denoiser(level, seed, "liu", "clean")
                uses = {"frozen": clean, "init": before}
                return dataclasses.replace(
                    before, method="joint", uses=uses, options={}, holdout=holdout
                )
            case "stl":
                return dataclasses.replace(
                    noisy, method="stl", uses={"teacher": clean}, options=options
                )
        if name == "ssdl-independent":
            options["draw"] = "independent"
        return dataclasses.replace(noisy, method="ssdl", uses={"teacher": noisy}, options=options)

    def student(
        self,
        seed: int,
        options: Mapping[str, Plain],
        taught: float = 1.0,
        epochs: float = 1.0,
        apart: int = 0,
    ) -> Run:
        """SSDL at the first level.

        Args:
            seed: of the student.
            options: those of `SSDL`.
            taught, epochs: of teacher and student, as shares of the recipe's epochs.
            apart: how far the teacher's seed is from the student's; 0 starts both from the same
                random weights.
        """
        uses = {"teacher": self.noisy(self.level, seed + apart, epochs=taught)}
        student = self.noisy(self.level, seed, epochs=epochs)
        return dataclasses.replace(student, method="ssdl", uses=uses, options=options)

    def compared(self, level: str, seed: int) -> Run:
        """The noisy teacher's features beside the clean teacher's, layer by layer, from another
        start each."""
        uses = {
            "network": self.clean(seed),
            "other": self.noisy(level, seed + 1),
            "again": self.clean(seed + 1),
        }
        recipe = self.settings.recipes[self.network].but(epochs=0)
        return self.run(self.network, seed, recipe, "similarity", uses=uses, degrade=noise(level))

    def detector(self, name: str, seed: int) -> Run:
        """One more task: detectors on noisy scenes; "noisy", "stl" or "ssdl", and "clean" for STL's
        teacher."""
        # a detector names the network of its backbone
        clean = self.run("plain10", seed, self.settings.detector, "detection")
        noisy = dataclasses.replace(clean, degrade=noise(DETECTED))
        match name:
            case "clean":
                return clean
            case "noisy":
                return noisy
        view, teacher = {"stl": ("clean", clean), "ssdl": ("noisy", noisy)}[name]
        return dataclasses.replace(
            noisy, method="detection_ssdl", options={"view": view}, uses={"teacher": teacher}
        )

    # The tables and figures.

    def tuning(self) -> RunCells:
        """Cells "<method>/<taps>/<lambda>", judged on held-out training images, which are noisy
        too; one seed."""
        holdout = self.settings.holdout
        return {
            f"{name}/{taps}/{value:g}": [
                self.model(name, self.level, 0, holdout, taps=taps, lambda_=value)
            ]
            for name in TUNED
            for taps in TAPS
            for value in LAMBDAS
        }

    def main(self, chosen: Mapping[str, Options]) -> RunCells:
        """Cells "<method>/<level>", "denoiser/<level>" (that of "n2n"), and "ceiling/clean"."""
        cells: RunCells = {"ceiling/clean": [self.clean(seed) for seed in self.seeds]}
        for level in self.settings.levels:
            cells[f"denoiser/{level}"] = [self.denoiser(level, seed) for seed in self.seeds]
            for name in METHODS:
                options = chosen[name.removesuffix("-independent")] if name in DISTILLED else {}
                cells[f"{name}/{level}"] = [
                    self.model(name, level, seed, **options) for seed in self.seeds
                ]
        return cells

    def teachers(self, chosen: Mapping[str, Options]) -> RunCells:
        """Cells "teacher/<share of its epochs>" and "student/<share>": does a stronger noisy
        teacher teach better?

        And "student/apart": does one that started from other weights?
        """
        own, few = chosen["ssdl"], self.few
        cells: RunCells = {"student/apart": [self.student(seed, own, apart=1) for seed in few]}
        for share in STRENGTHS:
            cells[f"teacher/{share:.2g}"] = [self.noisy(self.level, s, epochs=share) for s in few]
            cells[f"student/{share:.2g}"] = [self.student(seed, own, share) for seed in few]
        return cells

    def schedules(self, chosen: Mapping[str, Options]) -> RunCells:
        """Cells "noisy/<share of epochs>" and "ssdl/<share>", of student and teacher: who gains
        from more training?"""
        cells: RunCells = {}
        for share in self.settings.schedules:
            cells[f"ssdl/{share:.2g}"] = [
                self.student(seed, chosen["ssdl"], share, share) for seed in self.few
            ]
            for own in (share, PAIR * share):
                cells[f"noisy/{own:.2g}"] = [
                    self.noisy(self.level, seed, epochs=own) for seed in self.few
                ]
        return cells

    def similarity(self) -> RunCells:
        """Cells "<level>"."""
        return {
            level: [self.compared(level, seed) for seed in self.seeds]
            for level in self.settings.levels
        }

    def detection(self) -> RunCells:
        """Cells "detector/<noisy, stl or ssdl>"."""
        return {
            f"detector/{name}": [self.detector(name, seed) for seed in self.few]
            for name in ("noisy", "stl", "ssdl")
        }


def noise(level: str) -> dict[str, Any]:
    """The noise of a level, "gaussian-<sigma of 255>" or "poisson_gaussian": one draw per image,
    the same in all epochs."""
    kind, _, sigma = level.partition("-")
    strength = {"sigma": int(sigma)} if sigma else {"peak": 30, "sigma": 10}
    return {"name": "noise", "noise": kind, **strength, "draw": "fixed"}


def choose_options(tuning: Mapping[str, list[Record]]) -> dict[str, Options]:
    """Taps and lambda of each distilling method: those with the best held-out accuracy; empty
    without records."""
    chosen: dict[str, Options] = {}
    for name in TUNED:
        own = {
            cell: records[0]
            for cell, records in tuning.items()
            if records and cell.startswith(f"{name}/")
        }
        if own:
            best = max(own.values(), key=lambda record: record.metrics["validation_top1"])
            chosen[name] = dict(best.run.options)
    return chosen


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """All that `make reproduce PAPER=ssdl` trains on a data set: tuning first, then the rest.

    Returns records by item (`ITEMS`) and cell; a cell that `results` knows nothing of is empty, and
    an item that has no place on this data set has no cells.
    """
    runs = Study(settings, dataset)
    items: dict[str, RunCells] = {item: {} for item in ITEMS}
    if dataset in DETECTION:
        return collect(results, {**items, "detection": runs.detection()})
    tuned = collect(results, {"tuning": runs.tuning()})
    chosen = choose_options(tuned["tuning"])
    items["similarity"] = runs.similarity()
    if len(chosen) == len(TUNED):
        items |= {
            "main": runs.main(chosen),
            "teachers": runs.teachers(chosen),
            "schedules": runs.schedules(chosen),
        }
    return {**collect(results, items), **tuned}
