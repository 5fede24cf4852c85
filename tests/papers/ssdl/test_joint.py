"""Joint training: a denoiser that learns for a classifier which does not learn any more."""

import pytest
import torch
from helpers import built, images
from torch import nn
from torch.nn import functional as F

from paperlib import methods, running
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.evaluation import psnr
from paperlib.methods import Batch, Task
from paperlib.papers.ssdl.joint import WEIGHT

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 30, "draw": "fixed"}
PIXELS = {"optimizer": "adam", "weight_decay": 0.0, "lr": 3e-3, "schedule": "onecycle"}


@pytest.fixture
def run(tiny):
    """Makes runs; keyword arguments are fields."""

    def make(**fields):
        return tiny(
            **{
                "method": "joint",
                "network": "liu",
                "width": 0.125,
                "degrade": NOISE,
                **PIXELS,
                **fields,
            }
        )

    return make


@pytest.fixture
def make(run, tiny):
    """Makes a denoiser, not the identity, before a frozen classifier; arguments are options."""

    def make(**options):
        torch.manual_seed(0)
        frozen = methods.build_network(tiny(width=0.125), TASK).eval().requires_grad_(False)
        method = methods.build(run(options=options), TASK, {"frozen": frozen})
        nn.init.normal_(method.network.last.weight, std=0.1)
        return method

    return make


@pytest.fixture
def batch():
    return Batch(images(6), images(6, seed=1), torch.arange(6))


def test_the_weight_is_that_of_the_authors_file():
    """5e-8 times half the sum over 224 x 224 pixels on a scale of 255, as a mean on [0, 1]."""
    assert pytest.approx(5e-8 * 255**2 * 3 * 224**2 / 2, rel=0.03) == WEIGHT


@pytest.mark.parametrize("weight", [None, 10.0])
def test_the_loss(make, batch, weight):
    method = make(**({} if weight is None else {"weight": weight})).eval()
    losses = method.loss(batch)
    denoised = method.network.unclipped(batch.degraded)
    assert denoised.min() < -0.1  # so that the clipping matters
    logits = method.parents["frozen"](denoised.clamp(0, 1)).logits
    torch.testing.assert_close(losses["recognition"], F.cross_entropy(logits, batch.labels))
    torch.testing.assert_close(losses["reconstruction"], (denoised - batch.clean).square().mean())
    expected = losses["recognition"] + (weight or WEIGHT) * losses["reconstruction"]
    torch.testing.assert_close(losses["loss"], expected)


def test_without_weight_no_clean_image_is_read(make, batch):
    method = make(weight=0.0).eval()
    losses = method.loss(batch._replace(clean=None))
    assert not method.reads_clean
    torch.testing.assert_close(losses["loss"], make().eval().loss(batch)["recognition"])
    assert make().reads_clean


def test_gradients_pass_through_the_classifier_and_leave_it_alone(make, batch):
    method = make(weight=0.0)
    before = {name: value.clone() for name, value in method.parents["frozen"].state_dict().items()}
    method.loss(batch)["loss"].backward()
    assert all(p.grad.abs().max() > 0 for p in method.parameters())
    assert all(p.grad is None for p in method.parents["frozen"].parameters())
    assert all(
        torch.equal(value, before[name])
        for name, value in method.parents["frozen"].state_dict().items()
    )
    assert all(name.startswith("network.") for name in method.state_dict())


def test_scores_are_those_of_the_classifier_and_of_the_denoiser(make, batch):
    method = make().eval()
    scores, denoised = method.scores(batch), method.network(batch.degraded)
    assert torch.equal(scores["psnr"], psnr(denoised, batch.clean))
    assert torch.equal(scores["psnr_noisy"], psnr(batch.degraded, batch.clean))
    logits = method.parents["frozen"](denoised).logits
    torch.testing.assert_close(
        scores["cross_entropy"], F.cross_entropy(logits, batch.labels, reduction="none")
    )
    assert torch.equal(scores["top1"], 100.0 * (logits.argmax(1) == batch.labels))


def test_it_starts_with_the_accuracy_of_the_classifier(make, batch):
    method = make().eval()
    nn.init.zeros_(method.network.last.weight)
    assert torch.equal(
        method.logits(method.network(batch.degraded)),
        method.parents["frozen"](batch.degraded).logits,
    )


@pytest.mark.slow
def test_it_compiles_without_a_break(make, batch):
    method = make().eval()
    compiled = torch.compile(method.loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(batch)["loss"], method.loss(batch)["loss"])


@pytest.mark.slow
def test_runs(run, tiny, store, cpu):
    """A classifier, a denoiser by itself, both jointly, and another classifier behind them."""
    classifier = tiny(train_size=128, lr=0.1, schedule="onecycle", crop=0, flip=False)
    denoiser = run(method="denoising", options={"target": "clean"})
    joint = run(
        uses={"frozen": classifier, "init": denoiser},
        epochs=3,
        train_size=128,
        evaluate=({"name": "none"},),
    )
    behind = tiny(degrade=NOISE, epochs=1, uses={"frontend": joint})
    records = [
        running.train(one, store, None, cpu) for one in (classifier, denoiser, joint, behind)
    ]
    record = records[2]
    assert set(record.history[0]) == {"lr", "loss", "recognition", "reconstruction"}
    assert record.history[-1]["loss"] < record.history[0]["loss"]
    assert {"top1", "top5", "cross_entropy", "psnr", "psnr_noisy", "psnr@none"} <= set(
        record.metrics
    )
    assert record.metrics["psnr"] > record.metrics["psnr_noisy"]
    assert record.metrics["psnr_noisy@none"] == 100
    assert set(store.samples(joint)) == {"input", "output", "clean"}
    first, last = (
        running.load_network(one, store, load(one.dataset), cpu).state_dict()
        for one in (denoiser, joint)
    )
    assert not torch.equal(first["stem.weight"], last["stem.weight"])
    assert records[3].metrics["top1"] >= 0


def test_it_starts_from_a_denoiser(run, make):
    parents = {**make().parents, "init": make().network}
    start = methods.build(run(), TASK, parents).network.state_dict()
    assert all(
        torch.equal(value, start[name]) for name, value in parents["init"].state_dict().items()
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"uses": {}}, "joint needs a parent 'frozen'"),
        ({"network": "resnet18"}, "unknown denoiser 'resnet18'; choose from: unet, liu"),
        ({"options": {"weight": -1.0}}, "weight is -1.0; it must be at least 0"),
        ({"options": {"target": "again"}}, "target"),
    ],
)
def test_wrong_runs(run, tiny, fields, message):
    wrong = run(**{"uses": {"frozen": tiny()}, **fields})
    with pytest.raises(UserError, match=message):
        built(wrong, TASK)
