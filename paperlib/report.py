"""The paper's number beside ours: tables, 95 % intervals over seeds, and a verdict for every claim.

The paper's numbers and claims are CSV files in `data/papers/<slug>/`. Our numbers are records,
sorted into cells; paper and records name the cells alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from paperlib.evidence.claims import read_claims
from paperlib.evidence.estimates import Estimate, effect, top1
from paperlib.evidence.verdicts import judge
from paperlib.runs import Record

Cells = Mapping[str, Sequence[Record]]  # cell -> its records, one a seed


@dataclass(frozen=True)
class Table:
    """A table for the terminal and for the book."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        return f"{self.title}\n" + tabulate(
            self.rows, self.headers, tablefmt="simple", disable_numparse=True
        )

    def _repr_markdown_(self) -> str:
        table = tabulate(self.rows, self.headers, tablefmt="pipe", disable_numparse=True)
        return f"**{self.title}**\n\n{table}"


def gain_text(gain: Estimate | None, digits: int = 1) -> str:
    """An effect for a table of many: "+1.2 ± 0.3", bold if its interval excludes 0; without n, and
    "–" for none."""
    if gain is None:
        return "–"
    text = f"{gain.mean:+.{digits}f}" + f" ± {gain.half:.{digits}f}" * (gain.n > 1)
    return text if gain.contains(0) else f"**{text}**"


def claims_table(
    slug: str, dataset: str, cells: Cells, paper_setting: bool, about: str | None = None
) -> Table:
    """Every claim of a paper, judged by what was measured on one data set.

    Claims about this data set come with the paper's effect. On a data set that the paper does not
    use, each pair of cells is judged once, by its direction.

    Args:
        about: judges the claims about this data set instead, by their direction if it is not the
            one measured.
    """
    claims = read_claims(slug)
    own = [claim for claim in claims if claim.dataset == (about or dataset)]
    if not own:  # not the paper's data: one row a pair of cells
        own = list({(claim.better, claim.worse): claim for claim in reversed(claims)}.values())[
            ::-1
        ]
    rows = []
    for claim in own:
        measured = effect(cells.get(claim.better, ()), cells.get(claim.worse, ()))
        same = paper_setting and claim.dataset == dataset
        paper = (
            f"{claim.points:+.2f}"
            if claim.dataset == dataset
            else f"{claim.points:+.2f} on {claim.dataset}"
        )
        ours = measured.text(sign=True) if measured else "–"
        rows.append((claim.text, claim.source, paper, ours, judge(measured, claim.points, same)))
    kind = (
        "the paper's setting"
        if paper_setting
        else "reduced setting: only the direction can be judged"
    )
    return Table(
        f"Claims, measured on {dataset} ({kind})",
        ("claim", "source", "paper", "ours", "verdict"),
        rows,
    )


def accuracy_table(
    title: str,
    rows: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    numbers: Mapping[tuple[str, str], float],
    measured: Mapping[str, Cells],
) -> Table:
    """Accuracies, the paper's beside ours.

    Args:
        rows: label of a row -> the cell in each column, as many as `columns`.
        columns: what each shows, e.g. "8×8".
        numbers: the paper's, from `read_numbers`.
        measured: data set -> cells; each data set has its own columns.
    """
    headers, body = [""], [[label] for label in rows]
    for dataset, cells in measured.items():
        known = any(name == dataset for name, _ in numbers)
        for i, column in enumerate(columns):
            headers += [
                f"{dataset} {column}".strip() + f": {whose}"
                for whose in (["paper"] * known + ["ours"])
            ]
            for line, group in zip(body, rows.values(), strict=True):
                value, ours = numbers.get((dataset, group[i])), top1(cells.get(group[i], ()))
                line += ["–" if value is None else f"{value:.2f}"] * known + [
                    ours.text() if ours else "–"
                ]
    return Table(title, headers, body)
