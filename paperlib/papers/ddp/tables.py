"""The tables of the deep degradation prior, made of the records that `ddp.study` returns."""

from collections.abc import Iterator, Mapping
from statistics import fmean

from paperlib.common_corruptions import SUMMARIES, metric, seen, with_summaries
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import read_claims, read_csv
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.ddp.profiles import Settings
from paperlib.papers.ddp.study import NAMES, QUALITIES, SEVERITY, VARIANTS
from paperlib.report import NOTHING, Table, Tables, claims_table, gain_rows, gain_text, metric_rows

MODELS = {
    "frozen": "frozen",
    "blind": "+DDP, all corruptions",
    "ten": "+DDP, 10 images elsewhere",
    "ten-own": "+DDP, 10 images from here",
}


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    modules = f"modules {settings.images(settings.module)}"
    images = f"{settings.images()} training images"
    return settings.caption([images, modules, *settings.width_text(NAMES)])


def scores(dataset: str, items: Items) -> Scores:
    """All numbers, the summaries of those tested under all corruptions, and further rows.

    "q25" to "q7": top-1 by JPEG quality. "drift_left_share": the squared distance to the clean
    features behind a module over that without. Cell "<network>/condition": each module for one
    corruption under its own, named as the frozen network's metrics; "condition": their mean.
    """
    found = with_summaries(Scores.of(*items.values()), "frozen", dataset)
    return found.plus([*_qualities(found), *_drift_left(found), *_conditions(dataset, found)])


def _qualities(found: Scores) -> Iterator[Score]:
    for cell in (cell for cell in found.cells if "/jpeg/" in cell):
        for severity, quality in QUALITIES.items():
            for seed, value in found.values(cell, f"top1@jpeg_compression-{severity}").items():
                yield Score(cell, seed, f"q{quality}", value)


def _drift_left(found: Scores) -> Iterator[Score]:
    for cell in found.cells:
        without = found.values(cell, "drift")
        for seed, left in found.values(cell, "drift_left").items():
            if without[seed]:  # clean images do not drift
                yield Score(cell, seed, "drift_left_share", left / without[seed])


def _conditions(dataset: str, found: Scores) -> Iterator[Score]:
    names = [metric(dataset, corruption, SEVERITY) for corruption in seen(dataset)]
    for network in NAMES:
        frozen, modules = f"{network}/frozen", f"{network}/condition"
        without = [found.values(frozen, name) for name in names]
        behind = [found.values(f"{modules}/{corruption}") for corruption in seen(dataset)]
        for name, values in zip(names, behind, strict=True):
            yield from (Score(modules, seed, name, value) for seed, value in values.items())
        for cell, tested in ((frozen, without), (modules, behind)):
            for seed in sorted(set.intersection(*map(set, tested))):
                yield Score(cell, seed, "condition", fmean(values[seed] for values in tested))


def printed() -> Table:
    """What is printed of DDP elsewhere: the row of SFD's poster."""
    columns = ("network", "model", *SUMMARIES)
    rows = [tuple(row[name] for name in columns) for row in read_csv("ddp", "poster")]
    title = "Printed in SFD's poster: ImageNet-C, top-1 (%) and mCE"
    return Table(title, ("", "", *SUMMARIES.values()), rows)


DRIFT = {  # metrics of `drift`, and what the table calls them
    "size": "size",
    "cosine_clusters": "cosine",
    "cosine_clusters_control": "cosine, other corruptions",
    "cosine_clusters_shuffled": "cosine, wrong pairs",
    "explained_clusters": "explained",
    "explained_clusters_mismatched": "explained by others' margins",
    "explained_overall": "explained by one margin",
}


def drift(settings: Settings, dataset: str, found: Scores) -> Table:
    """The observation behind the prior, in numbers, by corruption: means over seeds."""
    rows = [
        (name, *(f"{means[metric]:.2f}" for metric in DRIFT))
        for name, means in drifts(dataset, found).items()
    ]
    what = f"{NAMES[settings.networks[0]]}, {dataset}, means over seeds"
    title = f"Drift of early features at severity {SEVERITY}: {what}"
    return Table(title, ("corruption", *DRIFT.values()), rows)


def drifts(dataset: str, found: Scores) -> dict[str, dict[str, float]]:
    """Corruption -> metrics of `drift`, means over seeds."""
    return {
        name: {metric: fmean(found.values(name, metric).values()) for metric in found.metrics(name)}
        for name in seen(dataset)
        if name in found.cells
    }


