"""Corruption errors against values worked out by hand, and the error of a known classifier."""

import math

import pytest
import torch

from paperlib.degrade.tables import CORRUPTIONS, EXTRA, SEVERITIES, STANDARD
from paperlib.errors import UserError
from paperlib.evidence import robustness
from paperlib.evidence.robustness import (
    Baseline,
    alexnet,
    clean_error,
    corruption_errors,
    mce,
    mean_errors,
    relative_mce,
)


def table(**rows):
    """Errors at severities 1 to 5 by corruption."""
    return {
        (name, severity): row[severity - 1] for name, row in rows.items() for severity in SEVERITIES
    }


ERRORS = table(fog=(10, 20, 30, 40, 50), snow=(20, 20, 20, 20, 70))
CLEAN = 5.0
REFERENCE = Baseline.from_errors(
    "resnet18 trained clean on cifar10",
    table(fog=(20, 30, 40, 50, 60), snow=(50,) * 5),
    10.0,
    "cifar10",
)
TWO = ("fog", "snow")


def test_by_hand():
    assert mean_errors(ERRORS, TWO) == {"fog": 30, "snow": 30}
    assert corruption_errors(ERRORS, REFERENCE, "cifar10", TWO) == pytest.approx(
        {"fog": 75, "snow": 60}
    )
    assert mce(ERRORS, REFERENCE, "cifar10", TWO) == pytest.approx(67.5)
    # (150 - 25) / (200 - 50) and (150 - 25) / (250 - 50)
    assert relative_mce(ERRORS, CLEAN, REFERENCE, "cifar10", TWO) == pytest.approx(
        100 * (125 / 150 + 125 / 200) / 2
    )


def test_a_baseline_against_itself():
    everything = {
        (name, severity): 20.0 + severity for name in CORRUPTIONS for severity in SEVERITIES
    }
    same = Baseline.from_errors("itself", everything, 10, "svhn")
    assert mce(everything, same, "svhn") == pytest.approx(100)
    assert relative_mce(everything, 10, same, "svhn") == pytest.approx(100)


def test_mce_is_over_the_fifteen():
    errors = {
        (name, severity): 40.0 if name in STANDARD else 90.0
        for name in CORRUPTIONS
        for severity in SEVERITIES
    }
    reference = Baseline.from_errors("x", dict.fromkeys(errors, 80.0), 10, "svhn")
    assert mce(errors, reference, "svhn") == pytest.approx(50)
    assert mce(errors, reference, "svhn", EXTRA) == pytest.approx(112.5)


def test_labels_name_the_baseline():
    assert alexnet().label() == "mCE (AlexNet)"
    assert REFERENCE.label() == "mCE (relative to resnet18 trained clean on cifar10)"
    assert (
        REFERENCE.label("relative mCE")
        == "relative mCE (relative to resnet18 trained clean on cifar10)"
    )


def test_alexnet_is_the_published_one():
    """Means over severities as bethgelab/game-of-noise and the notes give them, to six digits."""
    means = (
        88.6428,
        89.4468,
        92.2640,
        81.9880,
        82.6268,
        78.5948,
        79.8360,
        86.6816,
        82.6572,
        81.9324,
        56.4592,
        85.3204,
    )
    # the last four are the extra ones
    means += (64.6056, 71.7840, 60.6500, 84.5388, 78.7108, 71.7512, 65.8248)
    assert mean_errors(alexnet().errors, CORRUPTIONS) == pytest.approx(
        dict(zip(CORRUPTIONS, means, strict=True))
    )
    assert len(alexnet().errors) == 95
    assert alexnet().errors["jpeg_compression", 5] == 74.778
    assert sum(means[:15]) / 15 == pytest.approx(78.8993, abs=1e-4)
    assert round(alexnet().clean, 1) == 43.5


def test_every_row_of_alexnet_has_a_source():
    lines = robustness.ALEXNET_CSV.read_text().splitlines()
    assert lines[0] == "corruption,severity,error,source"
    assert all(line.split(",", 3)[3] for line in lines[1:])
    assert len(lines) == 1 + 1 + 95


