"""Digests of the code that decides a run's numbers, without comments, docstrings and layout.

A record keeps them, so that numbers of other code are noticed. What counts are the loop, and the
modules of the run's method, network and degradations with all that they import; not how a run is
stored, scheduled or shown.
"""

import ast
import functools
import hashlib
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from paperlib import degrade, methods, names, networks
from paperlib.degrade import corruptions
from paperlib.runs import Run

LOOP = ("paperlib.training",)
DECIDE = tuple(
    f"paperlib.{name}." for name in ("methods", "networks", "degrade", "datasets", "papers")
)
ALSO = (*LOOP, "paperlib.evaluation", "paperlib.restored")
# they name many others, of which a run needs one: those are found by name
TABLES = ("paperlib.degrade", "paperlib.degrade.specs", "paperlib.degrade.corruptions")


def code(run: Run) -> dict[str, str]:
    """Module, without "paperlib.", -> 8 hexadecimal digits, for all that decide a run's numbers."""
    reached = sorted(_reached(tuple(sorted(set(_roots(run))))))
    return {name.removeprefix("paperlib."): _digest(name) for name in reached}


def _roots(run: Run) -> Iterator[str]:
    yield from LOOP
    yield methods.method(run.method).__module__
    known = names.references("CLASSIFIERS", networks.CLASSIFIERS)
    if run.network in known:
        yield known[run.network].partition(":")[0]
    if "frontend" in run.uses:
        yield "paperlib.restored"
    for spec in (run.degrade, *degrade.each(run.evaluate)):
        yield degrade.DEGRADATIONS[spec["name"]].__module__
        yield from _functions(spec)


def _functions(spec: Any) -> Iterator[str]:
    """The modules of the functions that a degradation calls by name."""
    match spec["name"]:
        case "corruption":
            yield corruptions.FUNCTIONS[spec["corruption"]].__module__
        case "random_corruption":
            for name in degrade.parse_corruptions(spec.get("corruptions", "standard")):
                yield corruptions.FUNCTIONS[name].__module__
        case "noise":
            yield "paperlib.degrade.sensor"
        case "distortion" | "distortion_mix" | "distortion_chain":
            yield "paperlib.degrade.distortions"


@functools.lru_cache(maxsize=256)
def _reached(roots: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += () if name in TABLES else _imported(name)
    return frozenset(found)


@functools.lru_cache(maxsize=256)
def _imported(name: str) -> frozenset[str]:
    """The modules that decide numbers and that a module imports, by where their names are from."""
    found = set()
    for node in ast.walk(_parsed(name)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {_home(node.module, alias.name) for alias in node.names}
    return frozenset(one for one in found if one.startswith(DECIDE) or one in ALSO)


def _home(module: str, name: str) -> str:
    """The module in which a name that is imported from another one is defined."""
    if not module.startswith("paperlib"):
        return ""
    value = getattr(importlib.import_module(module), name, None)
    if value is None or hasattr(value, "__path__") or type(value).__name__ == "module":
        return f"{module}.{name}"
    home = getattr(value, "__module__", None) or module
    return home if home.startswith("paperlib") else module


@functools.lru_cache(maxsize=256)
def _digest(name: str) -> str:
    return hashlib.sha256("".join(_told(_parsed(name))).encode()).hexdigest()[:8]


@functools.lru_cache(maxsize=256)
def _parsed(name: str) -> ast.Module:
    file = importlib.import_module(name).__file__
    assert file is not None, "a module of paperlib has a file"
    return ast.parse(Path(file).read_bytes())


def _told(node: Any) -> Iterable[str]:
    """What a syntax tree says, alike in all versions of Python: no positions, no docstrings."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for field, value in ast.iter_fields(node):
            if field == "body" and isinstance(value, list) and _is_text(value):
                value = value[1:]
            if value not in (None, []):
                yield f" {field}="
                yield from _told(value)
        yield ")"
    elif isinstance(node, list):
        for one in node:
            yield from _told(one)
    else:
        yield repr(node)


def _is_text(body: list[Any]) -> bool:
    """Whether a body starts with a docstring."""
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
