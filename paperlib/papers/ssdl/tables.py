"""The tables of simple self-distillation, made of the records that `ssdl.study` returns."""

from collections.abc import Mapping

from paperlib.datasets import DETECTION
from paperlib.evidence.claims import read_claims
from paperlib.evidence.scale import Curve, curves
from paperlib.evidence.scores import Items, Scores
from paperlib.evidence.verdicts import Verdict, judge_claims
from paperlib.papers.ssdl.numbers import (
    BASELINE,
    RESTORING,
    STUDENT,
    by_compute,
    by_strength,
    label,
    main_level,
    noises,
    scores,
)
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import LAMBDAS, METHODS, NAMES, NEEDS_CLEAN, TAPS, TUNED
from paperlib.report import Gap, Table, claims_table, gain_text, scale_table, setting_table, text

MARGIN = 1.0  # points: the claims' own, the largest difference that counts as none


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    images = f"{settings.images()} training images"
    return settings.caption([images, settings.schedule(), *settings.width_text(NAMES)])


def tuning(settings: Settings, dataset: str, found: Scores) -> Table:
    """Held-out accuracy by taps and lambda; the best mean is bold."""
    rows = [[f"{taps}, λ = {value:g}"] for taps in TAPS for value in LAMBDAS]
    for name in TUNED:
        cells = [f"{name}/{taps}/{value:g}" for taps in TAPS for value in LAMBDAS]
        own = [found.estimate(cell, "validation_top1") for cell in cells]
        best = max((value.mean for value in own if value), default=None)
        for row, value in zip(rows, own, strict=True):
            row.append(f"**{text(value)}**" if value and value.mean == best else text(value))
    title = f"Held-out accuracy (%), {label(main_level(settings))}, {dataset}"
    return Table(title, ("taps, weight", *(METHODS[name] for name in TUNED)), rows)


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether there is room for what is claimed."""
    level = main_level(settings)
    networks = {f"trained on {name} images": name for name in ("clean", "noisy")}
    gaps = {
        "clean images, over the noisy baseline": Gap("ceiling/clean", f"noisy/{level}", MARGIN),
        "clean teacher, over the noisy baseline": Gap(f"stl/{level}", f"noisy/{level}", MARGIN),
    }
    title = f"Whether the setting can show the effects, {label(level)}, {dataset}"
    return setting_table(found, networks, gaps, title)


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of training images."""
    found, size = scores(items), settings.recipes[settings.networks[0]].train_size
    images = {factor: round(factor * size) for factor in (1.0, *settings.scales)}
    return curves(verdicts(settings, dataset, items), found, images)


def main(settings: Settings, dataset: str, found: Scores) -> Table:
    """Top-1 of every method at every noise level."""
    levels = settings.levels
    ceiling = text(found.estimate("ceiling/clean"))
    rows = [("clean-trained, tested clean (ceiling)", "yes", *[ceiling] * len(levels))]
    for name, method in METHODS.items():
        own = (text(found.estimate(f"{name}/{level}")) for level in levels)
        rows.append((method, "yes" if name in NEEDS_CLEAN else "no", *own))
    headers = ("method", "clean images", *map(label, levels))
    return Table(f"Top-1 (%), {dataset}, {describe(settings)}", headers, rows)


def gains(settings: Settings, dataset: str, found: Scores) -> list[Table]:
    """Gains over the noisy baseline, and over the one with the compute of teacher and student."""
    out, columns = [], noises(settings)
    for base in ("noisy", "noisy-long"):
        rows = []
        for name in (name for name in METHODS if name != base):
            pairs = [(f"{name}/{level}", f"{base}/{level}") for level in columns.values()]
            rows.append((METHODS[name], *(gain_text(found.gain(*pair)) for pair in pairs)))
        title = f"Gain over the {METHODS[base]} (points), {dataset}"
        out.append(Table(title, ("method", *columns), rows))
    return out


