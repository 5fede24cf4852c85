"""Files of runs: whole or not there, checked when read, never unpickled."""

import os
import pickle

import pytest
import safetensors.torch
import torch

from paperlib.runs import Corrupt, Record
from paperlib.store import CHECKPOINT, RECORD, SAMPLES, WEIGHTS, pack, unpack, write_atomically


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


# Single files


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, step):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    path = tmp_path / "folder" / "file"
    write_atomically(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_tensors_and_values_come_back_as_they_went(tmp_path):
    tensors = {
        "float": torch.tensor([1 / 3, float("nan"), -0.0]),
        "half": torch.tensor([1 / 3], dtype=torch.bfloat16),
        "bytes": torch.arange(256, dtype=torch.uint8).view(2, 128),
        "whole": torch.tensor([2**62 + 1]),
        "single": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "strided": torch.arange(6.0).view(2, 3).T,
    }
    values = {"epoch": 3, "history": [{"loss": 1 / 3}], "name": "λ"}
    (tmp_path / "file").write_bytes(pack(tensors, **values))
    again, same = unpack(tmp_path / "file")
    assert same == values
    assert {name: (t.dtype, t.shape) for name, t in again.items()} == {
        name: (t.dtype, t.shape) for name, t in tensors.items()
    }
    for name, tensor in tensors.items():
        bits = [
            t.contiguous().flatten().view(torch.uint8) if t.numel() else t
            for t in (again[name], tensor)
        ]
        assert torch.equal(*bits), name


def test_every_flipped_bit_and_every_truncation_is_noticed(tmp_path):
    path, data = tmp_path / "file", pack({"a": torch.arange(4.0), "b": torch.tensor(3)}, epoch=1)
    for i in range(len(data)):
        for content in (data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :], data[:i]):
            path.write_bytes(content)
            with pytest.raises(Corrupt):
                unpack(path)


def test_tensors_without_a_checksum_are_refused(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "file")
    with pytest.raises(Corrupt):
        unpack(tmp_path / "file")


class _Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["BOMB"],)


@pytest.mark.parametrize("save", [pickle.dump, lambda bomb, file: torch.save({"w": bomb}, file)])
def test_nothing_is_unpickled(tmp_path, monkeypatch, save):
    monkeypatch.setenv("BOMB", str(tmp_path / "went off"))
    with (tmp_path / "file").open("wb") as file:
        save(_Bomb(), file)
    with pytest.raises(Corrupt):
        unpack(tmp_path / "file")
    assert not (tmp_path / "went off").exists()


# Runs


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


def test_a_record_without_its_files_is_not_finished_yet(store, run, monkeypatch):
    """Killed at any write: the record is the last, so a folder without one is simply not
    finished."""
    writes = []

    def write(path, data):
        if path.name == RECORD:
            raise KeyboardInterrupt
        writes.append(path.name)

    monkeypatch.setattr("paperlib.store.write_atomically", write)
    with pytest.raises(KeyboardInterrupt):
        store.finish(Record(run, {}, (), {}), {"w": torch.zeros(1)}, {"x": torch.zeros(1)})
    assert writes == [WEIGHTS, SAMPLES]
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
