"""What the chapter says of its own numbers: every sentence is chosen by them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import (
    DECIDED,
    HOLDS,
    NO_EFFECT,
    NOT_TESTABLE,
    NOT_TESTED,
    REVERSED,
    Verdict,
)
from paperlib.papers.sfd.numbers import ERROR, SEVEREST, is_inert, taken, takes
from paperlib.papers.sfd.profiles import CODE, Settings
from paperlib.papers.sfd.study import ARMS, MODELS, NAMES, SEVERITIES, seen_at
from paperlib.report import Markdown
from paperlib.sentences import NOTHING_YET

COMPARED = ("hq", "seen", "unseen")  # metrics of the gain over cross-entropy
FIT = 2.0  # error squared over theta squared where the loss is least
# Of error squared over theta squared: a factor of two to both sides still counts as fitting.
FITTING = (FIT / 2, FIT * 2)
RANKED = 0.3  # a rank correlation from which theta is said to tell large errors from small ones


def theta(found: Scores) -> Markdown:
    """Whether theta moves with severity, ranks errors, and has their size."""
    return Markdown(" ".join(_theta(found))) or NOTHING_YET


def _theta(found: Scores) -> list[str]:
    modes, ranks, sizes = (
        [own.mean for s in SEVERITIES if (own := found.estimate(seen_at("sfd", s), metric))]
        for metric in ("theta_mode", "spearman_live", "calibration_live")
    )
    if not len(modes) == len(ranks) == len(sizes) == len(SEVERITIES):
        return []
    rising = sorted(modes) == modes and modes[0] < modes[-1]
    moves = "moves to the right" if rising else "does **not** move to the right"
    at = _listed(SEVERITIES, "{}")
    ranked = "tells large errors from small ones" if min(ranks) >= RANKED else "hardly ranks errors"
    low, high = FITTING
    if all(low <= size <= high for size in sizes):
        fits = "so θ has the size of the errors"
    elif max(sizes) > high:
        fits = "so θ is too sure of itself where that is far above"
    else:
        fits = "so θ is larger than the errors are"
    return [
        f"The mode of θ {moves} with severity ({_listed(modes, '{:.2f}')} at {at}).",
        f"θ {ranked}: its rank correlation with them is {_listed(ranks, '{:.2f}')}.",
        f"The squared error is {_listed(sizes, '{:.1f}')} times θ²; the loss is least at {FIT:g}, "
        f"{fits}.",
    ]


def weights(settings: Settings) -> Markdown:
    """Which lambda each arm has."""
    own = {name: settings.weight(name) for name in ARMS}
    if set(own.values()) == {CODE}:
        return Markdown(f"Here λ is {CODE:g} in all arms, as in the released code.")
    listed = " and ".join(f"{value:g} for {MODELS[name]}" for name, value in own.items())
    return Markdown(
        f"The released code has λ = {CODE:g}. Here each arm has **its own**, chosen on training "
        f"images that were kept out: {listed}. The uncertainty divides the error by a small number,"
        " so that with the same λ it would be a stronger distillation, not only a wiser one."
    )


def tuning(settings: Settings, found: Scores) -> Markdown:
    """Whether the lambdas that were chosen are the best of the table."""
    parts = []
    for name, values in settings.tried.items():
        own = f"lambda/{name}/{settings.weight(name):g}"
        others = [o for value in values if (o := f"lambda/{name}/{value:g}") != own]
        gains = {o: found.gain(own, o, "validation_top1") for o in others}
        if not all(gains.values()):
            continue
        better = [o.rpartition("/")[2] for o, gain in gains.items() if gain and gain.mean < 0]
        which = (
            f"λ = {' and '.join(better)} did better in the mean" if better else "no λ did better"
        )
        parts.append(f"for {MODELS[name]} {which} than {settings.weight(name):g}")
    return Markdown(f"On these images, {'; '.join(parts)}.") if parts else NOTHING_YET


def inert(found: Scores) -> Markdown:
    """Whether the distillation brings clean and degraded features together, and which does more."""
    parts = []
    for name in ARMS:
        part = taken(found, name)
        if part is None:
            return NOTHING_YET
        kind = ": it is **inert**, and no claim about it is testable here" if is_inert(part) else ""
        parts.append(f"- {MODELS[name]} {takes(part)}{kind}.")
    return Markdown("\n".join([f"Under seen corruptions of severity {SEVEREST}:", "", *parts]))


def features(found: Scores) -> Markdown:
    """Which features are nearest to those of clean images, and which are best told apart."""
    errors, hits = (
        {
            name: estimate.mean
            for name in MODELS
            if (estimate := found.estimate(seen_at(name, SEVEREST), metric))
        }
        for metric in (ERROR, "at_own")
    )
    if len(errors) < 2:
        return NOTHING_YET
    least, most = min(errors, key=errors.__getitem__), max(hits, key=hits.__getitem__)
    parts = [f"The least error has {MODELS[least]} ({errors[least]:.3f})"]
    parts.append(
        f"the most features near their own class's mean {MODELS[most]} ({hits[most]:.1f} %)"
    )
    return Markdown(f"{', '.join(parts)}.")


def untested(verdicts: Iterable[Verdict]) -> Markdown:
    """How many claims were not measured, by the poster's network."""
    counts = Counter(v.claim.network for v in verdicts if v.word == NOT_TESTED)
    if not counts:
        return Markdown("All of the poster's claims were measured.")
    listed = ", ".join(f"{count} about {NAMES[network]}" for network, count in counts.items())
    return Markdown(f"Not measured, and so not in this table: {listed}.")


def conclusion(
    settings: Settings, found: Scores, verdicts: Sequence[Verdict], curves: Iterable[Curve] = ()
) -> Markdown:
    """What the chapter ends with.

    Args:
        settings: of what was measured.
        found: all numbers on the first data set.
        verdicts: on all claims there.
        curves: the headline claims' effects by number of images.
    """
    headlines = [verdict for verdict in verdicts if verdict.claim.headline]
    parts = [_corruptions(headlines), _uncertainty(headlines)]
    parts += [_over_cross_entropy(found, settings.networks[0]), " ".join(_theta(found))]
    parts += [f"{curve.claim.text}: {curve.text()}." for curve in curves]
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
    if NOT_TESTABLE in words:
        (why, *_) = (verdict.why for verdict in own if verdict.word == NOT_TESTABLE)
        return f"What the uncertainty is worth **cannot be tested here**: {why}."
    if words == {HOLDS}:
        says = "**The uncertainty earns its place**: it beats the plain squared error"
    elif words == {NO_EFFECT}:
        says = (
            "**The uncertainty adds nothing to the plain squared error**, within half the poster's"
        )
        says += " effect"
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


def _over_cross_entropy(found: Scores, network: str) -> str:
    """What each distillation adds to training on the same images."""
    parts = []
    for name in ARMS:
        gains = found.gains(f"{network}/{name}", f"{network}/ce", COMPARED)
        if not gains:
            continue
        seen = gains["seen"]
        says = "**helps**" if seen.mean > 0 else "**harms**"
        says = "is **not told from 0**" if seen.contains(0) else says
        listed = ", ".join(f"{gain.text(sign=True)} {metric}" for metric, gain in gains.items())
        parts.append(f"{MODELS[name]} {says} ({listed})")
    if not parts:
        return ""
    return (
        "Against cross-entropy on the same images, the row that the poster lacks, under seen "
        f"corruptions {', and '.join(parts)}, in points."
    )


def _listed(values: Iterable[float], form: str) -> str:
    return ", ".join(form.format(value) for value in values)
