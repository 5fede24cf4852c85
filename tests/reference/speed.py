"""`make bench-corruptions`: the package imagecorruptions and ours in one process, taking turns, at
224 and 32 pixels.

The reference takes one image at a time, as it can; ours takes a batch of them. Both give what the
package's `corrupt` gives at severities 1 to 5: our table is the package's. Each with its own
default number of threads.
"""

import math
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from paperlib.bench.race import FOLDER, synchronise
from paperlib.degrade.corruptions import corrupt
from paperlib.execution import Execution
from reference import fed, inputs, published

BATCH = {("cpu", 224): 8, ("cpu", 32): 128, ("cuda", 224): 256, ("cuda", 32): 8192}
TABLE = "imagecorruptions"


def turn(work: Callable[[], int], seconds: float, device: str = "cpu") -> float:
    """Milliseconds per image: the work is repeated for at least `seconds`."""
    synchronise(device)
    start, images = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < seconds or not images:
        images += work()
        synchronise(device)
    return 1000 * spent / images


def contest(
    name: str, pictures: np.ndarray, batch: torch.Tensor, rounds: int, seconds: float
) -> dict[str, Any]:
    """One corruption: both sides' milliseconds per image, the mean of severities, in each round."""
    import imagecorruptions

    device, textures, taken = batch.device.type, published.package_textures(), 0

    def theirs(severity: int) -> int:
        nonlocal taken
        taken += 1
        imagecorruptions.corrupt(pictures[taken % len(pictures)], severity, name)
        return 1

    def ours(severity: int) -> int:
        corrupt(batch, name, severity, table=TABLE, textures=textures)
        return len(batch)

    spent: dict[str, list[float]] = {"reference": [], "ours": []}
    for severity in range(1, 6):
        ours(severity)  # makes tables and matrices
    theirs(1)
    for _ in range(rounds):
        each = [
            (turn(lambda s=s: theirs(s), seconds), turn(lambda s=s: ours(s), seconds, device))  # type: ignore[misc]
            for s in range(1, 6)
        ]
        for key, values in zip(spent, zip(*each, strict=True), strict=True):
            spent[key].append(statistics.mean(values))
    row: dict[str, Any] = {"corruption": name}
    for key, values in spent.items():
        row |= {f"{key}_ms": values, f"{key}_ms_median": statistics.median(values)}
    return row | {"ratio": row["reference_ms_median"] / row["ours_ms_median"]}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over the 19: time of the whole suite, geometric mean of the ratios, and the worst."""
    ratios = [row["ratio"] for row in rows]
    worst = min(rows, key=lambda row: row["ratio"])
    suite = [sum(row[f"{key}_ms_median"] for row in rows) for key in ("reference", "ours")]
    return {
        "suite_reference_ms": suite[0],
        "suite_ours_ms": suite[1],
        "suite_ratio": suite[0] / suite[1],
        "geometric_mean": math.exp(statistics.mean(map(math.log, ratios))),
        "worst": worst["corruption"],
        "worst_ratio": worst["ratio"],
    }


def digits(value: Any) -> Any:
    """Floats to four digits, in whatever they are."""
    if isinstance(value, dict):
        return {key: digits(part) for key, part in value.items()}
    if isinstance(value, list):
        return [digits(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(
    device: str = "auto",
    rounds: int = 5,
    seconds: float = 0.1,
    photographs: Path | None = None,
    names: tuple[str, ...] = inputs.CORRUPTIONS,
) -> Path | None:
    """Races at both sizes and prints the tables; all 19 write the record. About four minutes."""
    import cv2

    published.load(TABLE)
    execution = Execution.on(device, "fp32")
    kind = torch.device(execution.device).type
    sizes = []
    for size in (224, 32):
        if photographs:
            pictures = inputs.photographs(photographs, 8)
            if size == 32:  # pieces of photographs
                pictures = np.concatenate(
                    [pictures[:, y : y + 32, y : y + 32] for y in (0, 64, 128, 192)]
                )
        else:
            pictures = np.stack(
                [np.roll(inputs.picture(size, size), 7 * i, axis=1) for i in range(8)]
            )
        count = BATCH[kind, size]
        batch = (
            torch.from_numpy(np.resize(pictures, (count, size, size, 3)))
            .permute(0, 3, 1, 2)
            .contiguous()
        )
        batch = batch.to(execution.device)
        print(
            f"\n{size} pixels, batches of {count}; "
            f"ms per image: reference, ours (range of {rounds} rounds), ratio"
        )
        rows = []
        for name in names:
            rows.append(
                row := contest(name, np.ascontiguousarray(pictures), batch, rounds, seconds)
            )
            low, high = min(row["ours_ms"]), max(row["ours_ms"])
            print(
                f"{name:18s}{row['reference_ms_median']:10.3f}{row['ours_ms_median']:10.4f}"
                f"  ({low:.4f}-{high:.4f}){row['ratio']:9.1f}",
                flush=True,
            )
        total = summary(rows)
        print(
            f"suite {total['suite_reference_ms']:.1f} / {total['suite_ours_ms']:.2f} "
            f"= {total['suite_ratio']:.1f}x, geometric mean {total['geometric_mean']:.1f}x, "
            f"worst {total['worst']} {total['worst_ratio']:.2f}x"
        )
        sizes.append({"size": size, "batch": count, "summary": total, "corruptions": rows})
    if len(names) < len(inputs.CORRUPTIONS):
        return None
    provenance = execution.provenance() | {
        "numpy": np.__version__,
        "reference": published.versions() | {"opencv_threads": cv2.getNumThreads()},
        "pictures": "photographs" if photographs else "made by formula",
        "rounds": rounds,
    }
    device_name = re.sub(r"[^a-z0-9]+", "-", provenance["device"].lower()).strip("-")
    path = FOLDER / f"corruptions-{device_name}.json"
    fed.write(path, {"provenance": provenance, "table": TABLE, "sizes": digits(sizes)})
    return path