def psnr(settings: Settings, dataset: str, found: Scores) -> Table:
    """What the denoisers make of the images, beside what is recognised behind them."""
    rows = []
    for level in settings.levels:
        quality = {"noisy": found.estimate(f"denoiser/{level}", "psnr_noisy")}
        for name, denoiser in RESTORING.items():
            quality[name] = found.estimate(f"{denoiser}/{level}", "psnr")
        for name, value in quality.items():
            hits = text(found.estimate(f"{name}/{level}"))
            rows.append((label(level), METHODS[name], text(value), hits))
    headers = ("noise", "method", "PSNR of what is classified (dB)", "top-1 (%)")
    return Table(f"Image quality and recognition, {dataset}", headers, rows)


def teachers(settings: Settings, dataset: str, found: Scores) -> Table:
    """Ablation: noisy teachers of other strengths, and their students."""
    own, rows = by_strength(settings), []
    for share, teacher in own["teacher"].items():
        rows.append((f"{share:.2g}", *_pair(found, teacher, own["student"][share])))
    models = ("baseline of these epochs", "student", "student over baseline")
    headers = ("teacher's epochs, times the student's", *models)
    title = f"Noisy teachers of different strength, {label(main_level(settings))}, {dataset}"
    return Table(title, headers, rows)


def schedules(settings: Settings, dataset: str, found: Scores) -> Table:
    """Ablation: student and baseline of the same compute, for shorter and longer schedules."""
    own = by_compute(settings, found)
    rows = [
        (f"{compute:.2g}", *_pair(found, own[BASELINE][compute], student))
        for compute, student in own[STUDENT].items()
        if compute in own[BASELINE]
    ]
    headers = ("compute, times one training", BASELINE, STUDENT, "student over baseline")
    title = f"Baseline and student, {label(main_level(settings))}, {dataset}"
    return Table(title, headers, rows)


def _pair(found: Scores, baseline: str, student: str) -> tuple[str, str, str]:
    """Top-1 of both cells, and the student's gain."""
    gain = text(found.gain(student, baseline), sign=True)
    return text(found.estimate(baseline)), text(found.estimate(student)), gain


def detection(settings: Settings, dataset: str, found: Scores) -> Table:
    """One more task: mean average precision on noisy scenes."""
    labels = {"noisy": "noisy baseline", "stl": "clean teacher", "ssdl": "SSDL, noisy teacher"}
    rows = []
    for name, method in labels.items():
        cell = f"detector/{name}"
        over = "" if name == "noisy" else text(found.gain(cell, "detector/noisy", "map50"), True)
        rows.append((method, text(found.estimate(cell, "map50")), over))
    title = "Detection on scenes with Gaussian noise, σ = 60: mean average precision at overlap 0.5"
    return Table(f"{title} (%), {dataset}", ("", "mAP50", "over the baseline"), rows)


def verdicts(settings: Settings, dataset: str, items: Items) -> list[Verdict]:
    """The claims, judged where there are images to classify; none on data sets for detection.

    They are relative, and have no size: the slides' numbers are lost.
    """
    if dataset in DETECTION:
        return []
    return judge_claims(read_claims("ssdl"), scores(items), dataset, settings)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `ssdl.study` returned."""
    out = []
    for dataset, items in studies.items():
        found = scores(items)
        if dataset in DETECTION:
            out.append(detection(settings, dataset, found))
            continue
        out.append(claims_table(verdicts(settings, dataset, items)))
        out += [setting(settings, dataset, found)] if items["setting"] else []
        out += [part(settings, dataset, found) for part in (tuning, main)]
        out += gains(settings, dataset, found)
        out += [part(settings, dataset, found) for part in (psnr, teachers)]
        out += [schedules(settings, dataset, found)] if items["schedules"] else []
        out += [scale_table(scale(settings, dataset, items))] if items["scale"] else []
    return out
