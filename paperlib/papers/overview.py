"""What the README and the book say of all papers, written from committed records.

Nothing here names a paper: everything is asked of the packages that `papers.PAPERS` lists.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from paperlib import papers
from paperlib.archive import Archive
from paperlib.book.blocks import Blocks, pipe
from paperlib.evidence.claims import DATA
from paperlib.report import Table
from paperlib.study import select

VERDICTS = ("reproduced", "direction only", "inconclusive", "not reproduced", "not tested")
JUDGED = {"claim", "source", "verdict"}  # the columns of a table of claims


def judged(slug: str) -> list[Table]:
    """A paper's tables of claims, from the records that its package names."""
    about, study = papers.about(slug), papers.study(slug)
    settings = select(study.PROFILES, about.profile, about.datasets)
    archive = Archive(DATA / "results" / slug)
    studies = {name: study.study(settings, name, archive) for name in settings.datasets}
    return [
        table
        for table in papers.tables(slug).tables(settings, studies)
        if set(table.headers) >= JUDGED
    ]


def verdicts(slug: str) -> Iterator[tuple[str, str]]:
    """Source and verdict of each of a paper's claims."""
    for table in judged(slug):
        for row in table.rows:
            cells = dict(zip(table.headers, row, strict=True))
            yield cells["source"], cells["verdict"]


def findings() -> str:
    """The README's table: a row per paper, with the number of its claims by verdict."""
    rows = []
    for slug, paper in papers.published().items():
        counts = Counter(verdict for _, verdict in verdicts(slug))
        title = f"{paper.title} ({paper.venue}): {paper.idea}"
        rows.append((f"[`{slug}`](book/{slug}.py)", title, paper.source, *_shown(counts)))
    return pipe(("", "paper, and the method in one line", "source at hand", *VERDICTS), rows)


def index() -> str:
    """The book's table of papers."""
    rows = [
        (f"{paper.title} ({paper.venue})", paper.idea, paper.source, f"[`{slug}`]({slug}.ipynb)")
        for slug, paper in papers.published().items()
    ]
    return pipe(("Paper", "In one line", "Source at hand", "Chapter"), rows)


def contents() -> str:
    """The book's table of contents."""
    pages = (*papers.PAPERS, "degradations", "measurements", "library", "exercises")
    return "\n".join(["```{toctree}", ":hidden:", "", *pages, "```"])


def claims() -> str:
    """The number of claims by verdict, for each place of each paper."""
    rows = []
    for slug in papers.published():
        counts: dict[str, Counter[str]] = {}
        for source, verdict in verdicts(slug):
            counts.setdefault(source, Counter())[verdict] += 1
        for source, count in counts.items():
            rows.append((slug, source, f"{count.total()}", *_shown(count)))
    return pipe(("paper", "claimed in", "claims", *VERDICTS), rows)


def results() -> str:
    """Every claim of every paper with its verdict."""
    parts = []
    for slug, paper in papers.published().items():
        parts.append(f"### {paper.title}")
        setting = f"Profile `{paper.profile}` on {', '.join(paper.datasets)}"
        parts.append(f"{setting}; [chapter `{slug}`]({slug}.ipynb) says what this setting reduces.")
        parts += [
            f"**{table.title}**\n\n{pipe(table.headers, table.rows)}" for table in judged(slug)
        ]
    return "\n\n".join(parts)


def _shown(counts: Counter[str]) -> Sequence[str]:
    """The counts in the order of `VERDICTS`. Raises ValueError for a verdict that is none."""
    if unknown := counts.keys() - set(VERDICTS):
        raise ValueError(f"no verdict: {', '.join(sorted(unknown))}")
    return [f"{counts[verdict] or '–'}" for verdict in VERDICTS]


BLOCKS: Blocks = {
    "findings": findings,
    "index": index,
    "contents": contents,
    "claims": claims,
    "results": results,
}
