"""One run, from its data to its record: `train` prepares, fits, evaluates and keeps."""

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib import datasets, degrade, methods, training
from paperlib.datasets import Dataset, Split
from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.levels import to_float
from paperlib.errors import UserError
from paperlib.execution import Execution, peak_memory
from paperlib.fingerprint import differences, made_of
from paperlib.methods import Batch, Task
from paperlib.restored import restored
from paperlib.runs import Record, Run
from paperlib.store import Store
from paperlib.training import Tick, Trainer

CHECKPOINT_SECONDS = 30.0  # the most work that a kill may cost, to the next end of an epoch
SAMPLES = 8  # test images of which a method may keep samples


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
    done, its record stays.

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
            record = store.record(run)
            if record is not None and not _is_void(record, store, root, execution, fresh):
                return record
            if is_over(until):
                return None
            prepared = prepare(run, store, root, execution)
            fit(prepared.trainer, store, tick, until)
            if not prepared.trainer.done:
                return None
            return keep(prepared, evaluate(prepared), store)
    except Timeout:  # another process trains it still
        return None


def _is_void(
    record: Record, store: Store, root: Path | None, execution: Execution, fresh: bool
) -> bool:
    """Whether a finished run is to be trained again."""
    dataset = datasets.load(record.run.dataset, root, execution.device)
    here = made_of(record.run, dataset, _weights_sums(record.run, store), execution)
    differs = differences(record.provenance, here)
    return "data" in differs or (fresh and bool(differs))


def is_over(until: float | None) -> bool:
    """Whether a moment of `time.monotonic` has passed; None is never."""
    return until is not None and time.monotonic() >= until


@dataclass(frozen=True)
class Prepared:
    """What a run is trained and tested with.

    Attributes:
        trainer: with the method, and the state of the run's checkpoint if there is one.
        validation, test: the images of both splits, on the device.
        degradation: what the network sees of them.
        others: the degradations of `run.evaluate`, by the labels that their metrics get.
        made_of: see `fingerprint.made_of`.
    """

    trainer: Trainer
    validation: Split
    test: Split
    degradation: Degradation
    others: Mapping[str, Degradation]
    made_of: Mapping[str, Any]


def prepare(run: Run, store: Store, root: Path | None, execution: Execution) -> Prepared:
    """Load the data and the parents, build method and degradations, go to the checkpoint."""
    dataset = datasets.load(run.dataset, root, execution.device)
    execution = execution.obeying(methods.method(run.method).precision)
    parts = dataset.split(run.train_size, run.holdout, run.test_size, run.seed)
    training_images, validation, test = parts
    parents = {
        role: load_network(
            parent, store, datasets.load(parent.dataset, root, execution.device), execution
        )
        for role, parent in run.uses.items()
    }

    def degradation(spec: Mapping[str, Any]) -> Degradation:
        return restored(degrade.build(spec), parents.get("frontend"), execution)

    seen = degradation(run.degrade)
    labelled = degrade.labelled(run.evaluate)
    others = {label: degradation(spec) for label, spec in labelled.items()}
    # after the parents: runs of one seed start alike, whatever they use
    torch.manual_seed(run.seed)
    method = execution.place(methods.build(run, task(dataset), parents))
    second = degradation(degrade.another(run.degrade)) if method.needs_second_draw else None
    trainer = Trainer(run, method, training_images, seen, execution, second)
    saved = store.checkpoint(run)
    if saved is not None and saved[1].pop("device", None) == execution.kind:
        trainer.restore(*saved)
    here = made_of(run, dataset, _weights_sums(run, store), execution)
    return Prepared(trainer, validation, test, seen, others, here)


def fit(trainer: Trainer, store: Store, tick: Tick, until: float | None = None) -> None:
    """Train to the last epoch, or `until`, with a checkpoint in the store from time to time."""
    if trainer.progress.epoch:
        tick(trainer.progress.epoch * trainer.batches.count)
    last_save = time.monotonic()
    while not trainer.done and not is_over(until):
        trainer.epoch(tick)
        if not trainer.done and (
            is_over(until) or time.monotonic() - last_save > CHECKPOINT_SECONDS
        ):
            tensors, values = trainer.state()
            device = trainer.execution.kind
            store.save_checkpoint(trainer.run, tensors, **values, device=device)
            last_save = time.monotonic()


