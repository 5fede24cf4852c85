"""The method "moments": shifts of features between clean and distorted images, from the trained run
to its record."""

import pytest
import torch
from helpers import built

from paperlib import methods, sweep
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.execution import Execution
from paperlib.methods import Batch, Task, build_network
from paperlib.papers.fq.central_moments import CentralMoments
from paperlib.papers.fq.moments import KEPT, LAYERS, renormalised, shifts, summary, thinned
from paperlib.prepared import prepare
from paperlib.runs import Run

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))


@pytest.fixture
def run():
    """Makes runs of the method on a narrow VGG-16; any field may be changed."""

    def run(**fields):
        init = fields.pop(
            "init", Run("supervised", "synthdigits", "vgg16", width=0.0625, train_size=64, epochs=1)
        )
        noise = {"name": "distortion", "distortion": "ngrn_noise", "strength": 0.3}
        own = {
            "epochs": 0,
            "test_size": 40,
            "train_size": 64,
            "uses": {"init": init},
            "degrade": noise,
        }
        return Run("moments", "synthdigits", init.network, **{"width": init.width, **own, **fields})

    return run


@pytest.fixture
def make():
    """Makes the method of a run with an untrained network."""

    def make(run):
        torch.manual_seed(0)
        network = build_network(run.uses["init"], TASK).eval().requires_grad_(False)
        return methods.build(run, TASK, {"init": network}).eval()

    return make


def batches(count=2, size=12):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        clean = torch.rand(size, 3, 32, 32, generator=generator)
        yield Batch(
            clean,
            (clean + 0.4 * torch.randn(clean.shape, generator=generator)).clamp(0, 1),
            torch.arange(size) % 10,
        )


def values(n=400, shape=(3, 4), seed=0):
    return torch.empty(n, *shape, dtype=torch.float64).exponential_(
        generator=torch.Generator().manual_seed(seed)
    )


# Shifts


def test_shifts_are_differences_and_the_clean_deviation_is_the_unit():
    x = values()
    signs = torch.tensor([[1.0], [-2.0], [1.0]])
    clean, degraded = CentralMoments.of(x), CentralMoments.of(x * signs + 5)
    shift = shifts(clean, degraded)
    torch.testing.assert_close(
        shift["mean"], ((x * signs + 5).mean(0) - x.mean(0)) / x.std(0, correction=0)
    )
    torch.testing.assert_close(
        shift["deviation"], torch.tensor([[0.0], [1.0], [0.0]]).double().expand(3, 4)
    )
    torch.testing.assert_close(shift["skewness"][1], -2 * clean.skewness[1])  # mirrored
    torch.testing.assert_close(shift["kurtosis"], torch.zeros(3, 4).double())


def test_constant_neurons_have_no_shift_and_are_counted():
    clean, degraded = values(), values(seed=1)
    clean[:, 0, 0] = 0.3
    degraded[:, 1] = 0
    shift = shifts(CentralMoments.of(clean), CentralMoments.of(degraded))
    for value in shift.values():
        assert value.isnan().nonzero().tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [1, 3]]
    numbers = summary(CentralMoments.of(clean), CentralMoments.of(degraded))
    assert numbers["variables"] == 12
    assert numbers["constant"] == pytest.approx(5 / 12)
    assert (
        numbers["skewness_median"] == shift["skewness"][~shift["skewness"].isnan()].abs().median()
    )
    dead = summary(CentralMoments.of(torch.ones(9, 2)), CentralMoments.of(values(9, (2,))))
    assert dead == {"variables": 2, "constant": 1}  # a record holds no NaN


