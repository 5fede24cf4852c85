"""Feature maps at several depths: those of the network itself, from one pass."""

import pytest
import torch
from helpers import images

from paperlib import networks
from paperlib.errors import UserError
from paperlib.papers.ssdl.taps import Taps

TAPS = {
    "resnet18": ["stem", "stage1", "stage2", "stage3", "stage4"],
    "resnet50": ["stem", "stage1", "stage2", "stage3", "stage4"],
    "vgg16": ["0", "3", "7", "10", "14", "17", "20", "24", "27", "30", "34", "37", "40"],
    "alexnet": ["0", "3", "6", "8", "10"],
    "plain10": ["stem", "stage1", "stage2", "stage3", "stage4"],
    "smallcnn": ["stem", "middle"],
    "invertible": ["stage1", "stage2", "stage3"],
}


@pytest.mark.parametrize("name", TAPS)
@pytest.mark.parametrize("training", [False, True])
def test_taps_are_the_network_in_parts(name, training):
    torch.manual_seed(0)
    network = networks.build(name, 10, 0.0625).train(training)
    network.normalise_with((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    taps, batch = Taps(network), images(4)
    maps = taps.maps(batch)
    assert list(maps) == list(taps.names) == TAPS[name]
    assert torch.equal(maps[TAPS[name][-1]], network.maps(batch))
    if name != "invertible":  # behind their ReLU, and not changed by what follows
        assert all(part.min() == 0 for part in list(maps.values())[:-1])
    assert not any(module._forward_hooks for module in network.modules())


def test_sizes_of_the_maps():
    small, large = (Taps(networks.build("resnet18", 10, 0.0625, size=size)) for size in (32, 224))
    assert [m.shape[-1] for m in small.maps(images()).values()] == [32, 32, 16, 8, 4]
    widths = [m.shape[-1] for m in large.maps(torch.rand(1, 3, 224, 224)).values()]
    assert widths == [56, 56, 28, 14, 7]


def test_gradients_reach_what_is_in_front_of_a_tap():
    network = networks.build("resnet18", 10, 0.0625)
    Taps(network).maps(images())["stage2"].sum().backward()
    learned = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is not None}
    assert learned == {"stem", "stage1", "stage2"}


def test_only_classifiers_have_taps():
    with pytest.raises(UserError, match="tapped from a classifier, not from a Identity"):
        Taps(torch.nn.Identity())
