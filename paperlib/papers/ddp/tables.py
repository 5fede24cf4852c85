"""The tables of the deep degradation prior, made of the records that `ddp.study` returns."""

import dataclasses
from collections.abc import Mapping
from statistics import fmean

from paperlib.common_corruptions import SUMMARIES, reference, seen, summarised, summary_texts
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import read_csv
from paperlib.evidence.estimates import Estimate, as_top1, effect, top1
from paperlib.papers.ddp.profiles import Settings
from paperlib.papers.ddp.study import NAMES, QUALITIES, SEVERITY, VARIANTS
from paperlib.report import Table, claims_table, gain_text
from paperlib.runs import Record

Items = Mapping[str, Mapping[str, list[Record]]]
MODELS = {"frozen": "frozen", "blind": "+DDP, all corruptions", "ten": "+DDP, 10 images elsewhere",
          "ten-own": "+DDP, 10 images from here"}  # fmt: skip


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    modules = f"modules {settings.images(settings.module)}"
    images = f"{settings.images()} training images"
    return settings.described([images, modules, *settings.narrowed(NAMES)])


def printed() -> Table:
    """What is printed of DDP elsewhere: the row of SFD's poster."""
    rows = [
        (row["network"], row["model"], *(row[name] for name in SUMMARIES))
        for row in read_csv("ddp", "poster")
    ]
    return Table(
        "Printed in SFD's poster: ImageNet-C, top-1 (%) and mCE",
        ("", "", *SUMMARIES.values()),
        rows,
    )


DRIFT = {  # metrics of `drift`, and what the table calls them
    "size": "size",
    "cosine_clusters": "cosine",
    "cosine_clusters_control": "cosine, other corruptions",
    "cosine_clusters_shuffled": "cosine, wrong pairs",
    "explained_clusters": "explained",
    "explained_clusters_mismatched": "explained by others' margins",
    "explained_overall": "explained by one margin",
}


def drift(network: str, dataset: str, items: Items) -> Table:
    """The observation behind the prior, in numbers, by corruption: means over seeds."""
    rows = []
    for name, metrics in drifts(items).items():
        rows.append((name, *(f"{metrics[metric]:.2f}" for metric in DRIFT)))
    title = f"Drift of early features at severity {SEVERITY}: {NAMES[network]}, {dataset}, means over seeds"
    return Table(title, ("corruption", *DRIFT.values()), rows)


def drifts(items: Items) -> dict[str, dict[str, float]]:
    """Corruption -> metrics of `drift`, means over seeds."""
    return {
        name: {metric: fmean(r.metrics[metric] for r in records) for metric in records[0].metrics}
        for name, records in items["drift"].items()
        if records
    }


def main(settings: Settings, dataset: str, items: Items) -> Table:
    """Clean, seen and unseen accuracy and mCE of the frozen networks and of the modules that serve
    all corruptions."""
    rows, cells = [], {**items["main"], **items["ten"]}
    for network in settings.networks:
        baseline = reference(cells.get(f"{network}/frozen", ()), dataset)
        for model, label in MODELS.items():
            values = summary_texts(cells.get(f"{network}/{model}", ()), baseline, dataset)
            rows.append((f"{NAMES[network]}, {label}", *values))
    title = f"One module for all corruptions, {dataset}: top-1 (%) and mCE relative to the frozen network"
    return Table(f"{title}, {describe(settings)}", ("", *SUMMARIES.values()), rows)


def single_gains(network: str, dataset: str, items: Items) -> dict[str, Estimate]:
    """Corruption -> gain of its own module over the frozen network, at the severity of the
    conditions."""
    gains = {}
    for name in seen(dataset):
        frozen = as_top1(items["main"].get(f"{network}/frozen", []), f"top1@{name}-{SEVERITY}")
        gain = effect(items["conditions"].get(f"{network}/condition/{name}", ()), frozen)
        if gain is not None:
            gains[name] = gain
    return gains


def summary_gains(network: str, model: str, dataset: str, items: Items) -> dict[str, Estimate]:
    """Corruption -> gain of a module for all corruptions over the frozen network, mean over
    severities."""
    everything = {**items["main"], **items["ten"]}
    own = {cell: everything.get(cell, []) for cell in (f"{network}/frozen", f"{network}/{model}")}
    cells = summarised(own, f"{network}/frozen", dataset)
    found = {}
    for name in (*seen(dataset), *EXTRA):
        gain = effect(
            cells.get(f"{network}/{model}/{name}", ()), cells.get(f"{network}/frozen/{name}", ())
        )
        if gain is not None:
            found[name] = gain
    return found


def gains(settings: Settings, dataset: str, items: Items) -> list[Table]:
    """Gain over the frozen network by corruption, a table a network; those told from zero are
    bold."""
    tables = []
    alone = f"a module for it, severity {SEVERITY}"
    for network in settings.networks:
        blind, ten = (summary_gains(network, model, dataset, items) for model in ("blind", "ten"))
        columns = {
            f"{alone}: drift left": drift_left(network, items),
            alone: {
                name: gain_text(gain)
                for name, gain in single_gains(network, dataset, items).items()
            },
            "one for all": {name: gain_text(gain) for name, gain in blind.items()},
            "one for all, 10 images": {name: gain_text(gain) for name, gain in ten.items()},
        }
        # what was not asked for has none
        columns = {header: column for header, column in columns.items() if column}
        rows = [
            (name, *(c.get(name, "–") for c in columns.values()))
            for name in (*seen(dataset), *EXTRA)
        ]
        tables.append(
            Table(
                f"Gain over the frozen {NAMES[network]} (points), {dataset}",
                ("corruption", *columns),
                rows,
            )
        )
    return tables


