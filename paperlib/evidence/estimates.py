"""Numbers over seeds: means with 95 % intervals, and differences that are paired by seed."""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

from paperlib.runs import Record


@dataclass(frozen=True)
class Estimate:
    """A mean with the half-width of its 95 % t-interval; `half` is infinite for one value, which
    decides nothing."""

    mean: float
    half: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """From independent values, at least one."""
        n = len(values)
        half = (
            math.inf if n == 1 else stdtrit(n - 1, 0.975) * statistics.stdev(values) / math.sqrt(n)
        )
        return cls(statistics.fmean(values), float(half), n)

    def contains(self, value: float) -> bool:
        """Whether the interval contains a value."""
        return abs(value - self.mean) <= self.half

    def text(self, sign: bool = False) -> str:
        """For a table: "81.26 ± 0.35 (3)", or "81.26 (1)" without an interval."""
        half = "" if math.isinf(self.half) else f" ± {self.half:.2f}"
        return f"{self.mean:{'+' if sign else ''}.2f}{half} ({self.n})"


def top1(records: Sequence[Record]) -> Estimate | None:
    """Mean test accuracy over seeds, or None where nothing was measured."""
    return Estimate.of([record.metrics["top1"] for record in records]) if records else None


def differences(better: Sequence[Record], worse: Sequence[Record]) -> list[float]:
    """Differences of test accuracy, paired by seed; of seeds that only one side has there is
    none."""
    theirs = {record.run.seed: record.metrics["top1"] for record in worse}
    return [
        record.metrics["top1"] - theirs[record.run.seed]
        for record in better
        if record.run.seed in theirs
    ]


def effect(better: Sequence[Record], worse: Sequence[Record]) -> Estimate | None:
    """Difference of test accuracy, paired by seed; None where no seed has both."""
    pairs = differences(better, worse)
    return Estimate.of(pairs) if pairs else None


def as_top1(records: Sequence[Record], metric: str) -> list[Record]:
    """Records that have another metric where `effect` and the tables look for top-1; those without
    it are left out."""
    return [
        dataclasses.replace(r, metrics={"top1": r.metrics[metric]})
        for r in records
        if metric in r.metrics
    ]