def test_a_batch_norm_of_its_own_undoes_mean_and_deviation_of_channels_only():
    clean, degraded = (
        CentralMoments.of(values(300, (3, 5, 5))),
        CentralMoments.of(values(300, (3, 5, 5), seed=1).pow(1.5) - 2),
    )
    after = renormalised(clean, degraded)
    torch.testing.assert_close(after.pooled().mean, clean.pooled().mean)
    torch.testing.assert_close(after.pooled().deviation, clean.pooled().deviation)
    before_shift, after_shift = shifts(clean, degraded), shifts(clean, after)
    # nothing is undone
    torch.testing.assert_close(after_shift["skewness"], before_shift["skewness"])
    torch.testing.assert_close(after_shift["kurtosis"], before_shift["kurtosis"])
    assert after_shift["mean"].abs().median() < 0.1 * before_shift["mean"].abs().median()
    assert after_shift["mean"].abs().median() > 0.01  # a neuron is not its channel
    numbers = summary(clean, degraded)
    assert numbers["mean_renormalised"] < 0.1 * numbers["mean_median"]
    numbers = summary(clean.pooled(), degraded.pooled())
    assert numbers["mean_renormalised"] == pytest.approx(0, abs=1e-12)
    assert numbers["deviation_renormalised"] == pytest.approx(0, abs=1e-12)
    assert numbers["skewness_median"] > 0.5


def test_the_summary_of_known_shifts():
    x = values(5000, (101,))
    offsets = torch.linspace(0, 10, 101)
    unit = x.std(0, correction=0)
    numbers = summary(CentralMoments.of(x), CentralMoments.of(x - offsets * unit))
    assert numbers["mean_median"] == pytest.approx(5)
    assert numbers["mean_p95"] == pytest.approx(9.5)
    assert numbers["deviation_median"] == pytest.approx(0, abs=1e-9)
    assert numbers["skewness_over_1"] == 0
    mirrored = x.clone()
    mirrored[:, :30] *= -1  # the skewness goes from 2 to -2
    numbers = summary(CentralMoments.of(x), CentralMoments.of(mirrored))
    assert numbers["skewness_over_1"] == pytest.approx(30 / 101)
    assert numbers["skewness_p95"] == pytest.approx(4, rel=0.3)


def test_thinned_values_keep_the_distribution():
    x = values(100_000, ())
    x[:100] = torch.nan
    kept = thinned(x)
    assert kept.shape == (KEPT,)
    assert kept.dtype == torch.float32
    assert (kept.diff() >= 0).all()
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        assert kept.quantile(share).item() == pytest.approx(
            x[100:].quantile(share).item(), rel=0.05, abs=1e-3
        )
    few = torch.tensor([3.0, torch.nan, -1.0, 2.0])
    assert thinned(few).tolist() == [-1, 2, 3]


# The method


def test_it_measures_clean_and_degraded_in_one_pass(make, run):
    method = make(run())
    network = method.network
    with torch.inference_mode():
        logits = torch.cat([network(batch.clean).logits for batch in batches()])
        network.head.bias -= logits.mean(0)  # so that predictions differ
        data = [batch._replace(labels=network(batch.clean).logits.argmax(1)) for batch in batches()]
        metrics = method.measure(iter(data))
        assert metrics["clean_top1"] == 100
        hits = torch.cat(
            [network(batch.degraded).logits.argmax(1) == batch.labels for batch in data]
        )
        assert metrics["top1"] == pytest.approx(100 * hits.double().mean().item())
        assert metrics["top1"] < 100
        first = network.body[0]
        sides = [
            torch.cat(
                [
                    (getattr(b, s) - network.mean.view(3, 1, 1)) / network.std.view(3, 1, 1)
                    for b in data
                ]
            )
            for s in ("clean", "degraded")
        ]
        expected = summary(*(CentralMoments.of(first(side)) for side in sides))
    for name, value in expected.items():
        assert metrics[f"conv1_1/{name}"] == pytest.approx(value, rel=1e-3), name
    assert {name.split("/")[0] for name in metrics if "/" in name} == set(LAYERS.split(","))
    assert metrics["conv1_1/mean_median"] > 0


