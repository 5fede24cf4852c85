"""The tables of simple self-distillation, made of the records that `ssdl.study` returns."""

from collections.abc import Mapping

from paperlib.evidence.claims import read_claims
from paperlib.evidence.scores import Items, Scores
from paperlib.evidence.verdicts import Verdict, judge
from paperlib.papers.ssdl.numbers import (
    BASELINE,
    MARGIN,
    RESTORING,
    STUDENT,
    by_compute,
    by_strength,
    label,
    main_level,
    noises,
    scores,
    tests,
)
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import LAMBDAS, METHODS, NAMES, NEEDS_CLEAN, TAPS, TUNED
from paperlib.report import NOTHING, Table, gain_text, text


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    images = f"{settings.images()} training images"
    return settings.caption([images, settings.schedule(), *settings.width_text(NAMES)])


def tuning(settings: Settings, dataset: str, found: Scores) -> Table:
    """Held-out accuracy by taps and lambda, of one seed: no interval; the best is bold."""
    rows = [[f"{taps}, λ = {value:g}"] for taps in TAPS for value in LAMBDAS]
    for name in TUNED:
        cells = [f"{name}/{taps}/{value:g}" for taps in TAPS for value in LAMBDAS]
        own = [found.estimate(cell, "validation_top1") for cell in cells]
        best = max((value.mean for value in own if value), default=None)
        for row, value in zip(rows, own, strict=True):
            mean = f"{value.mean:.2f}" if value else NOTHING
            row.append(f"**{mean}**" if value and value.mean == best else mean)
    noise = label(main_level(settings))
    title = f"Held-out accuracy (%), {noise}, {dataset}, one seed"
    return Table(title, ("taps, weight", *(METHODS[name] for name in TUNED)), rows)


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


def equivalent(settings: Settings, dataset: str, found: Scores) -> Table:
    """Whether SSDL is as good as STL: tested as equivalence, not as a missing difference."""
    own = tests(settings, found)
    rows = [(name, test.text(), f"{test.p:.3f}", test.verdict) for name, test in own.items()]
    rows = rows or [("SSDL against STL", NOTHING, NOTHING, "not tested")]
    title = f"SSDL against STL, {dataset}: two one-sided t tests, margin ± {MARGIN:g} point"
    return Table(title, ("", "difference [90 % interval] (seeds)", "p", "verdict"), rows)


def teachers(settings: Settings, dataset: str, found: Scores) -> Table:
    """Ablation: noisy teachers of other strengths or starts, and their students."""
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
    """The claims, each at every noise level and in the mean over them.

    They are relative, and judged by their direction: the slides' numbers are lost.
    """
    found, out = scores(settings, items), []
    for claim in read_claims("ssdl"):
        for noise, level in noises(settings).items():
            better, worse = (f"{cell}/{level}" for cell in claim.cells())
            gain = found.gain(better, worse, claim.metric)
            out.append(Verdict(claim, dataset, gain, judge(gain, 0.0, False), noise))
    return out


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """The verdicts as a table."""
    rows = [
        (v.claim.text, v.claim.source, v.condition, text(v.measured, sign=True), v.word)
        for v in verdicts(settings, dataset, items)
    ]
    headers = ("claim", "source", "noise", "ours", "verdict")
    return Table(f"Claims, measured on {dataset}: direction only", headers, rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies`: by data set what `ssdl.study` returned."""
    out = []
    for dataset, items in studies.items():
        found = scores(settings, items)
        if items["detection"]:
            out.append(detection(settings, dataset, found))
            continue
        out += [part(settings, dataset, found) for part in (tuning, main)]
        out += gains(settings, dataset, found)
        out += [part(settings, dataset, found) for part in (equivalent, psnr, teachers)]
        out += [schedules(settings, dataset, found)] if items["schedules"] else []
        out.append(claims(settings, dataset, items))
    return out
