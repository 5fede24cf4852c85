"""What each profile of the deep degradation prior trains, and how."""

from dataclasses import dataclass

from paperlib import study
from paperlib.study import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile. Modules are as wide as the network that they are plugged into.

    Attributes:
        module: of the feature de-drifting modules.
        few: of those that learn from ten images.
        conditioned: networks with a module for each of 15 conditions: all of them only where the
            paper's schedule is asked for.
    """

    module: Recipe
    few: Recipe
    conditioned: tuple[str, ...]


FDM = {"optimizer": "adam", "weight_decay": 0.0}
TEN = {"train_size": 10, "batch_size": 10, "test_size": 8}  # images of the extreme setting

SMOKE = Recipe(train_size=256, test_size=64, epochs=1, batch_size=64, schedule="onecycle")
SMOKE_MODULE = SMOKE.but(**FDM, train_size=64, lr=3e-3)
DEMO = Recipe(train_size=10_000, test_size=250, epochs=4, batch_size=64, schedule="onecycle")
DEMO_MODULE = DEMO.but(**FDM, train_size=1000, batch_size=16, lr=3e-3)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")
PAPER_MODULE = PAPER.but(**FDM, train_size=1000, batch_size=16, lr=1e-3)

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
        module=SMOKE_MODULE,
        few=SMOKE_MODULE.but(**TEN, epochs=2),
        conditioned=("resnet18",),
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        recipes={
            "resnet18": DEMO.but(width=0.125, lr=0.1),
            "vgg16": DEMO.but(width=0.125, lr=0.02, options={"dropout": 0.1}),
            "alexnet": DEMO.but(width=0.25, lr=0.01),
        },
        module=DEMO_MODULE,
        few=DEMO_MODULE.but(**TEN, epochs=100),
        conditioned=("resnet18",),
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10",),
        seeds=3,
        recipes={
            "resnet50": PAPER.but(lr=0.1),
            "vgg16": PAPER.but(lr=0.05),
            "resnet18": PAPER.but(lr=0.1),
            "alexnet": PAPER.but(lr=0.01),
        },
        module=PAPER_MODULE,
        few=PAPER_MODULE.but(**TEN, epochs=1000),
        conditioned=("resnet50", "vgg16", "resnet18", "alexnet"),
    ),
}
