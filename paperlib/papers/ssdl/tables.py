"""The tables of simple self-distillation, made of the records that `ssdl.study` returns."""

from collections.abc import Iterable, Mapping, Sequence

from paperlib.datasets import DETECTION
from paperlib.evidence.claims import read_claims
from paperlib.evidence.looks import Interval
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
    measured,
    scores,
)
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import METHODS, NAMES, NEEDS_CLEAN, TAPS, TUNED
from paperlib.report import (
    NOTHING,
    Gap,
    Table,
    claims_table,
    effect_text,
    scale_table,
    setting_table,
    text,
)

MARGIN = 1.0  # points: the claims' own, the largest difference that counts as none


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    images = f"{settings.images()} training images"
    return settings.caption([images, settings.schedule(), *settings.width_text(NAMES)])


def _any(rows: Iterable[Sequence[str]], first: int = 1) -> list[Sequence[str]]:
    """Rows that have any number, from the column `first` on."""
    return [row for row in rows if any(cell not in ("", NOTHING) for cell in row[first:])]


def tuning(settings: Settings, dataset: str, found: Scores) -> Table:
    """Held-out accuracy by taps and lambda; the best mean is bold."""
    rows = [[f"{taps}, λ = {value:g}"] for taps in TAPS for value in settings.lambdas]
    for name in TUNED:
        cells = [f"{name}/{taps}/{value:g}" for taps in TAPS for value in settings.lambdas]
        own = [found.estimate(cell, "validation_top1") for cell in cells]
        best = max((value.mean for value in own if value), default=None)
        for row, value in zip(rows, own, strict=True):
            row.append(f"**{text(value)}**" if value and value.mean == best else text(value))
    title = f"Held-out accuracy (%), {label(main_level(settings))}, {dataset}"
    return Table(title, ("taps, weight", *(METHODS[name] for name in TUNED)), _any(rows))


def setting(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether the networks have learned, and whether there is room for what is claimed."""
    level = main_level(settings)
    networks = {
        f"trained on {name} images": name
        for name in ("clean", "noisy")
        if found.values(f"setting/{name}/2", "validation_top1")
    }
    above = {"clean images": "ceiling/clean", "clean teacher": f"stl/{level}"}
    gaps = {
        f"{what}, over the noisy baseline": Gap(cell, f"noisy/{level}", MARGIN)
        for what, cell in above.items()
        if found.differences(cell, f"noisy/{level}")
    }
    title = f"Whether the setting can show the effects, {label(level)}, {dataset}"
    return setting_table(found, networks, gaps, title)


def scale(settings: Settings, dataset: str, items: Items) -> list[Curve]:
    """The headline claims' effects by number of training images."""
    images = settings.images_at_scales(settings.recipes[settings.networks[0]])
    return curves(verdicts(settings, dataset, items), scores(items), images)


def main(settings: Settings, dataset: str, found: Scores) -> Table:
    """Top-1 of every method at every noise level, where it was measured."""
    levels = measured(settings, found)
    ceiling = text(found.estimate("ceiling/clean"))
    rows = [("clean-trained, tested clean (ceiling)", "yes", *[ceiling] * len(levels))]
    for name, method in METHODS.items():
        own = (text(found.estimate(f"{name}/{level}")) for level in levels)
        rows.append((method, "yes" if name in NEEDS_CLEAN else "no", *own))
    headers = ("method", "clean images", *map(label, levels))
    return Table(f"Top-1 (%), {dataset}, {describe(settings)}", headers, _any(rows, 2))


def gains(settings: Settings, dataset: str, found: Scores) -> list[Table]:
    """Gains over the noisy baseline, and over the one with the compute of teacher and student.

    With the intervals of the verdicts, as some of them have seeds until a claim is decided.
    """
    out, levels = [], measured(settings, found)
    for base in ("noisy", "noisy-long"):
        rows = []
        for name in (name for name in METHODS if name != base):
            pairs = [(f"{name}/{level}", f"{base}/{level}") for level in levels]
            rows.append((METHODS[name], *(bold(found.interval(*pair)) for pair in pairs)))
        title = f"Gain over the {METHODS[base]} (points), {dataset}"
        out.append(Table(title, ("method", *map(label, levels)), _any(rows)))
    return out


def bold(value: Interval | None) -> str:
    """An effect for a table, bold where its interval excludes 0."""
    return f"**{effect_text(value)}**" if value and value.told else effect_text(value)


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
    return Table(f"Image quality and recognition, {dataset}", headers, _any(rows, 2))


def teachers(settings: Settings, dataset: str, found: Scores) -> Table:
    """Ablation: noisy teachers of other strengths, and their students."""
    own, rows = by_strength(settings), []
    for share, teacher in own["teacher"].items():
        student = own["student"][share]
        if found.values(student):
            rows.append((f"{share:.2g}", *_pair(found, teacher, student)))
    models = ("baseline of these epochs", "student", "student over baseline")
    headers = ("teacher's epochs, times the student's", *models)
    title = f"Noisy teachers of different strength, {label(main_level(settings))}, {dataset}"
    return Table(title, headers, rows if len(rows) > 1 else [])


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
    return Table(title, headers, rows if len(rows) > 1 else [])


def _pair(found: Scores, baseline: str, student: str) -> tuple[str, str, str]:
    """Top-1 of both cells, and the student's gain."""
    gain = bold(found.interval(student, baseline))
    return text(found.estimate(baseline)), text(found.estimate(student)), gain


def detection(settings: Settings, dataset: str, found: Scores) -> Table:
    """One more task: mean average precision on noisy scenes."""
    labels = {"noisy": "noisy baseline", "stl": "clean teacher", "ssdl": "SSDL, noisy teacher"}
    rows = []
    for name, method in labels.items():
        cell = f"detector/{name}"
        over = "" if name == "noisy" else bold(found.interval(cell, "detector/noisy", "map50"))
        rows.append((method, text(found.estimate(cell, "map50")), over))
    title = "Detection on scenes with Gaussian noise, σ = 60: mean average precision at overlap 0.5"
    return Table(f"{title} (%), {dataset}", ("", "mAP50", "over the baseline"), _any(rows))


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
        shown = [part(settings, dataset, found) for part in (setting, tuning, main)]
        shown += gains(settings, dataset, found)
        shown += [part(settings, dataset, found) for part in (psnr, teachers, schedules)]
        shown += [scale_table(scale(settings, dataset, items))] if items["scale"] else []
        out += [table for table in shown if table.rows]
    return out
