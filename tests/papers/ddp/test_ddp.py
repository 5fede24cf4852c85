"""Deep degradation prior as a method: no labels, a frozen network, modules that move from data set
to data set."""

import dataclasses

import pytest
import torch
from helpers import built
from PIL import Image

from paperlib import datasets, methods, running, sweep
from paperlib.errors import UserError
from paperlib.methods import Batch, Task
from paperlib.networks.frozen_parts import split
from paperlib.papers.ddp.method import DDP
from paperlib.papers.ddp.module import FeatureDeDrifting

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
FOG = {"name": "corruption", "corruption": "fog", "severity": 3, "table": "cifar-c"}
CONTRAST = {**FOG, "corruption": "contrast"}
BLIND = {
    "name": "random_corruption",
    "table": "cifar-c",
    "corruptions": "fog,contrast,gaussian_noise",
}


@pytest.fixture
def run(tiny):
    """Makes runs of ddp, with a network to freeze; any field may be changed."""

    def make(**fields):
        network, width = fields.get("network", "resnet18"), fields.get("width", 0.125)
        own = {
            "uses": {"frozen": tiny(network=network, width=width, epochs=1)},
            "width": 0.125,
            "degrade": CONTRAST,
        }
        recipe = {"optimizer": "adam", "lr": 1e-2, "weight_decay": 0.0}
        return tiny(**{"method": "ddp", **own, **recipe, **fields})

    return make


@pytest.fixture
def make(run):
    """Makes the method of a run, with a random network in eval mode."""

    return lambda **fields: built(run(**fields), TASK)


class Forbidden:
    """Labels that nobody may touch."""

    def __getattribute__(self, name):
        raise AssertionError(f"the labels were asked for {name}")

    __array__ = __len__ = __iter__ = __getitem__ = __index__ = __bool__ = property(
        lambda self: self.touched
    )


@pytest.fixture
def batch():
    clean = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(clean, 0.5 * clean + 0.3, torch.arange(6))


def gradients(method, batch):
    method.zero_grad()
    method.loss(batch)["loss"].backward()
    return [p.grad.clone() for p in method.parameters()]


# The loss


def test_the_labels_are_never_read(make, batch):
    method = make(options={"residual": False})
    expected, gradient = method.loss(batch)["loss"], gradients(method, batch)
    for labels in (Forbidden(), torch.full((6,), torch.nan)):
        unlabelled = batch._replace(labels=labels)
        assert torch.equal(method.loss(unlabelled)["loss"], expected)
        assert all(map(torch.equal, gradients(method, unlabelled), gradient))
    assert any(g.abs().sum() > 0 for g in gradient)


@pytest.mark.parametrize(("norm", "power"), [("l2", 2), ("l1", 1)])
def test_the_loss_by_hand(make, batch, norm, power):
    method = make(network="vgg16", options={"norm": norm, "residual": False})
    network = method.parents["frozen"]
    before, _ = split(network, "5")
    clean, degraded = (
        (x - network.mean.view(3, 1, 1)) / network.std.view(3, 1, 1) for x in batch[:2]
    )
    error = method.network(before(degraded), degraded) - before(clean)
    torch.testing.assert_close(method.loss(batch)["loss"], error.abs().pow(power).mean())


def test_only_the_module_is_trained(make, run):
    method = make()
    assert isinstance(method.network, FeatureDeDrifting)
    assert {name.partition(".")[0] for name in method.state_dict()} == {"network"}
    assert method.network.form == {"channels": 8, "image": True, "residual": True, "rectify": True}
    assert make(options={"at": "stem.1", "image": False}).network.form["rectify"] is False
    assert make(options={"at": "stage2"}).network.form["channels"] == 16
    module = methods.build_network(run(width=1.0), TASK)
    assert sum(p.numel() for p in module.parameters()) == 117_472


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 32), ("vgg16", 32), ("resnet50", 32), ("resnet18", 224)]
)
def test_the_example_fits_the_network(run, name, size):
    own, task = run(network=name), TASK._replace(size=size)
    state = torch.get_rng_state()
    example = DDP.example(own, task, DDP.parse(own))
    # runs of one seed start from the same random state, whatever the architecture
    assert torch.equal(torch.get_rng_state(), state)
    assert methods.build_network(own, task)(*example).shape == example[0].shape
    assert example[1].shape == (1, 3, size, size)
    assert running.flops(name, 0.125, "ddp", 32) > 0


def test_compiles_without_a_break(make, batch):
    method = make()
    compiled = torch.compile(method.loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(batch)["loss"], method.loss(batch)["loss"])


def test_bfloat16_keeps_the_loss_in_float32(make, batch):
    method = make()
    exact = method.loss(batch)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        loss = method.loss(batch)["loss"]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)


# The scores


