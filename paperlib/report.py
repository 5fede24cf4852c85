"""The paper's number beside ours: tables, 95 % intervals over seeds, and a verdict for every claim.

The paper's numbers and claims are CSV files in `data/papers/<slug>/`. Our numbers are records, sorted into cells;
paper and records name the cells alike.
"""

import csv
import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import
from tabulate import tabulate

from paperlib.runs import Record

DATA = Path(__file__).resolve().parents[1] / "data"

Cells = Mapping[str, Sequence[Record]]  # cell -> its records, one a seed


@dataclass(frozen=True)
class Estimate:
    """A mean with the half-width of its 95 % t-interval; `half` is infinite for one value, which decides nothing."""

    mean: float
    half: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        """From independent values, at least one."""
        n = len(values)
        half = math.inf if n == 1 else stdtrit(n - 1, 0.975) * statistics.stdev(values) / math.sqrt(n)
        return cls(statistics.fmean(values), float(half), n)

    def contains(self, value: float) -> bool:
        """Whether the interval contains a value."""
        return abs(value - self.mean) <= self.half

    def text(self, sign: bool = False) -> str:
        """For a table: "81.26 ± 0.35 (3)", or "81.26 (1)" without an interval."""
        half = "" if math.isinf(self.half) else f" ± {self.half:.2f}"
        return f"{self.mean:{'+' if sign else ''}.2f}{half} ({self.n})"


@dataclass(frozen=True)
class Table:
    """A table for the terminal and for the book."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        return f"{self.title}\n" + tabulate(self.rows, self.headers, tablefmt="simple", disable_numparse=True)

    def _repr_markdown_(self) -> str:
        table = tabulate(self.rows, self.headers, tablefmt="pipe", disable_numparse=True)
        return f"**{self.title}**\n\n{table}"


@dataclass(frozen=True)
class Claim:
    """ "`better` is `points` percentage points above `worse` on `dataset`", in the words of `text`."""

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
    return [Claim(r["dataset"], r["better"], r["worse"], float(r["points"]), r["claim"], r["source"]) for r in rows]


def read_numbers(slug: str, *tables: str) -> dict[tuple[str, str], float]:
    """The paper's top-1 accuracies in per cent by (data set, cell)."""
    return {(r["dataset"], r["cell"]): float(r["top1"]) for table in tables for r in read_csv(slug, table)}


def top1(records: Sequence[Record]) -> Estimate | None:
    """Mean test accuracy over seeds, or None where nothing was measured."""
    return Estimate.of([record.metrics["top1"] for record in records]) if records else None


def differences(better: Sequence[Record], worse: Sequence[Record]) -> list[float]:
    """Differences of test accuracy, paired by seed; of seeds that only one side has there is none."""
    theirs = {record.run.seed: record.metrics["top1"] for record in worse}
    return [record.metrics["top1"] - theirs[record.run.seed] for record in better if record.run.seed in theirs]


def effect(better: Sequence[Record], worse: Sequence[Record]) -> Estimate | None:
    """Difference of test accuracy, paired by seed; None where no seed has both."""
    pairs = differences(better, worse)
    return Estimate.of(pairs) if pairs else None


def gain_text(gain: Estimate | None, digits: int = 1) -> str:
    """An effect for a table of many: "+1.2 ± 0.3", bold if its interval excludes 0; without n, and "–" for none."""
    if gain is None:
        return "–"
    text = f"{gain.mean:+.{digits}f}" + f" ± {gain.half:.{digits}f}" * (gain.n > 1)
    return text if gain.contains(0) else f"**{text}**"


def judge(measured: Estimate | None, claimed: float, same_setting: bool) -> str:
    """The verdict on a claimed positive effect.

    Args:
        measured: our effect. claimed: the paper's, above 0.
        same_setting: whether data and recipe are the paper's; if not, effects are not compared in size.
    Returns:
        "not tested" without a measurement; "reproduced" if the interval excludes 0 on the claimed side and, in the
        same setting, contains the claimed effect; "direction only" if it excludes 0 on the claimed side otherwise;
        "not reproduced" if it excludes 0 on the other side, or in the same setting contains 0 and not the claimed
        effect; "inconclusive" if it contains 0 and leaves the claimed effect possible.
    """
    if measured is None:
        return "not tested"
    if not measured.contains(0):
        if measured.mean < 0:
            return "not reproduced"
        return "reproduced" if same_setting and measured.contains(claimed) else "direction only"
    return "not reproduced" if same_setting and not measured.contains(claimed) else "inconclusive"


def as_top1(records: Sequence[Record], metric: str) -> list[Record]:
    """Records that have another metric where `effect` and the tables look for top-1; those without it are left out."""
    return [dataclasses.replace(r, metrics={"top1": r.metrics[metric]}) for r in records if metric in r.metrics]


def claims_table(slug: str, dataset: str, cells: Cells, paper_setting: bool, about: str | None = None) -> Table:
    """Every claim of a paper, judged by what was measured on one data set.

    Claims about this data set come with the paper's effect. On a data set that the paper does not use, each pair of
    cells is judged once, by its direction.

    Args:
        about: judges the claims about this data set instead, by their direction if it is not the one measured.
    """
    claims = read_claims(slug)
    own = [claim for claim in claims if claim.dataset == (about or dataset)]
    if not own:  # not the paper's data: one row a pair of cells
        own = list({(claim.better, claim.worse): claim for claim in reversed(claims)}.values())[::-1]
    rows = []
    for claim in own:
        measured = effect(cells.get(claim.better, ()), cells.get(claim.worse, ()))
        same = paper_setting and claim.dataset == dataset
        paper = f"{claim.points:+.2f}" if claim.dataset == dataset else f"{claim.points:+.2f} on {claim.dataset}"
        ours = measured.text(sign=True) if measured else "–"
        rows.append((claim.text, claim.source, paper, ours, judge(measured, claim.points, same)))
    kind = "the paper's setting" if paper_setting else "reduced setting: only the direction can be judged"
    return Table(f"Claims, measured on {dataset} ({kind})", ("claim", "source", "paper", "ours", "verdict"), rows)


def accuracy_table(
    title: str,
    rows: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    numbers: Mapping[tuple[str, str], float],
    measured: Mapping[str, Cells],
) -> Table:
    """Accuracies, the paper's beside ours.

    Args:
        rows: label of a row -> the cell in each column, as many as `columns`. columns: what each shows, e.g. "8×8".
        numbers: the paper's, from `read_numbers`. measured: data set -> cells; each data set has its own columns.
    """
    headers, body = [""], [[label] for label in rows]
    for dataset, cells in measured.items():
        known = any(name == dataset for name, _ in numbers)
        for i, column in enumerate(columns):
            headers += [f"{dataset} {column}".strip() + f": {whose}" for whose in (["paper"] * known + ["ours"])]
            for line, group in zip(body, rows.values(), strict=True):
                value, ours = numbers.get((dataset, group[i])), top1(cells.get(group[i], ()))
                line += ["–" if value is None else f"{value:.2f}"] * known + [ours.text() if ours else "–"]
    return Table(title, headers, body)
