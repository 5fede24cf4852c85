"""What all methods gain, as the page of measurements shows it."""

from paperlib.archive import Archive
from paperlib.book.blocks import pipe
from paperlib.evidence.claims import DATA
from paperlib.evidence.scores import Scores
from paperlib.papers.compared import PAPER, study, tables
from paperlib.papers.compared.profiles import Settings
from paperlib.study import select


def _setting() -> tuple[Settings, str]:
    settings = select(study.PROFILES, PAPER.profile, PAPER.datasets)
    return settings, settings.datasets[0]


def _scores() -> Scores:
    settings, dataset = _setting()
    archive = Archive(DATA / "results" / "compared")
    return tables.scores(settings, dataset, study.study(settings, dataset, archive))


def block() -> str:
    """The gains as a table in Markdown, below the setting."""
    settings, dataset = _setting()
    table = tables.gain_table(dataset, _scores())
    shown = pipe(table.headers, table.rows) if table.rows else "Not measured yet."
    return f"{tables.describe(settings)}.\n\n{shown}"
