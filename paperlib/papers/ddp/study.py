"""The runs behind the chapter on the deep degradation prior: gains over frozen networks, ten
images, JPEG, drift."""

import dataclasses
from typing import Any

from paperlib import datasets
from paperlib.common_corruptions import condition, seen, severity_table, tested_on, trained_on
from paperlib.papers.ddp.profiles import PROFILES as PROFILES
from paperlib.runs import Record, Run
from paperlib.study import BaseStudy, Cells, Results, Settings, collect

NAMES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}
SEVERITY = 3  # of the single conditions
TEN = 10  # images of the extreme setting
QUALITIES = {1: 25, 2: 18, 3: 15, 4: 10, 5: 7}  # ImageNet-C's severities of JPEG compression
JPEG = {
    "name": "corruption",
    "corruption": "jpeg_compression",
    "severity": "1,2,3,4,5",
    "table": "imagenet-c",
}

# Where the ten images of "another data set" come from; other data sets are taken for themselves.
ELSEWHERE = {"synthdigits": "scenes", "cifar10": "cifar100", "cifar100": "cifar10"}
CUB = "cub@224"  # for folders of photographs, where it is there: the paper's own choice

# What the sources leave open, one change of a default each; compared once, on the first network.
VARIANTS: dict[str, dict[str, Any]] = {
    "image=False": {"image": False},
    "residual=False": {"residual": False},
    "norm=l1": {"norm": "l1"},
    "at=stage1": {"at": "stage1"},
}


class Study(BaseStudy):
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number was measured on, e.g. "vgg16/blind"; numbers and claims in
    `data/papers/ddp/` name the cells alike.
    """

    def __init__(self, settings: Settings, dataset: str) -> None:
        super().__init__(settings, dataset)
        # A module for each of 15 conditions: of every network only where the paper's schedule is
        # asked for.
        self.conditioned = (
            settings.networks if settings.profile == "paper" else settings.networks[:1]
        )

    # The runs.

    def frozen(self, network: str, seed: int) -> Run:
        """A classifier trained on clean images, tested under every corruption."""
        return self.settings.run(self.dataset, network, seed, evaluate=tested_on(self.dataset))

    def module(self, network: str, seed: int, degrade: dict[str, Any], **fields: Any) -> Run:
        """A module that learns to undo a degradation in the frozen network's features; `fields` are
        those of `Run`."""
        own = self.settings.by_network[network]
        recipe = {
            **self.settings.by_network["fdm"],
            **{name: own[name] for name in ("width",) if name in own},
        }
        run = Run(
            "ddp",
            self.dataset,
            network,
            seed,
            degrade=degrade,
            uses={"frozen": self.frozen(network, seed)},
        )
        return dataclasses.replace(
            run, **{**self.settings.recipe, **recipe, "flip": self._flip, **fields}
        )

    @property
    def _flip(self) -> bool:
        return self.settings.run(self.dataset, self.settings.networks[0], 0).flip

    def blind(self, network: str, seed: int, **options: Any) -> Run:
        """One module for all seen corruptions at all severities."""
        return self.module(
            network,
            seed,
            trained_on(self.dataset),
            evaluate=tested_on(self.dataset),
            options=options,
        )

    def single(self, network: str, seed: int, corruption: str) -> Run:
        """A module for one corruption at one severity, tested under it."""
        return self.module(network, seed, condition(self.dataset, corruption, SEVERITY))

    def from_ten(self, network: str, seed: int, elsewhere: bool = True) -> Run:
        """The blind module learned from ten images, of another data set or of this one, plugged
        into the network."""
        # `ten` asks whether CUB is there
        source = ELSEWHERE.get(self.dataset, CUB) if elsewhere else self.dataset
        few = {**self.settings.by_network["few"], "train_size": TEN, "dataset": source}
        learned = self.module(network, seed, trained_on(self.dataset), **few)
        uses = {"frozen": self.frozen(network, seed), "init": learned}
        return self.module(
            network, seed, {"name": "none"}, epochs=0, uses=uses, evaluate=tested_on(self.dataset)
        )

    def jpeg(self, network: str, seed: int, mended: bool) -> Run:
        """A network under five JPEG qualities, with a module that learned from all five or as it
        is."""
        if not mended:
            frozen = self.frozen(network, seed)
            return dataclasses.replace(frozen, epochs=0, uses={"init": frozen}, evaluate=(JPEG,))
        names, table = str(JPEG["corruption"]), str(JPEG["table"])
        degrade = {"name": "random_corruption", "table": table, "corruptions": names}
        return self.module(network, seed, degrade, evaluate=(JPEG,))

    def drift(self, network: str, seed: int, corruption: str) -> Run:
        """The observation behind the prior, under one corruption at one severity; the control are
        all others."""
        others = ",".join(name for name in seen(self.dataset) if name != corruption)
        return self.settings.run(
            self.dataset,
            network,
            seed,
            method="drift",
            epochs=0,
            uses={"network": self.frozen(network, seed)},
            degrade=condition(self.dataset, corruption, SEVERITY),
            options={
                "control": others,
                "control_severity": str(SEVERITY),
                "control_table": severity_table(self.dataset),
            },
        )

    # The tables and figures.

    def main(self) -> Cells:
        """Cells "<network>/frozen" and "<network>/blind"."""
        cells: Cells = {}
        for network in self.settings.networks:
            cells[f"{network}/frozen"] = self._seeds(self.frozen, network)
            cells[f"{network}/blind"] = self._seeds(self.blind, network)
        return cells

    def conditions(self) -> Cells:
        """Cells "<network>/condition/<corruption>"."""
        return {
            f"{network}/condition/{name}": self._seeds(self.single, network, corruption=name)
            for network in self.conditioned
            for name in seen(self.dataset)
        }

    def ten(self) -> Cells:
        """Cells "<network>/ten" (images of another data set) and, as a control, "<network>/ten-own"
        (of this one)."""
        cells: Cells = {}
        there = self.dataset in ELSEWHERE or datasets.found(CUB, None)
        for network in self.settings.networks:
            cells[f"{network}/ten"] = self._seeds(self.from_ten, network) if there else []
            cells[f"{network}/ten-own"] = self._seeds(self.from_ten, network, elsewhere=False)
        return cells

    def jpegs(self) -> Cells:
        """Cells "<network>/jpeg/frozen" and "<network>/jpeg/ddp"."""
        return {
            f"{network}/jpeg/{name}": self._seeds(self.jpeg, network, mended=name == "ddp")
            for network in self.settings.networks
            for name in ("frozen", "ddp")
        }

    def drifts(self) -> Cells:
        """Cells "<corruption>", of the first network."""
        return {
            name: self._seeds(self.drift, self.settings.networks[0], corruption=name)
            for name in seen(self.dataset)
        }

    def silences(self) -> Cells:
        """Cells "<network>/blind/<option=value>" of the first network."""
        network = self.settings.networks[0]
        return {
            f"{network}/blind/{name}": self._seeds(self.blind, network, **own)
            for name, own in VARIANTS.items()
        }


def study(settings: Settings, dataset: str, results: Results) -> dict[str, dict[str, list[Record]]]:
    """Everything that `make reproduce PAPER=ddp` trains on a data set: records by item and cell.

    A cell that `results` knows nothing of is empty.
    """
    runs = Study(settings, dataset)
    items = {
        "main": runs.main(),
        "conditions": runs.conditions(),
        "ten": runs.ten(),
        "jpeg": runs.jpegs(),
        "drift": runs.drifts(),
        "silences": runs.silences(),
    }
    return collect(results, items)
