"""Drift vectors: their statistics on constructed cases, and the measurement on a network."""

import math

import pytest
import torch
from helpers import built

from paperlib import sweep
from paperlib.degrade import ImageKey
from paperlib.degrade.levels import to_float, to_levels
from paperlib.errors import UserError
from paperlib.methods import Batch, Task
from paperlib.papers.ddp.drift_statistics import (
    Vectors,
    arrows,
    concentration,
    explained,
    kmeans,
    nearest,
    shuffled,
    summary,
)

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
CONTRAST = {"name": "corruption", "corruption": "contrast", "severity": 3, "table": "cifar-c"}


@pytest.fixture
def run(tiny):
    """Makes runs of drift, with a network to look at; any field may be changed."""

    def make(**fields):
        options = {"control": "gaussian_noise,fog,brightness", **fields.pop("options", {})}
        own = {
            "uses": {"network": tiny(width=0.125, epochs=1)},
            "width": 0.125,
            "degrade": CONTRAST,
            "epochs": 0,
        }
        return tiny(**{"method": "drift", "options": options, **own, **fields})

    return make


@pytest.fixture
def make(run):
    """Makes the method of a run, with a random network in eval mode."""

    return lambda **fields: built(run(**fields), TASK)


def batches(change, count=3, size=8):
    draw = torch.Generator().manual_seed(0)
    for _ in range(count):
        clean = torch.rand(size, 3, 32, 32, generator=draw)
        yield Batch(clean, change(clean), torch.zeros(size, dtype=torch.int64))


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gathered(drift, control, centres=4, spread=0.05):
    """Four far clusters of clean patches in 8 dimensions; 100 images of 4 patches."""
    group = torch.arange(400) % centres
    clean = 10 * torch.eye(centres, 8)[group] + spread * noise(400, 8)
    drift, control = (field(group, clean) for field in (drift, control))
    return group, Vectors(clean, drift, control, torch.arange(400) // 4)


# Statistics


def test_kmeans_finds_clusters():
    group, vectors = gathered(lambda g, c: c, lambda g, c: c)
    found = nearest(vectors.clean, kmeans(vectors.clean, 4, seed=1))
    assert all(len(found[group == i].unique()) == 1 for i in range(4))
    assert len(found.unique()) == 4
    assert torch.equal(kmeans(vectors.clean, 4, seed=1), kmeans(vectors.clean, 4, seed=1))
    assert kmeans(torch.ones(5, 2), 4, seed=0).tolist() == [[1.0, 1.0]]


def test_concentration_by_hand():
    fan = torch.tensor(
        [[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 0.0]]
    )
    out = concentration(fan, torch.tensor([0, 0, 0, 0, 1, 1, 2]))
    assert out == pytest.approx((3 * (0 - 1 + 0) / 3 + 2 * 1) / 5, abs=1e-6)


def test_directions_without_order_have_no_concentration():
    out = concentration(noise(4000, 16), torch.arange(4000) % 8)
    assert abs(out) < 0.002


def test_explained_by_hand():
    drift = torch.tensor([[3.0, 4.0], [0.0, 5.0]])
    prediction = torch.tensor([[3.0, 0.0], [0.0, 10.0]])
    assert explained(drift, prediction) == pytest.approx(1 - (16 + 25) / 50)


def test_wrong_pairs_keep_the_margins_of_their_groups():
    group, vectors = gathered(lambda g, c: noise(400, 8, seed=2), lambda g, c: c)
    wrong = shuffled(vectors, group, seed=0)
    for i in range(4):
        torch.testing.assert_close(
            wrong[group == i].mean(0), vectors.drift[group == i].mean(0), atol=1e-5, rtol=0
        )
        partner = torch.cdist(
            wrong[group == i] + vectors.clean[group == i], vectors.clean + vectors.drift
        ).argmin(1)
        assert (group[partner] == i).all()
        assert len(partner.unique()) == 100
        assert (partner == torch.nonzero(group == i)[:, 0]).float().mean() < 0.1


def test_one_margin_a_cluster_is_found_and_the_controls_are_not():
    own = lambda g, c: torch.eye(4, 8).roll(4, 1)[g] + 0.01 * noise(400, 8, seed=3)  # noqa: E731
    other = lambda g, c: -torch.eye(4, 8).roll(4, 1)[(g + 1) % 4] * 2  # noqa: E731
    _, vectors = gathered(own, other)
    out, groups = summary(vectors, seed=0, clusters=4)
    assert out["explained_clusters"] > 0.99
    assert out["cosine_clusters"] > 0.99
    # one direction in four is the same
    assert out["cosine_overall"] == pytest.approx(0.25, abs=0.02)
    assert out["explained_overall"] == pytest.approx(0.25, abs=0.02)
    # at right angles, twice as long
    assert out["explained_clusters_mismatched"] == pytest.approx(1 - 5, abs=0.1)
    assert out["size"] == pytest.approx(0.1, rel=0.05)
    assert len(groups.unique()) == 4


def test_without_a_margin_nothing_is_explained():
    _, vectors = gathered(lambda g, c: noise(400, 8, seed=4), lambda g, c: noise(400, 8, seed=5))
    out, _ = summary(vectors, seed=0, clusters=4)
    for name in (
        "explained_clusters",
        "explained_overall",
        "cosine_clusters",
        "explained_clusters_mismatched",
    ):
        assert abs(out[name]) < 0.05, name
    # learned on other images: chance explains less than nothing
    assert out["explained_clusters"] < 0


def test_wrong_pairs_lose_what_correspondence_gives():
    """Degraded = clean + margin, with patches of a cluster wide apart."""
    _, vectors = gathered(lambda g, c: torch.ones(400, 8), lambda g, c: c, spread=1.0)
    out, _ = summary(vectors, seed=0, clusters=4)
    assert out["explained_clusters"] == pytest.approx(1)
    # 1 of 1 + 2 * spread^2
    assert out["explained_clusters_shuffled"] == pytest.approx(1 / 3, abs=0.05)


def test_arrows_lie_in_the_plane_of_the_drifts():
    flat = torch.zeros(8)
    flat[2:4] = 1
    group, vectors = gathered(
        lambda g, c: noise(400, 8) * flat, lambda g, c: 0.01 * noise(400, 8, seed=1) * flat
    )
    out = arrows(vectors, group)
    assert out["start"].shape == out["drift"].shape == out["control"].shape == (4 * 24, 2)
    assert out["plane"].tolist() == pytest.approx([1, 1])
    assert out["cluster"].bincount().tolist() == [24] * 4
    lengths = {round(x, 4) for x in vectors.drift.norm(dim=1).tolist()}
    assert {round(x, 4) for x in out["drift"].norm(dim=1).tolist()} <= lengths


# The method


def test_the_positions_do_not_depend_on_the_batches(make):
    method = make()
    (batch,) = batches(lambda x: 0.5 * x, 1)
    whole = method.vectors(batch, torch.arange(8))
    half = method.vectors(
        Batch(batch.clean[3:5], batch.degraded[3:5], batch.labels[3:5]), torch.arange(3, 5)
    )
    rows = slice(3 * 16, 5 * 16)
    for name, part, all_of_it in zip(Vectors._fields, half, whole, strict=True):
        torch.testing.assert_close(part, all_of_it[rows], msg=name)
    assert whole.clean.shape == (128, 8)


def test_features_at_the_same_positions_are_compared(make):
    method = make(options={"control": "contrast", "control_severity": "3"})
    (batch,) = batches(lambda x: x, 1)
    key = ImageKey(torch.arange(8), ("drift control",))
    degraded = to_float(method.control(to_levels(batch.clean), key))
    vectors = method.vectors(batch._replace(degraded=degraded), torch.arange(8))
    torch.testing.assert_close(vectors.drift, vectors.control)
    assert vectors.drift.abs().mean() > 0.01
    maps = method.parts.maps(method.parts.normalised(batch.clean))
    columns = {tuple(column) for column in maps[5].flatten(1).T.tolist()}
    assert {tuple(row) for row in vectors.clean[vectors.image == 5].tolist()} <= columns


def test_measured_in_float32_inside_autocast(make):
    method = make()
    plain = method.measure(batches(lambda x: 0.5 * x))
    with torch.autocast("cpu", torch.bfloat16):
        assert method.measure(batches(lambda x: 0.5 * x)) == plain


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 2}, "drift trains nothing"),
        ({"holdout": 8}, "no holdout"),
        ({"uses": {}}, "drift needs a trained classifier"),
        ({"options": {"control": "mist"}}, "unknown corruption 'mist'"),
    ],
)
def test_what_a_user_can_get_wrong(make, fields, message):
    with pytest.raises(UserError, match=message):
        make(**fields)


def test_what_cannot_be_measured(make):
    with pytest.raises(UserError, match="under this one they stay as they are"):
        make().measure(batches(lambda x: x))
    with pytest.raises(UserError, match="must keep the image's size"):
        make().measure(batches(lambda x: x[:, :, ::2, ::2]))
    with pytest.raises(UserError, match="test_size >= 2"):
        make().measure(batches(lambda x: 0.5 * x, 1, 1))


@pytest.mark.slow
def test_a_run_and_its_record(run, cpu, store):
    noisy = {**CONTRAST, "corruption": "gaussian_noise"}
    (record,) = sweep.Sweep(store, None, cpu, bar=False)([run(evaluate=(noisy,))])
    metrics = record.metrics
    names = {name for name in metrics if "@" not in name}
    assert metrics.keys() == names | {f"{name}@gaussian_noise-3" for name in names}
    assert metrics["explained_clusters"] > metrics["explained_clusters@gaussian_noise-3"]
    assert metrics["cosine_clusters"] > metrics["cosine_clusters_control"]
    assert all(map(math.isfinite, metrics.values()))
    kept = store.samples(record.run)
    assert set(kept) == {"start", "drift", "control", "cluster", "plane"}
    assert store.weights(record.run) == {}
