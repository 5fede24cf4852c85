"""The classifiers: their size, and what they return."""

import pytest
import torch
from torch import nn

from paperlib.errors import UserError
from paperlib.networks import CLASSIFIERS, build

POOL_IS_MAX = {"alexnet": True, "vgg16": True, "resnet18": False}


@pytest.fixture
def images():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def make(name, **options):
    torch.manual_seed(0)
    return build(name, 10, 0.125, **options).eval()


@pytest.mark.parametrize(
    ("name", "count", "feature"),
    [("alexnet", 2_472_266, 256), ("vgg16", 14_728_266, 512), ("resnet18", 11_173_962, 512)],
)
def test_published_size(name, count, feature):
    with torch.device("meta"):  # counts need no memory
        network = build(name, 10)
    assert sum(p.numel() for p in network.parameters()) == count
    assert network.head.in_features == feature


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_width_scales_every_channel_count(name, images):
    def channels(width):
        return [m.out_channels for m in build(name, 10, width).modules() if isinstance(m, nn.Conv2d)]

    assert channels(0.25) == [n // 4 for n in channels(1)]
    assert set(channels(0.001)) == {4}  # fewer would not be a network any more
    logits, feature = build(name, 7, 0.25).eval()(images)
    assert logits.shape == (4, 7)
    assert feature.shape == (4, channels(0.25)[-1])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_head_reads_the_feature(name, images):
    network = make(name)
    logits, feature = network(images)
    assert torch.equal(network.head(feature), logits)
    assert feature.min() >= 0


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_feature_before_the_relu(name, images):
    post, pre = make(name)(images), make(name, feature="pre")(images)
    assert torch.equal(pre.logits, post.logits)
    assert pre.feature.min() < 0
    # ReLU and maximum may be swapped; ReLU and mean may not.
    assert torch.equal(pre.feature.relu(), post.feature) == POOL_IS_MAX[name]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_images_are_normalised_inside(name, images):
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)
    network = make(name)
    expected = network((images - mean) / std).logits
    network.normalise_with(mean.flatten().tolist(), std.flatten().tolist())
    assert torch.equal(network(images).logits, expected)

    loaded = make(name)
    loaded.load_state_dict(network.state_dict())  # the statistics are part of the weights
    assert torch.equal(loaded(images).logits, expected)


@pytest.mark.parametrize(("name", "published"), [("alexnet", 0.0), ("vgg16", 0.5), ("resnet18", 0.0)])
def test_dropout_is_the_networks_own_unless_asked_for(name, published):
    assert make(name).dropout.p == published
    assert make(name, dropout=0.1).dropout.p == 0.1


def test_dropout_stands_between_the_feature_and_the_head(images):
    network = make("alexnet", dropout=0.5).train()  # without batch norm, train mode differs by dropout alone
    logits, feature = network(images)
    assert torch.equal(feature, network.eval()(images).feature)
    assert not torch.equal(network.head(feature), logits)


def test_only_known_names_and_features():
    with pytest.raises(UserError, match=r"^unknown network 'lenet'; choose from: alexnet, vgg16, resnet18$"):
        build("lenet", 10)
    with pytest.raises(UserError, match=r"^unknown feature 'last'; choose from: post, pre$"):
        build("alexnet", 10, 0.125, feature="last")
