"""Feature quantization's tables, made of the records that `fq.study` returns: for the chapter and
`make reproduce`."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from paperlib import degrade
from paperlib.evidence.claims import read_csv
from paperlib.evidence.estimates import Estimate, as_top1, effect, top1
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
    read_strengths,
)
from paperlib.report import Table, claims_table, gain_text
from paperlib.runs import Record

Measured = Mapping[str, list[Record]]  # cell -> its records
DETECTED = "map50"  # mean average precision at an overlap of one half, as on PASCAL VOC


def table1(settings: Settings, cells: Mapping[str, Measured]) -> Table:
    """Table 1 from the cells of `Study.table1`, by data set: errors and their standard deviations
    over seeds."""
    numbers = {
        (row["dataset"], row["cell"]): f"{row['error']} ± {row['sd']}"
        for row in read_csv("fq", "table1")
    }
    names = {"base": "Base"} | {
        f"{p}/pow-{k}": f"+POW-{k}, {p.upper()}" for p in PENALTIES for k in SPLITS
    }
    headers, rows = [""], [[name] for name in names.values()]
    for dataset, own in cells.items():
        known = any(name == dataset for name, _ in numbers)
        headers += [f"{dataset}: paper"] * known + [f"{dataset}: ours"]
        for row, cell in zip(rows, names, strict=True):
            ours = _error(own.get(f"smallcnn/{cell}", []))
            row += [numbers.get((dataset, f"smallcnn/{cell}"), "–")] * known + [ours]
    return Table(
        f"Table 1. Classification error (%), {describe(settings, 'smallcnn', interval='standard deviation')}",
        headers,
        rows,
    )


def _error(records: Sequence[Record]) -> str:
    errors = [100 - record.metrics["top1"] for record in records]
    if not errors:
        return "–"
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    return f"{statistics.fmean(errors):.2f}{spread} ({len(errors)})"


def strengths(dataset: str, records: Sequence[Record]) -> Table:
    """The calibration: the share of the accuracy above chance that a distortion is to leave, and
    its strength there."""
    metrics = next((record.metrics for record in records), {})
    found, rows = read_strengths(records), []
    for name, share in fractions().items():
        own = (
            [f"{found[name]:.4f}", f"{metrics[f'validation_kept@{name}']:.3f}"]
            if found
            else ["–", "–"]
        )
        rows.append((DISTORTIONS[name], f"{share:.3f}", *own))
    headers = (
        "distortion",
        "kept by the paper's ResNet-18",
        "our strength",
        "kept by ours, held-out images",
    )
    return Table(f"Strengths, calibrated on {dataset}; accuracies above chance", headers, rows)


def under(cells: Measured, found: Mapping[str, float]) -> dict[str, list[Record]]:
    """Cells "<network>/<model>/<distortion>", and ".../clean", ".../distortion_mix", of those of
    `Study.table3`."""
    specs = {name: distorted(name, strength) for name, strength in found.items()} | {
        MIXED: {"name": MIXED}
    }
    metrics = {"clean": "top1"} | {
        name: f"top1@{degrade.label(spec)}" for name, spec in specs.items()
    }
    return {
        f"{cell}/{n}": as_top1(records, m)
        for cell, records in cells.items()
        for n, m in metrics.items()
    }


COLUMNS = {"clean": "clean", **DISTORTIONS, MIXED: "mixed"}
ROWS = [f"{network}/{model}" for network in NAMES for model in ("base", *MODELS[network])]


def _label(cell: str) -> str:
    network, model = cell.split("/")
    return NAMES[network] if model == "base" else f"+{model.upper()}"


def table3_printed() -> Table:
    """The paper's Table 3 as printed."""
    rows = [
        (_label(row["cell"]), *(f"{float(row[name]):.1f}" for name in ("clean", *DISTORTIONS)))
        for row in read_csv("fq", "table3")
    ]
    headers = ("", "clean", *DISTORTIONS.values())
    return Table(
        "Table 3 as printed: ImageNet, top-5 accuracy (%), top-1 under occlusion", headers, rows
    )


def table3(settings: Settings, dataset: str, cells: Measured) -> Table:
    """Table 3 from the cells of `under`: top-1 accuracies."""
    rows = []
    for row in ROWS:
        ours = [top1(cells.get(f"{row}/{name}", [])) for name in COLUMNS]
        rows.append((_label(row), *(f"{value.mean:.1f}" if value else "–" for value in ours)))
    title = f"Table 3, ours: {dataset}, top-1 accuracy (%), {describe(settings, *settings.networks, interval='')}"
    return Table(title, ("", *COLUMNS.values()), rows)


def gains(dataset: str, cells: Measured) -> Table:
    """Differences to the base network, paired by seed; those whose interval excludes 0 are bold."""
    rows = []
    for row in ROWS:
        network, model = row.split("/")
        if model == "base":
            continue
        line = [f"{NAMES[network]} {_label(row)}"]
        for name in COLUMNS:
            line.append(
                gain_text(
                    effect(cells.get(f"{row}/{name}", []), cells.get(f"{network}/base/{name}", []))
                )
            )
        rows.append(line)
    return Table(
        f"Table 3, ours: gain over the base network (points), {dataset}",
        ("", *COLUMNS.values()),
        rows,
    )


