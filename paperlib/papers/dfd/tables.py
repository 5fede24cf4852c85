"""DFD's tables, made of the records that `dfd.study` returns: the chapter shows them, `make
reproduce` prints them."""

from collections.abc import Mapping, Sequence

from paperlib.evidence.claims import read_claims, read_numbers
from paperlib.evidence.estimates import Estimate, effect, top1
from paperlib.papers.dfd.study import LAMBDAS, MAIN, NAMES, SIZES
from paperlib.report import Table, accuracy_table, claims_table
from paperlib.runs import Record
from paperlib.study import Settings


def table1(settings: Settings, cells: Mapping[str, Mapping[str, list[Record]]]) -> Table:
    """Table 1 from the cells of `Study.table1`, by data set."""
    rows = {
        label: [f"{network}/{role}/{size}" for size in SIZES]
        for network in settings.networks
        for role, label in (("lr", NAMES[network]), ("dfd", f"DFD ({NAMES[network]})"))
    }
    columns = [f"{size}×{size}" for size in SIZES]
    title = f"Table 1. Top-1 accuracy (%), {describe(settings)}"
    return accuracy_table(title, rows, columns, read_numbers("dfd", "table1"), cells)


def table2(settings: Settings, cells: Mapping[str, Mapping[str, list[Record]]]) -> Table:
    """Table 2 from the cells of `Study.table1` and `Study.table2` together, by data set."""
    rows = {
        "HR-baseline": [f"{MAIN}/hr"],
        "LR-baseline": [f"{MAIN}/lr/8"],
        "VDSR + ResNet-18": [f"{MAIN}/vdsr/8"],
        "ESPCN + ResNet-18": [f"{MAIN}/espcn/8"],
        "SRGAN + ResNet-18": [f"{MAIN}/srgan/8"],
        "DFD (ResNet-18)": [f"{MAIN}/dfd/8"],
    }
    title = f"Table 2. Top-1 accuracy (%), 8×8, {describe(settings)}"
    return accuracy_table(title, rows, [""], read_numbers("dfd", "table2"), cells)


def teachers(settings: Settings, cells: Mapping[str, Mapping[str, list[Record]]]) -> Table:
    """The teachers on high-resolution images, and on 8x8 images without having been trained on
    any."""
    rows = []
    for network in settings.networks:
        row = [NAMES[network]]
        for own in cells.values():
            records = own.get(f"{network}/hr", [])
            for metric in ("top1", "top1@lowres"):
                row.append(
                    Estimate.of([r.metrics[metric] for r in records]).text() if records else "–"
                )
        rows.append(row)
    headers = ["teacher", *(f"{name}, {size}" for name in cells for size in ("32×32", "8×8"))]
    return Table("Trained on high resolution. Top-1 accuracy (%)", headers, rows)


def quality(dataset: str, fig3: Mapping[str, list[Record]]) -> Table:
    """PSNR and SSIM of the super-resolution networks behind Table 2 and Fig. 3, against bicubic
    enlargement."""
    rows: list[tuple[str, ...]] = []
    for name, records in fig3.items():
        for record in records:
            m = record.metrics
            if not rows:
                rows.append(("bicubic", f"{m['bicubic_psnr']:.2f}", f"{m['bicubic_ssim']:.4f}"))
            rows.append((name, f"{m['psnr']:.2f}", f"{m['ssim']:.4f}"))
    return Table(
        f"Super-resolution, 8×8 to 16×16, {dataset} test images", ("", "PSNR (dB)", "SSIM"), rows
    )


def silences(dataset: str, cells: Mapping[str, list[Record]], settings: Settings) -> Table:
    """What the paper leaves open: each variant's accuracy and its gain over the base network,
    paired by seed."""
    base = cells.get(f"{MAIN}/lr/8", [])
    names = {
        f"{MAIN}/lr/8": "base network",
        f"{MAIN}/dfd/8": "DFD with our defaults, from scratch",
        f"{MAIN}/lr/8/init=teacher": "base network from the teacher's weights: the control of the next row",
        f"{MAIN}/dfd/8/init=teacher": "DFD from the teacher's weights",
        f"{MAIN}/dfd/8/init=lr": "DFD from the base network's weights",
        f"{MAIN}/dfd/8/reduction=sum": "DFD, sum over the feature's entries",
        f"{MAIN}/dfd/8/feature=pre": "DFD, feature before the ReLU",
    }
    rows = []
    for cell, name in names.items():
        ours, gain = top1(cells.get(cell, [])), effect(cells.get(cell, []), base)
        own = "–" if cell == f"{MAIN}/lr/8" or gain is None else gain.text(sign=True)
        rows.append((name, ours.text() if ours else "–", own))
    title = f"What the paper leaves open: ResNet-18, 8×8, {dataset}, {describe(settings)}"
    return Table(title, ("variant", "top-1 (%)", "gain over the base network"), rows)


