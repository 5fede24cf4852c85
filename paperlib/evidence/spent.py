"""How much of the training went into runs that decided a claim."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paperlib.evidence.scores import Items
from paperlib.evidence.verdicts import DECIDED, Verdict
from paperlib.runs import Record, in_order


@dataclass(frozen=True)
class Spent:
    """Core-seconds of training; on a GPU seconds of the GPU.

    Attributes:
        headline: of the runs that decided a headline claim, with those that they use.
        decided: of the runs that decided any claim, with those that they use.
        total: of all runs.
    """

    headline: float
    decided: float
    total: float

    def text(self) -> str:
        """In words: "62 % of 1,234 core-seconds of training decided claims, 40 % headline ones"."""
        if not self.total:
            return "no training"
        headline, decided = (100 * part / self.total for part in (self.headline, self.decided))
        of = f"{self.total:,.0f} core-seconds of training"
        return f"{decided:.0f} % of {of} decided claims, {headline:.0f} % headline ones"


def spent(items: Mapping[str, Items], verdicts: Iterable[Verdict]) -> Spent:
    """Where the training went.

    Args:
        items: data set -> what the paper's `study` returned for it.
        verdicts: of all these data sets. A claim is decided if its word is one of `DECIDED`; its
            runs are those of `Verdict.cells`.
    Returns:
        Core-seconds. A run that several cells share counts once.
    """
    records = {
        record.run.hash: record
        for own in items.values()
        for cells in own.values()
        for found in cells.values()
        for record in found
    }
    headline: set[str] = set()
    decided: set[str] = set()
    for verdict in verdicts:
        if verdict.word in DECIDED:
            own = items.get(verdict.dataset, {})
            cells = [cells.get(cell, ()) for cell in verdict.cells for cells in own.values()]
            runs = [record.run for found in cells for record in found]
            used = {run.hash for run in in_order(runs)} & records.keys()
            decided |= used
            headline |= used if verdict.claim.headline else set()
    seconds = {run: _core_seconds(record) for run, record in records.items()}
    parts = (sum(seconds[run] for run in part) for part in (headline, decided, seconds))
    return Spent(*parts)


def _core_seconds(record: Record) -> float:
    made = record.provenance
    threads = 1 if made.get("cuda") else made.get("threads", 1)
    return float(made.get("seconds", 0.0)) * int(threads)