def evaluate(prepared: Prepared) -> dict[str, float]:
    """The trained method's metrics. Raises `UserError` if one is not finite.

    Those of the validation images are called "validation_<metric>", those under another degradation
    "<metric>@<label>".
    """
    trainer, seen = prepared.trainer, prepared.degradation

    def measure(split: Split, degradation: Degradation, part: str = "test") -> dict[str, float]:
        draw = (part, trainer.run.seed)
        return training.evaluate(trainer.method, split, degradation, trainer.execution, draw)

    metrics = measure(prepared.test, seen)
    if trainer.run.holdout:
        scores = measure(prepared.validation, seen, "validation")
        metrics |= {f"validation_{name}": value for name, value in scores.items()}
    for label, degradation in prepared.others.items():
        scores = measure(prepared.test, degradation)
        metrics |= {f"{name}@{label}": value for name, value in scores.items()}
    if not all(map(math.isfinite, metrics.values())):
        label = trainer.run.label
        raise UserError(f"{label}: the trained network's scores are not finite; lower lr?")
    return metrics


def keep(prepared: Prepared, metrics: Mapping[str, float], store: Store) -> Record:
    """Write the record, the weights and the method's samples to the store; returns the record."""
    trainer = prepared.trainer
    history = tuple(trainer.progress.history)
    record = Record(trainer.run, metrics, history, _provenance(prepared))
    return store.finish(record, trainer.method.state_dict(), _samples(prepared))


def _samples(prepared: Prepared) -> dict[str, Tensor]:
    method, test = prepared.trainer.method, prepared.test
    method.eval()
    images, labels = test.images[:SAMPLES], test.labels[:SAMPLES]
    with torch.inference_mode():
        draw = ("test", prepared.trainer.run.seed)
        key = ImageKey(torch.arange(len(images), device=images.device), draw)
        degraded = prepared.degradation(images, key)
        return method.samples(Batch(to_float(images), to_float(degraded), labels))


def _weights_sums(run: Run, store: Store) -> dict[str, str]:
    """SHA-256 of the weights of the runs that it uses, by role."""
    return {role: store.weights_sum(parent) for role, parent in run.uses.items()}


def _provenance(prepared: Prepared) -> dict[str, Any]:
    trainer = prepared.trainer
    execution, seconds = trainer.execution, trainer.progress.seconds
    images = trainer.run.epochs * trainer.batches.count
    on_gpu = execution.kind == "cuda"
    memory = torch.cuda.max_memory_allocated(execution.device) if on_gpu else peak_memory()
    return {
        **execution.provenance(),
        **prepared.made_of,
        "seconds": round(seconds, 2),
        "images_per_second": round(images / (seconds or 1), 1),
        "peak_memory_bytes": memory,
    }


# What a run is made of


def task(dataset: Dataset) -> Task:
    """What a method must know of a data set."""
    return Task(len(dataset.classes), dataset.mean, dataset.std, dataset.train.images.shape[-1])


def load_network(run: Run, store: Store, dataset: Dataset, execution: Execution) -> nn.Module:
    """The trained network of a finished run: eval mode, no gradients, on the device.

    Args:
        dataset: that run's, whose classes the network has; a student may have another one.
    """
    network = methods.build_network(run, task(dataset))
    prefix = "network."
    tensors = store.weights(run)
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    )
    return execution.place(network).eval().requires_grad_(False)


@functools.lru_cache(maxsize=256)
def flops(network: str, width: float, method: str, size: int) -> int:
    """Floating-point operations of one forward pass over one image of `size` x `size` pixels."""
    run = Run(method=method, dataset="", network=network, width=width)
    seen = Task(10, (0.5,) * 3, (0.5,) * 3, size)
    with torch.random.fork_rng(), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        methods.build_network(run, seen).eval()(*methods.example(run, seen))
    return counter.get_total_flops()
