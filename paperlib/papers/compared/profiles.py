"""What each profile of the comparison trains, and how."""

from dataclasses import dataclass

from paperlib import study
from paperlib.study import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile. The classifier of `recipes` learns from clean images.

    Attributes:
        adapted: of all methods that start from that classifier, which are as wide.
        module: of DDP's module, for the same images and epochs.
        severities: of the corruptions that nobody saw.
    """

    adapted: Recipe
    module: Recipe
    severities: tuple[int, ...] = (1, 3, 5)


ADAM = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-3}  # as in sfd

SMOKE = Recipe(train_size=128, test_size=32, epochs=1, batch_size=64, schedule="onecycle")
SMOKE_ADAPTED = SMOKE.but(**ADAM)
DEMO = Recipe(train_size=10_000, test_size=500, epochs=4, batch_size=64, schedule="onecycle")
DEMO_ADAPTED = DEMO.but(**ADAM, train_size=2500, epochs=2)
CPU = Recipe(train_size=1500, epochs=40, batch_size=32, schedule="onecycle")
CPU_ADAPTED = CPU.but(**ADAM, epochs=20)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")
PAPER_ADAPTED = PAPER.but(**ADAM, epochs=60)

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        recipes={"resnet18": SMOKE.but(width=0.0625, lr=0.1)},
        adapted=SMOKE_ADAPTED,
        module=SMOKE_ADAPTED.but(lr=3e-3, weight_decay=0.0),
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        recipes={"resnet18": DEMO.but(width=0.125, lr=0.1)},
        adapted=DEMO_ADAPTED,
        module=DEMO_ADAPTED.but(lr=3e-3, weight_decay=0.0),
    ),
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10",),
        seeds=20,
        few_seeds=3,
        recipes={"resnet18": CPU.but(width=0.125, lr=0.1)},
        adapted=CPU_ADAPTED,
        module=CPU_ADAPTED.but(lr=3e-3, weight_decay=0.0),
        severities=(3,),
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10",),
        seeds=20,
        few_seeds=3,
        recipes={"resnet18": PAPER.but(lr=0.1)},
        adapted=PAPER_ADAPTED,
        module=PAPER_ADAPTED.but(lr=1e-3, weight_decay=0.0),
    ),
}
