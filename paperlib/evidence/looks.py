"""Intervals that may be looked at again and again while seeds are added.

An ordinary 95 % interval, looked at after 3, 5, 10 and 20 seeds until it excludes 0, does so in
15 % of all null effects. Here each look has a stricter level, the same one at all of them, such
that the chance of missing the true effect at any look is 5 % (repeated confidence intervals;
Jennison & Turnbull, Statist. Sci. 1990). Beyond the looks there is a confidence sequence,
which may be looked at after every seed (Lai, Ann. Statist. 1976; Wang & Ramdas, arXiv:2310.03722).
"""

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from paperlib.evidence.claims import AS_GOOD_AS, DATA, SHAPE
from paperlib.evidence.estimates import Estimate

LOOKS = (3, 5, 10, 20)
LEVEL = 0.05  # of error, over all looks
C = 1.0  # of the confidence sequence: the effect it is made for, in standard deviations
MOST = 200  # seeds that anyone would train
POWER = 0.8  # what "probably" means

TABLE = DATA / "results" / "looks" / "levels.csv"  # see `simulation`


@dataclass(frozen=True)
class Interval:
    """A mean with its interval.

    Attributes:
        mean: of the differences that were looked at.
        low, high: the interval's ends; infinite below the first look.
        n: how many differences were looked at: the last look that was reached; all of them below
            the first look and beyond the last one.
        sd: their standard deviation; nan for one.
    """

    mean: float
    low: float
    high: float
    n: int
    sd: float

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2

    @property
    def told(self) -> int:
        """1 where the interval is above 0, -1 where it is below, else 0."""
        return (self.low > 0) - (self.high < 0)

    def prediction(self, seeds: int) -> float:
        """Half the width of the 95 % interval for the mean over so many further seeds.

        An ordinary one, of one look: t sd sqrt(1 / n + 1 / seeds).
        """
        if self.n < LOOKS[0]:
            return math.inf
        t = float(stdtrit(self.n - 1, 0.975))
        return t * self.sd * math.sqrt(1 / self.n + 1 / seeds)

    def within(self, margin: float) -> bool:
        """Whether the interval lies within +-margin."""
        return -margin < self.low and self.high < margin

    def text(self) -> str:
        """For a table: "+2.05 [+1.10, +3.00] (5)", or "+2.1 (2)" without an interval."""
        return f"{self.number} ({self.n})"

    @property
    def number(self) -> str:
        """Without the seeds: "+2.05 [+1.10, +3.00]"."""
        digits = Estimate(self.mean, self.half, self.n).decimals
        shown = [_signed(value, digits) for value in (self.mean, self.low, self.high)]
        interval = f" [{shown[1]}, {shown[2]}]" if math.isfinite(self.half) else ""
        return f"{shown[0]}{interval}"

    def p(self, value: float = 0.0) -> float:
        """The smallest level at which an interval like this one excludes a value; 1 if none."""
        if self.n < LOOKS[0]:
            return 1.0
        distance = abs(self.mean - value)
        if not self.sd:
            return float(not distance)
        if self.n > LOOKS[-1]:
            return _sequence_level(self.n, distance / self.sd)
        return overall(2 * float(stdtr(self.n - 1, -distance / self.sd * math.sqrt(self.n))))


def _signed(value: float, digits: int) -> str:
    """What rounds to 0 has no sign."""
    rounded = round(value, digits)
    return f"{rounded or 0:{'+' if rounded else ''}.{digits}f}"


def looked_at(n: int) -> int:
    """How many of n seeds are looked at, the first ones."""
    if n < LOOKS[0] or n > LOOKS[-1]:
        return n
    return max(look for look in LOOKS if look <= n)


def interval(differences: Sequence[float], level: float = LEVEL) -> Interval:
    """The interval of the mean of differences, in the order of their seeds; at least one.

    Args:
        differences: independent and about normal, one a seed.
        level: of error over all looks.
    """
    used = differences[: looked_at(len(differences))]
    n, mean = len(used), statistics.fmean(used)
    sd = statistics.stdev(used) if n > 1 else math.nan
    half = width(n, level) * sd if n >= LOOKS[0] else math.inf
    return Interval(mean, mean - half, mean + half, n, sd)


def width(n: int, level: float = LEVEL) -> float:
    """Half an interval's width at a look, or at n > 20, in standard deviations of the seeds.

    Infinite below the first look, and where the confidence sequence has no end for this level.
    """
    if n < LOOKS[0]:
        return math.inf
    if n > LOOKS[-1]:
        return _sequence_width(n, level)
    return float(stdtrit(n - 1, 1 - nominal(level) / 2)) / math.sqrt(n)


def _sequence_width(n: int, level: float) -> float:
    """Half the width of the confidence sequence after n >= 2 seeds, in standard deviations:
    sqrt((n - 1) / n (A - 1) / (1 - r A)) with r = 1 / (1 + n c^2), A = (level^2 r)^(-1 / n)."""
    r = 1 / (1 + n * C**2)
    a = (level**2 * r) ** (-1 / n)
    return math.sqrt((n - 1) / n * (a - 1) / (1 - r * a)) if r * a < 1 else math.inf


def _sequence_level(n: int, distance: float) -> float:
    """The level at which the confidence sequence is just so wide, in standard deviations; <= 1."""
    r = 1 / (1 + n * C**2)
    q = distance**2 * n / (n - 1)
    return min(1.0, ((1 + q) / (1 + r * q)) ** (-n / 2) / math.sqrt(r))


@lru_cache(maxsize=1)
def _levels() -> tuple[np.ndarray, np.ndarray]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [(float(row["nominal"]), float(row["overall"])) for row in csv.DictReader(file)]
    a, b = np.array(rows).T
    return a, b


def overall(p: float) -> float:
    """The error over all looks of a test that takes place at each with this nominal level.

    Below the table, as many times the level as there are looks, which it cannot exceed.
    """
    levels, errors = _levels()
    if p < levels[0]:
        return min(len(LOOKS) * p, float(errors[0]))
    return float(np.interp(p, levels, errors))


def nominal(level: float = LEVEL) -> float:
    """The level at each look that makes this one over all looks: 0.0147 for 0.05."""
    levels, errors = _levels()
    if level < errors[0]:
        return min(level / len(LOOKS), float(levels[0]))
    return float(np.interp(level, errors, levels))


def seeds_needed(
    effect: float, sd: float, kind: str, margin: float, n: int = 0, level: float = LEVEL
) -> int | None:
    """The first look beyond n seeds, or number beyond all looks, that would probably decide.

    Probably: with 80 % power, if effect and spread are as they were estimated.

    Args:
        effect, sd: of the differences over seeds.
        kind, margin: of the claim.
        n: seeds there are.
        level: of error over all looks.
    Returns:
        None if it takes more than 200 seeds.
    """
    for look in (*LOOKS, *range(LOOKS[-1] + 1, MOST + 1)):
        if look <= n:
            continue
        reach = (width(look, level) + float(ndtri(POWER)) / math.sqrt(look)) * sd
        inside = kind != SHAPE and abs(effect) + reach < margin
        apart = abs(effect) - (margin if kind == AS_GOOD_AS else 0) > reach
        if inside or apart:
            return look
    return None