def curves(
    cells: Measured, found: Mapping[str, float]
) -> dict[str, dict[str, dict[float, Estimate]]]:
    """Fig. 3: distortion -> model of one network -> strength -> top-1; strength 0 is clean. Empty
    without records.

    The network is ResNet-50, as in the paper, or ResNet-18 where that was not trained.
    """
    network = "resnet50" if cells.get("resnet50/base") else "resnet18"
    out: dict[str, dict[str, dict[float, Estimate]]] = {}
    for name, calibrated in found.items():
        specs = {0.0: None} | {
            s["strength"]: s for f in STRENGTHS for s in [distorted(name, f * calibrated)]
        }
        for cell, records in cells.items():
            if not records or not cell.startswith(f"{network}/"):
                continue
            curve = {}
            for strength, spec in specs.items():
                value = top1(
                    as_top1(records, "top1" if spec is None else f"top1@{degrade.label(spec)}")
                )
                if value is not None:
                    curve[float(strength)] = value
            out.setdefault(DISTORTIONS[name], {})[_label(cell)] = curve
    return out


def moments(dataset: str, fig1: Measured) -> Table:
    """Fig. 1 in numbers: medians over the neurons of a layer of the absolute shifts under mixed
    distortions."""
    record = next(iter(fig1.get(MIXED, [])), None)
    names = [f"{moment}_median" for moment in ("skewness", "kurtosis", "mean", "deviation")]
    names += ["mean_renormalised", "deviation_renormalised", "skewness_over_1", "constant"]
    rows = []
    metrics = record.metrics if record else {}
    for layer in dict.fromkeys(key.split("/")[0] for key in metrics if "/" in key):
        own = {key.split("/")[1]: v for key, v in metrics.items() if key.startswith(f"{layer}/")}
        rows.append((layer, *(f"{own[name]:.2f}" if name in own else "–" for name in names)))
    headers = (
        "layer",
        "skewness",
        "kurtosis",
        "mean",
        "deviation",
        "mean, renormalised",
        "deviation, renormalised",
    )
    title = f"Fig. 1. Median absolute shift under mixed distortions, {dataset}; mean and deviation in clean deviations"
    return Table(title, (*headers, "share with skewness over 1", "share constant"), rows)


def detection(dataset: str, fig4: Measured) -> Table:
    """Fig. 4 in numbers."""
    rows = []
    for kind, label in (("base", "base"), ("pow-1", "+POW-1")):
        own = [
            as_top1(fig4.get(f"detector/{kind}/{name}", []), DETECTED)
            for name in ("clean", "minor", "heavy")
        ]
        rows.append(
            (label, *(value.text() if (value := top1(records)) else "–" for records in own))
        )
    headers = ("detector", "clean", "minor", "heavy")
    title = f"Fig. 4. Mean average precision (%) at overlap 0.5, {dataset}; mean ± 95 % interval (seeds)"
    return Table(title, headers, rows)


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


def silences(settings: Settings, dataset: str, cells: Measured) -> Table:
    """What the supplement leaves open, from the cells of `Study.silences` and `Study.table1`,
    paired by seed."""
    rows = []
    for cell, (name, other) in VARIANTS.items():
        records, compared = (cells.get(f"smallcnn/{c}", []) for c in (cell, other))
        ours, gain = top1(records), effect(records, compared)
        against = "base" if other == "base" else VARIANTS[other][0].split(":")[0]
        gained = f"{gain.text(sign=True)} over {against}" if gain else "–"
        rows.append((name, ours.text() if ours else "–", gained))
    title = (
        f"What the supplement leaves open: small CNN, {dataset}, {describe(settings, 'smallcnn')}"
    )
    return Table(title, ("variant", "top-1 (%)", "gain (points)"), rows)


def describe(settings: Settings, *networks: str, interval: str = "95 % interval") -> str:
    """The setting in words, for titles: what is reduced is said. The networks share all but their
    width."""
    means = f"mean ± {interval} (seeds)" if interval else "means over seeds"
    narrow = settings.narrowed(NAMES, [network for network in networks if network in NAMES])
    recipe = settings.recipe(networks[0])
    images = f"{settings.images(recipe)} training images"
    return settings.described([images, settings.schedule(recipe), *narrow], means)


def claims(settings: Settings, dataset: str, items: Mapping[str, Measured]) -> list[Table]:
    """The verdicts on all claims that a data set can judge: Table 1's, Table 3's and the
    abstract's, detection's."""
    # what is claimed: its cells, and the data it is claimed of
    judged: dict[str, tuple[Measured, str | None]] = {}
    if items["table1"]:
        judged["Table 1"] = items["table1"], None if "cifar" in dataset else "cifar10"
    if items["table3"]:
        found = read_strengths(items["calibration"]["strengths"])
        judged["Table 3 and abstract"] = under(items["table3"], found), "imagenet"
    if items["fig4"]:
        cells = {cell: as_top1(records, DETECTED) for cell, records in items["fig4"].items()}
        judged["Detection"] = cells, "voc2007"
    tables = {
        what: claims_table("fq", dataset, cells, settings.profile == "paper", about)
        for what, (cells, about) in judged.items()
    }
    return [
        dataclasses.replace(table, title=f"{what}. {table.title}") for what, table in tables.items()
    ]


def tables(settings: Settings, studies: Mapping[str, Mapping[str, Measured]]) -> list[Table]:
    """All tables in the chapter's order. `studies` holds what `fq.study` returned, by data set."""
    out = [
        table1(
            settings, {name: items["table1"] for name, items in studies.items() if items["table1"]}
        )
    ]
    for name, items in studies.items():
        if items["table3"]:
            found = read_strengths(items["calibration"]["strengths"])
            cells = under(items["table3"], found)
            out += [
                strengths(name, items["calibration"]["strengths"]),
                table3_printed(),
                table3(settings, name, cells),
            ]
            out += [gains(name, cells), moments(name, items["fig1"])]
        if items["silences"]:
            out.append(silences(settings, name, {**items["table1"], **items["silences"]}))
        if items["fig4"]:
            out.append(detection(name, items["fig4"]))
    return out + [
        table for name, items in studies.items() for table in claims(settings, name, items)
    ]
