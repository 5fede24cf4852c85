"""Single files: whole or not there, checked when they are read, never unpickled, set aside."""

import hashlib
import os
import pickle

import pytest
import safetensors.torch
import torch

from paperlib.errors import Corrupt
from paperlib.files import pack, set_aside, sha256, unpack, write_atomically, write_tensors


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


def test_tensors_are_written_as_they_are_packed(tmp_path):
    strided = torch.arange(6.0).view(2, 3).T
    write_tensors(tmp_path / "file", {"b": strided}, epoch=1)
    tensors, values = unpack(tmp_path / "file")
    assert torch.equal(tensors["b"], strided)
    assert values == {"epoch": 1}
    content = (tmp_path / "file").read_bytes()
    assert len(content) == len(pack({"b": strided}, epoch=1))
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_the_checksum_is_that_of_the_committed_samples(tmp_path):
    """Samples beside records were written when each tensor was hashed as a file of its own."""
    tensors = {
        "images": torch.arange(12, dtype=torch.uint8).view(1, 3, 2, 2),
        "half": torch.tensor([1.5], dtype=torch.bfloat16),
        "one": torch.tensor(True),
        "none": torch.zeros(0, 3, dtype=torch.int64),
    }
    text = '{"epoch": 1}'
    sha = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(safetensors.torch.save({"": tensor}))
    metadata = {"values": text, "sha256": sha.hexdigest()}
    safetensors.torch.save_file(tensors, tmp_path / "file", metadata)
    assert unpack(tmp_path / "file")[1] == {"epoch": 1}


def test_a_damaged_file_is_set_aside_by_one_of_two_processes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"damaged")
    for _ in range(2):  # the second finds nothing any more
        with pytest.warns(
            UserWarning, match=r"file: no such.*; set aside as file\.corrupt, it is"
        ) as seen:
            set_aside(path, "no such checksum", "it")
        assert "\n" not in str(seen[0].message)
    assert [file.name for file in tmp_path.iterdir()] == ["file.corrupt"]
    assert (tmp_path / "file.corrupt").read_bytes() == b"damaged"
