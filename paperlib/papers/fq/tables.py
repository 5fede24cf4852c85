"""Feature quantization's tables, made of the records that `fq.study` returns."""

import statistics
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from paperlib import networks
from paperlib.datasets import DETECTION
from paperlib.evidence.claims import Claim, read_claims, read_csv
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scale import Curve, curves
from paperlib.evidence.scores import Items, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.fq import numbers
from paperlib.papers.fq.moments import LAYERS
from paperlib.papers.fq.numbers import DERIVED, DETECTED, label, metric, scores
from paperlib.papers.fq.profiles import Settings
from paperlib.papers.fq.study import (
    DECIDED,
    DISTORTIONS,
    MIXED,
    MODELS,
    NAMES,
    PENALTIES,
    SPLITS,
)
from paperlib.report import (
    NOTHING,
    Gap,
    Markdown,
    Table,
    claims_table,
    scale_table,
    setting_table,
    text,
)

COLUMNS = {"top5": "clean"} | {metric(name): words for name, words in DISTORTIONS.items()}
OURS = {**COLUMNS, metric(MIXED): "mixed"}  # metric -> heading in Table 3


def describe(settings: Settings, *chosen: str, means: str = "mean ± 95 % interval (seeds)") -> str:
    """The setting in words, for titles: what is reduced is said.

    Args:
        settings: the profile.
        chosen: the table's networks, all trained on as many images.
        means: what the numbers are.
    """
    each = []
    for network in chosen:
        length = settings.schedule(settings.recipe(network))
        widths = settings.width_text(NAMES, [network]) if network in NAMES else []
        each.append(" for ".join([*widths, length]))
    images = f"{settings.images(settings.recipe(chosen[0]))} training images"
    return settings.caption([images, *each], means)


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether noise leaves room for what is claimed."""
    shown = DECIDED if settings.checked else ()
    names = {f"{NAMES[network]}, clean images": network for network in shown}
    noises = {metric(name): words for name, words in DISTORTIONS.items()}
    gaps = {}
    for claim in read_claims("fq"):
        if claim.headline and claim.points:
            cells = f"{claim.network}/clean", f"{claim.network}/base"
            what = f"{NAMES[claim.network]}, clean images above {noises[claim.metric]}, top-5"
            gaps[what] = Gap(*cells, claim.points, claim.metric)
    return setting_table(found, names, gaps, f"Whether the setting can show the effect, {dataset}")


def strengths(dataset: str, found: Scores) -> Table:
    """The calibration: what each distortion is to leave of the accuracy, and what it leaves."""
    rows = [
        (
            DISTORTIONS[name],
            f"{own.value:.3f}",
            f"{own.asked:.3f}",
            f"{own.kept:.3f}",
            "yes" if own.reached else "**no**: the strongest there is",
        )
        for name, own in numbers.strengths(found).items()
    ]
    title = f"Strengths, calibrated on held-out images of {dataset}; shares of the clean accuracy"
    headers = ("distortion", "strength, at most 1", "kept by the paper's", "by ours", "reached")
    return Table(title, headers, rows)


def table1(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """Table 1, of data sets for classification: errors and their standard deviations over seeds.

    A data set of which nothing is measured has no column.
    """
    printed = {
        (row["dataset"], row["cell"]): f"{row['error']} ± {row['sd']}"
        for row in read_csv("fq", "table1")
    }
    labels = {"smallcnn/base": "Base"} | {
        f"smallcnn/{p}/pow-{k}": f"+POW-{k}, {p.upper()}" for p in PENALTIES for k in SPLITS
    }
    headers, rows = [""], [[name] for name in labels.values()]
    for dataset, found in measured.items():
        if dataset in DETECTION or not any(map(found.values, labels)):
            continue
        known = any(name == dataset for name, _ in printed)
        headers += [f"{dataset}: paper"] * known + [f"{dataset}: ours"]
        for row, cell in zip(rows, labels, strict=True):
            row += [printed.get((dataset, cell), NOTHING)] * known + [_error(found, cell)]
    if len(headers) == 1:
        rows = []
    title = "Table 1. Classification error (%), "
    return Table(title + describe(settings, "smallcnn", means="mean ± sd (seeds)"), headers, rows)


def _error(found: Scores, cell: str) -> str:
    """The mean error with its standard deviation, no interval, in the paper's form."""
    errors = [100 - value for value in found.values(cell).values()]
    if not errors:
        return NOTHING
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    return f"{statistics.fmean(errors):.2f}{spread} ({len(errors)})"


