"""Detectors with and without feature quantization: boxes, losses, runs, the figure."""

import dataclasses
from functools import partial

import pytest
import torch
from helpers import small_scenes
from torch import nn

from paperlib import degrade, methods, prepared, running, sweep, training
from paperlib.errors import UserError
from paperlib.execution import Execution
from paperlib.files import pack, unpack
from paperlib.methods import Batch, Task
from paperlib.networks import detector
from paperlib.papers.fq.figures import GREEN, detections
from paperlib.papers.fq.insertion import QuantizedConv2d, alphas
from paperlib.papers.fq.quantization import HPOW, SF

TASK = Task(10, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
HEAVY = {"name": "distortion_chain", "inpainting": 0.3, "ngrn_noise": 0.3, "jpeg_compression": 0.5}


@pytest.fixture(scope="module")
def drawn():
    """A data set of 48 training and 16 test scenes."""
    return small_scenes(48, 16)


@pytest.fixture
def make_run(tiny):
    """Makes tiny runs of the method on all the scenes; any field may be changed."""
    own = {
        "method": "detection",
        "dataset": "scenes",
        "network": "plain10",
        "train_size": 0,
        "test_size": 0,
    }
    return partial(tiny, **own, batch_size=16, optimizer="adam", lr=2e-3, crop=0, flip=False)


@pytest.fixture
def batch(drawn):
    images = drawn.train.images[:6].float() / 255
    return Batch(images, images, drawn.train.labels[:6])


@pytest.fixture
def make(make_run):
    """Makes the method of a tiny run, always from the same random numbers."""

    def make(**fields):
        torch.manual_seed(0)
        return methods.build(make_run(**fields), TASK, {})

    return make


# The detector


@pytest.mark.parametrize(
    ("name", "stages", "stride"), [("plain10", 1, 4), ("plain10", 3, 16), ("resnet18", 2, 8)]
)
def test_backbones(name, stages, stride):
    network = detector.build(name, 4, 0.0625, stages, "20").eval()
    image = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    maps = network.backbone(image)
    assert abs(maps.shape[-1] - 96 / stride) <= 1
    assert not any(
        isinstance(list(network.backbone.modules())[-1], kind)
        for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    assert maps.min() >= 0  # the backbone ends behind a ReLU
    found = network(image)
    assert found.boxes.shape == (*found.labels.shape, 4)
    assert found.labels.max() < 4
    assert found.labels.dtype == torch.int64


def test_detections_are_padded_and_the_most_certain_come_first(make, batch):
    method = make().eval()
    with torch.no_grad():
        method.network.heads.box_predictor.cls_score.bias[1:] += torch.arange(10.0) * 0.05
        found = method.network(batch.clean)
    there = found.labels >= 0
    assert there.any()
    assert (found.scores[~there] == 0).all()
    assert (found.boxes[~there] == 0).all()
    assert (found.scores.diff(dim=1) <= 0).all()
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 96


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"name": "vgg16"}, "network 'vgg16' has no stages to detect with"),
        ({"name": "zf"}, "unknown network 'zf'"),
        ({"name": "plain10", "stages": 4}, "stages is 4; choose from: 1, 2, 3"),
        ({"name": "plain10", "anchors": "16,-1"}, "anchors are '16,-1'"),
        ({"name": "plain10", "anchors": "small"}, "anchors are 'small'"),
    ],
)
def test_mistakes_about_detectors(build, message):
    with pytest.raises(UserError, match=message):
        detector.build(classes=2, width=0.0625, **build)


def test_boxes_stay_float32_under_autocast(make, batch):
    method = make(options={"kind": "pow"})
    seen = []
    method.network.backbone.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.loss(batch)
        found = method.eval().network(batch.clean)
    assert seen == [torch.bfloat16] * 2
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert found.boxes.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(found.boxes, found.boxes.bfloat16().float())


# The method


