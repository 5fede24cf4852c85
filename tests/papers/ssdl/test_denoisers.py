"""The two denoisers by their sizes and layers, and where they start."""

import pytest
import torch
from helpers import batch_normed, images, perturbed
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.errors import UserError
from paperlib.papers.ssdl.denoisers import DENOISERS, Liu, UNet, build


def conv(kernel, channels, out):
    """Parameters of a square convolution with a bias."""
    return kernel * kernel * channels * out + out


def bottleneck(channels, inner):
    return (
        batch_normed(1, channels, inner)
        + batch_normed(3, inner, inner)
        + batch_normed(1, inner, channels)
    )


def count(make):
    with torch.device("meta"):
        return sum(p.numel() for p in make().parameters())


def test_sizes_of_the_u_net():
    """Down, up beside 48 channels, at full size beside the image; the published one is deeper."""
    ends = conv(3, 3, 48) + conv(3, 96 + 3, 64) + conv(3, 64, 32) + conv(3, 32, 3)
    lowest, level = conv(3, 48 + 48, 96) + conv(3, 96, 96), conv(3, 96 + 48, 96) + conv(3, 96, 96)
    small = ends + 4 * conv(3, 48, 48) + lowest + level
    assert count(UNet) == small == 534_531
    assert count(lambda: UNet(size=224)) == small + 2 * (conv(3, 48, 48) + level) == 991_203


def test_size_of_lius_network():
    down = conv(3, 64, 128) + 2 * 128 + conv(3, 128, 128) + 2 * 128 + 2 * bottleneck(128, 32)
    up = (
        conv(4, 128, 32) + conv(3, 128 + 32, 256) + 2 * 256 + bottleneck(256, 64) + conv(4, 256, 64)
    )
    assert count(Liu) == conv(5, 3, 64) + down + up + conv(3, 64 + 64, 3) == 1_033_443


def test_layers_of_lius_network():
    """Kernels, strides and channels in the order of the authors' file."""
    layers = [m for m in Liu().modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    shown = [
        (type(m).__name__[4:6], m.kernel_size[0], m.stride[0], m.out_channels, m.bias is not None)
        for m in layers
    ]
    assert shown == [
        ("2d", 5, 1, 64, True),
        *[
            ("2d", 3, 2, 128, True),
            ("2d", 1, 1, 32, False),
            ("2d", 3, 1, 32, False),
            ("2d", 1, 1, 128, False),
        ]
        * 2,
        ("Tr", 4, 2, 32, True),
        *[
            ("2d", 3, 1, 256, True),
            ("2d", 1, 1, 64, False),
            ("2d", 3, 1, 64, False),
            ("2d", 1, 1, 256, False),
        ],
        ("Tr", 4, 2, 64, True),
        ("2d", 3, 1, 3, True),
    ]


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("size", [(32, 32), (224, 224), (33, 47), (8, 9), (1, 1)])
def test_images_keep_their_size_and_range(name, size):
    torch.manual_seed(0)
    network = perturbed(build(name, 0.125, max(size))).eval()
    batch = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        denoised, free = network(batch), network.unclipped(batch)
    assert denoised.shape == batch.shape
    assert 0 <= denoised.min() <= denoised.max() <= 1
    assert torch.equal(free.clamp(0, 1), denoised)
    assert not torch.equal(denoised, batch)


@pytest.mark.parametrize("name", DENOISERS)
def test_they_start_as_the_identity_and_all_parameters_learn(name):
    torch.manual_seed(0)
    network, batch = build(name, 0.125), images()
    assert torch.equal(network(batch), batch)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (network.unclipped(batch) - batch.flip(0)).square().mean().backward()
        optimizer.step()
    # What is in front of a batch norm has no use for a bias.
    idle = {"down1.0.bias", "down2.0.bias", "merge.0.bias"}
    learned = {n: p.grad.abs().max() for n, p in network.named_parameters() if n not in idle}
    assert all(gradient > 0 for gradient in learned.values())


def test_pixels_out_of_range_are_clipped_behind_the_loss():
    network = build("unet", 0.125)
    nn.init.constant_(network.last.bias, 2.0)
    network.unclipped(images()).square().mean().backward()
    assert (network.last.bias.grad > 0).all()
    assert torch.equal(network(images()), torch.ones(4, 3, 32, 32))


@pytest.mark.parametrize("name", DENOISERS)
def test_the_whole_neighbourhood_is_seen(name):
    """A pixel reaches others 12 pixels away, through the smallest maps."""
    torch.manual_seed(0)
    network = perturbed(build(name, 0.25)).eval()
    batch = images(1, seed=1)
    other = batch.clone()
    other[..., 16, 16] = 1 - other[..., 16, 16]
    moved = (network.residual(other) - network.residual(batch)).abs().amax((0, 1))
    assert moved[16, 28] > 0
    assert moved[28, 16] > 0


@pytest.mark.parametrize("name", DENOISERS)
def test_width_scales_the_work(name):
    def flops(width):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            build(name, width)(torch.empty(1, 3, 32, 32))
        return counter.get_total_flops()

    assert flops(0.25) < 0.15 * flops(1.0)


@pytest.mark.parametrize("name", DENOISERS)
def test_they_compute_under_autocast(name):
    torch.manual_seed(0)
    network = build(name, 0.25).eval()
    nn.init.normal_(network.last.weight, std=0.01)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(images())
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, network(images()), atol=0.01, rtol=0)


def test_unknown_name():
    with pytest.raises(UserError, match="unknown denoiser 'dncnn'; choose from: unet, liu"):
        build("dncnn")
