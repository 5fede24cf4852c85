"""What each profile of feature quantization trains, and how."""

from dataclasses import dataclass
from typing import ClassVar

from paperlib import study
from paperlib.datasets import DETECTION
from paperlib.study import DETECTOR, Recipe


@dataclass(frozen=True, kw_only=True)
class Settings(study.Settings):
    """One profile.

    Attributes:
        recipes: of Table 3's networks.
        smallcnn: of Table 1's network.
        vgg16: of Fig. 1's network.
        detector: of Fig. 4's networks.
        left_out: items, and cells of Table 3, that would cost too much.
        distortions: those of Table 3 that are calibrated and tested; () stands for all.
        decides_tenths: whether Table 1 gets `seeds` seeds: its effects are tenths of a point, which
            small networks with little training cannot show with 20 seeds.
    """

    detection: ClassVar[bool] = True
    smallcnn: Recipe
    vgg16: Recipe
    detector: Recipe
    left_out: tuple[str, ...] = ()
    distortions: tuple[str, ...] = ()
    decides_tenths: bool = False

    @property
    def main(self) -> str:
        """The data set of Table 3 and Figs. 1 to 3: the first one for classification, or ""."""
        return next((name for name in self.datasets if name not in DETECTION), "")

    def recipe(self, network: str) -> Recipe:
        """That of any classifier, by the name of its network."""
        return {**self.recipes, "smallcnn": self.smallcnn, "vgg16": self.vgg16}[network]


SMOKE = Recipe(train_size=256, test_size=128, epochs=1, batch_size=64, schedule="onecycle", lr=0.1)
# Chosen on held-out images, with other seeds: the cheapest of four at which both networks had
# learned, 82 and 93 %. Ten seeds more have 66 and 93 %: a minute leaves ResNet-18 half trained.
DEMO = SMOKE.but(train_size=1000, test_size=1000, epochs=6, batch_size=32, lr=0.03)
# Few images, seen often: a network that has learned, at a cost that allows many seeds. `tables`
# shows what twice the epochs would change on held-out images.
CPU = SMOKE.but(train_size=1500, test_size=0, epochs=40, batch_size=32)
PAPER = Recipe(epochs=100, batch_size=128, schedule="step", lr=0.1)
# The learning rate is Adam's own. None of it was chosen on scenes.
SCENES = DETECTOR.but(train_size=2000, epochs=3, lr=1e-3)
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
        seeds=10,
        # a ResNet-50 learns nothing in a minute
        recipes={"resnet18": DEMO.but(width=0.125), "plain10": DEMO.but(width=0.25)},
        smallcnn=DEMO.but(train_size=500, lr=0.02, epochs=4),
        vgg16=DEMO.but(width=0.125, lr=0.02, train_size=2000, epochs=6),
        detector=SCENES.but(train_size=500),
        left_out=("fig3", "resnet18/sf-pow-10"),
        distortions=("salt_and_pepper", "ngrn_noise"),
        holdout=500,
    ),
    # The paper's small data sets, as much of each as two CPU cores can do.
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "cifar100", "scenes"),
        seeds=20,
        few_seeds=3,
        recipes={
            "resnet18": CPU.but(width=0.125),
            # 16 times as dear as ResNet-18 per epoch and image of equal width: fewer of both
            "resnet50": CPU.but(width=0.0625, epochs=12, test_size=2000),
            "plain10": CPU.but(width=0.25),
        },
        smallcnn=CPU.but(epochs=12),
        vgg16=CPU.but(width=0.125, lr=0.02, test_size=5000),
        detector=SCENES,
        left_out=("resnet50/hpow",),
        holdout=2000,
        scales=(0.25, 4.0),
        checked=True,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "cifar100", "voc2007"),
        seeds=20,
        few_seeds=3,
        recipes=dict.fromkeys(("resnet18", "resnet50", "plain10"), PAPER),
        smallcnn=PAPER,
        vgg16=PAPER.but(lr=0.05, test_size=5000),
        detector=VOC.but(options={"stages": 3, "anchors": "48,96,192"}),
        holdout=5000,
        decides_tenths=True,
        deviates="the training, which the supplement does not print, and distortions' strengths",
    ),
}
