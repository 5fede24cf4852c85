"""What each profile of feature quantization trains, and how."""

from dataclasses import dataclass
from typing import ClassVar

from paperlib import study
from paperlib.study import DETECTOR, Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile.

    Attributes:
        recipes: of Table 3's networks.
        smallcnn: of Table 1's network.
        vgg16: of Fig. 1's network.
        detector: of Fig. 4's networks.
        detector_seeds: how many seeds Fig. 4 has, at most.
    """

    detection: ClassVar[bool] = True
    smallcnn: Recipe
    vgg16: Recipe
    detector: Recipe
    detector_seeds: int = 1

    def recipe(self, network: str) -> Recipe:
        """That of any classifier, by the name of its network."""
        return {**self.recipes, "smallcnn": self.smallcnn, "vgg16": self.vgg16}[network]


SMOKE = Recipe(train_size=256, test_size=128, epochs=1, batch_size=64, schedule="onecycle", lr=0.1)
DEMO = SMOKE.but(train_size=1500, test_size=500, epochs=3, batch_size=16, lr=0.05)
CPU = SMOKE.but(train_size=10_000, test_size=2000, epochs=2)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step", lr=0.1)
VOC = DETECTOR.but(width=1.0, lr=1e-3, epochs=100, schedule="step")

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits", "scenes"),
        seeds=1,
        recipes=dict.fromkeys(("resnet18", "resnet50", "plain10"), SMOKE.but(width=0.0625)),
        smallcnn=SMOKE.but(width=0.5),
        vgg16=SMOKE.but(width=0.0625),
        detector=DETECTOR.but(train_size=64, test_size=32, epochs=1),
        holdout=128,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits", "scenes"),
        seeds=3,
        # a ResNet-50 learns nothing in a minute
        recipes={"resnet18": DEMO.but(width=0.125), "plain10": DEMO.but(width=0.25)},
        smallcnn=DEMO.but(lr=0.02, train_size=1200, test_size=1000),
        vgg16=DEMO.but(width=0.125, lr=0.02, batch_size=32, train_size=2000, epochs=6),
        detector=DETECTOR.but(train_size=2000, epochs=3),
        holdout=500,
    ),
    # As much of the paper's tables, on the paper's small data sets, as two CPU cores can do in an
    # afternoon.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "cifar100", "scenes"),
        seeds=5,
        recipes={
            "resnet18": CPU.but(width=0.25),
            "resnet50": CPU.but(width=0.0625),
            "plain10": CPU.but(width=0.5),
        },
        smallcnn=CPU.but(train_size=25_000, test_size=0, epochs=1),
        vgg16=CPU.but(width=0.25, lr=0.02, batch_size=32, epochs=4, test_size=5000),
        detector=DETECTOR.but(train_size=2000, epochs=3),
        detector_seeds=3,
        holdout=2000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "cifar100", "voc2007"),
        seeds=10,
        recipes=dict.fromkeys(("resnet18", "resnet50", "plain10"), PAPER),
        smallcnn=PAPER,
        vgg16=PAPER.but(lr=0.05, test_size=5000),
        detector=VOC.but(options={"stages": 3, "anchors": "48,96,192"}),
        detector_seeds=3,
        holdout=5000,
    ),
}
