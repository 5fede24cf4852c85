"""What each profile of deep feature distillation trains, and how."""

from collections.abc import Mapping
from dataclasses import dataclass

from paperlib import study
from paperlib.study import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile; `super_resolution` are the recipes of VDSR, ESPCN, SRResNet and SRGAN."""

    super_resolution: Mapping[str, Recipe]


ADAM = {"optimizer": "adam", "weight_decay": 0.0, "crop": 0}  # super-resolution networks

SMOKE = Recipe(train_size=256, test_size=128, epochs=1, batch_size=64, schedule="onecycle")
SMOKE_ADAM = SMOKE.but(**ADAM)
DEMO = Recipe(train_size=2500, test_size=2500, epochs=5, batch_size=32, schedule="onecycle")
DEMO_ADAM = DEMO.but(**ADAM)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")
PAPER_ADAM = PAPER.but(**ADAM, batch_size=64, schedule="cosine")

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        recipes={
            "alexnet": SMOKE.but(width=0.125, lr=0.02),
            "vgg16": SMOKE.but(width=0.0625, lr=0.1),
            "resnet18": SMOKE.but(width=0.0625, lr=0.1),
        },
        super_resolution={
            "vdsr": SMOKE_ADAM.but(width=0.125, options={"depth": 3}, lr=3e-3),
            "espcn": SMOKE_ADAM.but(width=0.25, lr=5e-3),
            "srresnet": SMOKE_ADAM.but(width=0.125, options={"depth": 2}, lr=1e-2),
            "srgan": SMOKE_ADAM.but(width=0.125, options={"depth": 2}, lr=2e-4),
        },
        holdout=128,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        recipes={
            "alexnet": DEMO.but(width=0.25, lr=0.01, epochs=8),
            # dropout of one half is too much for 64 features
            "vgg16": DEMO.but(width=0.125, lr=0.02, options={"dropout": 0.1}),
            "resnet18": DEMO.but(width=0.125, lr=0.03),
        },
        super_resolution={
            "vdsr": DEMO_ADAM.but(width=0.25, options={"depth": 6}, train_size=4000, lr=3e-3),
            "espcn": DEMO_ADAM.but(width=0.5, train_size=4000, epochs=10, lr=1e-2, clip=0.1),
            "srresnet": DEMO_ADAM.but(
                width=0.25, options={"depth": 2}, epochs=8, batch_size=16, lr=1e-2
            ),
            "srgan": DEMO_ADAM.but(
                width=0.25,
                options={"depth": 2, "pixel": 1.0},
                train_size=1500,
                epochs=2,
                schedule="constant",
                lr=2e-4,
            ),
        },
        holdout=1000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "svhn"),
        seeds=3,
        recipes={
            "alexnet": PAPER.but(lr=0.01),
            "vgg16": PAPER.but(lr=0.05),
            "resnet18": PAPER.but(lr=0.1),
        },
        super_resolution={
            "vdsr": PAPER_ADAM.but(epochs=80, lr=1e-3, clip=1.0),
            "espcn": PAPER_ADAM.but(lr=1e-2, clip=0.1),
            "srresnet": PAPER_ADAM.but(lr=1e-3),
            "srgan": PAPER_ADAM.but(epochs=60, lr=1e-4, schedule="step"),
        },
        holdout=5000,
    ),
}
