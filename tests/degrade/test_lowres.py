"""Low resolution: the resizing against PyTorch's and Pillow's, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from paperlib import degrade
from paperlib.degrade import lowres
from paperlib.degrade.levels import to_levels
from paperlib.degrade.lowres import KERNELS, resize
from paperlib.errors import UserError


@pytest.fixture
def images():
    """Floats in [0, 1], as `resize` takes them."""
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def levels(images):
    return to_levels(images)


@pytest.mark.parametrize("size", [8, 16, 32, 64])
@pytest.mark.parametrize(
    ("kernel", "mode"), [(k, "nearest-exact" if k == "nearest" else k) for k in KERNELS]
)
def test_resize_is_interpolate(images, kernel, mode, size):
    expected = F.interpolate(images, size, mode=mode, antialias=mode.startswith("bi"))
    # The same products in another order: a few float32 roundings of numbers about 1.
    torch.testing.assert_close(resize(images, size, kernel), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("size", "out"), [(32, 8), (32, 16), (8, 32), (16, 32)])
@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
def test_resize_is_pillows_to_one_grey_level(kernel, size, out):
    """Pillow rounds to 8 bits between its two passes: at most 0.5 levels, times 1.25 (the sum of
    the kernel's absolute weights). Two numbers that are less than a level apart round to neighbours
    at most.
    """
    # so that nothing is clipped
    grey = np.random.default_rng(0).integers(64, 192, (size, size), dtype=np.uint8)
    theirs = Image.fromarray(grey).resize((out, out), getattr(Image.Resampling, kernel.upper()))
    ours = resize(torch.from_numpy(grey)[None, None].float(), out, kernel).round()
    assert (ours - torch.from_numpy(np.array(theirs)).float()).abs().max() <= 1


def test_an_image_is_degraded_alike_in_every_batch(levels):
    levels = levels.contiguous(memory_format=torch.channels_last)
    together = degrade.build({"name": "lowres", "factor": 4})(levels)
    for i in range(len(levels)):
        assert torch.equal(
            degrade.build({"name": "lowres", "factor": 4})(levels[i : i + 1])[0], together[i]
        )


@pytest.mark.parametrize("up", [*KERNELS, "none"])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_sizes_and_levels(levels, factor, up):
    degraded = degrade.build({"name": "lowres", "factor": factor, "up": up})(levels)
    size = 32 // factor if up == "none" else 32
    assert degraded.shape == (5, 3, size, size)
    assert degraded.dtype == torch.uint8


def test_the_small_image_is_rounded_before_it_is_enlarged(levels):
    small = degrade.build({"name": "lowres", "factor": 4, "up": "none"})(levels)
    expected = to_levels(resize(small / 255, 32))
    assert torch.equal(degrade.build({"name": "lowres"})(levels), expected)


def test_none_changes_nothing(levels):
    assert degrade.build({"name": "none"})(levels) is levels


def test_autocast_costs_no_precision(images, levels):
    expected, small = degrade.build({"name": "lowres"})(levels), resize(images, 8)
    lowres._matrix.cache_clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(degrade.build({"name": "lowres"})(levels), expected)
        assert torch.equal(resize(images, 8), small)


def test_a_matrix_first_made_in_inference_mode_serves_gradients_too(images):
    lowres._matrix.cache_clear()
    with torch.inference_mode():
        resize(images, 8)
    images.requires_grad_()
    resize(images, 8).sum().backward()
    # the rows of the matrix sum to one
    assert images.grad.sum().item() == pytest.approx(5 * 3 * 8 * 8, rel=1e-5)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"name": "fog"},
            "unknown degradation 'fog'; choose from: none, lowres, corruption, random",
        ),
        (
            {"name": "lowres", "up": "lanczos"},
            "unknown kernel 'lanczos'; choose from: bicubic, bilinear, area, nea",
        ),
        (
            {"name": "lowres", "down": "none"},
            "unknown kernel 'none'; choose from: bicubic, bilinear, area, nearest$",
        ),
        ({"name": "lowres", "factor": 0}, "factor is 0; it must be at least 1"),
        (
            {"name": "lowres", "scale": 2},
            "degradation 'lowres': .*unexpected keyword argument 'scale'",
        ),
    ],
)
def test_wrong_specs(spec, message):
    with pytest.raises(UserError, match=message):
        degrade.build(spec)


def test_wrong_images():
    with pytest.raises(UserError, match="low resolution takes square images; these are 32x24"):
        resize(torch.zeros(1, 3, 32, 24), 8)
    with pytest.raises(UserError, match="images of 32 pixels cannot be reduced by the factor 3"):
        degrade.build({"name": "lowres", "factor": 3})(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(UserError, match="unknown kernel 'cubic'"):
        resize(torch.zeros(1, 3, 32, 32), 8, "cubic")
