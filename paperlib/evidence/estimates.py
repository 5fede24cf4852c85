"""A number over seeds: its mean with a 95 % interval."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % t-interval.

    Attributes:
        mean: of the values.
        half: half the width of the interval; infinite for one value, which decides nothing.
        n: number of values.
    """

    mean: float
    half: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """From independent values, at least one."""
        n = len(values)
        if n == 1:
            return cls(float(values[0]), math.inf, n)
        half = stdtrit(n - 1, 0.975) * statistics.stdev(values) / math.sqrt(n)
        return cls(statistics.fmean(values), float(half), n)

    def contains(self, value: float) -> bool:
        """Whether the interval contains a value."""
        return abs(value - self.mean) <= self.half

    @property
    def told(self) -> int:
        """1 where the interval is above 0, -1 where it is below, else 0."""
        return 0 if self.contains(0) else 1 if self.mean > 0 else -1

    @property
    def decimals(self) -> int:
        """How many decimals tables show: as far as the half-width has two digits, two at most.

        E.g. 1.8 ± 2.9, 81.26 ± 0.35, 7 ± 13. One value, which has no interval, has one decimal.
        """
        if math.isinf(self.half):
            return 1
        exponent = int(f"{max(self.half, 0.01):.1e}".partition("e")[2])  # rounded: 9.96 has 1
        return min(max(1 - exponent, 0), 2)

    def text(self, sign: bool = False) -> str:
        """For a table: "81.26 ± 0.35 (3)", or "81.3 (1)" without an interval."""
        return f"{self.number(sign)} ({self.n})"

    def gain_text(self) -> str:
        """For a table of many gains: "+1.23 ± 0.34", bold if the interval excludes 0."""
        text = self.number(sign=True)
        return f"**{text}**" if self.told else text

    def number(self, sign: bool = False) -> str:
        """Without the seeds: "81.26 ± 0.35"."""
        mean = round(self.mean, self.decimals)
        signed = "+" if sign and mean else ""  # what rounds to 0 has no sign
        half = "" if math.isinf(self.half) else f" ± {self.half:.{self.decimals}f}"
        return f"{mean or 0:{signed}.{self.decimals}f}{half}"
