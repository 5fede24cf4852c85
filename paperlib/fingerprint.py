"""What decides a run's numbers beside its values: data, code, parents, threads and precision.

Records and checkpoints keep it, so that what was made under other conditions is noticed. Of the
code there are digests without comments, docstrings and layout. What counts are the loop, and the
modules of the run's method, network and degradations with all that they import; not how a run is
stored, scheduled or shown.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from paperlib import degrade, methods, names, networks
from paperlib.datasets import Dataset
from paperlib.degrade import corruptions
from paperlib.errors import choose
from paperlib.execution import Execution
from paperlib.runs import Record, Run

ROOT = Path(__file__).parent
LOOP = ("paperlib.prepared", "paperlib.training")
DECIDE = tuple(
    f"paperlib.{name}." for name in ("methods", "networks", "degrade", "datasets", "papers")
)
ALSO = (*LOOP, "paperlib.evaluation", "paperlib.restored")
# They import many others, of which a run needs some: `_roots` finds those by the run's values.
TABLES = ("paperlib.prepared", "paperlib.degrade.specs", "paperlib.degrade.corruptions")

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
    """Module, without "paperlib.", -> 8 hexadecimal digits, for all that decide a run's numbers.

    Raises:
        UserError: an unknown method, degradation or corruption.
    """
    reached = _reached(frozenset(_roots(run)))
    return {name.removeprefix("paperlib."): _digest(name) for name in reached}


def _roots(run: Run) -> Iterator[str]:
    yield from LOOP
    # a parent's network is built anew and gets its weights
    for one in (run, *run.uses.values()):
        yield methods.method(one.method).__module__
        known = names.references("CLASSIFIERS", networks.CLASSIFIERS)
        if one.network in known:
            yield known[one.network].partition(":")[0]
    if "frontend" in run.uses:
        yield "paperlib.restored"
    for spec in (run.degrade, *degrade.each(run.evaluate)):
        name = choose("degradation", spec.get("name", ""), degrade.DEGRADATIONS)
        yield degrade.DEGRADATIONS[name].__module__
        yield from _functions(spec)


def _functions(spec: Mapping[str, Any]) -> Iterator[str]:
    """The modules of the functions that a degradation calls by name."""
    match spec["name"]:
        case "corruption" | "random_corruption":
            yield from ("paperlib.degrade.corruptions", "paperlib.degrade.tables")
            text = spec.get("corruption") or spec.get("corruptions", "standard")
            for name in degrade.parse_corruptions(str(text)):
                yield corruptions.FUNCTIONS[name].__module__
        case "noise":
            yield "paperlib.degrade.sensor"
        case "distortion" | "distortion_mix":
            yield "paperlib.degrade.distortions"


@functools.lru_cache(maxsize=1024)
def _reached(roots: frozenset[str]) -> tuple[str, ...]:
    """The modules that decide numbers among some and all that they import, sorted."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and _decides(name):
            found.add(name)
            waiting += _imported(name) - (_chosen() if name in TABLES else frozenset())
    return tuple(sorted(found))


def _decides(name: str) -> bool:
    return name.startswith(DECIDE) or name in ALSO


@functools.cache
def _chosen() -> frozenset[str]:
    """The modules that a run needs only if its values name what they hold."""
    by_name = {make.__module__ for make in corruptions.FUNCTIONS.values()}
    others = ("corruptions", "tables", "sensor", "distortions", "frost")
    return frozenset(
        by_name | {f"paperlib.degrade.{name}" for name in others} | {"paperlib.restored"}
    )


@functools.cache
def _imported(name: str) -> frozenset[str]:
    """The modules in which what a module imports from paperlib is defined."""
    return frozenset(_home(*one) for one in _imports(name).values())


@functools.cache
def _imports(name: str) -> dict[str, tuple[str, str]]:
    """What a module imports from paperlib, by the name that it has there: module, name."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(_parsed(name))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("paperlib")
        for alias in node.names
    }


def _home(module: str, name: str) -> str:
    """The module in which a name that is imported from another one is defined; or which it is."""
    if _file(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    passed_on = _imports(module).get(name)
    return _home(*passed_on) if passed_on else module


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256("".join(_told(_parsed(name))).encode()).hexdigest()[:8]


@functools.cache
def _parsed(name: str) -> ast.Module:
    file = _file(name)
    assert file is not None, "only modules of paperlib are read"
    return ast.parse(file.read_bytes())


def _file(name: str) -> Path | None:
    """Where a module of paperlib is; None if there is none of this name."""
    path = ROOT.joinpath(*name.split(".")[1:])
    found = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in found if one.is_file()), None)


def _told(node: Any) -> Iterable[str]:
    """What a syntax tree says that decides numbers, alike in all versions of Python.

    Left out are positions, annotations, strings that are statements (docstrings), and what is
    raised: an error ends a run and changes none.
    """
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for field, value in ast.iter_fields(node):
            if value not in (None, []) and field not in ("annotation", "returns", "exc", "cause"):
                yield f" {field}="
                yield from _told(value)
        yield ")"
    elif isinstance(node, list):
        for one in node:
            if not _is_text(one):
                yield from _told(one)
    else:
        yield repr(node)


def _is_text(node: Any) -> bool:
    """Whether a statement is nothing but a string."""
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
