"""The runs behind DFD's Table 1, Table 2, Fig. 2 and Fig. 3, and behind the questions that its text
leaves open."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from paperlib.runs import Record, Run
from paperlib.study import BaseStudy, Cells, Results, Settings, collect

LAMBDAS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # section 3.2
PAPERS_LAMBDA = 2.0  # section 3.4
SIZES = {8: 4, 16: 2}  # resolution -> s, section 3.1
MAIN = "resnet18"  # the network of Table 2
NAMES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "resnet18": "ResNet-18"}

# Where the student starts: with the base network's random weights, so that the two differ by
# distillation alone. The paper fine-tunes "pre-trained models"; a student that starts from trained
# weights has had more training than its base.
INIT = "scratch"

# super-resolution networks
ADAM = {"optimizer": "adam", "weight_decay": 0.0, "crop": 0, "schedule": "onecycle"}

PROFILES = {
    "smoke": Settings(
        profile="smoke",
        datasets=("synthdigits",),
        seeds=1,
        networks=("alexnet", "vgg16", "resnet18"),
        recipe={
            "train_size": 256,
            "test_size": 128,
            "epochs": 1,
            "batch_size": 64,
            "schedule": "onecycle",
        },
        by_network={
            "alexnet": {"width": 0.125, "lr": 0.02},
            "vgg16": {"width": 0.0625, "lr": 0.1},
            "resnet18": {"width": 0.0625, "lr": 0.1},
            "vdsr": {**ADAM, "width": 0.125, "options": {"depth": 3}, "lr": 3e-3},
            "espcn": {**ADAM, "width": 0.25, "lr": 5e-3},
            "srresnet": {**ADAM, "width": 0.125, "options": {"depth": 2}, "lr": 1e-2},
            "srgan": {**ADAM, "width": 0.125, "options": {"depth": 2}, "lr": 2e-4},
        },
        holdout=128,
    ),
    "demo": Settings(
        profile="demo",
        datasets=("synthdigits",),
        seeds=3,
        networks=("alexnet", "vgg16", "resnet18"),
        recipe={
            "train_size": 2500,
            "test_size": 2500,
            "epochs": 5,
            "batch_size": 32,
            "schedule": "onecycle",
        },
        by_network={
            "alexnet": {"width": 0.25, "lr": 0.01, "epochs": 8},
            # half of 64 features is too much
            "vgg16": {"width": 0.125, "lr": 0.02, "options": {"dropout": 0.1}},
            "resnet18": {"width": 0.125, "lr": 0.03},
            "vdsr": {
                **ADAM,
                "width": 0.25,
                "options": {"depth": 6},
                "train_size": 4000,
                "lr": 3e-3,
            },
            "espcn": {
                **ADAM,
                "width": 0.5,
                "train_size": 4000,
                "epochs": 10,
                "lr": 1e-2,
                "clip": 0.1,
            },
            "srresnet": {
                **ADAM,
                "width": 0.25,
                "options": {"depth": 2},
                "epochs": 8,
                "batch_size": 16,
                "lr": 1e-2,
            },
            "srgan": {
                **ADAM,
                "width": 0.25,
                "options": {"depth": 2, "pixel": 1.0},
                "train_size": 1500,
                "epochs": 2,
                "schedule": "constant",
                "lr": 2e-4,
            },
        },
        holdout=1000,
    ),
    "paper": Settings(
        profile="paper",
        datasets=("cifar10", "svhn"),
        seeds=3,
        networks=("alexnet", "vgg16", "resnet18"),
        recipe={"epochs": 100, "batch_size": 128, "schedule": "step"},
        by_network={
            "alexnet": {"lr": 0.01},
            "vgg16": {"lr": 0.05},
            "resnet18": {"lr": 0.1},
            "vdsr": {
                **ADAM,
                "epochs": 80,
                "batch_size": 64,
                "schedule": "cosine",
                "lr": 1e-3,
                "clip": 1.0,
            },
            "espcn": {**ADAM, "batch_size": 64, "schedule": "cosine", "lr": 1e-2, "clip": 0.1},
            "srresnet": {**ADAM, "batch_size": 64, "schedule": "cosine", "lr": 1e-3},
            "srgan": {**ADAM, "epochs": 60, "batch_size": 64, "lr": 1e-4, "schedule": "step"},
        },
        holdout=5000,
    ),
}


def low(size: int, **kernels: str) -> dict[str, int | str]:
    """The degradation to `size` x `size` pixels and back to 32 x 32."""
    return {"name": "lowres", "factor": SIZES[size], **kernels}


class Study(BaseStudy):
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number of a table was measured on, e.g. "resnet18/dfd/8"; the paper's
    numbers in `data/papers/dfd/` and the claims use the same names.
    """

    # The runs.

    def high(self, network: str, seed: int, holdout: int = 0) -> Run:
        """A network trained and tested on high-resolution images; also tested on 8x8, without
        having seen any."""
        return self.settings.run(self.dataset, network, seed, evaluate=(low(8),), holdout=holdout)

    def base(
        self, network: str, size: int, seed: int, init: str = "scratch", holdout: int = 0
    ) -> Run:
        """A network trained on low-resolution images alone: the paper's base network without
        DFD."""
        uses = {} if init == "scratch" else {"init": self.high(network, seed, holdout)}
        return self.settings.run(
            self.dataset, network, seed, degrade=low(size), uses=uses, holdout=holdout
        )

    def student(
        self,
        network: str,
        size: int,
        seed: int,
        lambda_: float,
        init: str = INIT,
        holdout: int = 0,
        **options: str,
    ) -> Run:
        """The DFD student. `init` is "teacher", "lr" (the base network) or "scratch"; `options` are
        those of `DFD`."""
        uses = {"teacher": self.high(network, seed, holdout)}
        if init == "teacher":
            uses["init"] = uses["teacher"]
        elif init == "lr":
            uses["init"] = self.base(network, size, seed, holdout=holdout)
        return self.settings.run(
            self.dataset,
            network,
            seed,
            method="dfd",
            degrade=low(size),
            options={"lambda_": float(lambda_), **options},
            uses=uses,
            holdout=holdout,
        )

    def super_resolver(self, network: str) -> Run:
        """VDSR, ESPCN or SRGAN's generator, trained from 8x8 to 16x16. One seed: the classifiers
        behind vary."""
        degraded = {"degrade": low(8, up="none")}
        if network != "srgan":
            return self.settings.run(
                self.dataset, network, 0, method="super_resolution", **degraded
            )
        uses = {"init": self.super_resolver("srresnet"), "content": self.base("vgg16", 16, seed=0)}
        run = self.settings.run(self.dataset, network, 0, method="srgan", uses=uses, **degraded)
        return dataclasses.replace(run, network="srresnet")  # SRGAN is a way to train that network

    def on_super_resolved(self, network: str, super_resolver: str, seed: int) -> Run:
        """A classifier trained and tested on super-resolved images, 8x8 -> 16x16 -> 32x32."""
        uses = {"frontend": self.super_resolver(super_resolver)}
        return self.settings.run(self.dataset, network, seed, degrade=low(8, up="none"), uses=uses)

    # The tables and figures: lists of the runs above, by cell.

    def fig2(self) -> Cells:
        """Per network: the base network and the student at every lambda, 8x8, seed 0, with a
        held-out part."""
        held = self.settings.holdout
        return {
            network: [
                self.base(network, 8, seed=0, holdout=held),
                *(self.student(network, 8, 0, value, holdout=held) for value in LAMBDAS),
            ]
            for network in self.settings.networks
        }

    def table1(self, lambdas: Mapping[str, float]) -> Cells:
        """Cells "<network>/hr", "<network>/lr/<size>", "<network>/dfd/<size>", a run a seed."""
        cells: Cells = {}
        for network in self.settings.networks:
            cells[f"{network}/hr"] = self._seeds(self.high, network)
            for size in SIZES:
                cells[f"{network}/lr/{size}"] = self._seeds(self.base, network, size)
                cells[f"{network}/dfd/{size}"] = self._seeds(
                    self.student, network, size, lambda_=lambdas[network]
                )
        return cells

    def table2(self) -> Cells:
        """Cells "resnet18/<super-resolution network>/8"; the other rows of Table 2 are cells of
        Table 1."""
        names = ("vdsr", "espcn", "srgan")
        return {
            f"{MAIN}/{name}/8": self._seeds(self.on_super_resolved, MAIN, name) for name in names
        }

    def fig3(self) -> Cells:
        """Per super-resolution network its one run; the images lie beside its record."""
        return {
            name: [self.super_resolver(name)] for name in ("espcn", "srresnet", "srgan", "vdsr")
        }

    def silences(self, lambda_: float) -> Cells:
        """What the paper leaves open, ResNet-18 at 8x8: each variant changes one default of the
        student.

        The student from the teacher's weights has a control, the base network from the same weights
        without distillation, and both get all seeds; the other variants get one.
        """
        cells = {
            f"{MAIN}/lr/8/init=teacher": self._seeds(self.base, MAIN, 8, init="teacher"),
            f"{MAIN}/dfd/8/init=teacher": self._seeds(
                self.student, MAIN, 8, lambda_=lambda_, init="teacher"
            ),
        }
        for option, value in (("init", "lr"), ("reduction", "sum"), ("feature", "pre")):
            change: dict[str, Any] = {option: value}
            cells[f"{MAIN}/dfd/8/{option}={value}"] = [self.student(MAIN, 8, 0, lambda_, **change)]
        return cells


