"""The blur corruptions: glass against a walk over the pixels, zoom against its definition."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from paperlib.degrade import blur, filters
from paperlib.degrade.draws import Draws


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (3, 3, 40, 33), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )


@pytest.mark.parametrize(("reach", "iterations"), [(1, 1), (1, 2), (4, 3)])
def test_glass_is_the_walk_from_the_last_pixel_to_the_first(images, reach, iterations):
    height, width = images.shape[-2:]
    expected = images.clone()
    for image, i in zip(expected, range(3), strict=True):
        draws = Draws(torch.tensor([i]), "glass")
        for _ in range(iterations):
            steps = draws.integers(-reach, reach, height - 2 * reach, width - 2 * reach, 2)[
                0
            ].tolist()
            for row, line in zip(range(height - reach, reach, -1), steps, strict=True):
                for column, (right, down) in zip(
                    range(width - reach, reach, -1), line, strict=True
                ):
                    image[:, row, column] = image[:, row + down, column + right].clone()
    # With sigma 0 nothing is blurred: what remains is the shuffle.
    shuffled = blur.glass_blur(images, Draws(torch.arange(3), "glass"), 0, reach, iterations)
    assert torch.equal(shuffled, expected.float())
    assert not torch.equal(shuffled, images.float())


def test_glass_blurs_before_and_after(images):
    draws = Draws(torch.arange(3), "glass")
    once = blur.glass_blur(images, draws, 1.0, 1, 0)
    inner = filters.gaussian_blur(images.float(), 1.0).floor()
    # a sum that should be whole
    torch.testing.assert_close(once, filters.gaussian_blur(inner, 1.0), rtol=0, atol=0.6)


def test_zoom_blur_is_a_mean_over_enlargements(images):
    """The factors as numpy counts them: 1 to 1.11 in steps of 0.01 are twelve, the rounding error
    of 0.01 included."""
    factors = np.arange(1, 1.11, 0.01)
    assert len(factors) == 12
    expected = images.double().numpy()
    for factor in factors:
        rows, columns = (int(np.ceil(n / factor)) for n in (40, 33))
        top, left = (40 - rows) // 2, (33 - columns) // 2
        part = images[..., top : top + rows, left : left + columns].double().numpy()
        large = ndimage.zoom(part, (1, 1, factor, factor), order=1)
        top, left = (large.shape[-2] - 40) // 2, (large.shape[-1] - 33) // 2
        expected = expected + large[..., top : top + 40, left : left + 33]
    ours = blur.zoom_blur(images, Draws(torch.arange(3)), 1.11, 0.01)
    np.testing.assert_allclose(ours, expected / 13, atol=0.01)


def test_motion_blur_draws_angles_within_45_degrees(images, monkeypatch):
    seen = []
    monkeypatch.setattr(
        filters, "motion_blur", lambda images, radius, sigma, angles: seen.append(angles) or images
    )
    blur.motion_blur(
        images.expand(3, -1, -1, -1).repeat(100, 1, 1, 1), Draws(torch.arange(300)), 10, 3
    )
    assert -45 <= seen[0].min() < -40
    assert 40 < seen[0].max() < 45


def test_a_flat_image_stays_flat():
    flat = torch.full((2, 3, 24, 24), 77, dtype=torch.uint8)
    draws = Draws(torch.arange(2))
    for result in (
        blur.gaussian_blur(flat, draws, 2),
        blur.defocus_blur(flat, draws, 3, 0.1),
        blur.motion_blur(flat, draws, 10, 3),
        blur.zoom_blur(flat, draws, 1.31, 0.03),
        blur.glass_blur(flat, draws, 0.7, 1, 2),
    ):
        torch.testing.assert_close(result, flat.float(), rtol=0, atol=0.01)
