"""The tables of deep feature distillation, made of the records that `dfd.study` returns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from paperlib import degrade
from paperlib.evidence.claims import Claim, read_claims, read_numbers
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scale import Curve, curves
from paperlib.evidence.scores import Items, Score, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.dfd.profiles import Settings
from paperlib.papers.dfd.study import LAMBDAS, MAIN, NAMES, SIZES, SUPER_RESOLVERS, low
from paperlib.report import (
    NOTHING,
    Gap,
    Table,
    Tables,
    accuracy_table,
    claims_table,
    scale_table,
    setting_table,
    text,
)

HELD_OUT = "validation_top1"
BASE, STUDENT = f"{MAIN}/lr/8", f"{MAIN}/dfd/8"
UNSEEN = f"top1@{degrade.label(low(8))}"  # of teachers, on 8x8 images
# what stands in for the paper's network even in the profile `paper`
BEHIND_OURS = "a classifier behind our super-resolution"
HELD_BACK = "a network without the held-out images"


def describe(settings: Settings, *networks: str) -> str:
    """The setting in words, for titles: what is reduced is said. By default of ResNet-18."""
    own = networks or (MAIN,)
    recipes = [settings.recipes[network] for network in own]
    training = [f"{settings.images(r)} images for {settings.schedule(r)}" for r in recipes]
    widths = settings.width_text(NAMES, own)
    return settings.caption(f"{w}, {t}" for w, t in zip(widths, training, strict=True))


def started(settings: Settings, init: str) -> str:
    """The cell of the student that starts from `init`."""
    return STUDENT if init == settings.init else f"{STUDENT}/init={init}"


def scores(items: Items) -> Scores:
    """All numbers, by the study's cells; the error on held-out images is 100 minus its top-1."""
    found = Scores.of(*items.values())
    return found.plus(
        Score(cell, seed, "validation_error", 100 - value)
        for cell in found.cells
        for seed, value in found.values(cell, HELD_OUT).items()
    )


