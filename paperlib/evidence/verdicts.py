"""What was measured of the papers' claims, and what it says of them."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Protocol

from paperlib.evidence.claims import AS_GOOD_AS, BETTER, SHAPE, Claim
from paperlib.evidence.looks import LEVEL, LOOKS, MOST, Interval, interval, seeds_needed, width
from paperlib.evidence.scores import LOWER_IS_BETTER, Scores

HOLDS, REVERSED, NO_EFFECT = "holds", "reversed", "no effect"
UNDECIDED, NOT_TESTABLE, NOT_TESTED = "undecided", "not testable here", "not tested"
VERDICTS = (HOLDS, REVERSED, NO_EFFECT, UNDECIDED, NOT_TESTABLE, NOT_TESTED)
DECIDED = (HOLDS, REVERSED, NO_EFFECT)
IN_SIZE, DIFFERS = "reproduced in size", "differs in size"
PAPERS_SEEDS = 1  # what a paper's number is taken for where it does not say


class Setting(Protocol):
    """What is asked of `study.Settings`."""

    @property
    def profile(self) -> str:
        """Its name; "paper" is the paper's own."""

    @property
    def deviates(self) -> str:
        """What "paper" does otherwise than printed, in words; "" if nothing."""


@dataclass(frozen=True)
class Verdict:
    """A claim and what came of it.

    Attributes:
        claim: the claim.
        dataset: what it was measured on.
        setting: the profile that it was measured under.
        network: which stood in for the claim's when it was measured; "" where none did.
        condition: what it was measured under, where one claim is judged under several; else "".
        word: one of `VERDICTS`.
        effect, low, high: our difference, above 0 in the claimed direction, and its interval, in
            points; of a shape the difference that decides. None where nothing was measured, the
            ends infinite with too few seeds.
        n: how many seeds that is, the first ones.
        p: the smallest level of error over all looks at which there would still be this word, or,
            undecided, the claimed one; for a headline claim by Holm. None without a measurement.
        size: in the paper's own setting `IN_SIZE` or `DIFFERS`; "" where sizes say nothing.
        room: the largest effect that the setting leaves, in points; None where nothing bounds it.
        reason: for the word, and the setting unless it is the paper's own.
        cells: the study's cells that it is measured on.
        needed: seeds at which it would probably be decided; None if it is, or never would be.
        deviates: what the profile "paper" does otherwise than printed.
    """

    claim: Claim
    dataset: str
    setting: str
    network: str = ""
    condition: str = ""
    word: str = NOT_TESTED
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    p: float | None = None
    size: str = ""
    room: float | None = None
    reason: str = ""
    cells: tuple[str, ...] = ()
    needed: int | None = None
    deviates: str = ""

    @property
    def own_setting(self) -> bool:
        """Whether data, recipe and network are the paper's."""
        own_recipe = self.setting == "paper" and not self.deviates
        return own_recipe and self.claim.dataset == self.dataset and not self.network

    @property
    def recipe(self) -> str:
        """The profile in words, see `recipe_text`."""
        return recipe_text(self.setting, self.deviates)

    @property
    def where(self) -> str:
        """The setting in words, e.g. "in the reduced setting `cpu` on cifar10"."""
        if self.own_setting:
            return "in the paper's setting"
        instead = f" with {self.network} for {self.claim.network}" if self.network else ""
        return f"{self.recipe} on {self.dataset}{instead}"

    @property
    def measured(self) -> Interval | None:
        """Effect and interval, for tables and drawings."""
        if self.effect is None or self.low is None or self.high is None:
            return None
        sd = (self.effect - self.low) / width(self.n) if self.n >= LOOKS[0] else math.nan
        return Interval(self.effect, self.low, self.high, self.n, sd)

    @property
    def why(self) -> str:
        """The reason without the setting."""
        return self.reason.removesuffix(_ending(self))


def recipe_text(profile: str, deviates: str = "") -> str:
    """A profile in words: "in the reduced setting `cpu`", or "by the paper's recipe"."""
    if profile != "paper":
        return f"in the reduced setting `{profile}`"
    return "by the paper's recipe" + (f" but for {deviates}" if deviates else "")


