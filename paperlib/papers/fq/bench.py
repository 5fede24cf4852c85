"""What feature quantization costs in a training step of ResNet-18 (`make bench`).

Compiled, the non-linearity is fused with what is around it.
"""

import itertools
import json
import statistics
from pathlib import Path
from typing import Any

from paperlib.bench import race as bench
from paperlib.book import blocks
from paperlib.execution import Execution
from paperlib.papers.fq.study import OPTIONS
from paperlib.runs import Run

KINDS = ("sf-10", "pow-1", "hpow", "sf-pow-10")


def contest(
    execution: Execution, batch: int, rounds: int, seconds: float, width: float = 1.0
) -> dict[str, Any]:
    """Images/s of the step of ResNet-18 at 32 pixels, plain and with each non-linearity."""
    common: dict[str, Any] = {"dataset": "synthdigits", "network": "resnet18", "lr": 0.01}
    common |= {"batch_size": batch, "width": width}
    runs = {"plain": Run("supervised", **common)}
    runs |= {name: Run("fq", options=OPTIONS[name], **common) for name in KINDS}
    contestants = {name: bench.our_steps(bench.ours(run, execution)) for name, run in runs.items()}
    speeds = bench.race(contestants, execution.device, rounds, seconds)
    ratios = {
        name: [a / b for a, b in zip(speeds[name], speeds["plain"], strict=True)] for name in KINDS
    }
    return {
        "step": "resnet18",
        "batch": batch,
        "precision": execution.precision,
        "compile": execution.compile,
        "images_per_second": {
            name: [round(x, 1) for x in values] for name, values in speeds.items()
        },
        "ratio": {name: round(statistics.median(own), 3) for name, own in ratios.items()},
    }


def variants(device: str) -> list[tuple[int, Execution]]:
    """Batch sizes and ways of execution to compare on a device."""
    batches = (64,) if device == "cpu" else (128, 512)
    names = ("fp32", "auto") if device == "cpu" else ("bf16",)
    precisions = [Execution.on(device, name).precision for name in names]
    ways = itertools.product(batches, precisions, (False, True))
    return [(batch, Execution(device, precision, compiled)) for batch, precision, compiled in ways]


def main(device: str = "auto", rounds: int = 5, seconds: float = 4.0) -> Path:
    """Run everything, print it, and write the record: ten minutes on two cores."""
    device = Execution.on(device).device
    results = []
    for batch, execution in dict.fromkeys(variants(device)):
        results.append(contest(execution, batch, rounds, seconds))
        print(json.dumps(results[-1]), flush=True)
    return bench.write_record("quantization", device, results)


def block() -> str:
    """The measured speeds as a table in Markdown."""
    rows = [
        (
            device,
            result["batch"],
            blocks.mode(result),
            blocks.span(result["images_per_second"]["plain"]),
            *(f"{result['ratio'][name]:.2f}×" for name in KINDS),
        )
        for device, record in blocks.benchmarks("quantization-*.json")
        for result in record["results"]
    ]
    kinds = (f"+{name.upper()}" for name in KINDS)
    return blocks.pipe(("device", "batch", "in", "plain, images/s", *kinds), rows)