def table1(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """Table 1 from the scores by data set."""
    rows = {
        label: [f"{network}/{role}/{size}" for size in SIZES]
        for network in settings.networks
        for role, label in (("lr", NAMES[network]), ("dfd", f"DFD ({NAMES[network]})"))
    }
    columns = [f"{size}×{size}" for size in SIZES]
    title = f"Table 1. Top-1 accuracy (%), {describe(settings, *settings.networks)}"
    return accuracy_table(title, rows, columns, read_numbers("dfd", "table1"), measured)


def table2(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """Table 2 from the scores by data set."""
    rows = {
        "HR-baseline": [f"{MAIN}/hr"],
        "LR-baseline": [BASE],
        "VDSR + ResNet-18": [f"{MAIN}/vdsr/8"],
        "ESPCN + ResNet-18": [f"{MAIN}/espcn/8"],
        "SRGAN + ResNet-18": [f"{MAIN}/srgan/8"],
        "DFD (ResNet-18)": [STUDENT],
    }
    title = f"Table 2. Top-1 accuracy (%), 8×8, {describe(settings)}"
    return accuracy_table(title, rows, [""], read_numbers("dfd", "table2"), measured)


def teachers(settings: Settings, measured: Mapping[str, Scores]) -> Table:
    """The teachers on high-resolution images, and on 8x8 images, of which they have seen none."""
    rows = []
    for network in settings.networks:
        row = [NAMES[network]]
        for found in measured.values():
            row += [text(found.estimate(f"{network}/hr", m)) for m in ("top1", UNSEEN)]
        rows.append(row)
    headers = ["teacher", *(f"{name}, {size}" for name in measured for size in ("32×32", "8×8"))]
    return Table("Trained on high resolution. Top-1 accuracy (%)", headers, _measured(rows))


def _measured(rows: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Rows with a number behind their label."""
    return [row for row in rows if any(part != NOTHING for part in row[1:])]


def quality(dataset: str, found: Scores) -> Table:
    """PSNR and SSIM of the super-resolution networks, against bicubic enlargement."""
    rows: list[tuple[str, ...]] = []
    for name in SUPER_RESOLVERS:
        for label, prefix in (("bicubic", "bicubic_"), (name, ""))[bool(rows) :]:
            psnr, ssim = (found.estimate(name, prefix + m) for m in ("psnr", "ssim"))
            if psnr and ssim:
                rows.append((label, text(psnr), f"{ssim.mean:.4f}"))
    title = f"Super-resolution, 8×8 to 16×16, {dataset} test images"
    return Table(title, ("", "PSNR (dB)", "SSIM"), rows)


def ablations(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the paper leaves open: each variant's accuracy, and its gain over the base network."""
    starts = {
        "scratch": "the base network's random weights",
        "lr": "the base network's weights",
        "teacher": "the teacher's weights",
    }
    names = {BASE: "base network", STUDENT: f"DFD with our defaults, from {starts[settings.init]}"}
    for init, weights in starts.items():
        if init != "scratch":
            control = f"base network trained on from {weights}: the control of DFD from them"
            names[f"{BASE}/init={init}"] = control
        names.setdefault(started(settings, init), f"DFD from {weights}")
    names |= {
        f"{STUDENT}/reduction=mean": "DFD, mean over the feature's entries",
        f"{STUDENT}/reduction=mean, lambda=20": "DFD, mean over the feature's entries, λ = 20",
        f"{STUDENT}/feature=pre": "DFD, feature before the ReLU",
    }
    rows = []
    for cell, name in names.items():
        gain = None if cell == BASE else found.gain(cell, BASE)
        rows.append((name, text(found.estimate(cell)), text(gain, sign=True)))
    title = f"What the paper leaves open: ResNet-18, 8×8, {dataset}, {describe(settings)}"
    return Table(title, ("variant", "top-1 (%)", "gain over the base network"), _measured(rows))


def lambda_curves(
    found: Scores,
) -> tuple[dict[str, Estimate], dict[str, dict[float, Estimate]]]:
    """Held-out accuracy of the base network, and of DFD by lambda, by network's name.

    Networks that lack one of them are left out.
    """
    bases: dict[str, Estimate] = {}
    swept: dict[str, dict[float, Estimate]] = {}
    for network, name in NAMES.items():
        base = found.estimate(f"{network}/tuned", HELD_OUT)
        top = {x: found.estimate(f"{network}/tuned/{x:g}", HELD_OUT) for x in LAMBDAS}
        curve = {x: top1 for x, top1 in top.items() if top1}
        if curve and base:
            bases[name], swept[name] = base, curve
    return bases, swept


def lambdas(dataset: str, found: Scores) -> Table:
    """The numbers behind Fig. 2: held-out accuracies, and what DFD gains over the base network."""
    networks = [network for network in NAMES if found.values(f"{network}/tuned", HELD_OUT)]
    rows: list[list[str]] = []
    for label, cell in {"base network": "", **{f"λ = {x:g}": f"/{x:g}" for x in LAMBDAS}}.items():
        row = [label]
        for base in (f"{network}/tuned" for network in networks):
            gain = found.gain(base + cell, base, HELD_OUT) if cell else None
            row += [text(found.estimate(base + cell, HELD_OUT)), text(gain, sign=True)]
        rows.append(row)
    names = [NAMES[network] for network in networks]
    headers = ("", *(head for name in names for head in (name, f"{name}, gain")))
    title = f"Fig. 2. Top-1 accuracy (%) on held-out images, 8×8, {dataset}"
    return Table(title, headers, _measured(rows))


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether teachers are far enough above bases.

    What was not measured has no row.
    """
    networks = {
        f"{NAMES[network]} on 32×32": network
        for network in settings.networks
        if found.gain(f"setting/{network}/2", f"setting/{network}/1", HELD_OUT)
    }
    gaps = {
        f"teacher over base network, {NAMES[claim.network]}, 8×8": Gap(
            f"{claim.network}/hr", f"{claim.network}/lr/8", claim.points
        )
        for claim in read_claims("dfd")
        if claim.headline and claim.worse == "lr/8" and claim.points
    }
    gaps = {label: gap for label, gap in gaps.items() if found.gain(gap.above, gap.below)}
    title = f"Whether the setting can show the effects, {dataset}"
    return setting_table(found, networks, gaps, title)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """The claims about a data set, or all of them on data that the paper does not use.

    In the profile `paper` some of them are still not measured as the paper measures them; the
    sizes of these are not compared.
    """
    found = judge_claims(read_claims("dfd"), scores(items), dataset, settings)
    return [_not_as_printed(verdict) for verdict in found]


def _not_as_printed(verdict: Verdict) -> Verdict:
    """With what stood in for the paper's network, where something did."""
    instead = _stands_in(verdict.claim)
    if not (verdict.own_setting and instead):
        return verdict
    out = replace(verdict, network=instead, size="")
    return replace(out, reason=f"{verdict.reason}, {out.where}")


def _stands_in(claim: Claim) -> str:
    if claim.metric.startswith("validation"):
        return HELD_BACK
    parts = {part for cell in claim.cells() for part in cell.split("/")}
    return BEHIND_OURS if parts & set(SUPER_RESOLVERS) else ""


def claims(found: Iterable[Verdict]) -> list[Table]:
    """The verdicts on one data set: a table for each thing that stood in for the networks."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in found:
        groups.setdefault(verdict.network, []).append(verdict)
    return [claims_table(group, names=NAMES) for group in groups.values()]


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of training images; those measured at several."""
    images = settings.images_at_scales(settings.recipes[MAIN])
    found = curves(verdicts(settings, dataset, items), scores(items), images)
    return [curve for curve in found if len(curve.points) > 1]


def present(*found: Table) -> Tables:
    """The tables that have rows."""
    return Tables(table for table in found if table.rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order; those of which nothing was measured are left out.

    Args:
        settings: of all that was measured.
        studies: by data set what `dfd.study` returned.
    """
    measured = {name: scores(items) for name, items in studies.items()}
    out = [setting(settings, name, found) for name, found in measured.items()]
    out += [table1(settings, measured), teachers(settings, measured)]
    out += [lambdas(name, found) for name, found in measured.items()]
    out.append(table2(settings, measured))
    for name, found in measured.items():
        out += [quality(name, found), ablations(settings, name, found)]
    for name, items in studies.items():
        title = f"Effect by number of training images, {name}"
        out.append(scale_table(scale(settings, name, items), title))
        out += claims(verdicts(settings, name, items))
    return present(*out)
