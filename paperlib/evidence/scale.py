"""Whether an effect grows, stays or vanishes with the number of training images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paperlib.evidence.claims import Claim
from paperlib.evidence.looks import LEVEL, Interval, interval
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import Verdict

RISES, FALLS, VANISHES = "rises", "falls", "vanishes"
STAYS, UNKNOWN = "stays", "not known"


@dataclass(frozen=True)
class Curve:
    """A claim's effect at several numbers of training images.

    Attributes:
        claim: of which the effect is; of a shape, its smallest difference in the main setting.
        points: number of training images -> effect; only where it was measured.
        change: the effect with the most images minus that with the fewest, paired by seed; None
            where they have no seed in common, or there are fewer than two points.
    """

    claim: Claim
    points: Mapping[int, Interval]
    change: Interval | None

    @property
    def trend(self) -> str:
        """What becomes of the effect from the fewest to the most images.

        "rises", "falls" and "stays" (to within the claim's margin) are said of an interval of the
        change; "vanishes" is a fall to an effect that lies within the margin.
        """
        if self.change is None:
            return UNKNOWN
        if self.change.p() < LEVEL:
            end = self.points[max(self.points)]
            falls = VANISHES if end.within(self.claim.margin) else FALLS
            return RISES if self.change.mean > 0 else falls
        return STAYS if self.change.within(self.claim.margin) else UNKNOWN

    def text(self) -> str:
        """The trend in one sentence, with its uncertainty."""
        if self.change is None:
            return "not measured at two scales"
        ways = f"from {min(self.points):,} to {max(self.points):,} training images"
        change, trend = f"{self.change.text()} points", self.trend
        if trend == UNKNOWN:
            return f"{ways} the effect changes by {change}: whether it rises or falls is not known"
        if trend in (STAYS, VANISHES):
            trend += f" (within ±{self.claim.margin:.2f})"
        return f"{ways} the effect {trend}: {change}"


def curves(verdicts: Iterable[Verdict], scores: Scores, images: Mapping[float, int]) -> list[Curve]:
    """The headline claims' effects, in the order of the verdicts.

    Args:
        verdicts: on what was measured in the main setting.
        scores: with the cells of the main setting, and "scale/<factor:g>/<cell>" beside them.
        images: factor -> number of training images; 1 is the main setting.
    """
    return [_curve(verdict, scores, images) for verdict in verdicts if verdict.claim.headline]


def _curve(verdict: Verdict, scores: Scores, images: Mapping[float, int]) -> Curve:
    claim = verdict.claim
    better, *worse = claim.cells(verdict.network or None)
    metric = claim.metric
    main = {cell: scores.differences(better, cell, metric) for cell in worse}
    means = {cell: interval(values).mean for cell, values in main.items() if values}
    weakest = min(means, key=lambda cell: means[cell]) if means else worse[0]
    effects = {  # factor -> seed -> effect
        factor: scores.by_seed(_at(factor, better), _at(factor, weakest), metric)
        for factor in sorted(images)
    }
    known = [own for own in effects.values() if own]
    points = {images[f]: interval(list(own.values())) for f, own in effects.items() if own}
    change: list[float] = []
    if len(known) > 1:
        few, many = known[0], known[-1]
        change = [many[seed] - few[seed] for seed in few if seed in many]
    return Curve(claim, points, interval(change) if change else None)


def _at(factor: float, cell: str) -> str:
    """A cell at a scale."""
    return cell if factor == 1 else f"scale/{factor:g}/{cell}"
