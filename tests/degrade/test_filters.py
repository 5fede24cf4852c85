"""The filters against scipy, Pillow and loops over pixels."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from paperlib.degrade import filters


@pytest.fixture
def images():
    return torch.rand(3, 3, 37, 29, generator=torch.Generator().manual_seed(0)) * 255


def each(images, function):
    """A scipy function, applied to every channel in float64."""
    return torch.from_numpy(
        np.stack([[function(c) for c in image] for image in images.double().numpy()])
    )


def close(ours, theirs, levels=0.01):
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=levels)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 1, 2.5, 6, 20])
@pytest.mark.parametrize("border", ["nearest", "reflect"])
def test_gaussian_blur(images, sigma, border):
    close(
        filters.gaussian_blur(images, sigma, border=border),
        each(images, lambda c: ndimage.gaussian_filter(c, sigma, mode=border)),
    )


def test_gaussian_blur_by_axis_and_cut_earlier(images):
    theirs = each(
        images, lambda c: ndimage.gaussian_filter(c, (1.5, 0.7), truncate=3, mode="reflect")
    )
    close(filters.gaussian_blur(images, (1.5, 0.7), truncate=3, border="reflect"), theirs)


def test_no_sigma_is_no_blur(images):
    assert torch.equal(filters.gaussian_blur(images, 0), images)


@pytest.mark.parametrize(("radius", "alias"), [(0.3, 0.4), (1, 0.2), (3, 0.1), (8, 0.5), (10, 0.5)])
def test_defocus_is_a_correlation_with_the_disk(images, radius, alias):
    kernel = filters.disk(radius, alias).double().numpy()
    # OpenCV's mirrored border gives a large disk's edge twice
    assert kernel.sum() == pytest.approx(1, abs=0.02)
    assert (kernel == kernel.T).all()
    assert kernel.shape == (17, 17) if radius <= 8 else kernel.shape == (21, 21)
    close(
        filters.defocus(images, radius, alias),
        each(images, lambda c: ndimage.correlate(c, kernel, mode="mirror")),
    )


def naive_line(image, radius, sigma, angle):
    """Tap by tap: what is `i` steps along the line, the nearest pixel standing for what is
    outside."""
    height, width = image.shape[-2:]
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    out = np.zeros(image.shape)
    for i, weight in enumerate(weights):
        down = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        if abs(down) >= height or abs(right) >= width:
            break
        rows, columns = (
            np.clip(np.arange(n) + d, 0, n - 1) for n, d in ((height, down), (width, right))
        )
        out += weight * image[:, rows[:, None], columns]
    return out


@pytest.mark.parametrize(("radius", "sigma"), [(6, 1), (20, 15)])
def test_motion_blur_both_ways(images, radius, sigma):
    """(20, 15) reaches over the image's edge, where the line ends."""
    angles = torch.tensor([-44.0, 3.0, -120.0])
    theirs = np.stack(
        [
            naive_line(i.double().numpy(), radius, sigma, a)
            for i, a in zip(images, angles.tolist(), strict=True)
        ]
    )
    close(filters.motion_blur(images, radius, sigma, angles), torch.from_numpy(theirs))
    reach = 2 * radius + 1
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="replicate")
    weights = filters.line_kernel(radius, sigma)
    arguments = padded, weights, filters.line_offsets(angles, len(weights)), reach, (37, 29)
    close(filters._lines_by_gather(*arguments), torch.from_numpy(theirs))
    close(filters._lines_by_slices(*arguments), torch.from_numpy(theirs))


@pytest.mark.parametrize("factor", [1, 1.03, 1.13, 1.25, 3, 4.5])
def test_zoom(images, factor):
    height, width = 37, 29
    rows, columns = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - rows) // 2, (width - columns) // 2

    def theirs(c):
        return ndimage.zoom(c[top : top + rows, left : left + columns], factor, order=1)

    whole = each(images, theirs)
    close(filters.zoom(images, factor, centre=False), whole)
    top, left = (whole.shape[-2] - height) // 2, (whole.shape[-1] - width) // 2
    close(filters.zoom(images, factor), whole[..., top : top + height, left : left + width])


@pytest.mark.parametrize("size", [(8, 8), (18, 12), (36, 28), (37, 29), (40, 50)])
def test_box_resize_is_pillows(size):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 29, 3), dtype=np.uint8)
    theirs = np.array(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BOX))
    ours = filters.box_resize(
        torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float(), *size
    )
    assert np.array_equal(ours[0].permute(1, 2, 0).numpy(), theirs)


def test_an_image_is_filtered_alike_in_every_batch():
    images = torch.rand(9, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 255
    angles = torch.linspace(-45, 45, 9)
    for function in (
        lambda i, a: filters.gaussian_blur(i, 2),
        lambda i, a: filters.defocus(i, 3, 0.1),
        lambda i, a: filters.motion_blur(i, 10, 3, a),
        lambda i, a: filters.zoom(i, 1.1),
        lambda i, a: filters.box_resize(i, 20, 30),
    ):
        together = function(images, angles)
        for part in (slice(0, 1), slice(4, 7), slice(8, 9)):
            assert torch.equal(function(images[part], angles[part]), together[part])


@pytest.mark.parametrize(("length", "fast"), [(1, 1), (7, 8), (48, 48), (241, 243), (244, 250)])
def test_fast_lengths(length, fast):
    assert filters._fast_length(length) == fast