def test_pow_goes_behind_the_convolutions_of_the_backbone_and_starts_as_the_base(make, batch):
    base, power = make(), make(options={"kind": "pow"})
    assert sorted(alphas(power.network)) == [
        f"backbone.stage{i}.{j}" for i in (1, 2) for j in (0, 3)
    ]
    assert not any(
        isinstance(module, QuantizedConv2d) for module in power.network.proposals.modules()
    )
    expected = base.network.state_dict()
    assert {
        k: v for k, v in power.network.state_dict().items() if "alpha" not in k
    }.keys() == expected.keys()
    assert all(
        torch.equal(power.network.state_dict()[name], value) for name, value in expected.items()
    )
    torch.manual_seed(1)
    first = base.loss(batch)["loss"]
    torch.manual_seed(1)
    assert torch.allclose(power.loss(batch)["loss"], first, rtol=1e-5)
    assert {id(p) for p in power.no_decay_parameters()} == {
        id(p) for p in alphas(power.network).values()
    }
    assert base.no_decay_parameters() == []


def test_the_other_kinds(make):
    of = {
        kind: make(options={"kind": kind, **more}).network
        for kind, more in (("sf", {"beta": 10.0}), ("hpow", {}))
    }
    assert sum(isinstance(module, SF) for module in of["sf"].modules()) == 4
    assert sum(isinstance(module, HPOW) for module in of["hpow"].modules()) == 4


def test_the_loss_is_the_sum_of_its_terms_and_reaches_everything(make, batch):
    method = make(options={"kind": "pow", "weight": 0.5})
    with torch.no_grad():
        for alpha in alphas(method.network).values():
            alpha += 0.1
    losses = method.loss(batch)
    assert set(losses) == {"loss", "objectness", "proposal", "class", "box", "penalty"}
    assert losses["loss"].item() == pytest.approx(
        sum(v.item() for k, v in losses.items() if k != "loss"), rel=1e-5
    )
    count = sum(alpha.numel() for alpha in alphas(method.network).values())
    assert losses["penalty"].item() == pytest.approx(0.5 / 2 * 0.01 * count, rel=1e-4)
    losses["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())


def test_difficult_objects_and_empty_places_are_not_trained_on(make, batch):
    method = make()
    hard = batch.labels.clone()
    hard[:, 1:] = torch.tensor([3.0, 0, 0, 90, 90, 1])
    alone = batch.labels[:, :1]

    def loss(labels):
        torch.manual_seed(1)
        method.eval().train()
        return method.loss(batch._replace(labels=labels))["loss"]

    assert loss(hard) == loss(alone)
    hard[:, 1, 5] = 0
    assert loss(hard) != loss(alone)


def test_an_image_without_objects_can_be_trained_on(make, batch):
    nothing = batch.labels.clone()
    nothing[:, :, 0] = -1
    assert make().loss(batch._replace(labels=nothing))["loss"].isfinite()


@pytest.mark.slow
def test_a_few_steps_find_the_objects(make, batch):
    """Two scenes, trained until they are known by heart."""
    two = batch.part(slice(2))
    method = make(width=0.125)
    optimizer = torch.optim.Adam(method.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = method.loss(two)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
    with torch.inference_mode():
        assert method.eval().measure([two])["map50"] > 80
        assert make().eval().measure([two])["map50"] < 10
        # what the network sees is measured
        dark = two._replace(degraded=torch.zeros_like(two.clean))
        assert method.measure([dark])["map50"] < 10


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crop": 4}, "crop=0, flip=False, not 4, False"),
        ({"flip": True}, "crop=0, flip=False, not 0, True"),
        (
            {"options": {"kind": "power"}},
            "unknown non-linearity 'power'; choose from: none, sf, pow, hpow, sf-pow",
        ),
        ({"options": {"beta": 10.0}}, "kind 'none' takes no option beta"),
        ({"options": {"kind": "pow", "penalty": "l3"}}, "unknown penalty 'l3'"),
        ({"options": {"kind": "sf", "bet": 10.0}}, "unknown option of method 'detection' 'bet'"),
        ({"options": {"kind": "sf"}}, "non-linearity 'sf'"),  # without beta
        ({"options": {"stages": 4}}, "stages is 4; choose from: 1, 2, 3"),
    ],
)
def test_mistakes_in_runs(make, fields, message):
    with pytest.raises(UserError, match=message):
        make(**fields)


# Runs


