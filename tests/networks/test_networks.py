"""The classifiers: their size, and what they return."""

import pytest
import torch
from helpers import batch_normed
from torch import nn

from paperlib.errors import UserError
from paperlib.networks import build, known
from paperlib.networks.resnet import Shortcut

POOL_IS_MAX = {
    "alexnet": True,
    "vgg16": True,
    "resnet18": False,
    "resnet50": False,
    "resnext101": False,
    "smallcnn": False,
    "plain10": True,  # of 32x32 images one pixel is left, of which every mean is the maximum
}


# The maps of the invertible one have the image's size whatever its width, and untrained they are
# the image's pixels.
ORDINARY = [name for name in known() if name != "invertible"]


@pytest.fixture
def images():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def make(name, **options):
    torch.manual_seed(0)
    return build(name, 10, 0.125, **options).eval()


@pytest.mark.parametrize(
    ("name", "count", "feature"),
    [
        ("alexnet", 2_472_266, 256),
        ("vgg16", 14_728_266, 512),
        ("resnet18", 11_173_962, 512),
        ("resnet50", 23_520_842, 2048),
        ("resnext101", 86_755_146, 2048),
        ("smallcnn", 62_250, 9 * 64),
        ("plain10", 4_737_098, 512),
    ],
)
def test_published_size(name, count, feature):
    with torch.device("meta"):  # counts need no memory
        network = build(name, 10)
    assert sum(p.numel() for p in network.parameters()) == count
    assert network.head.in_features == feature


def resnet_by_hand(name, stem, classes):
    """The number of parameters, added up from He et al.'s Table 1; `stem` is the size of the first
    kernel."""
    count, channels = batch_normed(stem, 3, 64), 64
    for n, blocks in zip(
        (64, 128, 256, 512), {"resnet18": (2,) * 4, "resnet50": (3, 4, 6, 3)}[name], strict=True
    ):
        for _ in range(blocks):
            if name == "resnet18":
                out, layers = n, [(3, channels, n), (3, n, n)]
            else:
                out, layers = 4 * n, [(1, channels, n), (3, n, n), (1, n, 4 * n)]
            count += sum(batch_normed(*layer) for layer in layers)
            count += batch_normed(1, channels, out) if channels != out else 0
            channels = out
    return count + channels * classes + classes


@pytest.mark.parametrize(
    ("name", "size", "classes", "published"),
    [
        ("resnet18", 32, 10, 11_173_962),
        ("resnet18", 224, 1000, 11_689_512),
        ("resnet50", 32, 10, 23_520_842),
        ("resnet50", 224, 1000, 25_557_032),
    ],
)
def test_resnets_have_a_stem_for_each_size(name, size, classes, published):
    stem = {32: 3, 224: 7}[size]
    with torch.device("meta"):
        network = build(name, classes, size=size)
    assert (
        sum(p.numel() for p in network.parameters())
        == published
        == resnet_by_hand(name, stem, classes)
    )

    network = build(name, classes, 0.0625, size=size).eval()
    with torch.inference_mode():
        stem_maps = network.body.stem(torch.rand(1, 3, size, size))
        assert stem_maps.shape[-1] == {32: 32, 224: 56}[size]
        maps = network.body(torch.rand(1, 3, size, size))
    assert maps.shape[-2:] == {32: (4, 4), 224: (7, 7)}[size]
    assert maps.min() < 0  # the last ReLU is the one of `Classifier`


def test_up_to_64_pixels_are_small_images():
    assert [
        build("resnet18", 10, 0.0625, size=n).body.stem[0].kernel_size[0] for n in (64, 65)
    ] == [3, 7]


