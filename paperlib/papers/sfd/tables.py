"""The tables of self-feature distillation, made of the records that `sfd.study` returns."""

import statistics
from collections.abc import Mapping, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib import methods
from paperlib.common_corruptions import (
    SUMMARIES,
    by_corruption,
    reference,
    summarised,
    summary_texts,
)
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import read_csv
from paperlib.evidence.estimates import Estimate, effect
from paperlib.methods import Task
from paperlib.papers.sfd.profiles import Settings
from paperlib.papers.sfd.study import LAMBDAS, MODELS, NAMES, SEVERITIES, SHOWN, VARIANTS, Study
from paperlib.report import Table, claims_table, gain_text
from paperlib.runs import Record, Run

Items = Mapping[str, Mapping[str, list[Record]]]
GAINS = ("hq", "seen", "unseen", "-mce")  # the summaries, all such that more is better
# the poster's networks; the profile's first one stands for the first, ...
STANDS_FOR = ("resnet50", "resnext101")


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    corrupted = f"{settings.images(settings.adapted)} corrupted ones"
    images = [f"{settings.images()} clean images", corrupted]
    return settings.described([*images, *settings.narrowed(NAMES)])


def printed() -> list[Table]:
    """The poster's two tables."""
    out = []
    for name, title, columns in (
        ("table1", "First table of the poster: ImageNet, ImageNet-C, top-1 (%) and mCE", SUMMARIES),
        (
            "table2",
            "Second table of the poster: unseen corruptions, top-1 (%)",
            {c: c for c in EXTRA},
        ),
    ):
        rows = [
            (f"{NAMES[row['network']]}, {MODELS[row['method']]}", *(row[c] or "–" for c in columns))
            for row in read_csv("sfd", name)
        ]
        out.append(Table(title, ("", *columns.values()), rows))
    return out


def main(settings: Settings, dataset: str, items: Items) -> Table:
    """Clean, seen and unseen accuracy, and mCE relative to the clean-trained network."""
    rows = []
    for network in settings.networks:
        baseline = reference(items["main"].get(f"{network}/vanilla", ()), dataset)
        for name, label in MODELS.items():
            values = summary_texts(items["main"].get(f"{network}/{name}", ()), baseline, dataset)
            rows.append((f"{NAMES[network]}, {label}", *values))
    title = f"First table, ours: {dataset}, top-1 (%) and mCE relative to the vanilla network, {describe(settings)}"
    return Table(title, ("", *SUMMARIES.values()), rows)


def unseen(settings: Settings, dataset: str, items: Items) -> Table:
    """Accuracy under each unseen corruption."""
    rows = []
    for network in settings.networks:
        for name, label in MODELS.items():
            own = by_corruption(items["main"].get(f"{network}/{name}", ()))
            rows.append(
                (f"{NAMES[network]}, {label}", *(own[c].text() if c in own else "–" for c in EXTRA))
            )
    return Table(
        f"Second table, ours: {dataset}, unseen corruptions, top-1 (%)", ("", *EXTRA), rows
    )


def beyond(settings: Settings, dataset: str, items: Items) -> Table:
    """What each model gains over cross-entropy on the same clean and corrupted images, paired by
    seed."""
    rows = []
    for network in settings.networks:
        own = {
            cell: records
            for cell, records in items["main"].items()
            if cell.startswith(f"{network}/")
        }
        cells = summarised(own, f"{network}/vanilla", dataset)
        for name, label in MODELS.items():
            if name != "ce":
                rows.append(
                    (
                        f"{NAMES[network]}, {label}",
                        *_gains(cells, f"{network}/{name}", f"{network}/ce"),
                    )
                )
    title = f"Gain over cross-entropy on the same clean and corrupted images (points), {dataset}"
    return Table(title, ("", "HQ", "seen", "unseen", "mCE, less"), rows)


def _gains(cells: Mapping[str, list[Record]], better: str, worse: str) -> list[str]:
    """Gains in the four summaries."""
    pairs = [
        (cells.get(f"{better}/{what}", ()), cells.get(f"{worse}/{what}", ())) for what in GAINS
    ]
    return [gain_text(effect(*pair), digits=2) for pair in pairs]


def lambdas(settings: Settings, dataset: str, items: Items) -> Table:
    """The weight of the distillation, judged on held-out training images."""
    rows = []
    for value in LAMBDAS:
        row = [f"{value:g}"]
        for name in ("wo-uem", "sfd"):
            records = items["lambdas"].get(f"{name}/{value:g}", ())
            row.append(f"{records[0].metrics['validation_top1']:.2f}" if records else "–")
        rows.append(row)
    title = f"Held-out accuracy (%) under seen corruptions by lambda: {dataset}, one seed, {settings.holdout:,} images"
    return Table(title, ("lambda", "without UEM", "SFD"), rows)


