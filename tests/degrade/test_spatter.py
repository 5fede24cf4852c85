"""Spatter: each of the chain's steps against its definition, pixel by pixel."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from paperlib.degrade import spatter as module
from paperlib.degrade.draws import Draws
from paperlib.degrade.spatter import spatter
from paperlib.degrade.tables import TABLES

WATER = (0.65, 0.3, 2, 0.68, 0.5, False)
MUD = (0.65, 0.3, 1, 0.65, 1.5, True)


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (4, 3, 37, 53), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )


@pytest.fixture
def drops():
    """Depths of water as spatter makes them: islands in zeros, some of gentle slopes. (4, 24, 31)
    int16."""
    noise = np.random.default_rng(0).normal(size=(4, 24, 31))
    smooth = torch.from_numpy(noise).float()[:, None]
    kernel = torch.ones(1, 1, 5, 5) / 25
    smooth = F.conv2d(F.pad(smooth, (2,) * 4, mode="replicate"), kernel)[:, 0]
    sharp = torch.where(smooth > 0.05, 170 + 200 * smooth, 0)
    gentle = smooth * 150 + 100
    return torch.cat([sharp[:2], gentle[2:]]).clamp(0, 255).to(torch.int16)


class Given:
    """Draws whose field of standard normal numbers is given."""

    def __init__(self, field):
        self.field = field

    def normal(self, *shape):
        return self.field.clone().view(-1, *shape)


def walked_canny(levels):
    """Edges of one image by the published steps, with OpenCV's borders and ties."""
    height, width = levels.shape
    padded = np.pad(levels.astype(int), 1, mode="edge")
    strength, across, down = {}, {}, {}
    for i, j in itertools.product(range(height), range(width)):
        part = padded[i : i + 3, j : j + 3]
        across[i, j] = int(part[:, 2] @ [1, 2, 1] - part[:, 0] @ [1, 2, 1])
        down[i, j] = int(part[2] @ [1, 2, 1] - part[0] @ [1, 2, 1])
        strength[i, j] = abs(across[i, j]) + abs(down[i, j])

    def at(i, j):
        return strength.get((i, j), 0)

    thin = set()
    for (i, j), m in strength.items():
        dx, dy = across[i, j], down[i, j]
        angle = math.degrees(math.atan2(abs(dy), abs(dx)))
        if angle < 22.5:
            peak = m > at(i, j - 1) and m >= at(i, j + 1)
        elif angle > 67.5:
            peak = m > at(i - 1, j) and m >= at(i + 1, j)
        else:
            step = 1 if (dx < 0) == (dy < 0) else -1
            peak = m > at(i - 1, j - step) and m > at(i + 1, j + step)
        if peak and m > 50:
            thin.add((i, j))
    grown = {p for p in thin if strength[p] > 150}
    queue = list(grown)
    while queue:
        i, j = queue.pop()
        for near in itertools.product((i - 1, i, i + 1), (j - 1, j, j + 1)):
            if near in thin and near not in grown:
                grown.add(near)
                queue.append(near)
    edges = np.zeros((height, width), dtype=np.uint8)
    for p in grown:
        edges[p] = 1
    return edges, len(thin)


def test_edges_are_canny_s(drops):
    edges = module._canny(drops)
    candidates = 0
    for made, depth in zip(edges, drops, strict=True):
        expected, thin = walked_canny(depth.numpy())
        assert np.array_equal(made.numpy(), expected)
        candidates += thin
    assert 100 < edges.sum() < candidates  # weak edges without a strong one are left out


def test_weak_edges_are_followed_to_their_ends():
    seeds, where = torch.zeros(2, 1, 40, dtype=torch.uint8), torch.ones(2, 1, 40, dtype=torch.uint8)
    seeds[0, 0, 3], where[0, 0, 30] = 1, 0
    assert module._grown(seeds, where).sum(2).tolist() == [[30], [0]]


