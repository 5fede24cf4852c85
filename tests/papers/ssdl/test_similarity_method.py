"""The method "similarity": two teachers' features compared, from the trained runs to the record."""

import dataclasses

import pytest
import torch
from helpers import built
from torch.nn import functional as F

from paperlib import methods
from paperlib.errors import UserError
from paperlib.methods import Batch, Task, build_network
from paperlib.papers.ssdl.cka import CKA, gram
from paperlib.papers.ssdl.similarity import COMPARED
from paperlib.running import train

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 30, "draw": "fixed"}
STAGES = ["stem", "stage1", "stage2", "stage3", "stage4"]


@pytest.fixture
def batches():
    """24 and 9 images, of which the degraded ones are noisy."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(33, 3, 32, 32, generator=generator) * torch.rand(
        33, 3, 1, 1, generator=generator
    )
    noisy = (clean + 0.2 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    labels = torch.arange(33) % 10
    return [Batch(clean[part], noisy[part], labels[part]) for part in (slice(0, 24), slice(24, 33))]


@pytest.fixture
def make(tiny):
    """Makes the method with untrained networks of seeds 1, 2 and 2; fields may be changed."""

    def make(network="resnet18", same=False, task=TASK, **fields):
        seeds = {"network": 1, "other": 2, "again": 2}
        uses = {role: tiny(network=network, seed=seed) for role, seed in seeds.items()}
        run = tiny(
            **{"method": "similarity", "network": network, "epochs": 0, "uses": uses, **fields}
        )
        parents = {}
        for role, parent in uses.items():
            torch.manual_seed(parent.seed)
            parents[role] = build_network(parent, TASK).eval().requires_grad_(False)
        if same:
            parents["other"] = parents["again"] = parents["network"]
        return methods.build(run, task, parents).eval()

    return make


@torch.inference_mode()
def measured(method, batches):
    return method.measure(batches), method.samples(batches[0])


@torch.inference_mode()
def features(network, images):
    """By stage, without taps: behind the ReLU, the last one too."""
    x, out = (images - network.mean.view(3, 1, 1)) / network.std.view(3, 1, 1), {}
    for name, stage in network.body.named_children():
        x = stage(x)
        out[name] = x.relu()
    return out


def test_layer_by_layer(make, batches):
    method = make()
    metrics, _ = measured(method, batches[:1])
    network, other, again, untrained = (
        method.parents[r] for r in ("network", "other", "again", "untrained")
    )
    batch = batches[0]
    reference = features(network, batch.clean)
    compared = {
        "other_noisy": features(other, batch.degraded),
        "again_clean": features(again, batch.clean),
        "network_noisy": features(network, batch.degraded),
        "other_clean": features(other, batch.clean),
        "untrained_clean": features(untrained, batch.clean),
    }
    for layer in STAGES:
        for view, seen in compared.items():
            own = CKA([("x", "y")])
            own.add({"x": gram(reference[layer].double()), "y": gram(seen[layer].double())})
            expected = own.values()["x", "y"]
            assert metrics[f"cka@{layer}/{view}"] == pytest.approx(expected, abs=1e-4)
    assert set(metrics) == {f"cka@{layer}/{view}" for layer in STAGES for view in COMPARED}
    assert all(type(value) is float for value in metrics.values())


def test_all_images_are_compared(make, batches):
    method = make()
    whole = measured(method, batches)[0]
    first, second = (measured(method, [batch])[0] for batch in batches)
    assert whole["cka@stem/other_noisy"] != pytest.approx(first["cka@stem/other_noisy"], rel=1e-3)
    assert whole["cka@stem/other_noisy"] != pytest.approx(second["cka@stem/other_noisy"], rel=1e-3)


def test_large_batches_are_taken_in_parts(make, batches, monkeypatch):
    method = make()
    whole = measured(method, [Batch(*(tensor[:20] for tensor in batches[0][:3]))])[0]
    halves = measured(
        method, [Batch(*(tensor[i : i + 10] for tensor in batches[0][:3])) for i in (0, 10)]
    )[0]
    monkeypatch.setattr("paperlib.papers.ssdl.similarity.AT_ONCE", 19)
    parts = measured(method, [Batch(*(tensor[:20] for tensor in batches[0][:3]))])[0]
    assert parts == pytest.approx(halves, rel=1e-5)
    assert parts != pytest.approx(whole, rel=1e-3)


def test_reduced_precision_around_it_changes_nothing(make, batches):
    exact = measured(make(), batches)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert measured(make(), batches)[0] == exact


def test_the_same_network_on_the_same_images(make, batches):
    metrics, samples = measured(
        make(same=True), [Batch(b.clean, b.clean, b.labels) for b in batches]
    )
    for name, value in metrics.items():
        if "untrained" not in name:
            assert value == pytest.approx(1, abs=1e-5), name
    assert metrics["cka@stage4/untrained_clean"] < 0.99
    assert torch.equal(samples["maps.network_clean"], samples["maps.other_noisy"])


def test_the_untrained_network_is_what_the_other_started_from(make):
    method = make(seed=1)
    started = method.parents["other"].state_dict()  # not trained here
    assert all(
        torch.equal(value, started[name])
        for name, value in method.parents["untrained"].state_dict().items()
    )
    assert not torch.equal(method.parents["network"].head.weight, started["head.weight"])
    assert not method.state_dict()


def test_samples(make, batches):
    method = make()
    _, samples = measured(method, batches)
    batch, network, other = batches[0], method.parents["network"], method.parents["other"]
    assert torch.equal(samples["images.noisy"], (255 * batch.degraded[:6]).round().to(torch.uint8))
    for view, images, source in (
        ("network_clean", batch.clean, network),
        ("other_noisy", batch.degraded, other),
    ):
        seen = features(source, images[:6])
        torch.testing.assert_close(
            samples[f"maps.{view}"], seen["stage1"].mean(1).half(), rtol=2e-3, atol=2e-3
        )
        cams = torch.stack(
            [
                F.relu(maps).mul(w.view(-1, 1, 1)).sum(0)
                for maps, w in zip(seen["stage4"], source.head.weight, strict=False)
            ]
        )
        torch.testing.assert_close(samples[f"cams.{view}"], cams.half(), rtol=1e-2, atol=1e-2)
    assert samples["cams.network_noisy"].dtype == torch.float16
    assert sum(tensor.nbytes for tensor in samples.values()) < 300_000


def test_a_max_pooled_network_has_no_class_activation_maps(make, batches):
    metrics, samples = measured(make("vgg16"), batches)
    assert "cka@7/untrained_clean" in metrics
    assert not [name for name in samples if "cam" in name]


def test_large_images_leave_small_samples(make):
    clean = torch.rand(6, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    batch = Batch(clean, 0.5 * clean, torch.arange(6))
    samples = measured(make(), [batch])[1]
    assert samples["images.clean"].shape == (6, 3, 64, 64)
    assert samples["maps.other_noisy"].shape == (6, 32, 32)
    assert sum(tensor.nbytes for tensor in samples.values()) < 300_000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 1}, "epochs=0"),
        ({"holdout": 8}, "no holdout"),
        ({"evaluate": (NOISE,)}, "no evaluate"),
        ({"width": 0.5}, "network is a resnet18 of width 0.0625; name the same"),
        ({"options": {"layer": "stage1"}}, "unknown option of method 'similarity' 'layer'"),
        ({"task": TASK._replace(classes=100)}, "classes of the run's data set"),
    ],
)
def test_wrong_runs(make, fields, message):
    with pytest.raises(UserError, match=message):
        make(**fields)


@pytest.mark.parametrize("missing", ["network", "other", "again"])
def test_every_network_is_needed(tiny, missing):
    uses = {role: tiny() for role in ("network", "other", "again") if role != missing}
    run = tiny(method="similarity", epochs=0, uses=uses)
    with pytest.raises(UserError, match=rf"uses=\{{'{missing}'"):
        built(run, TASK)


def test_images_of_another_size(make, batches):
    batch = Batch(batches[0].clean, batches[0].clean[..., ::2, ::2], batches[0].labels)
    with pytest.raises(UserError, match="must keep the image's size"):
        make().measure([batch])


def test_from_trained_runs_to_a_record(tiny, store, cpu):
    clean, noisy, again = (
        tiny(epochs=1),
        tiny(epochs=1, degrade=NOISE, seed=1),
        tiny(epochs=1, seed=1),
    )
    uses = {"network": clean, "other": noisy, "again": again}
    run = dataclasses.replace(noisy, method="similarity", epochs=0, uses=uses)
    for parent in uses.values():
        train(parent, store, None, cpu)
    record = train(run, store, None, cpu)
    assert store.weights(run) == {}
    assert {f"cka@{layer}/{view}" for layer in STAGES for view in COMPARED} == set(record.metrics)
    assert store.samples(run)["images.noisy"].shape == (6, 3, 32, 32)
    assert record.metrics["cka@stage4/other_clean"] < 1
