"""ResNeXt-101: its size, its groups, and that the other networks of the file are what they were."""

import pytest
import torch
from torch import nn

from paperlib.networks.resnet import Bottleneck, resnet50, resnext101


def by_hand(stem, classes):
    """Parameters added up from Xie et al.'s Table 1 for 32x8d; `stem` is the size of the first
    kernel."""
    count, channels = stem * stem * 3 * 64 + 2 * 64, 64
    for i, blocks in enumerate((3, 4, 23, 3)):
        inner, out = 32 * 8 * 2**i, 256 * 2**i
        for block in range(blocks):
            count += (
                channels * inner + 9 * inner * inner // 32 + inner * out + 2 * (inner + inner + out)
            )
            count += channels * out + 2 * out if block == 0 else 0
            channels = out
    return count + channels * classes + classes


@pytest.mark.parametrize(
    ("size", "stem", "classes", "published"), [(224, 7, 1000, 88_791_336), (32, 3, 10, 86_755_146)]
)
def test_published_size(size, stem, classes, published):
    with torch.device("meta"):
        network = resnext101(classes, size=size)
    assert sum(p.numel() for p in network.parameters()) == published == by_hand(stem, classes)
    assert network.head.in_features == 2048


def grouped(width):
    """Groups and channels a group of the 3x3 convolution of each stage."""
    with torch.device("meta"):
        stages = list(resnext101(10, width).body)[1:]
    convs = [stage[0].conv2 for stage in stages]
    return [(conv.groups, conv.out_channels // conv.groups) for conv in convs]


def test_width_scales_the_groups():
    assert grouped(1) == [(32, 8), (32, 16), (32, 32), (32, 64)]
    assert grouped(0.25) == [(8, 8), (8, 16), (8, 32), (8, 64)]
    assert grouped(1 / 32) == [(1, 8), (1, 16), (1, 32), (1, 64)]
    assert grouped(0.001) == [(1, 4)] * 4  # fewer would not be a network any more


@pytest.mark.parametrize("width", [0.05, 0.1, 0.3, 0.7, 1.37])
def test_any_width_can_be_built(width):
    """A convolution raises an error if its channels are no multiple of its groups."""
    for groups, channels in grouped(width):
        assert groups == max(1, round(32 * width))
        assert channels >= 4


@pytest.mark.parametrize(("size", "stem", "last"), [(32, 32, 4), (224, 56, 7)])
def test_maps(size, stem, last):
    torch.manual_seed(0)
    network = resnext101(7, 1 / 16, size=size).eval()
    images = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        assert network.body.stem(images).shape[-1] == stem
        maps = network.maps(images)
        logits, feature = network(images)
    assert maps.shape == (2, 128, last, last)
    assert maps.min() < 0  # the last ReLU is the one of `Classifier`
    assert logits.shape == (2, 7)
    assert feature.shape == (2, 128)


def test_a_grouped_block_by_hand():
    """Each group of the 3x3 convolution reads its own channels only."""
    torch.manual_seed(0)
    block = Bottleneck(8, 8, 8, stride=1, groups=2).eval()
    x = torch.rand(2, 8, 5, 5)
    inner = block.bn1(block.conv1(x)).relu()
    halves = [
        nn.functional.conv2d(part, weight, padding=1)
        for part, weight in zip(inner.chunk(2, dim=1), block.conv2.weight.chunk(2), strict=True)
    ]
    inner = block.bn2(torch.cat(halves, dim=1)).relu()
    expected = (block.bn3(block.conv3(inner)) + x).relu()
    torch.testing.assert_close(block(x), expected)


def test_resnet50_has_no_groups_and_keeps_its_names():
    with torch.device("meta"):
        network = resnet50(10)
    convs = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    assert {conv.groups for conv in convs.values()} == {1}
    blocks = [sum(f"body.stage{i}.{j}.conv2" in convs for j in range(23)) for i in (1, 2, 3, 4)]
    assert blocks == [3, 4, 6, 3]
