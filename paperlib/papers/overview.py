"""What the README and the book say of all papers, written from committed records.

Nothing here names a paper: everything is asked of the packages that `papers.PAPERS` lists.
"""

from collections import Counter
from collections.abc import Sequence

from paperlib import papers
from paperlib.archive import Archive
from paperlib.book.blocks import Blocks, pipe
from paperlib.evidence.claims import DATA, read_claims
from paperlib.evidence.verdicts import VERDICTS, Verdict
from paperlib.report import claims_table
from paperlib.study import select


def verdicts(slug: str) -> list[Verdict]:
    """What came of a paper's claims, from the records that its package names.

    Claims about data that none of these records can judge are "not tested".
    """
    about, study = papers.about(slug), papers.study(slug)
    settings = select(study.PROFILES, about.profile, about.datasets)
    archive, judge = Archive(DATA / "results" / slug), papers.tables(slug).verdicts
    found = [
        verdict
        for name in settings.datasets
        for verdict in judge(settings, name, study.study(settings, name, archive))
    ]
    judged = {verdict.claim for verdict in found}
    left = [claim for claim in read_claims(slug) if claim not in judged]
    return found + [Verdict(claim, claim.dataset, None, "not tested") for claim in left]


def findings() -> str:
    """The README's table: a row per paper, with the number of its claims by verdict."""
    rows = []
    for slug, paper in papers.published().items():
        counts = Counter(verdict.word for verdict in verdicts(slug))
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
        for verdict in verdicts(slug):
            counts.setdefault(verdict.claim.source, Counter())[verdict.word] += 1
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
        by_data: dict[str, list[Verdict]] = {}
        for verdict in verdicts(slug):
            by_data.setdefault(verdict.dataset, []).append(verdict)
        for dataset, own in by_data.items():
            table = claims_table(own, dataset, paper.profile == "paper")
            parts.append(f"**{table.title}**\n\n{pipe(table.headers, table.rows)}")
    return "\n\n".join(parts)


def _shown(counts: Counter[str]) -> Sequence[str]:
    """The counts in the order of `VERDICTS`."""
    return [f"{counts[verdict] or '–'}" for verdict in VERDICTS]


BLOCKS: Blocks = {
    "findings": findings,
    "index": index,
    "contents": contents,
    "claims": claims,
    "results": results,
}
