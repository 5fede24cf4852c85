"""Self-distillation of detectors: what the teacher sees, what is compared, what is trained."""

from functools import partial

import pytest
import torch
from helpers import small_scenes

from paperlib import degrade, methods, sweep
from paperlib.errors import UserError
from paperlib.execution import Execution
from paperlib.methods import Batch, Task
from paperlib.methods.detector import Detection
from paperlib.networks import detector, resnet
from paperlib.papers.ssdl.detection import DetectionSSDL
from paperlib.training import Trainer

TASK = Task(10, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
NOISE = {"name": "noise", "noise": "gaussian", "sigma": 60, "draw": "fixed"}
OWN = {"objectness", "proposal", "class", "box"}


@pytest.fixture(scope="module")
def drawn():
    """A data set of 8 training and 4 test scenes."""
    return small_scenes(8, 4)


@pytest.fixture
def base(tiny):
    """Makes tiny runs of "detection" on noisy scenes; any field may be changed."""
    own = {
        "method": "detection",
        "dataset": "scenes",
        "network": "plain10",
        "train_size": 8,
        "test_size": 4,
    }
    return partial(
        tiny, **own, batch_size=4, optimizer="adam", lr=2e-3, crop=0, flip=False, degrade=NOISE
    )


@pytest.fixture
def student(base):
    """Makes the run of a student of another seed's detector; any field may be changed."""
    return partial(base, method="detection_ssdl", uses={"teacher": base(seed=1)})


@pytest.fixture
def make(student):
    """Makes the method with a teacher of other weights, from the same random numbers each time."""

    def make(teacher=None, **options):
        torch.manual_seed(1)
        run = student(options={})
        parents = {
            "teacher": teacher
            or Detection.build(run, TASK, Detection.parse(run)).eval().requires_grad_(False)
        }
        torch.manual_seed(0)
        return methods.build(student(options=options), TASK, parents)

    return make


@pytest.fixture
def batch(drawn):
    images = drawn.train.images[:4].float() / 255
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * 60 / 255
    return Batch(images, (images + noise).clamp(0, 1), drawn.train.labels[:4])


def maps(network, images):
    """The last maps of a detector's backbone, from what its documentation says of them."""
    return network.backbone((images - 0.4) / 0.2)


# The loss


@pytest.mark.parametrize(("view", "field"), [("noisy", "degraded"), ("clean", "clean")])
def test_the_distance_of_the_maps_is_added_to_the_detectors_losses(make, batch, view, field):
    method = make(view=view, lambda_=3.0)
    torch.manual_seed(2)
    losses = method.loss(batch)
    assert set(losses) == {"loss", *OWN, "distillation"}
    teacher = maps(method.parents["teacher"], getattr(batch, field))
    expected = (maps(method.network, batch.degraded) - teacher).square().mean()
    torch.testing.assert_close(losses["distillation"], expected)
    assert expected > 0.1
    total = sum(losses[name].item() for name in OWN) + 3 * expected.item()
    assert losses["loss"].item() == pytest.approx(total, rel=1e-5)


def test_a_student_with_its_teachers_weights_has_nothing_to_learn_from_it(make, batch):
    method = make()
    method.network.load_state_dict(method.parents["teacher"].state_dict())
    own = maps(method.eval().network, batch.degraded)
    assert (own - method.teacher_maps(batch)).abs().max() == 0
    assert own.min() == 0  # behind the ReLU


def test_gradients_reach_the_student_only(make, batch):
    method = make()
    teacher = method.parents["teacher"].requires_grad_(True)  # not even then
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    losses = method.train().loss(batch)
    backbone = list(method.network.backbone.parameters())
    assert all(
        g.abs().sum() > 0
        for g in torch.autograd.grad(losses["distillation"], backbone, retain_graph=True)
    )
    losses["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert {id(p) for p in teacher.parameters()}.isdisjoint(map(id, method.parameters()))
    assert not teacher.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    counted = {
        name: int(t)
        for name, t in method.state_dict().items()
        if name.endswith("num_batches_tracked")
    }
    assert counted  # the student's backbone has seen the batch, once
    assert set(counted.values()) == {1}


def test_maps_are_compared_in_float32_under_autocast(make, batch):
    method = make()
    with torch.autocast("cpu", torch.bfloat16):
        assert method.teacher_maps(batch).dtype == torch.bfloat16
        losses = method.loss(batch)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert losses["distillation"] != losses["distillation"].bfloat16().float()


def test_no_hook_stays(make, batch):
    method = make()
    method.loss(batch)
    with pytest.raises(TypeError):
        method.loss(batch._replace(degraded=None))
    assert not method.network.backbone._forward_hooks


# Clean images


def test_with_the_noisy_view_no_clean_image_is_read(make, batch):
    """Images of NaN leave their mark on the loss where they are read."""
    unreadable = batch._replace(clean=torch.full_like(batch.clean, torch.nan))
    assert all(loss.isfinite() for loss in make(view="noisy").loss(unreadable).values())
    assert make(view="clean").loss(unreadable)["distillation"].isnan()
    assert make().loss(batch._replace(clean=None))["loss"].isfinite()  # what the loop gives it


@pytest.mark.parametrize("view", ["noisy", "clean"])
def test_with_the_noisy_view_training_keeps_no_clean_image(few, student, make, cpu, view):
    run, method, seen = student(options={"view": view}), make(view=view), []
    loss, teacher = method.loss, method.parents["teacher"]
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    method.loss = lambda batch: seen.append(batch.clean) or loss(batch)
    split = few.split(8)[0]
    trainer = Trainer(run, method, split, degrade.build(NOISE), cpu)
    kept = trainer.batches.images.permute(0, 3, 1, 2)
    held = [torch.equal(part, split.images) for part in kept.split(3, dim=1)]
    assert held == ([False] if view == "noisy" else [True, False])  # clean, degraded

    trainer.epoch()
    assert [clean is None for clean in seen] == [view == "noisy"] * 2
    assert all(torch.equal(t, before[name]) for name, t in teacher.state_dict().items())


# Runs


def test_without_lambda_it_is_the_detector_to_the_bit(few, base, student, store, cpu):
    alone, none, some = base(), student(options={"lambda_": 0.0}), student(options={"lambda_": 1.0})
    records = dict(
        zip(
            ("alone", "none", "some"),
            sweep.Sweep(store, None, cpu)([alone, none, some]),
            strict=True,
        )
    )
    weights = {
        name: store.weights(run) for name, run in (("alone", alone), ("none", none), ("some", some))
    }
    assert weights["none"].keys() == weights["alone"].keys()  # and the teacher is not among them
    assert all(
        torch.equal(tensor, weights["alone"][name]) for name, tensor in weights["none"].items()
    )
    assert not all(
        torch.equal(tensor, weights["alone"][name]) for name, tensor in weights["some"].items()
    )
    assert records["none"].metrics == records["alone"].metrics
    assert set(records["alone"].metrics) == {"map50", "map"}
    for mine, theirs in zip(records["none"].history, records["alone"].history, strict=True):
        # "detection" may have non-linearities, and with them a penalty
        theirs = {name: value for name, value in theirs.items() if name != "penalty"}
        assert mine == {**theirs, "distillation": mine["distillation"]}
        assert mine["distillation"] > 0.01


def test_student_teacher_learning_with_a_clean_teacher(few, base, student, store, cpu):
    uses = {"teacher": base(seed=1, degrade={"name": "none"})}
    run = student(options={"view": "clean"}, uses=uses)
    (record,) = sweep.Sweep(store, None, cpu)([run])
    assert set(record.history[0]) == {"lr", "loss", *OWN, "distillation"}
    assert {"images", "boxes", "labels", "scores", "truth"} <= store.samples(run).keys()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_compiled(few, student, store):
    (record,) = sweep.Sweep(store, None, Execution.on("cuda"))([student(epochs=1)])
    assert record.history[0]["distillation"] > 0


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "blurred"}, "unknown view 'blurred'; choose from: noisy, clean"),
        ({"lambda_": -1.0}, r"lambda_ is -1\.0; it must be at least 0"),
        ({"lambda_": float("nan")}, "lambda_ is nan; it must be at least 0"),
        ({"kind": "pow"}, "unknown option of method 'detection_ssdl' 'kind'"),
        ({"lambada": 1.0}, "unknown option of method 'detection_ssdl' 'lambada'"),
    ],
)
def test_mistakes_in_options(make, options, message):
    with pytest.raises(UserError, match=message):
        make(**options)


def test_mistakes_about_teachers(make, student, batch):
    with pytest.raises(UserError, match=r"^detection_ssdl needs a parent 'teacher': uses="):
        DetectionSSDL(student(), TASK, {}, DetectionSSDL.parse(student()))
    with pytest.raises(UserError, match=r"the teacher must be a detector, not a Classifier$"):
        make(resnet.resnet18(10, 0.0625))
    with pytest.raises(
        UserError, match=r"maps of student and teacher differ in shape, 8x12x12 and 4x23x23$"
    ):
        make(detector.build("plain10", 10, 0.0625, 1).eval()).loss(batch)
