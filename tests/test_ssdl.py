"""Self-distillation without clean images: the teacher sees what the student sees."""

import dataclasses

import pytest
import torch

from paperlib import methods, sweep
from paperlib.errors import UserError
from paperlib.methods import Batch, Task

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 30, "draw": "fixed"}


@pytest.fixture
def make(tiny):
    """Makes a student of "ssdl" or "dfd" whose teacher differs from it; the same weights for the same seed."""

    def make(method):
        teacher = tiny(degrade=NOISE, seed=1)
        run = tiny(method=method, degrade=NOISE, uses={"teacher": teacher})
        torch.manual_seed(0)
        parents = {"teacher": methods.build_network(teacher, TASK).eval().requires_grad_(False)}
        return methods.build(run, TASK, parents).eval()

    return make


def make_batch(clean):
    generator = torch.Generator().manual_seed(0)
    degraded = torch.rand(8, 3, 32, 32, generator=generator)
    return Batch(clean, degraded, torch.arange(8))


def test_no_clean_image_is_read(make):
    """Images of NaN would leave their mark on the loss, as they do on DFD's."""
    nothing = torch.full((8, 3, 32, 32), torch.nan)
    losses = make("ssdl").loss(make_batch(nothing))
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["distillation"] > 0
    assert torch.isnan(make("dfd").loss(make_batch(nothing))["distillation"])


def test_it_is_dfd_but_for_what_the_teacher_sees(make):
    batch = make_batch(torch.zeros(8, 3, 32, 32))
    same = make_batch(batch.degraded)
    assert make("ssdl").loss(batch) == make("dfd").loss(same)


def test_a_run(tiny, store, cpu):
    teacher = tiny(degrade=NOISE, epochs=1)
    student = dataclasses.replace(teacher, method="ssdl", seed=1, uses={"teacher": teacher})
    sweep.train(teacher, store, None, cpu)
    record = sweep.train(student, store, None, cpu)
    assert set(record.history[0]) == {"lr", "loss", "recognition", "distillation"}


def test_it_needs_a_teacher(tiny):
    with pytest.raises(UserError, match="ssdl needs a teacher"):
        methods.build(tiny(method="ssdl"), TASK, {})
