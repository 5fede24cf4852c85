"""The pixelwise corruptions against colorsys, numpy and Pillow."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.degrade import digital
from paperlib.degrade.draws import Draws

DRAWS = Draws(torch.arange(1))


@pytest.fixture
def images():
    """Random colours, with black, white, greys and pure colours among them."""
    pixels = torch.randint(
        0, 256, (1, 3, 24, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    special = [
        (0, 0, 0),
        (255, 255, 255),
        (128, 128, 128),
        (1, 1, 1),
        (255, 0, 0),
        (0, 1, 0),
        (0, 0, 255),
        (200, 200, 0),
    ]
    for i, colour in enumerate(special):
        pixels[0, :, 0, i] = torch.tensor(colour, dtype=torch.uint8)
    return pixels


def by_hsv(images, change):
    """Every pixel through colorsys, its (h, s, v) changed."""
    out = np.empty(images.shape, dtype=np.float64)
    for i, y, x in np.ndindex(len(images), *images.shape[-2:]):
        hsv = colorsys.rgb_to_hsv(*(images[i, :, y, x].double() / 255).tolist())
        out[i, :, y, x] = colorsys.hsv_to_rgb(*change(*hsv))
    return out * 255


@pytest.mark.parametrize("added", [0.05, 0.3, 0.5])
def test_brightness(images, added):
    expected = by_hsv(images, lambda h, s, v: (h, s, min(1, v + added)))
    np.testing.assert_allclose(digital.brightness(images, DRAWS, added), expected, atol=1e-3)


@pytest.mark.parametrize(("factor", "added"), [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)])
def test_saturate(images, factor, added):
    expected = by_hsv(images, lambda h, s, v: (h, min(1, s * factor + added), v))
    np.testing.assert_allclose(digital.saturate(images, DRAWS, factor, added), expected, atol=1e-3)


def test_grey_pixels_that_gain_saturation_turn_red(images):
    red, green, blue = digital.saturate(images, DRAWS, 5, 0.1)[0, :, 0, 2].tolist()
    assert red == 128
    assert green == blue == pytest.approx(128 * 0.9)


@pytest.mark.parametrize("factor", [0.75, 0.05])
def test_contrast(images, factor):
    pixels = images.double().numpy()
    mean = pixels.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(
        digital.contrast(images, DRAWS, factor), (pixels - mean) * factor + mean, atol=1e-3
    )


@pytest.mark.parametrize("factor", [0.95, 0.65, 0.6, 0.25])
@pytest.mark.parametrize("size", [(32, 32), (37, 29), (224, 224)])
def test_pixelate(factor, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    height, width = size
    small = Image.fromarray(pixels).resize(
        (int(width * factor), int(height * factor)), Image.Resampling.BOX
    )
    theirs = np.array(small.resize((width, height), Image.Resampling.NEAREST))
    ours = digital.pixelate(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None], DRAWS, factor)
    assert np.array_equal(ours[0].permute(1, 2, 0).numpy(), theirs)


def test_grey_images():
    grey = torch.randint(
        0, 256, (2, 1, 16, 19), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    draws = Draws(torch.arange(2))
    torch.testing.assert_close(
        digital.brightness(grey, draws, 0.2), (grey + 51.0).clamp(max=255), rtol=0, atol=1e-3
    )
    assert torch.equal(digital.saturate(grey, draws, 5, 0.1), grey)
    assert (
        digital.contrast(grey, draws, 0.4).shape
        == digital.pixelate(grey, draws, 0.5).shape
        == grey.shape
    )
