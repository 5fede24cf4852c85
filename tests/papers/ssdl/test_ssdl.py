"""Student-teacher learning with and without clean images: what is compared, what is read, and what
is not."""

import dataclasses
import gc

import pytest
import torch
from helpers import images
from torch.nn import functional as F

from paperlib import degrade, methods, running
from paperlib.datasets import Split
from paperlib.errors import UserError
from paperlib.methods import Batch, Task
from paperlib.papers.dfd.method import DFD
from paperlib.papers.ssdl.method import SSDL, stages_loss
from paperlib.training import Trainer

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 30, "draw": "fixed"}


@pytest.fixture
def make(tiny):
    """Makes a method whose parents differ from it; the same weights for the same seed."""

    def make(method, network="resnet18", teacher=None, **options):
        own = tiny(degrade=NOISE)
        run = tiny(method=method, network=network, degrade=NOISE, options=options)
        torch.manual_seed(0)
        parent = (
            methods.build_network(dataclasses.replace(own, **(teacher or {})), TASK)
            .eval()
            .requires_grad_(False)
        )
        roles = {"joint": "frozen", "supervised": "init", "denoising": "unused"}
        return methods.build(run, TASK, {roles.get(method, "teacher"): parent})

    return make


def make_batch(clean=None, second_draw=None):
    """Noisy images; what is not given is None, as in the loop."""
    return Batch(clean, images(8), torch.arange(8), second_draw)


# What is compared


@pytest.mark.parametrize("taps", ["last", "stages"])
def test_students_differ_in_what_the_teacher_sees_alone(make, taps):
    batch = make_batch(images(8, seed=1))
    same = batch._replace(clean=batch.degraded)
    first, second = (make(name, taps=taps).eval().loss(same) for name in ("ssdl", "stl"))
    assert first == second
    assert make("stl", taps=taps).eval().loss(batch)["distillation"] != first["distillation"]


def test_by_default_stl_is_dfd_with_the_mean(make):
    batch = make_batch(images(8, seed=1))
    assert make("stl").eval().loss(batch) == make("dfd", reduction="mean").eval().loss(batch)
    assert make("stl", reduction="sum").eval().loss(batch) == make("dfd").eval().loss(batch)


def test_ssdl_is_dfd_whose_teacher_sees_the_noise(make, tiny, cpu):
    """Every bit after some steps."""

    class Noisy(DFD):
        reads_clean = False

        def loss(self, batch):
            return super().loss(batch._replace(clean=batch.degraded))

    run = tiny(method="ssdl", degrade=NOISE, options={"lambda_": 1.0, "reduction": "mean"})
    weights = []
    for kind in (SSDL, Noisy):
        made = make("ssdl", lambda_=1.0)
        torch.manual_seed(0)
        method = kind(run, TASK, made.parents, kind.parse(run))
        split = Split(images(64, seed=2).mul(255).to(torch.uint8), torch.arange(64) % 10)
        Trainer(run, cpu.place(method), split, degrade.build(NOISE), cpu).epoch()
        weights.append(method.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_stages_are_compared_by_their_means_and_summed():
    student = [torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 2, 1, 1)]
    teacher = [torch.tensor([[[[0.0, 0.0]]]]), torch.full((1, 2, 1, 1), 3.0)]
    assert stages_loss(student, teacher).item() == 2.5 + 9.0


@pytest.mark.parametrize("feature", ["post", "pre"])
def test_the_loss_of_stages(make, feature):
    method = make("stl", taps="stages", feature=feature, lambda_=3.0).eval()
    batch = make_batch(images(8, seed=1))
    losses = method.loss(batch)
    expected = 0
    body, frozen = method.network.body, method.parents["teacher"].body
    x, y = ((batch.degraded - 0.5) / 0.25, (batch.clean - 0.5) / 0.25)
    for name in ("stem", "stage1", "stage2", "stage3", "stage4"):
        x, y = getattr(body, name)(x), getattr(frozen, name)(y)
        last = name == "stage4" and feature == "post"
        expected = expected + F.mse_loss(x.relu() if last else x, y.relu() if last else y)
    torch.testing.assert_close(losses["distillation"], expected)
    recognition = F.cross_entropy(method.network(batch.degraded).logits, batch.labels)
    torch.testing.assert_close(losses["recognition"], recognition)
    torch.testing.assert_close(losses["loss"], losses["recognition"] + 3 * losses["distillation"])


@pytest.mark.parametrize(
    "options", [{}, {"taps": "stages"}, {"draw": "independent", "taps": "stages"}]
)
def test_only_the_student_learns(make, options):
    method, batch = make("ssdl", **options), make_batch(second_draw=images(8, seed=2))
    before = {name: value.clone() for name, value in method.parents["teacher"].state_dict().items()}
    method.loss(batch)["loss"].backward()
    assert all(p.grad.abs().max() > 0 for p in method.parameters())
    assert all(
        torch.equal(v, before[name]) for name, v in method.parents["teacher"].state_dict().items()
    )