def test_alexnet_is_for_imagenet_alone():
    everything = {(name, severity): 50.0 for name in CORRUPTIONS for severity in SEVERITIES}
    assert mce(everything, alexnet(), "imagenet") == pytest.approx(
        sum(100 * 50 / mean for mean in mean_errors(alexnet().errors).values()) / 15
    )
    refused = (
        r"mCE \(AlexNet\) is measured on imagenet, the errors on cifar10; make a baseline of a run"
    )
    with pytest.raises(UserError, match=refused):
        mce(everything, alexnet(), "cifar10")
    with pytest.raises(UserError, match=refused):
        relative_mce(everything, 5, alexnet(), "cifar10")
    with pytest.raises(UserError, match="is measured on cifar10, the errors on imagenet"):
        corruption_errors(ERRORS, REFERENCE, "imagenet", TWO)


def test_what_is_missing_is_named():
    short = {key: error for key, error in ERRORS.items() if key not in {("fog", 2), ("fog", 5)}}
    with pytest.raises(
        UserError, match=r"the table of errors has no fog at 2/5, frost at 1/2/3/4/5$"
    ):
        mean_errors(short, ("fog", "snow", "frost"))
    with pytest.raises(UserError, match=r"the table of errors has no fog at 2/5$"):
        mce(short, REFERENCE, "cifar10", TWO)
    lacking = Baseline.from_errors("r", short, 0, "cifar10")
    with pytest.raises(
        UserError, match=r"the baseline of mCE \(relative to r\) has no fog at 2/5$"
    ):
        mce(ERRORS, lacking, "cifar10", TWO)
    with pytest.raises(UserError, match="at least one corruption"):
        mean_errors(ERRORS, [])


@pytest.mark.parametrize("error", [-1.0, 100.5, math.nan, math.inf])
def test_what_is_no_error(error):
    with pytest.raises(UserError, match=r"the error of fog at 3 is .*; it must be 0 to 100$"):
        mean_errors({**ERRORS, ("fog", 3): error}, TWO)


def test_nothing_to_divide_by():
    unhurt = Baseline.from_errors(
        "r", table(fog=(10,) * 5, snow=(10, 10, 10, 10, 11)), 10, "cifar10"
    )
    with pytest.raises(
        UserError, match=r"relative to r\): fog adds nothing to the baseline's error"
    ):
        relative_mce(ERRORS, CLEAN, unhurt, "cifar10", TWO)


@pytest.fixture
def images():
    return torch.randint(
        256, (23, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )


def bright(images):
    """A "classifier" whose class is 1 for what is light on average."""
    mean = images.mean((1, 2, 3))
    return torch.stack([0.5 - mean, mean - 0.5], dim=1)


@pytest.mark.parametrize("batch", [1, 7, 23, 100])
def test_the_error_does_not_depend_on_the_batches(images, batch):
    labels = torch.arange(23) % 2
    expected = 100 * (bright(images.float() / 255).argmax(1) != labels).float().mean().item()
    assert clean_error(bright, images, labels, batch) == pytest.approx(expected)


def test_what_the_classifier_sees(images):
    seen = []

    def look(batch):
        seen.append(batch)
        return torch.zeros(len(batch), 10)

    error = clean_error(look, images, torch.tensor([0] * 20 + [3] * 3), batch=10)
    assert error == pytest.approx(100 * 3 / 23)
    assert [len(batch) for batch in seen] == [10, 10, 3]
    assert seen[0].dtype == torch.float32
    assert torch.equal(torch.cat(seen).mul(255).round().byte(), images)
    assert not seen[0].requires_grad
    assert seen[0].is_inference()


def test_bad_images_are_refused(images):
    for wrong, labels in (
        (images[:0], torch.zeros(0)),
        (images, torch.zeros(3)),
        (images.float(), torch.zeros(23)),
    ):
        with pytest.raises(UserError, match="they must be uint8"):
            clean_error(bright, wrong, labels)
    with pytest.raises(UserError, match="batch is 0"):
        clean_error(bright, images, torch.zeros(23), batch=0)