def drift_left(network: str, items: Items) -> dict[str, str]:
    """Corruption -> the squared distance to the clean features behind its own module, as a share of
    that without."""
    out = {}
    for cell, records in items["conditions"].items():
        if records and cell.startswith(f"{network}/"):
            share = fmean(
                record.metrics["drift_left"] / record.metrics["drift"] for record in records
            )
            out[cell.rpartition("/")[2]] = f"{share:.2f}"
    return out


def jpeg(settings: Settings, dataset: str, items: Items) -> Table:
    """Accuracy by JPEG quality, printed and ours."""
    rows = [
        (
            f"ImageNet, printed: {row['network']}, {row['model']}",
            *(row[f"q{q}"] for q in QUALITIES.values()),
        )
        for row in read_csv("ddp", "jpeg")
    ]
    qualities = _by_quality(items)
    for network in settings.networks:
        for model in ("frozen", "ddp"):
            values = [
                top1(qualities.get(f"{network}/jpeg/{model}/q{q}", [])) for q in QUALITIES.values()
            ]
            label = f"{dataset}: {NAMES[network]}, {model}"
            rows.append((label, *(value.text() if value else "–" for value in values)))
    return Table(
        "JPEG compression: top-1 (%) by quality", ("", *(str(q) for q in QUALITIES.values())), rows
    )


def _by_quality(items: Items) -> dict[str, list[Record]]:
    return {
        f"{cell}/q{quality}": as_top1(records, f"top1@jpeg_compression-{severity}")
        for cell, records in items["jpeg"].items()
        for severity, quality in QUALITIES.items()
    }


def silences(settings: Settings, dataset: str, items: Items) -> Table:
    """What the sources leave open, compared once with the default."""
    network = settings.networks[0]
    cells = summarised({**items["main"], **items["silences"]}, f"{network}/frozen", dataset)
    rows = []
    for name in VARIANTS:
        row = [name]
        for what in ("hq", "seen", "unseen"):
            gain = effect(
                cells.get(f"{network}/blind/{name}/{what}", ()),
                cells.get(f"{network}/blind/{what}", ()),
            )
            row.append(gain_text(gain))
        rows.append(row)
    title = f"What the sources leave open: difference to the default (points), {NAMES[network]}, {dataset}"
    return Table(title, ("variant", "HQ", "seen", "unseen"), rows)


def claimed(dataset: str, items: Items) -> dict[str, list[Record]]:
    """All cells that claims speak of."""
    cells: dict[str, list[Record]] = {}
    everything = {**items["main"], **items["ten"]}
    for network in NAMES:
        own = {
            cell: records for cell, records in everything.items() if cell.startswith(f"{network}/")
        }
        cells |= summarised(own, f"{network}/frozen", dataset)
        single = [
            items["conditions"].get(f"{network}/condition/{name}", []) for name in seen(dataset)
        ]
        if own and all(single):
            cells |= _conditions(network, own[f"{network}/frozen"], single, dataset)
    return {**cells, **_by_quality(items)}


def _conditions(
    network: str, frozen: list[Record], single: list[list[Record]], dataset: str
) -> dict[str, list[Record]]:
    """The mean over all conditions, with a module each and without: cells
    "<network>/condition/seen" and "/alone"."""
    means: dict[str, list[Record]] = {
        f"{network}/condition/seen": [],
        f"{network}/condition/alone": [],
    }
    for before, *after in zip(frozen, *single, strict=True):
        alone = [before.metrics[f"top1@{name}-{SEVERITY}"] for name in seen(dataset)]
        for cell, values in zip(means, ([r.metrics["top1"] for r in after], alone), strict=True):
            means[cell].append(
                dataclasses.replace(before, metrics={"top1": sum(values) / len(values)})
            )
    return means


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """The verdicts. All claims are about ImageNet-C; measured on anything else they can be right in
    direction only.

    A profile without ResNet-50 judges what is claimed of it by its first network; the title says
    so.
    """
    cells, first = claimed(dataset, items), settings.networks[0]
    title = "Claims"
    if "resnet50" not in settings.networks:
        cells |= {cell.replace(first, "resnet50", 1): records for cell, records in cells.items()}
        title = f"Claims, {NAMES[first]} in the place of ResNet-50"
    table = claims_table("ddp", dataset, cells, settings.profile == "paper", about="imagenet")
    return Table(table.title.replace("Claims", title, 1), table.headers, table.rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies` holds what `ddp.study` returned, by data set."""
    out = [printed()]
    for dataset, items in studies.items():
        out += [
            drift(settings.networks[0], dataset, items),
            main(settings, dataset, items),
            *gains(settings, dataset, items),
        ]
        out += [jpeg(settings, dataset, items), silences(settings, dataset, items)]
    return out + [claims(settings, dataset, items) for dataset, items in studies.items()]
