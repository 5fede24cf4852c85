"""The runs behind self-feature distillation's tables and figures, and behind what poster and code
leave open."""

import dataclasses
from typing import Any

from paperlib.common_corruptions import seen, severity_table, tested_on, trained_on
from paperlib.papers.sfd.profiles import PROFILES as PROFILES
from paperlib.runs import Record, Run
from paperlib.study import BaseStudy, Cells, Results, Settings, collect

NAMES = {"resnet18": "ResNet-18", "resnet50": "ResNet-50", "resnext101": "ResNeXt-101"}
# The table's rows. "ce" and "ce-degraded" are missing in the poster: without them, what
# distillation gains cannot be told from what is gained by training on the very corruptions that are
# called "seen".
MODELS = {
    "vanilla": "vanilla (clean only)",
    "ce-degraded": "cross-entropy, corrupted",
    "ce": "cross-entropy, clean + corrupted",
    "ddp": "DDP",
    "urie": "URIE",
    "vid": "VID",
    "qualnet": "QualNet",
    "wo-uem": "SFD without UEM",
    "sfd": "SFD (poster)",
    "sfd-code": "SFD (released code)",
}
SFD: dict[str, dict[str, Any]] = {
    "ce": {"lambda_": 0.0},
    "wo-uem": {"uncertainty": "none"},
    "sfd": {},
    "sfd-code": {"variant": "code"},
}
LAMBDAS = (0.001, 0.01, 0.1)
VARIANTS: dict[str, dict[str, Any]] = {  # one change of a default each
    "detach=True": {"detach": True},
    "weighting=increasing": {"weighting": "increasing"},
    "uncertainty=image": {"uncertainty": "image"},
    "uncertainty=channel": {"uncertainty": "channel"},
}
SEVERITIES = (1, 3, 5)  # of the poster's histograms
SHOWN = ("vanilla", "ddp", "qualnet", "wo-uem", "sfd")  # in the pictures of features


class Study(BaseStudy):
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number was measured on, e.g. "resnet50/sfd"; numbers and claims in
    `data/papers/sfd/` name the cells alike.
    """

    # The runs.

    def vanilla(self, network: str, seed: int, holdout: int = 0) -> Run:
        """Trained on clean images: the baseline, and where all others start."""
        tested = () if holdout else tested_on(self.dataset)
        return self.settings.run(self.dataset, network, seed, evaluate=tested, holdout=holdout)

    def model(self, network: str, seed: int, name: str, holdout: int = 0, **options: Any) -> Run:
        """One of `MODELS`: all see the same images for as many epochs, corrupted alike, and start
        from vanilla."""
        vanilla = self.vanilla(network, seed, holdout)
        if name == "vanilla":
            return vanilla
        own = {
            "options": {**SFD.get(name, {}), **options},
            "method": "sfd",
            "uses": {"init": vanilla},
        }
        match name:
            case "ce-degraded":
                own["method"] = "supervised"
            case "ddp" | "urie":
                own |= {
                    "method": name,
                    "uses": {"frozen": vanilla},
                    **self.settings.by_network[name],
                }
            case "vid":
                own |= {"method": name, "uses": {"init": vanilla, "teacher": vanilla}}
            case "qualnet":
                decoder = self.settings.run(self.dataset, "invertible", seed, holdout=holdout)
                own |= {"method": name, "uses": {"init": vanilla, "decoder": decoder}}
        fields = {**self.settings.by_network["adapted"], "degrade": trained_on(self.dataset)}
        return dataclasses.replace(vanilla, **{**fields, **own})

    def features(self, seed: int, name: str, severity: int, **options: Any) -> Run:
        """A model's features under the seen corruptions, one an image, at one severity; `options`
        of `Features`."""
        network = self.settings.networks[0]
        names, table = ",".join(seen(self.dataset)), severity_table(self.dataset)
        degrade = {
            "name": "random_corruption",
            "table": table,
            "corruptions": names,
            "severities": str(severity),
        }
        uses = {"network": self.model(network, seed, name)}
        if name == "ddp":  # a module is seen in its network
            uses = {"network": self.vanilla(network, seed), "plug": uses["network"]}
        return self.settings.run(
            self.dataset,
            network,
            seed,
            method="features",
            epochs=0,
            uses=uses,
            degrade=degrade,
            options=options,
        )

    # The tables and figures.

    def main(self) -> Cells:
        """Cells "<network>/<model>"."""
        return {
            f"{network}/{name}": self._seeds(self.model, network, name=name)
            for network in self.settings.networks
            for name in MODELS
        }

    def lambdas(self) -> Cells:
        """Cells "<model>/<lambda>", judged on held-out training images; one seed."""
        network, holdout = self.settings.networks[0], self.settings.holdout
        return {
            f"{name}/{value:g}": [self.model(network, 0, name, holdout, lambda_=value)]
            for name in ("wo-uem", "sfd")
            for value in LAMBDAS
        }

    def silences(self) -> Cells:
        """Cells "<network>/sfd/<option=value>" of the first network."""
        network = self.settings.networks[0]
        return {
            f"{network}/sfd/{name}": self._seeds(self.model, network, name="sfd", **options)
            for name, options in VARIANTS.items()
        }

    def pictures(self) -> Cells:
        """Cells "<model>/<severity>"."""
        return {
            f"{name}/{severity}": self._seeds(self.features, name=name, severity=severity)
            for name in SHOWN
            for severity in SEVERITIES
        }

    def maps(self) -> Cells:
        """Cells "<model>": maps of the first stage, for the eye; the last ones have few pixels. One
        seed."""
        return {
            name: [self.features(0, name, max(SEVERITIES), layer="body.stage1")] for name in SHOWN
        }


def study(settings: Settings, dataset: str, results: Results) -> dict[str, dict[str, list[Record]]]:
    """Everything that `make reproduce PAPER=sfd` trains on a data set: records by item and cell.

    A cell that `results` knows nothing of is empty.
    """
    runs = Study(settings, dataset)
    items = {
        "main": runs.main(),
        "lambdas": runs.lambdas(),
        "silences": runs.silences(),
        "features": runs.pictures(),
        "maps": runs.maps(),
    }
    return collect(results, items)
