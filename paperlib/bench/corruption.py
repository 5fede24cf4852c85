"""What corruption costs in the training loop, and for a whole CIFAR-10-C.

The race against the reference package needs its own environment and is in `tests/reference/`.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from paperlib.bench import race as bench
from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.corruptions import apply
from paperlib.degrade.frost import find_textures
from paperlib.degrade.tables import CORRUPTIONS, SEVERITIES
from paperlib.errors import UserError
from paperlib.execution import Execution
from paperlib.runs import Run


class Timed:
    """A degradation that adds up the time it takes, in seconds."""

    def __init__(self, degradation: Degradation, device: str) -> None:
        self.degradation, self.device = degradation, device
        self.fixed, self.seconds = degradation.fixed, 0.0

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        bench.synchronise(self.device)
        start = time.perf_counter()
        out = self.degradation(images, key)
        bench.synchronise(self.device)
        self.seconds += time.perf_counter() - start
        return out


def names() -> tuple[str, ...]:
    """The 19 corruptions; without frost's textures procedural frost replaces it, by its name."""
    try:
        find_textures()
        return CORRUPTIONS
    except UserError:
        return tuple("procedural_frost" if name == "frost" else name for name in CORRUPTIONS)


def loop(execution: Execution, batch: int, rounds: int, steps: int) -> dict[str, Any]:
    """The cost of a random corruption of every image, as a share of ResNet-18's step without it."""
    spec = {"name": "random_corruption", "table": "cifar-c", "corruptions": ",".join(names())}
    run = Run("supervised", "synthdigits", "resnet18", degrade=spec, batch_size=batch, lr=0.01)
    trainer = bench.ours(run, execution)
    timed = Timed(trainer.degradations[0], execution.device)
    trainer.degradations = [timed]
    every = bench.our_steps(trainer)
    for _ in range(steps):
        next(every)  # warm-up: makes the tables and matrices of all kinds
    shares = []
    for _ in range(rounds):
        timed.seconds, start = 0.0, time.perf_counter()
        for _ in range(steps):
            next(every)
        bench.synchronise(execution.device)
        shares.append(timed.seconds / (time.perf_counter() - start - timed.seconds))
    return {
        "what": "a random corruption and severity per image, over ResNet-18's step without it",
        "batch": batch,
        "precision": execution.precision,
        "compile": execution.compile,
        "shares": [round(share, 4) for share in shares],
        "share": round(statistics.median(shares), 4),
    }


def whole_set(device: str, count: int, rounds: int) -> dict[str, Any]:
    """Seconds for 19 corruptions at 5 severities of `count` images of 32 pixels; writes nothing."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images, index = images.to(device), torch.arange(count, device=device)
    seconds = []
    for _ in range(rounds + 1):
        bench.synchronise(device)
        start = time.perf_counter()
        for name in names():
            for severity in SEVERITIES:
                apply(images, name, severity, "cifar-c", index, (0,))
        bench.synchronise(device)
        seconds.append(time.perf_counter() - start)
    made = count * len(CORRUPTIONS) * len(SEVERITIES)
    return {
        "what": "CIFAR-10-C on the device",
        "images": made,
        "corruptions": list(names()),
        "seconds": [round(s, 3) for s in seconds[1:]],
        "images_per_second": round(made / statistics.median(seconds[1:])),
    }


def main(device: str = "auto") -> Path:
    """Run both, print them, and write the record. About a minute on two cores."""
    device = Execution.on(device).device
    if device == "cpu":
        executions = [Execution.on("cpu", precision) for precision in ("fp32", "auto")]
        results = [loop(execution, 64, 3, 20) for execution in executions]
        results.append(whole_set("cpu", 500, 2))
    else:
        results = [loop(Execution.on(device, "bf16"), batch, 3, 50) for batch in (128, 512)]
        results.append(whole_set(device, 10_000, 3))
    for result in results:
        print(json.dumps(result), flush=True)
    return bench.write_record("corruption", device, results)
