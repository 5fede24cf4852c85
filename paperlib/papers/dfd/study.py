"""The runs behind DFD's Tables 1 and 2 and Figs. 2 and 3, and behind what its text leaves open."""

from collections.abc import Mapping
from typing import Any

from paperlib.papers.dfd.profiles import PROFILES as PROFILES
from paperlib.papers.dfd.profiles import Settings
from paperlib.runs import Record, Run
from paperlib.study import BaseStudy, Collected, Results, RunCells, collect

LAMBDAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # section 3.2
PAPERS_LAMBDA = 2.0  # section 3.4
SIZES = {8: 4, 16: 2}  # resolution -> s, section 3.1
MAIN = "resnet18"  # the network of Table 2
NAMES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "resnet18": "ResNet-18"}
SUPER_RESOLVERS = ("espcn", "srresnet", "srgan", "vdsr")


def low(size: int, **kernels: str) -> dict[str, int | str]:
    """The degradation to `size` x `size` pixels and back to 32 x 32."""
    return {"name": "lowres", "factor": SIZES[size], **kernels}


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number of a table was measured on, e.g. "resnet18/dfd/8"; the paper's
    numbers in `data/papers/dfd/` and the claims use the same names.
    """

    # The runs.

    def high(self, network: str, seed: int, holdout: int = 0) -> Run:
        """A network trained and tested on high-resolution images; also tested on 8x8, unseen."""
        return self.run(network, seed, evaluate=(low(8),), holdout=holdout)

    def base(
        self, network: str, size: int, seed: int, init: str = "scratch", holdout: int = 0
    ) -> Run:
        """A network trained on low-resolution images alone: the paper's baseline without DFD."""
        uses = {} if init == "scratch" else {"init": self.high(network, seed, holdout)}
        return self.run(network, seed, degrade=low(size), uses=uses, holdout=holdout)

    def student(
        self,
        network: str,
        size: int,
        seed: int,
        lambda_: float,
        init: str = "scratch",
        holdout: int = 0,
        **options: str,
    ) -> Run:
        """The student, with further `options` of `DFD`; it starts from `init`.

        "scratch", the default, are the base network's random weights, so that the two differ by
        distillation alone. The paper fine-tunes "pre-trained models": "teacher" or "lr" (the base
        network) give the student more training than its base has had.
        """
        uses = {"teacher": self.high(network, seed, holdout)}
        if init == "teacher":
            uses["init"] = uses["teacher"]
        elif init == "lr":
            uses["init"] = self.base(network, size, seed, holdout=holdout)
        own: dict[str, Any] = {"lambda_": float(lambda_), **options}
        fields: dict[str, Any] = {"degrade": low(size), "uses": uses, "holdout": holdout}
        return self.run(network, seed, method="dfd", options=own, **fields)

    def super_resolver(self, name: str) -> Run:
        """A super-resolution network, 8x8 to 16x16; seed 0, as the classifiers behind it vary."""
        recipe, degrade = self.settings.super_resolution[name], low(8, up="none")
        if name != "srgan":
            return self.run(name, 0, recipe, "super_resolution", degrade=degrade)
        # SRGAN is a way to train SRResNet
        uses = {"init": self.super_resolver("srresnet"), "content": self.base("vgg16", 16, seed=0)}
        return self.run("srresnet", 0, recipe, "srgan", degrade=degrade, uses=uses)

    def on_super_resolved(self, network: str, super_resolver: str, seed: int) -> Run:
        """A classifier trained and tested on super-resolved images, 8x8 -> 16x16 -> 32x32."""
        uses = {"frontend": self.super_resolver(super_resolver)}
        return self.run(network, seed, degrade=low(8, up="none"), uses=uses)

    # The tables and figures: lists of the runs above, by cell.

    def fig2(self) -> RunCells:
        """Cells "<network>/tuned/<lambda>" and "<network>/tuned", the base; 8x8, one seed."""
        held = self.settings.holdout
        cells: RunCells = {}
        for network in self.settings.networks:
            cells[f"{network}/tuned"] = [self.base(network, 8, seed=0, holdout=held)]
            for x in LAMBDAS:
                cells[f"{network}/tuned/{x:g}"] = [self.student(network, 8, 0, x, holdout=held)]
        return cells

    def table1(self, lambdas: Mapping[str, float]) -> RunCells:
        """Cells "<network>/hr", "<network>/lr/<size>", "<network>/dfd/<size>"."""
        cells: RunCells = {}
        for network in self.settings.networks:
            cells[f"{network}/hr"] = [self.high(network, seed) for seed in self.seeds]
            for size in SIZES:
                cells[f"{network}/lr/{size}"] = [self.base(network, size, s) for s in self.seeds]
                cells[f"{network}/dfd/{size}"] = [
                    self.student(network, size, seed, lambdas[network]) for seed in self.seeds
                ]
        return cells

    def table2(self) -> RunCells:
        """Cells "resnet18/<super-resolution network>/8"; other rows are cells of Table 1."""
        return {
            f"{MAIN}/{name}/8": [self.on_super_resolved(MAIN, name, seed) for seed in self.seeds]
            for name in ("vdsr", "espcn", "srgan")
        }

    def fig3(self) -> RunCells:
        """Cells "<super-resolution network>"; its images lie beside the record."""
        return {name: [self.super_resolver(name)] for name in SUPER_RESOLVERS}

    def ablations(self, lambda_: float) -> RunCells:
        """What the paper leaves open: students of ResNet-18 at 8x8, each with one default changed.

        The student from the teacher's weights has a control, the base network from the same weights
        without distillation, and both get all seeds; the other variants get one.
        """
        bases = [self.base(MAIN, 8, seed, "teacher") for seed in self.seeds]
        students = [self.student(MAIN, 8, seed, lambda_, "teacher") for seed in self.seeds]
        cells = {f"{MAIN}/lr/8/init=teacher": bases, f"{MAIN}/dfd/8/init=teacher": students}
        for option, value in (("init", "lr"), ("reduction", "sum"), ("feature", "pre")):
            change: dict[str, Any] = {option: value}
            cells[f"{MAIN}/dfd/8/{option}={value}"] = [self.student(MAIN, 8, 0, lambda_, **change)]
        return cells


def best_lambda(records: list[Record], default: float = PAPERS_LAMBDA) -> float:
    """The lambda with the highest top-1 on held-out training images; of equals, the smaller one.

    `default` (the paper's finding) stands in where nothing was tuned.
    """
    top1 = {
        float(record.run.options["lambda_"]): record.metrics["validation_top1"]
        for record in records
        if record.run.method == "dfd"
    }
    return max(sorted(top1), key=top1.__getitem__, default=default)


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """All that `make reproduce PAPER=dfd` trains: lambda is tuned first, then comes the rest.

    Returns records by item ("fig2", "table1", "fig3", "table2", "ablations") and cell; a cell that
    `results` knows nothing of is empty.
    """
    runs = Study(settings, dataset)
    tuned = collect(results, {"fig2": runs.fig2()})
    records = [record for cell in tuned["fig2"].values() for record in cell]
    lambdas = {
        network: best_lambda([record for record in records if record.run.network == network])
        for network in settings.networks
    }
    rest = {
        "table1": runs.table1(lambdas),
        "fig3": runs.fig3(),
        "table2": runs.table2(),
        "ablations": runs.ablations(lambdas.get(MAIN, PAPERS_LAMBDA)),
    }
    return tuned | collect(results, rest)
