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

    def text(self, sign: bool = False) -> str:
        """For a table: "81.26 ± 0.35 (3)", or "81.26 (1)" without an interval."""
        half = "" if math.isinf(self.half) else f" ± {self.half:.2f}"
        return f"{self.mean:{'+' if sign else ''}.2f}{half} ({self.n})"

    def gain_text(self, digits: int = 1) -> str:
        """For a table of many gains: "+1.2 ± 0.3", bold if the interval excludes 0."""
        half = "" if math.isinf(self.half) else f" ± {self.half:.{digits}f}"
        text = f"{self.mean:+.{digits}f}{half}"
        return text if self.contains(0) else f"**{text}**"