def test_measuring_twice_does_not_add_up(make, run):
    method = make(run())
    with torch.inference_mode():
        first = method.measure(batches())
        assert method.measure(batches()) == first
    assert method.clean["conv1_1"].count == 24


def test_the_same_images_have_no_shift(make, run):
    method = make(run())
    with torch.inference_mode():
        metrics = method.measure(b._replace(degraded=b.clean) for b in batches())
    for layer in LAYERS.split(","):
        assert metrics[f"{layer}/skewness_p95"] == metrics[f"{layer}/mean_p95"] == 0


def test_samples_are_the_shifts(make, run):
    method = make(run())
    with torch.inference_mode():
        metrics = method.measure(batches())
        samples = method.samples(next(batches()))
    assert list(samples) == [
        f"{layer}/{name}" for layer in LAYERS.split(",") for name in ("skewness", "kurtosis")
    ]
    assert samples["conv1_1/skewness"].abs().median().item() == pytest.approx(
        metrics["conv1_1/skewness_median"], rel=0.01
    )
    largest = len(samples) * KEPT * 4
    assert sum(t.numel() * t.element_size() for t in samples.values()) <= largest < 200_000


def test_measures_in_float32_also_where_others_do_in_bfloat16(run):
    own = run()
    parents = {"init": build_network(own.uses["init"], TASK)}
    ready = prepare(own, load("synthdigits"), parents, Execution("cpu", "bf16"))
    assert ready.trainer.execution.precision == "fp32"


def test_networks_with_power_functions(make, run):
    init = Run(
        "fq",
        "synthdigits",
        "vgg16",
        width=0.0625,
        options={"kind": "sf", "beta": 1.0, "where": "3"},
    )
    method = make(run(init=init))
    with torch.inference_mode():
        method.measure(batches())
    assert type(method.network.body[3]).__name__ == "QuantizedConv2d"
    sums = 24 * method.clean["conv1_2"].mean
    torch.testing.assert_close(sums, sums.round())  # of multiples of 1 / beta


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 3}, "epochs=0, not 3"),
        ({"uses": {}}, "needs a parent 'init'"),
        ({"holdout": 8}, "no holdout"),
        ({"evaluate": ({"name": "none"},)}, "no evaluate"),
        ({"width": 0.125}, "init is a vgg16 of width 0.0625"),
        ({"options": {"layers": "conv9_9"}}, "unknown layer 'conv9_9'; choose from: conv1_1,"),
        ({"options": {"layer": "conv1_1"}}, "unknown option of method 'moments' 'layer'"),
    ],
)
def test_what_a_user_can_get_wrong(run, fields, message):
    wrong = run(**fields)
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        built(wrong, TASK)


def test_a_network_without_such_layers(make, run):
    init = Run("supervised", "synthdigits", "resnet18", width=0.0625)
    with pytest.raises(UserError, match="unknown layer 'conv1_1'; choose from: stem"):
        make(run(init=init))
    layers = "stage1.0.conv1,stage4.1.conv2"
    with torch.inference_mode():
        metrics = make(run(init=init, options={"layers": layers})).measure(batches())
    assert "stage4.1.conv2/skewness_median" in metrics


def test_from_a_trained_run_to_its_record(run, store):
    (record,) = sweep.Sweep(store, None, Execution("cpu", "fp32"), bar=False)([run()])
    trained = store.record(record.run.uses["init"])
    assert record.metrics["clean_top1"] > 0
    assert record.metrics["conv3_3/variables"] == 16 * 8 * 8
    assert len(record.history) == 0
    assert len(trained.history) == 1
    samples = store.samples(record.run)
    assert samples["conv5_3/kurtosis"].shape == (int(record.metrics["conv5_3/variables"]),)
    assert samples["conv1_1/skewness"].abs().median().item() == pytest.approx(
        record.metrics["conv1_1/skewness_median"], rel=0.01
    )
