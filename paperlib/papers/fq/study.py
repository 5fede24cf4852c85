"""The runs behind FQ's tables and figures, and behind what its supplement leaves open."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from paperlib.datasets import DETECTION
from paperlib.evidence.claims import read_csv
from paperlib.papers.fq.profiles import PROFILES as PROFILES
from paperlib.papers.fq.profiles import Settings
from paperlib.runs import Plain, Record, Run
from paperlib.study import BaseStudy, Collected, Results, RunCells, as_trained, collect

SPLITS = (1, 2, 4, 8, 16)  # Table 1
PENALTIES = ("l1", "l2")
NAMES = {"resnet18": "ResNet-18", "resnet50": "ResNet-50", "plain10": "Plain-10"}
DISTORTIONS = {  # Table 3, in its order
    "motion_blur": "motion blur",
    "jpeg_compression": "JPEG",
    "salt_and_pepper": "salt & pepper",
    "ngrn_noise": "NGRN noise",
    "inpainting": "inpainting",
    "targeted_occlusion": "occlusion",
}
MIXED = "distortion_mix"  # one of the six, drawn for each image
# ResNet-18's clean top-1 on ImageNet (torchvision): Table 3 has top-5 for all but the occlusion
OCCLUDED = 69.76

# What each network of Table 3 is tested with; POW-1 on ResNets, HPOW and SF-POW are the main text's
MODELS = {
    "resnet18": ("sf-10", "sf-100", "pow-1", "hpow", "sf-pow-10"),
    "resnet50": ("sf-10", "sf-100", "hpow"),
    "plain10": ("pow-1", "pow-2", "pow-4", "pow-8"),
}
# Those of them that get as many seeds as a claim needs, and that are tried at other scales
DECIDED = {
    "resnet18": ("base", "sf-10", "sf-100", "pow-1", "hpow"),
    "plain10": ("base", "pow-1"),
}
SCALED = {"resnet18": ("base", "sf-10"), "plain10": ("base", "pow-1")}
Options = dict[str, Plain]
OPTIONS: dict[str, Options] = {
    "base": {},
    **{f"sf-{beta}": {"kind": "sf", "beta": beta} for beta in (10, 100)},
    **{f"pow-{k}": {"kind": "pow", "splits": k} for k in SPLITS},
    "hpow": {"kind": "hpow"},
    "sf-pow-10": {"kind": "sf-pow", "beta": 10},
}
STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5)  # Fig. 3: times the calibrated strength
DRAWN = ("base", "sf-10", "pow-1", "hpow")  # there
FIG3_IMAGES = 2000  # test images behind a point of its curves, at most
ITEMS = ("calibration", "table1", "table3", "fig1", "fig3", "fig4", "ablations", "setting", "scale")

# Fig. 4's caption names what its two rows of distorted images went through, not how strongly.
MINOR = {"inpainting": 0.1, "ngrn_noise": 0.1}
HEAVY = {
    "inpainting": 0.3,
    "ngrn_noise": 0.3,
    "salt_and_pepper": 0.1,
    "motion_blur": 0.1,
    "jpeg_compression": 0.5,
}


def distorted(distortion: str, strength: float) -> dict[str, Plain]:
    """The spec of one distortion; strengths beyond 1 are 1."""
    return {"name": "distortion", "distortion": distortion, "strength": min(1.0, strength)}


def fractions() -> dict[str, float]:
    """The share of its accuracy that the paper's ResNet-18 keeps (Table 3); chance is 0."""
    row = next(row for row in read_csv("fq", "table3") if row["cell"] == "resnet18/base")
    clean = dict.fromkeys(DISTORTIONS, float(row["clean"])) | {"targeted_occlusion": OCCLUDED}
    return {name: round(float(row[name]) / clean[name], 3) for name in DISTORTIONS}


