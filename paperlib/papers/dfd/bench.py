"""What a student step of DFD costs, against the same step as usually written (`make bench`)."""

import dataclasses
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms import functional as TF

from paperlib import datasets, networks
from paperlib.bench.race import PEAK, Steps, our_steps, ours, race, share_outside, write_record
from paperlib.book import blocks
from paperlib.execution import Execution
from paperlib.running import flops
from paperlib.runs import Run

LOW: dict[str, int | str] = {"name": "lowres", "factor": 4}


class UsualPairs(torch.utils.data.Dataset):
    """High- and low-resolution pairs as most programs make them: PIL images, one at a time."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.labels = labels.tolist()
        self.augment = transforms.Compose(
            [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, int]:
        high = self.augment(self.images[i])
        small = high.resize((8, 8), Image.Resampling.BICUBIC)
        low = small.resize((32, 32), Image.Resampling.BICUBIC)
        return TF.to_tensor(high), TF.to_tensor(low), self.labels[i]


def usual_steps(run: Run, device: str) -> Steps:
    """The same step as most programs write it: DataLoader, PIL, float32, NCHW, unfused SGD."""
    data = datasets.load(run.dataset).train
    pairs = UsualPairs(data.images, data.labels)
    loader = DataLoader(pairs, run.batch_size, shuffle=True, num_workers=2, drop_last=True)
    student = networks.build(run.network, 10, run.width).to(device)
    teacher = networks.build(run.network, 10, run.width).to(device).eval()
    optimizer = torch.optim.SGD(
        student.parameters(), run.lr, momentum=run.momentum, weight_decay=run.weight_decay
    )
    while True:
        for high, low, labels in loader:
            high, low, labels = high.to(device), low.to(device), labels.to(device)
            with torch.no_grad():
                target = teacher(high).feature
            logits, feature = student(low)
            distance = 0.5 * (feature - target).square().sum(1).mean()
            loss = F.cross_entropy(logits, labels) + 2.0 * distance
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield len(labels)


def student(batch: int, **fields: Any) -> Run:
    """A DFD student of full-width ResNet-18 on the embedded data."""
    return Run("dfd", "synthdigits", "resnet18", degrade=LOW, batch_size=batch, lr=0.01, **fields)


def variants(device: str) -> list[tuple[int, Execution]]:
    """Batch sizes and ways of execution to compare on a device."""
    if device == "cpu":
        return [(64, Execution.on("cpu", precision)) for precision in ("fp32", "auto")]
    ways = itertools.product((128, 512, 1024), ("fp32", "bf16"), (False, True))
    return [(size, Execution(device, precision, compiled)) for size, precision, compiled in ways]


def main(device: str = "auto", rounds: int = 4, seconds: float = 12.0) -> Path:
    """Run everything, print it, and write the record. About four minutes on two cores."""
    device = Execution.on(device).device
    results = []
    for batch, execution in dict.fromkeys(variants(device)):
        run = student(batch)
        # compiled code has no modules to hook
        eager = dataclasses.replace(execution, compile=False)
        steps = {"ours": our_steps(ours(run, execution)), "usual": usual_steps(run, device)}
        speeds = race(steps, device, rounds, seconds)
        ratios = [a / b for a, b in zip(speeds["ours"], speeds["usual"], strict=True)]
        mine = statistics.median(speeds["ours"])
        # Forward and backward of the student are three forward passes, the teacher is one.
        work = 4 * flops(run.network, run.width, "supervised", 32) * mine
        name = execution.provenance()["device"]
        peak = next((value for key, value in PEAK.items() if key in name), None)
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


def block() -> str:
    """The measured speeds as a table in Markdown."""
    rows = [
        (
            device,
            result["batch"],
            blocks.mode(result),
            blocks.span(result["ours_images_per_second"]),
            blocks.span(result["usual_images_per_second"]),
            f"{result['ratio']:.2f}×",
            f"{100 * result['share_outside']:.1f} %",
        )
        for device, record in blocks.benchmarks("dfd-step-*.json")
        for result in record["results"]
    ]
    speeds = ("ours, images/s", "usual, images/s", "ratio", "outside networks and optimizer")
    return blocks.pipe(("device", "batch", "ours in", *speeds), rows)
