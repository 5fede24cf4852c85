"""One run, from its data to its record: `train` prepares, fits, evaluates and keeps."""

import contextlib
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib import datasets, methods, prepared
from paperlib.datasets import Dataset
from paperlib.errors import UserError
from paperlib.execution import Execution, peak_memory
from paperlib.fingerprint import differences, in_words, made_of
from paperlib.methods import Task
from paperlib.prepared import Prepared, evaluate, one_line, samples, task
from paperlib.runs import Record, Run
from paperlib.store import Store
from paperlib.training import Tick, Trainer, learning_rate, make_optimizer

CHECKPOINT_SECONDS = 30.0  # the most work that a kill may cost, to the next end of an epoch

LEAST = {"epochs": 0, "batch_size": 1, "clip": 0.0, "crop": 0}  # values of a run

Made = Mapping[str, Any]  # what a run is made of, see `fingerprint.made_of`


def train(
    run: Run,
    store: Store,
    root: Path | None,
    execution: Execution,
    tick: Tick = lambda count: None,
    until: float | None = None,
    fresh: bool = False,
) -> Record | None:
    """The run's record: read if the run is finished; else the run is trained.

    It resumes from its checkpoint if there is one. A second process that asks for a run in training
    waits, and then reads its record. A finished run of other data is trained again; until that is
    done, its record stays. If the tests fail, what is trained is kept as a checkpoint.

    Args:
        run: what to train.
        store: where it is kept, and where the runs that it uses are finished.
        root: folder of the data sets, see `datasets.load`.
        execution: how to run.
        tick: called after every step with the number of images.
        until: a moment of `time.monotonic`, after which nothing is begun, and what is in training
            stops at the end of its epoch with a checkpoint.
        fresh: whether a finished run is trained again if anything that it was made of differs.

    Returns:
        None if it was stopped.
    Raises:
        UserError: wrong values in the run, or losses or scores that are not finite.
        OSError: a run that it uses is not in the store.
    """
    left = -1 if until is None else max(0.0, until - time.monotonic())
    try:
        with store.lock(run).acquire(timeout=left), torch.random.fork_rng():
            parents = {role: store.weights_sum(parent) for role, parent in run.uses.items()}
            dataset = datasets.load(run.dataset, root, execution.device)
            here = made_of(run, dataset, parents, execution)
            record = store.record(run)
            if record is not None:
                differs = differences(record.provenance, here)
                if not ("data" in differs or (fresh and differs)):
                    return record
            if is_over(until):
                return None
            check_recipe(run)
            ready = prepare(run, store, root, execution, here)
            fit(ready.trainer, store, here, tick, until)
            return _finished(ready, store, here) if ready.trainer.done else None
    except Timeout:  # another process trains it still
        return None


def is_over(until: float | None) -> bool:
    """Whether a moment of `time.monotonic` has passed; None is never."""
    return until is not None and time.monotonic() >= until


def check_recipe(run: Run) -> None:
    """Raises `UserError` for a value of the run's recipe with which no training can begin."""
    for name, least in LEAST.items():
        if (value := getattr(run, name)) < least:
            raise UserError(f"{run.label}: {name} is {value}; it must be at least {least}")
    learning_rate(run, 0.0)
    try:
        make_optimizer(run, [nn.Parameter(torch.zeros(1))])
    except ValueError as error:  # torch names the value
        raise UserError(f"{run.label}: {one_line(error)}") from error


