"""The method "features": its numbers, its samples, and a run from training to record."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from paperlib import methods
from paperlib.errors import UserError
from paperlib.methods import Batch, Task, build_network
from paperlib.papers.sfd.feature_statistics import (
    Uncertainty,
    at_own_centroid,
    centroids,
    mode,
    principal,
    rank_correlation,
    scatter_ratio,
)
from paperlib.papers.sfd.network import SelfFeature
from paperlib.running import train

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
FOG = {"name": "corruption", "corruption": "fog", "severity": 3, "table": "cifar-c"}


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(24, 3, 32, 32, generator=generator)
    degraded = (clean + 0.3 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    labels = torch.arange(24) % 10
    return [Batch(clean[i : i + 12], degraded[i : i + 12], labels[i : i + 12]) for i in (0, 12)]


@pytest.fixture
def make(tiny):
    """Makes the method with a run's untrained network or a given one; the rest are options."""

    def make(parent=None, network=None, plug=None, **options):
        parent = parent or tiny(network="smallcnn", width=0.25)
        run = tiny(
            method="features", epochs=0, degrade=FOG, uses={"network": parent}, options=options
        )
        torch.manual_seed(0)
        parents = {"network": build_network(parent, TASK).eval() if network is None else network}
        if plug is not None:
            run, parents["plug"] = (
                dataclasses.replace(run, uses={**run.uses, "plug": plug[0]}),
                plug[1],
            )
        return methods.build(run, TASK, parents).eval()

    return make


def measured(method, batches):
    with torch.inference_mode():
        return method.measure(batches), method.samples(batches[0])


# The numbers


def test_scatter_by_hand():
    points = torch.tensor([[0.0, 0], [2, 0], [10, 0], [12, 0]])
    labels = torch.tensor([0, 0, 2, 2])  # class 1 has no point
    assert scatter_ratio(points, labels) == pytest.approx(4 * 25 / 4)
    means = centroids(points, labels)
    assert means[2].tolist() == [11, 0]
    assert at_own_centroid(
        torch.tensor([[5.0, 0], [7, 0], [0, 0]]), torch.tensor([0, 0, 0]), means
    ) == pytest.approx(200 / 3)


def test_principal_axes_keep_distances_that_they_can():
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(30, 3, generator=generator) @ torch.randn(3, 80, generator=generator) + 5
    torch.testing.assert_close(
        torch.pdist(principal(flat, 3)), torch.pdist(flat), rtol=1e-4, atol=1e-4
    )
    assert (torch.pdist(principal(flat, 2)) <= torch.pdist(flat) + 1e-4).all()
    assert principal(flat, 80) is flat


def test_the_mode_is_that_of_the_hump():
    edges = torch.cat([torch.linspace(0, 1, 101), torch.tensor([torch.inf])])
    middles = (edges[:100] + edges[1:101]) / 2
    counts = 1000 * (-((middles - 0.42) ** 2) / 0.02).exp()
    counts[0] = 1e5  # the spike of dead elements
    counts = torch.cat([counts, torch.tensor([1e6])]).long()  # and what lies beyond
    assert mode(counts, edges) == pytest.approx(0.42, abs=0.006)
    assert mode(torch.zeros(101), edges) == 0


def test_rank_correlation_by_hand():
    x = torch.rand(50, generator=torch.Generator().manual_seed(0)).numpy()
    assert rank_correlation(x, x**3) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    assert rank_correlation(x, 0 * x) == 0
    y = (4 * x).round() + (7 * x % 1 > 0.5)  # ties share their mean rank
    ranks = [[(a < v).sum() + ((a == v).sum() + 1) / 2 for v in a] for a in (x, y)]
    assert rank_correlation(x, y) == pytest.approx(np.corrcoef(ranks)[0, 1])


