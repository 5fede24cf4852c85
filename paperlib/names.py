"""Methods and networks by name: "module:attribute", imported when the name is asked for.

What papers share is declared beside it, in `methods` and `networks`; what only one paper has, by
that paper's package. The core imports no paper: it asks `paperlib.papers`, by its name, for what
the papers declare.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from paperlib.errors import choose


def references(table: str, shared: Mapping[str, str]) -> dict[str, str]:
    """Every name with its "module:attribute": shared ones first, then each paper's `table`."""
    return {**shared, **importlib.import_module("paperlib.papers").declared(table)}


def resolve(kind: str, name: str, table: str, shared: Mapping[str, str]) -> Any:
    """What a name stands for. Raises `UserError`, which says `kind`, for an unknown one."""
    known = references(table, shared)
    module, _, attribute = known[choose(kind, name, known)].partition(":")
    return getattr(importlib.import_module(module), attribute)
