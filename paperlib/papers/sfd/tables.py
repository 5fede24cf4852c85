"""The tables of self-feature distillation, made of the records that `sfd.study` returns."""

from collections.abc import Mapping
from statistics import fmean

import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib import methods
from paperlib.common_corruptions import SUMMARIES, with_summaries
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import read_claims, read_csv
from paperlib.evidence.scale import Curve, curves
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.methods import Task
from paperlib.papers.sfd.profiles import Settings
from paperlib.papers.sfd.study import LAMBDAS, MODELS, NAMES, SEVERITIES, SHOWN, VARIANTS, Study
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

CLAIMED = ("resnet50", "resnext101")  # the poster's networks
GAINS = {**SUMMARIES, "mce": "mCE, less"}  # columns of gains


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    clean, corrupted = settings.images(), settings.images(settings.adapted)
    images = [f"{clean} clean images", f"{corrupted} corrupted ones"]
    return settings.caption([*images, *settings.width_text(NAMES)])


def scores(dataset: str, items: Items) -> Scores:
    """All numbers, and the summaries of those tested under all corruptions."""
    return with_summaries(Scores.of(*items.values()), "vanilla", dataset)


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
    return Table(title, ("", *SUMMARIES.values()), rows)


def unseen(settings: Settings, dataset: str, found: Scores) -> Table:
    """Accuracy under each unseen corruption."""
    title = f"Second table, ours: {dataset}, unseen corruptions, top-1 (%)"
    return Table(title, ("", *EXTRA), metric_rows(found, _models(settings), EXTRA))


def gain_over_ce(settings: Settings, dataset: str, found: Scores) -> Table:
    """What each model gains over cross-entropy on the same images, paired by seed."""
    pairs = {
        _label(network, model): (f"{network}/{model}", f"{network}/ce")
        for network in settings.networks
        for model in MODELS
        if model != "ce"
    }
    title = f"Gain over cross-entropy on the same clean and corrupted images (points), {dataset}"
    return Table(title, ("", *GAINS.values()), gain_rows(found, pairs, GAINS))


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What poster and code leave open: difference to the default."""
    network = settings.networks[0]
    pairs = {name: (f"{network}/sfd/{name}", f"{network}/sfd") for name in VARIANTS}
    what = f"difference to the default (points), {NAMES[network]}, {dataset}"
    rows = gain_rows(found, pairs, GAINS)
    return Table(f"What poster and code leave open: {what}", ("variant", *GAINS.values()), rows)


def lambdas(settings: Settings, dataset: str, found: Scores) -> Table:
    """The distillation's weight, judged on held-out training images; the chosen one is bold."""
    rows = []
    for model, values in LAMBDAS.items():
        for value in values:
            held_out = text(found.estimate(f"{model}/{value:g}", "validation_top1"))
            chosen = value == settings.weight(model)
            rows.append((MODELS[model], f"**{value:g}**" if chosen else f"{value:g}", held_out))
    what = f"{dataset}, {settings.holdout:,} images"
    title = f"Held-out accuracy (%) under seen corruptions by λ: {what}"
    return Table(title, ("", "λ", "held-out top-1 (seeds)"), rows)


def costs(settings: Settings, dataset: str, found: Scores) -> Table:
    """Parameters, multiplications per image at test time, and seconds of training.

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
        seconds = found.estimate(f"{network}/{name}", "seconds")
        spent = f"{seconds.mean:.0f}" if seconds else NOTHING
        rows.append((label, f"{used - extra:,}", f"{extra:,}", f"{count / 1e6:,.1f}", spent))
    parameters = ("parameters at test time", "in training only")
    headers = ("", *parameters, "million MACs per image", "seconds of training")
    return Table(f"Cost, {NAMES[network]}, {task.size} × {task.size} pixels", headers, rows)


FEATURES = {  # metrics of `features`, and what the tables call them
    "relative_mse": "error of z over its power",
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
    severest = max(SEVERITIES)
    cells = {MODELS[name]: f"{name}/{severest}" for name in SHOWN}
    title = f"Features under seen corruptions of severity {severest}, {dataset}"
    return Table(title, ("", *FEATURES.values()), metric_rows(found, cells, FEATURES))


def theta(settings: Settings, dataset: str, found: Scores) -> Table:
    """What theta is, and whether it fits the error, by severity."""
    cells = {f"severity {severity}": f"sfd/{severity}" for severity in SEVERITIES}
    title = f"Does θ fit? SFD under seen corruptions, {dataset}, {describe(settings)}"
    return Table(title, ("", *THETA.values()), metric_rows(found, cells, THETA))


def terms(settings: Settings, dataset: str, items: Items) -> Table:
    """What the terms of the loss are in the last epoch, and what the distillation does.

    The last column is to be compared with that of cross-entropy alone: a term that does not bring
    clean and degraded features together is inert.
    """
    network, found = settings.networks[0], Scores.of(items["features"])
    rows = []
    for name in ("ce", "wo-uem", "sfd"):
        records = items["main"].get(f"{network}/{name}", [])
        last = [record.history[-1] for record in records if record.history]
        weight = settings.weight(name)
        entropy = [one["clean"] + one["degraded"] for one in last]
        pull = [weight * one["distillation"] for one in last if "distillation" in one]
        rows.append(
            (
                MODELS[name],
                f"{weight:g}",
                f"{fmean(entropy):.2f}" if entropy else NOTHING,
                f"{fmean(pull):+.3f}" if pull else NOTHING,
                *(text(found.estimate(f"{name}/{s}", "relative_mse")) for s in SEVERITIES),
            )
        )
    errors = (f"error of z over its power, severity {severity}" for severity in SEVERITIES)
    headers = ("", "λ", "both cross-entropies", "λ × distillation", *errors)
    return Table(f"Terms of the loss in the last epoch, {dataset}", headers, rows)


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether corruptions leave room for what is claimed."""
    network = settings.networks[0]
    name, cell = NAMES[network], f"{network}/wo-uem"
    networks = {
        f"{name}, clean images": network,
        f"{name}, cross-entropy on both, seen corruptions": f"{network} ce",
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
        gaps[f"{MODELS['wo-uem']}: clean images above {group} corruptions"] = gap
    return setting_table(found, networks, gaps)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """All claims. They are about ImageNet; the profile's networks stand in for the poster's."""
    stand_ins = dict(zip(CLAIMED, settings.networks, strict=False))
    found = scores(dataset, items)
    return judge_claims(
        read_claims("sfd"), found, dataset, settings, about="imagenet", stands_for=stand_ins
    )


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """`verdicts` as a table; the title says which network stands for which."""
    return claims_table(verdicts(settings, dataset, items), names=NAMES)


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of training images."""
    recipe = settings.recipes[settings.networks[0]]
    images = {1.0: recipe.train_size}
    images |= {factor: recipe.scaled(factor).train_size for factor in settings.scales}
    found = scores(dataset, items)
    return curves(verdicts(settings, dataset, items), found, images)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `sfd.study` returned."""
    out: list[Table] = [*printed()]
    for dataset, items in studies.items():
        found = scores(dataset, items)
        out += [part(settings, dataset, found) for part in (main, unseen, gain_over_ce)]
        out += [part(settings, dataset, found) for part in (features, theta)]
        out.append(terms(settings, dataset, items))
        out += [part(settings, dataset, found) for part in (lambdas, ablations)]
        out += [setting(settings, dataset, found)] if settings.checked else []
        out += [scale_table(scale(settings, dataset, items))] if settings.scales else []
    return out + [claims(settings, dataset, items) for dataset, items in studies.items()]
