"""The feature de-drifting module, and classifiers in two parts."""

import pytest
import torch

from paperlib import networks
from paperlib.errors import UserError
from paperlib.networks.frozen_parts import PLUG_POINTS, plug_point, plug_points, rectified, split
from paperlib.papers.ddp.module import FeatureDeDrifting


def make(name, size=32, width=0.125):
    torch.manual_seed(0)
    own = {"size": size} if name.startswith("resnet") else {}
    network = networks.build(name, 10, width, **own).eval()
    network.normalise_with((0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
    return network


def count(module):
    return sum(p.numel() for p in module.parameters())


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# The module


def test_parameters_of_the_published_module():
    assert count(FeatureDeDrifting(64)) == 117_472
    assert count(FeatureDeDrifting(64, image=False)) == 117_472 - 3 * 64 * 9


def test_layers_of_the_published_module():
    """From its parameters by hand: three pairs side by side, a 1x1 convolution, a ReLU."""
    module = FeatureDeDrifting(8, residual=False)
    maps, images = noise(2, 8, 6, 6), noise(2, 3, 6, 6, seed=1)
    x, seen = torch.cat([maps, images], 1), []
    tensors = list(module.state_dict().values())
    for i in range(3):
        for weight, bias in (tensors[4 * i : 4 * i + 2], tensors[4 * i + 2 : 4 * i + 4]):
            x = torch.conv2d(x, weight, bias, padding=1).relu()
        seen.append(x)
    assert [s.shape[1] for s in seen] == [8, 4, 2]
    expected = torch.conv2d(torch.cat(seen, 1), *tensors[12:]).relu()
    torch.testing.assert_close(module(maps, images), expected)
    assert expected.count_nonzero() > 0


@pytest.mark.parametrize("image", [True, False])
def test_a_residual_module_starts_as_the_identity_and_can_learn(image):
    module = FeatureDeDrifting(8, image=image)
    maps, images = noise(2, 8, 5, 5).relu(), noise(2, 3, 10, 10)
    out = module(maps, images)
    assert torch.equal(out, maps)
    out.sum().backward()
    assert module.merge.weight.grad.abs().sum() > 0


def test_without_the_image_it_is_not_read():
    maps = noise(1, 8, 4, 4).relu()
    images = torch.full((1, 3, 8, 8), torch.nan)
    assert FeatureDeDrifting(8, image=False, residual=False)(maps, images).isfinite().all()
    assert FeatureDeDrifting(8, image=True, residual=False)(maps, images).isnan().any()


def test_images_come_to_the_size_of_the_maps_by_averaging():
    module = FeatureDeDrifting(4, residual=False)
    maps, images = noise(1, 4, 4, 4), noise(1, 3, 8, 8, seed=1)
    small = images.view(1, 3, 4, 2, 4, 2).mean((3, 5))
    torch.testing.assert_close(module(maps, images), module(maps, small))


def test_without_rectifying_the_maps_may_be_negative():
    maps, images = noise(1, 8, 4, 4), noise(1, 3, 4, 4)
    assert torch.equal(FeatureDeDrifting(8, rectify=False)(maps, images), maps)
    assert torch.equal(FeatureDeDrifting(8)(maps, images), maps.relu())


def test_few_channels_leave_a_channel_for_every_pair():
    assert FeatureDeDrifting(2)(noise(1, 2, 4, 4), noise(1, 3, 4, 4)).shape == (1, 2, 4, 4)


# Classifiers in two parts


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 32), ("vgg16", 32), ("resnet18", 32), ("resnet50", 128)]
)
@torch.inference_mode()
def test_wherever_it_is_split_the_network_computes_the_same(name, size):
    network = make(name, size, 0.0625)
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    expected = network(images).logits
    normalised = (images - network.mean.view(3, 1, 1)) / network.std.view(3, 1, 1)
    for at in plug_points(network):
        before, after = split(network, at)
        torch.testing.assert_close(
            network.classify(after(before(normalised))).logits, expected, msg=at
        )
        own = {id(m) for part in (before, after) for m in part.modules()}
        layers = {
            id(m) for m in network.body.modules() if not list(m.children()) and list(m.parameters())
        }
        assert layers <= own  # shared, and none is lost


def test_plug_points_are_where_the_sources_have_them():
    assert {name: plug_point(name, make(name)) for name in PLUG_POINTS} == PLUG_POINTS
    shapes = {}
    for name in PLUG_POINTS:
        size = 224 if name.startswith("resnet") else 64
        network = make(name, size, 1.0)
        before, after = split(network, PLUG_POINTS[name])
        shapes[name] = tuple(before(torch.zeros(1, 3, size, size)).shape[1:])
        assert rectified(before)
        assert isinstance(next(iter(after)), torch.nn.MaxPool2d)
    assert shapes["resnet18"] == shapes["resnet50"] == (64, 112, 112)
    assert shapes["vgg16"] == (64, 64, 64)
    assert shapes["alexnet"] == (64, 16, 16)


def test_other_networks_are_split_behind_their_first_relu():
    network = make("plain10")
    assert plug_point("plain10", network) == "stem.2"
    network.body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Tanh())
    assert plug_point("plain10", network) == "0"


def test_what_cannot_be_negative():
    network = make("resnet18", 128)
    ends = {at: rectified(split(network, at)[0]) for at in plug_points(network)}
    assert [at for at, positive in ends.items() if not positive] == [
        "stem.0",
        "stem.1",
        "stage4",
        "stage4.1",
    ]


def test_a_plug_point_that_is_none():
    with pytest.raises(
        UserError, match=r"^unknown plug point 'stage1.0.relu1'; choose from: stem, stem.0, [^\n]*$"
    ):
        split(make("resnet18"), "stage1.0.relu1")
