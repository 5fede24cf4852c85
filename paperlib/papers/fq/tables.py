"""Feature quantization's tables, made of the records that `fq.study` returns."""

import statistics
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from paperlib import degrade, networks
from paperlib.datasets import DETECTION
from paperlib.evidence.claims import read_claims, read_csv
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.fq.moments import LAYERS
from paperlib.papers.fq.profiles import Settings
from paperlib.papers.fq.study import (
    DISTORTIONS,
    MIXED,
    MODELS,
    NAMES,
    PENALTIES,
    SPLITS,
    STRENGTHS,
    distorted,
    fractions,
)
from paperlib.report import NOTHING, Table, claims_table, gain_rows, text

DETECTED = "map50"  # mean average precision at an overlap of one half, as on PASCAL VOC
COLUMNS = {"clean": "clean", **DISTORTIONS, MIXED: "mixed"}  # metric -> its heading in Table 3


def describe(settings: Settings, *chosen: str, interval: str = "95 % interval") -> str:
    """The setting in words, for titles: what is reduced is said.

    Args:
        settings: the profile.
        chosen: the table's networks; they share all but their width.
        interval: what follows each mean; "" if nothing does.
    """
    means = f"mean ± {interval} (seeds)" if interval else "means over seeds"
    narrow = settings.width_text(NAMES, [network for network in chosen if network in NAMES])
    recipe = settings.recipe(chosen[0])
    images = f"{settings.images(recipe)} training images"
    return settings.caption([images, settings.schedule(recipe), *narrow], means)


def scores(items: Items) -> Scores:
    """All numbers; for the cells of Table 3 also top-1 by the names of `COLUMNS`."""
    found = Scores.of(*items.values())
    specs = {name: distorted(name, value) for name, value in _strengths(found).items()}
    metrics = {name: _under(spec) for name, spec in specs.items()}
    metrics |= {"clean": "top1", MIXED: _under({"name": MIXED})}
    return found.plus(
        Score(cell, seed, name, value)
        for cell in items["table3"]
        for name, metric in metrics.items()
        for seed, value in found.values(cell, metric).items()
    )


def _under(spec: Mapping[str, object]) -> str:
    """The metric of top-1 under a degradation."""
    return f"top1@{degrade.label(spec)}"


def _calibrated(found: Scores, what: str, distortion: str) -> Estimate | None:
    """The calibration's "strength", or the share that was "kept" of the accuracy above chance."""
    return found.estimate("strengths", f"validation_{what}@{distortion}")


def _strengths(found: Scores) -> dict[str, float]:
    """Distortion -> calibrated strength; empty without a calibration."""
    own = {name: _calibrated(found, "strength", name) for name in DISTORTIONS}
    return {name: value.mean for name, value in own.items() if value}


def _mean(value: Estimate | None, digits: int) -> str:
    """A mean without interval: of a single run, or where the paper prints none."""
    return NOTHING if value is None else f"{value.mean:.{digits}f}"