class Study(BaseStudy[Settings]):
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number of a table was measured on, e.g. "smallcnn/l1/pow-4"; the paper's
    numbers in `data/papers/fq/` and the claims use the same names.
    """

    # The runs.

    def classifier(self, network: str, seed: int, options: Options | None = None) -> Run:
        """A network as it is, or with non-linearities: `options` are those of `FQ`.

        All but the small CNN are trained without the images on which strengths are calibrated.
        """
        # the network as it is by the same method: in the same precision
        recipe, own = self.settings.recipe(network), options or {"kind": "none"}
        holdout = 0 if network == "smallcnn" else self.settings.holdout
        return self.run(network, seed, recipe, "fq", own, holdout=holdout)

    def calibration(self) -> Run:
        """The strengths that cost ResNet-18 what the six distortions cost the paper's.

        They are those of the held-out training images: test images play no part.
        """
        base, chosen = self.classifier("resnet18", 0), self.settings.distortions or DISTORTIONS
        shares = {name: share for name, share in fractions().items() if name in chosen}
        return as_trained(base, method="calibration", options=shares, test_size=100)

    def under(
        self,
        run: Run,
        strengths: Mapping[str, float],
        factors: Iterable[float] = (1.0,),
        **fields: Any,
    ) -> Run:
        """A trained network under distortions at strengths times factors, and their mixture."""
        specs: list[dict[str, Plain]] = []
        for name, strength in strengths.items():
            for factor in factors:
                if (spec := distorted(name, factor * strength)) not in specs:
                    specs.append(spec)
        return as_trained(run, evaluate=(*specs, {"name": MIXED, **strengths}), **fields)

    def moments(self, degrade: Mapping[str, Plain]) -> Run:
        """The shift of VGG-16's features under a degradation."""
        own: dict[str, Any] = {"method": "moments", "options": {}, "holdout": 0}
        return as_trained(self.classifier("vgg16", 0), degrade=degrade, **own)

    def detector(self, kind: str, seed: int, chain: Mapping[str, float] | None = None) -> Run:
        """A detector, trained on clean scenes; with a chain of distortions, tested under it."""
        # a detector names the network of its backbone
        run = self.run("plain10", seed, self.settings.detector, "detection", OPTIONS[kind])
        if chain is None:
            return run
        return as_trained(run, degrade={"name": "distortion_chain", **chain})

    # The tables and figures.

    def table1(self) -> RunCells:
        """Cells "smallcnn/base" and "smallcnn/<penalty>/pow-<k>"."""
        models: dict[str, Options] = {
            f"{penalty}/pow-{k}": {**OPTIONS[f"pow-{k}"], "penalty": penalty}
            for penalty in PENALTIES
            for k in SPLITS
        }
        seeds = self.seeds if self.settings.decides_tenths else self.few
        return self._trained("smallcnn", {"base": {}, **models}, seeds)

    def table3(self, strengths: Mapping[str, float]) -> RunCells:
        """Cells "<network>/base" and "<network>/<non-linearity>", tested under distortions."""
        cells: RunCells = {}
        for network in self.settings.networks:
            for name in self._models(network):
                seeds = self.seeds if name in DECIDED.get(network, ()) else self.few
                cells |= self._trained(network, {name: OPTIONS[name]}, seeds)
        return self._under(cells, strengths)

    def _models(self, network: str) -> tuple[str, ...]:
        """What a network is trained with."""
        left_out = self.settings.left_out
        return tuple(n for n in ("base", *MODELS[network]) if f"{network}/{n}" not in left_out)

    def fig3(self, strengths: Mapping[str, float]) -> RunCells:
        """Cells "fig3/<network>/<model>": the paper's network, or a smaller one."""
        network = "resnet50" if self.settings.profile == "paper" else "resnet18"
        models = {name: OPTIONS[name] for name in self._models(network) if name in DRAWN}
        size = min(FIG3_IMAGES, self.settings.recipe(network).test_size or FIG3_IMAGES)
        return {
            f"fig3/{cell}": [self.under(run, strengths, STRENGTHS, test_size=size) for run in runs]
            for cell, runs in self._trained(network, models, self.few).items()
        }

    def _trained(self, network: str, models: Mapping[str, Options], seeds: range) -> RunCells:
        """Cells "<network>/<model>", by the options of each model's non-linearity; {} is none."""
        return {
            f"{network}/{name}": [self.classifier(network, seed, options) for seed in seeds]
            for name, options in models.items()
        }

    def _under(self, cells: RunCells, strengths: Mapping[str, float]) -> RunCells:
        """The same cells, tested under the distortions."""
        return {cell: [self.under(run, strengths) for run in runs] for cell, runs in cells.items()}

    def setting(self) -> RunCells:
        """Cells "setting/<network>/1" and "/2": a network as it is, and after twice the epochs."""
        if not self.settings.checked:
            return {}
        recipes = {name: r.but(epochs=2 * r.epochs) for name, r in self.settings.recipes.items()}
        longer = Study(dataclasses.replace(self.settings, recipes=recipes), self.dataset)
        return {
            f"setting/{network}/{times}": [study.classifier(network, seed) for seed in self.few]
            for network in DECIDED
            if network in recipes
            for times, study in ((1, self), (2, longer))
        }

    def scale(self, strengths: Mapping[str, float]) -> RunCells:
        """Cells "scale/<factor>/<network>/<model>": more training images and fewer, same strengths.

        HPOW is not among them: it is the dearest.
        """
        cells: RunCells = {}
        for factor in self.settings.scales:
            study = Study(self.settings.scaled(factor), self.dataset)
            for network, names in SCALED.items():
                models = {name: OPTIONS[name] for name in names}
                own = self._under(study._trained(network, models, self.few), strengths)
                cells |= {f"scale/{factor:g}/{cell}": runs for cell, runs in own.items()}
        return cells

    def fig1(self, strengths: Mapping[str, float]) -> RunCells:
        """Cells "<distortion>" and "distortion_mix": the moments of VGG-16's features."""
        cells = {name: [self.moments(distorted(name, s))] for name, s in strengths.items()}
        return {**cells, MIXED: [self.moments({"name": MIXED, **strengths})]}

    def fig4(self) -> RunCells:
        """Cells "detector/<base or pow-1>/<clean, minor or heavy>"."""
        return {
            f"detector/{kind}/{name}": [self.detector(kind, seed, chain) for seed in self.few]
            for kind in ("base", "pow-1")
            for name, chain in (("clean", None), ("minor", MINOR), ("heavy", HEAVY))
        }

    def ablations(self) -> RunCells:
        """What the supplement leaves open, on the small CNN: each variant changes one default."""
        one: Options = {**OPTIONS["pow-1"], "penalty": "l2"}
        four: Options = {**OPTIONS["pow-4"], "penalty": "l2"}
        variants: dict[str, Options] = {
            "l2/pow-1/exponent=linear": {**one, "exponent": "linear"},
            "l2/pow-1/exponent=direct": {**one, "exponent": "direct"},
            "none/pow-1": {**one, "penalty": "none"},
            "l2/pow-4/split=cells": {**four, "split": "cells"},
            "l2/pow-4/split=channels": {**four, "split": "channels"},
            "l2/pow-1/after=bn": {**one, "after": "bn"},
            "l2/pow-1/after=relu": {**one, "after": "relu"},
            "hpow": OPTIONS["hpow"],
            "sf-10": OPTIONS["sf-10"],
            "sf-10/rescale=False": {**OPTIONS["sf-10"], "rescale": False},
            "sf-pow-10": OPTIONS["sf-pow-10"],
            "sf-pow-10/first=power": {**OPTIONS["sf-pow-10"], "first": "power"},
        }
        return self._trained("smallcnn", variants, self.few)


