"""What each profile of deep feature distillation trains, and how."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from paperlib import study
from paperlib.study import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile. Networks come in the order of `recipes`: the one of Table 2 is the first.

    Attributes:
        super_resolution: the recipes of VDSR, ESPCN, SRResNet and SRGAN.
        swept: the networks of which Fig. 2 is made.
        init: where students start, see `Study.student`.
        mirrored: whether digits are mirrored, too, as the paper's text has it.
    """

    super_resolution: Mapping[str, Recipe]
    swept: tuple[str, ...] = ("resnet18",)
    init: str = "scratch"
    mirrored: bool = False

    def scaled(self, factor: float) -> Self:
        """The same with `factor` times the training images, of super-resolution too."""
        more = {name: recipe.scaled(factor) for name, recipe in self.super_resolution.items()}
        return dataclasses.replace(super().scaled(factor), super_resolution=more)


ADAM = {"optimizer": "adam", "weight_decay": 0.0, "crop": 0}  # super-resolution networks

SMOKE = Recipe(train_size=256, test_size=128, epochs=1, batch_size=64, schedule="onecycle")
SMOKE_ADAM = SMOKE.but(**ADAM)
# digits are easy: with few images of them 8x8 pixels cost as much as they do of photographs
DEMO = Recipe(train_size=200, epochs=60, batch_size=32, schedule="onecycle")
DEMO_ADAM = DEMO.but(**ADAM, test_size=1000)
CPU = Recipe(train_size=1500, epochs=40, batch_size=32, schedule="onecycle")
CPU_ADAM = CPU.but(**ADAM)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")
PAPER_ADAM = PAPER.but(**ADAM, batch_size=64, schedule="cosine")
DROPOUT = {"dropout": 0.1}  # of VGG-16; one half is too much for 64 features

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        recipes={
            "resnet18": SMOKE.but(width=0.0625, lr=0.1),
            "vgg16": SMOKE.but(width=0.0625, lr=0.1),
            "alexnet": SMOKE.but(width=0.125, lr=0.02),
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
        seeds=20,
        recipes={
            "resnet18": DEMO.but(width=0.125, lr=0.1),
            # with 200 its base network is now and then far behind
            "vgg16": DEMO.but(train_size=300, epochs=40, width=0.125, lr=0.02, options=DROPOUT),
            "alexnet": DEMO.but(width=0.25, epochs=150, lr=0.03, clip=1.0),
        },
        super_resolution={
            "vdsr": DEMO_ADAM.but(width=0.25, options={"depth": 6}, lr=3e-3, clip=1.0),
            "espcn": DEMO_ADAM.but(width=0.5, epochs=100, lr=1e-2, clip=0.1),
            "srresnet": DEMO_ADAM.but(width=0.25, options={"depth": 2}, epochs=120, lr=3e-3),
            "srgan": DEMO_ADAM.but(
                width=0.25,
                options={"depth": 2, "pixel": 1.0},
                epochs=20,
                schedule="constant",
                lr=2e-4,
            ),
        },
        holdout=2000,
        swept=("vgg16",),  # trained in half the time that ResNet-18 takes
    ),
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10",),
        seeds=20,
        few_seeds=3,
        recipes={
            "resnet18": CPU.but(width=0.125, lr=0.1),
            "vgg16": CPU.but(width=0.125, lr=0.02, options=DROPOUT),
            # without batch norm it learns slowly, and without clipping equation 1 drives it off
            "alexnet": CPU.but(width=0.25, epochs=100, lr=0.03, clip=1.0),
        },
        super_resolution={
            "vdsr": CPU_ADAM.but(width=0.25, options={"depth": 10}, epochs=120, lr=3e-3, clip=1.0),
            "espcn": CPU_ADAM.but(epochs=100, lr=1e-2, clip=0.1),
            "srresnet": CPU_ADAM.but(width=0.25, options={"depth": 4}, epochs=120, lr=3e-3),
            "srgan": CPU_ADAM.but(
                width=0.25, options={"depth": 4}, epochs=20, schedule="constant", lr=1e-4
            ),
        },
        holdout=5000,
        scales=(0.25, 4.0),
        checked=True,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "svhn"),
        seeds=20,
        few_seeds=3,
        recipes={
            "resnet18": PAPER.but(lr=0.1),
            "vgg16": PAPER.but(lr=0.05),
            "alexnet": PAPER.but(lr=0.01),
        },
        super_resolution={
            "vdsr": PAPER_ADAM.but(epochs=80, lr=1e-3, clip=1.0),
            "espcn": PAPER_ADAM.but(lr=1e-2, clip=0.1),
            "srresnet": PAPER_ADAM.but(lr=1e-3),
            "srgan": PAPER_ADAM.but(epochs=60, lr=1e-4, schedule="step"),
        },
        holdout=5000,
        swept=("resnet18", "vgg16", "alexnet"),
        init="lr",  # "after getting pre-trained models, we fine-tune the student model"
        mirrored=True,
    ),
}
