"""What the chapter says of its own numbers: every sentence is chosen by them."""

from collections.abc import Iterable, Mapping, Sequence

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import DECIDED, HOLDS, NO_EFFECT, REVERSED, Verdict
from paperlib.papers.sfd.study import SEVERITIES
from paperlib.report import Markdown

NOTHING_YET = Markdown("*Not measured yet.*")
FIT = 2.0  # error squared over theta squared where the loss is least
# Of error squared over theta squared: a factor of two to both sides still counts as fitting.
FITTING = (FIT / 2, FIT * 2)
RANKED = 0.3  # a rank correlation from which theta is said to tell large errors from small ones
ACTIVE = 0.1  # part of the error that a distillation must take away, not to be called inert


def theta(found: Scores) -> Markdown:
    """Whether theta moves with severity, ranks errors, and has their size."""
    modes = [found.estimate(f"sfd/{s}", "theta_mode") for s in SEVERITIES]
    ranks = [found.estimate(f"sfd/{s}", "spearman_live") for s in SEVERITIES]
    sizes = [found.estimate(f"sfd/{s}", "calibration_live") for s in SEVERITIES]
    if None in (*modes, *ranks, *sizes):
        return NOTHING_YET
    places, correlations, ratios = map(_means, (modes, ranks, sizes))
    rising = sorted(places) == places and places[0] < places[-1]
    moves = "moves to the right" if rising else "does **not** move to the right"
    listed = _listed(places, "{:.2f}")
    parts = [f"Here the mode {moves} with severity ({listed} at {_listed(SEVERITIES, '{}')})."]
    least = min(correlations)
    ranked = "tells large errors from small ones" if least >= RANKED else "hardly ranks errors"
    parts.append(
        f"θ {ranked}: its rank correlation with them is {_listed(correlations, '{:.2f}')}."
    )
    low, high = FITTING
    if all(low <= ratio <= high for ratio in ratios):
        fits = "so θ has the size of the errors"
    elif max(ratios) > high:
        fits = "so θ is too sure of itself where that is far above"
    else:
        fits = "so θ is larger than the errors are"
    parts.append(
        f"The squared error is {_listed(ratios, '{:.1f}')} times θ²; the loss is least at {FIT:g}, "
        f"{fits}."
    )
    return Markdown(" ".join(parts))


def inert(found: Scores) -> Markdown:
    """Whether the distillation brings clean and degraded features together, and which does more."""
    severest = max(SEVERITIES)
    errors = {
        name: found.estimate(f"{name}/{severest}", "relative_mse")
        for name in ("ce", "wo-uem", "sfd")
    }
    means = {name: error.mean for name, error in errors.items() if error}
    if len(means) < len(errors):
        return NOTHING_YET
    parts = []
    for name, label in (("wo-uem", "the plain squared error"), ("sfd", "the uncertain one")):
        taken = 1 - means[name] / means["ce"]
        how = f"takes away {100 * taken:.0f} %" if taken > 0 else f"adds {-100 * taken:.0f} %"
        kind = "" if taken >= ACTIVE else ": it is **inert**, and what follows cannot speak of it"
        parts.append(f"{label} {how} of the error that cross-entropy alone leaves{kind}")
    text = "; ".join(parts)
    return Markdown(f"At severity {severest}, {text}.")


def conclusion(
    verdicts: Sequence[Verdict], over_ce: Mapping[str, Estimate], curves: Iterable[Curve] = ()
) -> Markdown:
    """What the chapter ends with.

    Args:
        verdicts: on all claims.
        over_ce: metric -> what SFD gains over cross-entropy on the same images.
        curves: the headline claims' effects by number of images.
    """
    headlines = [verdict for verdict in verdicts if verdict.claim.headline]
    parts = [_corruptions(headlines), _uncertainty(headlines), _over_cross_entropy(over_ce)]
    parts += [f"{curve.claim.text}: {curve.text()}." for curve in curves if len(curve.points) > 1]
    told = [part for part in parts if part]
    return Markdown("\n\n".join(told)) if told else NOTHING_YET


def _corruptions(headlines: Iterable[Verdict]) -> str:
    """What training on corruptions is worth."""
    for verdict in headlines:
        if verdict.claim.worse == "vanilla" and verdict.measured:
            gained = f"{verdict.measured.text()} points under seen corruptions"
            if verdict.word == HOLDS:
                return f"**Training on corruptions works**: SFD gains {gained} over clean training."
            return f"SFD against clean training: {gained}, {verdict.word}."
    return ""


def _uncertainty(headlines: Iterable[Verdict]) -> str:
    """What the uncertainty is worth."""
    own = [v for v in headlines if v.claim.worse == "wo-uem" and v.measured]
    if not own:
        return ""
    words = {verdict.word for verdict in own}
    if words == {HOLDS}:
        says = "**The uncertainty earns its place**: it beats the plain squared error"
    elif words == {NO_EFFECT}:
        says = "**The uncertainty does nothing that the plain squared error does not do**"
    elif words == {REVERSED}:
        says = "**The uncertainty costs accuracy** against the plain squared error"
    elif words & set(DECIDED):
        says = "The uncertainty against the plain squared error, each with its own best weight"
    else:
        says = "Whether the uncertainty beats the plain squared error is **not decided** here"
    effects = (
        f"{v.measured.text()} points under {v.claim.metric} corruptions ({v.word})"
        for v in own
        if v.measured
    )
    return f"{says}: {', '.join(effects)}."


def _over_cross_entropy(gains: Mapping[str, Estimate]) -> str:
    """What distillation adds to training on the same images."""
    if not gains:
        return ""
    listed = ", ".join(f"{gain.text(sign=True)} {metric}" for metric, gain in gains.items())
    above = [metric for metric, gain in gains.items() if gain.mean > gain.half]
    below = [metric for metric, gain in gains.items() if gain.mean < -gain.half]
    if len(above) == len(gains):
        says = "Distillation adds to what cross-entropy on the same images gives"
    elif above or below:
        says = "Against cross-entropy on the same images the picture is mixed"
        if not above:
            says = "Distillation takes away from what cross-entropy on the same images gives"
    else:
        says = (
            "Against cross-entropy on the same images, the row that the poster lacks, no gain is "
            "told from 0"
        )
    return f"{says} (points: {listed})."


def _means(estimates: Iterable[Estimate | None]) -> list[float]:
    return [estimate.mean for estimate in estimates if estimate]


def _listed(values: Iterable[float], form: str) -> str:
    return ", ".join(form.format(value) for value in values)
