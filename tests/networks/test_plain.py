"""The networks of the fq supplement's Tables 2 and 4, layer by layer."""

import pytest
import torch
from helpers import batch_normed
from torch import nn
from torch.nn import functional as F

from paperlib.networks import build
from paperlib.networks.plain import WindowMeans


def rows(network):
    """(kernel, channels, stride, padding) of a convolution, "bn", "relu", (kernel, stride) of a
    max-pool, in order."""
    out = []
    for module in network.body.modules():
        match module:
            case nn.Conv2d():
                assert module.bias is None
                out.append(
                    (
                        module.kernel_size[0],
                        module.out_channels,
                        module.stride[0],
                        module.padding[0],
                    )
                )
            case nn.BatchNorm2d():
                out.append("bn")
            case nn.ReLU():
                out.append("relu")
            case nn.MaxPool2d():
                assert module.padding == 0
                out.append((module.kernel_size, module.stride))
    return out


def block(channels, stride=1, kernel=3):
    return [(kernel, channels, stride, 1), "bn", "relu"]


def widths(network, size):
    """The width of every map that a convolution or a max-pool gives, for square images of `size`
    pixels."""
    seen = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d):
            module.register_forward_hook(
                lambda module, inputs, output: seen.append(output.shape[-1])
            )
    with torch.inference_mode():
        network.eval()(torch.rand(1, 3, size, size))
    return seen


def test_smallcnn_is_table_2():
    network = build("smallcnn", 100)
    # The last ReLU is the one of `Classifier`; the second max-pool and the head follow it.
    assert rows(network) == [*block(32), (2, 2), *block(64), *block(64)][:-1]
    pool = network.pool[0]
    assert (pool.kernel_size, pool.stride) == (2, 2)
    assert network.head.in_features == 9 * 64
    assert network.head.out_features == 100


def test_plain10_is_table_4():
    network = build("plain10", 1000)
    stages = [row for n in (64, 128, 256, 512) for row in block(n, stride=2) + block(n)]
    assert rows(network) == [*block(64, kernel=7), (3, 2), *stages][:-1]
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in network.modules()) == 10
    assert isinstance(network.pool, nn.AdaptiveAvgPool2d)
    assert (network.head.in_features, network.head.out_features) == (512, 1000)


@pytest.mark.parametrize("classes", [10, 100])
def test_parameters_of_smallcnn(classes):
    by_hand = (
        batch_normed(3, 3, 32)
        + batch_normed(3, 32, 64)
        + batch_normed(3, 64, 64)
        + 9 * 64 * classes
        + classes
    )
    assert by_hand == {10: 62_250, 100: 114_180}[classes]
    assert sum(p.numel() for p in build("smallcnn", classes).parameters()) == by_hand


@pytest.mark.parametrize("classes", [10, 1000])
def test_parameters_of_plain10(classes):
    by_hand = batch_normed(7, 3, 64) + 512 * classes + classes
    for channels, out in ((64, 64), (64, 128), (128, 256), (256, 512)):
        by_hand += batch_normed(3, channels, out) + batch_normed(3, out, out)
    assert by_hand == {10: 4_737_098, 1000: 5_244_968}[classes]
    with torch.device("meta"):
        network = build("plain10", classes)
    assert sum(p.numel() for p in network.parameters()) == by_hand


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("smallcnn", 32, [32, 16, 16, 16, 8]),
        ("smallcnn", 224, [224, 112, 112, 112, 56]),
        ("plain10", 32, [28, 13, 7, 7, 4, 4, 2, 2, 1, 1]),
        ("plain10", 224, [220, 109, 55, 55, 28, 28, 14, 14, 7, 7]),
    ],
)
def test_images_of_both_sizes(name, size, expected):
    assert widths(build(name, 10, 0.0625, size=size), size) == expected


@pytest.mark.parametrize("name", ["smallcnn", "plain10"])
def test_the_smallest_image(name):
    assert build(name, 10, 0.0625).eval()(torch.rand(1, 3, 8, 8)).logits.shape == (1, 10)


def test_the_head_of_smallcnn_is_a_convolution_and_a_global_mean():
    torch.manual_seed(0)
    network = build("smallcnn", 7, 0.25).double().eval()
    # not square: rows and columns cannot be mixed up
    images = torch.rand(5, 3, 28, 36, dtype=torch.float64)
    maps = F.max_pool2d(network.body(images).relu(), 2)
    kernel = network.head.weight.view(7, 16, 3, 3)
    expected = F.conv2d(maps, kernel, network.head.bias, padding=1).mean((2, 3))
    torch.testing.assert_close(network(images).logits, expected)


def test_the_head_of_smallcnn_starts_as_a_convolution_does():
    torch.manual_seed(0)
    network = build("smallcnn", 100)
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 100, 3, padding=1)
    assert network.head.weight.abs().max().item() == pytest.approx(
        conv.weight.abs().max().item(), rel=1e-3
    )
    assert network.head.bias.abs().max().item() == pytest.approx(
        conv.bias.abs().max().item(), rel=0.1
    )


def test_window_means_of_one_pixel():
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, 0, 1] = 16  # in the top row: the kernel's bottom row never meets it
    means = WindowMeans()(maps)[0, 0]
    assert means.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
