"""Self-feature distillation as a method: its options, what it trains, and whole runs. Losses:
test_sfd_losses.py."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods, running
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.methods import Batch, Task, build_network
from paperlib.papers.sfd.method import mse, ulfd
from paperlib.papers.sfd.network import SelfFeature
from paperlib.running import load_network, train
from paperlib.training import Trainer

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
NOISE = {"name": "random_corruption", "table": "cifar-c", "corruptions": "gaussian_noise,contrast"}


@pytest.fixture
def make(tiny):
    """Makes a method; keyword arguments are its options."""

    def make(parents=None, **options):
        torch.manual_seed(0)
        return methods.build(tiny(method="sfd", options=options), TASK, parents or {})

    return make


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.rand(8, 3, 32, 32, generator=generator) for _ in range(2))
    return Batch(clean, 0.5 * clean + 0.5 * noise, torch.arange(8))


# The method


@pytest.mark.parametrize("variant", ["poster", "code"])
@pytest.mark.parametrize("uncertainty", ["element", "image", "channel", "none"])
def test_the_loss_is_the_sum_of_its_terms(make, batch, variant, uncertainty):
    method = make(variant=variant, uncertainty=uncertainty, lambda_=0.1)
    terms = method.loss(batch)
    assert set(terms) == {"loss", "clean", "degraded", "distillation"}
    torch.testing.assert_close(
        terms["loss"], terms["clean"] + terms["degraded"] + 0.1 * terms["distillation"]
    )
    terms["loss"].backward()
    assert all(p.grad is not None for p in method.parameters())  # nothing idle is trained


@pytest.mark.parametrize("variant", ["poster", "code"])
def test_what_the_distillation_compares(make, batch, variant):
    # batch norm with fixed statistics: one forward is as another
    method = make(variant=variant).eval()
    clean = method.network.classifier.maps(batch.clean).relu()
    maps, s = method.network.estimate(batch.degraded)
    estimate = maps.relu()
    torch.testing.assert_close(method.loss(batch)["distillation"], ulfd(clean, estimate, s))
    without = make(variant=variant, uncertainty="none").eval()
    torch.testing.assert_close(without.loss(batch)["distillation"], mse(clean, estimate))


def test_the_degraded_images_go_first(make, batch):
    """The last of two exponential averages weighs more: that of the clean images."""
    method = make().train()
    norm = method.network.classifier.body.stem[1]
    conv = method.network.classifier.body.stem[0]

    def mean(images):
        normalised = (images - torch.tensor(TASK.mean).view(3, 1, 1)) / torch.tensor(TASK.std).view(
            3, 1, 1
        )
        return conv(normalised).mean((0, 2, 3))

    method.loss(batch)
    torch.testing.assert_close(
        norm.running_mean, 0.9 * 0.1 * mean(batch.degraded) + 0.1 * mean(batch.clean)
    )


@pytest.mark.parametrize("detach", [False, True])
def test_detach_stops_the_gradient_into_the_clean_features(make, batch, detach):
    method = make(detach=detach)
    clean = batch.clean.clone().requires_grad_()
    degraded = batch.degraded.clone().requires_grad_()
    terms = method.loss(Batch(clean, degraded, batch.labels))
    into_clean, into_degraded = torch.autograd.grad(
        terms["distillation"], (clean, degraded), allow_unused=True
    )
    assert (into_clean is None) == detach
    assert into_degraded.abs().max() > 0


def test_increasing_weights_detach_the_input_of_the_uncertainty(make, batch):
    """The classifier has the gradient of the weighted error alone, though s reads its features."""
    method = make(weighting="increasing").eval()
    uem, weight = method.network.uncertainty, method.network.classifier.body.stem[0].weight
    torch.nn.init.constant_(uem.gain, 1.0)
    clean = method.network.classifier.maps(batch.clean).relu()
    maps, s = method.network.estimate(batch.degraded)
    estimate = maps.relu()
    theta2 = s.detach().exp()
    (expected,) = torch.autograd.grad(
        (theta2 / theta2.mean() * (clean - estimate).square()).mean(), weight
    )
    method.loss(batch)["distillation"].backward()
    torch.testing.assert_close(weight.grad, expected)
    assert uem.gain.grad.abs().max() > 0


def test_lambda_0_is_cross_entropy_alone(make, batch):
    method = make(lambda_=0)
    assert method.network.uncertainty is None
    terms = method.loss(batch)
    assert set(terms) == {"loss", "clean", "degraded"}
    torch.testing.assert_close(terms["loss"], terms["clean"] + terms["degraded"])


def trained_by_optimizer(method, tiny, cpu):
    run = tiny(method="sfd")
    split = load(run.dataset).split(run.train_size, run.holdout, run.test_size, run.seed)[0]
    return Trainer(run, method, split, degrade.build(run.degrade), cpu).optimizer.param_groups


def test_what_the_optimizer_sees(make, tiny, cpu):
    without = make(uncertainty="none")
    (group,) = trained_by_optimizer(without, tiny, cpu)
    assert len(group["params"]) == len(list(without.network.classifier.parameters()))
    method = make()
    decayed, not_decayed = trained_by_optimizer(method, tiny, cpu)
    assert len(decayed["params"]) == len(group["params"])
    uncertainty = method.network.uncertainty.parameters()
    assert set(map(id, not_decayed["params"])) == set(map(id, uncertainty))
    assert not_decayed["weight_decay"] == 0


def test_every_form_starts_from_the_same_classifier(make, tiny):
    torch.manual_seed(0)
    expected = build_network(tiny(), TASK).state_dict()
    for options in (
        {},
        {"uncertainty": "none"},
        {"uncertainty": "channel"},
        {"variant": "code"},
        {"lambda_": 0},
    ):
        found = make(**options).network.classifier.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), options


def test_initial_weights_of_a_parent(make, tiny):
    torch.manual_seed(1)
    plain = build_network(tiny(), TASK)
    method = make({"init": plain})
    assert torch.equal(method.network.classifier.head.weight, plain.head.weight)
    given = make(variant="code").network
    for parameter in given.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    whole = make({"init": given}, variant="code").network
    assert all((p == 0.5).all() for p in whole.parameters())
    part = make({"init": given}).network  # of another variant: the classifier alone
    assert all((p == 0.5).all() for p in part.classifier.parameters())
    assert (part.uncertainty.gain == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "paper"}, "unknown variant 'paper'; choose from: poster, code"),
        (
            {"uncertainty": "pixel", "lambda_": 0},
            "unknown uncertainty 'pixel'; choose from: element, image, chan",
        ),
        (
            {"weighting": "falling"},
            "unknown weighting 'falling'; choose from: likelihood, increasing",
        ),
        ({"lambda_": -1}, "lambda_ is -1; it must be at least 0"),
        (
            {"uncertainty": "none", "weighting": "increasing"},
            "weighting 'increasing' needs an uncertainty",
        ),
        ({"gamma": 1}, "gamma"),
    ],
)
def test_wrong_options(make, options, message):
    with pytest.raises(UserError, match=message):
        make(**options)


def test_maps_of_another_size(make, batch):
    with pytest.raises(UserError, match="the size of the clean ones"):
        make().loss(batch._replace(degraded=batch.degraded[:, :, ::8, ::8]))


@pytest.mark.parametrize("variant", ["poster", "code"])
def test_scores_do_not_depend_on_the_batch(make, batch, variant):
    method = make(variant=variant)
    method.loss(batch)  # running statistics that are not the initial ones
    method.eval()
    with torch.inference_mode():
        whole = method.scores(batch)
        singles = [method.scores(batch.part(slice(i, i + 1))) for i in range(8)]
    for name, scores in whole.items():
        torch.testing.assert_close(scores, torch.cat([single[name] for single in singles]))
    # The scores are those of the degraded images.
    assert torch.equal(
        whole["cross_entropy"], method.scores(batch._replace(clean=batch.degraded))["cross_entropy"]
    )


# Whole runs


@pytest.mark.parametrize("options", [{}, {"variant": "code"}, {"weighting": "increasing"}])
def test_training_lowers_the_loss(tiny, cpu, store, options):
    recipe = {
        "train_size": 32,
        "epochs": 10,
        "schedule": "constant",
        "optimizer": "adam",
        "lr": 5e-3,
        "crop": 0,
    }
    history = train(
        tiny(method="sfd", options=options, degrade=NOISE, **recipe), store, None, cpu
    ).history
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    assert {"lr", "loss", "clean", "degraded", "distillation"} == set(history[0])


def test_a_network_that_is_handed_on(tiny, cpu, store):
    """From a classifier to sfd, to a run that only tests it; the weights come back whole."""
    first = tiny(epochs=1)
    run = tiny(
        method="sfd",
        options={"uncertainty": "channel"},
        degrade=NOISE,
        uses={"init": first},
        epochs=1,
    )
    spec = {
        "name": "corruption",
        "corruption": "fog,contrast",
        "severity": "1,5",
        "table": "cifar-c",
    }
    tested = dataclasses.replace(
        run, epochs=0, uses={"init": run}, evaluate=(spec, {"name": "none"})
    )
    records = [train(each, store, None, cpu) for each in (first, run, tested)]
    assert records[2].metrics["top1"] == records[1].metrics["top1"]
    assert {
        f"top1@{name}" for name in ("fog-1", "fog-5", "contrast-1", "contrast-5", "none")
    } < set(records[2].metrics)
    network = load_network(run, store, load(run.dataset), cpu)
    assert isinstance(network, SelfFeature)
    saved = store.weights(run)
    assert {f"network.{name}" for name in network.state_dict()} == set(saved)
    assert all(
        torch.equal(tensor, saved[f"network.{name}"])
        for name, tensor in network.state_dict().items()
    )


@pytest.mark.slow
def test_resumed_is_uninterrupted(tiny, cpu, store, monkeypatch):
    run = tiny(method="sfd", degrade=NOISE, epochs=3)
    monkeypatch.setattr(running, "CHECKPOINT_SECONDS", 0.0)
    seen = []

    def interrupt(count):
        seen.append(count)
        if len(seen) == 5:  # in the third epoch of two steps each
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, store, None, cpu, interrupt)
    resumed = train(run, store, None, cpu)
    whole = train(run, type(store)(store.root.parent / "other"), None, cpu)
    assert resumed.metrics == whole.metrics
    assert [epoch["loss"] for epoch in resumed.history] == [
        epoch["loss"] for epoch in whole.history
    ]
