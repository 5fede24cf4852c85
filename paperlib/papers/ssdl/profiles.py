"""What each profile of simple self-distillation trains, and how."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from paperlib import study
from paperlib.runs import Plain
from paperlib.study import DETECTOR, Recipe

Options = dict[str, Plain]  # of a distilling method: its taps and lambda, ...
# What teacher and student cost, in trainings of one network: a step is 3 passes, an answer 1.
PAIR = 7 / 3


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile.

    Attributes:
        levels: of noise; the first is that of the headline claims, tuning, ablations and pictures.
        distilled: taps and lambda of "stl" and "ssdl", chosen on held-out noisy training images;
            the item "tuning" shows the grid that they come from.
        denoisers: recipes of "unet" (Noise2Noise) and "liu" (before joint training, and in it).
        detector: of detectors, one more task.
        lambdas: of the grid that "tuning" shows, for both methods and all taps.
        strengths: epochs of further noisy teachers, as shares of the recipe's.
        schedules: further lengths of training that are compared, as shares of the recipe's epochs.
    """

    detection: ClassVar[bool] = True
    levels: tuple[str, ...]
    distilled: Mapping[str, Options]
    denoisers: Mapping[str, Recipe]
    detector: Recipe
    lambdas: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    strengths: tuple[float, ...] = (1 / PAIR, PAIR)
    schedules: tuple[float, ...] = ()

    def scaled(self, factor: float) -> Self:
        """The same with `factor` times the training images, of denoisers too."""
        denoisers = {name: recipe.scaled(factor) for name, recipe in self.denoisers.items()}
        return dataclasses.replace(super().scaled(factor), denoisers=denoisers)


ADAM = {"optimizer": "adam", "weight_decay": 0.0}  # denoisers
TUNED: dict[str, Options] = {
    "stl": {"taps": "stages", "lambda_": 10.0},
    "ssdl": {"taps": "last", "lambda_": 10.0},
}

SMOKE = Recipe(train_size=128, test_size=64, epochs=1, batch_size=64, schedule="onecycle")
# Digits are easy: noise costs a network much only where it has seen few of them.
DEMO = Recipe(train_size=200, epochs=60, batch_size=32, schedule="onecycle")
DEMO_DENOISER = DEMO.but(**ADAM, batch_size=16, width=0.125, lr=3e-3)
CPU = Recipe(train_size=1500, epochs=40, batch_size=32, schedule="onecycle")
CPU_DENOISER = CPU.but(**ADAM, width=0.25, lr=3e-3)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits", "scenes"),
        seeds=1,
        levels=("gaussian-60",),
        distilled=TUNED,
        recipes={"resnet18": SMOKE.but(width=0.0625, lr=0.1)},
        denoisers=dict.fromkeys(("unet", "liu"), SMOKE.but(**ADAM, width=0.125, lr=3e-3)),
        detector=DETECTOR.but(train_size=32, test_size=16, epochs=1),
        holdout=64,
        lambdas=(10.0,),
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits", "scenes"),
        seeds=20,
        levels=("gaussian-60",),
        distilled=TUNED,
        recipes={"resnet18": DEMO.but(width=0.0625, lr=0.1)},
        denoisers={"unet": DEMO_DENOISER.but(epochs=30), "liu": DEMO_DENOISER.but(epochs=15)},
        detector=DETECTOR.but(train_size=600, test_size=200, epochs=2),
        lambdas=(),
        strengths=(),
    ),
    # Few images and a long schedule: longer training then gains little, which is what a fair
    # comparison with the compute of teacher and student asks for, on two CPU cores. Denoisers are
    # trained until their methods have cost what SSDL and its teacher cost: about 170 core-seconds.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "scenes"),
        seeds=20,
        few_seeds=3,
        levels=("gaussian-60", "gaussian-30"),
        distilled=TUNED,
        recipes={"resnet18": CPU.but(width=0.125, lr=0.1)},
        denoisers={"unet": CPU_DENOISER.but(epochs=60), "liu": CPU_DENOISER.but(epochs=20)},
        detector=DETECTOR.but(train_size=2000, epochs=4),
        # A student with its teacher at one of them is compared with the baseline at the next.
        schedules=(1 / PAIR, PAIR),
        holdout=5000,
        scales=(0.0625, 0.25),
        checked=True,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "svhn", "scenes"),
        seeds=20,
        few_seeds=3,
        levels=("gaussian-60", "gaussian-15", "gaussian-30", "gaussian-45", "poisson_gaussian"),
        distilled=TUNED,
        recipes={"resnet18": PAPER.but(lr=0.1)},
        denoisers=dict.fromkeys(("unet", "liu"), PAPER.but(**ADAM, lr=1e-3, schedule="cosine")),
        detector=DETECTOR.but(width=0.5, epochs=30, schedule="step"),
        holdout=5000,
        deviates="all training, of which the slides say nothing",
    ),
}
