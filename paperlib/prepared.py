"""A run's images, degradations and method put together to train, and its tests when it is trained.

What is here decides numbers; what is kept where, and when, is in `paperlib.running`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paperlib import degrade, methods, training
from paperlib.datasets import Dataset, Split
from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.levels import to_float
from paperlib.errors import UserError
from paperlib.execution import Execution
from paperlib.methods import Batch, Task
from paperlib.restored import restored
from paperlib.runs import Run
from paperlib.training import Trainer

SAMPLES = 8  # test images of which a method may keep samples


@dataclass(frozen=True)
class Prepared:
    """What a run is trained and tested with.

    Attributes:
        trainer: with the method.
        validation, test: the images of both splits, on the device.
        degradation: what the network sees of them.
        others: the degradations of `run.evaluate`, by the labels that their metrics get.
    """

    trainer: Trainer
    validation: Split
    test: Split
    degradation: Degradation
    others: Mapping[str, Degradation]


def prepare(
    run: Run, dataset: Dataset, parents: Mapping[str, nn.Module], execution: Execution
) -> Prepared:
    """Put a run together; every degradation is tried on one image.

    Args:
        run: what to train.
        dataset: the run's, on the device of `execution`.
        parents: the trained networks of the runs that it uses, by role, on that device.
        execution: how to run.

    Raises:
        UserError: wrong values in the run, or a parent that the method cannot start from.
    """
    execution = execution.obeying(methods.method(run.method).precision)
    parts = dataset.split(run.train_size, run.holdout, run.test_size, run.seed)
    training_images, validation, test = parts

    def degradation(spec: Mapping[str, Any]) -> Degradation:
        return restored(degrade.build(spec), parents.get("frontend"), execution)

    seen = degradation(run.degrade)
    labelled = degrade.labelled(run.evaluate)
    others = {label: degradation(spec) for label, spec in labelled.items()}
    with torch.inference_mode():
        for one in (seen, *others.values()):
            one(test.images[:1])
    # after the parents: runs of one seed start alike, whatever they use
    torch.manual_seed(run.seed)
    try:
        method = execution.place(methods.build(run, task(dataset), parents))
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        raise UserError(f"{run.label}: a parent does not fit it: {one_line(error)}") from error
    second = degradation(degrade.another(run.degrade)) if method.needs_second_draw else None
    trainer = Trainer(run, method, training_images, seen, execution, second)
    return Prepared(trainer, validation, test, seen, others)


def task(dataset: Dataset) -> Task:
    """What a method must know of a data set."""
    return Task(len(dataset.classes), dataset.mean, dataset.std, dataset.train.images.shape[-1])


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


def samples(prepared: Prepared) -> dict[str, Tensor]:
    """What the trained method keeps of the first test images, see `Method.samples`."""
    method, test = prepared.trainer.method, prepared.test
    method.eval()
    images, labels = test.images[:SAMPLES], test.labels[:SAMPLES]
    with torch.inference_mode():
        draw = ("test", prepared.trainer.run.seed)
        key = ImageKey(torch.arange(len(images), device=images.device), draw)
        degraded = prepared.degradation(images, key)
        return method.samples(Batch(to_float(images), to_float(degraded), labels))


def one_line(error: Exception) -> str:
    """What an error says, without its line breaks and their indentation."""
    return " ".join(str(error).split())
