"""Sentences of the chapters, made of the numbers that they speak of: they cannot contradict them.

Here are the parts that all papers share; what a paper says is in its own `words`.
"""

from collections.abc import Iterable

from paperlib.evidence.looks import Interval
from paperlib.report import Markdown, Table

NOTHING_YET = Markdown("*Not measured yet.*")


def shown(value: Interval, unit: str = " points") -> str:
    """ "+2.05 [+1.10, +3.00] points over 5 seeds"."""
    return f"{value.number}{unit} over {value.n} seed{'s' if value.n > 1 else ''}"


def against(what: str, value: Interval | None, other: str) -> str:
    """Whether `what` is ahead of `other`, as a sentence; empty where nothing was measured."""
    if value is None:
        return ""
    how = {1: "is ahead of", 0: "cannot be told from", -1: "is behind"}[value.told]
    return f"{what} {how} {other}: {shown(value)}."


def bullets(sentences: Iterable[str]) -> Markdown:
    """A list of the sentences that are not empty; empty if all are."""
    return Markdown("\n".join(f"- {text}" for text in sentences if text))


def listed(parts: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"; empty of nothing."""
    *first, last = [*parts] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def if_any(table: Table, otherwise: Markdown = NOTHING_YET) -> Table | Markdown:
    """A table, or what is said where it has no rows."""
    return table if table.rows else otherwise
