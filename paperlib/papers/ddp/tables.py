"""The tables of the deep degradation prior, made of the records that `ddp.study` returns.

Rows of which nothing was measured are left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import sqrt

from paperlib.common_corruptions import SUMMARIES, seen
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import Claim, read_claims, read_csv
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scale import Curve, curves
from paperlib.evidence.scores import Items, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.ddp.numbers import MEAN, drifts, gains, measured_on, scores, spreads
from paperlib.papers.ddp.profiles import Settings
from paperlib.papers.ddp.study import NAMES, QUALITIES, SEVEREST, VARIANTS, claimed
from paperlib.report import (
    NOTHING,
    Gap,
    Table,
    Tables,
    claims_table,
    gain_text,
    metric_rows,
    scale_table,
    setting_table,
)

MODELS = {  # one module for all corruptions, and the network without it
    "frozen": "frozen",
    "blind": "+DDP, {images} images from here",
    "ten": "+DDP, 10 images elsewhere",
    "ten-long": "+DDP, 10 images elsewhere, 5 times the steps",
}
FAMILIES = {  # modules for each condition
    "condition": "10 images elsewhere",
    "own": "10 images from here",
    **{name: f"10 images elsewhere, {name}" for name in VARIANTS},
}


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    images = f"{settings.images()} training images"
    return settings.caption([images, settings.schedule(), *settings.width_text(NAMES)])


def measured(tables: Iterable[Table]) -> Tables:
    """Those of the tables that have a row."""
    return Tables(table for table in tables if table.rows)


def _measured(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows that have a number beside their label."""
    return [row for row in rows if not {NOTHING, ""}.issuperset(row[1:])]


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether corruptions leave room for what is claimed."""
    gaps = {}
    for claim in filter(lambda claim: claim.headline, _claims(settings)):
        network = _instead(settings).get(claim.network, claim.network)
        severity = claimed(settings, network)
        label = f"{NAMES[network]}: clean images above corruptions of severity {severity}"
        above, below = (claim.cell(cell, network) for cell in (claim.room, claim.worse))
        if found.gain(above, below, MEAN):
            gaps[label] = Gap(above, below, claim.points or 0.0, MEAN)
    networks = {
        f"{NAMES[name]}, clean images": name
        for name in settings.networks
        if found.values(f"setting/{name}/1", "validation_top1")
    }
    return setting_table(found, networks, gaps)


def noise(settings: Settings, dataset: str, found: Scores) -> Table:
    """How much of the spread over seeds is that of test images and draws."""
    rows = [
        (label, f"{sqrt(seeds):.2f}", f"{sqrt(test):.2f}", f"{100 * test / seeds:.0f} %")
        for label, (seeds, test) in spreads(settings.networks[0], dataset, found).items()
        if seeds
    ]
    recipe = settings.recipes[settings.networks[0]]
    images = f"{recipe.test_size:,}" if recipe.test_size else "all"
    title = f"Spread of gains at severity {SEVEREST} (standard deviation, points), {dataset}"
    headers = ("gain", "over seeds", f"of {images} test images and their draws alone", "share")
    return Table(title, headers, rows)


def drift(settings: Settings, dataset: str, found: Scores) -> Table:
    """The observation behind the prior, in numbers, by corruption: means over seeds."""
    network = settings.networks[0]
    rows = [
        (name, *(f"{means[metric]:.2f}" for metric in DRIFT))
        for name, means in drifts(network, dataset, found).items()
    ]
    what = f"{NAMES[network]}, {dataset}, means over seeds"
    title = f"Drift of early features at severity {SEVEREST}: {what}"
    return Table(title, ("corruption", *DRIFT.values()), rows)


DRIFT = {  # metrics of `drift`, and what the table calls them
    "size": "size",
    "cosine_clusters": "cosine",
    "cosine_clusters_control": "cosine, other corruptions",
    "cosine_clusters_shuffled": "cosine, wrong pairs",
    "explained_clusters": "explained",
    "explained_clusters_mismatched": "explained by others' margins",
    "explained_overall": "explained by one margin",
}


def main(settings: Settings, dataset: str, found: Scores) -> Tables:
    """Accuracy without and with a module for each condition, and the gain, a table per network.

    Bold: the interval excludes 0.
    """
    tables = Tables()
    for network in settings.networks:
        rows: list[tuple[str, ...]] = []
        for name in (*seen(dataset), MEAN):
            row = []
            for severity in settings.severities:
                cells = [f"{network}/{part}-{severity}" for part in ("frozen", "condition")]
                row += [_mean(found.estimate(cell, name)) for cell in cells]
                row.append(gain_text(found.gain(cells[1], cells[0], name)))
            left = found.estimate(f"{network}/condition/{name}-{SEVEREST}", "drift_left_share")
            label = "**mean**" if name == MEAN else name
            rows.append((label, *row, f"{left.mean:.2f}" if left else NOTHING))
        heads = [
            f"severity {severity}: {part}"
            for severity in settings.severities
            for part in ("frozen", "+DDP", "gain")
        ]
        title = f"A module for each condition, {NAMES[network]}, {dataset}: top-1 (%)"
        headers = ("corruption", *heads, f"drift left at {SEVEREST}")
        rows = _measured(rows)
        tables.append(Table(f"{title}, {describe(settings)}", headers, rows))
    return tables


def _mean(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else f"{estimate.mean:.1f}"


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the sources leave open: modules for each condition, gain and difference to the default.

    The mean over the seen corruptions at the severest.
    """
    network = settings.networks[0]
    default, frozen = f"{network}/condition-{SEVEREST}", f"{network}/frozen-{SEVEREST}"
    rows: list[tuple[str, ...]] = []
    for name, label in FAMILIES.items():
        cell = f"{network}/{name}-{SEVEREST}"
        change = "" if cell == default else gain_text(found.gain(cell, default, MEAN))
        rows.append((label, gain_text(found.gain(cell, frozen, MEAN)), change))
    what = f"mean over 15 corruptions at severity {SEVEREST}, {NAMES[network]}, {dataset}"
    headers = ("modules", "gain over the frozen network", "difference to the default")
    title, rows = f"Gain by what the sources leave open (points): {what}", _measured(rows)
    return Table(title, headers, rows if len(rows) > 1 else [])  # not the default alone


