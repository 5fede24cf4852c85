"""Denoisers trained by themselves, from noisy or from clean targets, and what others see through
them."""

import dataclasses

import pytest
import torch
from helpers import images
from torch import nn

from paperlib import degrade, methods, running
from paperlib.datasets import Split, load
from paperlib.degrade import ImageKey
from paperlib.degrade.levels import to_float
from paperlib.errors import UserError
from paperlib.methods import Batch, Task
from paperlib.restored import restored
from paperlib.training import Trainer

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 30, "draw": "fixed"}
PIXELS = {"optimizer": "adam", "weight_decay": 0.0, "lr": 3e-3, "schedule": "onecycle"}


@pytest.fixture
def denoiser(tiny):
    """Makes runs of a denoiser; any field may be changed, keyword `target` is the option."""

    def make(target="again", **fields):
        fields = {"network": "unet", "width": 0.125, "degrade": NOISE, **PIXELS, **fields}
        return tiny(method="denoising", options={"target": target}, **fields)

    return make


def shifted(method, residual):
    """The method, whose network adds a constant."""
    nn.init.constant_(method.network.last.bias, residual)
    return method


@pytest.fixture
def batch():
    return Batch(
        torch.full((4, 3, 32, 32), 0.5), torch.full((4, 3, 32, 32), 0.4), torch.arange(4), images(4)
    )


@pytest.mark.parametrize(
    ("target", "unread", "pixels"),
    [("again", "clean", images(4)), ("clean", "second_draw", torch.tensor(0.5))],
    ids=["again", "clean"],
)
def test_what_is_read_and_what_the_loss_is(denoiser, batch, target, unread, pixels):
    method = shifted(methods.build(denoiser(target), TASK, {}), 0.3)
    assert (method.needs_second_draw, method.reads_clean) == (target == "again", target == "clean")
    loss = method.loss(batch._replace(**{unread: None}))["loss"]
    expected = (0.7 - pixels).square().mean()
    torch.testing.assert_close(loss, expected)


def test_noise2noise_is_the_default(tiny):
    method = methods.build(tiny(method="denoising", network="unet"), TASK, {})
    assert method.needs_second_draw
    assert not method.reads_clean


def test_scores_are_decibels_of_the_clipped_image(denoiser, batch):
    scores = shifted(methods.build(denoiser(), TASK, {}), 0.09).scores(batch)
    torch.testing.assert_close(scores["psnr_noisy"], torch.full((4,), 20.0))  # off by 0.1
    torch.testing.assert_close(scores["psnr"], torch.full((4,), 40.0), atol=1e-3, rtol=0)  # by 0.01
    white = batch._replace(clean=torch.ones(4, 3, 32, 32))
    assert (
        shifted(methods.build(denoiser(), TASK, {}), 5.0).scores(white)["psnr"].tolist()
        == [100.0] * 4
    )


def test_samples_are_eight_images_in_8_bits(denoiser):
    method = shifted(methods.build(denoiser(), TASK, {}), 0.3)
    shown = method.samples(Batch(images(9), images(9, seed=1), torch.arange(9)))
    assert {name: (image.dtype, image.shape) for name, image in shown.items()} == dict.fromkeys(
        ("input", "output", "clean"), (torch.uint8, (8, 3, 32, 32))
    )
    assert torch.equal(shown["input"], images(9, seed=1)[:8].mul(255).round().to(torch.uint8))
    assert torch.equal(shown["clean"], images(9)[:8].mul(255).round().to(torch.uint8))
    assert torch.equal(
        shown["output"], (images(9, seed=1)[:8] + 0.3).clamp(0, 1).mul(255).round().to(torch.uint8)
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["again", "clean"])
def test_noise_is_removed_with_and_without_clean_images(denoiser, store, cpu, target):
    """With 128 steps on 256 noisy digits, either target gains over 2 dB on unseen digits."""
    run = denoiser(target, train_size=256, epochs=8, batch_size=16, lr=5e-3)
    record = running.train(run, store, None, cpu)
    # 18.6 dB, and less noise where it is cut
    assert record.metrics["psnr_noisy"] == pytest.approx(19, abs=1.5)
    assert record.metrics["psnr"] > record.metrics["psnr_noisy"] + 2
    assert record.history[-1]["loss"] < record.history[0]["loss"]
    shown = store.samples(run)
    network = running.load_network(run, store, load(run.dataset), cpu)
    # rounded to 8 bits
    assert (network(shown["input"] / 255) * 255 - shown["output"]).abs().max() < 0.51


def test_a_classifier_sees_images_through_it(denoiser, tiny, store, cpu):
    frontend = denoiser(epochs=1)
    run = tiny(degrade=NOISE, epochs=1, uses={"frontend": frontend})
    running.train(frontend, store, None, cpu)
    record = running.train(run, store, None, cpu)
    assert 0 <= record.metrics["top1"] <= 100
    parents = {"frontend": running.load_network(frontend, store, load(run.dataset), cpu)}
    view = restored(degrade.build(NOISE), parents["frontend"], cpu)
    assert view.fixed
    clean = images(8).mul(255).round().to(torch.uint8)
    key = ImageKey(torch.arange(8), ("train", run.seed))
    seen = view(clean, key)
    expected = parents["frontend"](to_float(degrade.build(NOISE)(clean, key)))
    assert (seen / 255 - expected).abs().max() < 0.51 / 255
    # Nothing but restored noisy images is kept for training.
    split = Split(clean, torch.arange(8))
    trainer = Trainer(run, methods.build(run, TASK, parents), split, view, cpu)
    kept = trainer.batches.images[:, run.crop : -run.crop, run.crop : -run.crop].permute(0, 3, 1, 2)
    assert torch.equal(kept, seen)


def test_it_starts_from_another_denoiser(denoiser, tiny):
    other = methods.build_network(denoiser(), TASK)
    assert torch.equal(
        methods.build(denoiser("clean"), TASK, {"init": other}).network.stem.weight,
        other.stem.weight,
    )
    with pytest.raises(UserError, match="init must be a denoiser of the network and width"):
        methods.build(denoiser(width=0.25), TASK, {"init": other})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"network": "resnet18"}, "unknown denoiser 'resnet18'; choose from: unet, liu"),
        ({"target": "other"}, "unknown target 'other'; choose from: again, clean"),
        ({"degrade": {"name": "lowres", "up": "none"}}, "denoisers keep the size"),
    ],
)
def test_wrong_runs(denoiser, fields, message):
    with pytest.raises(UserError, match=message):
        methods.build(denoiser(**fields), TASK, {})


def test_without_noise_there_is_no_second_draw(denoiser, store, cpu):
    with pytest.raises(UserError, match="there is no other draw"):
        running.train(dataclasses.replace(denoiser(), degrade={"name": "none"}), store, None, cpu)
