"""What runs cost: operations from their values, seconds on this machine from runs already trained.

Both are estimates, good enough to choose what to train next and to say how long it takes.
"""

import statistics
from collections.abc import Hashable, Iterable
from pathlib import Path

from paperlib import datasets, degrade, methods
from paperlib.methods import Task
from paperlib.running import flops, task
from paperlib.runs import Record, Run

RATE = 5e10  # operations a second, of a run, before any has been trained
MOST_BESIDE = 4.0  # times its training: more is a start that many runs will share


def of_training(run: Run, root: Path | None) -> float:
    """Floating-point operations of a run's training; `root` is the folder of the data sets."""
    dataset = datasets.load(run.dataset, root)
    count = run.train_size or len(dataset.train.labels) - run.holdout
    return count * run.epochs * of_image(run, root)


def of_image(run: Run, root: Path | None) -> float:
    """Operations for a training image: forward and backward, and forward through the parents."""
    seen = task(datasets.load(run.dataset, root))
    return 3 * _forward(run, seen) + sum(_forward(used, seen) for used in run.uses.values())


def of_tests(run: Run, root: Path | None) -> float:
    """Operations of a run's tests: forward, for each of its degradations."""
    dataset = datasets.load(run.dataset, root)
    tests = 1 + len(degrade.each(run.evaluate))
    count = (run.test_size or len(dataset.test.labels)) * tests + run.holdout
    return count * float(_forward(run, task(dataset)))


def _forward(run: Run, seen: Task) -> int:
    """Operations of the run's network for one image of the data that is seen."""
    size = methods.method(run.method).input_size(run, seen)
    return flops(run.network, run.width, run.method, size)


class Costs:
    """Seconds that runs take here: as many as like ones took, else by their operations.

    Args:
        root: folder of the data sets.
        device: as records name it; those of another one tell nothing.
    """

    def __init__(self, root: Path | None, device: str) -> None:
        self._root, self._device = root, device
        self._operations: dict[Hashable, tuple[float, float]] = {}
        self._rates: dict[Hashable, list[float]] = {}
        self._expected = self._took = 0.0

    def learn(self, records: Iterable[Record]) -> None:
        """Take the time that finished runs took, each once."""
        for record in records:
            seconds = record.provenance.get("seconds", 0)
            if seconds and record.run.epochs and record.provenance.get("device") == self._device:
                for kind in _kinds(record.run):
                    rate = self._work(record.run)[0] / seconds
                    self._rates.setdefault(kind, []).append(rate)

    def took(self, runs: Iterable[Run], seconds: float) -> None:
        """Count the core-seconds that runs took in all: tests, data, processes that start."""
        self._expected += sum(map(self._alone, runs))
        self._took += seconds

    def seconds(self, run: Run) -> float:
        """Expected seconds of a run, in one of the processes that train at once."""
        beside = self._took / self._expected if self._expected else 1.0
        return self._alone(run) * min(max(beside, 1.0), MOST_BESIDE)

    def _alone(self, run: Run) -> float:
        """Expected seconds by the pace of training."""
        known = (self._rates[kind] for kind in _kinds(run) if kind in self._rates)
        return sum(self._work(run)) / statistics.median(next(known, [RATE]))

    def _work(self, run: Run) -> tuple[float, float]:
        """Operations of training and tests; runs that differ in their seed have the same."""
        sizes = run.train_size, run.holdout, run.epochs, run.test_size, len(run.evaluate)
        used = tuple(_kinds(parent)[0] for parent in run.uses.values())
        like = run.dataset, *_kinds(run), sizes, str(run.evaluate), used
        if like not in self._operations:
            self._operations[like] = of_training(run, self._root), of_tests(run, self._root)
        return self._operations[like]


def _kinds(run: Run) -> list[Hashable]:
    """Names for what a run is like, the closest first."""
    return [(run.network, run.width, run.method), (run.network, run.width), ()]