def lambda_curves(
    fig2: Mapping[str, list[Record]],
) -> tuple[dict[str, float], dict[str, dict[float, float]]]:
    """Validation accuracy of the base network, and of DFD by lambda; networks that lack one of them
    are left out."""
    bases, curves = {}, {}
    for network, records in fig2.items():
        top = {r.run.options.get("lambda_"): r.metrics["validation_top1"] for r in records}
        curve = {float(x): top[x] for x in LAMBDAS if x in top}
        if curve and None in top:
            bases[NAMES[network]], curves[NAMES[network]] = top[None], curve
    return bases, curves


def lambdas(dataset: str, fig2: Mapping[str, list[Record]]) -> Table:
    """The numbers behind Fig. 2: validation accuracy by lambda, the base network first, and the
    chosen lambda."""
    bases, curves = lambda_curves(fig2)
    rows = []
    for name, curve in curves.items():
        columns = [f"{curve[x]:.2f}" if x in curve else "–" for x in LAMBDAS]
        rows.append(
            (name, f"{bases[name]:.2f}", *columns, f"{max(curve, key=curve.__getitem__):g}")
        )
    headers = ("network", "base", *(f"λ = {x:g}" for x in LAMBDAS), "chosen λ")
    return Table(
        f"Fig. 2. Top-1 accuracy (%) on held-out images, 8×8, {dataset}, one seed", headers, rows
    )


def fig2_claims(dataset: str, fig2: Mapping[str, list[Record]]) -> Table:
    """What the paper says of Fig. 2, and what one seed shows: no interval, hence no verdict beyond
    "inconclusive"."""
    bases, curves = lambda_curves(fig2)
    rows = []
    for name, curve in curves.items():
        above = sum(value > bases[name] for value in curve.values())
        paper = f"above base at all {len(LAMBDAS)} λ, best around λ = 2"
        ours = f"above base at {above} of {len(curve)} λ, best at λ = {max(curve, key=curve.__getitem__):g}"
        rows.append((name, paper, ours, "inconclusive: one seed"))
    return Table(f"Claims of section 3.4, {dataset}", ("network", "paper", "ours", "verdict"), rows)


def untested(names: Sequence[str]) -> Table:
    """The claims about data sets that were not measured."""
    claims = [claim for claim in read_claims("dfd") if claim.dataset not in names]
    rows = [
        (claim.text, claim.dataset, claim.source, f"{claim.points:+.2f}", "not tested")
        for claim in claims
    ]
    return Table(
        "Claims about other data sets", ("claim", "data set", "source", "paper", "verdict"), rows
    )


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    if settings.profile == "paper":
        return "the paper's recipe; mean ± 95 % interval (seeds)"
    main = settings.recipes[MAIN]
    return (
        f"REDUCED setting `{settings.profile}`: {main.train_size} training images, "
        f"{main.epochs} epoch(s), {NAMES[MAIN]} at {main.width:g} of its width; "
        "mean ± 95 % interval (seeds)"
    )


def tables(
    settings: Settings, studies: Mapping[str, Mapping[str, Mapping[str, list[Record]]]]
) -> list[Table]:
    """All tables in the chapter's order. `studies` holds what `dfd.study` returned, by data set."""
    cells = {name: {**items["table1"], **items["table2"]} for name, items in studies.items()}
    out = [table1(settings, cells), teachers(settings, cells)]
    for name, items in studies.items():
        out += [
            lambdas(name, items["fig2"]),
            fig2_claims(name, items["fig2"]),
            quality(name, items["fig3"]),
        ]
        out.append(silences(name, {**items["table1"], **items["silences"]}, settings))
    out.append(table2(settings, cells))
    out += [
        claims_table("dfd", name, own, settings.profile == "paper") for name, own in cells.items()
    ]
    return [*out, untested(list(studies))]
