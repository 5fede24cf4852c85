"""What tests of the baselines share, and records of SFD's study that nobody trained."""

from random import Random

import pytest
import torch

from paperlib import degrade
from paperlib.methods import Batch
from paperlib.papers.sfd import study as sfd
from paperlib.runs import Record

# points of accuracy over cross-entropy, by model
GAINS = {"vanilla": -10.0, "ce": 0.0, "ce-degraded": -1.0, "ddp": -5.0, "urie": -4.0, "vid": -0.5}
GAINS |= {"qualnet": 0.2, "wo-uem": 0.6, "sfd": 0.7, "sfd-code": 0.4}
LEFT = {"ce": 0.2, "wo-uem": 0.15, "sfd": 0.1}  # error of the features


@pytest.fixture
def batch():
    """Six clean and six degraded images, of noise."""
    clean, degraded = torch.rand(2, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(clean, degraded, torch.arange(6))


@pytest.fixture
def measured():
    """Makes the items of a study: `gains` in accuracy and the error `left` of features by model."""

    def make(
        gains=(),
        left=(),
        theta=(0.8, 0.6, 2.0),
        seeds=5,
        only=None,
        settings=sfd.PROFILES["cpu"],
        dataset="cifar10",
    ):
        gained, error = {**GAINS, **dict(gains)}, {**LEFT, **dict(left)}
        items = sfd.plan(settings, dataset, lambda runs: [])
        return {
            item: {
                cell: [
                    record(run, cell, gained, error, theta)
                    for run in runs[:seeds]
                    if only is None or item in only or cell in only
                ]
                for cell, runs in cells.items()
            }
            for item, cells in items.items()
        }

    return make


def record(run, cell, gains, left, theta):
    """A run's record: accuracy is 60 and the gain of its model, less a little noise of its own."""
    parts, noise = cell.split("/"), Random(f"{cell} {run.seed}").gauss(0, 0.1)
    gain = sum(gains[part] for part in parts if part in gains)
    metrics = {"top1": 60 + gain, "validation_top1": 55 + gain + noise}
    for spec in degrade.each(run.evaluate):
        metrics[f"top1@{degrade.label(spec)}"] = 60 + gain + noise
    if run.method == "features":
        severity = int(run.degrade["severities"])
        error = left.get(parts[1], 0.3) * severity / 5
        metrics |= {"relative_mse": error, "at_own": 50 - severity, "scatter_ratio": 1.0}
        if parts[1] == "sfd":
            mode, rank, ratio = theta
            metrics |= {"theta_mode": mode * severity, "theta_mean": mode}
            metrics |= {"spearman_live": rank, "calibration_live": ratio}
    last = {"loss": 1.5, "clean": 0.5, "degraded": 0.75}
    if run.options.get("lambda_"):
        last["distillation"] = -2.0 if parts[-1] == "sfd" else 0.5
    return Record(run, metrics, (last,) if run.epochs else (), {})
