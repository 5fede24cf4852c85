"""Numbers as rows: one tidy frame from records to tables.

A number is (cell, seed, metric, value). The cell says what was measured, the metric what of it:
`Scores.estimate` and `Scores.gain` make of the seeds of a cell what a table shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.looks import Interval, interval
from paperlib.runs import Record

# what a paper's `study` returns: records by item (a table or figure) and cell
Items = Mapping[str, Mapping[str, Sequence[Record]]]

LOWER_IS_BETTER = ("mce", "cross_entropy")
MEASURED = ("seconds", "images_per_second")  # of the training, from a record's provenance


class Score(NamedTuple):
    """One number."""

    cell: str  # what was measured, e.g. "resnet18/dfd/8"; data in `data/papers/` name it alike
    seed: int
    metric: str  # as in the record, e.g. "top1" or "top1@fog-3", or made of those, e.g. "seen"
    value: float


class Scores:
    """The numbers of some cells.

    Attributes:
        frame: one row per number, with the columns of `Score`.
    """

    def __init__(self, rows: Iterable[Score]) -> None:
        self.frame = pd.DataFrame(rows, columns=list(Score._fields))

    @classmethod
    def of(cls, *items: Mapping[str, Sequence[Record]]) -> "Scores":
        """All metrics of all records of some items' cells; and what their training took."""
        return cls(
            Score(cell, record.run.seed, metric, value)
            for cells in items
            for cell, records in cells.items()
            for record in records
            for metric, value in _numbers(record).items()
        )

    def plus(self, rows: Iterable[Score]) -> "Scores":
        """These and further rows."""
        more = Scores(rows)
        more.frame = pd.concat([self.frame, more.frame], ignore_index=True)
        return more

    @cached_property
    def _values(self) -> dict[str, dict[str, dict[int, float]]]:
        """Cell -> metric -> seed -> value, each in the order of the frame."""
        out: dict[str, dict[str, dict[int, float]]] = {}
        for cell, seed, metric, value in self.frame.itertuples(index=False, name=None):
            out.setdefault(cell, {}).setdefault(metric, {})[seed] = value
        return out

    @property
    def cells(self) -> list[str]:
        """The cells that have any number, in order."""
        return list(self._values)

    def seeds(self, cell: str) -> list[int]:
        """The seeds of which a cell has any number, in order."""
        found = self._values.get(cell, {}).values()
        return list(dict.fromkeys(seed for values in found for seed in values))

    def metrics(self, cell: str) -> list[str]:
        """The metrics of which a cell has any number, in order."""
        return list(self._values.get(cell, {}))

    def values(self, cell: str, metric: str = "top1") -> dict[int, float]:
        """A cell's values of a metric by seed; empty where nothing was measured."""
        return self._values.get(cell, {}).get(metric, {})

    def estimate(self, cell: str, metric: str = "top1") -> Estimate | None:
        """The mean over seeds with its interval, or None where nothing was measured."""
        values = self.values(cell, metric)
        return Estimate.of(list(values.values())) if values else None

    def by_seed(self, better: str, worse: str, metric: str = "top1") -> dict[int, float]:
        """How much better one cell is than another, by seed, above 0 where it is better.

        In the order of the seeds; one that only one of the two has is left out.
        """
        left, right = self.values(better, metric), self.values(worse, metric)
        sign = -1 if metric in LOWER_IS_BETTER else 1
        return {s: sign * (left[s] - right[s]) for s in sorted(left.keys() & right.keys())}

    def differences(self, better: str, worse: str, metric: str = "top1") -> list[float]:
        """The values of `by_seed`."""
        return list(self.by_seed(better, worse, metric).values())

    def gain(self, better: str, worse: str, metric: str = "top1") -> Estimate | None:
        """The mean of `differences`, or None where no seed has both."""
        found = self.differences(better, worse, metric)
        return Estimate.of(found) if found else None

    def interval(self, better: str, worse: str, metric: str = "top1") -> Interval | None:
        """The interval of the looks of `differences`, or None where no seed has both."""
        found = self.differences(better, worse, metric)
        return interval(found) if found else None

    def gains(self, better: str, worse: str, metrics: Iterable[str]) -> dict[str, Estimate]:
        """Metric -> gain in it; those that no seed of both has are left out."""
        found = {metric: self.gain(better, worse, metric) for metric in metrics}
        return {metric: gain for metric, gain in found.items() if gain is not None}

    def estimates(self, cell: str, metrics: Iterable[str]) -> dict[str, Estimate]:
        """Metric -> estimate of it; those that were not measured are left out."""
        found = {metric: self.estimate(cell, metric) for metric in metrics}
        return {metric: estimate for metric, estimate in found.items() if estimate is not None}


def _numbers(record: Record) -> dict[str, float]:
    spent = {name: record.provenance[name] for name in MEASURED if name in record.provenance}
    return {**record.metrics, **spent}
