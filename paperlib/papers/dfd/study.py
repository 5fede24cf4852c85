"""The runs behind DFD's Tables 1 and 2 and Figs. 2 and 3, and behind what its text leaves open."""

import dataclasses
from typing import Any

from paperlib.papers.dfd.profiles import PROFILES as PROFILES
from paperlib.papers.dfd.profiles import Settings
from paperlib.runs import Plain, Run
from paperlib.study import BaseStudy, Collected, Results, RunCells, collect

LAMBDAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # section 3.2
LAMBDA = 2.0  # section 3.4: the best, and so that of both tables
SIZES = {8: 4, 16: 2}  # resolution -> s, section 3.1
MAIN = "resnet18"  # the network of Table 2
CLAIMED = (MAIN, "vgg16")  # the networks of the headline claims
NAMES = {"resnet18": "ResNet-18", "vgg16": "VGG-16", "alexnet": "AlexNet"}
SUPER_RESOLVERS = ("vdsr", "espcn", "srresnet", "srgan")


def low(size: int, **kernels: str) -> dict[str, int | str]:
    """The degradation to `size` x `size` pixels and back to 32 x 32."""
    return {"name": "lowres", "factor": SIZES[size], **kernels}


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number of a table was measured on, e.g. "resnet18/dfd/8"; the paper's
    numbers in `data/papers/dfd/` and the claims use the same names.
    """

    def run(self, *args: Any, **fields: Any) -> Run:
        """As in every study, and mirrored where the profile says so."""
        run = super().run(*args, **fields)
        return dataclasses.replace(run, flip=True) if self.settings.mirrored else run

    # The runs.

    def high(self, network: str, seed: int, holdout: int = 0) -> Run:
        """A network trained and tested on high-resolution images; also tested on 8x8, unseen."""
        return self.run(network, seed, evaluate=(low(8),), holdout=holdout)

    def base(
        self, network: str, size: int, seed: int, init: str = "scratch", holdout: int = 0
    ) -> Run:
        """A network trained on low-resolution images alone: the paper's baseline without DFD."""
        uses = self._start(network, size, seed, init, holdout)
        return self.run(network, seed, degrade=low(size), uses=uses, holdout=holdout)

    def student(
        self,
        network: str,
        size: int,
        seed: int,
        lambda_: float = LAMBDA,
        init: str | None = None,
        holdout: int = 0,
        **options: Plain,
    ) -> Run:
        """The student, with further `options` of `DFD`.

        Args:
            network, seed: of teacher and student.
            size: what the student sees.
            lambda_: the weight of equation (4).
            init: where it starts. "scratch" are the base network's random weights, so that the two
                differ by distillation alone. The paper fine-tunes "pre-trained models": "teacher"
                or "lr" (the base network), which give the student more training than its base has
                had. None is what the profile says.
            holdout: as in `Run`, its parents' too.
            **options: of the method.
        """
        uses = self._start(network, size, seed, init or self.settings.init, holdout)
        uses["teacher"] = self.high(network, seed, holdout)
        own: dict[str, Any] = {"lambda_": lambda_, **options}
        fields: dict[str, Any] = {"degrade": low(size), "uses": uses, "holdout": holdout}
        return self.run(network, seed, method="dfd", options=own, **fields)

    def _start(self, network: str, size: int, seed: int, init: str, holdout: int) -> dict[str, Run]:
        if init == "scratch":
            return {}
        if init == "teacher":
            return {"init": self.high(network, seed, holdout)}
        return {"init": self.base(network, size, seed, holdout=holdout)}

    def super_resolver(self, name: str, seed: int) -> Run:
        """A super-resolution network, 8x8 to 16x16."""
        recipe, degrade = self.settings.super_resolution[name], low(8, up="none")
        if name != "srgan":
            return self.run(name, seed, recipe, "super_resolution", degrade=degrade)
        # SRGAN is a way to train SRResNet
        start = self.super_resolver("srresnet", seed)
        uses = {"init": start, "content": self.base("vgg16", 16, seed)}
        return self.run("srresnet", seed, recipe, "srgan", degrade=degrade, uses=uses)

    def on_super_resolved(self, network: str, name: str, seed: int) -> Run:
        """A classifier trained and tested on super-resolved images, 8x8 -> 16x16 -> 32x32."""
        uses = {"frontend": self.super_resolver(name, seed)}
        return self.run(network, seed, degrade=low(8, up="none"), uses=uses)

    # The tables and figures: lists of the runs above, by cell.

    def table1(self) -> RunCells:
        """Cells "<network>/hr", "<network>/lr/<size>", "<network>/dfd/<size>"."""
        cells: RunCells = {}
        for network in self.settings.networks:
            cells[f"{network}/hr"] = [self.high(network, seed) for seed in self.seeds]
            for size in SIZES:
                cells[f"{network}/lr/{size}"] = [self.base(network, size, s) for s in self.seeds]
                cells[f"{network}/dfd/{size}"] = [
                    self.student(network, size, s) for s in self.seeds
                ]
        return cells

    def table2(self) -> RunCells:
        """Cells "resnet18/<super-resolution network>/8"; other rows are cells of Table 1.

        The claim of the abstract is against the best of them, VDSR, which gets the claim's seeds.
        """
        seeds = {"vdsr": self.seeds, "espcn": self.few, "srgan": self.few}
        return {
            f"{MAIN}/{name}/8": [self.on_super_resolved(MAIN, name, seed) for seed in of]
            for name, of in seeds.items()
        }

    def fig2(self) -> RunCells:
        """Cells "<network>/tuned", the base, and "<network>/tuned/<lambda>"; 8x8, held out."""
        held = self.settings.holdout
        cells: RunCells = {}
        for network in self.settings.swept:
            cells[f"{network}/tuned"] = [self.base(network, 8, s, holdout=held) for s in self.few]
            for x in LAMBDAS:
                cells[f"{network}/tuned/{x:g}"] = [
                    self.student(network, 8, seed, x, holdout=held) for seed in self.few
                ]
        return cells

    def fig3(self) -> RunCells:
        """Cells "<super-resolution network>"; its images lie beside the record."""
        return {name: [self.super_resolver(name, s) for s in self.few] for name in SUPER_RESOLVERS}

    def ablations(self) -> RunCells:
        """What the paper leaves open: ResNet-18 at 8x8 with one choice changed.

        Cells "resnet18/dfd/8/<choice>". A student that starts from trained weights has a control,
        the base network from the same weights without distillation: "resnet18/lr/8/init=<...>".
        """
        cells: RunCells = {}
        for init in ("scratch", "lr", "teacher"):
            if init != "scratch":
                cells[f"{MAIN}/lr/8/init={init}"] = [self.base(MAIN, 8, s, init) for s in self.few]
            if init != self.settings.init:
                cells[f"{MAIN}/dfd/8/init={init}"] = [
                    self.student(MAIN, 8, seed, init=init) for seed in self.few
                ]
        changes: dict[str, dict[str, Any]] = {
            "reduction=mean": {"reduction": "mean"},
            "reduction=mean, lambda=20": {"reduction": "mean", "lambda_": 20.0},
            "feature=pre": {"feature": "pre"},
        }
        for name, change in changes.items():
            cells[f"{MAIN}/dfd/8/{name}"] = [
                self.student(MAIN, 8, seed, **change) for seed in self.few
            ]
        return cells

    def setting(self) -> RunCells:
        """Cells "setting/<network>/<times>": teachers trained for 1 and 2 times the epochs.

        They are judged on held-out images.
        """
        held = self.settings.holdout
        cells: RunCells = {}
        for network, recipe in self.settings.recipes.items():
            for times in (1, 2):
                longer = recipe.but(epochs=times * recipe.epochs)
                cells[f"setting/{network}/{times}"] = [
                    self.run(network, seed, longer, evaluate=(low(8),), holdout=held)
                    for seed in self.few
                ]
        return cells

    def scale(self) -> RunCells:
        """Cells "scale/<factor>/<cell>": those of headline claims, with other numbers of images."""
        cells: RunCells = {}
        for factor in self.settings.scales:
            scaled, at = Study(self.settings.scaled(factor), self.dataset), f"scale/{factor:g}"
            for network in CLAIMED:
                cells[f"{at}/{network}/hr"] = [scaled.high(network, s) for s in self.few]
                cells[f"{at}/{network}/lr/8"] = [scaled.base(network, 8, s) for s in self.few]
                cells[f"{at}/{network}/dfd/8"] = [scaled.student(network, 8, s) for s in self.few]
            behind = [scaled.on_super_resolved(MAIN, "vdsr", seed) for seed in self.few]
            cells[f"{at}/{MAIN}/vdsr/8"] = behind
        return cells


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """The runs of every table and figure by cell, one for each seed, that of seed s at s.

    No run depends on what came of another, so `results` is not asked.
    """
    runs = Study(settings, dataset)
    items = {
        "table1": runs.table1(),
        "table2": runs.table2(),
        "fig2": runs.fig2(),
        "fig3": runs.fig3(),
        "ablations": runs.ablations(),
        "scale": runs.scale(),
    }
    return items | ({"setting": runs.setting()} if settings.checked else {})


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """The records of `plan`, by item and cell; one that `results` knows nothing of is missing."""
    return collect(results, plan(settings, dataset, results))