@pytest.mark.slow
def test_it_compiles_without_a_break(make):
    method = make("ssdl", taps="stages", draw="independent").eval()
    batch = make_batch(None, images(8, seed=2))
    compiled = torch.compile(method.loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(batch)["loss"], method.loss(batch)["loss"])


# What is read


class Clean(torch.Tensor):
    """Clean images, and whatever is computed from them; once `locked`, a touch is an error."""

    locked = False

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if Clean.locked:
            raise AssertionError("a clean image was read")
        return super().__torch_function__(func, types, args, kwargs)


class Declared:
    """A degradation, whose images count as clean no longer."""

    def __init__(self, spec):
        self.view = degrade.build(spec)
        self.fixed = self.view.fixed

    def __call__(self, images, key):
        return self.view(images, key).as_subclass(torch.Tensor)


@pytest.fixture
def lock(make, tiny, cpu, monkeypatch):
    """Makes a trainer, a list of its batches, and the number of tensors of clean images kept.

    These may not be touched any more.
    """

    def lock(method, network, options):
        Clean.locked = False
        module, seen = cpu.place(make(method, network, **options)), []
        loss = module.loss
        module.loss = lambda batch: seen.append(batch) or loss(batch)
        run = tiny(method=method, network=network, degrade=NOISE, epochs=1, lr=0.001)
        split = Split(
            images(64, seed=3).mul(255).to(torch.uint8).as_subclass(Clean), torch.arange(64) % 10
        )
        again = Declared(degrade.another(NOISE)) if module.needs_second_draw else None
        trainer = Trainer(run, module, split, Declared(NOISE), cpu, again)
        del split
        monkeypatch.setattr(Clean, "locked", True)
        gc.collect()
        return trainer, seen, sum(type(thing) is Clean for thing in gc.get_objects())

    return lock


WITHOUT = {
    "supervised": ("supervised", "resnet18", {}),
    "ssdl, same draw": ("ssdl", "resnet18", {}),
    "ssdl, another draw": ("ssdl", "resnet18", {"draw": "independent"}),
    "ssdl, stages": ("ssdl", "resnet18", {"taps": "stages", "draw": "independent"}),
    "noise2noise": ("denoising", "unet", {}),
    "joint, without weight": ("joint", "unet", {"weight": 0.0}),
}
WITH = {
    "stl": ("stl", "resnet18", {}),
    "stl, stages": ("stl", "resnet18", {"taps": "stages"}),
    "clean targets": ("denoising", "unet", {"target": "clean"}),
    "joint": ("joint", "unet", {}),
}


@pytest.mark.parametrize(("method", "network", "options"), WITHOUT.values(), ids=WITHOUT)
def test_no_clean_training_image_is_kept_or_read(lock, method, network, options):
    trainer, seen, kept = lock(method, network, options)
    assert kept == 0
    trainer.epoch()
    assert len(seen) == 2
    two_draws = options.get("draw") == "independent" or method == "denoising"
    for batch in seen:
        assert batch.clean is None
        assert (batch.second_draw is not None) == two_draws
        if two_draws:  # of the same images
            assert 0.05 < (batch.second_draw - batch.degraded).std() < 2**0.5 * 30 / 255


@pytest.mark.parametrize(("method", "network", "options"), WITH.values(), ids=WITH)
def test_who_needs_clean_images_reads_them(lock, method, network, options):
    trainer, _, kept = lock(method, network, options)
    assert kept > 0
    with pytest.raises(AssertionError, match="a clean image was read"):
        trainer.epoch()


# Runs


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ssdl", {}),
        ("ssdl", {"draw": "independent", "taps": "stages"}),
        ("stl", {"taps": "stages", "lambda_": 0.1}),
    ],
)
def test_a_run(tiny, store, cpu, method, options):
    teacher = tiny(epochs=1, degrade={"name": "none"} if method == "stl" else NOISE)
    student = tiny(
        method=method, degrade=NOISE, epochs=1, seed=1, options=options, uses={"teacher": teacher}
    )
    running.train(teacher, store, None, cpu)
    record = running.train(student, store, None, cpu)
    assert set(record.history[0]) == {"lr", "loss", "recognition", "distillation"}
    assert record.history[0]["distillation"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draw": "other"}, "unknown draw 'other'; choose from: same, independent"),
        ({"taps": "first"}, "unknown taps 'first'; choose from: last, stages"),
        ({"taps": "stages", "reduction": "sum"}, "reduction 'sum' is for 'last'"),
        ({"gamma": 1}, "gamma"),
    ],
)
def test_wrong_options(make, options, message):
    with pytest.raises(UserError, match=message):
        make("ssdl", **options)


def test_wrong_teachers(make, tiny):
    with pytest.raises(UserError, match="stl needs a parent 'teacher'"):
        methods.build(tiny(method="stl"), TASK, {})
    with pytest.raises(UserError, match="of the student's network and width"):
        make("stl", taps="stages", teacher={"width": 0.125}).loss(make_batch(images(8)))
    with pytest.raises(UserError, match="tapped from a classifier, not from a UNet"):
        make("stl", taps="stages", teacher={"method": "denoising", "network": "unet"})
