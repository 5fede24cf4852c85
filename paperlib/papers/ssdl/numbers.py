"""What the tables and figures of simple self-distillation are made of: scores and curves."""

import itertools

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.looks import Interval
from paperlib.evidence.scores import Items, Scores
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import METHODS, PAIR, TAPS, TUNED

Curves = dict[str, dict[float, Estimate]]  # line -> place -> value
Gains = dict[str, dict[float, Interval]]


def label(level: str) -> str:
    """A noise level in words."""
    kind, _, sigma = level.partition("-")
    return f"Gaussian, σ = {sigma}" if kind == "gaussian" else "Poisson–Gaussian"


def main_level(settings: Settings) -> str:
    """The noise level of tuning and ablations."""
    return settings.levels[0]


def measured(settings: Settings, found: Scores) -> list[str]:
    """The noise levels at which any method was tested."""
    return [x for x in settings.levels if any(found.values(f"{name}/{x}") for name in METHODS)]


def scores(items: Items) -> Scores:
    """All numbers."""
    return Scores.of(*items.values())


def curves(settings: Settings, found: Scores) -> tuple[Curves, Gains]:
    """Method -> sigma of the Gaussian noise (of 255) -> top-1; and gains over the noisy baseline.

    The floor has no gain here: it loses so much that nothing else could be seen.
    """
    sigmas = {float(level.partition("-")[2]): level for level in settings.levels if "-" in level}
    accuracy: Curves = {}
    gains: Gains = {}
    for name, text in METHODS.items():
        for sigma, level in sorted(sigmas.items()):
            if value := found.estimate(f"{name}/{level}"):
                accuracy.setdefault(text, {})[sigma] = value
            gain = found.interval(f"{name}/{level}", f"noisy/{level}")
            if gain and name not in ("noisy", "floor"):
                gains.setdefault(text, {})[sigma] = gain
    return accuracy, gains


def tuned(settings: Settings, found: Scores) -> dict[str, Curves]:
    """Taps -> method -> lambda -> held-out accuracy, where it is at least half of the best."""
    cells = list(itertools.product(TUNED, TAPS, settings.lambdas))
    values = [found.estimate(f"{n}/{taps}/{v:g}", "validation_top1") for n, taps, v in cells]
    least = 0.5 * max((value.mean for value in values if value), default=0.0)
    out: dict[str, Curves] = {}
    for (name, taps, lambda_), value in zip(cells, values, strict=True):
        if value and value.mean >= least:
            lines = out.setdefault(f"λ, taps: {taps}", {})
            lines.setdefault(METHODS[name], {})[lambda_] = value
    return out


# methods that make images, and the cells of what makes them
RESTORING = {"n2n": "denoiser", "joint": "joint"}


def restoring(found: Scores, level: str) -> dict[str, tuple[Estimate, Estimate]]:
    """Method that makes images -> PSNR in dB of what is classified, and top-1."""
    out = {}
    for name, denoiser in RESTORING.items():
        quality = found.estimate(f"{denoiser}/{level}", "psnr")
        accuracy = found.estimate(f"{name}/{level}")
        if quality and accuracy:
            out[METHODS[name]] = quality, accuracy
    return out


COMPARED = {  # what `similarity` compares with the clean teacher's features of clean images
    "other_noisy": "noisy teacher, noisy images (the claim)",
    "again_clean": "second clean teacher, clean images (ceiling)",
    "network_noisy": "clean teacher, noisy images",
    "other_clean": "noisy teacher, clean images",
    "untrained_clean": "untrained network, clean images",
}


def layers(found: Scores, level: str) -> dict[str, dict[str, Estimate]]:
    """Comparison -> layer, in order of depth -> linear CKA, under the noise of this level."""
    ckas = [metric for metric in found.metrics(level) if metric.startswith("cka@")]
    out: dict[str, dict[str, Estimate]] = {}
    for view, text in COMPARED.items():
        for metric in (metric for metric in ckas if metric.endswith(f"/{view}")):
            if value := found.estimate(level, metric):
                out.setdefault(text, {})[metric.removeprefix("cka@").partition("/")[0]] = value
    return out


BASELINE, STUDENT = "noisy baseline", "SSDL, its teacher included"


def by_compute(settings: Settings, found: Scores) -> dict[str, dict[float, str]]:
    """Measured cells of baseline and student by compute, in trainings of the baseline."""
    level = main_level(settings)
    cells = {
        BASELINE: {
            1 / PAIR: f"noisy/{1 / PAIR:.2g}",
            1: f"noisy/{level}",
            PAIR: f"noisy-long/{level}",
            PAIR**2: f"noisy/{PAIR**2:.2g}",
        },
        STUDENT: {1: f"ssdl/{1 / PAIR:.2g}", PAIR: f"ssdl/{level}", PAIR**2: f"ssdl/{PAIR:.2g}"},
    }
    return {
        line: {round(at, 2): cell for at, cell in own.items() if found.values(cell)}
        for line, own in cells.items()
    }


def by_strength(settings: Settings) -> dict[str, dict[float, str]]:
    """Cells of noisy teachers and of their students, by the teacher's share of the epochs."""
    out = {}
    for line, same in (("teacher", "noisy"), ("student", "ssdl")):
        cells = {round(share, 2): f"{line}/{share:.2g}" for share in settings.strengths}
        cells[1.0] = f"{same}/{main_level(settings)}"
        out[line] = dict(sorted(cells.items()))
    return out


def knobs(settings: Settings, found: Scores) -> dict[str, Curves]:
    """Knob -> line -> value -> top-1; of a knob that has one value there is nothing to draw."""
    panels = {
        "teacher's epochs, times the student's": by_strength(settings),
        "compute, times one training": by_compute(settings, found),
    }
    drawn = {
        knob: {
            line: {at: value for at, cell in cells.items() if (value := found.estimate(cell))}
            for line, cells in lines.items()
        }
        for knob, lines in panels.items()
    }
    return {
        knob: lines
        for knob, lines in drawn.items()
        if all(len(values) > 1 for values in lines.values())
    }