def length(rows, columns):
    """Of the shortest sum of OpenCV's steps, in parts of 65,536."""
    long, short = max(rows, columns), min(rows, columns)
    if 2 * short <= long:
        return (long - 2 * short) * 65536 + short * 143976
    return (long - short) * 143976 + (2 * short - long) * 91750


@pytest.mark.parametrize("share", [0, 0.002, 0.05])
def test_distance_is_the_least_over_all_edges(share):
    edges = torch.from_numpy(np.random.default_rng(2).random((2, 37, 53)) < share).to(torch.uint8)
    if share:
        edges[0] = 0
        edges[0, 36, 0] = 1
    expected = np.full(edges.shape, 20 * 65536)
    for k, row, column in edges.nonzero().tolist():
        for i, j in itertools.product(range(37), range(53)):
            expected[k, i, j] = min(expected[k, i, j], length(abs(i - row), abs(j - column)))
    assert np.array_equal(module._distance(edges).numpy(), expected)


def test_codes_order_sums_of_steps_as_their_lengths_do():
    steps = [
        (straight, diagonal, knight)
        for straight, diagonal, knight in itertools.product(range(21), range(15), range(10))
        if not (straight and diagonal)
    ]
    pairs = sorted(
        (
            sum(map(math.prod, zip(step, module.LENGTH, strict=True))),
            sum(map(math.prod, zip(step, module.CODE, strict=True))),
        )
        for step in steps
    )
    below = [code for size, code in pairs if size <= 20 * 65536]
    assert len(below) > 150
    assert all(a < b for a, b in itertools.pairwise(below))
    assert below[-1] == module.FAR
    strides = map(max, module.STRIDES)
    assert module.FAR + max(map(math.prod, zip(strides, module.CODE, strict=True))) < 1 << 15


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_strides_reach_every_multiple_in_range(kind):
    reached = {
        sum(part) for n in range(6) for part in itertools.combinations(module.STRIDES[kind], n)
    }
    assert set(range(math.ceil(20 * 65536 / module.LENGTH[kind]))) <= reached


