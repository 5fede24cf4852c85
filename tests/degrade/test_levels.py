"""Levels and floats: the one way there and back, and the two ways of rounding."""

import pytest
import torch

from paperlib import degrade
from paperlib.degrade.levels import rounded, to_8_bit, to_float, to_levels, truncated
from paperlib.errors import UserError

LEVELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def test_floats_and_back_are_the_same_levels():
    assert torch.equal(to_levels(to_float(LEVELS)), LEVELS)
    assert torch.equal(to_8_bit(to_float(LEVELS)), to_float(LEVELS))
    assert to_float(LEVELS).max() == 1


def test_what_lies_between_is_rounded_and_what_lies_outside_clipped():
    images = torch.tensor([-0.5, 0.6 / 255, 99.4 / 255, 1.5])
    assert to_levels(images).tolist() == [0, 1, 99, 255]
    assert to_8_bit(images).tolist() == to_float(to_levels(images)).tolist()


def test_float_levels_are_rounded_or_cut():
    levels = torch.tensor([-3.0, 0.6, 99.4, 99.9999, 254.7, 300.0])
    assert rounded(levels).tolist() == [0, 1, 99, 100, 255, 255]
    assert truncated(levels).tolist() == [0, 0, 99, 100, 254, 255]
    assert rounded(LEVELS) is truncated(LEVELS) is LEVELS


def test_the_memory_format_stays():
    levels = LEVELS.expand(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    for images in (to_float(levels), to_levels(to_float(levels))):
        assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "spec", [{"name": "lowres"}, {"name": "noise", "noise": "gaussian", "sigma": 30}]
)
def test_a_degradation_refuses_floats(spec):
    with pytest.raises(UserError, match=r"images are torch\.float32; a degradation takes uint8"):
        degrade.build(spec)(torch.rand(2, 3, 32, 32))
