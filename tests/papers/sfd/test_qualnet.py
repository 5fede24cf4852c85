"""QualNet's second stage: the gradient through the frozen decoder, and what stays as it is."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from paperlib import methods, running
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.methods import Task, build_network
from paperlib.papers.sfd.baselines.qualnet import Coupling

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))


@pytest.fixture
def make(tiny):
    """Makes an encoder with a frozen decoder, no mere permutation; arguments are options."""

    def make(network="resnet18", **options):
        torch.manual_seed(0)
        decoder = build_network(tiny(network="invertible"), TASK).eval().requires_grad_(False)
        for module in decoder.modules():
            if isinstance(module, Coupling):
                torch.nn.init.normal_(module.last.weight, std=0.05)
        torch.manual_seed(1)
        run = tiny(method="qualnet", network=network, options=options)
        return methods.build(run, TASK, {"decoder": decoder})

    return make


def double(method, batch):
    """All of it in float64, eval mode: for finite differences."""
    method.parents["decoder"].double()
    return method.double().eval(), batch._replace(
        clean=batch.clean.double(), degraded=batch.degraded.double()
    )


def test_the_loss_is_the_sum_of_its_terms(make, batch):
    method = make(lambda_=0.3).eval()
    losses = method.loss(batch)
    decoder, network = method.parents["decoder"], method.network
    seen = [batch.degraded, batch.clean]
    recognition = [F.cross_entropy(network(images).logits, batch.labels) for images in seen]
    decoded = [decoder.inverse(method.projection(network.maps(images))) for images in seen]
    torch.testing.assert_close(losses["recognition"], torch.stack(recognition).mean())
    reconstruction = torch.stack([(images - batch.clean).abs().mean() for images in decoded]).mean()
    torch.testing.assert_close(losses["reconstruction"], reconstruction)
    torch.testing.assert_close(
        losses["loss"], losses["recognition"] + 0.3 * losses["reconstruction"]
    )


def test_the_reconstruction_alone_trains_the_encoder_and_leaves_the_decoder_alone(make, batch):
    method = make()
    decoder = method.parents["decoder"]
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    method.loss(batch)["reconstruction"].backward()
    encoder = {
        name: p.grad for name, p in method.network.named_parameters() if not name.startswith("head")
    }
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in encoder.values())
    assert method.projection.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in decoder.parameters())
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
    assert {name.split(".")[0] for name in method.state_dict()} == {"network", "projection"}


@pytest.mark.parametrize("name", ["body.stem.0.weight", "body.stage4.1.conv2.weight"])
def test_the_encoders_gradient_agrees_with_finite_differences(make, batch, name, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)  # the loss rounds nothing here
    method, batch = double(make(), batch)
    weight = method.network.get_parameter(name)
    (gradient,) = torch.autograd.grad(method.loss(batch)["reconstruction"], weight)
    direction = torch.randn(
        weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )
    start, ends = weight.detach().clone(), []
    with torch.no_grad():
        for step in (1e-7, -1e-7):
            weight.copy_(start + step * direction)
            ends.append(method.loss(batch)["reconstruction"])
    expected = (ends[0] - ends[1]) / 2e-7
    assert abs(expected) > 1e-4
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=1e-4, atol=1e-9)


def test_the_decoder_is_used_as_it_was_trained(make, batch):
    """Maps that are the decoder's own of the clean images make the clean images."""
    method = make()
    decoder = method.parents["decoder"]
    method.projection = torch.nn.Identity()
    decoded = method.reconstruct(decoder.maps(batch.clean), 32)
    torch.testing.assert_close(decoded, batch.clean, rtol=0, atol=1e-4)


def test_the_encoder_starts_as_the_baseline_of_its_seed(make, tiny):
    torch.manual_seed(1)
    baseline = build_network(tiny(), TASK).state_dict()
    encoder = make().network.state_dict()
    assert all(torch.equal(value, encoder[name]) for name, value in baseline.items())


@pytest.mark.parametrize("network", ["vgg16", "alexnet", "smallcnn"])
def test_encoders_whose_maps_have_another_size(make, batch, network):
    method = make(network)
    losses = method.loss(batch)
    losses["reconstruction"].backward()
    assert losses["loss"].isfinite()
    assert next(method.network.parameters()).grad.abs().max() > 0


def test_degraded_images_of_another_size(make, batch):
    small = batch._replace(degraded=F.avg_pool2d(batch.degraded, 2))
    with pytest.raises(UserError, match="must have the size of the clean ones"):
        make().loss(small)


@pytest.mark.parametrize("network", [None, "resnet18"])
def test_a_decoder_that_is_none(tiny, network):
    parents = {} if network is None else {"decoder": build_network(tiny(network=network), TASK)}
    with pytest.raises(
        UserError, match=r"qualnet needs an invertible decoder: uses=\{'decoder': Run\(..., network"
    ):
        methods.build(tiny(method="qualnet"), TASK, parents)


@pytest.mark.slow
def test_a_run_learns_both_and_is_reproduced(tiny, cpu, store, tmp_path):
    first = tiny(network="invertible", crop=0, flip=False)
    noise = {"name": "corruption", "corruption": "contrast", "severity": 2, "table": "cifar-c"}
    run = dataclasses.replace(
        first, method="qualnet", network="resnet18", degrade=noise, uses={"decoder": first}
    )
    again = type(store)(tmp_path / "again")
    for place in (store, again):
        running.train(first, place, None, cpu)
        record = running.train(run, place, None, cpu)
    begin, end = record.history[0], record.history[-1]
    assert set(begin) == {"lr", "loss", "recognition", "reconstruction"}
    assert end["recognition"] < begin["recognition"]
    assert end["reconstruction"] < begin["reconstruction"]
    weights, images = store.weights(run), store.samples(run)
    assert {name: tuple(image.shape) for name, image in images.items()} == dict.fromkeys(
        ("input", "output", "target"), (8, 3, 32, 32)
    )
    assert all(torch.equal(value, again.weights(run)[name]) for name, value in weights.items())
    network = running.load_network(run, store, load(run.dataset), cpu).state_dict()
    assert all(torch.equal(value, weights[f"network.{name}"]) for name, value in network.items())
