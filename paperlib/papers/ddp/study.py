"""The runs behind DDP: a module per condition from ten images, one for all, JPEG, drift."""

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
SEVEREST = 5  # of all that is shown at one severity
CLAIMED = {"vgg16": 3}  # severities of the abstract's claims, where it is not the severest
QUALITIES = {1: 25, 2: 18, 3: 15, 4: 10, 5: 7}  # ImageNet-C's severities of JPEG compression
JPEG = {"name": "corruption", "corruption": "jpeg_compression", "table": "imagenet-c"}
LONGER = 5  # times the epochs, for one module that is to serve all conditions

# where the ten images of "another data set" come from
ELSEWHERE = {"synthdigits": "scenes", "cifar10": "cifar100", "cifar100": "cifar10"}
CUB = "cub@224"  # for folders of photographs, where it is available: the paper's own choice

# What the sources leave open, one change of a default each; compared on the first network.
VARIANTS: dict[str, dict[str, Plain]] = {
    "residual=False": {"residual": False},
    "image=False": {"image": False},
    "norm=l1": {"norm": "l1"},
    "at=stage1": {"at": "stage1"},
}


def claimed(settings: Settings, network: str) -> int:
    """The severity at which a headline claim about a network is judged.

    A profile without the severity that `data/papers/ddp/claims.csv` has judges at the severest.
    """
    severity = CLAIMED.get(network, SEVEREST)
    return severity if severity in settings.severities else SEVEREST


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
        recipe: Recipe,
        **fields: Any,
    ) -> Run:
        """A module that undoes a degradation in a network's features; `fields` are of `Run`."""
        frozen = self.frozen(network, seed)
        recipe = recipe.but(width=frozen.width)
        uses = {"frozen": frozen}
        return self.run(network, seed, recipe, "ddp", degrade=degrade, uses=uses, **fields)

    def from_ten(
        self,
        network: str,
        seed: int,
        degrade: Mapping[str, Plain],
        options: Mapping[str, Plain] | None = None,
        elsewhere: bool = True,
    ) -> Run:
        """A module learned from ten images of another data set, or of this one, tested here.

        It is tested under the degradation that it has learned, on the frozen network's test images.
        """
        learned = self.module(network, seed, degrade, self.settings.few, options=options)
        if elsewhere:  # `plan` asks whether CUB is there
            learned = dataclasses.replace(learned, dataset=ELSEWHERE.get(self.dataset, CUB))
        frozen = learned.uses["frozen"]
        uses = {"frozen": frozen, "init": learned}
        here = dataclasses.replace(learned, dataset=self.dataset, test_size=frozen.test_size)
        return dataclasses.replace(here, epochs=0, uses=uses)

    def single(self, network: str, seed: int, corruption: str, severity: int, **fields: Any) -> Run:
        """A module for one corruption at one severity; `fields` are of `from_ten`."""
        degrade = condition(self.dataset, corruption, severity)
        return self.from_ten(network, seed, degrade, **fields)

    def blind(self, network: str, seed: int) -> Run:
        """One module for all seen corruptions at all severities, from images of this data set."""
        degrade, tests = trained_on(self.dataset), tested_on(self.dataset)
        return self.module(network, seed, degrade, self.settings.module, evaluate=tests)

    def blind_from_ten(self, network: str, seed: int, factor: int = 1) -> Run:
        """The same from ten images of another data set, with `factor` times the epochs."""
        tested = self.from_ten(network, seed, trained_on(self.dataset))
        learned = tested.uses["init"]
        learned = dataclasses.replace(learned, epochs=factor * learned.epochs)
        uses = {**tested.uses, "init": learned}
        clean, tests = {"name": "none"}, tested_on(self.dataset)
        return dataclasses.replace(tested, uses=uses, degrade=clean, evaluate=tests)

    def drift(self, network: str, seed: int, corruption: str) -> Run:
        """The observation behind the prior, under one corruption; all others are the control."""
        options = {
            "control": ",".join(name for name in seen(self.dataset) if name != corruption),
            "control_severity": str(SEVEREST),
            "control_table": severity_table(self.dataset),
        }
        uses = {"network": self.frozen(network, seed)}
        degrade = condition(self.dataset, corruption, SEVEREST)
        images = {"epochs": 0, "test_size": self.settings.drift_images}
        recipe = self.settings.recipes[network].but(**images)
        return self.run(network, seed, recipe, "drift", options, uses=uses, degrade=degrade)

    def retested(self, run: Run, seed: int) -> Run:
        """What the first seed has trained, on another seed's test images and draws."""
        return dataclasses.replace(run, seed=seed)

    # The tables and figures. A network's "conditions" are the seen corruptions at some severities.

    def main(self) -> RunCells:
        """Cells "<network>/frozen", "<network>/condition/<corruption>-<severity>"."""
        cells: RunCells = {}
        for network in self.settings.networks:
            cells[f"{network}/frozen"] = [self.frozen(network, seed) for seed in self.seeds]
            for severity in self.settings.severities:
                cells |= self.conditions(network, "condition", severity, self.seeds)
        return cells

    def conditions(
        self, network: str, name: str, severity: int, seeds: range, **fields: Any
    ) -> RunCells:
        """Cells "<network>/<name>/<corruption>-<severity>"; `fields` are of `from_ten`."""
        return {
            f"{network}/{name}/{corruption}-{severity}": [
                self.single(network, seed, corruption, severity, **fields) for seed in seeds
            ]
            for corruption in seen(self.dataset)
        }

    def blinds(self) -> RunCells:
        """Cells "<network>/blind", and "<network>/ten" and "<network>/ten-long" from ten images.

        Claims speak of the first network's "blind".
        """
        cells: RunCells = {}
        for network in self.settings.networks:
            seeds = self.seeds if network == self.settings.networks[0] else self.few
            cells[f"{network}/blind"] = [self.blind(network, seed) for seed in seeds]
            for name, factor in (("ten", 1), ("ten-long", LONGER)):
                runs = [self.blind_from_ten(network, seed, factor) for seed in self.few]
                cells[f"{network}/{name}"] = runs
        return cells

    def jpegs(self) -> RunCells:
        """Cells "<network>/jpeg/frozen" and "<network>/jpeg/<severity>" of the first network."""
        network = self.settings.networks[0]
        tests = {**JPEG, "severity": ",".join(map(str, QUALITIES))}
        cells = {
            f"{network}/jpeg/frozen": [
                as_trained(self.frozen(network, seed), evaluate=(tests,)) for seed in self.seeds
            ]
        }
        for severity in QUALITIES:
            one: dict[str, Plain] = {**JPEG, "severity": severity}
            runs = [self.from_ten(network, seed, one) for seed in self.seeds]
            cells[f"{network}/jpeg/{severity}"] = runs
        return cells

    def drifts(self) -> RunCells:
        """Cells "<network>/drift/<corruption>" of the first network."""
        network = self.settings.networks[0]
        return {
            f"{network}/drift/{name}": [self.drift(network, seed, name) for seed in self.seeds]
            for name in seen(self.dataset)
        }

    def ablations(self) -> RunCells:
        """Cells "<network>/<option=value>/..." and "<network>/own/..." of the first network."""
        network = self.settings.networks[0]
        fields: dict[str, dict[str, Any]] = {"own": {"elsewhere": False}}
        fields |= {name: {"options": options} for name, options in VARIANTS.items()}
        cells: RunCells = {}
        for name, own in fields.items():
            cells |= self.conditions(network, name, SEVEREST, self.few, **own)
        return cells

    def retests(self) -> RunCells:
        """Cells "retest/<network>/...": the first network's, trained once and tested repeatedly."""
        network = self.settings.networks[0]
        tests = condition(self.dataset, ",".join(seen(self.dataset)), SEVEREST)
        frozen = as_trained(self.frozen(network, 0), evaluate=(tests,))
        once = {f"{network}/frozen": [frozen]}
        once |= self.conditions(network, "condition", SEVEREST, range(1))
        return {
            f"retest/{cell}": [self.retested(run, seed) for seed in self.few]
            for cell, (run,) in once.items()
        }

    def setting(self) -> RunCells:
        """Cells "setting/<network>/1" and ".../2": the recipe, and with twice the epochs."""
        cells: RunCells = {}
        for network, recipe in self.settings.recipes.items():
            for factor in (1, 2):
                longer = recipe.but(epochs=factor * recipe.epochs)
                cells[f"setting/{network}/{factor}"] = [
                    self.run(network, seed, longer, holdout=self.settings.holdout)
                    for seed in self.few
                ]
        return cells

    def headlines(self) -> RunCells:
        """The cells of the headline claims, in few seeds."""
        cells: RunCells = {}
        for network in dict.fromkeys((self.settings.networks[0], *CLAIMED)):
            severity = claimed(self.settings, network)
            cells[f"{network}/frozen"] = [self.frozen(network, seed) for seed in self.few]
            cells |= self.conditions(network, "condition", severity, self.few)
        return cells

    def scale(self) -> RunCells:
        """Cells "scale/<factor>/<cell of a headline claim>"."""
        return {
            f"scale/{factor:g}/{cell}": runs
            for factor in self.settings.scales
            for cell, runs in Study(self.settings.scaled(factor), self.dataset).headlines().items()
        }


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """All that `make reproduce PAPER=ddp` trains on a data set, by item and cell.

    Without the other data set that ten images come from, only what needs none of them.
    """
    runs = Study(settings, dataset)
    items = {
        "main": runs.main(),
        "blind": runs.blinds(),
        "jpeg": runs.jpegs(),
        "drift": runs.drifts(),
        "ablations": runs.ablations() if settings.varied else {},
        "retest": runs.retests() if settings.checked else {},
        "setting": runs.setting() if settings.checked else {},
        "scale": runs.scale(),
    }
    if dataset in ELSEWHERE or datasets.is_available(CUB, None):
        return items
    return {
        item: {cell: own for cell, own in cells.items() if not any(map(_from_cub, own))}
        for item, cells in items.items()
    }


def _from_cub(run: Run) -> bool:
    return any(used.dataset == CUB or _from_cub(used) for used in run.uses.values())


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """The records of `plan`, by item and cell."""
    return collect(results, plan(settings, dataset, results))
