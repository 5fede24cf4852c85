"""The draws that training asks for: new for every seed, and in every epoch but where fixed."""

import pytest
import torch

from paperlib import degrade, methods
from paperlib.datasets import Split
from paperlib.methods import Task
from paperlib.training import Trainer

COUNT = 10
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 40}


@pytest.fixture
def trained_on(tiny, cpu):
    """Trains some epochs; returns what the network saw, one (COUNT, 3, 16, 16) tensor per epoch.

    The images come in the order of the data set, neither cropped nor flipped, so that images of two
    epochs or runs differ by their draws alone.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (COUNT, 3, 16, 16), generator=generator, dtype=torch.uint8)
    split = Split(images, torch.arange(COUNT))  # a label says which image it is

    def train(epochs, spec=NOISE, **fields):
        run = tiny(epochs=epochs, degrade=spec, crop=0, flip=False, **fields)
        method = cpu.place(methods.build(run, Task(COUNT, (0.5,) * 3, (0.25,) * 3, 16), {}))
        seen, loss = [], method.loss
        method.loss = lambda batch: seen.append(batch) or loss(batch)
        trainer, result = Trainer(run, method, split, degrade.build(spec), cpu), []
        while not trainer.done:
            seen.clear()
            trainer.epoch()
            order = torch.cat([batch.labels for batch in seen]).argsort()
            result.append(torch.cat([batch.degraded for batch in seen])[order])
        return result

    return train


def every_image_differs(one, other):
    return bool((one != other).flatten(1).any(1).all())


def test_every_epoch_has_its_own_draws(trained_on):
    first, second, third = trained_on(3)
    assert every_image_differs(first, second)
    assert every_image_differs(first, third)
    assert every_image_differs(second, third)


def test_every_seed_has_its_own_draws(trained_on):
    for one, other in zip(trained_on(2, seed=0), trained_on(2, seed=1), strict=True):
        assert every_image_differs(one, other)


def test_seed_epoch_and_image_decide_the_draws_whatever_the_batch(trained_on):
    for one, other in zip(trained_on(2), trained_on(2, batch_size=5, lr=0.01), strict=True):
        assert torch.equal(one, other)


def test_a_fixed_degradation_has_one_draw_for_all_epochs_and_another_for_each_seed(trained_on):
    fixed = {**NOISE, "draw": "fixed"}
    first, second = trained_on(2, fixed)
    assert torch.equal(first, second)
    assert torch.equal(first, trained_on(1, fixed, lr=0.01)[0])
    assert every_image_differs(first, trained_on(1, fixed, seed=1)[0])
