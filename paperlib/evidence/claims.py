"""The papers' numbers and claims: CSV files in `data/papers/<slug>/`. Paper and records name the
cells alike."""

import csv
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class Claim:
    """ "`better` is `points` percentage points above `worse` on `dataset`", in the words of
    `text`."""

    dataset: str
    better: str
    worse: str
    points: float
    text: str
    source: str


def read_csv(slug: str, name: str) -> list[dict[str, str]]:
    """The rows of `data/papers/<slug>/<name>.csv`."""
    with (DATA / "papers" / slug / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_claims(slug: str) -> list[Claim]:
    """The paper's claims."""
    rows = read_csv(slug, "claims")
    return [
        Claim(r["dataset"], r["better"], r["worse"], float(r["points"]), r["claim"], r["source"])
        for r in rows
    ]


def read_numbers(slug: str, *tables: str) -> dict[tuple[str, str], float]:
    """The paper's top-1 accuracies in per cent by (data set, cell)."""
    return {
        (r["dataset"], r["cell"]): float(r["top1"])
        for table in tables
        for r in read_csv(slug, table)
    }
