"""Methods by name: those that papers share, and those of the papers' packages."""

from collections.abc import Mapping

from torch import nn

from paperlib import names
from paperlib.errors import UserError
from paperlib.methods.base import Batch, Method, Task
from paperlib.runs import Run

METHODS = {"supervised": "paperlib.methods.supervised:Supervised"}

__all__ = ["METHODS", "Batch", "Method", "Task", "build", "build_network", "known", "method"]


def known() -> list[str]:
    """The names of all methods."""
    return list(names.references("METHODS", METHODS))


def method(name: str) -> type[Method]:
    """The class of a method. Raises `UserError` for an unknown name."""
    return names.resolve("method", name, "METHODS", METHODS)


def build(run: Run, task: Task, parents: Mapping[str, nn.Module]) -> Method:
    """The method that a run names, with the run's options. Raises `UserError` for an unknown name
    or option."""
    make = method(run.method)
    try:
        return make(run, task, parents, **run.options)
    except TypeError as error:
        raise UserError(f"method {run.method!r}: {error}") from error


def build_network(run: Run, task: Task) -> nn.Module:
    """Only the network that a run trains, freshly initialised: to load its weights into."""
    return method(run.method).build(run, task)