def best_lambda(records: list[Record], default: float = PAPERS_LAMBDA) -> float:
    """The lambda with the highest top-1 on the held-out training images; of equals, the smaller
    one.

    `default` (the paper's finding) stands in where nothing was tuned.
    """
    tuned = [record for record in records if record.run.method == "dfd"]
    if not tuned:
        return default
    best = max(
        tuned,
        key=lambda record: (
            record.metrics["validation_top1"],
            -float(record.run.options["lambda_"]),
        ),
    )
    return float(best.run.options["lambda_"])


def study(settings: Settings, dataset: str, results: Results) -> dict[str, dict[str, list[Record]]]:
    """Everything that `make reproduce PAPER=dfd` trains, in two steps: lambda is tuned, then all
    the rest.

    Returns records by item ("fig2", "table1", "fig3", "table2", "silences") and cell; a cell that
    `results` knows nothing of is empty.
    """
    runs = Study(settings, dataset)
    tuned = collect(results, {"fig2": runs.fig2()})
    lambdas = {network: best_lambda(records) for network, records in tuned["fig2"].items()}
    rest = {
        "table1": runs.table1(lambdas),
        "fig3": runs.fig3(),
        "table2": runs.table2(),
        "silences": runs.silences(lambdas.get(MAIN, PAPERS_LAMBDA)),
    }
    return tuned | collect(results, rest)
