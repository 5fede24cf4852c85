"""Tables: the paper's number beside ours, and a verdict for every claim."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tabulate import tabulate

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.looks import Interval
from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import DECIDED, NOT_TESTABLE, UNDECIDED, Verdict

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


def effect_text(measured: Interval | None) -> str:
    """An effect for a table, see `Interval.text`."""
    return NOTHING if measured is None else measured.text()


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
        verdicts: what came of the claims; headline claims come first.
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
            (
                text,
                claim.source,
                *condition,
                paper,
                effect_text(verdict.measured),
                verdict_text(verdict),
            )
        )
    where = ""
    if verdicts:
        where, kind = f", measured on {verdicts[0].dataset}", "in the paper's setting"
        if not all(verdict.own_setting for verdict in verdicts):
            kind = f"{verdicts[0].recipe}: sizes are not compared"
        where += f" ({kind})"
    headers = ("claim", "source", *["under"] * under, "paper", "ours [interval] (seeds)", "verdict")
    return Table(f"{title}{where}", headers, rows)


class Markdown(str):
    """Text that a notebook shows as Markdown."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def in_words(verdicts: Iterable[Verdict]) -> Markdown:
    """The headline claims with what came of them, as a list under each setting.

    Empty if there is no headline claim.
    """
    by_setting: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.claim.headline:
            by_setting.setdefault(verdict.where, []).append(f"- {_sentence(verdict)}")
    parts = [
        f"{where[0].upper()}{where[1:]}:\n\n" + "\n".join(own) for where, own in by_setting.items()
    ]
    return Markdown("\n\n".join(parts))


def _sentence(verdict: Verdict) -> str:
    claim = verdict.claim
    under = f", {verdict.condition}" if verdict.condition else ""
    size = f", {verdict.size}" if verdict.size else ""
    parts = [f"**{verdict.word}**{size}: {claim.text}{under} ({claim.source})."]
    if (own := verdict.measured) is not None:
        seeds = f"{own.n} seed{'s' if own.n > 1 else ''}"
        parts.append(f"Measured: {own.number} points over {seeds}.")
    if claim.points is not None:
        on = f" on {claim.dataset}" if claim.dataset else ""
        parts.append(f"The paper: {claim.points:+.2f}{on}.")
    if verdict.word not in DECIDED:
        parts.append(f"{verdict.why[0].upper()}{verdict.why[1:]}.")
    return " ".join(parts)


class Gap(NamedTuple):
    """Two cells that must be farther apart than an effect claimed between them."""

    above: str  # e.g. the teacher
    below: str  # e.g. the baseline
    points: float  # claimed
    metric: str = "top1"


LONGER = 2.0  # points that twice the epochs may change


def setting_table(
    scores: Scores,
    networks: Mapping[str, str],
    gaps: Mapping[str, Gap] | None = None,
    title: str = "Whether the setting can show the effect",
) -> Table:
    """What a setting must have to earn its place, and whether it does.

    Args:
        scores: with the cells "setting/<network>/1" and "setting/<network>/2", trained by the
            recipe and with twice the epochs, tested on held-out training images.
        networks: label -> network.
        gaps: label -> cells that must be far enough apart.
    """
    rows = []
    for label, network in networks.items():
        once, twice = (f"setting/{network}/{times}" for times in (1, 2))
        change = scores.gain(twice, once, "validation_top1")
        kept = change and abs(change.mean) < LONGER
        trained = text(scores.estimate(once, "validation_top1"))
        what = f"{label}: held-out top-1 {trained}; with twice the epochs"
        rows.append((what, text(change, sign=True), f"less than ±{LONGER:g}", _kept(kept)))
    for label, gap in (gaps or {}).items():
        apart = scores.gain(gap.above, gap.below, gap.metric)
        kept = apart and apart.mean > gap.points
        rows.append((label, text(apart, sign=True), f"more than {gap.points:+.2f}", _kept(kept)))
    headers = ("", "points ± 95 % interval (seeds)", "asked for", "so it is")
    return Table(title, headers, rows)


def _kept(kept: object) -> str:
    return NOTHING if kept is None else "yes" if kept else "no"


def scale_table(
    curves: Sequence[Curve], title: str = "Effect by number of training images"
) -> Table:
    """Each headline claim's effect at every scale, and what becomes of it."""
    sizes = sorted({size for curve in curves for size in curve.points})
    rows = [
        (c.claim.text, *(effect_text(c.points.get(size)) for size in sizes), c.text())
        for c in curves
    ]
    return Table(
        title, ("claim", *(f"{size:,}" for size in sizes), "from the fewest to the most"), rows
    )


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