def table3_printed() -> Table:
    """The paper's Table 3 as printed."""
    rows = [
        (label(*row["cell"].split("/")), *(f"{float(row[n]):.1f}" for n in ("clean", *DISTORTIONS)))
        for row in read_csv("fq", "table3")
    ]
    title = "Table 3 as printed: ImageNet, top-5 accuracy (%), top-1 under occlusion"
    return Table(title, ("", *COLUMNS.values()), rows)


def table3(settings: Settings, dataset: str, found: Scores) -> Table:
    """Table 3: accuracies of the networks as they are, and what each non-linearity adds to them.

    Means alone, as the paper prints them; a gain is bold where its interval excludes 0. A row or
    column of which nothing is measured is left out.
    """
    bases = {f"{network}/base": network for network in NAMES}
    columns = {n: words for n, words in OURS.items() if any(found.values(b, n) for b in bases)}
    rows = []
    for base, network in bases.items():
        if found.values(base):
            values = (found.estimate(base, name) for name in columns)
            rows.append((NAMES[network], *(f"{v.mean:.1f}" if v else NOTHING for v in values)))
        for model in MODELS[network]:
            gains = [found.gain(f"{network}/{model}", base, name) for name in columns]
            if any(gains):
                rows.append((label(network, model), *map(_gain, gains)))
    what = "lines with + are gains (points) over the network above, bold if the 95 % interval"
    title = f"Table 3, ours: {dataset}, top-5 (%), top-1 under occlusion; {what} excludes 0"
    setting = describe(settings, *settings.networks, means="means over seeds")
    return Table(f"{title}, {setting}", ("", *columns.values()), rows)


def _gain(gain: Estimate | None) -> str:
    """Its mean alone, with a sign unless it rounds to 0."""
    if gain is None:
        return NOTHING
    mean = round(gain.mean, 1)
    words = f"{mean:+.1f}" if mean else "0.0"
    return words if gain.contains(0) else f"**{words}**"


def moments(dataset: str, found: Scores) -> Table:
    """Fig. 1 in numbers: by layer, medians over neurons of absolute shifts; one network."""
    rows = []
    for layer in LAYERS.split(","):
        if found.values(MIXED, f"{layer}/constant"):
            shifts = [_mean(found, f"{layer}/{n}_median") for n in ("skewness", "kurtosis")]
            for name in ("mean", "deviation"):
                ends = (_mean(found, f"{layer}/{name}_{end}") for end in ("median", "renormalised"))
                shifts.append(" → ".join(ends))
            rows.append((layer, *shifts))
    title = f"Fig. 1. Median absolute shift under mixed distortions, {dataset}"
    title += "; of mean and deviation in clean deviations, before → after renormalising"
    return Table(title, ("layer", "skewness", "kurtosis", "mean", "deviation"), rows)


def _mean(found: Scores, name: str) -> str:
    value = found.estimate(MIXED, name)
    return NOTHING if value is None else f"{value.mean:.2f}"


def detection(dataset: str, found: Scores) -> Table:
    """Fig. 4 in numbers."""
    names = ("clean", "minor", "heavy")
    rows = []
    for kind, words in (("base", "base"), ("pow-1", "+POW-1")):
        own: list[Estimate | None] = [
            found.estimate(f"detector/{kind}/{name}", DETECTED) for name in names
        ]
        if any(own):
            rows.append((words, *map(text, own)))
    title = f"Fig. 4. Mean average precision (%) at overlap 0.5, {dataset}"
    return Table(f"{title}; mean ± 95 % interval (seeds)", ("detector", *names), rows)


