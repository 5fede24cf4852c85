"""Snow and fog: the plasma against a walk over its points, snow against its definition."""

import pytest
import torch

from paperlib.degrade import weather
from paperlib.degrade.draws import Draws
from paperlib.degrade.tables import TABLES

CALM = (0.1, 0.3, 1, 0.5, 10, 4, 0.8)  # mean, sd, factor, threshold, radius, sigma, keep


class Given:
    """Draws that are given: a field of standard normal numbers, and numbers in [0, 1)."""

    def __init__(self, normal=None, uniform=0.5):
        self.field, self.number = normal, uniform

    def normal(self, *shape):
        return self.field.clone().view(-1, *shape)

    def uniform(self, *shape, low=0.0, high=1.0):
        return (
            torch.as_tensor(self.number).expand(-1 if shape else 1, *shape).float() * (high - low)
            + low
        )


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (4, 3, 37, 53), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )


def flake(height, width, row, column, value=3.0):
    field = torch.zeros(1, height, width)
    field[0, row, column] = value
    return field


def whitened(levels, keep):
    """What snow makes of a scene, without flakes."""
    grey = levels.double()
    if levels.shape[1] == 3:
        grey = (grey * torch.tensor([0.299, 0.587, 0.114]).double().view(3, 1, 1)).sum(
            1, keepdim=True
        )
    return keep * levels + (1 - keep) * torch.maximum(levels.double(), 1.5 * grey + 127.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_where_no_flake_falls_the_scene_is_whiter(images, channels):
    images = images[:, :channels]
    snowy = weather.snow(images, Draws(torch.arange(4), "snow"), 0.1, 0.1, 2, 0.9, 10, 4, 0.7)
    torch.testing.assert_close(snowy, whitened(images, 0.7).float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("centre", [True, False])
def test_a_flake_falls_twice_symmetric_about_the_middle(centre):
    """Noise of 3 deviations is a flake of 0 + 3 * 0.3 = 0.9; blurred straight down it is a half
    Gaussian."""
    black = torch.zeros(1, 3, 37, 53, dtype=torch.uint8)
    snowy = weather.snow(black, Given(flake(37, 53, 12, 8)), 0.0, *CALM[1:], centre)
    fallen = snowy[0] - 0.2 * 127.5
    assert torch.equal(fallen[0], fallen[2])
    assert fallen[0].abs().gt(0.1).any(0).nonzero().flatten().tolist() == [8, 53 - 1 - 8]
    weights = torch.exp(-torch.arange(21.0).square() / 32)
    streak = weights / weights.sum() * 0.9 * 255
    expected = torch.zeros(37)
    expected[12:33] = (streak / 229.5 * 229).floor() if centre else streak.round()
    torch.testing.assert_close(fallen[0, :, 8], expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(fallen[0, :, 44], expected.flip(0), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("uniform", "left", "right"), [(0.0, 0, 1), (1 - 2**-24, 1, 0)])
def test_flakes_fall_at_up_to_45_degrees(uniform, left, right):
    snowy = weather.snow(
        torch.zeros(1, 1, 37, 53, dtype=torch.uint8),
        Given(flake(37, 53, 12, 26), uniform),
        0.0,
        *CALM[1:],
    )
    streak = snowy[0, 0] - 0.2 * 127.5 > 1
    assert streak[12, 26]
    assert streak[14, 24].item() == left
    assert streak[14, 28].item() == right


def test_noise_is_enlarged_about_the_middle():
    """By 3: the 14 middle rows of 41, from row 13 on, become 42, corners on corners, of which the
    first 41 remain."""
    black = torch.zeros(1, 1, 41, 41, dtype=torch.uint8)
    fallen = weather.snow(black, Given(flake(41, 41, 24, 17)), 0.0, 0.3, 3, 1e-3, 0, 1, 1.0)
    half = fallen[0, 0].clone()
    half[:20] = 0  # the other half is its reflection
    rows, columns = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    assert (half * rows).sum() / half.sum() == pytest.approx((24 - 13) * 41 / 13, abs=0.2)
    assert (half * columns).sum() / half.sum() == pytest.approx((17 - 13) * 41 / 13, abs=0.2)


def test_uncentred_noise_keeps_its_surplus_and_its_fractions(images):
    """By 2.5, 15 x 22 of 37 x 53 pixels become 38 x 55: the surplus is cut right and below, or all
    around."""
    settings = (0.3, 0.3, 2.5, 0.5, 12, 8, 0.8)
    fallen = [
        weather.snow(
            torch.zeros_like(images[:1]), Draws(torch.arange(1), "snow"), *settings, centre
        )[0, 0]
        - 0.2 * 127.5
        for centre in (True, False)
    ]
    assert all(torch.allclose(x, x.round(), atol=1e-3) for x in fallen)
    once = Draws(torch.arange(1), "snow").normal(1, 37, 53).mul(0.3).add(0.3)
    layer = torch.nn.functional.interpolate(
        once[..., 11:26, 15:37], (38, 55), mode="bilinear", align_corners=True
    )
    mass = torch.where(layer < 0.5, 0, layer).clamp(0, 1) * 255
    whole = mass.floor()[..., :37, 1:54].sum() * 2
    # blur moves some of it over the borders
    assert fallen[0].sum() == pytest.approx(float(whole), rel=0.06)
    assert fallen[1].sum() == pytest.approx(float(mass[..., :37, :53].sum()) * 2, rel=0.06)
    assert fallen[1].sum() != fallen[0].sum()


def walked_plasma(noise, size, decay):
    """The diamond-square algorithm point by point, with the reference's order of numbers and its
    amplitudes."""
    numbers = iter(noise)
    grid = torch.zeros(size, size, dtype=torch.float64)
    wibble, step = 100.0, size
    while step > 1:
        half = step // 2
        corners = range(0, size, step)

        def fill(row, column, neighbours, wibble=wibble):
            mean = (
                sum(
                    grid[(row + down) % size, (column + right) % size] for down, right in neighbours
                )
                / 4
            )
            grid[row, column] = mean + wibble**2 * next(numbers)

        for row in corners:
            for column in corners:
                fill(
                    row + half,
                    column + half,
                    [(-half, -half), (-half, half), (half, -half), (half, half)],
                )
        cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
        for down, right in ((0, half), (half, 0)):
            for row in corners:
                for column in corners:
                    fill(row + down, column + right, cross)
        wibble, step = wibble / decay, half
    return (grid - grid.min()) / (grid.max() - grid.min())


@pytest.mark.parametrize("decay", [1.4, 3])
def test_plasma_is_the_walk_of_diamonds_and_squares(decay):
    made = weather.plasma(Draws(torch.arange(2), "fog"), 16, decay)
    for one, noise in zip(
        made, Draws(torch.arange(2), "fog").uniform(255, low=-1, high=1), strict=True
    ):
        torch.testing.assert_close(
            one, walked_plasma(noise.tolist(), 16, decay).float(), rtol=0, atol=1e-5
        )
        assert (one.min(), one.max()) == (0, 1)


def test_fog_lightens_and_keeps_the_brightest_level(images):
    images = images // 2
    images[0] = 0
    foggy = weather.fog(images, Draws(torch.arange(4), "fog"), 1.5, 2)
    mist = weather.plasma(Draws(torch.arange(4), "fog"), 64, 2)[:, None, :37, :53]
    brightest = images.flatten(1).amax(1).view(-1, 1, 1, 1) / 255
    expected = (images / 255 + 1.5 * mist) * brightest / (brightest + 1.5) * 255
    torch.testing.assert_close(foggy, expected, rtol=0, atol=1e-3)
    assert (foggy[0] == 0).all()
    assert (foggy <= brightest * 255 + 1e-3).all()


def test_the_plasma_covers_the_longer_side():
    tall = torch.zeros(1, 1, 65, 16, dtype=torch.uint8)
    tall[0, 0, 0, 0] = 255
    foggy = weather.fog(tall, Draws(torch.arange(1), "fog"), 1.0, 2)
    mist = weather.plasma(Draws(torch.arange(1), "fog"), 128, 2)[0, :65, :16]
    assert foggy[0, 0, -1, -1] == pytest.approx(float(mist[-1, -1]) * 127.5, abs=1e-3)


@pytest.mark.parametrize("table", sorted(TABLES))
@pytest.mark.parametrize("name", ["snow", "fog"])
def test_an_image_does_not_depend_on_its_batch(images, name, table):
    corrupt = getattr(weather, name)
    for constants in TABLES[table][name]:
        together = corrupt(images, Draws(torch.arange(4), name), *constants)
        alone = corrupt(images[2:3], Draws(torch.tensor([2]), name), *constants)
        assert torch.equal(together[2:3], alone)
        assert not torch.equal(together[2], together[1])