def table1(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """Table 1, of data sets for classification: errors and their standard deviations over seeds."""
    numbers = {
        (row["dataset"], row["cell"]): f"{row['error']} ± {row['sd']}"
        for row in read_csv("fq", "table1")
    }
    labels = {"smallcnn/base": "Base"} | {
        f"smallcnn/{p}/pow-{k}": f"+POW-{k}, {p.upper()}" for p in PENALTIES for k in SPLITS
    }
    headers, rows = [""], [[label] for label in labels.values()]
    for dataset, found in measured.items():
        if dataset in DETECTION:
            continue
        known = any(name == dataset for name, _ in numbers)
        headers += [f"{dataset}: paper"] * known + [f"{dataset}: ours"]
        for row, cell in zip(rows, labels, strict=True):
            row += [numbers.get((dataset, cell), NOTHING)] * known + [_error(found, cell)]
    setting = describe(settings, "smallcnn", interval="standard deviation")
    return Table(f"Table 1. Classification error (%), {setting}", headers, rows)


def _error(found: Scores, cell: str) -> str:
    """The mean error with its standard deviation, no interval, in the paper's form."""
    errors = [100 - value for value in found.values(cell).values()]
    if not errors:
        return NOTHING
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    return f"{statistics.fmean(errors):.2f}{spread} ({len(errors)})"


def strengths(dataset: str, found: Scores) -> Table:
    """The calibration: what each distortion is to leave of the accuracy, and its strength there."""
    rows = []
    for name, share in fractions().items():
        strength = _mean(_calibrated(found, "strength", name), 4)
        kept = _mean(_calibrated(found, "kept", name), 3)
        rows.append((DISTORTIONS[name], f"{share:.3f}", strength, kept))
    paper, ours = "kept by the paper's ResNet-18", "kept by ours, held-out images"
    title = f"Strengths, calibrated on {dataset}; accuracies above chance"
    return Table(title, ("distortion", paper, "our strength", ours), rows)


def _label(network: str, model: str) -> str:
    return NAMES[network] if model == "base" else f"+{model.upper()}"


def table3_printed() -> Table:
    """The paper's Table 3 as printed."""
    names = ("clean", *DISTORTIONS)
    rows = [
        (_label(*row["cell"].split("/")), *(f"{float(row[name]):.1f}" for name in names))
        for row in read_csv("fq", "table3")
    ]
    title = "Table 3 as printed: ImageNet, top-5 accuracy (%), top-1 under occlusion"
    return Table(title, ("", "clean", *DISTORTIONS.values()), rows)


def table3(settings: Settings, dataset: str, found: Scores) -> Table:
    """Table 3: top-1 accuracies, means alone as the paper prints them."""
    rows = []
    for network in NAMES:
        for model in ("base", *MODELS[network]):
            means = (_mean(found.estimate(f"{network}/{model}", name), 1) for name in COLUMNS)
            rows.append((_label(network, model), *means))
    setting = describe(settings, *settings.networks, interval="")
    title = f"Table 3, ours: {dataset}, top-1 accuracy (%), {setting}"
    return Table(title, ("", *COLUMNS.values()), rows)


def gains(dataset: str, found: Scores) -> Table:
    """Differences to the base network; those whose interval excludes 0 are bold."""
    pairs = {
        f"{NAMES[network]} {_label(network, model)}": (f"{network}/{model}", f"{network}/base")
        for network in NAMES
        for model in MODELS[network]
    }
    title = f"Table 3, ours: gain over the base network (points), {dataset}"
    return Table(title, ("", *COLUMNS.values()), gain_rows(found, pairs, COLUMNS))


def curves(found: Scores) -> dict[str, dict[str, dict[float, Estimate]]]:
    """Fig. 3: distortion -> model -> strength -> top-1; strength 0 is clean. Empty without records.

    The network is ResNet-50, as in the paper, or ResNet-18 where that was not trained.
    """
    network = "resnet50" if found.values("resnet50/base") else "resnet18"
    out: dict[str, dict[str, dict[float, Estimate]]] = {}
    for name, calibrated in _strengths(found).items():
        specs = [distorted(name, factor * calibrated) for factor in STRENGTHS]
        metrics = {0.0: "top1"} | {float(spec["strength"]): _under(spec) for spec in specs}
        for model in ("base", *MODELS[network]):
            own = {at: found.estimate(f"{network}/{model}", m) for at, m in metrics.items()}
            if curve := {at: value for at, value in own.items() if value}:
                out.setdefault(DISTORTIONS[name], {})[_label(network, model)] = curve
    return out


SHIFTS = {  # of a layer's features, see `moments.summary` -> heading
    "skewness_median": "skewness",
    "kurtosis_median": "kurtosis",
    "mean_median": "mean",
    "deviation_median": "deviation",
    "mean_renormalised": "mean, renormalised",
    "deviation_renormalised": "deviation, renormalised",
    "skewness_over_1": "share with skewness over 1",
    "constant": "share constant",
}


def moments(dataset: str, found: Scores) -> Table:
    """Fig. 1 in numbers: by layer, medians over neurons of absolute shifts; one network."""
    rows = [
        (layer, *(_mean(found.estimate(MIXED, f"{layer}/{name}"), 2) for name in SHIFTS))
        for layer in LAYERS.split(",")
        if found.values(MIXED, f"{layer}/constant")
    ]
    title = f"Fig. 1. Median absolute shift under mixed distortions, {dataset}"
    title += "; mean and deviation in clean deviations"
    return Table(title, ("layer", *SHIFTS.values()), rows)


def detection(dataset: str, found: Scores) -> Table:
    """Fig. 4 in numbers."""
    names = ("clean", "minor", "heavy")
    rows = [
        (label, *(text(found.estimate(f"detector/{kind}/{name}", DETECTED)) for name in names))
        for kind, label in (("base", "base"), ("pow-1", "+POW-1"))
    ]
    title = f"Fig. 4. Mean average precision (%) at overlap 0.5, {dataset}"
    return Table(f"{title}; mean ± 95 % interval (seeds)", ("detector", *names), rows)


VARIANTS = {  # cell -> what it is, and the cell that it is compared with
    "l2/pow-1": ("POW-1: p = exp α, behind the convolution, L2 (default)", "base"),
    "l2/pow-1/exponent=linear": ("p = 1 + α", "l2/pow-1"),
    "l2/pow-1/exponent=direct": ("p = α", "l2/pow-1"),
    "l2/pow-1/after=bn": ("behind the batch norm", "l2/pow-1"),
    "l2/pow-1/after=relu": ("behind the ReLU", "l2/pow-1"),
    "none/pow-1": ("no penalty", "l2/pow-1"),
    "l2/pow-4": ("POW-4: input channels split (default)", "base"),
    "l2/pow-4/split=cells": ("map split into cells", "l2/pow-4"),
    "l2/pow-4/split=channels": ("output channels split", "l2/pow-4"),
    "hpow": ("HPOW", "base"),
    "sf-10": ("SF-10: floor(βu)/β (default)", "base"),
    "sf-10/rescale=False": ("floor(βu)", "sf-10"),
    "sf-pow-10": ("SF-POW-10: floor, then power (default)", "base"),
    "sf-pow-10/first=power": ("power, then floor", "sf-pow-10"),
}


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the supplement leaves open: variants of the small CNN, each beside a default."""
    rows = []
    for cell, (name, other) in VARIANTS.items():
        gain = found.gain(f"smallcnn/{cell}", f"smallcnn/{other}")
        over = "base" if other == "base" else other.removeprefix("l2/").upper()
        gained = f"{text(gain, sign=True)} over {over}" if gain else NOTHING
        rows.append((name, text(found.estimate(f"smallcnn/{cell}")), gained))
    title = f"What the supplement leaves open: small CNN, {dataset}"
    headers = ("variant", "top-1 (%)", "gain (points)")
    return Table(f"{title}, {describe(settings, 'smallcnn')}", headers, rows)


def layers(title: str, network: str, classes: int, size: int) -> Table:
    """A network layer by layer, as the paper prints it: convolutions, max-pools, linear layers.

    Args:
        title: how it starts.
        network: its name.
        classes: how many.
        size: height and width of its input in pixels.
    """
    module = networks.build(network, classes, size=size).eval()
    rows: list[tuple[str, ...]] = []

    def note(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        stride = ""
        match layer:
            case nn.Conv2d(kernel_size=(height, width), stride=(step, _)):
                what, stride = f"conv {height}×{width}, {layer.out_channels}", str(step)
            case nn.MaxPool2d(kernel_size=side):
                what, stride = f"max-pool {side}×{side}", str(layer.stride)
            case nn.Linear():
                what = f"linear, {layer.out_features}"
            case _:
                return
        shape = " × ".join(map(str, out.shape[2:])) or NOTHING
        rows.append((what, stride, shape, f"{_parameters(layer):,}"))

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    with torch.inference_mode():
        module(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    title += f", {size} × {size} pixels, {classes} classes"
    title += f": {_parameters(module):,} parameters with batch norm"
    return Table(title, ("layer", "stride", "output", "parameters"), rows)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


PARTS = {  # the data set of a claim -> the part of the paper that it is from
    "cifar10": "Table 1",
    "cifar100": "Table 1",
    "imagenet": "Table 3 and abstract",
    "voc2007": "Detection",
}


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """All claims that a data set can judge; `PARTS` says which part of the paper each is from.

    Table 1's claims about CIFAR-10 are judged also on data that the paper does not use.
    """
    found, claims = scores(items), read_claims("fq")
    about = {"table1": dataset if PARTS.get(dataset) == PARTS["cifar10"] else "cifar10"}
    about |= {"table3": "imagenet", "fig4": "voc2007"}
    return [
        verdict
        for item, claimed in about.items()
        if items[item]
        for verdict in judge_claims(claims, found, dataset, settings.profile == "paper", claimed)
    ]


def claims(settings: Settings, dataset: str, items: Items) -> list[Table]:
    """The verdicts, a table for each part of the paper."""
    parts: dict[str, list[Verdict]] = {}
    for verdict in verdicts(settings, dataset, items):
        parts.setdefault(PARTS[verdict.claim.dataset], []).append(verdict)
    paper = settings.profile == "paper"
    return [claims_table(own, dataset, paper, f"{part}. Claims") for part, own in parts.items()]


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `fq.study` returned."""
    measured = {dataset: scores(items) for dataset, items in studies.items()}
    out = [table1(settings, measured)]
    for dataset, items in studies.items():
        found = measured[dataset]
        if items["table3"]:
            out += [strengths(dataset, found), table3_printed(), table3(settings, dataset, found)]
            out += [gains(dataset, found), moments(dataset, found)]
        if items["ablations"]:
            out.append(ablations(settings, dataset, found))
        if items["fig4"]:
            out.append(detection(dataset, found))
    return out + [t for name, items in studies.items() for t in claims(settings, name, items)]
