"""What the tables and figures of simple self-distillation are made of: gains paired by seed,
curves, tests."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from paperlib.evidence.equivalence import Equivalence, tost
from paperlib.evidence.estimates import Estimate, differences, top1
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import LEVELS, METHODS, PAIR, STRENGTHS, Study
from paperlib.runs import Record

Items = Mapping[str, Mapping[str, list[Record]]]
Curves = dict[str, dict[float, Estimate]]  # line -> place -> value
# points within which two methods are called equivalent; a choice of ours, stated with every verdict
MARGIN = 1.0
LABELS = {"poisson_gaussian": "Poisson–Gaussian"}


def label(level: str) -> str:
    """A noise level in words."""
    return LABELS.get(level) or f"Gaussian, σ = {level.partition('-')[2]}"


def noises(settings: Settings) -> dict[str, tuple[str, ...]]:
    """What is compared, in words, and its levels: every level, and the mean over them, which has
    the most power."""
    levels = LEVELS[settings.profile]
    out: dict[str, tuple[str, ...]] = {label(level): (level,) for level in levels}
    return {**out, "mean": levels} if len(levels) > 1 else out


def gain(items: Items, name: str, base: str, levels: Sequence[str]) -> Estimate | None:
    """The gain of a method over another one, paired by seed, the mean over levels; None without
    records."""
    found = _differences(items, name, base, levels)
    return Estimate.of(found) if found else None


def _differences(items: Items, name: str, base: str, levels: Sequence[str]) -> list[float]:
    """Differences of accuracy by seed, each the mean over levels; none unless all levels have as
    many."""
    cells = items["main"]
    own = [
        differences(cells.get(f"{name}/{level}", []), cells.get(f"{base}/{level}", []))
        for level in levels
    ]
    return (
        [fmean(values) for values in zip(*own, strict=True)]
        if len({len(values) for values in own}) == 1
        else []
    )


def curves(settings: Settings, items: Items) -> tuple[Curves, Curves]:
    """Method -> strength of the Gaussian noise (levels of 255) -> accuracy, and gain over the noisy
    baseline.

    The floor has no gain here: it loses so much that nothing else could be seen.
    """
    levels = {
        float(level.partition("-")[2]): level for level in LEVELS[settings.profile] if "-" in level
    }
    accuracy: Curves = {}
    gains: Curves = {}
    for name, text in METHODS.items():
        for sigma, level in sorted(levels.items()):
            value, gained = (
                top1(items["main"].get(f"{name}/{level}", [])),
                gain(items, name, "noisy", (level,)),
            )
            if value:
                accuracy.setdefault(text, {})[sigma] = value
            if gained and name not in ("noisy", "floor"):
                gains.setdefault(text, {})[sigma] = gained
    return accuracy, gains


def tuned(items: Items) -> dict[str, Curves]:
    """Taps -> method -> lambda -> held-out accuracy, of what comes to half of the best and more."""
    found = {
        cell: Estimate.of([record.metrics["validation_top1"] for record in records])
        for cell, records in items["tuning"].items()
        if records
    }
    least = 0.5 * max((value.mean for value in found.values()), default=0.0)
    out: dict[str, Curves] = {}
    for cell, value in found.items():
        name, taps, lambda_ = cell.split("/")
        if value.mean >= least:
            out.setdefault(f"λ, taps: {taps}", {}).setdefault(METHODS[name], {})[float(lambda_)] = (
                value
            )
    return out


# methods that make images, and the cells of what makes them
RESTORING = {"n2n": "denoiser", "joint": "joint"}


def restoring(items: Items, level: str) -> dict[str, tuple[Estimate, Estimate]]:
    """Method -> PSNR in dB of what is classified, and accuracy, of the methods that make images."""
    out = {}
    for name, denoiser in RESTORING.items():
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


COMPARED = {  # what `similarity` compares with the clean teacher's features of clean images
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


BASELINE, STUDENT = "noisy baseline", "SSDL, its teacher included"


def by_compute(
    settings: Settings, dataset: str, items: Items
) -> dict[str, dict[float, list[Record]]]:
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
    return {
        name: {round(at, 2): own for at, own in cell.items() if own} for name, cell in cells.items()
    }


def by_strength(
    settings: Settings, dataset: str, items: Items
) -> dict[str, dict[float, list[Record]]]:
    """Records of noisy teachers, and of their students, by the teacher's epochs, times the
    student's."""
    level = Study(settings, dataset).level
    out: dict[str, dict[float, list[Record]]] = {}
    for line, same in (("teacher", "noisy"), ("student", "ssdl")):
        cells = {
            round(share, 2): items["teachers"].get(f"{line}/{share:.2g}", []) for share in STRENGTHS
        }
        cells[1.0] = items["main"].get(f"{same}/{level}", [])
        out[line] = dict(sorted(cells.items()))
    return out


def knobs(settings: Settings, dataset: str, items: Items) -> dict[str, Curves]:
    """Knob -> line -> value -> accuracy: teachers of different strength and their students, and the
    same compute."""
    panels = {"teacher's epochs, times the student's": by_strength(settings, dataset, items)}
    if items["schedules"]:
        panels["compute, times one training"] = by_compute(settings, dataset, items)
    return {
        knob: {
            line: {at: value for at, own in cells.items() if (value := top1(own))}
            for line, cells in lines.items()
        }
        for knob, lines in panels.items()
    }
