"""Calibration: the target is found on smooth, noisy and jumping curves and on networks, or refused
where it is not."""

import math

import pytest
import torch
from torch import nn

from paperlib.degrade.calibration import calibrate, keeps
from paperlib.degrade.distortions import DISTORTIONS
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError


def falling(strength):
    return 0.1 + 0.8 * math.exp(-6 * strength)


@pytest.mark.parametrize("target", [0.89, 0.5, 0.2, 0.11])
def test_the_target_is_found_on_a_smooth_curve(target):
    found = calibrate(falling, target, tolerance=1e-3, steps=20, count=1000)
    assert found.reached
    assert falling(found.strength) == found.accuracy == pytest.approx(target, abs=1e-3)
    assert found.standard_error == pytest.approx(
        math.sqrt(found.accuracy * (1 - found.accuracy) / 1000)
    )
    assert found.clean == falling(0)
    assert found.kept == found.accuracy / falling(0)
    assert found.tried[:2] == ((0, falling(0)), (1, falling(1)))
    assert all(value == falling(strength) for strength, value in found.tried)


def test_it_stops_as_soon_as_it_may():
    assert len(calibrate(falling, 0.9, count=100).tried) == 1  # the lowest strength is it
    assert len(calibrate(falling, falling(1), tolerance=1e-6, count=100).tried) == 2
    assert len(calibrate(falling, falling(0.5), tolerance=1e-6, count=100).tried) == 3
    assert len(calibrate(falling, falling(0.25), tolerance=1e-6, count=100).tried) == 4
    assert len(calibrate(falling, 0.4, tolerance=0, steps=7, count=100).tried) == 9


def test_the_tolerance_follows_the_number_of_images():
    for count in (100, 10_000):
        found = calibrate(falling, 0.4, steps=30, count=count)
        limit = math.sqrt(0.4 * 0.6 / count) / 2
        assert abs(found.accuracy - 0.4) <= limit
        assert all(abs(value - 0.4) > limit for _, value in found.tried[:-1])


def test_a_jump_over_the_target_is_said():
    found = calibrate(lambda s: 0.9 if s < 0.3 else 0.45, 0.6, steps=10, count=1000)
    assert not found.reached
    assert found.accuracy == 0.45
    assert found.strength >= 0.3
    assert len(found.tried) == 12
    sides = [[s for s, value in found.tried if value == side] for side in (0.9, 0.45)]
    assert 0 < min(sides[1]) - max(sides[0]) <= 2**-10


def test_noise_costs_no_more_than_noise():
    generator = torch.Generator().manual_seed(0)
    count, misses = 500, []
    for _ in range(100):

        def noisy(strength):
            share = torch.tensor(falling(strength))
            return (
                float(torch.binomial(torch.tensor(float(count)), share, generator=generator))
                / count
            )

        found = calibrate(noisy, 0.4, count=count)
        misses.append(falling(found.strength) - 0.4)
    assert torch.tensor(misses).std() < 1.6 * math.sqrt(0.4 * 0.6 / count)
    assert max(map(abs, misses)) < 5 * math.sqrt(0.4 * 0.6 / count)


