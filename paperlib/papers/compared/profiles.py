"""What each profile of the comparison trains, and how."""

from dataclasses import dataclass

from paperlib import study
from paperlib.study import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile. The recipe of `recipes` is that of every training from random weights.

    Attributes:
        adapted: of methods that go on from the network trained on clean images, on pairs of a clean
            and a degraded image: half the epochs, which is as many images.
        module: of DDP's module, for the same images and epochs as `adapted`.
        severities: of the corruptions that nobody saw.
    """

    adapted: Recipe
    module: Recipe
    severities: tuple[int, ...] = (3,)


ADAM = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 1e-3}  # as in sfd
MODULE = {"lr": 3e-3, "weight_decay": 0.0}

SMOKE = Recipe(train_size=128, test_size=32, epochs=1, batch_size=64, schedule="onecycle")
DEMO = Recipe(train_size=200, epochs=60, batch_size=32, schedule="onecycle")  # as in ssdl
CPU = Recipe(train_size=1500, epochs=40, batch_size=32, schedule="onecycle")
PAPER = Recipe(epochs=100, batch_size=128, schedule="step")

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        recipes={"resnet18": SMOKE.but(width=0.0625, lr=0.1)},
        adapted=SMOKE.but(**ADAM),
        module=SMOKE.but(**ADAM | MODULE),
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        few_seeds=3,
        recipes={"resnet18": DEMO.but(width=0.0625, lr=0.1)},
        adapted=DEMO.but(**ADAM, epochs=30),
        module=DEMO.but(**ADAM | MODULE, epochs=30),
    ),
    # The recipe of the chapters on dfd, ssdl and fq, so that their trainings serve here too.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10",),
        seeds=20,
        few_seeds=3,
        recipes={"resnet18": CPU.but(width=0.125, lr=0.1)},
        adapted=CPU.but(**ADAM, epochs=20),
        module=CPU.but(**ADAM | MODULE, epochs=20),
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10",),
        seeds=20,
        few_seeds=3,
        recipes={"resnet18": PAPER.but(lr=0.1)},
        adapted=PAPER.but(**ADAM, epochs=50),
        module=PAPER.but(**ADAM | MODULE | {"lr": 1e-3}, epochs=50),
        severities=(1, 3, 5),
    ),
}
