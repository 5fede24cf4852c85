"""The runs behind SFD's tables and figures, and behind what poster and code leave open."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from paperlib.common_corruptions import seen, severity_table, tested_on, trained_on
from paperlib.papers.sfd.profiles import PROFILES as PROFILES
from paperlib.papers.sfd.profiles import Settings
from paperlib.runs import Plain, Run
from paperlib.study import BaseStudy, Collected, Results, RunCells, collect

NAMES = {"resnet18": "ResNet-18", "resnet50": "ResNet-50", "resnext101": "ResNeXt-101"}
# The table's rows. The poster lacks "ce" and "ce-degraded": they separate what distillation gains
# from what training on the very corruptions that are called "seen" gains.
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
SFD: dict[str, dict[str, Plain]] = {
    "ce": {},
    "wo-uem": {"uncertainty": "none"},
    "sfd": {},
    "sfd-code": {"variant": "code"},
}
VARIANTS: dict[str, dict[str, Plain]] = {  # one change of a default each
    "detach=True": {"detach": True},
    "weighting=increasing": {"weighting": "increasing"},
    "uncertainty=image": {"uncertainty": "image"},
    "uncertainty=channel": {"uncertainty": "channel"},
}
SEVERITIES = (1, 3, 5)  # of the poster's histograms
ARMS = ("wo-uem", "sfd")  # with distillation, by the poster
HEADLINE = ("vanilla", "ce", *ARMS)  # in headline claims, and the fair baseline
CLAIMED = (*HEADLINE, "ddp", "urie", "vid", "qualnet")  # in any claim: more seeds
SHOWN = ("vanilla", "ddp", "qualnet", "ce", "wo-uem", "sfd")  # in the pictures of features


def seen_at(model: str, severity: int) -> str:
    """The cell of a model's features under the seen corruptions at a severity."""
    return f"features/{model}/{severity}"


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set. Cells are named as in `data/papers/sfd/`."""

    # The runs.

    def vanilla(self, network: str, seed: int, holdout: int = 0) -> Run:
        """Trained on clean images: the baseline, and where all others start."""
        # not tested under corruptions where a hyper-parameter is tuned
        evaluate = () if holdout else tested_on(self.dataset)
        return self.run(network, seed, evaluate=evaluate, holdout=holdout)

    def model(
        self,
        network: str,
        seed: int,
        name: str,
        options: Mapping[str, Plain] | None = None,
        holdout: int = 0,
    ) -> Run:
        """One of `MODELS`: all start from vanilla and see the same images for as many epochs.

        `options` are those of `SFD`, beside the model's own.
        """
        vanilla = self.vanilla(network, seed, holdout)
        conditions: dict[str, Any] = {"evaluate": vanilla.evaluate, "holdout": holdout}
        conditions["degrade"] = trained_on(self.dataset)
        method, recipe, uses = "sfd", self.settings.adapted, {"init": vanilla}
        match name:
            case "vanilla":
                return vanilla
            case "urie":  # a network of its own, in front of the frozen one
                recipe, uses = self.settings.enhancer, {"frozen": vanilla}
                return self.run("urie", seed, recipe, "urie", uses=uses, **conditions)
            case "ddp":
                method, recipe, uses = "ddp", self.settings.module, {"frozen": vanilla}
            case "ce-degraded":
                method = "supervised"
            case "vid":
                method, uses = "vid", {"init": vanilla, "teacher": vanilla}
            case "qualnet":
                decoder = self.run("invertible", seed, self.settings.decoder, holdout=holdout)
                method, uses = "qualnet", {"init": vanilla, "decoder": decoder}
        own = SFD[name] | {"lambda_": self.settings.weight(name)} if name in SFD else {}
        recipe, options = recipe.but(width=vanilla.width), {**own, **(options or {})}
        return self.run(network, seed, recipe, method, options, uses=uses, **conditions)

    def features(self, seed: int, name: str, severity: int, **options: Plain) -> Run:
        """A model's features under the seen corruptions, one per image, at one severity."""
        network = self.settings.networks[0]
        uses = {"network": self.model(network, seed, name)}
        if name == "ddp":  # a module is seen in its network
            uses = {"network": self.vanilla(network, seed), "plug": uses["network"]}
        degrade = {
            "name": "random_corruption",
            "table": severity_table(self.dataset),
            "corruptions": ",".join(seen(self.dataset)),
            "severities": str(severity),
        }
        recipe = self.settings.recipes[network].but(epochs=0)
        return self.run(network, seed, recipe, "features", options, uses=uses, degrade=degrade)

    # The tables and figures.

    def main(self) -> RunCells:
        """Cells "<network>/<model>"."""
        return {
            f"{network}/{name}": [
                self.model(network, seed, name)
                for seed in (self.seeds if name in CLAIMED else self.few)
            ]
            for network in self.settings.networks
            for name in MODELS
        }

    def lambdas(self) -> RunCells:
        """Cells "lambda/<model>/<lambda>", judged on held-out training images.

        Empty where the profile tries none.
        """
        network, holdout = self.settings.networks[0], self.settings.holdout
        return {
            f"lambda/{name}/{value:g}": [
                self.model(network, seed, name, {"lambda_": value}, holdout) for seed in self.few
            ]
            for name, values in self.settings.tried.items()
            for value in values
        }

    def scale(self) -> RunCells:
        """Cells "scale/<factor>/<network>/<model>": headline claims with other numbers of images.

        Empty where the profile has no scales.
        """
        network = self.settings.networks[0]
        return {
            f"scale/{factor:g}/{network}/{name}": [
                Study(self.settings.scaled(factor), self.dataset).model(network, seed, name)
                for seed in self.few
            ]
            for factor in self.settings.scales
            for name in HEADLINE
        }

    def setting(self) -> RunCells:
        """Cells "setting/<network>/<times>" and "setting/<network> ce/<times>", on held-out images.

        The clean-trained network and the adapted one without distillation, by their recipes and
        with twice the epochs. Empty where the profile does not check it.
        """
        if not self.settings.checked:
            return {}
        cells: RunCells = {}
        for network in self.settings.networks:
            for times in (1, 2):
                clean, both = self._longer(network, clean=times), self._longer(network, both=times)
                holdout = self.settings.holdout
                cells[f"setting/{network}/{times}"] = [
                    clean.vanilla(network, seed, holdout) for seed in self.few
                ]
                cells[f"setting/{network} ce/{times}"] = [
                    both.model(network, seed, "ce", holdout=holdout) for seed in self.few
                ]
        return cells

    def _longer(self, network: str, clean: int = 1, both: int = 1) -> "Study":
        """The same study with times the epochs, of the clean or the adapted training."""
        settings = self.settings
        recipe, adapted = settings.recipes[network], settings.adapted
        recipes = {**settings.recipes, network: recipe.but(epochs=clean * recipe.epochs)}
        adapted = adapted.but(epochs=both * adapted.epochs)
        changed = dataclasses.replace(settings, recipes=recipes, adapted=adapted)
        return Study(changed, self.dataset)

    def ablations(self) -> RunCells:
        """Cells "<network>/sfd/<option=value>" of the first network."""
        network = self.settings.networks[0]
        return {
            f"{network}/sfd/{name}": [self.model(network, s, "sfd", own) for s in self.few]
            for name, own in VARIANTS.items()
        }

    def pictures(self) -> RunCells:
        """Cells "features/<model>/<severity>"."""
        return {
            seen_at(name, severity): [self.features(seed, name, severity) for seed in self.few]
            for name in SHOWN
            for severity in SEVERITIES
        }

    def maps(self) -> RunCells:
        """Cells "maps/<model>", one seed: the first stage's, as the last ones have few pixels."""
        severity, layer = max(SEVERITIES), "body.stage1"
        return {f"maps/{name}": [self.features(0, name, severity, layer=layer)] for name in SHOWN}


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """All that the tables and figures of a data set are made of, by item and cell."""
    runs = Study(settings, dataset)
    return {
        "main": runs.main(),
        "lambdas": runs.lambdas(),
        "ablations": runs.ablations(),
        "features": runs.pictures(),
        "maps": runs.maps(),
        "scale": runs.scale(),
        "setting": runs.setting(),
    }


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """All that `make reproduce PAPER=sfd` trains on a data set: records by item and cell."""
    return collect(results, plan(settings, dataset, results))