def test_an_untrained_residual_module_scores_as_the_frozen_network(make, batch):
    method = make().eval()
    frozen = method.parents["frozen"]
    scores = method.scores(batch)
    expected = torch.nn.functional.cross_entropy(
        frozen(batch.degraded).logits, batch.labels, reduction="none"
    )
    torch.testing.assert_close(scores["cross_entropy"], expected)
    torch.testing.assert_close(scores["drift_left"], scores["drift"])
    torch.testing.assert_close(scores["drift"].mean(), method.loss(batch)["loss"])


def test_the_module_is_in_the_way(make, batch):
    method = make(options={"residual": False}).eval()
    torch.nn.init.zeros_(method.network.merge.weight)
    logits = method.parts.classify(torch.zeros(6, 8, 32, 32))
    expected = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    torch.testing.assert_close(method.scores(batch)["cross_entropy"], expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"uses": {}}, r"ddp needs a trained classifier: uses=\{'frozen': Run\(...\)\}"),
        ({"options": {"at": "stage9"}}, "unknown plug point 'stage9'; choose from: stem, stem.0,"),
        ({"options": {"norm": "l3"}}, "unknown norm 'l3'; choose from: l2, l1"),
        ({"options": {"skip": True}}, "unknown option of method 'ddp' 'skip'"),
    ],
)
def test_what_a_user_can_get_wrong(make, fields, message):
    with pytest.raises(UserError, match=message):
        make(**fields)


def test_parents_that_do_not_fit(make, run, tiny, batch):
    with pytest.raises(UserError, match=r"frozen is a resnet18 of width 0\.0625; name the same"):
        make(uses={"frozen": tiny()})
    with pytest.raises(UserError, match=r"init must be a module of the form .*'residual': True"):
        make().start_from(FeatureDeDrifting(8, residual=False))
    with pytest.raises(UserError, match=r"images of \(8, 8\) pixels for \(32, 32\)"):
        make().loss(batch._replace(degraded=torch.zeros(6, 3, 8, 8)))


# Trainings


@pytest.mark.slow
@pytest.mark.parametrize("degradation", [CONTRAST, BLIND])
def test_training_lowers_the_drift_and_leaves_the_network_alone(
    run, cpu, store, degradation, monkeypatch
):
    own = run(degrade=degradation, evaluate=(FOG,), epochs=15)
    running.train(own.uses["frozen"], store, None, cpu)
    parents, place = [], running.load_network

    def load(*arguments):
        parents.append(place(*arguments))
        return parents[-1]

    monkeypatch.setattr(running, "load_network", load)
    record = running.train(own, store, None, cpu)
    losses = [epoch["loss"] for epoch in record.history]
    assert losses[-1] < 0.9 * losses[0]
    assert 0 < record.metrics["drift_left"] < record.metrics["drift"]
    assert {"top1", "top1@fog-3", "drift_left@fog-3"} <= record.metrics.keys()
    weights = store.weights(own.uses["frozen"])
    after = parents[0].state_dict()
    assert after.keys() == {name.removeprefix("network.") for name in weights}
    assert all(
        torch.equal(after[name.removeprefix("network.")], value) for name, value in weights.items()
    )
    assert not parents[0].training


@pytest.mark.slow
def test_learned_on_ten_images_of_another_data_set(run, cpu, store, tmp_path):
    """The module goes from a data set of three classes to one of ten, in the network of the ten."""
    images = iter(datasets.load("synthdigits").train.images[-15:].permute(0, 2, 3, 1).numpy())
    for part, each in (("train", 4), ("val", 1)):
        for name in ("cat", "dog", "owl"):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            for i in range(each):
                Image.fromarray(next(images)).save(folder / f"{i}.png")
    noise = {**FOG, "corruption": "gaussian_noise", "severity": 5}
    learned = run(
        dataset="pets@32", train_size=10, test_size=0, batch_size=10, epochs=60, degrade=noise
    )
    plugged = run(uses={**learned.uses, "init": learned}, epochs=0, degrade=noise)
    bare = dataclasses.replace(plugged, uses=learned.uses)
    records = sweep.Sweep(store, tmp_path, cpu, bar=False)([learned, plugged, bare])
    there, here, without = (record.metrics for record in records)
    assert set(there) == {"drift", "drift_left"}  # other classes: nothing to classify
    assert there["drift_left"] < there["drift"]
    weights = [store.weights(own) for own in (learned, plugged)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert here["drift_left"] < here["drift"] == without["drift"] == without["drift_left"]
    assert here["cross_entropy"] != without["cross_entropy"]
    # Without a module: what the frozen network makes of the degraded images by itself.
    frozen = dataclasses.replace(learned.uses["frozen"], epochs=1, evaluate=(noise,))
    direct = running.train(frozen, store, tmp_path, cpu).metrics
    assert without["cross_entropy"] == pytest.approx(
        direct["cross_entropy@gaussian_noise-5"], rel=1e-4
    )
    assert datasets.load("pets@32", tmp_path).classes == ("cat", "dog", "owl")
