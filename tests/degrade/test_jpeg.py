"""JPEG against Pillow."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.degrade import jpeg
from paperlib.errors import UserError


def photograph(height, width, seed=0):
    """(3, H, W) uint8: shading, edges of saturated colours, and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.stack([4 * x, 255 - 3 * y, 128 + 90 * np.sin((x + 2 * y) / 5)]) + rng.normal(
        0, 12, (3, height, width)
    )
    image[:, height // 3 : height // 2, width // 4 : width // 2] = np.array([255, 0, 10])[
        :, None, None
    ]
    image[:, -(height // 4) :] = rng.integers(0, 2, (3, height // 4, width)) * 255
    return torch.from_numpy(image.clip(0, 255).astype(np.uint8))


def pillow(image, quality):
    """(C, H, W) uint8 through a file in memory; grey goes by way of RGB, as in imagecorruptions."""
    file = io.BytesIO()
    picture = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())
    picture.convert("RGB").save(file, "JPEG", quality=quality)
    array = np.array(Image.open(file).convert(picture.mode))
    return torch.from_numpy(array).view(*image.shape[1:], -1).permute(2, 0, 1)


SIZES = [(32, 32), (224, 224), (37, 53), (16, 17), (41, 64), (50, 33)]
QUALITIES = [1, 7, 10, 25, 49, 50, 58, 80, 95, 100]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_in_float64_every_bit_is_pillows(height, width):
    image = photograph(height, width)
    for quality in QUALITIES:
        for given in (image, image[:1]):
            made = jpeg.compress(given[None], quality, torch.float64)[0]
            assert torch.equal(made, pillow(given, quality)), quality


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_in_float32_nearly_every_bit_is_pillows(height, width):
    image = photograph(height, width)
    for quality in QUALITIES:
        for given in (image, image[:1]):
            wrong = (
                jpeg.compress(given[None], quality)[0].int() - pillow(given, quality).int()
            ).float()
            assert (wrong != 0).sum() <= 1 + 1e-4 * given.numel(), quality
            assert wrong.square().mean() <= 255**2 * 1e-6, quality  # 60 dB


def test_each_image_may_have_its_own_quality():
    images = torch.stack([photograph(40, 35, seed) for seed in range(3)])
    qualities = torch.tensor([90, 5, 40], dtype=torch.int32)
    expected = torch.cat([jpeg.compress(images[i : i + 1], int(qualities[i])) for i in range(3)])
    assert torch.equal(jpeg.compress(images, qualities), expected)
    grey = images[:, 1:2].contiguous()
    expected = torch.cat([jpeg.compress(grey[i : i + 1], int(qualities[i])) for i in range(3)])
    assert torch.equal(jpeg.compress(grey, qualities), expected)


@pytest.mark.parametrize("size", [32, 224])
def test_a_batch_changes_no_bits(size):
    images = torch.stack([photograph(size, size, seed) for seed in range(7)])
    together = jpeg.jpeg_compression(images, None, 92)
    for i in range(7):
        assert torch.equal(together[i], jpeg.jpeg_compression(images[i : i + 1], None, 92)[0])


def test_autocast_changes_no_bits():
    images = photograph(32, 32)[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = jpeg.compress(images, 60)
    assert torch.equal(under, jpeg.compress(images, 60))


def test_the_input_stays_and_a_batch_may_be_empty():
    images = photograph(20, 23)[None]
    before = images.clone()
    jpeg.compress(images, 10)
    jpeg.compress(images[:, :1], 10)
    assert torch.equal(images, before)
    for channels in (1, 3):
        assert jpeg.compress(torch.empty(0, channels, 20, 23, dtype=torch.uint8), 10).shape == (
            0,
            channels,
            20,
            23,
        )


@pytest.mark.parametrize(
    "quality",
    [
        0,
        101,
        -5,
        50.0,
        True,
        "50",
        None,
        torch.tensor([50, 60]),
        torch.tensor([50.0]),
        torch.tensor([0]),
    ],
)
def test_other_qualities_are_refused(quality):
    with pytest.raises(UserError, match="from 1 to 100"):
        jpeg.compress(photograph(16, 16)[None], quality)
