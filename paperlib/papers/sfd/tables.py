"""The tables of self-feature distillation, made of the records that `sfd.study` returns."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib import methods
from paperlib.common_corruptions import SUMMARIES
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import read_claims, read_csv
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scale import Curve, curves
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import NOT_TESTED, Verdict, judge_claims
from paperlib.methods import Task
from paperlib.papers.sfd.numbers import (
    ERROR,
    SEVEREST,
    cannot,
    measured_on,
    scores,
    stand_ins,
    taken,
)
from paperlib.papers.sfd.profiles import Settings
from paperlib.papers.sfd.study import (
    ARMS,
    MODELS,
    NAMES,
    SEVERITIES,
    SHOWN,
    VARIANTS,
    Study,
    seen_at,
)
from paperlib.report import (
    NOTHING,
    Gap,
    Table,
    Tables,
    claims_table,
    gain_rows,
    metric_rows,
    scale_table,
    setting_table,
    text,
)

GAINS = {**SUMMARIES, "mce": "mCE, less"}  # columns of gains


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    clean = f"{settings.images()} clean images for {settings.schedule()}"
    adapted = settings.adapted
    corrupted = f"{settings.images(adapted)} corrupted ones for {settings.schedule(adapted)}"
    return settings.caption([clean, corrupted, *settings.width_text(NAMES)])


def _measured(
    title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], labels: int = 1
) -> Table:
    """A table without the rows and columns in which nothing was measured.

    Args:
        title: of the table.
        headers, rows: of the table with all of them.
        labels: how many of the first columns are no measurements.
    """
    kept = [row for row in rows if any(part != NOTHING for part in row[labels:])]
    there = [i for i in range(len(headers)) if i < labels or any(row[i] != NOTHING for row in kept)]
    return Table(title, [headers[i] for i in there], [[row[i] for i in there] for row in kept])


def _small(estimate: Estimate | None) -> str:
    """Of numbers far below 1: with three digits where there is no interval to say how many."""
    if estimate is not None and estimate.n == 1:
        return f"{estimate.mean:.3g} (1)"
    return text(estimate)


def _small_rows(
    found: Scores, cells: Mapping[str, str], metrics: Iterable[str]
) -> list[tuple[str, ...]]:
    """A row per cell, a column per metric."""
    metrics = list(metrics)
    return [
        (label, *(_small(found.estimate(cell, metric)) for metric in metrics))
        for label, cell in cells.items()
    ]


def present(*found: Table) -> Tables:
    """The tables that have rows."""
    return Tables(table for table in found if table.rows)


def printed() -> Tables:
    """The poster's two tables."""
    first = "First table of the poster: ImageNet, ImageNet-C, top-1 (%) and mCE"
    second = "Second table of the poster: unseen corruptions, top-1 (%)"
    columns = dict(zip(EXTRA, EXTRA, strict=True))
    return Tables([_printed("table1", first, SUMMARIES), _printed("table2", second, columns)])


def _printed(name: str, title: str, columns: Mapping[str, str]) -> Table:
    rows = [
        (_label(row["network"], row["method"]), *(row[column] or NOTHING for column in columns))
        for row in read_csv("sfd", name)
    ]
    return Table(title, ("", *columns.values()), rows)


def _label(network: str, model: str) -> str:
    return f"{NAMES[network]}, {MODELS[model]}"


def _models(settings: Settings) -> dict[str, str]:
    """Label of a row -> cell, for all networks and models."""
    return {_label(n, model): f"{n}/{model}" for n in settings.networks for model in MODELS}


def main(settings: Settings, dataset: str, found: Scores) -> Table:
    """Clean, seen and unseen accuracy, and mCE relative to the clean-trained network."""
    what = "top-1 (%) and mCE relative to the vanilla network"
    title = f"First table, ours: {dataset}, {what}, {describe(settings)}"
    rows = metric_rows(found, _models(settings), SUMMARIES)
    return _measured(title, ("", *SUMMARIES.values()), rows)


def unseen(settings: Settings, dataset: str, found: Scores) -> Table:
    """Accuracy under each unseen corruption."""
    title = f"Second table, ours: {dataset}, unseen corruptions, top-1 (%)"
    return _measured(title, ("", *EXTRA), metric_rows(found, _models(settings), EXTRA))


