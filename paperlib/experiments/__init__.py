"""Per paper one module with its profiles and the runs behind each table and figure, and one with its tables."""

from collections.abc import Callable
from types import ModuleType

from paperlib.errors import choose
from paperlib.experiments import (
    compared,
    compared_tables,
    ddp,
    ddp_tables,
    dfd,
    dfd_tables,
    fq,
    fq_tables,
    sfd,
    sfd_tables,
    ssdl,
    ssdl_tables,
)
from paperlib.report import Table

PAPERS: dict[str, tuple[ModuleType, ModuleType]] = {
    "dfd": (dfd, dfd_tables),
    "fq": (fq, fq_tables),
    "ddp": (ddp, ddp_tables),
    "sfd": (sfd, sfd_tables),
    "ssdl": (ssdl, ssdl_tables),
    "compared": (compared, compared_tables),  # no paper: all methods on one protocol
}


def paper(slug: str) -> ModuleType:
    """The experiments of a paper: `PROFILES` and `study`. Raises `UserError` for an unknown slug."""
    return PAPERS[choose("paper", slug, PAPERS)][0]


def paper_tables(slug: str) -> Callable[..., list[Table]]:
    """The function that makes all tables of a paper from the records of its study."""
    return PAPERS[choose("paper", slug, PAPERS)][1].tables
