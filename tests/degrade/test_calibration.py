"""Calibration: the target is found on smooth and jumping curves and on networks, or refused where
it is not."""

import math

import pytest
import torch
from torch import nn

from paperlib.degrade.calibration import STEPS, calibrate
from paperlib.degrade.distortions import DISTORTIONS
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

COUNT = 10_000


def on_curve(curve, fraction, chance=0.0):
    """Calibrate a classifier that is right about each image with the probability
    `curve(strength)`; returns what was found, and the strengths in the order of measuring."""
    tried = []

    def distort(images, draws, strength):
        if strength not in tried:
            tried.append(strength)
        return torch.where(draws.uniform(1, 1, 1) < curve(strength), 255.0, 0.0)

    def classify(x):
        assert x.dtype == torch.float32
        assert x.max() <= 1
        assert torch.is_inference_mode_enabled()
        return torch.stack([torch.full((len(x),), 0.5), x[:, 0, 0, 0]], dim=1)

    images = torch.zeros(COUNT, 1, 1, 1, dtype=torch.uint8)
    labels = torch.ones(COUNT, dtype=torch.int64)
    return calibrate(classify, images, labels, distort, fraction, chance), tried


def falling(strength):
    return 0.1 + 0.8 * math.exp(-6 * strength)


@pytest.mark.parametrize("target", [0.89, 0.5, 0.2, 0.11])
def test_the_target_is_found_on_a_smooth_curve(target):
    found, tried = on_curve(falling, target / falling(0))
    error = math.sqrt(target * (1 - target) / COUNT)
    assert abs(found.accuracy - target) < 4 * error  # the clean accuracy has an error of its own
    assert abs(falling(found.strength) - target) < 4 * error
    assert found.clean == pytest.approx(falling(0), abs=0.02)
    assert tried[:2] == [0, 1]


def test_it_stops_as_soon_as_it_may():
    found, tried = on_curve(falling, 0.999)  # clean is within the tolerance
    assert (found.strength, tried) == (0, [0])
    half = on_curve(lambda s: 0.5 if s else 1.0, 0.5)[0].accuracy
    for strength, steps in ((1.0, 2), (0.5, 3), (0.25, 4)):
        _, tried = on_curve(
            lambda s, end=strength: 1.0 if s < end else 0.5 if s == end else 0.0, half
        )
        assert tried[-1] == strength
        assert len(tried) == steps


def test_a_jump_over_the_target():
    found, tried = on_curve(lambda s: 0.9 if s < 0.3 else 0.45, 2 / 3)
    assert found.accuracy == pytest.approx(0.45, abs=0.02)
    assert len(tried) == 2 + STEPS
    assert found.strength >= 0.3
    low, high = ([s for s in tried if (s < 0.3) == side] for side in (True, False))
    assert 0 < min(high) - max(low) <= 2**-STEPS


def test_the_highest_strength_where_even_that_keeps_too_much_or_nothing_is_above_chance():
    assert on_curve(falling, 0.05)[0].strength == 1
    found, tried = on_curve(lambda s: 0.25, 0.5, chance=0.3)
    assert (found.strength, tried) == (1, [0, 1])
    assert found.accuracy == found.clean


def test_a_fraction_of_what_is_above_chance():
    found, _ = on_curve(falling, 0.5, chance=0.1)
    assert found.accuracy == pytest.approx(0.5, abs=0.01)


@pytest.fixture(scope="module")
def problem():
    """400 images of horizontal, vertical and no stripes under shades and noise, and their kinds."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 3
    stripes = (torch.arange(16) // 2 % 2 * 60.0).expand(16, 16)
    kinds = torch.stack([stripes, stripes.T, torch.full((16, 16), 30.0)])
    shade = torch.randint(20, 150, (400, 1, 1, 1), generator=generator)
    images = kinds[labels][:, None] + shade + 8 * torch.randn(400, 1, 16, 16, generator=generator)
    return images.clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).contiguous(), labels


@pytest.fixture(scope="module")
def network(problem):
    """A small network that has learned the problem."""
    images, labels = problem
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 5, 2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        for _ in range(60):
            loss = nn.functional.cross_entropy(net(images / 255), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


@pytest.mark.parametrize("name", ["motion_blur", "salt_and_pepper", "ngrn_noise"])
def test_a_network_keeps_the_fraction(name, network, problem):
    images, labels = problem
    found = calibrate(network, images, labels, DISTORTIONS[name], 0.75)
    assert found.clean > 0.95
    assert found.accuracy / found.clean == pytest.approx(0.75, abs=0.02)
    assert 0 < found.strength < 1
    # The same by hand: draws by the image's place, 8 bits.
    levels = DISTORTIONS[name](images, Draws(torch.arange(400), "calibration", 0), found.strength)
    with torch.no_grad():
        predicted = network(levels.float().round().clamp(0, 255) / 255).argmax(1)
    assert float((predicted == labels).float().mean()) == pytest.approx(found.accuracy, abs=1e-6)


def test_levels_are_made_8_bits():
    images = torch.full((8, 3, 16, 16), 100, dtype=torch.uint8)
    shown = []

    def classify(x):
        shown.append(x[0, :, 0, 0] * 255)
        return torch.stack([x[:, 0, 0, 0], torch.full((len(x),), 0.3)], dim=1)

    def distort(x, draws, strength):
        return x - torch.tensor([120.4, -0.6, -200.0])[:, None, None] * strength

    calibrate(classify, images, torch.zeros(8, dtype=torch.int64), distort, 0.5)
    assert shown[1].tolist() == pytest.approx([0, 101, 255])


def test_a_network_that_is_never_right_is_refused():
    images = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
    labels = torch.ones(4, dtype=torch.int64)
    with pytest.raises(UserError, match="right about none"):
        calibrate(
            lambda x: torch.eye(2)[:1].expand(len(x), -1), images, labels, lambda x, *_: x, 0.5
        )
