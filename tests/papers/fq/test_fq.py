"""Feature quantization as a method: the penalty on alpha, what weight decay leaves alone, the
calibration."""

import dataclasses

import pytest
import torch
from helpers import built

from paperlib import degrade
from paperlib.datasets import load
from paperlib.degrade.distortions import DISTORTIONS
from paperlib.errors import UserError
from paperlib.methods import Batch, Task, build, build_network
from paperlib.papers.fq.calibration import CalibrationOptions
from paperlib.papers.fq.insertion import alphas
from paperlib.papers.fq.method import PENALTIES, penalty
from paperlib.prepared import prepare
from paperlib.running import train
from paperlib.training import evaluate, make_optimizer

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
POW = {"kind": "pow", "splits": 2, "penalty": "l1"}


@pytest.fixture
def batch():
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(images, images, torch.arange(6))


@pytest.fixture
def make(tiny):
    """Makes a method on the small CNN; keyword arguments are its options."""

    def make(**options):
        torch.manual_seed(0)
        return build(tiny(method="fq", network="smallcnn", width=0.25, options=options), TASK, {})

    return make


# The penalty


@pytest.mark.parametrize(
    ("kind", "expected"), [("none", 0.0), ("l1", 0.1 * 32 * 0.5), ("l2", 0.05 * 32 * 0.25)]
)
def test_the_penalty_by_hand(make, kind, expected):
    network = make(kind="pow").network  # two layers of 16 channels
    for sign, alpha in zip((1, -1), alphas(network).values(), strict=True):
        torch.nn.init.constant_(alpha, sign * 0.5)
    assert penalty(network, kind, 0.1).item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", PENALTIES)
def test_the_usual_weight(make, kind):
    network = make(kind="pow").network
    for alpha in alphas(network).values():
        torch.nn.init.constant_(alpha, 0.3)
    assert penalty(network, kind).item() == penalty(network, kind, PENALTIES[kind]).item()


@pytest.mark.parametrize("kind", ["sf", "hpow"])
def test_without_learned_exponents_there_is_nothing_to_penalise(make, batch, kind):
    method = make(kind=kind, penalty="l1", **({"beta": 10} if kind == "sf" else {}))
    assert method.no_decay_parameters() == []
    assert method.loss(batch)["penalty"].item() == 0


def test_the_loss_is_the_sum_of_its_terms(make, batch):
    method = make(**POW, weight=0.1)
    torch.nn.init.constant_(next(iter(alphas(method.network).values())), 0.5)
    losses = method.loss(batch)
    assert losses["penalty"] > 0
    torch.testing.assert_close(losses["loss"], losses["recognition"] + losses["penalty"])


def test_a_network_starts_as_its_base(tiny, make, batch):
    torch.manual_seed(0)
    base = build(tiny(network="smallcnn", width=0.25), TASK, {}).network
    logits = make(kind="pow", penalty="none").network(batch.clean).logits
    assert torch.equal(logits, base(batch.clean).logits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "cube"},
            "unknown non-linearity 'cube'; choose from: none, sf, pow, hpow, sf-pow",
        ),
        ({"penalty": "l3"}, "unknown penalty 'l3'; choose from: none, l1, l2"),
        ({"kind": "sf"}, "non-linearity 'sf'"),  # without beta
        ({"gamma": 1}, "unknown option of method 'fq' 'gamma'"),
        ({"beta": "ten"}, "fq: beta is 'ten'; it must be of type float"),
        ({"kind": "pow", "beta": 10}, "non-linearity 'pow'"),  # beta is of sf
        ({"after": "relu", "splits": 2}, "inputs can be split after 'conv' only"),
    ],
)
def test_wrong_options(make, options, message):
    with pytest.raises(UserError, match=message):
        make(**options)


# Weight decay


def trainer(run, execution):
    """A trainer of a run, and its alphas."""
    own = prepare(run, load(run.dataset), {}, execution).trainer
    return own, alphas(own.method.network)


def test_trains_in_float32_also_where_others_train_in_bfloat16(tiny, cpu):
    """A step of SF-100 is not much larger than one of bfloat16."""
    bf16 = dataclasses.replace(cpu, precision="bf16")
    own, _ = trainer(tiny(method="fq", network="smallcnn", width=0.25, options=POW), bf16)
    assert own.execution == cpu
    assert prepare(tiny(), load("synthdigits"), {}, bf16).trainer.execution == bf16


def test_weight_decay_leaves_alpha_alone(tiny, cpu):
    """With no gradient, weights decay and alphas do not."""
    own, learned = trainer(
        tiny(method="fq", network="smallcnn", width=0.25, options=POW, weight_decay=0.1), cpu
    )
    for parameter in own.parameters:
        torch.nn.init.constant_(parameter, 1.0)
        parameter.grad = torch.zeros_like(parameter)
    own.optimizer.step()
    held = set(map(id, learned.values()))
    assert len(held) == 2
    for parameter in own.parameters:
        assert (parameter == 1).all().item() == (id(parameter) in held)


