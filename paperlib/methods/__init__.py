"""Methods by name: those that papers share, and those of the papers' packages."""

from collections.abc import Mapping

from torch import Tensor, nn

from paperlib import names
from paperlib.methods.base import Batch, Method, Options, Task
from paperlib.runs import Run

METHODS = {"supervised": "paperlib.methods.supervised:Supervised"}

__all__ = [
    "METHODS",
    "Batch",
    "Method",
    "Options",
    "Task",
    "build",
    "build_network",
    "example",
    "known",
    "method",
    "parse",
]


def known() -> list[str]:
    """The names of all methods."""
    return list(names.references("METHODS", METHODS))


def method(name: str) -> type[Method]:
    """The class of a method. Raises `UserError` for an unknown name."""
    return names.resolve("method", name, "METHODS", METHODS)


def parse(run: Run) -> Options:
    """The run's options, checked. Raises `UserError` for a wrong method, name or value."""
    return method(run.method).parse(run)


def check(run: Run) -> None:
    """What can be checked before anything trains. Raises `UserError` for a wrong method or option,
    or a required parent that the run does not use."""
    make = method(run.method)
    make.parse(run)
    make.check_parents(run, run.uses)


def build(run: Run, task: Task, parents: Mapping[str, nn.Module]) -> Method:
    """The method that a run names, with the run's options. Raises `UserError` for a wrong one."""
    make = method(run.method)
    return make(run, task, parents, make.parse(run))


def build_network(run: Run, task: Task) -> nn.Module:
    """Only the network that a run trains, freshly initialised: to load its weights into."""
    make = method(run.method)
    return make.build(run, task, make.parse(run))


def example(run: Run, task: Task) -> tuple[Tensor, ...]:
    """Zeros of the shapes that the network of a run takes for one image."""
    make = method(run.method)
    return make.example(run, task, make.parse(run))
