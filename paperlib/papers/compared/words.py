"""What to use when, in sentences made of the numbers: they cannot contradict them."""

from collections.abc import Mapping
from typing import NamedTuple

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Scores
from paperlib.papers.compared.study import CLEAN_ONLY, DEGRADATIONS, METHODS
from paperlib.papers.compared.tables import FAIR
from paperlib.report import Markdown

NOTHING_YET = "Not measured in this setting."
LEAST = 3  # seeds, of which anything is said


class Situation(NamedTuple):
    """What one has to learn from."""

    given: str
    method: str  # that can use it
    other: str  # the simplest thing at hand


SITUATIONS = (
    Situation("clean images and labels only", "fq", "fq-base"),
    Situation("a trained network, clean and degraded images, no labels", "ddp", "vanilla"),
    Situation("degraded images and labels, no clean image", "ssdl", FAIR),
    Situation("both, and labels, and the degraded ones matter", "dfd", FAIR),
    Situation("both, and labels, and one network for both", "sfd", "both"),
)
LEFT = {"fq-base": "a plain network", "vanilla": "the network as it is"}


def advice(found: Scores) -> Markdown:
    """What to use, by what one has: a method only where it is ahead of the simplest thing."""
    return Markdown("\n".join(f"- {_advised(case, found)}" for case in SITUATIONS))


def _advised(case: Situation, found: Scores) -> str:
    start = f"**You have {case.given}.**"
    pairs = {
        label: found.gain(f"{case.method}/{name}", f"{case.other}/{name}")
        for name, label in DEGRADATIONS.items()
    }
    known = {label: gain for label, gain in pairs.items() if gain and gain.n >= LEAST}
    methods = f"*{METHODS[case.method]}* beside *{METHODS[case.other]}*"
    if not known:
        seeds = "Measured with too few seeds" if any(pairs.values()) else "Not measured"
        return f"{start} {seeds}: {methods}."
    parts = []
    for sign, said in {1: "ahead under", -1: "behind under", 0: "not told apart under"}.items():
        own = [label for label, gain in known.items() if gain.told == sign]
        if own:
            shown = (f"{label} ({known[label].number(sign=True)})" for label in own)
            parts.append(f"{said} {', '.join(shown)}")
    return f"{start} {_use(case, known)} In points, {methods}: {'; '.join(parts)}."


def _use(case: Situation, known: Mapping[str, Estimate]) -> str:
    simple = LEFT.get(case.other, METHODS[case.other])
    ahead = [label for label, gain in known.items() if gain.told > 0]
    if len(ahead) == len(known):
        return f"Use {case.method}."
    if ahead:
        return f"Use {case.method} against {' and '.join(ahead)}, else {simple}."
    if any(gain.told < 0 for gain in known.values()):
        return f"Use {simple}."
    return f"Use {simple}: these seeds do not show that more is worth it."


def findings(found: Scores) -> Markdown:
    """Under each degradation the best method, and what it costs on clean images."""
    own = [f"- {text}" for name in DEGRADATIONS if (text := _finding(name, found))]
    return Markdown("\n".join(own) or NOTHING_YET)


def _finding(name: str, found: Scores) -> str:
    cells = {method: f"{method}/{name}" for method in METHODS}
    values = {method: found.estimate(cell) for method, cell in cells.items()}
    means = {method: value.mean for method, value in values.items() if value and value.n >= LEAST}
    if FAIR not in means:
        return ""
    best, label = max(means, key=lambda method: means[method]), DEGRADATIONS[name]
    text = f"{label}: nothing has a higher mean than {METHODS[FAIR]}."
    gain = found.gain(cells[best], cells[FAIR])
    if best != FAIR and gain:
        how = "is ahead of" if gain.told > 0 else "is not told from"
        text = (
            f"{label}: of {len(means)} means the highest is that of {METHODS[best]}, which {how}"
            f" {METHODS[FAIR]}: {gain.number(sign=True)} over {gain.n} seeds."
        )
    clean = found.gain(cells[best], cells["vanilla"], "top1@none")
    if best not in CLEAN_ONLY and clean:
        gained = clean.number(sign=True)
        text += f" Beside training on clean images only, it gains {gained} on those."
    return text