def test_uncertainty_that_is_right_is_calibrated():
    generator = torch.Generator().manual_seed(0)
    s = torch.empty(40, 8, 4, 4).uniform_(-4, 0, generator=generator)
    residual = torch.randn(s.shape, generator=generator) * (s / 2).exp()
    dead = torch.zeros(s.shape, dtype=torch.bool)
    dead[:, :2], residual[:, :2], s[:, :2] = True, 0.0, -8.0
    own = Uncertainty()
    for half in (slice(0, 10), slice(10, 40)):
        own.add(residual[half], s[half], dead[half])
    numbers, theta = own.metrics(), (s / 2).exp()
    assert numbers["dead"] == 0.25
    assert numbers["calibration_live"] == pytest.approx(1, abs=0.1)
    assert numbers["theta_mean"] == pytest.approx(theta.double().mean().item(), rel=1e-5)
    assert 0.3 < numbers["spearman_live"] < 1
    counts = own.histogram()["theta.counts"]
    assert counts.sum() == s.numel()
    assert counts[:200].tolist() == pytest.approx(torch.histc(theta, 200, 0, 2).tolist(), abs=2)


# The method


def test_equal_images_have_equal_features(make, batches):
    clean = [Batch(batch.clean, batch.clean, batch.labels) for batch in batches]
    metrics, samples = measured(make(), clean)
    assert metrics["mse"] == metrics["relative_mse"] == 0
    assert metrics["scatter_ratio"] > 0
    assert torch.equal(samples["points.clean"], samples["points.degraded"])
    assert not samples["maps.error"].any()