VARIANTS = {  # cell -> what it is, and the cell that it is compared with
    "l2/pow-1/exponent=linear": ("p = 1 + α", "l2/pow-1"),
    "l2/pow-1/exponent=direct": ("p = α", "l2/pow-1"),
    "l2/pow-1/after=bn": ("behind the batch norm", "l2/pow-1"),
    "l2/pow-1/after=relu": ("behind the ReLU", "l2/pow-1"),
    "none/pow-1": ("no penalty", "l2/pow-1"),
    "l2/pow-4/split=cells": ("map split into cells", "l2/pow-4"),
    "l2/pow-4/split=channels": ("output channels split", "l2/pow-4"),
    "hpow": ("HPOW", "base"),
    "sf-10": ("SF-10", "base"),
    "sf-10/rescale=False": ("floor(βu), not divided by β", "sf-10"),
    "sf-pow-10": ("SF-POW-10: floor, then power", "base"),
    "sf-pow-10/first=power": ("power, then floor", "sf-pow-10"),
}


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the supplement leaves open: variants of the small CNN, each beside a default."""
    rows = []
    for cell, (name, other) in VARIANTS.items():
        if gain := found.gain(f"smallcnn/{cell}", f"smallcnn/{other}"):
            over = "the base network" if other == "base" else other.removeprefix("l2/").upper()
            rows.append((name, over, text(gain, sign=True)))
    title = f"What the supplement leaves open: small CNN, {dataset}, clean top-1"
    headers = ("variant", "compared with", "gain (points)")
    return Table(f"{title}, {describe(settings, 'smallcnn')}", headers, rows)


def layers(title: str, network: str, classes: int, size: int) -> Markdown:
    """A network in a sentence, as the paper prints it: convolutions, max-pools, linear layers.

    Args:
        title: how it starts.
        network: its name.
        classes: how many.
        size: height and width of its input in pixels.
    """
    module = networks.build(network, classes, size=size).eval()
    found: list[str] = []

    def note(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        match layer:
            case nn.Conv2d(kernel_size=(height, width), stride=(step, _)):
                what = f"conv {height}×{width}, {layer.out_channels}"
                found.append(f"{what}, stride {step}" if step > 1 else what)
            case nn.MaxPool2d(kernel_size=side):
                found.append(f"max-pool {side}×{side}")
            case nn.Linear():
                found.append(f"linear, {layer.out_features}")

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    with torch.inference_mode():
        module(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    parameters = sum(parameter.numel() for parameter in module.parameters())
    what = f"{size} × {size} pixels, {classes} classes, {parameters:,} parameters"
    return Markdown(f"**{title}**, {what}: {'; '.join(found)}.")


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """The claims that a data set can judge.

    Those of Table 1 about CIFAR-10 are judged also on data that the paper does not use; those of
    Table 3 and the abstract, about ImageNet, on the first data set for classification.
    """
    found, claims = scores(items), read_claims("fq")
    about = {"voc2007"} if dataset in DETECTION else {"cifar10"}
    if dataset in {claim.dataset for claim in claims}:
        about = {dataset}
    if dataset == settings.main:
        about.add("imagenet")
    calibrated = numbers.strengths(found)

    def cannot(claim: Claim) -> str:
        """A distortion that is not as strong as the paper's cannot cost as much."""
        _, _, name = claim.metric.partition("@")
        weak = [n for n, own in calibrated.items() if name in (n, MIXED) and not own.reached]
        if not weak:
            return ""
        shares = (
            f"{DISTORTIONS[n]} at its strongest leaves {calibrated[n].kept:.2f} of the accuracy, "
            f"not {calibrated[n].asked:.2f}"
            for n in weak
        )
        return " and ".join(shares)

    return judge_claims(claims, found, dataset, settings, about=about, cells=DERIVED, cannot=cannot)


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """The verdicts as a table."""
    return claims_table(verdicts(settings, dataset, items))


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of training images; those measured at several."""
    images = settings.images_at_scales(settings.recipes[settings.networks[0]])
    found = curves(verdicts(settings, dataset, items), scores(items), images)
    return [curve for curve in found if len(curve.points) > 1]


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `fq.study` returned.

    One without any measurement is left out.
    """
    measured = {dataset: scores(items) for dataset, items in studies.items()}
    out, main = [], settings.main
    if main in studies:
        found = measured[main]
        out += [setting(settings, main, found)] if studies[main]["table3"] else []
        out += [strengths(main, found), table3_printed(), table3(settings, main, found)]
        out.append(table1(settings, measured))
        out += [moments(main, found), ablations(settings, main, found)]
        out.append(scale_table(scale(settings, main, studies[main])))
    out += [detection(name, found) for name, found in measured.items() if name in DETECTION]
    out += [claims(settings, name, items) for name, items in studies.items()]
    return [table for table in out if table.rows]
