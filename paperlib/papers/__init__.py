"""The papers: one package each, with all that only this paper needs. This is the only list of them.

A package holds `study` (its profiles and the runs behind each table and figure), `tables` and
`figures`. Its `__init__` says what the paper is (`PAPER`) and declares, as "module:attribute" by
name, what the core looks up when it needs it:

- `METHODS`, and `CLASSIFIERS` where the paper has networks of its own: the names that runs may use;
- `BENCHES`: functions of no argument that `make bench` calls;
- `BLOCKS`: functions of no argument that write a marked block of a page, in Markdown.

Nothing here imports torch: the command line reads it before it knows what it is asked for.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from paperlib.errors import choose

# "compared" is no paper: all methods on one protocol
PAPERS = ("dfd", "fq", "ddp", "sfd", "ssdl", "compared")


@dataclass(frozen=True)
class Paper:
    """What is said of a paper wherever papers are listed.

    Attributes:
        title: in full.
        idea: the method in one line.
        profile: the profile whose committed records stand in the README and the book.
        datasets: the data sets whose committed records stand there, by name.
        authors: in the order printed; empty for a study that no paper has.
        venue: with the year, e.g. "CVPR 2020".
        source: what of the paper was at hand, e.g. "whole paper".
    """

    title: str
    idea: str
    profile: str
    datasets: tuple[str, ...]
    authors: str = ""
    venue: str = ""
    source: str = ""


def about(slug: str) -> Paper:
    """What a paper's package says of it. Raises `UserError` for an unknown slug."""
    paper: Paper = _package(slug).PAPER
    return paper


def published() -> dict[str, Paper]:
    """The papers by slug, without the studies that no paper has."""
    return {slug: about(slug) for slug in PAPERS if about(slug).venue}


def study(slug: str) -> ModuleType:
    """The study of a paper: `PROFILES` and `study`. Raises `UserError` for an unknown slug."""
    return _package(slug, ".study")


def tables(slug: str) -> ModuleType:
    """The module with a paper's `tables`. Raises `UserError` for an unknown slug."""
    return _package(slug, ".tables")


def declared(table: str) -> dict[str, str]:
    """What all papers declare under a name, such as "METHODS": "module:attribute" by name."""
    return {
        name: reference
        for slug in PAPERS
        for name, reference in getattr(_package(slug), table, {}).items()
    }


def load(table: str) -> dict[str, Any]:
    """What all papers declare under a name, such as "BENCHES", imported."""
    found = {}
    for name, reference in declared(table).items():
        module, _, attribute = reference.partition(":")
        found[name] = getattr(importlib.import_module(module), attribute)
    return found


def _package(slug: str, part: str = "") -> ModuleType:
    return importlib.import_module(f"paperlib.papers.{choose('paper', slug, PAPERS)}{part}")
