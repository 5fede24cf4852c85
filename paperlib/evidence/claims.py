"""The papers' numbers and claims: CSV files in `data/papers/<slug>/`, with cells named as ours."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paperlib.errors import UserError

DATA = Path(__file__).resolve().parents[2] / "data"

BETTER, AS_GOOD_AS, SHAPE = "better", "as good as", "shape"
KINDS = (BETTER, AS_GOOD_AS, SHAPE)
COLUMNS = (
    *("dataset", "network", "better", "worse", "metric", "points", "kind", "margin"),
    *("headline", "room", "claim", "source", "quote"),
)


@dataclass(frozen=True)
class Claim:
    """What a paper says of cells, declared before anything is measured.

    Cells are named without their network. `kind` is one of `KINDS`:

    - "better": `better` is above `worse` in `metric`, by `points` in the paper;
    - "as good as": they differ by no more than `margin`;
    - "shape": `better` is above each of the cells in `worse`, which ";" separates.
    """

    dataset: str  # the paper's; "" where it names none
    network: str  # the paper's; "" where cells name none
    better: str
    worse: str
    metric: str  # see `Score.metric`
    points: float | None  # the paper's difference, percentage points; None where it prints none
    kind: str
    margin: float  # the largest difference that counts as none, percentage points
    headline: bool  # a claim of the title or the abstract
    room: str  # what bounds the effect: a cell, or a number of the metric; "" if nothing does
    text: str  # the claim in words
    source: str  # where in the paper it stands
    quote: str = ""  # its own words; "" where it is a number in a table

    @property
    def limit(self) -> float | None:
        """The number that bounds the effect; None if a cell does, or nothing."""
        try:
            return float(self.room) if self.room else None
        except ValueError:
            return None

    def cell(self, name: str, network: str | None = None) -> str:
        """A cell of the claim's network, or of another in its place."""
        own = self.network if network is None else network
        return f"{own}/{name}" if own else name

    def cells(self, network: str | None = None) -> tuple[str, ...]:
        """`better`, then all of `worse`, with the claim's network or another in its place."""
        return tuple(self.cell(name, network) for name in (self.better, *self.worse.split(";")))


def read_csv(slug: str, name: str) -> list[dict[str, str]]:
    """The rows of `data/papers/<slug>/<name>.csv`."""
    with _path(slug, name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_claims(slug: str) -> list[Claim]:
    """A paper's claims.

    Raises:
        UserError: a column is missing, or a row says nothing that can be tested: which, and why.
    """
    path = _path(slug, "claims")
    rows = read_csv(slug, "claims")
    if missing := [name for row in rows[:1] for name in COLUMNS if name not in row]:
        raise UserError(f"{path} has no column {', '.join(missing)}; needed: {','.join(COLUMNS)}")
    # the first row is the second line of the file; no field holds a line break
    found = [_claim(row, f"{path}, line {line}") for line, row in enumerate(rows, 2)]
    _check_different(found, path)
    return found


def _claim(row: dict[str, str], place: str) -> Claim:
    for name in ("better", "worse", "metric", "claim", "source"):
        if not row[name]:
            raise UserError(f"{place}: {name} is empty")
    kind = row["kind"]
    if kind not in KINDS:
        raise UserError(f"{place}: kind is {kind!r}; choose from: {', '.join(KINDS)}")
    if row["headline"] not in ("yes", ""):
        raise UserError(f"{place}: headline is {row['headline']!r}; choose from: yes, nothing")
    cells = (row["better"], *row["worse"].split(";"))
    if "" in cells or len(set(cells)) < len(cells) or (kind != SHAPE and len(cells) > 2):
        wanted = "cells separated by ';'" if kind == SHAPE else "one cell"
        raise UserError(f"{place}: worse is {row['worse']!r}; it must be {wanted} besides better")
    points, margin = _number(row, "points", place), _number(row, "margin", place)
    if kind != AS_GOOD_AS and points is not None and points <= 0:
        raise UserError(f"{place}: points is {points:g}; it must be above 0, or nothing")
    if margin is None:
        if points is None or kind == AS_GOOD_AS:
            why = f"kind is {AS_GOOD_AS}" if kind == AS_GOOD_AS else "points is empty"
            raise UserError(f"{place}: margin is empty and {why}; it must be a number above 0")
        margin = points / 2
    if margin <= 0:
        raise UserError(f"{place}: margin is {margin:g}; it must be above 0")
    return Claim(
        dataset=row["dataset"],
        network=row["network"],
        better=row["better"],
        worse=row["worse"],
        metric=row["metric"],
        points=points,
        kind=kind,
        margin=margin,
        headline=row["headline"] == "yes",
        room=row["room"],
        text=row["claim"],
        source=row["source"],
        quote=row["quote"],
    )


def _number(row: dict[str, str], name: str, place: str) -> float | None:
    try:
        return float(row[name]) if row[name] else None
    except ValueError:
        what = f"{name} is {row[name]!r}; it must be a number, or nothing"
        raise UserError(f"{place}: {what}") from None


def _check_different(claims: Iterable[Claim], path: Path) -> None:
    """A claim that stands twice would be counted twice."""
    lines: dict[tuple[str, ...], int] = {}
    for line, claim in enumerate(claims, 2):
        same = (claim.dataset, *claim.cells(), claim.metric, claim.kind)
        if (first := lines.setdefault(same, line)) != line:
            raise UserError(f"{path}, line {line}: the same claim as in line {first}")


def read_numbers(slug: str, *tables: str) -> dict[tuple[str, str], float]:
    """The paper's top-1 accuracies in per cent by (data set, cell)."""
    rows = [row for table in tables for row in read_csv(slug, table)]
    return {(row["dataset"], row["cell"]): float(row["top1"]) for row in rows}


def _path(slug: str, name: str) -> Path:
    return DATA / "papers" / slug / f"{name}.csv"
