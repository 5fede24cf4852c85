"""URIE: the enhancer by its sizes and modules, and what is trained before the classifier."""

import shutil

import pytest
import torch
from helpers import built
from torch.utils.flop_counter import FlopCounterMode

from paperlib import methods, running
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.methods import Task, build_network
from paperlib.papers.sfd.baselines.urie import Attention, Enhancer, SelectiveEnhancement

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))


@pytest.fixture
def make(tiny):
    """Makes an enhancer before a frozen classifier; `random` starts it from no identity."""

    def make(random=False):
        torch.manual_seed(0)
        frozen = build_network(tiny(width=0.125), TASK).eval().requires_grad_(False)
        run = tiny(method="urie", network="urie", width=0.25)
        method = methods.build(run, TASK, {"frozen": frozen})
        if random:
            method.network.residual.reset_parameters()
        return method

    return make


def enhancer(random=False):
    torch.manual_seed(0)
    network = Enhancer(0.25)
    network.normalise_with(TASK.mean, TASK.std)
    if random:
        network.residual.reset_parameters()
    return network.eval()


# The network


def selective(channels, out):
    """Parameters by hand: two convolutions, batch norm, attention over 16 cells, 16 times fewer."""
    return 2 * 9 * channels * out + 2 * channels + 16 * out * out + 2 * 16 * out * (out + 1)


def test_published_size():
    with torch.device("meta"):
        network = Enhancer()
    by_hand = 9 * 9 * 3 * 32 + 32 + 9 * 16 * 3 + 3
    by_hand += selective(32, 64) + selective(64, 64) + selective(128, 32) + selective(64, 16)
    assert sum(p.numel() for p in network.parameters()) == by_hand == 671_859


@pytest.mark.parametrize("size", [(32, 32), (224, 224), (33, 47), (8, 9)])
def test_images_keep_their_size_and_range(size):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        enhanced = enhancer(random=True)(images)
    assert enhanced.shape == images.shape
    assert enhanced.min() == 0 or enhanced.max() == 1  # it would be outside otherwise
    assert 0 <= enhanced.min() <= enhanced.max() <= 1


def test_width_scales_the_work():
    def flops(width):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            Enhancer(width)(torch.empty(1, 3, 32, 32))
        return counter.get_total_flops()

    assert flops(0.25) < 0.2 * flops(1.0)


def test_it_starts_as_the_identity_by_default():
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(enhancer()(images), images)
    assert (enhancer(random=True)(images) - images).abs().mean() > 0.01


def test_all_parameters_learn_once_the_last_convolution_has():
    network = enhancer().train()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (network(images) - images.flip(0)).square().mean().backward()
        optimizer.step()
    assert all(p.grad.abs().max() > 0 for p in network.parameters())


def test_attention_shares_out_every_channel_in_every_cell():
    torch.manual_seed(0)
    maps = torch.randn(2, 8, 10, 12)
    weights = Attention(8)(maps)
    assert weights.shape == (2, 2, 8, 10, 12)
    torch.testing.assert_close(weights.sum(0), torch.ones_like(maps))
    assert weights[0].amax((2, 3)).sub(weights[0].amin((2, 3))).min() > 0  # cells differ
    # one cell
    assert torch.equal(
        weights[..., :2, :3].flatten(3).amin(3), weights[..., :2, :3].flatten(3).amax(3)
    )


@pytest.mark.parametrize("branch", [0, 1])
def test_a_module_mixes_its_two_branches(branch):
    torch.manual_seed(0)
    module = SelectiveEnhancement(4, 8).eval()
    # All attention to one branch: the scores are (2, channels x cells).
    torch.nn.init.zeros_(module.attention.score.weight)
    module.attention.score.bias.data.view(2, -1)[branch] = 100.0
    x = 3 + 2 * torch.randn(2, 4, 8, 8)
    norm, conv = [
        (module.batch_norm, module.batch_conv),
        (module.instance_norm, module.instance_conv),
    ][branch]
    expected = conv(torch.nn.functional.leaky_relu(norm(x)))
    torch.testing.assert_close(module(x), expected)
    other = module(5 * x + 1)  # instance norm removes contrast and brightness
    assert torch.allclose(other, expected, atol=1e-4) == (branch == 1)


# The method


def test_it_starts_with_the_accuracy_of_the_classifier(make, batch):
    method = make().eval()
    alone = method.parents["frozen"](batch.degraded).logits
    assert torch.equal(method.logits(batch.degraded), alone)
    torch.testing.assert_close(
        method.scores(batch)["cross_entropy"].mean(),
        torch.nn.functional.cross_entropy(alone, batch.labels),
    )


def test_the_gradient_passes_through_the_classifier_and_leaves_it_alone(make, batch):
    method = make(random=True)
    before = {name: value.clone() for name, value in method.parents["frozen"].state_dict().items()}
    method.loss(batch)["loss"].backward()
    assert all(p.grad.abs().max() > 0 for p in method.parameters())
    assert all(p.grad is None for p in method.parents["frozen"].parameters())
    assert all(
        torch.equal(value, before[name])
        for name, value in method.parents["frozen"].state_dict().items()
    )
    assert all(name.startswith("network.") for name in method.state_dict())


def test_the_clean_image_plays_no_part(make, batch):
    method = make(random=True).eval()
    other = batch._replace(clean=1 - batch.clean)
    assert torch.equal(method.loss(batch)["loss"], method.loss(other)["loss"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"uses": {}}, "urie needs a parent 'frozen'"),
        ({"network": "resnet18"}, "unknown enhancer 'resnet18'; choose from: urie"),
        ({"options": {"gamma": 1}}, "gamma"),
    ],
)
def test_wrong_runs(tiny, fields, message):
    run = tiny(**{"method": "urie", "network": "urie", "uses": {"frozen": tiny()}, **fields})
    with pytest.raises(UserError, match=message):
        built(run, TASK)


@pytest.mark.slow
def test_a_run_learns_and_is_reproduced(tiny, cpu, store, tmp_path):
    classifier = tiny(train_size=256, epochs=3, lr=0.1, schedule="onecycle", crop=0, flip=False)
    noise = {"name": "corruption", "corruption": "contrast", "severity": 4, "table": "cifar-c"}
    fields = {
        "method": "urie",
        "network": "urie",
        "width": 0.0625,
        "degrade": noise,
        "uses": {"frozen": classifier},
    }
    run = tiny(**fields, epochs=3, lr=0.003, optimizer="adam", crop=0, flip=False, train_size=128)
    running.train(classifier, store, None, cpu)
    shutil.copytree(store.root, tmp_path / "again")
    record = running.train(run, store, None, cpu)
    losses = [epoch["loss"] for epoch in record.history]
    assert losses[-1] < losses[0]
    images = store.samples(run)
    assert {name: (image.dtype, image.shape) for name, image in images.items()} == dict.fromkeys(
        ("input", "output", "target"), (torch.uint8, (8, 3, 32, 32))
    )
    network = running.load_network(run, store, load(run.dataset), cpu)
    assert not torch.equal(images["input"], images["output"])
    degraded = images["input"].float() / 255
    assert (network(degraded) * 255 - images["output"]).abs().max() < 0.6  # rounded to 8 bits
    again = type(store)(tmp_path / "again")
    running.train(run, again, None, cpu)
    assert all(
        torch.equal(value, again.weights(run)[name]) for name, value in store.weights(run).items()
    )
