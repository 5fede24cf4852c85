"""What every chapter starts with: where its numbers come from, and a way to show its code."""

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from paperlib.archive import Archive
from paperlib.errors import choose
from paperlib.evidence.claims import DATA
from paperlib.execution import Execution
from paperlib.runs import Run
from paperlib.store import Store
from paperlib.study import Results
from paperlib.sweep import Sweep

MODES = ("records", "store", "run")
Samples = Callable[[Run], dict[str, Tensor]]  # the small tensors kept beside a run's record


def measurements(
    slug: str, mode: str, runs: Path | str = "runs", root: Path | None = None
) -> tuple[Results, Samples]:
    """Where a chapter gets records and samples of runs.

    Args:
        slug: of the paper.
        mode: "records" reads what is committed, "store" what is finished in the folder of runs;
            neither trains anything. "run" trains what is missing.
        runs: folder of trained runs, for "store" and "run".
        root: folder of the data sets, for "run".
    Raises:
        UserError: an unknown mode.
    """
    if choose("mode", mode, MODES) == "records":
        archive = Archive(DATA / "results" / slug)
        return archive, archive.samples
    store = Store(runs)
    return finished(store) if mode == "store" else Sweep(store, root, Execution.on()), store.samples


def finished(store: Store) -> Results:
    """The records of a store: a run that is not finished is left out, not trained."""
    return lambda runs: [record for run in runs if (record := store.record(run)) is not None]


def source(thing: Any) -> Any:
    """The source of a function, method or class, as a notebook shows it."""
    from IPython.display import Markdown

    return Markdown(f"```python\n{textwrap.dedent(inspect.getsource(thing))}```")
