"""What the README and the book say of all papers, written from committed records.

Nothing here names a paper: everything is asked of the packages that `papers.PAPERS` lists.
"""

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from paperlib import papers
from paperlib.archive import Archive
from paperlib.book import verdict_blocks
from paperlib.book.blocks import Blocks, pipe
from paperlib.evidence.claims import DATA, read_claims
from paperlib.evidence.looks import MOST
from paperlib.evidence.verdicts import UNDECIDED, VERDICTS, Verdict, recipe_text
from paperlib.papers import headlines
from paperlib.report import NOTHING, claims_table
from paperlib.study import Collected, Results, select


def judged(
    slug: str,
    results: Results | None = None,
    profile: str = "",
    names: Iterable[str] | None = None,
) -> tuple[dict[str, Collected], list[Verdict]]:
    """What was measured for a paper, by data set, and what came of its claims.

    Claims about data that was not measured are "not tested".

    Args:
        slug: of the paper.
        results: gives the records; None stands for the committed ones.
        profile, names: of the setting and its data sets; "" and None stand for those that the
            paper's package names, or for the data sets of the profile given.
    Raises:
        UserError: unknown profile or data set.
    """
    about, study = papers.about(slug), papers.study(slug)
    chosen = profile or about.profile
    if names is None and chosen == about.profile:
        names = about.datasets
    settings, judge = select(study.PROFILES, chosen, names), papers.tables(slug).verdicts
    results = results or Archive(DATA / "results" / slug)
    items = {name: study.study(settings, name, results) for name in settings.datasets}
    found = [verdict for name, own in items.items() for verdict in judge(settings, name, own)]
    known = {verdict.claim for verdict in found}
    why = f"there is no record on this data, {recipe_text(settings.profile, settings.deviates)}"
    return items, found + [
        Verdict(claim, claim.dataset, settings.profile, reason=why, deviates=settings.deviates)
        for claim in read_claims(slug)
        if claim not in known
    ]


def verdicts(slug: str) -> list[Verdict]:
    """What came of a paper's claims, from the records that its package names."""
    return judged(slug)[1]


Source = Callable[[str], Iterable[Verdict]]  # what came of a paper's claims, by its slug


def ledger(slugs: Iterable[str], source: Source = verdicts) -> list[dict[str, Any]]:
    """A row per claim, headline claims first: plain values, None where there is no number."""
    rows = [_row(slug, verdict) for slug in slugs for verdict in source(slug)]
    return sorted(rows, key=lambda row: not row["headline"])


def _row(slug: str, verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    under = f", {verdict.condition}" if verdict.condition else ""
    return {
        "paper": slug,
        "claim": claim.text + under,
        "dataset": verdict.dataset,
        "setting": verdict.setting,
        "network": verdict.network or claim.network,
        "kind": claim.kind,
        "headline": claim.headline,
        "metric": claim.metric,
        "n": verdict.n,
        "effect": _finite(verdict.effect),
        "low": _finite(verdict.low),
        "high": _finite(verdict.high),
        "margin": claim.margin,
        "paper_points": claim.points,
        "p": verdict.p,
        "verdict": verdict.word,
        "size": verdict.size,
        "reason": verdict.reason,
        "needed": verdict.needed,
        "source": claim.source,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


WIDTHS = (37, 23, 7, 6, 17)  # of the columns of `ledger_text`, whose lines have 98 characters
HEADERS = ("claim", "measured", "seeds", "paper", "verdict")


def ledger_text(slugs: Iterable[str], source: Source = verdicts) -> str:
    """`ledger` for a terminal: under each setting of each paper, headline claims before all others.

    Seeds: how many there are; "5/10" says that 10 would probably decide.
    """
    found = [(slug, verdict) for slug in slugs for verdict in source(slug)]
    parts = []
    for headline, title in ((True, "Headline claims"), (False, "Other claims")):
        own = [(slug, verdict) for slug, verdict in found if verdict.claim.headline is headline]
        groups: dict[str, list[str]] = {}
        for slug, verdict in own:
            groups.setdefault(f"{slug}, {verdict.where}", []).append(_line(verdict))
        counts = Counter(verdict.word for _, verdict in own)
        count = ", ".join(f"{counts[word]} {word}" for word in VERDICTS if counts[word])
        if own:
            parts += [f"{title}: {count}", _wrapped(HEADERS)]
            parts += ["\n".join(["", group, *lines]) for group, lines in groups.items()]
            parts += [""]
    return "\n".join(parts[:-1]) or "No claim."


def _line(verdict: Verdict) -> str:
    claim, own = verdict.claim, verdict.measured
    under = f", {verdict.condition}" if verdict.condition else ""
    measured = NOTHING if own is None else own.number
    seeds = f"{verdict.n}"
    if verdict.word == UNDECIDED:
        seeds += f"/{verdict.needed}" if verdict.needed else f"/{MOST}+"
    printed = NOTHING if claim.points is None else f"{claim.points:+.2f}"
    word = ", ".join(filter(None, (verdict.word, verdict.size)))
    return _wrapped((f"{claim.text}{under}", measured, seeds, printed, word))


def _wrapped(cells: Sequence[str]) -> str:
    """A row of `ledger_text`, on as many lines as its longest cell needs."""
    columns = [textwrap.wrap(cell, width) for cell, width in zip(cells, WIDTHS, strict=True)]
    lines = zip_longest(*columns, fillvalue="")
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, WIDTHS, strict=True)).rstrip()
        for line in lines
    )


