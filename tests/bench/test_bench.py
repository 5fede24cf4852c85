"""The benchmark's parts on a network that takes no time; its numbers are measured, not tested."""

import itertools
import json

import pytest
import torch

from paperlib import degrade
from paperlib.bench import corruption as bench_corruption
from paperlib.bench import race as bench
from paperlib.execution import Execution
from paperlib.papers.dfd import bench as step
from paperlib.papers.fq import bench as bench_quantization

TINY = Execution("cpu", "fp32")


@pytest.fixture
def run():
    return step.student(16, width=0.0625)


@pytest.mark.slow
def test_both_contestants_train_batches_of_the_same_size(run):
    trainer = bench.ours(run, TINY)
    before = [p.clone() for p in trainer.parameters]
    assert list(itertools.islice(bench.our_steps(trainer), 2)) == [16, 16]
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True))
    assert next(step.usual_steps(run, "cpu")) == 16


def test_contestants_take_turns():
    turns = []

    def steps(name):
        while True:
            turns.append(name)
            yield 10

    speeds = bench.race({"a": steps("a"), "b": steps("b")}, "cpu", rounds=2, seconds=0.001)
    assert [name for name, _ in itertools.groupby(turns)] == ["a", "b", "a", "b", "a", "b"]
    assert all(len(values) == 2 and min(values) > 0 for values in speeds.values())


@pytest.mark.slow
def test_the_share_outside_counts_what_is_not_network_or_optimizer(run):
    trainer = bench.ours(run, TINY)
    backward = torch.Tensor.backward
    quick = bench.share_outside(trainer, 3, "cpu")
    degradation = trainer.degradations[0]
    trainer.degradations[0] = lambda images, which: [
        degradation(images, which) for _ in range(500)
    ].pop()
    assert 0 < quick < bench.share_outside(trainer, 3, "cpu") < 1
    assert torch.Tensor.backward is backward, "measuring leaves nothing behind"


def test_committed_records_have_provenance():
    paths = list(bench.FOLDER.glob("*.json"))
    assert paths
    for path in paths:
        record = json.loads(path.read_text())
        assert {"device", "torch", "commit", "date"} <= set(record["provenance"])
        if path.stem.startswith("dfd-step"):
            assert all(
                len(r["ours_images_per_second"]) == len(r["usual_images_per_second"])
                for r in record["results"]
            )


def test_a_whole_corrupted_set_is_counted_and_timed(monkeypatch, tmp_path):
    monkeypatch.setenv("FROST_TEXTURES", str(tmp_path))
    result = bench_corruption.whole_set("cpu", 2, 1)
    assert result["images"] == 2 * 19 * 5
    assert len(result["seconds"]) == 1
    assert result["images_per_second"] > 0
    assert "procedural_frost" in result["corruptions"], (
        "what stands in for frost bears its own name"
    )
    assert "frost" not in result["corruptions"]


def test_a_timed_degradation_gives_what_the_degradation_gives():
    timed = bench_corruption.Timed(degrade.build({"name": "lowres"}), "cpu")
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(timed(images), timed.degradation(images))
    assert timed.seconds > 0
    assert not timed.fixed


@pytest.mark.slow
def test_non_linearities_race_against_the_plain_network():
    result = bench_quantization.contest(TINY, 8, 1, 0.001, width=0.0625)
    speeds = {name: values[0] for name, values in result["images_per_second"].items()}
    assert list(speeds) == ["plain", "sf-10", "pow-1", "hpow", "sf-pow-10"]
    for name, ratio in result["ratio"].items():
        assert ratio == pytest.approx(speeds[name] / speeds["plain"], rel=0.02)
