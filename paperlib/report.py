"""Tables: the paper's number beside ours, and a verdict for every claim."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import NOT_TESTABLE, UNDECIDED, Verdict, recipe_text

NOTHING = "–"  # where nothing was measured, or printed


@dataclass(frozen=True)
class Table:
    """A table for the terminal and for the book."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        return f"{self.title}\n{self._as('simple')}"

    def _repr_markdown_(self) -> str:
        return f"**{self.title}**\n\n{self._as('pipe')}"

    def _as(self, form: str) -> str:
        return tabulate(self.rows, self.headers, tablefmt=form, disable_numparse=True)


class Tables(list[Table]):
    """Several tables, one below the other."""

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))

    def _repr_markdown_(self) -> str:
        return "\n\n".join(table._repr_markdown_() for table in self)


def text(estimate: Estimate | None, sign: bool = False) -> str:
    """An estimate for a table, see `Estimate.text`."""
    return NOTHING if estimate is None else estimate.text(sign)


def gain_text(gain: Estimate | None) -> str:
    """A gain for a table of many, see `Estimate.gain_text`."""
    return NOTHING if gain is None else gain.gain_text()


def metric_rows(
    scores: Scores, cells: Mapping[str, str], metrics: Iterable[str]
) -> list[tuple[str, ...]]:
    """Estimates: a row per cell, a column per metric.

    Args:
        scores: what was measured.
        cells: label of a row -> its cell.
        metrics: of the columns.
    """
    metrics = list(metrics)
    return [
        (label, *(text(scores.estimate(cell, metric)) for metric in metrics))
        for label, cell in cells.items()
    ]


def gain_rows(
    scores: Scores, pairs: Mapping[str, tuple[str, str]], metrics: Iterable[str]
) -> list[tuple[str, ...]]:
    """Gains: a row per pair of cells, a column per metric; bold where the interval excludes 0.

    Args:
        scores: what was measured.
        pairs: label of a row -> the cell that gains, and the one over which it does.
        metrics: of the columns.
    """
    metrics = list(metrics)
    return [
        (label, *(gain_text(scores.gain(*pair, metric)) for metric in metrics))
        for label, pair in pairs.items()
    ]


def effect_text(verdict: Verdict) -> str:
    """What was measured, for a table: "+2.05 [+1.10, +3.00] (5)", or "+2.1 (1)" without an end."""
    if verdict.effect is None or verdict.low is None or verdict.high is None:
        return NOTHING
    own = Estimate(verdict.effect, (verdict.high - verdict.low) / 2, verdict.n)
    ends = [f"{end:+.{own.decimals}f}" for end in (verdict.low, verdict.high)]
    interval = f" [{', '.join(ends)}]" if math.isfinite(own.half) else ""
    return f"{verdict.effect:+.{own.decimals}f}{interval} ({verdict.n})"


def verdict_text(verdict: Verdict) -> str:
    """The word, what is said of the size, and why it is none of the words that decide."""
    text = ", ".join(filter(None, (verdict.word, verdict.size)))
    if verdict.word == NOT_TESTABLE:
        return f"{text}: {verdict.why}"
    if verdict.word == UNDECIDED:
        before, _, needed = verdict.why.rpartition("; ")
        return f"{text}: {verdict.why if 'Holm' in before else needed}"
    return text


def claims_table(
    verdicts: Sequence[Verdict], title: str = "Claims", names: Mapping[str, str] | None = None
) -> Table:
    """The verdicts on a paper's claims, all measured on one data set under one profile.

    Args:
        verdicts: what came of the claims, at least one; headline claims come first.
        title: how it starts; networks that stand in and the setting follow.
        names: of networks, for the title.
    """
    known = names or {}
    for theirs, ours in {v.claim.network: v.network for v in verdicts if v.network}.items():
        title += f", {known.get(ours, ours)} in place of {known.get(theirs, theirs)}"
    under = any(verdict.condition for verdict in verdicts)
    rows = []
    for verdict in sorted(verdicts, key=lambda verdict: not verdict.claim.headline):
        claim = verdict.claim
        elsewhere = f" on {claim.dataset}" if claim.dataset not in ("", verdict.dataset) else ""
        paper = NOTHING if claim.points is None else f"{claim.points:+.2f}{elsewhere}"
        text = f"**{claim.text}**" if claim.headline else claim.text
        condition = [verdict.condition] * under
        rows.append(
            (text, claim.source, *condition, paper, effect_text(verdict), verdict_text(verdict))
        )
    first = verdicts[0]
    kind = "in the paper's setting"
    if not all(verdict.own_setting for verdict in verdicts):
        kind = f"{recipe_text(first.setting)}: sizes are not compared"
    headers = ("claim", "source", *["under"] * under, "paper", "ours [interval] (seeds)", "verdict")
    return Table(f"{title}, measured on {first.dataset} ({kind})", headers, rows)


def accuracy_table(
    title: str,
    rows: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    numbers: Mapping[tuple[str, str], float],
    measured: Mapping[str, Scores],
) -> Table:
    """Accuracies, the paper's beside ours.

    Args:
        title: of the table.
        rows: label of a row -> the cell in each column, as many as `columns`.
        columns: what each shows, e.g. "8×8".
        numbers: the paper's, from `read_numbers`.
        measured: data set -> scores; each data set has its own columns.
    """
    headers, body = [""], [[label] for label in rows]
    for dataset, scores in measured.items():
        known = any(name == dataset for name, _ in numbers)
        for i, column in enumerate(columns):
            head = f"{dataset} {column}".strip()
            headers += [f"{head}: paper"] * known + [f"{head}: ours"]
            for line, group in zip(body, rows.values(), strict=True):
                value = numbers.get((dataset, group[i]))
                printed = NOTHING if value is None else f"{value:.2f}"
                line += [printed] * known + [text(scores.estimate(group[i]))]
    return Table(title, headers, body)