def test_distances_are_those_of_the_features(make, batches):
    method = make()
    metrics, samples = measured(method, batches)
    network = method.parents["network"]
    with torch.inference_mode():
        z, estimate = (
            torch.cat([network.maps(b[i]).relu() for b in batches]).double() for i in (0, 1)
        )
    assert metrics["mse"] == pytest.approx((z - estimate).square().mean().item(), rel=1e-5)
    assert metrics["relative_mse"] == pytest.approx(
        ((z - estimate).square().sum() / z.square().sum()).item(), rel=1e-5
    )
    # 24 images of 10 classes: three of the first four, two of the fifth
    assert samples["points.labels"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 2
    torch.testing.assert_close(
        samples["points.degraded"][3], estimate.mean((2, 3))[1].half(), rtol=2e-3, atol=1e-3
    )
    error = (z - estimate)[0].square().mean(0) / z[0].square().mean()
    torch.testing.assert_close(samples["maps.error"][0], error.half(), rtol=2e-3, atol=1e-3)
    assert torch.equal(
        samples["images.degraded"], (255 * batches[0].degraded[:8]).round().to(torch.uint8)
    )
    assert not any("theta" in name for name in [*metrics, *samples])


@pytest.mark.parametrize("variant", ["poster", "code"])
@pytest.mark.parametrize("uncertainty", ["element", "image", "channel"])
def test_a_network_with_uncertainty(make, tiny, batches, variant, uncertainty):
    options = {"variant": variant, "uncertainty": uncertainty}
    method = make(tiny(method="sfd", network="smallcnn", width=0.125, options=options))
    network = method.parents["network"]
    metrics, samples = measured(method, batches)
    with torch.inference_mode():
        z = torch.cat([network.classifier.maps(b.clean).relu() for b in batches])
        estimate = torch.cat([network.maps(b.degraded).relu() for b in batches])
        s = [network.estimate(b.degraded).log_variance.expand_as(z[:12]) for b in batches]
    theta = (torch.cat(s) / 2).exp()
    assert metrics["mse"] == pytest.approx((z - estimate).square().mean().item(), rel=1e-5)
    assert metrics["theta_mean"] == pytest.approx(theta.mean().item(), rel=1e-5)
    live = (z != 0) | (estimate != 0)
    assert metrics["calibration_live"] == pytest.approx(
        ((z - estimate) / theta).square()[live].mean().item(), rel=1e-4
    )
    torch.testing.assert_close(
        samples["maps.theta"], theta[:8].mean(1).half(), rtol=2e-3, atol=1e-3
    )


def test_a_network_without_uncertainty_has_no_theta(make, tiny, batches):
    parent = tiny(method="sfd", network="smallcnn", width=0.125, options={"lambda_": 0})
    method = make(parent)
    assert isinstance(method.parents["network"], SelfFeature)
    metrics, samples = measured(method, batches)
    assert not any("theta" in name for name in [*metrics, *samples])


def test_a_plugged_module_leaves_the_clean_features(make, tiny, batches):
    plain = tiny(network="smallcnn", width=0.25)
    ddp = tiny(method="ddp", network="smallcnn", width=0.25, uses={"frozen": plain})
    frozen = build_network(plain, TASK).eval()
    module = build_network(ddp, TASK).eval()
    without = measured(make(plain, frozen), batches)
    identity = measured(make(plain, frozen, (ddp, module)), batches)
    # a residual module starts as the identity
    assert identity[0]["mse"] == pytest.approx(without[0]["mse"], rel=1e-5)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    changed = measured(make(plain, frozen, (ddp, module)), batches)
    assert changed[0]["mse"] != pytest.approx(without[0]["mse"], rel=1e-3)
    assert torch.equal(changed[1]["maps.clean"], without[1]["maps.clean"])
    method = methods.build(ddp, TASK, {"frozen": frozen}).eval()
    method.network = module
    with torch.inference_mode():
        scores = torch.cat([method.scores(batch)["cross_entropy"] for batch in batches])
    assert changed[0]["cross_entropy"] == pytest.approx(scores.mean().item(), rel=1e-5)


def test_another_layer(make, tiny, batches):
    network = build_network(tiny(), TASK).eval()
    samples = measured(make(tiny(), network, layer="body.stage1"), batches)[1]
    with torch.inference_mode():
        first = network.body.stage1(
            network.body.stem(
                (batches[0].clean - network.mean.view(3, 1, 1)) / network.std.view(3, 1, 1)
            )
        )
    assert samples["maps.clean"].shape == (8, 32, 32)
    torch.testing.assert_close(
        samples["maps.clean"], first[:8].mean(1).half(), rtol=2e-3, atol=1e-3
    )
    assert not any(module._forward_hooks for module in network.modules())


def test_large_images_leave_small_samples(make, tiny):
    clean = torch.rand(5, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    batch = Batch(clean, 0.5 * clean, torch.arange(5))
    samples = measured(make(tiny()), [batch])[1]
    assert samples["images.clean"].shape == (4, 3, 96, 96)
    assert sum(tensor.nbytes for tensor in samples.values()) < 300_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 1}, "epochs=0"),
        ({"holdout": 8}, "no holdout"),
        ({"evaluate": (FOG,)}, "no evaluate"),
        ({"options": {"layer": "body.stage5"}}, "unknown layer 'body.stage5'; choose from: body"),
    ],
)
def test_wrong_runs(make, tiny, fields, message):
    run = dataclasses.replace(tiny(method="features", epochs=0, uses={"network": tiny()}), **fields)
    with pytest.raises(UserError, match=message):
        methods.build(run, TASK, {"network": build_network(tiny(), TASK)})


def test_from_a_trained_run_to_its_record(tiny, store, cpu):
    parent = tiny(method="sfd", network="smallcnn", width=0.125, epochs=1, degrade=FOG)
    run = dataclasses.replace(
        parent,
        method="features",
        epochs=0,
        uses={"network": parent},
        options={},
    )
    trained = train(parent, store, None, cpu)
    record = train(run, store, None, cpu)
    assert record.metrics["top1"] == trained.metrics["top1"]
    assert store.weights(run) == {}
    samples = store.samples(run)
    assert samples["theta.counts"].sum() == 32 * 8 * 16 * 16  # images, channels, positions
    assert set(samples["points.labels"].tolist()) <= set(range(5))
