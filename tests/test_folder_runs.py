"""Networks, their costs and runs at the sizes that the images of a folder may have."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers import save

from paperlib import costs, datasets, methods, networks, running
from paperlib.datasets import folder
from paperlib.errors import UserError
from paperlib.methods import Batch, Task
from paperlib.study import Settings, select
from paperlib.sweep import Sweep

NETWORKS = ("alexnet", "vgg16", "smallcnn", "plain10", "resnet18", "resnet50")


def test_a_profile_takes_a_folder(root, tmp_path):
    settings = Settings(profile="demo", datasets=("synthdigits",), seeds=1, recipes={})
    profiles = {"demo": settings}
    assert select(profiles, "demo", ["pets@32", "cifar10"]).datasets == ("pets@32", "cifar10")
    with pytest.raises(UserError, match="or FOLDER@PIXELS"):
        select(profiles, "demo", ["pets"])


@pytest.mark.parametrize("pixels", [64, 96])
def test_resnets_take_their_stem_by_the_size_of_the_images(root, tiny, pixels):
    task = running.task(datasets.load(f"pets@{pixels}", root))
    assert (task.classes, task.size) == (2, pixels)
    network = methods.build_network(tiny(dataset=f"pets@{pixels}"), task)
    first = network.body.stem[0]
    assert (first.kernel_size, first.stride) == (
        ((3, 3), (1, 1)) if pixels <= 64 else ((7, 7), (2, 2))
    )
    expected = networks.build("resnet18", 2, 0.0625, size=pixels)
    assert str(network.body) == str(expected.body)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_at_32_pixels_are_what_they_were(network, tiny):
    statistics = (0.5, 0.4, 0.3), (0.2, 0.2, 0.3)
    torch.manual_seed(0)
    built = methods.build_network(tiny(network=network), Task(10, *statistics, size=32))
    torch.manual_seed(0)
    expected = networks.build(network, 10, 0.0625)
    expected.normalise_with(*statistics)
    states = built.state_dict(), expected.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("pixels", [folder.SMALLEST, 64, 224])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_a_step_at_any_size(network, pixels, tiny):
    torch.manual_seed(0)
    method = methods.build(tiny(network=network), Task(3, (0.5,) * 3, (0.25,) * 3, pixels), {})
    images = torch.rand(2, 3, pixels, pixels)
    loss = method.loss(Batch(images, images, torch.tensor([0, 2])))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    for name, weight in method.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    assert method.network.head.weight.grad.abs().max() > 0


def test_costs_grow_with_the_images(root, tiny):
    small, large = (
        costs.of_image(tiny(dataset=f"pets@{n}", network="alexnet"), root) for n in (64, 128)
    )
    assert small == 3 * running.flops("alexnet", 0.0625, "supervised", 64)
    assert large == 3 * running.flops("alexnet", 0.0625, "supervised", 128)
    assert large > 3 * small
    lowres = {"name": "lowres", "factor": 4, "up": "none"}
    run = tiny(dataset="pets@64", network="espcn", method="super_resolution", degrade=lowres)
    assert costs.of_image(run, root) == 3 * running.flops("espcn", 0.0625, "super_resolution", 16)


def test_the_stem_in_the_count_is_that_of_the_size(tiny):
    """At 65 pixels and more the larger stem reduces by 4, so a ResNet costs less than a quarter of
    the other's."""
    assert (
        running.flops("resnet18", 0.25, "supervised", 68)
        < running.flops("resnet18", 0.25, "supervised", 64) / 4
    )


def test_a_run_on_a_folder(root, store, cpu, tiny):
    for name, value in (("cat", 40), ("dog", 215)):  # so that there is something to learn
        for part in ("train", "val"):
            for path in (root / "pets" / part / name).iterdir():
                save(path, np.full((40, 40, 3), value, dtype=np.uint8))
    sizes = {"train_size": 0, "test_size": 0, "epochs": 1, "batch_size": 4, "crop": 0}
    run = tiny(dataset="pets@64", network="smallcnn", width=0.25, **sizes)
    before = running.train(run, store, root, cpu)
    assert before.metrics["top5"] == 100  # there are two classes
    assert len(before.history) == 1
    after = running.train(dataclasses.replace(run, epochs=10), store, root, cpu)
    assert after.metrics["top1"] == 100


def test_a_large_image_run_can_be_read_back(root, store, cpu, tiny):
    """The network that weights are loaded into has the stem it was trained with.

    Sixteen channels: with fewer, oneDNN 3.13 writes beyond its memory in the gradient of a strided
    1x1 convolution of large channels-last maps
    (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    run = tiny(dataset="pets@72", width=0.25, train_size=8, test_size=4, epochs=1, batch_size=4)
    (record,) = Sweep(store, root, cpu)([run])
    assert running.load_network(run, store, datasets.load("pets@72", root), cpu).body.stem[
        0
    ].kernel_size == (7, 7)
    assert store.record(run) == record
