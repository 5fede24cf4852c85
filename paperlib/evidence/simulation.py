"""What looking more than once costs: the table behind `looks`, made by simulation.

`python -m paperlib.evidence.simulation` writes it anew, the same to the last digit.

With no effect, the t values at the looks have a joint law that depends on nothing: neither on the
spread of the differences nor on what is measured. So thresholds found by simulation are exact up to
the error of the simulation.
"""

import csv
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from paperlib.evidence.looks import LOOKS, TABLE

PATHS, SEED, CHUNK = 1_000_000, 0, 50_000
# nominal levels of the table; 0.0005 has some 2,000 paths below it
LEVELS = np.round(np.concatenate([np.geomspace(0.0005, 0.1, 70), np.linspace(0.11, 1, 90)]), 7)

Floats = NDArray[np.float64]


def paths(count: int, length: int, seed: int) -> Iterator[Floats]:
    """Standard normal differences, (at most CHUNK, length) at a time, `count` rows in all."""
    generator = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        yield generator.standard_normal((min(CHUNK, count - start), length))


def moments(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the first n values of each row: (rows, length) each.

    Column j is of the first j + 1 values; the deviation of one value is 0.
    """
    n = np.arange(1, values.shape[1] + 1)
    means = values.cumsum(1) / n
    squares = np.maximum((values**2).cumsum(1) - n * means**2, 0)
    return means, np.sqrt(squares / np.maximum(n - 1, 1))


def nominal(values: Floats) -> Floats:
    """The two-sided p-value of an ordinary t test at each look: (rows, looks)."""
    means, deviations = moments(values)
    at = np.array(LOOKS) - 1
    t = means[:, at] / deviations[:, at] * np.sqrt(LOOKS)
    p: Floats = 2 * stdtr(at, -np.abs(t))
    return p


def overall(count: int, seed: int) -> Floats:
    """For each of `LEVELS`, how often p falls below it at any look, with no effect."""
    smallest = np.sort(
        np.concatenate([nominal(part).min(1) for part in paths(count, LOOKS[-1], seed)])
    )
    return np.searchsorted(smallest, LEVELS) / count


def write() -> None:
    """The committed table."""
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("nominal", "overall"))
        rows = zip(LEVELS, overall(PATHS, SEED), strict=True)
        out.writerows((f"{level:g}", f"{error:.6f}") for level, error in rows)


if __name__ == "__main__":
    write()
