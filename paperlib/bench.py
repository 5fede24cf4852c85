"""`make bench`: what a training step costs, against the same step as it is usually written, in one process.

Contestants take turns, so that whatever else the machine does hits all of them. Written to `data/results/bench/`.
"""

import dataclasses
import itertools
import json
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import functional as TF

from paperlib import datasets, degrade, methods, networks
from paperlib.execution import Execution
from paperlib.runs import Run
from paperlib.store import write_atomically
from paperlib.sweep import flops, task
from paperlib.training import Trainer

FOLDER = Path(__file__).resolve().parents[1] / "data" / "results" / "bench"
PEAK = {"H100": 989e12, "H200": 989e12}  # dense bf16 FLOP/s, from NVIDIA's data sheets (SXM)
LOW: dict[str, int | str] = {"name": "lowres", "factor": 4}
Steps = Iterator[int]  # every `next` trains one step and gives the number of images


def synchronise(device: str) -> None:
    """Wait until the device has done what it was asked to."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def ours(run: Run, execution: Execution) -> Trainer:
    """The library's own loop on a student of DFD; its teacher has random weights, which are as fast as any."""
    dataset = datasets.load(run.dataset, device=execution.device)
    torch.manual_seed(0)
    teacher = networks.build(run.network, len(dataset.classes), run.width).eval().requires_grad_(False)
    method = execution.place(methods.build(run, task(dataset), {"teacher": execution.place(teacher)}))
    return Trainer(run, method, dataset.train, degrade.build(run.degrade), execution)


def our_steps(trainer: Trainer) -> Steps:
    """Steps of the loop, epoch after epoch."""
    trainer.method.train()
    while True:
        for images in trainer.batches:
            trainer.step(images)
            yield trainer.batches.batch_size


class UsualPairs(torch.utils.data.Dataset):
    """High- and low-resolution pairs as most programs make them: PIL images, one at a time."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.labels = labels.tolist()
        self.augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, int]:
        high = self.augment(self.images[i])
        low = high.resize((8, 8), Image.Resampling.BICUBIC).resize((32, 32), Image.Resampling.BICUBIC)
        return TF.to_tensor(high), TF.to_tensor(low), self.labels[i]


def usual_steps(run: Run, device: str) -> Steps:
    """The same student step as most programs write it: DataLoader, PIL, float32, NCHW, unfused SGD."""
    data = datasets.load(run.dataset).train
    loader = DataLoader(
        UsualPairs(data.images, data.labels), run.batch_size, shuffle=True, num_workers=2, drop_last=True
    )
    student = networks.build(run.network, 10, run.width).to(device)
    teacher = networks.build(run.network, 10, run.width).to(device).eval()
    optimizer = torch.optim.SGD(student.parameters(), run.lr, momentum=run.momentum, weight_decay=run.weight_decay)
    while True:
        for high, low, labels in loader:
            high, low, labels = high.to(device), low.to(device), labels.to(device)
            with torch.no_grad():
                target = teacher(high).feature
            logits, feature = student(low)
            loss = F.cross_entropy(logits, labels) + 2.0 * 0.5 * F.mse_loss(feature, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield len(labels)


def race(contestants: dict[str, Steps], device: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Images/s of every contestant in every round; a turn lasts `seconds`, after one step of warm-up each."""
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for steps in contestants.values():
        next(steps)
    for _ in range(rounds):
        for name, steps in contestants.items():
            next(steps)  # a DataLoader fills its queue while others run: this step empties some of that head start
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
    """The share of a step spent outside the networks (forward and backward) and the optimizer, measured with hooks."""
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
    handles += [trainer.optimizer.register_step_pre_hook(begin), trainer.optimizer.register_step_post_hook(end)]
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


def student(batch: int, **fields: Any) -> Run:
    """A DFD student of full-width ResNet-18 on the embedded data."""
    return Run("dfd", "synthdigits", "resnet18", degrade=LOW, batch_size=batch, lr=0.01, **fields)


def variants(device: str) -> list[tuple[int, Execution]]:
    """Batch sizes and ways of execution to compare on a device."""
    if device == "cpu":
        return [(64, Execution.on("cpu", precision)) for precision in ("fp32", "auto")]
    sizes, precisions = (128, 512, 1024), ("fp32", "bf16")
    return [(n, Execution(device, p, c)) for n, p, c in itertools.product(sizes, precisions, (False, True))]


def write_record(kind: str, device: str, results: list[dict[str, Any]]) -> Path:
    """Write a benchmark's results with their provenance, to one file a kind and device. Returns its path."""
    provenance = Execution(device).provenance()
    name = re.sub(r"[^a-z0-9]+", "-", provenance["device"].lower()).strip("-")
    path = FOLDER / f"{kind}-{name}.json"
    write_atomically(path, (json.dumps({"provenance": provenance, "results": results}, indent=1) + "\n").encode())
    return path


def main(device: str = "auto", rounds: int = 4, seconds: float = 12.0) -> Path:
    """Run everything, print it, and write the record. About four minutes on two cores."""
    device = Execution.on(device).device
    results = []
    for batch, execution in dict.fromkeys(variants(device)):
        run = student(batch)
        trainer = ours(run, execution)
        eager = dataclasses.replace(execution, compile=False)  # compiled code has no modules to hook
        speeds = race({"ours": our_steps(trainer), "usual": usual_steps(run, device)}, device, rounds, seconds)
        ratios = [a / b for a, b in zip(speeds["ours"], speeds["usual"], strict=True)]
        mine = statistics.median(speeds["ours"])
        # Forward and backward of the student are three forward passes, the teacher is one.
        work = 4 * flops(run.network, run.width, "supervised", 32) * mine
        peak = next((value for key, value in PEAK.items() if key in execution.provenance()["device"]), None)
        results.append(
            {
                "step": "dfd resnet18",
                "batch": batch,
                "precision": execution.precision,
                "compile": execution.compile,
                "ours_images_per_second": [round(x, 1) for x in speeds["ours"]],
                "usual_images_per_second": [round(x, 1) for x in speeds["usual"]],
                "ratio": round(statistics.median(ratios), 3),
                "share_outside": round(share_outside(ours(run, eager), 10, device), 4),
                "tflops": round(work / 1e12, 3),
                "mfu": round(work / peak, 4) if peak else None,
            }
        )
        print(json.dumps(results[-1]), flush=True)
    return write_record("dfd-step", device, results)
