"""The elastic transform against scipy, and against shifts that have a plain answer."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from paperlib.degrade import elastic
from paperlib.degrade.draws import Draws
from paperlib.degrade.tables import TABLES


class Given:
    """Draws with prescribed values, in order; they are in units of the range asked for, [-1, 1]."""

    def __init__(self, *values):
        self.values = list(values)

    def uniform(self, *shape, low=0.0, high=1.0):
        assert low == -high
        count = 2 if shape[0] == 2 else 1  # the fields of x and y come in one call
        parts = [self.values.pop(0) for _ in range(count)]
        values = np.stack(parts) if count == 2 else parts[0]
        assert values.shape == shape
        return torch.from_numpy(values).float()[None] * high


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (3, 40, 57), dtype=np.uint8)


def transform(image, draws, *constants):
    return elastic.elastic_transform(torch.from_numpy(image)[None], draws, *constants)[0].numpy()


def test_points_moved_alike_move_the_image(image):
    # x by 3, y by -2; what comes in from outside is mirrored about the outermost pixels.
    shifts = np.full((3, 2), (3, -2)) / 5
    padded = np.pad(image, ((0, 0), (2, 2), (3, 3)), mode="reflect")
    result = transform(image, Given(shifts), 0, 0, 5)
    np.testing.assert_allclose(result, padded[:, 4:44, :57], atol=0.05)


def test_a_displacement_reads_from_where_it_points(image):
    # From 2 to the right and 1.5 up; outside, mirrored about the edges.
    fields = np.full((40, 57), 0.5), np.full((40, 57), -0.375)
    padded = np.pad(image, ((0, 0), (2, 2), (3, 3)), mode="symmetric").astype(float)
    result = transform(image, Given(*fields), 4, 3, 0)
    np.testing.assert_allclose(
        result, (padded[:, 0:40, 5:62] + padded[:, 1:41, 5:62]) / 2, atol=0.05
    )


def test_the_affine_map_takes_the_points_to_where_they_moved():
    height, width, shifts = (
        40,
        57,
        torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(0)).sub(0.5).mul(16),
    )
    positions = elastic._affine_positions(shifts, height, width).double().numpy()
    c, s = (20, 28), 13  # as the reference has it: (H, W) // 2 read as (x, y)
    old = np.array([(c[0] + s, c[1] + s), (c[0] + s, c[1] - s), (c[0] - s, c[1] - s)], dtype=float)
    y, x = np.mgrid[:height, :width]
    for shift, position in zip(shifts.double().numpy(), positions, strict=True):
        back = np.linalg.solve(np.column_stack([old + shift, np.ones(3)]), old)
        expected = np.einsum("kyx,kc->cyx", np.stack([x, y, np.ones_like(x)]), back)
        # 1/32 pixel, each of two products having been rounded to 1/1024.
        assert np.abs(position - expected).max() <= 1 / 64 + 1 / 1024
        assert np.array_equal(position * 32, np.round(position * 32))
        assert abs((position - expected).mean()) < 1e-3


@pytest.mark.parametrize(
    ("alpha", "sigma", "affine", "relative"),
    [(9, 1.5, 0, False), (30, 5, 6, False), (2, 0, 4, False), (0.5, 0.05, 0, True)],
)
def test_it_is_what_scipy_makes_of_the_same_fields(image, alpha, sigma, affine, relative):
    rng = np.random.default_rng(1)
    shifts, dx, dy = (
        rng.uniform(-1, 1, (3, 2)),
        rng.uniform(-1, 1, (40, 57)),
        rng.uniform(-1, 1, (40, 57)),
    )
    draws = Given(*([shifts] * (affine > 0)), dx, dy)
    result = transform(image, draws, alpha, sigma, affine, relative)
    assert not draws.values
    expected = image.astype(float)
    if affine:
        x, y = (
            elastic._affine_positions(torch.from_numpy(shifts[None] * affine).float(), 40, 57)[0]
            .double()
            .numpy()
        )
        expected = np.stack(
            [ndimage.map_coordinates(c, (y, x), order=1, mode="mirror") for c in expected]
        )
    spread, scale = ((40 * sigma, 57 * sigma), 40 * alpha) if relative else (sigma, alpha)
    dx, dy = (
        ndimage.gaussian_filter(d, spread, mode="reflect", truncate=3) * scale for d in (dx, dy)
    )
    y, x = np.mgrid[:40, :57]
    expected = np.stack(
        [ndimage.map_coordinates(c, (y + dy, x + dx), order=1, mode="reflect") for c in expected]
    )
    np.testing.assert_allclose(result, expected, atol=0.05)
    assert np.abs(result - image).mean() > 5


@pytest.mark.parametrize(
    ("size", "table"), [(224, "imagenet-c"), (32, "cifar-c"), (48, "imagecorruptions")]
)
def test_a_batch_changes_no_bits(size, table):
    images = torch.randint(
        0, 256, (7, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    before = images.clone()
    for constants in TABLES[table]["elastic_transform"][::2]:
        together = elastic.elastic_transform(images, Draws(torch.arange(7), "e"), *constants)
        for i in (0, 3, 6):
            alone = elastic.elastic_transform(
                images[i : i + 1], Draws(torch.tensor([i]), "e"), *constants
            )
            assert torch.equal(alone[0], together[i])
        assert not torch.equal(together[0], together[1])
    assert torch.equal(images, before)


@pytest.mark.parametrize("table", sorted(TABLES))
@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (1, 3, 16, 300), (1, 3, 33, 17)])
def test_any_size_gives_levels(shape, table):
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    for constants in TABLES[table]["elastic_transform"]:
        result = elastic.elastic_transform(images, Draws(torch.arange(shape[0]), "e"), *constants)
        assert result.shape == shape
        assert result.dtype == torch.float32
        assert -0.01 <= result.min() <= result.max() <= 255.01


def test_three_points_on_a_line_still_give_positions():
    shifts = -torch.tensor([[(10, 10), (10, -10), (-10, -10)]]).float()  # all of them to the middle
    assert elastic._affine_positions(shifts, 30, 30).isfinite().all()