def gain_over_ce(settings: Settings, dataset: str, found: Scores) -> Table:
    """What each model gains over cross-entropy on the same images, paired by seed."""
    pairs = {
        _label(network, model): (f"{network}/{model}", f"{network}/ce")
        for network in settings.networks
        for model in MODELS
        if model != "ce"
    }
    title = f"Gain over cross-entropy on the same clean and corrupted images (points), {dataset}"
    return _measured(title, ("", *GAINS.values()), gain_rows(found, pairs, GAINS))


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What poster and code leave open: difference to the default."""
    network = settings.networks[0]
    pairs = {name: (f"{network}/sfd/{name}", f"{network}/sfd") for name in VARIANTS}
    what = f"difference to the default (points), {NAMES[network]}, {dataset}"
    rows = gain_rows(found, pairs, GAINS)
    title = f"What poster and code leave open: {what}"
    return _measured(title, ("variant", *GAINS.values()), rows)


def lambdas(settings: Settings, dataset: str, found: Scores) -> Table:
    """The distillation's weight, judged on held-out training images; the chosen one is bold."""
    rows = []
    for model, values in settings.tried.items():
        for value in values:
            held_out = text(found.estimate(f"lambda/{model}/{value:g}", "validation_top1"))
            chosen = value == settings.weight(model)
            rows.append((MODELS[model], f"**{value:g}**" if chosen else f"{value:g}", held_out))
    what = f"{dataset}, {settings.holdout:,} images"
    title = f"Held-out accuracy (%) under seen corruptions by λ: {what}"
    return _measured(title, ("", "λ", "held-out top-1 (seeds)"), rows, labels=2)


def costs(settings: Settings, dataset: str) -> Table:
    """Parameters, and multiplications per image at test time.

    Counted for ten classes; images have 32 pixels a side, or what the name of a folder says.
    """
    network, size = settings.networks[0], int(dataset.rpartition("@")[2]) if "@" in dataset else 32
    task = Task(10, (0.5,) * 3, (0.5,) * 3, size)
    runs, rows = Study(settings, dataset), []
    for name, label in MODELS.items():
        run = runs.model(network, 0, name)
        used = extra = count = 0
        # the classifier around a module is needed at test time, too
        for part in (run, *(own for role, own in run.uses.items() if role == "frozen")):
            with torch.device("meta"):
                built = methods.build_network(part, task).eval()
            with FlopCounterMode(display=False) as counter, torch.inference_mode():
                built(*(x.to("meta") for x in methods.example(part, task)))
            count += counter.get_total_flops() // 2
            for parameter, tensor in built.named_parameters():
                used += tensor.numel()
                # SFD's UEM is dropped after training
                extra += tensor.numel() if parameter.startswith("uncertainty.") else 0
        rows.append((label, f"{used - extra:,}", f"{extra:,}", f"{count / 1e6:,.1f}"))
    headers = ("", "parameters at test time", "in training only", "million MACs per image")
    return Table(f"Cost, {NAMES[network]}, {task.size} × {task.size} pixels", headers, rows)


FEATURES = {  # metrics of `features`, and what the tables call them
    ERROR: "error of z over its power",
    "at_own": "nearest the own class, %",
    "scatter_ratio": "scatter between over within classes",
}
THETA = {
    "theta_mode": "mode of θ",
    "theta_mean": "mean of θ",
    "spearman_live": "rank correlation of θ and error",
    "calibration_live": "error² / θ²",
}


def features(settings: Settings, dataset: str, found: Scores) -> Table:
    """How far degraded features are from clean ones, under the severest corruptions."""
    cells = {MODELS[name]: seen_at(name, SEVEREST) for name in SHOWN}
    title = f"Features under seen corruptions of severity {SEVEREST}, {dataset}"
    return _measured(title, ("", *FEATURES.values()), _small_rows(found, cells, FEATURES))


def theta(settings: Settings, dataset: str, found: Scores) -> Table:
    """What theta is, and whether it fits the error, by severity."""
    cells = {f"severity {severity}": seen_at("sfd", severity) for severity in SEVERITIES}
    title = f"Does θ fit? SFD under seen corruptions, {dataset}, {describe(settings)}"
    return _measured(title, ("", *THETA.values()), _small_rows(found, cells, THETA))