def test_a_resumed_training_has_the_same_bits(few, make_run, cpu, tmp_path):
    run = make_run(options={"kind": "pow"}, train_size=32)

    def trainer():
        torch.manual_seed(run.seed)
        method = cpu.place(methods.build(run, prepared.task(few), {}))
        return training.Trainer(run, method, few.split(32)[0], degrade.build(run.degrade), cpu)

    whole = trainer()
    whole.epoch()
    tensors, values = whole.state()
    (tmp_path / "state").write_bytes(pack(tensors, **values))
    whole.epoch()
    resumed = trainer()
    resumed.restore(*unpack(tmp_path / "state"))
    resumed.epoch()
    expected = whole.state()[0]
    assert resumed.done
    assert all(torch.equal(value, expected[name]) for name, value in resumed.state()[0].items())
    assert resumed.progress.history == whole.progress.history


@pytest.mark.slow
def test_a_trained_detector_is_tested_on_distorted_images(few, make_run, store, cpu):
    trained = make_run(options={"kind": "pow"}, evaluate=(HEAVY,), batch_size=8)
    (record,) = sweep.Sweep(store, None, cpu)([trained])
    under = degrade.label(HEAVY)
    assert set(record.metrics) == {"map50", "map", f"map50@{under}", f"map@{under}"}
    assert set(record.history[0]) == {
        "lr",
        "loss",
        "objectness",
        "proposal",
        "class",
        "box",
        "penalty",
    }

    heavy = dataclasses.replace(
        trained, epochs=0, degrade=HEAVY, evaluate=(), uses={"init": trained}
    )
    (tested,) = sweep.Sweep(store, None, cpu)([heavy])
    assert tested.history == ()
    assert tested.metrics["map50"] == pytest.approx(record.metrics[f"map50@{under}"])
    assert all(
        torch.equal(tensor, store.weights(trained)[name])
        for name, tensor in store.weights(heavy).items()
    )

    kept = store.samples(heavy)
    network = running.load_network(trained, store, few, cpu)
    key = degrade.ImageKey(torch.arange(8), ("test", heavy.seed))
    seen = degrade.build(HEAVY)(few.test.images[:8], key)
    assert torch.equal(kept["images"], seen)
    assert kept["images"].dtype == torch.uint8
    found = network(seen / 255)
    torch.testing.assert_close(kept["boxes"], found.boxes)
    assert torch.equal(kept["labels"], found.labels)
    assert torch.equal(kept["truth"], few.test.labels[:8])
    assert not torch.equal(kept["images"], store.samples(trained)["images"])


def test_the_work_of_a_run_is_known_beforehand(few):
    assert (
        running.flops("plain10", 0.25, "detection", 96)
        > running.flops("plain10", 0.125, "detection", 96)
        > 1e6
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_compiled(few, make_run, store):
    run = make_run(options={"kind": "pow"}, epochs=1)
    (record,) = sweep.Sweep(store, None, Execution.on("cuda"))([run])
    assert 0 <= record.metrics["map50"] <= 100


# The figure


def test_the_figure_has_the_certain_boxes_with_class_and_confidence():
    samples = {
        "images": torch.zeros(3, 3, 96, 96, dtype=torch.uint8),
        "boxes": torch.tensor([[[10.0, 20, 30, 50], [1, 1, 9, 9]]]).expand(3, -1, -1),
        "labels": torch.tensor([[7, 2], [7, -1], [3, 2]]),
        "scores": torch.tensor([[0.98, 0.2], [0.75, 0.0], [0.3, 0.1]]),
    }
    rows = {
        "original": {"base": samples, "+POW-1": samples},
        "heavy": {"base": samples, "+POW-1": samples},
    }
    figure = detections(rows, tuple("0123456789"))
    pictures = [ax for ax in figure.axes if ax.images]
    assert len(pictures) == 2 * 2 * 3
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert sorted(set(texts)) == ["7 0.75", "7 0.98", "heavy", "original"]
    assert [text.get_text() for text in figure.texts] == ["base", "+POW-1"]
    box = pictures[0].patches[0]
    assert box.get_bbox().bounds == (10, 20, 20, 30)
    assert [text.get_color() for text in pictures[1].texts] == [GREEN]
