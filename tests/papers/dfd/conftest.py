"""Records of DFD's study that nobody trained."""

from random import Random

import pytest

from paperlib.papers.dfd import study as dfd
from paperlib.runs import Record

IMAGES = ("psnr", "ssim", "bicubic_psnr", "bicubic_ssim")


@pytest.fixture
def fake():
    """Results for `study`."""

    def fake(runs):
        """A record per run; the validation accuracy grows with lambda, the test accuracy falls."""
        records = []
        for run in runs:
            lambda_ = float(run.options.get("lambda_", 0))
            top1 = {"top1": 50 - lambda_, "validation_top1": 40 + lambda_, "top1@lowres-4": 30.0}
            records.append(Record(run, {**top1, **dict.fromkeys(IMAGES, 1.0)}, (), {}))
        return records

    return fake


@pytest.fixture
def measured():
    """What `study` returns if every cell has 50 %, teachers 70 %, each with a little spread."""

    def measured(gains=None, seeds=5, profile="cpu", dataset="cifar10", missing=()):
        """`gains`: cell -> further points; `missing`: items of which nothing was measured."""

        def record(cell, run):
            teacher = 20.0 if cell.endswith("/hr") else 0.0
            spread = Random(f"{cell} {run.seed}").uniform(-0.2, 0.2)
            top1 = 50 + teacher + (gains or {}).get(cell, 0.0) + spread
            metrics = {"top1": top1, "validation_top1": top1, "top1@lowres-4": 30.0}
            return Record(run, {**metrics, **dict.fromkeys(IMAGES, 1.0)}, (), {})

        return {
            item: {
                cell: [record(cell, run) for run in runs[: 0 if item in missing else seeds]]
                for cell, runs in cells.items()
            }
            for item, cells in dfd.plan(dfd.PROFILES[profile], dataset, lambda runs: []).items()
        }

    return measured
