"""The runs behind DDP: gains over frozen networks, ten images, JPEG, drift."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from paperlib import datasets
from paperlib.common_corruptions import condition, seen, severity_table, tested_on, trained_on
from paperlib.papers.ddp.profiles import PROFILES as PROFILES
from paperlib.papers.ddp.profiles import Settings
from paperlib.runs import Plain, Run
from paperlib.study import BaseStudy, Collected, Recipe, Results, RunCells, as_trained, collect

NAMES = {"alexnet": "AlexNet", "vgg16": "VGG-16", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}
SEVERITY = 3  # of the single conditions
QUALITIES = {1: 25, 2: 18, 3: 15, 4: 10, 5: 7}  # ImageNet-C's severities of JPEG compression
COMPRESSED = {"table": "imagenet-c", "corruption": "jpeg_compression", "severity": "1,2,3,4,5"}
JPEG = {"name": "corruption", **COMPRESSED}

# where the ten images of "another data set" come from
ELSEWHERE = {"synthdigits": "scenes", "cifar10": "cifar100", "cifar100": "cifar10"}
CUB = "cub@224"  # for folders of photographs, where it is available: the paper's own choice

# What the sources leave open, one change of a default each; compared once, on the first network.
VARIANTS: dict[str, dict[str, Plain]] = {
    "image=False": {"image": False},
    "residual=False": {"residual": False},
    "norm=l1": {"norm": "l1"},
    "at=stage1": {"at": "stage1"},
}


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set. Cells are named as in `data/papers/ddp/`."""

    # The runs.

    def frozen(self, network: str, seed: int) -> Run:
        """A classifier trained on clean images, tested under every corruption."""
        return self.run(network, seed, evaluate=tested_on(self.dataset))

    def module(
        self,
        network: str,
        seed: int,
        degrade: Mapping[str, Plain],
        recipe: Recipe | None = None,
        **fields: Any,
    ) -> Run:
        """A module that undoes a degradation in a network's features; `fields` are of `Run`."""
        frozen = self.frozen(network, seed)
        recipe = (recipe or self.settings.module).but(width=frozen.width)
        uses = {"frozen": frozen}
        return self.run(network, seed, recipe, "ddp", degrade=degrade, uses=uses, **fields)

    def blind(self, network: str, seed: int, options: Mapping[str, Plain] | None = None) -> Run:
        """One module for all seen corruptions at all severities; `options` are those of `DDP`."""
        degrade, tests = trained_on(self.dataset), tested_on(self.dataset)
        return self.module(network, seed, degrade, evaluate=tests, options=options)

    def single(self, network: str, seed: int, corruption: str) -> Run:
        """A module for one corruption at one severity, tested under it."""
        return self.module(network, seed, condition(self.dataset, corruption, SEVERITY))

    def from_ten(self, network: str, seed: int, elsewhere: bool = True) -> Run:
        """The blind module, learned from ten images of another data set, or of this one."""
        learned = self.module(network, seed, trained_on(self.dataset), self.settings.few)
        if elsewhere:  # `ten` asks whether CUB is there
            learned = dataclasses.replace(learned, dataset=ELSEWHERE.get(self.dataset, CUB))
        uses = {**learned.uses, "init": learned}
        tested = self.blind(network, seed)
        return dataclasses.replace(tested, epochs=0, uses=uses, degrade={"name": "none"})

    def jpeg(self, network: str, seed: int, mended: bool) -> Run:
        """A network under five JPEG qualities: as it is, or with a module learned from all five."""
        if not mended:
            return as_trained(self.frozen(network, seed), evaluate=(JPEG,))
        names, table = COMPRESSED["corruption"], COMPRESSED["table"]
        degrade = {"name": "random_corruption", "table": table, "corruptions": names}
        return self.module(network, seed, degrade, evaluate=(JPEG,))

    def drift(self, network: str, seed: int, corruption: str) -> Run:
        """The observation behind the prior, under one corruption; all others are the control."""
        options = {
            "control": ",".join(name for name in seen(self.dataset) if name != corruption),
            "control_severity": str(SEVERITY),
            "control_table": severity_table(self.dataset),
        }
        uses = {"network": self.frozen(network, seed)}
        degrade = condition(self.dataset, corruption, SEVERITY)
        recipe = self.settings.recipes[network].but(epochs=0)
        return self.run(network, seed, recipe, "drift", options, uses=uses, degrade=degrade)

    # The tables and figures.

    def main(self) -> RunCells:
        """Cells "<network>/frozen" and "<network>/blind"."""
        cells: RunCells = {}
        for network in self.settings.networks:
            cells[f"{network}/frozen"] = [self.frozen(network, seed) for seed in self.seeds]
            cells[f"{network}/blind"] = [self.blind(network, seed) for seed in self.seeds]
        return cells

    def conditions(self) -> RunCells:
        """Cells "<network>/condition/<corruption>"."""
        return {
            f"{network}/condition/{name}": [self.single(network, seed, name) for seed in self.seeds]
            for network in self.settings.conditioned
            for name in seen(self.dataset)
        }

    def ten(self) -> RunCells:
        """Cells "<network>/ten" (images of another data set) and "<network>/ten-own" (control)."""
        cells: RunCells = {}
        there = self.dataset in ELSEWHERE or datasets.is_available(CUB, None)
        for network in self.settings.networks:
            seeds = self.seeds if there else ()
            cells[f"{network}/ten"] = [self.from_ten(network, seed) for seed in seeds]
            cells[f"{network}/ten-own"] = [self.from_ten(network, s, False) for s in self.seeds]
        return cells

    def jpegs(self) -> RunCells:
        """Cells "<network>/jpeg/frozen" and "<network>/jpeg/ddp"."""
        return {
            f"{network}/jpeg/{name}": [self.jpeg(network, seed, mended) for seed in self.seeds]
            for network in self.settings.networks
            for name, mended in (("frozen", False), ("ddp", True))
        }

    def drifts(self) -> RunCells:
        """Cells "<corruption>", of the first network."""
        network, names = self.settings.networks[0], seen(self.dataset)
        return {name: [self.drift(network, seed, name) for seed in self.seeds] for name in names}

    def ablations(self) -> RunCells:
        """Cells "<network>/blind/<option=value>" of the first network."""
        network = self.settings.networks[0]
        return {
            f"{network}/blind/{name}": [self.blind(network, seed, own) for seed in self.seeds]
            for name, own in VARIANTS.items()
        }


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """All that `make reproduce PAPER=ddp` trains on a data set: records by item and cell."""
    runs = Study(settings, dataset)
    items = {
        "main": runs.main(),
        "conditions": runs.conditions(),
        "ten": runs.ten(),
        "jpeg": runs.jpegs(),
        "drift": runs.drifts(),
        "ablations": runs.ablations(),
    }
    return collect(results, items)