def test_other_intervals():
    found = calibrate(lambda s: 1 - s / 300, 0.5, 20, 220, tolerance=1e-3, count=10)
    assert found.strength == pytest.approx(150, abs=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"target": 0.05},
            r"even the highest strength, 1, keeps 0\.1020: more than the target 0\.0500",
        ),
        ({"target": 0.95}, r"the lowest strength, 0, leaves 0\.9000: less than the target 0\.9500"),
        ({"target": 0}, "target is 0"),
        ({"target": 1}, "target is 1"),
        ({"target": math.nan}, "target is nan"),
        ({"low": 1, "high": 0}, "from 1 to 0 are no interval"),
        ({"high": math.inf}, "no interval"),
        ({"steps": 0}, "steps is 0"),
        ({"count": 0}, "count is 0"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"accuracy": lambda s: 43.0}, r"the accuracy at strength 0 is 43\.0; it must be a share"),
        ({"accuracy": lambda s: math.nan}, "is nan"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        calibrate(
            **({"accuracy": falling, "target": 0.5, "count": 1000, "tolerance": 0.01} | change)
        )


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
    """A small network that has learned the problem, left in training mode."""
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
    return net


@pytest.mark.parametrize("name", ["motion_blur", "salt_and_pepper", "ngrn_noise"])
def test_a_network_keeps_the_fraction(name, network, problem):
    images, labels = problem
    found = keeps(network, images, labels, DISTORTIONS[name], 0.75)
    assert found.clean > 0.95
    assert found.reached
    assert found.kept == pytest.approx(0.75, abs=0.02)
    assert 0 < found.strength < 1
    # The same by hand: draws by the image's place, 8 bits, evaluation mode.
    levels = DISTORTIONS[name](images, Draws(torch.arange(400), "calibration", 0), found.strength)
    with torch.no_grad():
        predicted = network.eval()(levels.float().round().clamp(0, 255) / 255).argmax(1)
    network.train()
    assert float((predicted == labels).float().mean()) == pytest.approx(found.accuracy, abs=1e-6)
    again = keeps(network, images, labels, DISTORTIONS[name], 0.75, batch_size=77)
    assert again == found
    assert keeps(network, images, labels, DISTORTIONS[name], 0.75, seed=1).tried != found.tried


def test_clean_is_strength_zero_wherever_the_search_starts(network, problem):
    whole, half = (
        keeps(network, *problem, DISTORTIONS["salt_and_pepper"], 0.5, low=low) for low in (0.0, 0.2)
    )
    assert half.tried[0][0] == 0.2
    assert half.tried[0][1] < half.clean == whole.clean
    assert half.target == whole.target == 0.5 * whole.clean


def test_a_network_is_put_back_as_it_was(network, problem):
    images, labels = problem
    network.train()
    network[1].eval()  # frozen, say
    before = {name: value.clone() for name, value in network.state_dict().items()}
    keeps(network, images, labels, DISTORTIONS["ngrn_noise"], 0.8)
    assert network.training
    assert network[0].training
    assert not network[1].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with pytest.raises(ZeroDivisionError):
        keeps(network, images, labels, lambda x, draws, s: x / 0 if s == 0 else 1 // 0, 0.8)
    assert network.training
    network[1].train()


def test_the_curve_is_of_strength_alone():
    """A classifier of which image values exceed their draw: the accuracy must fall at every step,
    without noise."""
    images = torch.full((300, 3, 16, 16), 100, dtype=torch.uint8)
    seen = []

    def distort(x, draws, strength):
        u = draws.uniform(1, 1, 1).expand(x.shape)
        return torch.where(u < strength, 0, x)

    def classify(x):
        assert x.dtype == torch.float32
        assert x.max() <= 1
        assert torch.is_inference_mode_enabled()
        seen.append(len(x))
        return torch.stack([x[:, 0, 0, 0], torch.full((len(x),), 0.1)], dim=1)

    found = keeps(
        classify,
        images,
        torch.zeros(300, dtype=torch.int64),
        distort,
        0.4,
        batch_size=128,
        tolerance=0.0,
    )
    points = sorted(found.tried)
    assert [value for _, value in points] == sorted((value for _, value in points), reverse=True)
    assert found.accuracy == 0.4
    assert seen[:3] == [128, 128, 44]
    assert len(seen) == 3 * len(found.tried)  # strength 0 is measured once


def test_levels_are_made_8_bits():
    images = torch.full((8, 3, 16, 16), 100, dtype=torch.uint8)
    shown = []

    def classify(x):
        shown.append(x[0, :, 0, 0] * 255)
        return torch.stack([x[:, 0, 0, 0], torch.full((len(x),), 0.3)], dim=1)

    def distort(x, draws, strength):
        return x - torch.tensor([120.4, -0.6, -200.0])[:, None, None] * strength

    keeps(classify, images, torch.zeros(8, dtype=torch.int64), distort, 0.5, tolerance=0.1)
    assert shown[1].tolist() == pytest.approx([0, 101, 255])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fraction": 1.0}, "fraction is 1.0"),
        ({"fraction": 0.0}, "fraction is 0.0"),
        ({"images": torch.zeros(4, 3, 16, 16)}, "images are torch.float32"),
        ({"images": torch.zeros(0, 3, 16, 16, dtype=torch.uint8)}, "N > 0"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels have shape \(3,\)"),
        ({"labels": torch.ones(4, dtype=torch.int64)}, "right about none"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({}, "even the highest strength, 1, keeps 1.0000"),
    ],
)
def test_bad_input_is_refused(change, message):
    given = {
        "network": lambda x: torch.eye(2)[:1].expand(len(x), -1),
        "images": torch.zeros(4, 3, 16, 16, dtype=torch.uint8),
        "labels": torch.zeros(4, dtype=torch.int64),
        "distort": DISTORTIONS["ngrn_noise"],
        "fraction": 0.5,
    }
    with pytest.raises(UserError, match=message):
        keeps(**(given | change))
