"""What decides a run's numbers beside its values: data, code, parents, threads and precision.

Records and checkpoints keep it, so that what was made under other conditions is noticed. Of the
code there are digests without comments, docstrings and layout. What counts are the loop, and the
modules of the run's method, network and degradations with all that they import; not how a run is
stored, scheduled or shown.
"""

import ast
import functools
import hashlib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from paperlib import degrade, methods, names, networks
from paperlib.datasets import Dataset
from paperlib.degrade import corruptions
from paperlib.execution import Execution
from paperlib.runs import Record, Run

LOOP = ("paperlib.training",)
DECIDE = tuple(
    f"paperlib.{name}." for name in ("methods", "networks", "degrade", "datasets", "papers")
)
ALSO = (*LOOP, "paperlib.evaluation", "paperlib.restored")
# they name many others, of which a run needs one: those are found by name
TABLES = ("paperlib.degrade", "paperlib.degrade.specs", "paperlib.degrade.corruptions")

# how a run differs from what would be made now: "it was made ..."
WORDS = {
    "data": "of other data",
    "code": "by other code",
    "parents": "on other parents",
    "threads": "with other threads",
    "precision": "in another precision",
    "device": "on another device",
    "torch": "by another torch",
}


def made_of(
    run: Run,
    dataset: Dataset,
    parents: Mapping[str, str],
    execution: Execution,
    threads: int | None = None,
) -> dict[str, Any]:
    """What decides a run's numbers if it is trained now, by the names of a record's provenance.

    "data": digest of the data set's content. "code": digests of the modules that decide the
    numbers, by name. "parents": SHA-256 of the weights of the runs that it uses, by role.
    "precision", and on a CPU "threads": they change the last bits.

    Args:
        parents: those sums; a role that is left out is not compared.
        threads: of the process that trains; None are those of this one.
    """
    execution = execution.obeying(methods.method(run.method).precision)
    count = {"threads": threads or torch.get_num_threads()} if execution.kind == "cpu" else {}
    return {
        "data": dataset.fingerprint,
        "code": code(run),
        "parents": dict(parents),
        "precision": execution.precision,
        **count,
    }


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, list[str]]:
    """What something was made of that is other now: a name of `WORDS` -> what differs.

    Args:
        there: the provenance of a record, or what a checkpoint says it was made of. An older one
            without digests counts as made by other code.
        here: `made_of` now.
    """
    out: dict[str, list[str]] = {}
    if "code" not in there:
        out["code"] = ["not recorded"]
    elif names := changed(there["code"], here["code"]):
        out["code"] = names
    roles = [role for role in here["parents"] if "parents" in there]
    others = [role for role in roles if there["parents"].get(role) != here["parents"][role]]
    if others:
        out["parents"] = others
    for name in here.keys() - {"code", "parents"}:
        value = there.get(name, here[name])
        if value != here[name]:
            out[name] = [] if name == "data" else [str(value)]  # a digest tells nobody anything
    return out


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The modules whose digests differ, or that only one of two codes has."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def stale_code(record: Record) -> list[str]:
    """The modules that have changed since a record was made; "not recorded" if it does not say."""
    there = record.provenance.get("code")
    return ["not recorded"] if there is None else changed(there, code(record.run))


def in_words(name: str, details: Iterable[str]) -> str:
    """A difference, behind "made": "by other code (training, degrade.jpeg)"."""
    shown = sorted(set(details))
    more = [f"{len(shown) - 4} more"] if len(shown) > 4 else []
    return f"{WORDS[name]} ({', '.join([*shown[:4], *more])})" if shown else WORDS[name]


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
