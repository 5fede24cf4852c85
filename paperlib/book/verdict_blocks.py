"""The blocks of the page on verdicts: every number on it is computed here.

The differences of the examples are invented, and the page says so; what is made of them is not.
"""

from collections.abc import Mapping

from paperlib.book.blocks import Blocks, pipe
from paperlib.evidence.claims import BETTER, Claim
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.looks import LOOKS, MOST, interval, nominal, width
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.simulation import decided, error_beyond
from paperlib.evidence.verdicts import PAPERS_SEEDS, Verdict, judge, judge_claims
from paperlib.report import NOTHING, effect_text, verdict_text

PATHS, SEED = 100_000, 1  # of simulations on the page
EFFECTS = (0.5, 1.0, 1.5, 2.0)  # in standard deviations over seeds
PAPER = 1.40  # points that the invented paper claims

# invented differences, in points, seed by seed
DIFFERENCES = (1.9, 1.2, 1.5, 0.1, 2.8, 0.4, 2.2, 1.0, 1.7, 0.6)
LATER = {
    "a second method is better": (1.5, 0.1, 2.1, 0.5, 1.9, -0.3, 1.4, 0.4, 1.7, 0.3),
    "it is better on clean images": (0.2, -0.3, 0.4, 0.1, -0.1, 0.3, -0.4, 0.2, 0.0, 0.1),
    "it is better in noise": (2.9, -2.1, 1.0, -1.8, 2.2, 0.3, -2.6, 1.9, -0.7, 1.0),
}
TITLE = "the method is better"


class _Setting:
    """A profile of this name."""

    deviates = ""

    def __init__(self, profile: str) -> None:
        self.profile = profile


def looks() -> str:
    """What an interval is at each look, and how often an effect is found by then."""
    rows = []
    by_effect = [decided(effect, PATHS, SEED) for effect in (0.0, *EFFECTS)]
    for i, n in enumerate(LOOKS):
        ordinary = Estimate.of(_spread(n)).half
        shares = (_percent(own[i]) for own in by_effect[1:])
        wrong = f"{100 * by_effect[0][i]:.1f} %"
        rows.append((f"{n}", f"{ordinary:.2f}", f"{width(n):.2f}", wrong, *shares))
    found = (f"effect of {effect:g} found" for effect in EFFECTS)
    return pipe(("seeds", "ordinary ±", "ours ±", "none: error so far", *found), rows)


def _percent(share: float) -> str:
    return "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def _spread(n: int) -> list[float]:
    """n values with a standard deviation of 1 and a mean of 0."""
    raw = [float(i) for i in range(n)]
    mean = sum(raw) / n
    sd = (sum((value - mean) ** 2 for value in raw) / (n - 1)) ** 0.5
    return [(value - mean) / sd for value in raw]


def level() -> str:
    """The level at each look, and the error of going on, in words."""
    going_on = f"{100 * error_beyond(MOST, 40_000, SEED):.0f} %"
    return (
        f"At each look the test has the level {nominal():.4f}. Whoever also looks after every seed "
        f"from {LOOKS[-1] + 1} to {MOST} errs in {going_on} of null effects, not in 5 %."
    )


def _claim(text: str, better: str, points: float | None, margin: float) -> Claim:
    own = ("data", "", better, "base", "top1", points, BETTER, margin, True, "")
    return Claim(*own, text, "invented")


def _scores(cells: Mapping[str, tuple[float, ...]], seeds: int) -> Scores:
    rows = [
        Score(cell, seed, "top1", value)
        for cell, values in cells.items()
        for seed, value in enumerate(values[:seeds])
    ]
    return Scores([*rows, *(Score("base", seed, "top1", 0.0) for seed in range(seeds))])


def _first(seeds: int, profile: str = "paper") -> Verdict:
    claim = _claim(TITLE, "method", PAPER, PAPER / 2)
    scores = _scores({"method": DIFFERENCES}, seeds)
    return judge(claim, scores, "data", _Setting(profile))


def example() -> str:
    """A claim after 3, 5 and 10 seeds: ordinary interval, ours, verdict."""
    rows = []
    for n in (1, *LOOKS[:3]):
        found = _first(n, "cpu")
        ordinary = Estimate.of(DIFFERENCES[:n])
        ends = f"[{ordinary.mean - ordinary.half:+.2f}, {ordinary.mean + ordinary.half:+.2f}]"
        rows.append(
            (f"{n}", ends if n > 1 else "–", effect_text(found.measured), verdict_text(found))
        )
    shown = ", ".join(f"{value:+.1f}" for value in DIFFERENCES)
    table = pipe(("seeds", "ordinary interval", "ours", "verdict"), rows)
    return f"Differences by seed: {shown}.\n\n{table}"


def prediction() -> str:
    """The prediction interval of the example, in words."""
    found, measured = _first(10), interval(DIFFERENCES)
    half = measured.prediction(PAPERS_SEEDS)
    ends = f"[{measured.mean - half:+.2f}, {measured.mean + half:+.2f}]"
    return (
        "Had the ten seeds of the example been run in the paper's own setting, the prediction "
        f"interval would be {ends}. The paper's number is {PAPER:+.2f}, so the verdict would read "
        f'"{verdict_text(found)}".'
    )


def holm() -> str:
    """Four headline claims of one paper, each with its p alone and by Holm."""
    values = {TITLE: DIFFERENCES, **LATER}
    cells = {f"cell{i}": own for i, own in enumerate(values.values())}
    claims = [_claim(text, cell, None, PAPER / 2) for text, cell in zip(values, cells, strict=True)]
    scores, setting = _scores(cells, 10), _Setting("cpu")
    alone = [judge(claim, scores, "data", setting) for claim in claims]
    together = judge_claims(claims, scores, "data", setting)
    rows = [
        (own.claim.text, effect_text(own.measured), _p(one.p), _p(own.p), own.word)
        for one, own in zip(alone, together, strict=True)
    ]
    return pipe(("claim", "ours", "p alone", "p by Holm", "verdict"), rows)


def _p(p: float | None) -> str:
    return NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


BLOCKS: Blocks = {
    "looks": looks,
    "level": level,
    "example": example,
    "prediction": prediction,
    "holm": holm,
}