def test_histograms_are_equalised_one_by_one():
    generator = np.random.default_rng(3)
    levels = torch.from_numpy(
        np.stack(
            [generator.integers(0, 21, (20, 17)), generator.integers(5, 9, (20, 17)) ** 2 // 4]
        )
    )
    levels = torch.cat([levels, torch.full((1, 20, 17), 20)]).clamp(0, 20).to(torch.uint8)
    made = module._equalise(levels)
    for image, out in zip(levels.numpy()[:2], made.numpy()[:2], strict=True):
        lowest = (image == image.min()).sum()
        for level in np.unique(image):
            expected = np.rint(((image <= level).sum() - lowest) * 255 / (image.size - lowest))
            assert (out[image == level] == expected).all()
        assert (out.min(), out.max()) == (0, 255)
    assert (made[2] == 20).all()  # of one level: as it was


def test_box_and_emboss_are_correlations_mirrored_outside():
    levels = torch.from_numpy(np.random.default_rng(4).integers(0, 256, (3, 19, 16))).to(
        torch.int16
    )
    padded = F.pad(levels[:, None].double(), (1,) * 4, mode="reflect")
    kernel = torch.tensor([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]).double()[None, None]
    assert torch.equal(
        module._emboss(levels).double(), F.conv2d(padded, kernel)[:, 0].clamp(0, 255)
    )
    assert torch.equal(
        module._box(levels).double(), F.conv2d(padded, torch.ones_like(kernel))[:, 0]
    )


def mean_of_nine(levels):
    """Each pixel's mean with its eight neighbours, mirrored outside: float64."""
    return F.avg_pool2d(F.pad(levels.double(), (1,) * 4, mode="reflect"), 3, stride=1)


def test_the_last_blur_rounds_and_the_first_one_cuts(drops):
    """OpenCV's first blur is of distances, which the reference then cuts to whole ones; its last
    one is of whole levels, and rounds."""

    def light(first, last):
        near = first(mean_of_nine(module._distance(module._canny(drops))) / 65536 + 1e-9)
        return last(mean_of_nine(module._emboss(module._equalise(near.to(torch.uint8)))))

    made = module._light(drops).double()
    assert torch.equal(made, light(torch.floor, torch.round))
    assert not torch.equal(made, light(torch.round, torch.round))
    assert not torch.equal(made, light(torch.floor, torch.floor))


def test_water_adds_pale_turquoise_up_to_its_strength(images):
    black = torch.zeros_like(images)
    wet = spatter(black, Draws(torch.arange(4), "spatter"), *WATER)
    light = wet[:, 0] / 175
    assert torch.allclose(light.flatten(1).amax(1), torch.tensor(0.5))
    torch.testing.assert_close(
        wet, light[:, None] * torch.tensor([175.0, 238, 238]).view(3, 1, 1), rtol=1e-5, atol=1e-3
    )
    on_scene = spatter(images, Draws(torch.arange(4), "spatter"), *WATER)
    torch.testing.assert_close(on_scene - images, wet, rtol=0, atol=1e-3)
    grey = spatter(black[:, :1], Draws(torch.arange(4), "spatter"), *WATER)[:, 0]
    torch.testing.assert_close(grey, light * (0.2989 * 175 + 0.701 * 238), rtol=1e-5, atol=1e-3)


def test_mud_covers_where_there_is_enough_of_it(images):
    brown = torch.tensor([63.0, 42, 20]).view(3, 1, 1)
    muddy = spatter(torch.full_like(images, 255), Draws(torch.arange(4), "spatter"), *MUD)
    cover = (255 - muddy[:, 2:]) / (255 - 20)
    assert 0.2 < (cover == 0).float().mean() < 0.95
    assert cover[cover > 0].min() > 0.799
    assert 0.99 < cover.max() < 1.001
    scene = spatter(images, Draws(torch.arange(4), "spatter"), *MUD)
    torch.testing.assert_close(scene, images * (1 - cover) + brown * cover, rtol=0, atol=1e-2)
    grey = spatter(images[:, :1], Draws(torch.arange(4), "spatter"), *MUD)
    brown = 0.2989 * 63 + 0.587 * 42 + 0.114 * 20
    torch.testing.assert_close(grey, images[:, :1] * (1 - cover) + brown * cover, rtol=0, atol=1e-2)


@pytest.mark.parametrize("settings", [WATER, MUD])
def test_without_drops_nothing_changes(images, settings):
    """The reference divides by zero here."""
    dry = spatter(images, Given(torch.full((4, 37, 53), -5.0)), *settings)
    assert torch.equal(dry, images.float())


def test_depths_beyond_255_start_again_at_0():
    """As numpy's conversion to 8 bits does in the reference, which some drops of CIFAR-C show."""
    coarse = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    field = 2 * F.interpolate(coarse, size=(40, 40))[:, 0]  # square drops
    wet = spatter(
        torch.zeros(1, 3, 40, 40, dtype=torch.uint8), Given(field), 0.65, 0.3, 0, 0.69, 0.5, False
    )
    full = field * 0.3 + 0.65
    depth = torch.where(full > 0.69, 255 * full, 0).to(torch.int16)
    light = module._light(depth % 256) * (depth % 256)
    assert light[depth > 255].max() > 0
    torch.testing.assert_close(wet[:, 1], 0.5 * 238 * light / light.max(), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_an_image_does_not_depend_on_its_batch(images, table):
    for constants in TABLES[table]["spatter"]:
        together = spatter(images, Draws(torch.arange(4), "spatter"), *constants)
        alone = spatter(images[2:3], Draws(torch.tensor([2]), "spatter"), *constants)
        assert torch.equal(together[2:3], alone)
        assert not torch.equal(together[2], images[2].float())