def test_without_parameters_apart_the_optimizer_is_as_ever(tiny):
    parameters = [torch.nn.Parameter(torch.ones(2))]
    assert len(make_optimizer(tiny(), parameters).param_groups) == 1


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_resumed_with_parameters_apart_is_uninterrupted(tiny, cpu, optimizer):
    run = tiny(
        method="fq",
        network="smallcnn",
        width=0.25,
        options=POW,
        optimizer=optimizer,
        lr=0.01,
        epochs=3,
    )
    whole, _ = trainer(run, cpu)
    for _ in range(3):
        whole.epoch()
    first, _ = trainer(run, cpu)
    first.epoch()
    second, _ = trainer(run, cpu)
    second.restore(*first.state())
    for _ in range(2):
        second.epoch()
    for name, tensor in whole.method.state_dict().items():
        assert torch.equal(tensor, second.method.state_dict()[name]), name


# Evaluation only


def test_a_run_without_epochs_tests_the_network_of_another(tiny, cpu, store):
    trained = tiny(method="fq", network="smallcnn", width=0.25, options=POW)
    spec = {"name": "distortion", "distortion": "salt_and_pepper", "strength": 0.5}
    tested = dataclasses.replace(trained, epochs=0, uses={"init": trained}, evaluate=(spec,))
    first = train(trained, store, None, cpu)
    second = train(tested, store, None, cpu)
    assert second.metrics["top1"] == first.metrics["top1"]
    assert set(second.metrics) == set(first.metrics) | {
        f"{n}@salt_and_pepper=0.5" for n in first.metrics
    }
    assert not second.history
    kept = store.samples(tested)
    assert {name: value.shape for name, value in kept.items()} == {
        "alpha.body.middle.0": (2, 16),
        "alpha.body.middle.3": (2, 16),
    }


def test_names_of_metrics():
    assert degrade.label({"name": "lowres", "factor": 4}) == "lowres-4"
    assert (
        degrade.label(
            {"name": "corruption", "corruption": "fog", "severity": 3, "table": "cifar-c"}
        )
        == "fog-3"
    )
    spec = {"name": "distortion", "distortion": "jpeg_compression", "strength": 0.25}
    assert degrade.label(spec) == "jpeg_compression=0.25"


def test_degradations_stay_in_float32_under_autocast(tiny, cpu, store):
    """Evaluation computes networks, not images, in bfloat16."""
    run = tiny(network="smallcnn", width=0.25, test_size=32)
    bf16 = dataclasses.replace(cpu, precision="bf16")
    seen = []

    class Declared:
        fixed = False

        def __call__(self, images, key=None):
            seen.append((images.float() @ images.float()).dtype)
            return images

    method = build(run, TASK, {})
    evaluate(method, load(run.dataset).split(32, 0, 32)[2], Declared(), bf16, ("test", 0))
    assert seen == [torch.float32]


# The calibration


def calibration(tiny, **fields):
    sizes = {"train_size": 1500, "holdout": 300, "test_size": 100}
    trained = tiny(width=0.125, lr=0.1, epochs=3, schedule="onecycle", crop=0, flip=False, **sizes)
    fields = {
        "options": {"salt_and_pepper": 0.5, "ngrn_noise": 0.7},
        "uses": {"init": trained},
        **fields,
    }
    return dataclasses.replace(trained, **{"method": "calibration", "epochs": 0, **fields})


@pytest.mark.slow
def test_strengths_leave_the_share_above_chance(tiny, cpu, store):
    run = calibration(tiny)
    for parent in run.uses.values():
        train(parent, store, None, cpu)
    metrics = train(run, store, None, cpu).metrics
    assert metrics["validation_top1"] > 50
    for name, share in run.options.items():
        assert 0 < metrics[f"validation_strength@{name}"] < 1
        assert metrics[f"validation_kept@{name}"] == pytest.approx(share, abs=0.05)
        # Measured again on the held-out images by the evaluation of another run: the same share,
        # but for other draws.
        spec = {
            "name": "distortion",
            "distortion": name,
            "strength": metrics[f"validation_strength@{name}"],
        }
        network = build_network(run, TASK)
        network.load_state_dict(
            {
                k.removeprefix("network."): v
                for k, v in store.weights(run).items()
                if k.startswith("network.")
            }
        )
        held = load(run.dataset).split(run.train_size, run.holdout, run.test_size)[1]
        images = degrade.build(spec)(held.images) / 255
        with torch.inference_mode():
            right = (network.eval()(images).logits.argmax(1) == held.labels).double().mean().item()
        clean = metrics["validation_top1"] / 100
        assert (right - 0.1) / (clean - 0.1) == pytest.approx(share, abs=0.12)


@pytest.mark.parametrize("fields", [{"epochs": 1}, {"uses": {}}, {"holdout": 0}])
def test_a_calibration_that_cannot_be(tiny, fields):
    run = calibration(tiny, **fields)
    with pytest.raises(
        UserError, match=r"calibration needs epochs=0, uses=\{'init': Run\(...\)\} and a holdout"
    ):
        built(run, TASK)


def test_every_distortion_has_an_option():
    options = CalibrationOptions(**dict.fromkeys(DISTORTIONS, 0.5))
    assert options.shares == dict.fromkeys(DISTORTIONS, 0.5)
    assert CalibrationOptions().shares == {}


def test_a_share_is_between_0_and_1(tiny):
    with pytest.raises(UserError, match=r"the share left under inpainting is 1.5"):
        built(calibration(tiny, options={"inpainting": 1.5}), TASK)


def test_an_unknown_distortion(tiny):
    run = calibration(tiny, options={"fog": 0.5})
    with pytest.raises(
        UserError, match="unknown option of method 'calibration' 'fog'; choose from: motion_blur"
    ):
        built(run, TASK)
