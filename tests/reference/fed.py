"""Parity at full size with the same random fields: writes `data/results/parity/<table>.json`."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from paperlib import datasets
from paperlib.execution import Execution
from paperlib.files import write_atomically
from reference import fields, inputs, published

FOLDER = Path(__file__).resolve().parents[2] / "data" / "results" / "parity"
NOT_FED = {
    "shot_noise": "counts come by another method than numpy's: compared in distribution, "
    "see statistics.json"
}


def provenance() -> dict[str, Any]:
    """Both environments, device, commit and date."""
    return {
        "ours": Execution("cpu").provenance(),
        "reference": published.versions() | {"files": published.COMMITS},
    }


def layout(value: Any, indent: int = 0) -> str:
    """JSON in which whatever fits on a line has one: a row of a table is a line of the file."""
    flat, inner = json.dumps(value), " " * (indent + 1)
    if not isinstance(value, dict | list) or len(flat) + indent <= 240:
        return flat
    if isinstance(value, dict):
        parts = [
            f"{inner}{json.dumps(key)}: {layout(part, indent + 1)}" for key, part in value.items()
        ]
    else:
        parts = [inner + layout(part, indent + 1) for part in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n" + ",\n".join(parts) + f"\n{inner[1:]}{last}"


def write(path: Path, record: dict[str, Any]) -> None:
    """One record, the same bytes from the same values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (layout(record) + "\n").encode())
    print(f"wrote {path.name}")


def cifar_images(count: int, root: Path | None) -> np.ndarray:
    """(count, 32, 32, 3) uint8: the first test images of CIFAR-10."""
    return datasets.load("cifar10", root).test.images[:count].permute(0, 2, 3, 1).numpy().copy()


def measure(
    corrupt: published.Corrupt, images: np.ndarray, table: str, name: str, textures: Path
) -> list[Any]:
    """How well the two agree at severities 1 to 5."""
    rows = []
    for severity in range(1, 6):
        seeds = [(inputs.seed(name, severity) + i) % 2**32 for i in range(len(images))]
        theirs = []
        for image, seed in zip(images, seeds, strict=True):
            with published.seeded(seed):
                theirs.append(corrupt(image, name, severity))
        ours = fields.corrupt(images, name, severity, table, seeds, textures)
        each = [fields.agreement(*pair) for pair in zip(ours, theirs, strict=True)]
        decibels = [one["psnr"] for one in each]
        rows.append(
            {
                "severity": severity,
                "psnr_min": round(min(decibels), 2),
                "psnr_mean": round(float(np.mean(decibels)), 2),
                "equal": round(float(np.mean([one["equal"] for one in each])), 6),
                "within_1": round(float(np.mean([one["within_1"] for one in each])), 6),
            }
        )
    return rows


def main(
    robustness: Path | None,
    photographs: Path | None,
    data_root: Path | None = None,
    textures: Path | None = None,
    photograph_count: int = 8,
    cifar_count: int = 64,
    tables: tuple[str, ...] = published.TABLES,
    names: tuple[str, ...] = inputs.CORRUPTIONS,
) -> None:
    """Measures every table and writes its record: five minutes, mostly of glass blur."""
    textures = textures or published.package_textures()
    for table in tables:
        if table == "cifar-c":
            source, images = "CIFAR-10 test images", cifar_images(cifar_count, data_root)
        elif photographs:
            source, images = "photographs", inputs.photographs(photographs, photograph_count)
        else:
            print(f"{table}: skipped, no folder of photographs given (--images)")
            continue
        corrupt = published.load(table, textures, robustness, images.shape[1])
        corruptions = {}
        for name in (n for n in names if n not in NOT_FED):
            corruptions[name] = rows = measure(corrupt, images, table, name, textures)
            print(
                f"{table:17s}{name:18s}" + "".join(f"{row['psnr_min']:7.1f}" for row in rows),
                flush=True,
            )
        described = {
            "source": source,
            "count": len(images),
            "size": images.shape[1],
            "sha256": hashlib.sha256(images.tobytes()).hexdigest(),
        }
        record = {
            "table": table,
            "provenance": provenance(),
            "images": described,
            "not_fed": NOT_FED,
        }
        if set(names) == set(inputs.CORRUPTIONS):  # a look at some of them leaves the record alone
            write(FOLDER / f"{table}.json", record | {"corruptions": corruptions})
