"""Files of runs: whole or not there, and checked when they are read."""

import os

import pytest
import torch

from paperlib.runs import Record
from paperlib.store import CHECKPOINT, RECORD, SAMPLES, WEIGHTS


@pytest.fixture
def run(tiny):
    return tiny()


@pytest.fixture
def finished(store, run):
    """A finished run that nobody trained. Returns its record."""
    record = Record(run, {"top1": 50.0}, ({"loss": 1.0},), {})
    return store.finish(
        record, {"w": torch.arange(6.0)}, {"input": torch.zeros(1, 3, 2, 2, dtype=torch.uint8)}
    )


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how.startswith("flipped"):
        # in a text: no longer UTF-8
        content[len(content) // 2] ^= 128 if how == "flipped high" else 1
    path.write_bytes({"truncated": content[:-10], "empty": b""}.get(how, content))


DAMAGE = pytest.mark.parametrize("how", ["flipped", "flipped high", "truncated", "empty"])


def test_a_run_that_is_not_there(store, run):
    assert store.record(run) is None
    assert store.checkpoint(run) is None
    assert store.samples(run) == {}
    with pytest.raises(FileNotFoundError):
        store.weights(run)


def test_a_finished_run(store, run, finished):
    assert store.record(run) == finished
    assert set(finished.files) == {WEIGHTS, SAMPLES}
    assert torch.equal(store.weights(run)["w"], torch.arange(6.0))
    assert store.samples(run)["input"].dtype == torch.uint8


def test_equal_weights_make_equal_checksums(store, run):
    """A child of a run that was trained again knows by them whether its parent is the same."""
    weights = {"w": torch.arange(6.0), "λ": torch.arange(3), "b": torch.zeros(2, 2)}
    record = Record(run, {}, (), {})
    sums = {store.finish(record, weights, {}).files[WEIGHTS] for _ in range(12)}
    assert len(sums) == 1
    assert sums != {store.finish(record, {**weights, "b": torch.ones(2, 2)}, {}).files[WEIGHTS]}
    store.finish(record, weights, {})
    assert torch.equal(store.weights(run)["λ"], weights["λ"])


def test_a_record_without_its_files_is_not_finished_yet(store, run, monkeypatch):
    """Killed at any write: the record is the last, so a folder without one is not finished."""
    replace = os.replace

    def interrupted(old, new):
        if new.name == RECORD:
            raise KeyboardInterrupt
        replace(old, new)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.finish(Record(run, {}, (), {}), {"w": torch.zeros(1)}, {"x": torch.zeros(1)})
    assert {path.name for path in store.folder(run).iterdir()} == {WEIGHTS, SAMPLES}
    assert store.record(run) is None


@pytest.mark.parametrize("name", [RECORD, WEIGHTS, SAMPLES])
@DAMAGE
def test_a_damaged_run_is_set_aside_and_counts_as_missing(store, run, finished, name, how):
    damage(store.folder(run) / name, how)
    with pytest.warns(
        UserWarning, match=r"set aside as record\.json\.corrupt, the run is made again"
    ):
        assert store.record(run) is None
    assert (store.folder(run) / f"{RECORD}.corrupt").exists()
    assert store.record(run) is None
    again = store.finish(Record(run, {"top1": 50.0}, (), {}), {"w": torch.arange(6.0)}, {})
    assert store.record(run) == again


def test_a_run_whose_weights_are_gone_is_made_again(store, run, finished):
    (store.folder(run) / WEIGHTS).unlink()
    with pytest.warns(UserWarning, match=r"weights\.safetensors is missing"):
        assert store.record(run) is None


def test_a_record_of_another_run_is_refused(store, tiny, finished):
    other = tiny(seed=1)
    os.rename(store.folder(finished.run), store.folder(other))
    with pytest.warns(UserWarning, match="it belongs to another run"):
        assert store.record(other) is None


def test_a_checkpoint(store, run):
    store.save_checkpoint(run, {"a": torch.arange(3)}, epoch=1)
    store.save_checkpoint(run, {"a": torch.arange(4)}, epoch=2)
    tensors, values = store.checkpoint(run)
    assert torch.equal(tensors["a"], torch.arange(4))
    assert values == {"epoch": 2}


@DAMAGE
def test_a_damaged_checkpoint_is_set_aside(store, run, how):
    store.save_checkpoint(run, {"a": torch.arange(3)}, epoch=1)
    damage(store.folder(run) / CHECKPOINT, how)
    with pytest.warns(UserWarning, match=r"set aside as checkpoint\.safetensors\.corrupt"):
        assert store.checkpoint(run) is None
    assert store.checkpoint(run) is None


def test_a_finished_run_keeps_no_checkpoint(store, run):
    store.save_checkpoint(run, {"a": torch.arange(3)})
    store.finish(Record(run, {}, (), {}), {"w": torch.zeros(1)}, {})
    assert store.checkpoint(run) is None
