"""The tables of deep feature distillation, made of the records that `dfd.study` returns."""

from collections.abc import Mapping, Sequence

from paperlib.evidence.claims import read_claims, read_numbers
from paperlib.evidence.scores import Items, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.dfd.profiles import Settings
from paperlib.papers.dfd.study import LAMBDAS, MAIN, NAMES, SIZES, SUPER_RESOLVERS
from paperlib.report import NOTHING, Table, accuracy_table, claims_table, text


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    main = settings.recipes[MAIN]
    images = f"{settings.images(main)} training images"
    widths = settings.width_text(NAMES, [MAIN])
    return settings.caption([images, settings.schedule(main), *widths])


def scores(items: Items) -> Scores:
    """All numbers, by the study's cells."""
    return Scores.of(*items.values())


def table1(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """Table 1 from the scores by data set."""
    rows = {
        label: [f"{network}/{role}/{size}" for size in SIZES]
        for network in settings.networks
        for role, label in (("lr", NAMES[network]), ("dfd", f"DFD ({NAMES[network]})"))
    }
    columns = [f"{size}×{size}" for size in SIZES]
    title = f"Table 1. Top-1 accuracy (%), {describe(settings)}"
    return accuracy_table(title, rows, columns, read_numbers("dfd", "table1"), measured)


def table2(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """Table 2 from the scores by data set."""
    rows = {
        "HR-baseline": [f"{MAIN}/hr"],
        "LR-baseline": [f"{MAIN}/lr/8"],
        "VDSR + ResNet-18": [f"{MAIN}/vdsr/8"],
        "ESPCN + ResNet-18": [f"{MAIN}/espcn/8"],
        "SRGAN + ResNet-18": [f"{MAIN}/srgan/8"],
        "DFD (ResNet-18)": [f"{MAIN}/dfd/8"],
    }
    title = f"Table 2. Top-1 accuracy (%), 8×8, {describe(settings)}"
    return accuracy_table(title, rows, [""], read_numbers("dfd", "table2"), measured)


def teachers(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """The teachers on high-resolution images, and on 8x8 images, of which they have seen none."""
    rows = []
    for network in settings.networks:
        row = [NAMES[network]]
        for found in measured.values():
            row += [text(found.estimate(f"{network}/hr", m)) for m in ("top1", "top1@lowres")]
        rows.append(row)
    headers = ["teacher", *(f"{name}, {size}" for name in measured for size in ("32×32", "8×8"))]
    return Table("Trained on high resolution. Top-1 accuracy (%)", headers, rows)


def quality(dataset: str, found: Scores) -> Table:
    """PSNR and SSIM of the super-resolution networks, one run each, against bicubic enlargement."""
    rows: list[tuple[str, ...]] = []
    for name in SUPER_RESOLVERS:
        for label, prefix in (("bicubic", "bicubic_"), (name, ""))[bool(rows) :]:
            psnr, ssim = (found.estimate(name, prefix + m) for m in ("psnr", "ssim"))
            if psnr and ssim:
                rows.append((label, f"{psnr.mean:.2f}", f"{ssim.mean:.4f}"))
    title = f"Super-resolution, 8×8 to 16×16, {dataset} test images"
    return Table(title, ("", "PSNR (dB)", "SSIM"), rows)


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the paper leaves open: each variant's accuracy, and its gain over the base network."""
    base = f"{MAIN}/lr/8"
    control = "base network from the teacher's weights: the control of the next row"
    names = {
        base: "base network",
        f"{MAIN}/dfd/8": "DFD with our defaults, from scratch",
        f"{MAIN}/lr/8/init=teacher": control,
        f"{MAIN}/dfd/8/init=teacher": "DFD from the teacher's weights",
        f"{MAIN}/dfd/8/init=lr": "DFD from the base network's weights",
        f"{MAIN}/dfd/8/reduction=sum": "DFD, sum over the feature's entries",
        f"{MAIN}/dfd/8/feature=pre": "DFD, feature before the ReLU",
    }
    rows = []
    for cell, name in names.items():
        gain = None if cell == base else found.gain(cell, base)
        rows.append((name, text(found.estimate(cell)), text(gain, sign=True)))
    title = f"What the paper leaves open: ResNet-18, 8×8, {dataset}, {describe(settings)}"
    return Table(title, ("variant", "top-1 (%)", "gain over the base network"), rows)


def lambda_curves(found: Scores) -> tuple[dict[str, float], dict[str, dict[float, float]]]:
    """Held-out accuracy of the base network, and of DFD by lambda, by network's name.

    Networks that lack one of them are left out.
    """
    bases, curves = {}, {}
    for network, name in NAMES.items():
        base = found.estimate(f"{network}/tuned", "validation_top1")
        top = {x: found.estimate(f"{network}/tuned/{x:g}", "validation_top1") for x in LAMBDAS}
        curve = {x: top1.mean for x, top1 in top.items() if top1}
        if curve and base:
            bases[name], curves[name] = base.mean, curve
    return bases, curves


def lambdas(dataset: str, found: Scores) -> Table:
    """The numbers behind Fig. 2: held-out accuracies, and the best lambda."""
    bases, curves = lambda_curves(found)
    rows = []
    for name, curve in curves.items():
        columns = [f"{curve[x]:.1f}" if x in curve else NOTHING for x in LAMBDAS]
        rows.append((name, f"{bases[name]:.1f}", *columns, f"{_best(curve):g}"))
    headers = ("network", "base", *(f"λ = {x:g}" for x in LAMBDAS), "chosen λ")
    title = f"Fig. 2. Top-1 accuracy (%) on held-out images, 8×8, {dataset}, one seed"
    return Table(title, headers, rows)


def _best(curve: Mapping[float, float]) -> float:
    return max(curve, key=curve.__getitem__)


def fig2_claims(dataset: str, found: Scores) -> Table:
    """What the paper says of Fig. 2, and what one seed shows: without an interval, no verdict."""
    bases, curves = lambda_curves(found)
    rows = []
    for name, curve in curves.items():
        above = sum(value > bases[name] for value in curve.values())
        paper = f"above base at all {len(LAMBDAS)} λ, best around λ = 2"
        ours = f"above base at {above} of {len(curve)} λ, best at λ = {_best(curve):g}"
        rows.append((name, paper, ours, "inconclusive: one seed"))
    return Table(f"Claims of section 3.4, {dataset}", ("network", "paper", "ours", "verdict"), rows)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """The claims about a data set, or all of them on data that the paper does not use."""
    return judge_claims(read_claims("dfd"), scores(items), dataset, settings.profile == "paper")


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """`verdicts` as a table."""
    return claims_table(verdicts(settings, dataset, items), dataset, settings.profile == "paper")


def untested(names: Sequence[str]) -> Table:
    """The claims about data sets that were not measured."""
    rows = [
        (claim.text, claim.dataset, claim.source, f"{claim.points:+.2f}", "not tested")
        for claim in read_claims("dfd")
        if claim.dataset not in names
    ]
    headers = ("claim", "data set", "source", "paper", "verdict")
    return Table("Claims about other data sets", headers, rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `dfd.study` returned."""
    measured = {name: scores(items) for name, items in studies.items()}
    out = [table1(settings, measured), teachers(settings, measured)]
    for name, found in measured.items():
        out += [lambdas(name, found), fig2_claims(name, found)]
        out += [quality(name, found), ablations(settings, name, found)]
    out.append(table2(settings, measured))
    out += [claims(settings, name, items) for name, items in studies.items()]
    return [*out, untested(list(studies))]
