"""The network of self-feature distillation: its size, what it estimates, what it costs."""

import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.errors import UserError
from paperlib.networks import build
from paperlib.networks.resnet import resnet50
from paperlib.papers.sfd.method import ulfd
from paperlib.papers.sfd.network import (
    ChannelLogVariance,
    FENet,
    FreeLogVariance,
    NegatedLogVariance,
    Residual,
    SelfFeature,
)

ALL = [
    (variant, kind)
    for variant in ("poster", "code")
    for kind in ("element", "image", "channel", "none")
]


@pytest.fixture
def images():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def make(variant="poster", uncertainty="element", network="resnet18", width=0.0625):
    torch.manual_seed(0)
    return SelfFeature(build(network, 10, width), variant, uncertainty).eval()


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


# Sizes


def test_the_size_of_the_released_network():
    """Summed over the layers of UEM.py: 2048 channels, 512 inside the blocks, biases."""
    upsample = 2048 * 2048 * 2 * 2 + 2048
    block = (2048 * 512 + 512) + (9 * 512 * 512 + 512) + (512 * 2048 + 2048)
    with torch.device("meta"):
        network = SelfFeature(resnet50(1000, size=224), "code")
    assert count(network.fe_net) == upsample + 6 * block + block == 47_995_904
    assert count(network.fe_net, network.uncertainty) == upsample + 8 * block == 52_455_424
    assert count(network.classifier) == 25_557_032
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.fe_net.modules())


def test_the_size_of_the_uem():
    with torch.device("meta"):
        network = SelfFeature(resnet50(1000, size=224))
        per_channel = SelfFeature(resnet50(1000, size=224), uncertainty="channel")
    assert network.fe_net is None
    assert count(network.uncertainty) == 4_459_520 + 2048 == 4_461_568
    assert count(per_channel.uncertainty) == 2048


def macs(network, images):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(images)
    return counter.get_total_flops() // 2


def test_the_uem_costs_nothing_at_test_time(images):
    for kind in ("element", "image", "channel", "none"):
        network = make(uncertainty=kind)
        assert macs(network, images) == macs(network.classifier, images)


def test_the_cost_of_the_released_network():
    """6.28 GMAC more: the transposed convolution, six blocks at 14x14, one head at 7x7."""
    block = 2048 * 512 * 2 + 9 * 512 * 512
    expected = 49 * 4 * 2048 * 2048 + 6 * 196 * block + 49 * block
    with torch.device("meta"):
        network = SelfFeature(resnet50(1000, size=224), "code").eval()
        images = torch.empty(1, 3, 224, 224)
    assert macs(network, images) - macs(network.classifier, images) == expected == 6_281_232_384


# What it estimates


@pytest.mark.parametrize("network", ["alexnet", "vgg16", "resnet18", "resnet50", "smallcnn"])
@pytest.mark.parametrize("variant", ["poster", "code"])
def test_any_classifier(network, variant, images):
    """Also with several values per channel in front of the head, and maps of 2x2 or 16x16."""
    found = make(variant, network=network, width=0.125)
    maps = found.classifier.maps(images)
    assert found.maps(images).shape == found.estimate(images).log_variance.shape == maps.shape
    assert found(images).logits.shape == (4, 10)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (7, 7)])
def test_maps_of_any_size(size):
    torch.manual_seed(0)
    features = torch.rand(2, 8, *size)
    network = FENet(8)
    trunk = network(features)
    assert (
        trunk.shape
        == network.mu(trunk).shape
        == NegatedLogVariance(8)(trunk).shape
        == features.shape
    )
    assert FreeLogVariance(8)(features).shape == features.shape


def test_fe_net_by_hand():
    torch.manual_seed(0)
    network = FENet(8, blocks=2)
    x = torch.rand(2, 8, 3, 3)
    y = nn.functional.conv_transpose2d(
        x, network.upsample[0].weight, network.upsample[0].bias, stride=2
    ).relu()
    assert y.shape == (2, 8, 6, 6)
    for block in network.blocks:
        first, _, second, _, third = block.branch
        y = y + third(second(first(y).relu()).relu()).relu()
    torch.testing.assert_close(
        network(x), x + y.unflatten(3, (3, 2)).unflatten(2, (3, 2)).mean((3, 5))
    )


