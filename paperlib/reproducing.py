"""What the command line asks of a reproduction: its settings, and the training."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from paperlib import datasets, papers
from paperlib.budget import Reproduction
from paperlib.datasets import Dataset
from paperlib.errors import UserError
from paperlib.execution import Execution, peak_memory
from paperlib.progress import Line, duration
from paperlib.store import Store
from paperlib.study import Settings, select
from paperlib.sweep import Sweep


def asked(options: argparse.Namespace) -> Settings:
    """The settings that the command line asks for; checked before anything slow starts."""
    profiles = papers.study(options.paper).PROFILES
    names = options.dataset.split(",") if options.dataset else None
    profile = options.profile or _default_profile(profiles["paper"].datasets, options.data_root)
    try:
        seeds = int(options.seeds) if options.seeds else None
    except ValueError:
        message = f"seeds is {options.seeds!r}; it must be a whole number, at least 1"
        raise UserError(message) from None
    return select(profiles, profile, names, seeds)


def _default_profile(names: Sequence[str], root: Path | None) -> str:
    there = torch.cuda.is_available() and all(datasets.is_available(name, root) for name in names)
    return "paper" if there else "demo"


def trained(options: argparse.Namespace, line: Line) -> tuple[Reproduction, list[Dataset]]:
    """Train what the command line asks for; returns what came of it, and the data."""
    settings = asked(options)
    if options.workers < 0:
        message = f"workers is {options.workers}; it must be at least 1, or 0 for the default"
        raise UserError(message)
    execution = Execution.on(options.device)
    # frost's photographs lie there too, and workers and notebooks look for them by this name
    if options.data_root:
        os.environ["DATA_ROOT"] = str(options.data_root.resolve())
    # missing data is said before the first training, not after it
    data = [datasets.load(name, options.data_root) for name in settings.datasets]
    workers = options.workers or (1 if execution.device != "cpu" else os.cpu_count() or 1)
    store, root = Store(options.runs), options.data_root
    sweep = Sweep(store, root, execution, workers, until=line.until, fresh=options.fresh)
    fixed = bool(options.seeds)
    line.say(
        f"{options.paper}, profile {settings.profile}, on {', '.join(settings.datasets)}, "
        f"{'' if fixed or settings.seeds == 1 else 'at most '}{settings.seeds} seed(s), "
        f"{execution.device} in {execution.precision}, {workers} run(s) at once"
        + (f", within {duration(line.left)}" if line.until else "")
    )
    plan, judge = papers.study(options.paper).plan, papers.tables(options.paper).verdicts
    done = Reproduction(settings, plan, judge, sweep, line, fixed)
    done.train()
    return done, data


def provenance(sweep: Sweep) -> dict[str, Any]:
    """The machine, the workers, and bytes of the largest process, on a GPU also of its memory."""
    execution, memory = sweep.execution, {"peak_process_bytes": peak_memory(children=True)}
    if execution.kind == "cuda":
        memory["peak_device_bytes"] = torch.cuda.max_memory_allocated(execution.device)
    return {"workers": sweep.workers, **memory, **execution.provenance()}
