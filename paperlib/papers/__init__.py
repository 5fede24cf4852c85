"""The papers: one package each, with all that only this paper needs. This is the only list of them.

A package holds `study` (its profiles and the runs behind each table and figure), `tables` and
`figures`, and in its `__init__` the names that its runs may use: `METHODS`, and `CLASSIFIERS` where
it has networks of its own.
"""

import importlib
from types import ModuleType

from paperlib.errors import choose

# "compared" is no paper: all methods on one protocol
PAPERS = ("dfd", "fq", "ddp", "sfd", "ssdl", "compared")


def study(slug: str) -> ModuleType:
    """The study of a paper: `PROFILES` and `study`. Raises `UserError` for an unknown slug."""
    return _part(slug, "study")


def tables(slug: str) -> ModuleType:
    """The module that makes a paper's tables from the records of its study. Raises `UserError` for
    an unknown slug."""
    return _part(slug, "tables")


def declared(table: str) -> dict[str, str]:
    """What all papers declare under a name, such as "METHODS": "module:attribute" by name."""
    packages = [importlib.import_module(f"paperlib.papers.{slug}") for slug in PAPERS]
    return {
        name: reference
        for package in packages
        for name, reference in getattr(package, table, {}).items()
    }


def _part(slug: str, part: str) -> ModuleType:
    return importlib.import_module(f"paperlib.papers.{choose('paper', slug, PAPERS)}.{part}")