def printed() -> Table:
    """What is printed of DDP elsewhere: the row of SFD's poster."""
    columns = ("network", "model", *SUMMARIES)
    rows = [tuple(row[name] for name in columns) for row in read_csv("ddp", "poster")]
    title = "Printed in SFD's poster: ImageNet-C, top-1 (%) and mCE"
    return Table(title, ("", "", *SUMMARIES.values()), rows)


def blind(settings: Settings, dataset: str, found: Scores) -> Table:
    """Accuracy and mCE of the frozen networks, and of modules that serve all corruptions."""
    images = settings.images(settings.module)
    cells = {
        f"{NAMES[network]}, {label.format(images=images)}": f"{network}/{model}"
        for network in settings.networks
        for model, label in MODELS.items()
    }
    what = "top-1 (%) and mCE relative to the frozen network"
    title = f"One module for all corruptions, {dataset}: {what}, {describe(settings)}"
    rows = _measured(metric_rows(found, cells, SUMMARIES))
    alone = all(found.values(cell) == {} for cell in cells.values() if not cell.endswith("/frozen"))
    return Table(title, ("", *SUMMARIES.values()), [] if alone else rows)


def blind_gains(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the kinds of modules gain, by corruption at the severest, of the first network."""
    network = settings.networks[0]
    kinds = {
        "condition": "a module for it",
        "blind": f"one for all, {settings.images(settings.module)} images",
        "ten": "one for all, 10 images",
    }
    columns = {name: gains(network, name, SEVEREST, dataset, found) for name in kinds}
    rows = [
        (name, *(gain_text(own.get(name)) for own in columns.values())) for name in seen(dataset)
    ]
    unseen = (found.gain(f"{network}/{n}", f"{network}/frozen", "unseen") for n in kinds)
    rows.append((f"mean of {len(EXTRA)} unseen ones, all severities", *map(gain_text, unseen)))
    if not columns["blind"]:  # nothing beside what `main` has
        rows = []
    title = f"Gain over the frozen {NAMES[network]} at severity {SEVEREST} (points), {dataset}"
    return Table(title, ("corruption", *kinds.values()), _measured(rows))


def jpeg(settings: Settings, dataset: str, found: Scores) -> Table:
    """Accuracy by JPEG quality, printed and ours."""
    qualities = [f"q{quality}" for quality in QUALITIES.values()]
    rows = [
        (f"ImageNet, printed: {row['network']}, {row['model']}", *(row[q] for q in qualities))
        for row in read_csv("ddp", "jpeg")
    ]
    network = settings.networks[0]
    cells = {name: f"{network}/jpeg/{name}" for name in ("frozen", "ddp")}
    ours = {f"{dataset}: {NAMES[network]}, {name}": cell for name, cell in cells.items()}
    rows += metric_rows(found, ours, qualities)
    gained = found.gains(cells["ddp"], cells["frozen"], qualities)
    rows.append((f"{dataset}: gain", *(gain_text(gained.get(quality)) for quality in qualities)))
    title = "JPEG compression: top-1 (%) by quality"
    return Table(title, ("", *map(str, QUALITIES.values())), _measured(rows))


def _instead(settings: Settings) -> dict[str, str]:
    """The first network stands in for ResNet-50 where a profile has none."""
    return {} if "resnet50" in settings.networks else {"resnet50": settings.networks[0]}


def _claims(settings: Settings) -> list[Claim]:
    """All claims; those about modules for each condition at a severity that the profile has."""
    found = []
    for claim in read_claims("ddp"):
        if claim.metric == MEAN:
            severity = claimed(settings, claim.network)
            better, worse = f"condition-{severity}", f"frozen-{severity}"
            claim = replace(claim, better=better, worse=worse)
        found.append(claim)
    return found


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """All claims. They are about ImageNet-C; on anything else sizes are not compared."""
    judged = judge_claims(
        _claims(settings),
        scores(dataset, items),
        dataset,
        settings,
        about="imagenet",
        stands_for=_instead(settings),
        cells=measured_on(settings, dataset),
    )
    return [
        replace(own, condition=f"severity {claimed(settings, own.claim.network)}")
        if own.claim.metric == MEAN
        else own
        for own in judged
    ]


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """`verdicts` as a table; the title says which network stands for which."""
    return claims_table(verdicts(settings, dataset, items), names=NAMES)


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of images that the frozen network has learned."""
    images = settings.images_at_scales(settings.recipes[settings.networks[0]])
    return curves(verdicts(settings, dataset, items), scores(dataset, items), images)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """What was measured in the chapter's order. `studies`: by data set what `ddp.study` gave."""
    out: list[Table] = []
    for dataset, items in studies.items():
        found = scores(dataset, items)
        if settings.checked:
            out += [part(settings, dataset, found) for part in (setting, noise)]
        out.append(drift(settings, dataset, found))
        out += main(settings, dataset, found)
        out += [ablations(settings, dataset, found), printed()]
        out += [part(settings, dataset, found) for part in (blind, blind_gains, jpeg)]
        effects = scale(settings, dataset, items)
        out += [scale_table(effects)] if any(len(own.points) > 1 for own in effects) else []
    return measured([*out, *(claims(settings, name, items) for name, items in studies.items())])
