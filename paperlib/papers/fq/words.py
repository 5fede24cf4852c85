"""Sentences of the chapter, made of the numbers that they speak of: they cannot contradict them."""

import math
from collections.abc import Iterable, Sequence

from paperlib.evidence.looks import LOOKS, width
from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import (
    DECIDED,
    HOLDS,
    NO_EFFECT,
    NOT_TESTABLE,
    NOT_TESTED,
    REVERSED,
    VERDICTS,
    Verdict,
)
from paperlib.papers.fq.moments import LAYERS
from paperlib.papers.fq.numbers import DETECTED, strengths
from paperlib.papers.fq.study import DISTORTIONS, MIXED
from paperlib.papers.fq.tables import VARIANTS
from paperlib.report import Markdown
from paperlib.sentences import NOTHING_YET, listed, shown

FINDINGS = {  # of the two headline claims about a network and its non-linearity, if they agree
    HOLDS: "**{} helps against noise**, as the paper says",
    NO_EFFECT: "**{} does nothing against noise** here",
    REVERSED: "**{} costs accuracy under noise** here",
    NOT_TESTABLE: "Whether {} helps against noise **cannot be tested here**",
}


def calibration(found: Scores) -> Markdown:
    """Which distortions cost our base network as much as the paper's, and which do not."""
    own = strengths(found)
    if not own:
        return NOTHING_YET
    reached = [DISTORTIONS[name] for name, one in own.items() if one.reached]
    says = f"Of {len(own)} distortions, {len(reached)} cost our base network what they cost the"
    parts = [f"{says} paper's: {listed(reached) or 'none'}."]
    for name, one in own.items():
        if not one.reached:
            parts.append(
                f"**{DISTORTIONS[name]} does not**: at its strongest it leaves {one.kept:.2f} of "
                f"the accuracy, where {one.asked:.2f} were asked for. What the paper says of it is "
                f"*{NOT_TESTABLE}*."
            )
    return Markdown(" ".join(parts))


def spread(verdicts: Iterable[Verdict]) -> Markdown:
    """What the spread over seeds would let the headline claims' last look tell."""
    most = LOOKS[-1]
    told = [
        f"- {v.claim.text}: the gain varies by {own.sd:.1f} points, so {most} seeds leave "
        f"±{width(most) * own.sd:.1f}; the paper's gain is {v.claim.points:+.1f}, and the margin "
        f"±{v.claim.margin:.1f}."
        for v in verdicts
        if v.claim.headline and (own := v.measured) and math.isfinite(own.half)
    ]
    if not told:
        return NOTHING_YET
    return Markdown("From seed to seed (standard deviation):\n\n" + "\n".join(told))


def moments(found: Scores) -> Markdown:
    """What renormalising takes away, and what it leaves."""
    layers = LAYERS.split(",")
    before, after, skewness = (
        [value.mean for layer in layers if (value := found.estimate(MIXED, f"{layer}/{name}"))]
        for name in ("mean_median", "mean_renormalised", "skewness_median")
    )
    if not before or not after or not skewness:
        return NOTHING_YET
    taken = sum(late < early for early, late in zip(before, after, strict=True))
    return Markdown(
        f"A batch norm with statistics of the distorted images makes the mean's shift smaller in "
        f"{taken} of {len(before)} layers, and leaves {min(after):.2f} to {max(after):.2f} of a "
        f"deviation. The skewness keeps its shift, {min(skewness):.2f} to {max(skewness):.2f} in "
        "the median."
    )


def ablations(found: Scores) -> Markdown:
    """Which of the choices that the supplement leaves open make a difference."""
    told, alike = [], 0
    for cell, (name, other) in VARIANTS.items():
        value = found.interval(f"smallcnn/{cell}", f"smallcnn/{other}")
        if value and value.told:
            told.append(f"“{name}” ({shown(value)})")
        alike += value is not None and not value.told
    if not told and not alike:
        return NOTHING_YET
    if not told:
        return Markdown(f"None of {alike} variants is told from what it is compared with.")
    return Markdown(
        f"Of {len(told) + alike} variants, {len(told)} are told from what they are compared with: "
        f"{listed(told)}."
    )


def detected(found: Scores) -> Markdown:
    """What POW-1 does to a detector."""
    parts = []
    scenes = {"clean": "clean", "minor": "slightly distorted", "heavy": "heavily distorted"}
    for name, words in scenes.items():
        value = found.interval(f"detector/pow-1/{name}", f"detector/base/{name}", DETECTED)
        if value:
            how = "ahead of" if value.mean > 0 else "behind"
            says = f"is {how}" if value.told else "is not told from"
            parts.append(f"on {words} scenes it {says} the one without ({shown(value)})")
    return Markdown(f"With POW-1, {'; '.join(parts)}.") if parts else NOTHING_YET


def conclusion(verdicts: Sequence[Verdict], curves: Iterable[Curve] = ()) -> Markdown:
    """What the chapter ends with.

    Args:
        verdicts: on all claims, on all data sets.
        curves: the headline claims' effects by number of images.
    """
    told = [*_noise(verdicts), _others(verdicts), _scales(curves)]
    return Markdown("\n\n".join(part for part in told if part)) or NOTHING_YET


def _noise(verdicts: Iterable[Verdict]) -> list[str]:
    """What each of the two non-linearities does against noise."""
    by_model: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.claim.headline and verdict.word != NOT_TESTED:
            what = verdict.claim.text.partition(" under ")[0].replace(" helps ", " on ")
            by_model.setdefault(what, []).append(verdict)
    parts = []
    for what, own in by_model.items():
        words = {verdict.word for verdict in own}
        if len(words) == 1 and words <= set(FINDINGS):
            says = FINDINGS[own[0].word].format(what)
        elif words <= set(DECIDED):
            says = f"{what}: the two kinds of noise differ"
        else:
            says = f"Whether {what} helps against noise is **not decided** for both kinds"
        effects = (
            f"{v.claim.text.partition(' under ')[2]} {shown(v.measured)} (paper: "
            f"{v.claim.points:+.1f}; {v.word})"
            for v in own
            if v.measured
        )
        parts.append(f"{says}: {'; '.join(effects)}.")
    return parts


def _others(verdicts: Iterable[Verdict]) -> str:
    """A count of what came of the other claims."""
    words = [v.word for v in verdicts if not v.claim.headline]
    counts = [f"{words.count(word)} “{word}”" for word in VERDICTS if word in words]
    return f"**Of the {len(words)} other claims**: {', '.join(counts)}." if counts else ""


def _scales(curves: Iterable[Curve]) -> str:
    """What becomes of the headline claims' effects."""
    trends = [curve.trend for curve in curves]
    told = [f"{trends.count(trend)} “{trend}”" for trend in dict.fromkeys(trends)]
    if not told:
        return ""
    effects = "effect" if len(trends) == 1 else "effects"
    return f"**From few images to many**, of {len(trends)} {effects}: {', '.join(told)}."
