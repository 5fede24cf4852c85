"""Parity with random numbers of each side's own: writes `data/results/parity/statistics.json`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from reference import fed, golden, inputs, moments, published, versions

# Table, side of the picture, versions of it by each side, severities.
CASES = (("cifar-c", 32, 500, (1, 2, 3, 4, 5)), ("imagenet-c", 224, 160, (1, 3, 5)))
GLASS_224 = 48  # the reference takes a second per version
WRONG_SEVERITY = 3


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    """To three digits: a record, not a computation."""
    return {key: float(f"{value:.3g}") for key, value in numbers.items()}


def measure(
    corrupt: published.Corrupt,
    table: str,
    size: int,
    count: int,
    severities: tuple[int, ...],
    textures: Path,
) -> dict[str, Any]:
    """All cells of a table, judged together, and what wrong versions would have been."""
    tests = len(inputs.RANDOM) * len(severities) * len(moments.NAMES)
    cells, null, wrong = [], [], []
    for name in inputs.RANDOM:
        picture = inputs.scene(name, size, size)
        number = min(count, GLASS_224) if (name, size) == ("glass_blur", 224) else count
        for severity in severities:
            theirs = moments.describe(
                golden.free_running(corrupt, picture, name, severity, number), picture
            )
            options = (picture, name, severity, table, number, textures)
            ours = moments.describe(versions.free_running(*options), picture)
            level = float(picture.mean() + theirs[:, 0].mean())
            cells.append(
                {
                    "corruption": name,
                    "severity": severity,
                    "versions_each": number,
                    "p": rounded(moments.compare(theirs, ours)),
                    "gap_mean_levels": round(float(ours[:, 0].mean() - theirs[:, 0].mean()), 4),
                    "gap_variance": round(
                        float(np.expm1(ours[:, 1].mean() - theirs[:, 1].mean())), 5
                    ),
                    "detectable": rounded(moments.detectable(theirs, ours, level, tests)),
                }
            )
            null += list(moments.compare(theirs[::2], theirs[1::2]).values())[1:]
            if severity == WRONG_SEVERITY:
                other = moments.describe(
                    versions.free_running(*options, versions.WRONG[name]), picture
                )
                p_values = moments.compare(theirs, other)
                noticed = [key for key, p in p_values.items() if p < moments.ALPHA / tests]
                wrong.append(
                    {"corruption": name, "what": versions.WRONG[name].what, "noticed_by": noticed}
                )
        least = min(min(cell["p"].values()) for cell in cells[-len(severities) :])
        print(f"{table:12s}{name:18s} smallest p {least:.2g}", flush=True)
    rejected = moments.holm([p for cell in cells for p in cell["p"].values()])
    return {
        "table": table,
        "size": size,
        "tests": tests,
        "family_wise_error": moments.ALPHA,
        "power_of_detectable": moments.POWER,
        "rounding_allowance_levels": moments.ROUNDING,
        "rejected": sum(rejected),
        # Halves of the reference's own versions: these tests ought to find one p-value in twenty
        # below 0.05.
        "reference_against_itself_below_0.05": round(float(np.mean(np.array(null) < 0.05)), 4),
        "wrong_versions": wrong,
        "cells": cells,
    }


def main(robustness: Path | None, cases: tuple[Any, ...] = CASES) -> None:
    """Measures and writes. About six minutes."""
    with TemporaryDirectory() as scratch:
        textures = inputs.write_textures(Path(scratch))
        parts = []
        for table, size, count, severities in cases:
            corrupt = published.load(table, textures, robustness, size)
            parts.append(measure(corrupt, table, size, count, severities, textures))
            print(f"{table}: {parts[-1]['rejected']} of {parts[-1]['tests']} rejected")
    fed.write(fed.FOLDER / "statistics.json", {"provenance": fed.provenance(), "tables": parts})
