"""The tables of simple self-distillation, made of the records that `ssdl.study` returns."""

from collections.abc import Mapping, Sequence

from paperlib.evidence.claims import read_csv
from paperlib.evidence.estimates import Estimate, as_top1, effect, top1
from paperlib.evidence.verdicts import judge
from paperlib.papers.ssdl.numbers import (
    BASELINE,
    MARGIN,
    RESTORING,
    STUDENT,
    Items,
    by_compute,
    by_strength,
    gain,
    label,
    noises,
    tests,
)
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import (
    LAMBDAS,
    LEVELS,
    METHODS,
    NAMES,
    NEEDS_CLEAN,
    TAPS,
    TUNED,
    Study,
    choose_options,
)
from paperlib.report import Table, gain_text
from paperlib.runs import Record


def describe(settings: Settings) -> str:
    """The setting in words, for titles: what is reduced is said."""
    images = f"{settings.images()} training images"
    return settings.described([images, settings.schedule(), *settings.narrowed(NAMES)])


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
    rows = [
        (
            "clean-trained, tested clean (ceiling)",
            "yes",
            *([ceiling.text() if ceiling else "–"] * len(levels)),
        )
    ]
    for name, text in METHODS.items():
        values = [top1(items["main"].get(f"{name}/{level}", [])) for level in levels]
        rows.append(
            (
                text,
                "yes" if name in NEEDS_CLEAN else "no",
                *(v.text() if v else "–" for v in values),
            )
        )
    headers = ("method", "clean images", *map(label, levels))
    return Table(f"Top-1 (%), {dataset}, {describe(settings)}", headers, rows)


def gains(settings: Settings, dataset: str, items: Items) -> list[Table]:
    """Gains over the noisy baseline, and over the one with the compute of teacher and student;
    paired by seed."""
    out, columns = [], noises(settings)
    for base in ("noisy", "noisy-long"):
        rows = []
        for name, text in METHODS.items():
            if name != base:
                rows.append(
                    (
                        text,
                        *(
                            gain_text(gain(items, name, base, levels), 2)
                            for levels in columns.values()
                        ),
                    )
                )
        title = f"Gain over the {METHODS[base]} (points), {dataset}"
        out.append(Table(title, ("method", *columns), rows))
    return out


def psnr(settings: Settings, dataset: str, items: Items) -> Table:
    """What the denoisers make of the images, beside what is recognised behind them."""
    rows = []
    for level in LEVELS[settings.profile]:
        noisy = _estimate(items["main"].get(f"denoiser/{level}", []), "psnr_noisy")
        rows.append(
            (
                label(level),
                METHODS["noisy"],
                noisy,
                _estimate(items["main"].get(f"noisy/{level}", []), "top1"),
            )
        )
        for name, denoiser in RESTORING.items():
            made = _estimate(items["main"].get(f"{denoiser}/{level}", []), "psnr")
            rows.append(
                (
                    label(level),
                    METHODS[name],
                    made,
                    _estimate(items["main"].get(f"{name}/{level}", []), "top1"),
                )
            )
    headers = ("noise", "method", "PSNR of what is classified (dB)", "top-1 (%)")
    return Table(f"Image quality and recognition, {dataset}", headers, rows)


def _estimate(records: Sequence[Record], metric: str) -> str:
    values = [record.metrics[metric] for record in records]
    return Estimate.of(values).text() if values else "–"


def equivalent(settings: Settings, dataset: str, items: Items) -> Table:
    """Whether SSDL is as good as STL: tested as equivalence, not as a difference that was not
    found."""
    found = tests(settings, items)
    rows = [(name, test.text(), f"{test.p:.3f}", test.verdict) for name, test in found.items()]
    rows = rows or [("SSDL against STL", "–", "–", "not tested")]
    title = f"SSDL against STL, {dataset}: two one-sided t tests, margin ± {MARGIN:g} point"
    return Table(title, ("", "difference [90 % interval] (seeds)", "p", "verdict"), rows)


