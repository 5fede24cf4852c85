"""What the command line asks to be recorded: finished runs become committed records."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path

from paperlib import papers
from paperlib.archive import Archive
from paperlib.book.chapters import finished
from paperlib.errors import choose
from paperlib.runs import Run
from paperlib.store import Store
from paperlib.study import Results, Settings, select


def record(
    slug: str,
    settings: Settings,
    store: Store,
    archive: Archive,
    chosen: Sequence[str] = (),
    replace: bool = False,
) -> tuple[list[Path], list[Path]]:
    """Copy finished runs of a paper into the archive.

    Args:
        slug, settings: whose runs.
        store: where they are.
        archive: where they go.
        chosen: first digits of the hashes of some; by default all. Then what no plan names any more
            leaves the archive: neither one under these settings nor what README and book show.
        replace: whether a record that is there may become another one.
    Returns:
        The records that are there now, and those that were removed.
    Raises:
        UserError: a chosen run that is not finished, or another record where `replace` is False.
    """
    study = papers.study(slug).study
    studies = [study(settings, name, finished(store)) for name in settings.datasets]
    cells = chain.from_iterable(items.values() for items in studies)
    records = chain.from_iterable(chain.from_iterable(own.values()) for own in cells)
    found = {record.run.hash: record.run for record in records}
    wanted = [choose("run", _complete(run, found), found) for run in chosen] or list(found)
    kept = [archive.promote(found[run], store, replace) for run in wanted]
    gone = [] if chosen or not kept else archive.keep_only(_planned(slug, settings, archive))
    return kept, gone


def _complete(start: str, hashes: Collection[str]) -> str:
    """The only hash with this beginning; else the beginning itself."""
    matches = [run for run in hashes if run.startswith(start)]
    return matches[0] if len(matches) == 1 else start


def _planned(slug: str, settings: Settings, results: Results) -> Iterator[Run]:
    """All runs of a paper under the settings, and under those that README and book show."""
    about, study = papers.about(slug), papers.study(slug)
    for own in (settings, select(study.PROFILES, about.profile, about.datasets)):
        for name in own.datasets:
            for cells in study.plan(own, name, results).values():
                yield from chain.from_iterable(cells.values())