def judge_claims(
    claims: Iterable[Claim],
    scores: Scores,
    dataset: str,
    settings: Setting,
    *,
    about: str | Collection[str] | None = None,
    stands_for: Mapping[str, str] | None = None,
    cells: Mapping[str, Sequence[str]] | None = None,
    cannot: Callable[[Claim], str] | None = None,
) -> list[Verdict]:
    """Every claim about a data set, judged by what was measured on it or on another.

    On data that the paper does not use, each claim is judged once.

    Args:
        claims: a paper's.
        scores: what was measured on `dataset`.
        dataset: if claims are about another one, their sizes are not compared.
        settings: the profile's, which says whether the recipe is the paper's.
        about: the data sets whose claims are judged, one or several; by default `dataset`, or all
            if there are no claims about it. Claims that name no data are judged on any.
        stands_for: network of a claim -> ours in its place.
        cells: derived cell -> the study's cells that it is made of.
        cannot: why this setting cannot test a claim; "" if it can.
    """
    claims = list(claims)
    named = {about or dataset} if about is None or isinstance(about, str) else set(about)
    own = [claim for claim in claims if claim.dataset in named]
    own = own + [claim for claim in claims if not claim.dataset] if own else _once(claims)
    out = []
    for claim in own:
        network = (stands_for or {}).get(claim.network, claim.network)
        verdict = judge(claim, scores, dataset, settings, network, cannot(claim) if cannot else "")
        measured = (part for cell in verdict.cells for part in (cells or {}).get(cell, (cell,)))
        out.append(replace(verdict, cells=tuple(dict.fromkeys(measured))))
    return holm(out)


def _once(claims: list[Claim]) -> list[Claim]:
    """The first claim of each set of cells, metric and kind, whatever the data."""
    found: dict[tuple[str, ...], Claim] = {}
    for claim in claims:
        found.setdefault((*claim.cells(), claim.metric, claim.kind), claim)
    return list(found.values())


def judge(
    claim: Claim,
    scores: Scores,
    dataset: str,
    settings: Setting,
    network: str | None = None,
    cannot: str = "",
) -> Verdict:
    """One claim alone, before `holm`.

    Args:
        claim, scores, dataset, settings: see `judge_claims`.
        network: whose cells are compared; None stands for the claim's.
        cannot: why this setting cannot test it; "" if it can.
    """
    instead = "" if network in (None, claim.network) else str(network)
    better, *worse = claim.cells(network)
    bound = [claim.cell(claim.room, network)] if claim.room and claim.limit is None else []
    blank = Verdict(
        claim,
        dataset,
        settings.profile,
        instead,
        cells=(better, *worse, *bound),
        deviates=settings.deviates,
    )
    pairs = [scores.by_seed(better, cell, claim.metric) for cell in worse]
    seeds = sorted(set.intersection(*map(set, pairs)))  # those that all cells have
    found = [interval([pair[seed] for seed in seeds]) for pair in pairs if seeds]
    room = _room(claim, scores, worse, bound)
    if not found:
        word, why = (NOT_TESTABLE, cannot) if cannot else (NOT_TESTED, "nothing was measured")
        return _finished(replace(blank, word=word, room=room), why)
    shown, word, p, why = WEIGHING[claim.kind](claim, found)
    verdict = replace(blank, word=word, p=p, room=room, n=shown.n, effect=shown.mean)
    verdict = replace(verdict, low=shown.low, high=shown.high)
    lacking = room is not None and room < claim.margin and shown.n >= LOOKS[0]
    if cannot:
        verdict, why = replace(verdict, word=NOT_TESTABLE), cannot
    elif lacking and (word != HOLDS or claim.kind == AS_GOOD_AS):
        verdict = replace(verdict, word=NOT_TESTABLE)
        why = f"the room is {room:.2f} points, below the margin of {claim.margin:.2f}"
    return _finished(verdict, why)


Weighed = tuple[Interval, str, float, str]  # what is shown, the word, its p, and why


def _better(claim: Claim, found: Sequence[Interval]) -> Weighed:
    (own,) = found
    if (p := own.p()) < LEVEL:
        side = "above" if own.mean > 0 else "below"
        return own, HOLDS if own.mean > 0 else REVERSED, p, f"the interval is {side} 0"
    if (inside := _inside(own, claim.margin)) < LEVEL:
        return own, NO_EFFECT, inside, f"the interval lies within ±{claim.margin:.2f}"
    return own, UNDECIDED, p, f"the interval holds 0 and ends beyond ±{claim.margin:.2f}"


def _as_good_as(claim: Claim, found: Sequence[Interval]) -> Weighed:
    (own,) = found
    margin = f"±{claim.margin:.2f}"
    if (p := _inside(own, claim.margin)) < LEVEL:
        return own, HOLDS, p, f"the interval lies within {margin}"
    nearer = math.copysign(claim.margin, own.mean)
    if abs(own.mean) > claim.margin and (beyond := own.p(nearer)) < LEVEL:
        return own, REVERSED, beyond, f"the interval lies beyond {margin}"
    return own, UNDECIDED, p, f"the interval reaches across {margin}"