def test_a_bottleneck_strides_in_its_3x3_convolution():
    network = build("resnet50", 10, 0.0625)
    for stage, stride in zip((network.body.stage1, network.body.stage2), (1, 2), strict=True):
        first, second, *_ = stage
        assert [conv.stride[0] for conv in (first.conv1, first.conv2, first.conv3)] == [
            1,
            stride,
            1,
        ]
        assert [conv.stride[0] for conv in (second.conv1, second.conv2, second.conv3)] == [1, 1, 1]
    x = torch.rand(2, 16, 8, 8)
    block = network.body.stage1[1].eval()
    inner = block.bn1(block.conv1(x)).relu()
    inner = block.bn2(block.conv2(inner)).relu()
    # before the call: the block's ReLUs work in place
    expected = (block.bn3(block.conv3(inner)) + x).relu()
    torch.testing.assert_close(block(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDINARY)
def test_width_scales_every_channel_count(name, images):
    def channels(width):
        return [
            m.out_channels for m in build(name, 10, width).modules() if isinstance(m, nn.Conv2d)
        ]

    assert channels(0.25) == [n // 4 for n in channels(1)]
    assert set(channels(0.001)) == {4}  # fewer would not be a network any more
    logits, feature = build(name, 7, 0.25).eval()(images)
    assert logits.shape == (4, 7)
    weights_a_channel = 9 if name == "smallcnn" else 1  # its head is a 3x3 convolution
    assert feature.shape == (4, weights_a_channel * channels(0.25)[-1])


@pytest.mark.parametrize("name", known())
def test_the_head_reads_the_feature(name, images):
    network = make(name)
    logits, feature = network(images)
    assert torch.equal(network.head(feature), logits)
    assert feature.min() >= 0


@pytest.mark.parametrize("name", ORDINARY)
def test_the_feature_before_the_relu(name, images):
    post, pre = make(name)(images), make(name, feature="pre")(images)
    assert torch.equal(pre.logits, post.logits)
    assert pre.feature.min() < 0
    # ReLU and maximum may be swapped; ReLU and mean may not.
    assert torch.equal(pre.feature.relu(), post.feature) == POOL_IS_MAX[name]


@pytest.mark.parametrize("name", known())
def test_images_are_normalised_inside(name, images):
    mean, std = (
        torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1),
        torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1),
    )
    network = make(name)
    expected = network((images - mean) / std).logits
    network.normalise_with(mean.flatten().tolist(), std.flatten().tolist())
    assert torch.equal(network(images).logits, expected)

    loaded = make(name)
    loaded.load_state_dict(network.state_dict())  # the statistics are part of the weights
    assert torch.equal(loaded(images).logits, expected)


@pytest.mark.parametrize(
    ("name", "published"), [("alexnet", 0.0), ("vgg16", 0.5), ("resnet18", 0.0)]
)
def test_dropout_is_the_networks_own_unless_asked_for(name, published):
    assert make(name).dropout.p == published
    assert make(name, dropout=0.1).dropout.p == 0.1


def test_dropout_stands_between_the_feature_and_the_head(images):
    # without batch norm, train mode differs by dropout alone
    network = make("alexnet", dropout=0.5).train()
    logits, feature = network(images)
    assert torch.equal(feature, network.eval()(images).feature)
    assert not torch.equal(network.head(feature), logits)


def test_only_known_names_and_features():
    known = "alexnet, vgg16, resnet18, resnet50, resnext101, smallcnn, plain10"
    with pytest.raises(UserError, match=f"^unknown network 'lenet'; choose from: {known}"):
        build("lenet", 10)
    with pytest.raises(UserError, match=r"^unknown feature 'last'; choose from: post, pre$"):
        build("alexnet", 10, 0.125, feature="last")


@pytest.mark.parametrize("channels", [4, 16])
def test_a_shortcut_computes_what_a_strided_convolution_does(channels):
    shortcut = Shortcut(channels, 2 * channels, 2)
    x = torch.randn(2, channels, 9, 8)
    strided = nn.functional.conv2d(x, shortcut[0].weight, stride=2)
    torch.testing.assert_close(shortcut(x), shortcut[1](strided))
    assert shortcut(x).shape == (2, 2 * channels, 5, 4)
