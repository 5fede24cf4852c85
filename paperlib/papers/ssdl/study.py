"""The runs behind simple self-distillation: methods under noise, what tunes them, and why it
works."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from paperlib.datasets import DETECTION
from paperlib.papers.ssdl.profiles import LEVELS as LEVELS
from paperlib.papers.ssdl.profiles import PROFILES as PROFILES
from paperlib.runs import Record, Run
from paperlib.study import BaseStudy, Cells, Results, Settings, collect

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
# what teacher and student cost, in trainings of one network: a step is 3 passes, a teacher's answer
# 1
PAIR = 7 / 3
LAMBDAS = (0.1, 1.0, 10.0, 100.0)
TAPS = ("last", "stages")
TUNED = ("stl", "ssdl")  # alike: the same grid, the same level, the same images kept out
STRENGTHS = (1 / PAIR, PAIR)  # of the teacher's epochs, beside 1
# Schedules as shares of the recipe's epochs, beside 1. Steps of `PAIR`: a student with its teacher
# at one of them is compared with the baseline at the next. The longer one where the recipe is
# short, and there is time.
SCHEDULES = {"cpu": (1 / PAIR, PAIR)}
FEWER = {"cpu": 3}  # seeds of these two ablations and of detection, where there is no time for all
ITEMS = ("tuning", "main", "teachers", "schedules", "similarity", "detection")


class Study(BaseStudy):
    """Every run of the paper on one data set, under one profile. A *cell* is "<method>/<level>"."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        self.network = settings.networks[0]
        self.level = LEVELS[settings.profile][0]  # of tuning, ablations and pictures

    # The runs.

    def clean(self, seed: int, holdout: int = 0) -> Run:
        """Trained on clean images: the ceiling, and the teacher of STL."""
        return self.settings.run(self.dataset, self.network, seed, holdout=holdout)

    def noisy(self, level: str, seed: int, holdout: int = 0, epochs: float = 1.0) -> Run:
        """Trained on noisy images, one draw an image for good: the baseline, and the teacher of
        SSDL."""
        run = dataclasses.replace(self.clean(seed, holdout), degrade=noise(level))
        return dataclasses.replace(run, epochs=max(1, round(epochs * run.epochs)))

    def denoiser(self, level: str, seed: int, network: str = "unet", target: str = "again") -> Run:
        """Noise2Noise: from one draw of the noise to another, without clean images; or to the clean
        image."""
        return self.settings.run(
            self.dataset,
            network,
            seed,
            method="denoising",
            degrade=noise(level),
            options={"target": target},
        )

    def model(self, name: str, level: str, seed: int, holdout: int = 0, **options: Any) -> Run:
        """One of `METHODS`: one recipe and budget, from scratch; `options` are those of a
        distilling method."""
        noisy = self.noisy(level, seed, holdout)
        match name:
            case "floor":
                clean = self.clean(seed, holdout)
                return dataclasses.replace(
                    clean, epochs=0, uses={"init": clean}, degrade=noise(level)
                )
            case "noisy":
                return noisy
            case "noisy-long":
                return self.noisy(level, seed, holdout, epochs=PAIR)
            case "n2n":
                return dataclasses.replace(noisy, uses={"frontend": self.denoiser(level, seed)})
            case "joint":
                # the authors' order: first restore, then both
                before = self.denoiser(level, seed, "liu", "clean")
                uses = {"frozen": self.clean(seed, holdout), "init": before}
                return dataclasses.replace(
                    before, method="joint", uses=uses, options={}, holdout=holdout
                )
            case "stl":
                uses = {"teacher": self.clean(seed, holdout)}
                return dataclasses.replace(noisy, method="stl", uses=uses, options=options)
        draw = {"draw": "independent"} if name == "ssdl-independent" else {}
        return dataclasses.replace(
            noisy, method="ssdl", uses={"teacher": noisy}, options={**options, **draw}
        )

    def student(
        self, seed: int, taught: float = 1.0, epochs: float = 1.0, apart: int = 0, **options: Any
    ) -> Run:
        """SSDL at the first level, teacher and student trained for these shares of the recipe's
        epochs.

        Both start from one seed's random weights; or the teacher from those of the seed that lies
        `apart` from it.
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
        return self.settings.run(
            self.dataset,
            self.network,
            seed,
            method="similarity",
            epochs=0,
            uses=uses,
            degrade=noise(level),
        )

    def detector(self, name: str, seed: int) -> Run:
        """One more task: detectors on noisy scenes; "noisy", "stl" or "ssdl", and "clean" for STL's
        teacher."""
        run = self.settings.run(self.dataset, "detector", seed, method="detection")
        # the backbone's body; a detector is a use of it
        run = dataclasses.replace(run, network="plain10")
        noisy = dataclasses.replace(run, degrade=noise(DETECTED))
        if name in ("clean", "noisy"):
            return {"clean": run, "noisy": noisy}[name]
        own = {"stl": ("clean", run), "ssdl": ("noisy", noisy)}[name]
        return dataclasses.replace(
            noisy, method="detection_ssdl", options={"view": own[0]}, uses={"teacher": own[1]}
        )

    # The tables and figures.

    def tuning(self) -> Cells:
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

    def main(self, chosen: Mapping[str, Mapping[str, Any]]) -> Cells:
        """Cells "<method>/<level>", "denoiser/<level>" (that of "n2n"), and "ceiling/clean"."""
        cells: Cells = {"ceiling/clean": self._seeds(self.clean)}
        for level in LEVELS[self.settings.profile]:
            cells[f"denoiser/{level}"] = self._seeds(self.denoiser, level)
            for name in METHODS:
                options = (
                    chosen["ssdl" if name.startswith("ssdl") else name] if name in DISTILLED else {}
                )
                cells[f"{name}/{level}"] = self._seeds(self.model, name, level, **options)
        return cells

    def teachers(self, chosen: Mapping[str, Mapping[str, Any]]) -> Cells:
        """Cells "teacher/<share of its epochs>" and "student/<share>": does a stronger noisy
        teacher teach better?

        And "student/apart": does one that started from other weights?
        """
        cells: Cells = {"student/apart": self._few(self.student, apart=1, **chosen["ssdl"])}
        for share in STRENGTHS:
            cells[f"teacher/{share:.2g}"] = self._few(self.noisy, self.level, epochs=share)
            cells[f"student/{share:.2g}"] = self._few(self.student, taught=share, **chosen["ssdl"])
        return cells

    def schedules(self, chosen: Mapping[str, Mapping[str, Any]]) -> Cells:
        """Cells "noisy/<share of epochs>" and "ssdl/<share>", of student and teacher: who gains
        from more training?"""
        cells: Cells = {}
        for share in SCHEDULES.get(self.settings.profile, ()):
            cells[f"ssdl/{share:.2g}"] = self._few(
                self.student, taught=share, epochs=share, **chosen["ssdl"]
            )
            for own in (share, PAIR * share):
                cells[f"noisy/{own:.2g}"] = self._few(self.noisy, self.level, epochs=own)
        return cells

    def similarity(self) -> Cells:
        """Cells "<level>"."""
        return {level: self._seeds(self.compared, level) for level in LEVELS[self.settings.profile]}

    def detection(self) -> Cells:
        """Cells "detector/<noisy, stl or ssdl>"."""
        return {
            f"detector/{name}": self._few(self.detector, name) for name in ("noisy", "stl", "ssdl")
        }

    def _few(self, make: Callable[..., Run], *cell: Any, **changes: Any) -> list[Run]:
        """The same cell once a seed, for as many seeds as there is time for."""
        return self._seeds(make, *cell, most=FEWER.get(self.settings.profile), **changes)


DETECTED = "gaussian-60"


def noise(level: str) -> dict[str, Any]:
    """The noise of a level, with one draw an image for good: "gaussian-<sigma of 255>" or
    "poisson_gaussian"."""
    kind, _, sigma = level.partition("-")
    strength = {"sigma": int(sigma)} if sigma else {"peak": 30, "sigma": 10}
    return {"name": "noise", "noise": kind, **strength, "draw": "fixed"}


def choose_options(tuning: Mapping[str, list[Record]]) -> dict[str, dict[str, Any]]:
    """Taps and lambda of each distilling method: those with the best held-out accuracy; empty
    without records."""
    chosen: dict[str, dict[str, Any]] = {}
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


def study(settings: Settings, dataset: str, results: Results) -> dict[str, dict[str, list[Record]]]:
    """Everything that `make reproduce PAPER=ssdl` trains on a data set, in two steps: tuning first,
    then the rest.

    Returns records by item (`ITEMS`) and cell; a cell that `results` knows nothing of is empty, and
    an item that has no place on this data set has no cells.
    """
    runs = Study(settings, dataset)
    items: dict[str, Cells] = {item: {} for item in ITEMS}
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
