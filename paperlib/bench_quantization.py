"""What feature quantization costs: a training step of ResNet-18 with it over one without. Part of `make bench`.

Contestants take turns, as in `paperlib.bench`. Compiled, the non-linearity is fused with what is around it.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any

from paperlib import bench
from paperlib.execution import Execution
from paperlib.runs import Run
from paperlib.store import write_atomically

KINDS: dict[str, dict[str, Any]] = {
    "sf-10": {"kind": "sf", "beta": 10},
    "pow-1": {"kind": "pow", "splits": 1},
    "hpow": {"kind": "hpow"},
    "sf-pow-10": {"kind": "sf-pow", "beta": 10},
}


def contest(execution: Execution, batch: int, rounds: int, seconds: float, width: float = 1.0) -> dict[str, Any]:
    """Throughput of the step of ResNet-18 on 32 px images, plain and with each non-linearity, and their ratios."""
    common: dict[str, Any] = {"dataset": "synthdigits", "network": "resnet18", "lr": 0.01}
    common |= {"batch_size": batch, "width": width}
    runs = {"plain": Run("supervised", **common)}
    runs |= {name: Run("fq", options=options, **common) for name, options in KINDS.items()}
    contestants = {name: bench.our_steps(bench.ours(run, execution)) for name, run in runs.items()}
    speeds = bench.race(contestants, execution.device, rounds, seconds)
    return {
        "step": "resnet18",
        "batch": batch,
        "precision": execution.precision,
        "compile": execution.compile,
        "images_per_second": {name: [round(x, 1) for x in values] for name, values in speeds.items()},
        "ratio": {
            name: round(statistics.median(a / b for a, b in zip(speeds[name], speeds["plain"], strict=True)), 3)
            for name in KINDS
        },
    }


def variants(device: str) -> list[tuple[int, Execution]]:
    """Batch sizes and ways of execution to compare on a device."""
    if device == "cpu":
        ways = [(precision, compiled) for precision in ("fp32", "auto") for compiled in (False, True)]
        executions = [(Execution.on("cpu", precision), compiled) for precision, compiled in ways]
        return [(64, Execution("cpu", execution.precision, compiled)) for execution, compiled in executions]
    return [(n, Execution(device, "bf16", compiled)) for n in (128, 512) for compiled in (False, True)]


def main(device: str = "auto", rounds: int = 5, seconds: float = 4.0) -> Path:
    """Run everything, print it, and write the record. About ten minutes on two cores, half of it compiling."""
    device = Execution.on(device).device
    results = []
    for batch, execution in dict.fromkeys(variants(device)):
        results.append(contest(execution, batch, rounds, seconds))
        print(json.dumps(results[-1]), flush=True)
    provenance = Execution(device).provenance()
    name = re.sub(r"[^a-z0-9]+", "-", provenance["device"].lower()).strip("-")
    path = bench.FOLDER / f"quantization-{name}.json"
    write_atomically(path, (json.dumps({"provenance": provenance, "results": results}, indent=1) + "\n").encode())
    return path