def test_the_poster_network_is_the_classifier(images):
    network = make()
    for found, expected in zip(network(images), network.classifier(images), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(network.maps(images), network.classifier.maps(images))
    assert torch.equal(network.classify(network.maps(images)).logits, network(images).logits)


def test_the_code_network_passes_fe_net(images):
    network = make("code")
    z = network.classifier.maps(images).relu()
    expected = network.fe_net.mu(network.fe_net(z))
    assert torch.equal(network.maps(images).relu(), expected)
    assert not torch.equal(expected, z)
    pooled = expected.mean((2, 3))
    torch.testing.assert_close(network(images).feature, pooled)
    torch.testing.assert_close(network(images).logits, network.classifier.head(pooled))


# The uncertainty


@pytest.mark.parametrize(("variant", "kind"), ALL)
def test_shapes_of_the_log_variance(variant, kind, images):
    network = make(variant, kind)
    if kind == "none":
        assert network.estimate(images).log_variance is None
        return
    shape = {"element": (4, 32, 4, 4), "image": (4, 1, 1, 1), "channel": (1, 32, 1, 1)}[kind]
    assert network.estimate(images).log_variance.shape == shape


def test_where_the_log_variance_starts(images):
    assert make().estimate(images).log_variance.abs().max() < 1e-6
    assert make(uncertainty="channel").estimate(images).log_variance.abs().max() < 1e-4
    code = make("code").estimate(images).log_variance
    assert code.max() <= 0
    assert code.min() < 0


def test_the_log_variance_of_an_image_is_the_mean_of_its_elements(images):
    by_element, by_image = make("code"), make("code", "image")
    expected = by_element.estimate(images).log_variance.flatten(1).mean(1)
    torch.testing.assert_close(by_image.estimate(images).log_variance.flatten(), expected)


def test_the_posters_log_variance_is_bounded_and_comes_back():
    module = FreeLogVariance(1)
    nn.init.constant_(module.gain, 1.0)
    free = torch.tensor([-1e4, -15.0, -1.0, 0.0, 1.0, 10.0, 1e4]).view(1, 1, 1, -1).requires_grad_()
    bounded = module(free)
    assert bounded.min() >= -7
    assert bounded.max() <= 3
    values = bounded.flatten().tolist()
    assert values == sorted(values)
    assert values[3] == pytest.approx(0, abs=1e-6)
    bounded.sum().backward()
    assert (free.grad.flatten()[1:-1] > 1e-3).all()


def test_the_codes_log_variance_is_the_negated_head():
    torch.manual_seed(0)
    head, trunk = NegatedLogVariance(8), torch.rand(2, 8, 2, 2)
    assert torch.equal(head(trunk), -Residual.forward(head, trunk))


def test_the_variance_of_a_channel_is_a_softplus():
    module = ChannelLogVariance(3)
    nn.init.constant_(module.raw, -0.5)
    expected = math.log(math.log1p(math.exp(-0.5)) + 1e-5)
    torch.testing.assert_close(module(torch.rand(2, 3, 1, 1)), torch.full((1, 3, 1, 1), expected))


@pytest.mark.parametrize("make_uem", [FreeLogVariance, NegatedLogVariance])
def test_theta_learns_where_residuals_are_large(make_uem):
    """Strong features have small residuals, and weak features large ones."""
    torch.manual_seed(0)
    uem = make_uem(8)
    optimizer = torch.optim.Adam(uem.parameters(), 1e-2)
    hard = torch.zeros(64, 8, 2, 2, dtype=torch.bool)
    hard[:, :4] = True
    estimate = torch.where(hard, 0.1, 2.0) * torch.rand(hard.shape)
    clean = estimate + torch.where(hard, 1.0, 0.1) * torch.randn(hard.shape)
    for _ in range(150):
        loss = ulfd(clean, estimate, uem(estimate))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = (uem(estimate) / 2).exp()
    assert found[hard].mean() > 2 * found[~hard].mean()
    # theta^2 is r^2 / 2
    torch.testing.assert_close(found[hard].mean(), torch.tensor(0.5**0.5), rtol=0.15, atol=0)


def test_wrong_names():
    classifier = build("resnet18", 10, 0.0625)
    with pytest.raises(UserError, match="unknown variant 'paper'; choose from: poster, code"):
        SelfFeature(classifier, "paper")
    with pytest.raises(
        UserError, match="unknown uncertainty 'pixel'; choose from: element, image, channel, none"
    ):
        SelfFeature(classifier, uncertainty="pixel")