def main(settings: Settings, dataset: str, found: Scores) -> Table:
    """Accuracy and mCE of the frozen networks, and of the modules that serve all corruptions."""
    cells = {
        f"{NAMES[network]}, {label}": f"{network}/{model}"
        for network in settings.networks
        for model, label in MODELS.items()
    }
    what = "top-1 (%) and mCE relative to the frozen network"
    title = f"One module for all corruptions, {dataset}: {what}, {describe(settings)}"
    return Table(title, ("", *SUMMARIES.values()), metric_rows(found, cells, SUMMARIES))


def single_gains(network: str, dataset: str, found: Scores) -> dict[str, Estimate]:
    """Corruption -> gain of its own module over the frozen network, at the conditions' severity."""
    names = {metric(dataset, corruption, SEVERITY): corruption for corruption in seen(dataset)}
    gains = found.gains(f"{network}/condition", f"{network}/frozen", names)
    return {names[name]: gain for name, gain in gains.items()}


def summary_gains(network: str, model: str, dataset: str, found: Scores) -> dict[str, Estimate]:
    """Corruption -> gain of one module for all over the frozen network, mean over severities."""
    return found.gains(f"{network}/{model}", f"{network}/frozen", (*seen(dataset), *EXTRA))


def gains(settings: Settings, dataset: str, found: Scores) -> Tables:
    """Gain over the frozen network by corruption, one table per network.

    Bold: the interval excludes 0. A column of what the profile does not train is left out.
    """
    tables = Tables()
    alone = f"a module for it, severity {SEVERITY}"
    for network in settings.networks:
        by_model = {
            alone: single_gains(network, dataset, found),
            "one for all": summary_gains(network, "blind", dataset, found),
            "one for all, 10 images": summary_gains(network, "ten", dataset, found),
        }
        columns = {f"{alone}: drift left": _drift_left_texts(network, dataset, found)}
        for header, own in by_model.items():
            columns[header] = {name: gain_text(gain) for name, gain in own.items()}
        columns = {header: column for header, column in columns.items() if column}
        rows = [
            (name, *(column.get(name, NOTHING) for column in columns.values()))
            for name in (*seen(dataset), *EXTRA)
        ]
        title = f"Gain over the frozen {NAMES[network]} (points), {dataset}"
        tables.append(Table(title, ("corruption", *columns), rows))
    return tables


def _drift_left_texts(network: str, dataset: str, found: Scores) -> dict[str, str]:
    """Corruption -> how much of the drift its own module leaves."""
    cells = {name: f"{network}/condition/{name}" for name in seen(dataset)}
    shares = {name: found.estimate(cell, "drift_left_share") for name, cell in cells.items()}
    return {name: f"{share.mean:.2f}" for name, share in shares.items() if share}


def jpeg(settings: Settings, dataset: str, found: Scores) -> Table:
    """Accuracy by JPEG quality, printed and ours."""
    qualities = [f"q{quality}" for quality in QUALITIES.values()]
    rows = [
        (f"ImageNet, printed: {row['network']}, {row['model']}", *(row[q] for q in qualities))
        for row in read_csv("ddp", "jpeg")
    ]
    ours = {
        f"{dataset}: {NAMES[network]}, {model}": f"{network}/jpeg/{model}"
        for network in settings.networks
        for model in ("frozen", "ddp")
    }
    rows += metric_rows(found, ours, qualities)
    title = "JPEG compression: top-1 (%) by quality"
    return Table(title, ("", *map(str, QUALITIES.values())), rows)


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the sources leave open, compared once with the default."""
    network = settings.networks[0]
    pairs = {name: (f"{network}/blind/{name}", f"{network}/blind") for name in VARIANTS}
    rows = gain_rows(found, pairs, ("hq", "seen", "unseen"))
    what = f"difference to the default (points), {NAMES[network]}, {dataset}"
    title = f"What the sources leave open: {what}"
    return Table(title, ("variant", "HQ", "seen", "unseen"), rows)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """All claims. They are about ImageNet-C; on anything else only their direction is judged.

    In a profile without ResNet-50, the first network stands in for it.
    """
    networks, found = settings.networks, scores(dataset, items)
    stand_ins = {} if "resnet50" in networks else {"resnet50": networks[0]}
    paper_setting = settings.profile == "paper"
    return judge_claims(read_claims("ddp"), found, dataset, paper_setting, "imagenet", stand_ins)


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """`verdicts` as a table; the title says which network stands for which."""
    found = verdicts(settings, dataset, items)
    return claims_table(found, dataset, settings.profile == "paper", names=NAMES)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `ddp.study` returned."""
    out = [printed()]
    for dataset, items in studies.items():
        found = scores(dataset, items)
        out += [part(settings, dataset, found) for part in (drift, main)]
        out += gains(settings, dataset, found)
        out += [part(settings, dataset, found) for part in (jpeg, ablations)]
    return out + [claims(settings, dataset, items) for dataset, items in studies.items()]
