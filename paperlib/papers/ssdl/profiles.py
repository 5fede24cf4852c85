"""What each profile of simple self-distillation trains, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from paperlib import study
from paperlib.study import DETECTOR, Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile.

    Attributes:
        levels: of noise; the first is that of tuning, ablations and pictures.
        denoisers: recipes of "unet" (Noise2Noise) and "liu" (before joint training).
        detector: of detectors, one more task.
        schedules: further lengths of training that are compared, as shares of the recipe's epochs.
        ablation_seeds: how many seeds teachers, schedules and detection have, at most;
            None is all.
    """

    detection: ClassVar[bool] = True
    levels: tuple[str, ...]
    denoisers: Mapping[str, Recipe]
    detector: Recipe
    schedules: tuple[float, ...] = ()
    ablation_seeds: int | None = None


# What teacher and student cost, in trainings of one network: a step is 3 passes, an answer 1.
PAIR = 7 / 3
ADAM = {"optimizer": "adam", "weight_decay": 0.0}  # denoisers

SMOKE = Recipe(train_size=128, test_size=64, epochs=1, batch_size=64, schedule="onecycle")
DEMO = Recipe(train_size=3000, test_size=2500, epochs=3, batch_size=64, schedule="onecycle")
CPU = Recipe(train_size=1500, epochs=40, batch_size=32, schedule="onecycle")
CPU_DENOISER = CPU.but(**ADAM, width=0.25, lr=3e-3)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits", "scenes"),
        seeds=1,
        levels=("gaussian-30",),
        recipes={"resnet18": SMOKE.but(width=0.0625, lr=0.1)},
        denoisers=dict.fromkeys(("unet", "liu"), SMOKE.but(**ADAM, width=0.125, lr=3e-3)),
        detector=DETECTOR.but(train_size=32, test_size=16, epochs=1),
        holdout=64,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits", "scenes"),
        seeds=3,
        levels=("gaussian-60", "poisson_gaussian"),
        recipes={"resnet18": DEMO.but(width=0.125, lr=0.1)},
        denoisers=dict.fromkeys(("unet", "liu"), DEMO.but(**ADAM, width=0.25, lr=3e-3, epochs=2)),
        detector=DETECTOR.but(train_size=600, test_size=200, epochs=2),
        holdout=1000,
    ),
    # Few images and a long schedule: longer training then gains little, which is what a fair
    # comparison with the compute of teacher and student asks for, on two CPU cores.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "scenes"),
        seeds=5,
        levels=("gaussian-60", "gaussian-30"),
        recipes={"resnet18": CPU.but(width=0.125, lr=0.1)},
        denoisers={"unet": CPU_DENOISER.but(epochs=15), "liu": CPU_DENOISER.but(epochs=10)},
        detector=DETECTOR.but(train_size=2000, epochs=4),
        # A student with its teacher at one of them is compared with the baseline at the next.
        schedules=(1 / PAIR, PAIR),
        ablation_seeds=3,
        holdout=5000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "svhn", "scenes"),
        seeds=5,
        levels=("gaussian-30", "gaussian-15", "gaussian-45", "gaussian-60", "poisson_gaussian"),
        recipes={"resnet18": PAPER.but(lr=0.1)},
        denoisers=dict.fromkeys(("unet", "liu"), PAPER.but(**ADAM, lr=1e-3, schedule="cosine")),
        detector=DETECTOR.but(width=0.5, epochs=30, schedule="step"),
        holdout=5000,
    ),
}