def terms(settings: Settings, dataset: str, items: Items) -> Table:
    """What the terms of the loss are in the last epoch, and what the distillation does.

    The last column is what `numbers.cannot` reads: a term that does not bring clean and degraded
    features together is inert.
    """
    network, found = settings.networks[0], Scores.of(items["features"])
    rows = []
    for name in ("ce", *ARMS):
        records = items["main"].get(f"{network}/{name}", [])
        last = [record.history[-1] for record in records if record.history]
        weight, part = settings.weight(name), taken(found, name) if name in ARMS else None
        entropy = [one["clean"] + one["degraded"] for one in last]
        pull = [weight * one["distillation"] for one in last if "distillation" in one]
        rows.append(
            (
                MODELS[name],
                f"{weight:g}",
                f"{fmean(entropy):.2f}" if entropy else NOTHING,
                f"{fmean(pull):+.3f}" if pull else NOTHING,
                *(_small(found.estimate(seen_at(name, s), ERROR)) for s in SEVERITIES),
                f"{100 * part.mean:.0f} %" if part else NOTHING,
            )
        )
    errors = (f"error of z over its power, severity {severity}" for severity in SEVERITIES)
    headers = ("", "λ", "both cross-entropies", "λ × distillation", *errors)
    headers = (*headers, f"taken away, severity {SEVEREST}")
    title = f"What the distillation does: loss in the last epoch and error of features, {dataset}"
    return _measured(title, headers, rows, labels=2)


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether corruptions leave room for what is claimed."""
    network = settings.networks[0]
    name, cell = NAMES[network], f"{network}/wo-uem"
    networks = {
        f"{name}, clean images": network,
        f"{name}, cross-entropy on both, seen corruptions": f"{network} ce",
    }
    networks = {
        label: own
        for label, own in networks.items()
        if found.gain(f"setting/{own}/2", f"setting/{own}/1", "validation_top1")
    }
    # features of degraded images cannot become better than those of clean ones
    bound = f"{cell} on clean images"
    gaps = {}
    for group in ("seen", "unseen"):
        clean = found.values(cell, "hq").items()
        found = found.plus(Score(bound, seed, group, value) for seed, value in clean)
        (points,) = (
            claim.points
            for claim in read_claims("sfd")
            if claim.headline and (claim.worse, claim.metric) == ("wo-uem", group)
        )
        gap = Gap(bound, cell, points or 0.0, group)
        if clean:
            gaps[f"{MODELS['wo-uem']}: clean images above {group} corruptions"] = gap
    return setting_table(found, networks, gaps)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """All claims. They are about ImageNet; the profile's networks stand in for the poster's."""
    found = scores(dataset, items)
    return judge_claims(
        read_claims("sfd"),
        found,
        dataset,
        settings,
        about="imagenet",
        stands_for=stand_ins(settings),
        cells=measured_on(settings),
        cannot=cannot(settings, found),
    )


def claims(found: Iterable[Verdict]) -> Table:
    """Verdicts on what was measured; the title says which network stands for which."""
    return claims_table([one for one in found if one.word != NOT_TESTED], names=NAMES)


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of training images; those measured at two or more."""
    images = settings.images_at_scales(settings.recipes[settings.networks[0]])
    found = curves(verdicts(settings, dataset, items), scores(dataset, items), images)
    return [curve for curve in found if len(curve.points) > 1]


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order; those of which nothing was measured are left out.

    Args:
        settings: of all that was measured.
        studies: by data set what `sfd.study` returned.
    """
    out: list[Table] = [*printed()]
    for dataset, items in studies.items():
        found = scores(dataset, items)
        out.append(setting(settings, dataset, found))
        out += [lambdas(settings, dataset, found), terms(settings, dataset, items)]
        out += [part(settings, dataset, found) for part in (main, unseen, gain_over_ce)]
        out += [part(settings, dataset, found) for part in (features, theta, ablations)]
        out.append(scale_table(scale(settings, dataset, items)))
        out.append(claims(verdicts(settings, dataset, items)))
    return present(*out)