def read_strengths(records: Iterable[Record]) -> dict[str, float]:
    """Distortion -> strength, as calibrated on held-out training images; empty without a record."""
    metrics = next((record.metrics for record in records), {})
    name = "validation_strength@"
    return {key.removeprefix(name): value for key, value in metrics.items() if key.startswith(name)}


def plan(settings: Settings, dataset: str, results: Results) -> dict[str, RunCells]:
    """All runs of the paper on a data set, by item (`ITEMS`) and cell, seed s at position s.

    Classifiers of the first data set are trained for all items, those of others for Table 1;
    detectors on scenes. An item that has no place on this data set or in this profile has no cells,
    and what is tested under distortions has none without the calibration: that run alone is asked
    of `results`.
    """
    runs = Study(settings, dataset)
    items: dict[str, RunCells] = {item: {} for item in ITEMS}
    if dataset in DETECTION:
        return {**items, "fig4": runs.fig4()}
    items["table1"] = runs.table1()
    if dataset != settings.main:
        return items
    items["calibration"] = {"strengths": [runs.calibration()]}
    items |= {"ablations": runs.ablations(), "setting": runs.setting()}
    if strengths := read_strengths(results(items["calibration"]["strengths"])):
        items |= {"table3": runs.table3(strengths), "fig1": runs.fig1(strengths)}
        items |= {"fig3": runs.fig3(strengths), "scale": runs.scale(strengths)}
    return {item: {} if item in settings.left_out else own for item, own in items.items()}


def study(settings: Settings, dataset: str, results: Results) -> Collected:
    """The records of `plan`, by item and cell; a cell of which `results` has none is empty."""
    return collect(results, plan(settings, dataset, results))
