"""How much corruptions hurt a classifier: CE, mCE and relative mCE (Hendrycks & Dietterich, 2019).

All numbers are percentages. A table of errors maps (corruption, severity) to the top-1 error of one
network.

A corruption error is a ratio to what the same corruption does to a reference network, which must
have met the same data. The published reference is AlexNet on ImageNet; on other data it is a run of
ours, and the label says which.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from paperlib.degrade.tables import SEVERITIES, STANDARD
from paperlib.errors import UserError

ALEXNET_CSV = Path(__file__).resolve().parents[2] / "data" / "papers" / "imagenet-c" / "alexnet.csv"

Errors = Mapping[tuple[str, int], float]  # (corruption, severity) -> top-1 error, per cent
Classifier = Callable[[Tensor], Tensor]  # float (B, 3, H, W) in [0, 1] -> logits (B, classes)


@dataclass(frozen=True)
class Baseline:
    """The reference network that errors are divided by."""

    name: str  # what a label says of it
    dataset: str  # what its errors were measured on
    errors: Errors
    clean: float  # its error on clean images

    @classmethod
    def from_errors(cls, name: str, errors: Errors, clean: float, dataset: str) -> "Baseline":
        """A network of ours, e.g. "resnet18 trained clean on cifar10", as its label will say."""
        return cls(f"relative to {name}", dataset, dict(errors), clean)

    def label(self, metric: str = "mCE") -> str:
        """E.g. "mCE (AlexNet)" or "mCE (relative to resnet18 trained clean on cifar10)"."""
        return f"{metric} ({self.name})"


@lru_cache(maxsize=1)
def alexnet() -> Baseline:
    """torchvision's AlexNet on ImageNet-C, all 19 corruptions: the published reference."""
    with ALEXNET_CSV.open(encoding="utf-8", newline="") as file:
        errors = {
            (row["corruption"], int(row["severity"])): float(row["error"])
            for row in csv.DictReader(file)
        }
    clean = errors.pop(("clean", 0))
    return Baseline("AlexNet", "imagenet", errors, clean)


def mean_errors(errors: Errors, corruptions: Iterable[str] = STANDARD) -> dict[str, float]:
    """The error under each corruption, mean over severities.

    Raises:
        UserError: an error is missing, or is none.
    """
    corruptions = list(corruptions)
    _check(errors, corruptions, "the table of errors")
    return {name: fmean(errors[name, severity] for severity in SEVERITIES) for name in corruptions}


def corruption_errors(
    errors: Errors, baseline: Baseline, dataset: str, corruptions: Iterable[str] = STANDARD
) -> dict[str, float]:
    """CE of each corruption: the sum of errors over severities in parts of the baseline's.

    Args:
        dataset: what the errors were measured on; the baseline's must be the same.
    Raises:
        UserError: an error is missing in either table, or the baseline belongs to other data.
    """
    return _ratios(errors, 0.0, baseline, 0.0, dataset, corruptions)


def mce(
    errors: Errors, baseline: Baseline, dataset: str, corruptions: Iterable[str] = STANDARD
) -> float:
    """mCE: the mean of the corruption errors. Arguments and errors as for `corruption_errors`."""
    return fmean(corruption_errors(errors, baseline, dataset, corruptions).values())


def relative_mce(
    errors: Errors,
    clean: float,
    baseline: Baseline,
    dataset: str,
    corruptions: Iterable[str] = STANDARD,
) -> float:
    """Relative mCE: as mCE, of what each corruption adds to the error on clean images.

    Args:
        clean: the error on clean images of the network whose errors these are.
    Raises:
        UserError: as for `corruption_errors`, or a corruption adds nothing to the baseline's error.
    """
    ratios = _ratios(errors, clean, baseline, baseline.clean, dataset, corruptions)
    return fmean(ratios.values())


def _ratios(
    errors: Errors,
    clean: float,
    baseline: Baseline,
    baseline_clean: float,
    dataset: str,
    corruptions: Iterable[str],
) -> dict[str, float]:
    if dataset != baseline.dataset:
        raise UserError(
            f"{baseline.label()} is measured on {baseline.dataset}, the errors on {dataset}; "
            "make a baseline of a run on the same data: Baseline.from_errors"
        )
    corruptions = list(corruptions)
    _check(errors, corruptions, "the table of errors")
    _check(baseline.errors, corruptions, f"the baseline of {baseline.label()}")
    ratios = {}
    for name in corruptions:
        ours = sum(errors[name, severity] - clean for severity in SEVERITIES)
        theirs = sum(baseline.errors[name, severity] - baseline_clean for severity in SEVERITIES)
        if theirs <= 0:
            raise UserError(f"{baseline.label()}: {name} adds nothing to the baseline's error")
        ratios[name] = 100 * ours / theirs
    return ratios


def _check(errors: Errors, corruptions: Sequence[str], table: str) -> None:
    if not corruptions:
        raise UserError("there must be at least one corruption")
    missing = {
        name: [str(s) for s in SEVERITIES if (name, s) not in errors] for name in corruptions
    }
    if lacks := [f"{name} at {'/'.join(at)}" for name, at in missing.items() if at]:
        raise UserError(f"{table} has no {', '.join(lacks)}")
    for name in corruptions:
        for severity in SEVERITIES:
            error = errors[name, severity]
            if not 0 <= error <= 100:
                what = f"the error of {name} at {severity} is {error}"
                raise UserError(f"{table}: {what}; it must be 0 to 100")


@torch.inference_mode()
def clean_error(predict: Classifier, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Top-1 error of a classifier.

    Args:
        predict: the classifier, in evaluation mode, on the device of the images.
        images: uint8 (N, 3, H, W).
        labels: int64 (N,), on the same device.
        batch: images at a time; changes nothing else.
    Raises:
        UserError: no images, not as many labels, or an empty batch.
    """
    if not len(images) or len(images) != len(labels) or images.dtype != torch.uint8:
        raise UserError(
            f"images are {images.dtype} {tuple(images.shape)} with {len(labels)} labels; "
            "they must be uint8 (N, 3, H, W), at least one, with N labels"
        )
    if batch < 1:
        raise UserError(f"batch is {batch}; it must be at least 1")
    # read once: a GPU need not wait for each batch
    hits = torch.zeros((), dtype=torch.int64, device=images.device)
    for part, expected in zip(images.split(batch), labels.split(batch), strict=True):
        hits += (predict(part.float().div_(255)).argmax(1) == expected).sum()
    return 100.0 - 100.0 * int(hits) / len(images)