def teachers(settings: Settings, dataset: str, items: Items) -> Table:
    """Ablation: noisy teachers, which are baselines, of other strengths and from another start, and
    their students."""
    level, rows = Study(settings, dataset).level, []
    own = by_strength(settings, dataset, items)
    pairs = {
        f"{share:.2g}": [own["teacher"][share], own["student"][share]] for share in own["teacher"]
    }
    pairs["1, from another start"] = [own["teacher"][1], items["teachers"].get("student/apart", [])]
    for what, (base, student) in sorted(pairs.items()):
        gained = effect(student, base)
        values = [value.text() if (value := top1(records)) else "–" for records in (base, student)]
        rows.append((what, *values, gained.text(sign=True) if gained else "–"))
    headers = (
        "teacher's epochs, times the student's",
        "baseline of these epochs",
        "student",
        "student over baseline",
    )
    return Table(f"Noisy teachers of different strength, {label(level)}, {dataset}", headers, rows)


def schedules(settings: Settings, dataset: str, items: Items) -> Table:
    """Ablation: the student and the baseline of the same compute, for shorter and longer
    schedules."""
    own, rows = by_compute(settings, dataset, items), []
    for compute, students in own[STUDENT].items():
        records = own[BASELINE].get(compute, [])
        base, student, gained = top1(records), top1(students), effect(students, records)
        if base and student and gained:
            rows.append((f"{compute:.2g}", base.text(), student.text(), gained.text(sign=True)))
    headers = ("compute, times one training", BASELINE, STUDENT, "student over baseline")
    return Table(
        f"Baseline and student, {label(Study(settings, dataset).level)}, {dataset}", headers, rows
    )


def detection(settings: Settings, dataset: str, items: Items) -> Table:
    """One more task: mean average precision on noisy scenes."""
    rows = []
    for name, text in (
        ("noisy", "noisy baseline"),
        ("stl", "clean teacher"),
        ("ssdl", "SSDL, noisy teacher"),
    ):
        own = as_top1(items["detection"].get(f"detector/{name}", []), "map50")
        base = as_top1(items["detection"].get("detector/noisy", []), "map50")
        value, gained = top1(own), effect(own, base)
        over = gained.text(sign=True) if gained else "–"
        rows.append((text, value.text() if value else "–", "" if name == "noisy" else over))
    title = f"Detection on scenes with Gaussian noise, σ = 60: mean average precision at overlap 0.5 (%), {dataset}"
    return Table(title, ("", "mAP50", "over the baseline"), rows)


def claims(settings: Settings, dataset: str, items: Items) -> Table:
    """The relative claims, judged by their direction at each noise level: the slides' numbers are
    lost."""
    rows = []
    for claim in read_csv("ssdl", "claims"):
        for noise, levels in noises(settings).items():
            measured = gain(items, claim["better"], claim["worse"], levels)
            ours = measured.text(sign=True) if measured else "–"
            rows.append((claim["claim"], claim["source"], noise, ours, judge(measured, 0.0, False)))
    headers = ("claim", "source", "noise", "ours", "verdict")
    return Table(f"Claims, measured on {dataset}: direction only", headers, rows)


def tables(settings: Settings, studies: Mapping[str, Items]) -> list[Table]:
    """All tables in the chapter's order. `studies` holds what `ssdl.study` returned, by data
    set."""
    out = []
    for dataset, items in studies.items():
        if items["detection"]:
            out.append(detection(settings, dataset, items))
            continue
        out += [
            tuning(settings, dataset, items),
            main(settings, dataset, items),
            *gains(settings, dataset, items),
        ]
        out += [equivalent(settings, dataset, items), psnr(settings, dataset, items)]
        out += [teachers(settings, dataset, items)]
        out += [schedules(settings, dataset, items)] if items["schedules"] else []
        out += [claims(settings, dataset, items)]
    return out
