"""The papers' numbers and claims: CSV files in `data/papers/<slug>/`, with cells named as ours."""

import csv
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class Claim:
    """That `better` is `points` above `worse` in `metric`, for `network` on `dataset`.

    `better` and `worse` are cells without their network.
    """

    dataset: str  # the paper's
    network: str  # of which it is claimed; "" where cells name none
    better: str
    worse: str
    metric: str  # see `Score.metric`
    points: float | None  # the paper's difference, percentage points; None where it prints none
    text: str  # the claim in words
    source: str  # where in the paper it stands

    def cells(self, network: str | None = None) -> tuple[str, str]:
        """The cells of `better` and `worse`, of this network or of another in its place."""
        own = self.network if network is None else network
        return (f"{own}/{self.better}", f"{own}/{self.worse}") if own else (self.better, self.worse)


def read_csv(slug: str, name: str) -> list[dict[str, str]]:
    """The rows of `data/papers/<slug>/<name>.csv`."""
    with (DATA / "papers" / slug / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_claims(slug: str) -> list[Claim]:
    """A paper's claims."""
    return [
        Claim(
            row["dataset"],
            row["network"],
            row["better"],
            row["worse"],
            row["metric"],
            float(row["points"]) if row["points"] else None,
            row["claim"],
            row["source"],
        )
        for row in read_csv(slug, "claims")
    ]


def read_numbers(slug: str, *tables: str) -> dict[tuple[str, str], float]:
    """The paper's top-1 accuracies in per cent by (data set, cell)."""
    rows = [row for table in tables for row in read_csv(slug, table)]
    return {(row["dataset"], row["cell"]): float(row["top1"]) for row in rows}