def _shape(claim: Claim, found: Sequence[Interval]) -> Weighed:
    """Holds if all hold, so the weakest decides. Reversed if any is, so all of them are looked at:
    one has to be below 0 at a level that is stricter by their number (Bonferroni)."""
    below = min((own for own in found if own.mean < 0), key=Interval.p, default=None)
    if below and (p := min(1.0, len(found) * below.p())) < LEVEL:
        return below, REVERSED, p, "a difference is below 0"
    own = min(found, key=lambda one: one.low)
    p = max(one.p() if one.mean > 0 else 1.0 for one in found)
    if p < LEVEL:
        return own, HOLDS, p, "every difference is above 0"
    return own, UNDECIDED, p, "not every difference is above 0"


WEIGHING = {BETTER: _better, AS_GOOD_AS: _as_good_as, SHAPE: _shape}


def _inside(own: Interval, margin: float) -> float:
    """The smallest level at which the interval lies within +-margin."""
    return max(own.p(margin), own.p(-margin)) if abs(own.mean) < margin else 1.0


def _room(claim: Claim, scores: Scores, worse: Sequence[str], bound: Sequence[str]) -> float | None:
    """The least difference that what bounds a claim leaves over `worse`; None if nothing does.

    Of "as good as" it is a distance: of cells nearer than the margin, all are as good as others.
    """
    if bound:
        found = [scores.differences(bound[0], cell, claim.metric) for cell in worse]
        rooms = [fmean(differences) for differences in found if differences]
    elif claim.limit is not None:
        sign = -1 if claim.metric in LOWER_IS_BETTER else 1
        values = [scores.values(cell, claim.metric).values() for cell in worse]
        rooms = [sign * (claim.limit - fmean(own)) for own in values if own]
    else:
        return None
    if claim.kind == AS_GOOD_AS:
        rooms = [abs(room) for room in rooms]
    return min(rooms, default=None)


def holm(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts on one data set, the headline claims' p-values by Holm.

    So that with at most 5 % any of them is decided against its null hypothesis where this is true:
    no difference, or for "as good as" one beyond the margin. A verdict that does not reject it,
    such as "no effect", leaves the level of the others as it is. Claims that were not
    measured, or cannot be tested here, do not count.
    """
    out = list(verdicts)
    family = [
        i
        for i, verdict in enumerate(out)
        if verdict.claim.headline and verdict.p is not None and verdict.word != NOT_TESTABLE
    ]
    left, adjusted = len(family), 0.0
    for i in sorted(family, key=lambda i: out[i].p or 0.0):
        verdict, why, kind = out[i], out[i].why.partition("; ")[0], out[i].claim.kind
        adjusted = max(adjusted, min(1.0, left * (verdict.p or 0.0)))
        verdict, level = replace(verdict, p=adjusted), LEVEL / left
        if verdict.word in DECIDED and adjusted >= LEVEL:
            why += f", but p = {adjusted:.3f} by Holm, of {len(family)} headline claims"
            verdict = replace(verdict, word=UNDECIDED)
        # "reversed" rejects that there is no difference, and of "as good as" and shapes nothing
        left -= out[i].word in (HOLDS, UNDECIDED) or (out[i].word, kind) == (REVERSED, BETTER)
        out[i] = _finished(verdict, why, level)
    return out


def _finished(verdict: Verdict, why: str, level: float = LEVEL) -> Verdict:
    """With what follows from the word: size, seeds needed (at this level), reason."""
    claim, own, n, needed, size = verdict.claim, verdict.measured, verdict.n, None, ""
    if n < LOOKS[0] and verdict.word != NOT_TESTABLE:
        needed = LOOKS[0]
        why = f"{n} of at least {needed} seeds" if n else why
    elif own is not None:
        if verdict.word == UNDECIDED:
            needed = seeds_needed(own.mean, own.sd, claim.kind, claim.margin, n, level)
            more = f"{needed} seeds" if needed else f"no {MOST} seeds"
            why += f"; {more} would probably decide"
        if verdict.own_setting and claim.points is not None and claim.kind != SHAPE:
            if abs(own.mean - claim.points) > own.prediction(PAPERS_SEEDS):
                size = DIFFERS
            elif verdict.word == HOLDS:
                size = IN_SIZE
    return replace(verdict, needed=needed, size=size, reason=why + _ending(verdict))


def _ending(verdict: Verdict) -> str:
    """Of a reason: the setting, unless it is the paper's own."""
    return "" if verdict.own_setting else f", {verdict.where}"
