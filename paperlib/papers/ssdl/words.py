"""Sentences of the chapter, made of the numbers that they speak of: they cannot contradict them."""

from collections.abc import Iterable

from paperlib.evidence.looks import Interval, interval
from paperlib.evidence.scores import Scores
from paperlib.papers.ssdl.numbers import label, main_level
from paperlib.papers.ssdl.profiles import Settings
from paperlib.papers.ssdl.study import METHODS

ENOUGH = 2.0  # points that twice the epochs may add where a network has learned


def difference(found: Scores, better: str, worse: str, metric: str = "top1") -> Interval | None:
    """Of two cells, paired by seed, with the interval of the looks; None without a common seed."""
    values = found.differences(better, worse, metric)
    return interval(values) if values else None


def in_numbers(value: Interval) -> str:
    """ "+1.23 [+0.40, +2.06] points, 5 seeds"; without ends where there are too few seeds."""
    ends = f" [{value.low:+.2f}, {value.high:+.2f}]" if value.n > 2 else ""
    return f"{value.mean:+.2f}{ends} points, {value.n} seed{'s' if value.n > 1 else ''}"


def against(value: Interval | None, what: str, other: str) -> str:
    """Whether `what` is ahead of `other`, as a sentence."""
    if value is None:
        return f"{what} has not been measured beside {other} yet."
    if value.low > 0:
        how = "is ahead of"
    elif value.high < 0:
        how = "is behind"
    else:
        how = "cannot be told from"
    return f"{what} {how} {other}: {in_numbers(value)}."


def bullets(sentences: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def longer(found: Scores) -> list[str]:
    """What twice the epochs add to the clean and to the noisy network, on held-out images."""
    names = {"clean": "the clean-trained network", "noisy": "the noisy baseline"}
    out = []
    for name, text in names.items():
        cells = f"setting/{name}/2", f"setting/{name}/1"
        value = difference(found, *cells, "validation_top1")
        if value is None:
            out.append(f"Twice the epochs: {text} has not been measured so yet.")
            continue
        few = abs(value.mean) < ENOUGH
        verdict = f"{'less' if few else 'not less'} than the {ENOUGH:g} points that we allow"
        out.append(f"Twice the epochs change {text} by {in_numbers(value)}: {verdict}.")
    return out


def room(settings: Settings, found: Scores) -> list[str]:
    """How far apart floor, baseline and ceiling are."""
    level = main_level(settings)
    cells = {
        "trained and tested on clean images": "ceiling/clean",
        "trained and tested on noisy ones": f"noisy/{level}",
        "trained on clean and tested on noisy ones": f"floor/{level}",
    }
    found_cells = {text: found.estimate(cell) for text, cell in cells.items()}
    parts = [f"{value.mean:.1f} % {text}" for text, value in found_cells.items() if value]
    if not parts:
        return []
    return [f"Under {label(level)}, the network has {', '.join(parts)}: that is the room."]


def compute(settings: Settings, found: Scores) -> str:
    """SSDL beside the baseline that trains for as long as teacher and student together."""
    return bullets(
        against(
            difference(found, f"ssdl/{level}", f"noisy-long/{level}"),
            f"{label(level)}: SSDL, its teacher included,",
            "the noisy baseline that trains as long",
        )
        for level in settings.levels
    )


def restored(settings: Settings, found: Scores) -> str:
    """Methods with a denoiser beside the noisy baseline, which has none."""
    level = main_level(settings)
    return bullets(
        against(
            difference(found, f"{name}/{level}", f"noisy/{level}"),
            f"{METHODS[name][0].upper()}{METHODS[name][1:]},",
            "the noisy baseline",
        )
        for name in ("n2n", "joint")
    )