def silences(settings: Settings, dataset: str, items: Items) -> Table:
    """What poster and code leave open: difference to the default."""
    network = settings.networks[0]
    main = {
        cell: records for cell, records in items["main"].items() if cell.startswith(f"{network}/")
    }
    cells = summarised({**main, **items["silences"]}, f"{network}/vanilla", dataset)
    rows = [(name, *_gains(cells, f"{network}/sfd/{name}", f"{network}/sfd")) for name in VARIANTS]
    title = f"What poster and code leave open: difference to the default (points), {NAMES[network]}, {dataset}"
    return Table(title, ("variant", "HQ", "seen", "unseen", "mCE, less"), rows)


def costs(settings: Settings, dataset: str, items: Items) -> Table:
    """Parameters and multiplications of one image at test time, parameters in training, and seconds
    trained.

    Counted for ten classes; images have 32 pixels a side, or what the name of a folder says.
    """
    network, size = settings.networks[0], int(dataset.rpartition("@")[2]) if "@" in dataset else 32
    task = Task(10, (0.5,) * 3, (0.5,) * 3, size)
    runs, rows = Study(settings, dataset), []
    for name, label in MODELS.items():
        run = runs.model(network, 0, name)
        with torch.device("meta"):
            parts = [methods.build_network(part, task).eval() for part in (run, *_frozen(run))]
        count = 0
        for part, own in zip(parts, (run, *_frozen(run)), strict=True):
            with FlopCounterMode(display=False) as counter, torch.inference_mode():
                part(*(x.to("meta") for x in methods.example(own, task)))
            count += counter.get_total_flops() // 2
        used = sum(p.numel() for part in parts for p in part.parameters())
        extra = sum(
            p.numel() for part in parts for n, p in part.named_parameters() if _only_in_training(n)
        )
        seconds = [r.provenance["seconds"] for r in items["main"].get(f"{network}/{name}", ())]
        spent = f"{statistics.fmean(seconds):.0f}" if seconds else "–"
        rows.append((label, f"{used - extra:,}", f"{extra:,}", f"{count / 1e6:,.1f}", spent))
    headers = (
        "",
        "parameters at test time",
        "in training only",
        "million MACs an image",
        "seconds of training",
    )
    return Table(f"Cost, {NAMES[network]}, {task.size} × {task.size} pixels", headers, rows)


def _frozen(run: Run) -> list[Run]:
    """The classifier around a module, which is needed at test time, too."""
    return [run.uses["frozen"]] if "frozen" in run.uses else []


def _only_in_training(name: str) -> bool:
    """Whether a parameter of this name belongs to SFD's UEM, which is dropped after training."""
    return name.startswith("uncertainty.")


def features(settings: Settings, dataset: str, items: Items) -> Table:
    """How far degraded features are from clean ones, and theta, by severity."""
    rows = []
    for name in SHOWN:
        for severity in SEVERITIES:
            records = items["features"].get(f"{name}/{severity}", ())
            values = [_mean(records, metric) for metric in FEATURES]
            rows.append((f"{MODELS[name]}, severity {severity}", *values))
    title = f"Features under seen corruptions, {dataset}, {describe(settings)}"
    return Table(title, ("", *FEATURES.values()), rows)


FEATURES = {  # metrics of `features`, and what the table calls them
    "relative_mse": "error of z over its power",
    "at_own": "nearest the own class, %",
    "scatter_ratio": "scatter between over within classes",
    "theta_mode": "mode of θ",
    "theta_mean": "mean of θ",
    "spearman_live": "rank correlation of θ and error",
    "calibration_live": "error² / θ²",
}


def _mean(records: Sequence[Record], metric: str) -> str:
    values = [record.metrics[metric] for record in records if metric in record.metrics]
    return Estimate.of(values).text() if values else "–"


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """The verdicts. The profile's networks stand for the poster's, in order; the title says so."""
    cells: dict[str, list[Record]] = {}
    stands = list(zip(settings.networks, STANDS_FOR, strict=False))
    for ours, theirs in stands:
        own = {c: records for c, records in items["main"].items() if c.startswith(f"{ours}/")}
        found = summarised(own, f"{ours}/vanilla", dataset)
        cells |= {cell.replace(ours, theirs, 1): records for cell, records in found.items()}
    table = claims_table("sfd", dataset, cells, settings.profile == "paper", about="imagenet")
    swapped = [f"{NAMES[a]} for {NAMES[b]}" for a, b in stands if a != b]
    title = table.title + (f"; {', '.join(swapped)}" if swapped else "")
    return Table(title, table.headers, table.rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies` holds what `sfd.study` returned, by data set."""
    out = printed()
    for dataset, items in studies.items():
        out += [
            main(settings, dataset, items),
            unseen(settings, dataset, items),
            beyond(settings, dataset, items),
        ]
        out += [features(settings, dataset, items), lambdas(settings, dataset, items)]
        out.append(silences(settings, dataset, items))
    return out + [claims(settings, dataset, items) for dataset, items in studies.items()]
