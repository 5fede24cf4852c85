"""How fast contestants train, step by step, in one process.

They take turns, so that whatever else the machine does hits all of them.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from paperlib import datasets, degrade, methods, networks
from paperlib.execution import Execution
from paperlib.files import write_atomically
from paperlib.running import task
from paperlib.runs import Run
from paperlib.training import Trainer

FOLDER = Path(__file__).resolve().parents[2] / "data" / "results" / "bench"
PEAK = {"H100": 989e12, "H200": 989e12}  # dense bf16 FLOP/s, from NVIDIA's data sheets (SXM)
Steps = Iterator[int]  # every `next` trains one step and gives the number of images


def synchronise(device: str) -> None:
    """Wait until the device has done what it was asked to."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def ours(run: Run, execution: Execution) -> Trainer:
    """The library's own loop on a run; a teacher has random weights, which are as fast as any."""
    dataset = datasets.load(run.dataset, device=execution.device)
    torch.manual_seed(0)
    teacher = networks.build(run.network, len(dataset.classes), run.width)
    parents = {"teacher": execution.place(teacher.eval().requires_grad_(False))}
    method = execution.place(methods.build(run, task(dataset), parents))
    return Trainer(run, method, dataset.train, degrade.build(run.degrade), execution)


def our_steps(trainer: Trainer) -> Steps:
    """Steps of the loop, epoch after epoch."""
    trainer.method.train()
    while True:
        for images in trainer.batches:
            trainer.step(images)
            yield trainer.batches.batch_size


def race(
    contestants: dict[str, Steps], device: str, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Images/s of every contestant in every round of `seconds`, after one step of warm-up each."""
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for steps in contestants.values():
        next(steps)
    for _ in range(rounds):
        for name, steps in contestants.items():
            next(steps)  # a DataLoader fills its queue while others run: this empties some of it
            synchronise(device)
            start, images = time.perf_counter(), 0
            while time.perf_counter() - start < seconds:
                images += next(steps)
                if device != "cpu" and images % 64 == 0:
                    synchronise(device)
            synchronise(device)
            speeds[name].append(images / (time.perf_counter() - start))
    return speeds


def share_outside(trainer: Trainer, steps: int, device: str) -> float:
    """The share of a step outside networks (forward, backward) and optimizer, from hooks."""
    inside, started = 0.0, 0.0

    def begin(*_: Any) -> None:
        nonlocal started
        synchronise(device)
        started = time.perf_counter()

    def end(*_: Any) -> None:
        nonlocal inside
        synchronise(device)
        inside += time.perf_counter() - started

    def timed_backward(tensor: Tensor, *args: Any, **kwargs: Any) -> None:
        begin()
        original(tensor, *args, **kwargs)
        end()

    handles = []
    for module in (trainer.method.network, trainer.method.parents["teacher"]):
        handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    optimizer = trainer.optimizer
    handles += [optimizer.register_step_pre_hook(begin), optimizer.register_step_post_hook(end)]
    original, torch.Tensor.backward = torch.Tensor.backward, timed_backward  # type: ignore[assignment]
    try:
        every = our_steps(trainer)
        next(every)
        synchronise(device)
        inside, start = 0.0, time.perf_counter()
        for _ in range(steps):
            next(every)
        synchronise(device)
        return 1 - inside / (time.perf_counter() - start)
    finally:
        torch.Tensor.backward = original  # type: ignore[method-assign]
        for handle in handles:
            handle.remove()


def write_record(kind: str, device: str, results: list[dict[str, Any]]) -> Path:
    """Write results with their provenance, one file per kind and device. Returns its path."""
    provenance = Execution(device).provenance()
    name = re.sub(r"[^a-z0-9]+", "-", provenance["device"].lower()).strip("-")
    path = FOLDER / f"{kind}-{name}.json"
    text = json.dumps({"provenance": provenance, "results": results}, indent=1)
    write_atomically(path, f"{text}\n".encode())
    return path