def prepare(
    run: Run, store: Store, root: Path | None, execution: Execution, here: Made
) -> Prepared:
    """Load the data and the parents, put the run together, and go to its checkpoint.

    A checkpoint of other code, data, parents, threads, precision, device or version of torch, or
    one that does not fit the method, is set aside with a warning.
    """
    dataset = datasets.load(run.dataset, root, execution.device)
    parents = {
        role: load_network(
            parent, store, datasets.load(parent.dataset, root, execution.device), execution
        )
        for role, parent in run.uses.items()
    }
    ready = prepared.prepare(run, dataset, parents, execution)
    saved = store.checkpoint(run)
    if saved is None:
        return ready
    tensors, values = saved
    if differs := differences(values.pop("made_of", {}), _with_machine(here, execution)):
        words = ", ".join(in_words(name, details) for name, details in differs.items())
        store.refuse_checkpoint(run, f"made {words}")
        return ready
    try:
        ready.trainer.restore(tensors, values)
    except (RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
        store.refuse_checkpoint(run, f"it does not fit the method: {one_line(error)}")
        return prepared.prepare(run, dataset, parents, execution)
    return ready


def fit(trainer: Trainer, store: Store, here: Made, tick: Tick, until: float | None = None) -> None:
    """Train to the last epoch, or `until`, with a checkpoint in the store from time to time."""
    if trainer.progress.epoch:
        tick(trainer.progress.epoch * trainer.batches.count)
    last_save = time.monotonic()
    while not trainer.done and not is_over(until):
        trainer.epoch(tick)
        stops = is_over(until) and not trainer.done
        # also after the last epoch: tests may take long, or be killed
        if stops or time.monotonic() - last_save > CHECKPOINT_SECONDS:
            _save(trainer, store, here)
            last_save = time.monotonic()


def _finished(ready: Prepared, store: Store, here: Made) -> Record:
    """Test what is trained, and write its record, weights and samples to the store."""
    trainer = ready.trainer
    try:
        metrics, kept = evaluate(ready), samples(ready)
    except BaseException:  # an interruption, too
        if trainer.run.epochs:  # so that the same command only tests again
            with contextlib.suppress(OSError):  # what went wrong first is to be told
                _save(trainer, store, here)
        raise
    history = tuple(trainer.progress.history)
    record = Record(trainer.run, metrics, history, {**_provenance(trainer), **here})
    return store.finish(record, trainer.method.state_dict(), kept)


def _save(trainer: Trainer, store: Store, here: Made) -> None:
    tensors, values = trainer.state()
    made = _with_machine(here, trainer.execution)
    store.save_checkpoint(trainer.run, tensors, **values, made_of=made)


def _with_machine(here: Made, execution: Execution) -> dict[str, Any]:
    """What a run is made of, and the machine: a training does not go on on another one."""
    return {**here, "device": execution.kind, "torch": torch.__version__}


def _provenance(trainer: Trainer) -> dict[str, Any]:
    execution, seconds = trainer.execution, trainer.progress.seconds
    images = trainer.run.epochs * trainer.batches.count
    on_gpu = execution.kind == "cuda"
    memory = torch.cuda.max_memory_allocated(execution.device) if on_gpu else peak_memory()
    return {
        **execution.provenance(),
        "seconds": round(seconds, 2),
        "images_per_second": round(images / (seconds or 1), 1),
        "peak_memory_bytes": memory,
    }


def load_network(run: Run, store: Store, dataset: Dataset, execution: Execution) -> nn.Module:
    """The trained network of a finished run: eval mode, no gradients, on the device.

    Args:
        dataset: that run's, whose classes the network has; a student may have another one.

    Raises:
        UserError: its weights do not fit the network as the code makes it now.
        OSError: it is not in the store.
    """
    network = methods.build_network(run, task(dataset))
    prefix = "network."
    tensors = store.weights(run)
    try:
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    except RuntimeError as error:
        what = f"the weights of {run.label} do not fit its network as it is now"
        mend = f"remove {store.folder(run)} to train it again"
        raise UserError(f"{what}; {mend} ({one_line(error)})") from error
    return execution.place(network).eval().requires_grad_(False)


@functools.lru_cache(maxsize=256)
def flops(network: str, width: float, method: str, size: int) -> int:
    """Floating-point operations of one forward pass over one image of `size` x `size` pixels."""
    run = Run(method=method, dataset="", network=network, width=width)
    seen = Task(10, (0.5,) * 3, (0.5,) * 3, size)
    with torch.random.fork_rng(), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        methods.build_network(run, seen).eval()(*methods.example(run, seen))
    return counter.get_total_flops()