def findings() -> str:
    """The README's table: a row per paper, with the number of its claims by verdict.

    Headline claims, "+", all others.
    """
    rows = []
    for slug, paper in papers.published().items():
        found = verdicts(slug)
        title = f"{paper.title} ({paper.venue}): {paper.idea}"
        rows.append((f"[`{slug}`](book/{slug}.py)", title, paper.source, *_shown(found)))
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
    pages = (*papers.PAPERS, "verdicts", "degradations", "measurements", "library", "exercises")
    return "\n".join(["```{toctree}", ":hidden:", "", *pages, "```"])


def claims() -> str:
    """The number of claims by verdict, headline + others, for each place of each paper."""
    rows = []
    for slug in papers.published():
        by_source: dict[str, list[Verdict]] = {}
        for verdict in verdicts(slug):
            by_source.setdefault(verdict.claim.source, []).append(verdict)
        for source, own in by_source.items():
            rows.append((slug, source, f"{len(own)}", *_shown(own)))
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
        for own in by_data.values():
            table = claims_table(own)
            parts.append(f"**{table.title}**\n\n{pipe(table.headers, table.rows)}")
    return "\n\n".join(parts)


def origins() -> str:
    """Which code made the committed records: a row per paper and commit, and what has changed."""
    rows, changed = [], []
    for slug in papers.PAPERS:
        archive = Archive(DATA / "results" / slug)
        for commit, count, oldest, newest in archive.origins():
            days = oldest[:10] if oldest[:10] == newest[:10] else f"{oldest[:10]} to {newest[:10]}"
            rows.append((slug, f"`{commit}`", f"{count}", days))
        if line := archive.stale():
            changed.append(f"- {slug}: {line}.")
    table = pipe(("paper", "commit", "records", "trained"), rows)
    return "\n\n".join([table, *["\n".join(changed)] * bool(changed)])


def _shown(found: Iterable[Verdict]) -> list[str]:
    """The counts in the order of `VERDICTS`: headline claims + others."""
    counts = Counter((verdict.word, verdict.claim.headline) for verdict in found)
    pairs = [(counts[word, True], counts[word, False]) for word in VERDICTS]
    return [f"{own} + {others}" if own or others else NOTHING for own, others in pairs]


def picture() -> str:
    """The README's picture of the headline claims, as SVG."""
    return headlines.svg((slug, own) for slug in papers.published() for own in verdicts(slug))


PICTURES: Mapping[str, Callable[[], str]] = {"headlines.svg": picture}
BLOCKS: Blocks = {
    "findings": findings,
    "index": index,
    "contents": contents,
    "claims": claims,
    "results": results,
    "origins": origins,
    **verdict_blocks.BLOCKS,
}
