"""The tables of simple self-distillation, made of the records that `ssdl.study` returns."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from paperlib.equivalence import Equivalence, tost
from paperlib.experiments.settings import Settings
from paperlib.experiments.ssdl import (
    LAMBDAS,
    LEVELS,
    METHODS,
    NAMES,
    NEEDS_CLEAN,
    PAIR,
    STRENGTHS,
    TAPS,
    TUNED,
    Study,
    choose_options,
)
from paperlib.report import Estimate, Table, as_top1, differences, effect, gain_text, judge, read_csv, top1
from paperlib.runs import Record

Items = Mapping[str, Mapping[str, list[Record]]]
MARGIN = 1.0  # points within which two methods are called equivalent; a choice of ours, stated with every verdict
LABELS = {"poisson_gaussian": "Poisson–Gaussian"}


def label(level: str) -> str:
    """A noise level in words."""
    return LABELS.get(level) or f"Gaussian, σ = {level.partition('-')[2]}"


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    epochs = f"{settings.recipe['epochs']} epoch{'s' if settings.recipe['epochs'] > 1 else ''}"
    return settings.described([f"{settings.images()} training images", epochs, *settings.narrowed(NAMES)])


def tuning(settings: Settings, dataset: str, items: Items) -> Table:
    """Held-out accuracy by taps and lambda; what is chosen is bold."""
    chosen, rows = choose_options(items["tuning"]), []
    for taps in TAPS:
        for value in LAMBDAS:
            row = [f"{taps}, λ = {value:g}"]
            for name in TUNED:
                records = items["tuning"].get(f"{name}/{taps}/{value:g}", [])
                text = f"{records[0].metrics['validation_top1']:.2f}" if records else "–"
                best = chosen.get(name) == {"taps": taps, "lambda_": value}
                row.append(f"**{text}**" if best else text)
            rows.append(row)
    title = f"Held-out accuracy (%), {label(Study(settings, dataset).level)}, {dataset}, one seed"
    return Table(title, ("taps, weight", *(METHODS[name] for name in TUNED)), rows)


def main(settings: Settings, dataset: str, items: Items) -> Table:
    """Accuracy of every method at every noise level."""
    levels = LEVELS[settings.profile]
    ceiling = top1(items["main"].get("ceiling/clean", []))
    rows = [("clean-trained, tested clean (ceiling)", "yes", *([ceiling.text() if ceiling else "–"] * len(levels)))]
    for name, text in METHODS.items():
        values = [top1(items["main"].get(f"{name}/{level}", [])) for level in levels]
        rows.append((text, "yes" if name in NEEDS_CLEAN else "no", *(v.text() if v else "–" for v in values)))
    headers = ("method", "clean images", *map(label, levels))
    return Table(f"Top-1 (%), {dataset}, {describe(settings)}", headers, rows)


def gains(settings: Settings, dataset: str, items: Items) -> list[Table]:
    """Gains over the noisy baseline, and over the one with the compute of teacher and student; paired by seed."""
    out, columns = [], noises(settings)
    for base in ("noisy", "noisy-long"):
        rows = []
        for name, text in METHODS.items():
            if name != base:
                rows.append((text, *(gain_text(gain(items, name, base, levels), 2) for levels in columns.values())))
        title = f"Gain over the {METHODS[base]} (points), {dataset}"
        out.append(Table(title, ("method", *columns), rows))
    return out


def noises(settings: Settings) -> dict[str, tuple[str, ...]]:
    """What is compared, in words, and its levels: every level, and the mean over them, which has the most power."""
    levels = LEVELS[settings.profile]
    out: dict[str, tuple[str, ...]] = {label(level): (level,) for level in levels}
    return {**out, "mean": levels} if len(levels) > 1 else out


def gain(items: Items, name: str, base: str, levels: Sequence[str]) -> Estimate | None:
    """The gain of a method over another one, paired by seed, the mean over levels; None without records."""
    found = _differences(items, name, base, levels)
    return Estimate.of(found) if found else None


def _differences(items: Items, name: str, base: str, levels: Sequence[str]) -> list[float]:
    """Differences of accuracy by seed, each the mean over levels; none unless all levels have as many."""
    cells = items["main"]
    own = [differences(cells.get(f"{name}/{level}", []), cells.get(f"{base}/{level}", [])) for level in levels]
    return [fmean(values) for values in zip(*own, strict=True)] if len({len(values) for values in own}) == 1 else []


def psnr(settings: Settings, dataset: str, items: Items) -> Table:
    """What the denoisers make of the images, beside what is recognised behind them."""
    rows = []
    for level in LEVELS[settings.profile]:
        noisy = _estimate(items["main"].get(f"denoiser/{level}", []), "psnr_noisy")
        rows.append((label(level), METHODS["noisy"], noisy, _estimate(items["main"].get(f"noisy/{level}", []), "top1")))
        for name, denoiser in (("n2n", "denoiser"), ("joint", "joint")):
            made = _estimate(items["main"].get(f"{denoiser}/{level}", []), "psnr")
            rows.append(
                (label(level), METHODS[name], made, _estimate(items["main"].get(f"{name}/{level}", []), "top1"))
            )
    headers = ("noise", "method", "PSNR of what is classified (dB)", "top-1 (%)")
    return Table(f"Image quality and recognition, {dataset}", headers, rows)


def _estimate(records: Sequence[Record], metric: str) -> str:
    values = [record.metrics[metric] for record in records]
    return Estimate.of(values).text() if values else "–"


COMPARED = {  # what `methods.similarity` compares with the clean teacher's features of clean images
    "other_noisy": "noisy teacher, noisy images (the claim)",
    "again_clean": "second clean teacher, clean images (ceiling)",
    "network_noisy": "clean teacher, noisy images",
    "other_clean": "noisy teacher, clean images",
    "untrained_clean": "untrained network, clean images",
}


def layers(records: Sequence[Record]) -> dict[str, dict[str, Estimate]]:
    """Comparison -> layer, in order of depth -> linear CKA."""
    out: dict[str, dict[str, Estimate]] = {}
    for name in records[0].metrics if records else ():
        layer, _, compared = name.removeprefix("cka@").partition("/")
        if name.startswith("cka@"):
            values = [record.metrics[name] for record in records]
            out.setdefault(COMPARED[compared], {})[layer] = Estimate.of(values)
    return {text: out[text] for text in COMPARED.values() if text in out}


def restoring(items: Items, level: str) -> dict[str, tuple[Estimate, Estimate]]:
    """Method -> PSNR in dB of what is classified, and accuracy, of the methods that make images."""
    out = {}
    for name, denoiser in (("n2n", "denoiser"), ("joint", "joint")):
        made, hits = (items["main"].get(f"{cell}/{level}", []) for cell in (denoiser, name))
        value = top1(hits)
        if made and value:
            out[METHODS[name]] = Estimate.of([record.metrics["psnr"] for record in made]), value
    return out


def tests(settings: Settings, items: Items) -> dict[str, Equivalence]:
    """Comparison -> test of equivalence of SSDL and STL."""
    out = {}
    for name in ("ssdl", "ssdl-independent"):
        for noise, levels in noises(settings).items():
            found = _differences(items, name, "stl", levels)
            if len(found) > 1:
                out[f"{METHODS[name]}, {noise}"] = tost(found, MARGIN)
    return out


def equivalent(settings: Settings, dataset: str, items: Items) -> Table:
    """Whether SSDL is as good as STL: tested as equivalence, not as a difference that was not found."""
    found = tests(settings, items)
    rows = [(name, test.text(), f"{test.p:.3f}", test.verdict) for name, test in found.items()]
    rows = rows or [("SSDL against STL", "–", "–", "not tested")]
    title = f"SSDL against STL, {dataset}: two one-sided t tests, margin ± {MARGIN:g} point"
    return Table(title, ("", "difference [90 % interval] (seeds)", "p", "verdict"), rows)


def teachers(settings: Settings, dataset: str, items: Items) -> Table:
    """Ablation: noisy teachers of other strengths, and their students."""
    level, rows = Study(settings, dataset).level, []
    for share in sorted((*STRENGTHS, 1.0)):
        cells = (f"teacher/{share:.2g}", f"student/{share:.2g}")
        own = [items["teachers"].get(cell, []) for cell in cells]
        if share == 1:
            own = [items["main"].get(f"{name}/{level}", []) for name in ("noisy", "ssdl")]
        gained = effect(own[1], own[0])
        values = [value.text() if (value := top1(records)) else "–" for records in own]
        rows.append((f"{share:.2g}", *values, gained.text(sign=True) if gained else "–"))
    headers = ("teacher's epochs, times the student's", "teacher", "student", "student over teacher")
    return Table(f"Noisy teachers of different strength, {label(level)}, {dataset}", headers, rows)


BASELINE, STUDENT = "noisy baseline", "SSDL, its teacher included"


def by_compute(settings: Settings, dataset: str, items: Items) -> dict[str, dict[float, list[Record]]]:
    """Records of baseline and student by compute, in trainings of the baseline under the recipe."""
    level, found, main = Study(settings, dataset).level, items["schedules"], items["main"]
    cells = {
        BASELINE: {
            1 / PAIR: found.get(f"noisy/{1 / PAIR:.2g}", []),
            1: main.get(f"noisy/{level}", []),
            PAIR: main.get(f"noisy-long/{level}", []),
            PAIR**2: found.get(f"noisy/{PAIR**2:.2g}", []),
        },
        STUDENT: {
            1: found.get(f"ssdl/{1 / PAIR:.2g}", []),
            PAIR: main.get(f"ssdl/{level}", []),
            PAIR**2: found.get(f"ssdl/{PAIR:.2g}", []),
        },
    }
    return {name: {round(at, 2): own for at, own in cell.items() if own} for name, cell in cells.items()}


def schedules(settings: Settings, dataset: str, items: Items) -> Table:
    """Ablation: the student and the baseline of the same compute, for shorter and longer schedules."""
    own, rows = by_compute(settings, dataset, items), []
    for compute, students in own[STUDENT].items():
        records = own[BASELINE].get(compute, [])
        base, student, gained = top1(records), top1(students), effect(students, records)
        if base and student and gained:
            rows.append((f"{compute:.2g}", base.text(), student.text(), gained.text(sign=True)))
    headers = ("compute, times one training", BASELINE, STUDENT, "student over baseline")
    return Table(f"The same compute, {label(Study(settings, dataset).level)}, {dataset}", headers, rows)


def detection(settings: Settings, dataset: str, items: Items) -> Table:
    """One more task: mean average precision on noisy scenes."""
    rows = []
    for name, text in (("noisy", "noisy baseline"), ("stl", "clean teacher"), ("ssdl", "SSDL, noisy teacher")):
        own = as_top1(items["detection"].get(f"detector/{name}", []), "map50")
        base = as_top1(items["detection"].get("detector/noisy", []), "map50")
        value, gained = top1(own), effect(own, base)
        over = gained.text(sign=True) if gained else "–"
        rows.append((text, value.text() if value else "–", "" if name == "noisy" else over))
    title = f"Detection on scenes with Gaussian noise, σ = 60: mean average precision at overlap 0.5 (%), {dataset}"
    return Table(title, ("", "mAP50", "over the baseline"), rows)


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """The relative claims, judged by their direction at each noise level: the slides' numbers are lost."""
    rows = []
    for claim in read_csv("ssdl", "claims"):
        for noise, levels in noises(settings).items():
            measured = gain(items, claim["better"], claim["worse"], levels)
            ours = measured.text(sign=True) if measured else "–"
            rows.append((claim["claim"], claim["source"], noise, ours, judge(measured, 0.0, False)))
    headers = ("claim", "source", "noise", "ours", "verdict")
    return Table(f"Claims, measured on {dataset}: direction only", headers, rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies` holds what `ssdl.study` returned, by data set."""
    out = []
    for dataset, items in studies.items():
        if items["detection"]:
            out.append(detection(settings, dataset, items))
            continue
        out += [tuning(settings, dataset, items), main(settings, dataset, items), *gains(settings, dataset, items)]
        out += [equivalent(settings, dataset, items), psnr(settings, dataset, items)]
        out += [teachers(settings, dataset, items)]
        out += [schedules(settings, dataset, items)] if items["schedules"] else []
        out += [claims(settings, dataset, items)]
    return out
