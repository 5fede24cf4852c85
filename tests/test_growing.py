"""The files of a corrupted set on their way: after a kill or a full disk they go on behind what is
whole."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from helpers import COUNT, contents, said

from paperlib import corrupted_set, growing
from paperlib.datasets.corrupted import cifar_c
from paperlib.degrade import frost
from paperlib.errors import UserError


@pytest.mark.parametrize("call", range(1, 21))
def test_interrupted_anywhere_it_goes_on(make_set, corrupt_stub, call):
    names = ["fog", "snow"]
    whole = make_set("whole")
    whole.write(names, say=said)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, call
    made = make_set()
    with pytest.raises(KeyboardInterrupt):
        made.write(names, say=said)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    assert (made.folder / "fog.npy").exists() == (call > 10), (
        "a final name before the file was whole"
    )
    assert make_set().write(names, say=said) == names[(call > 10) :]
    assert corrupt_stub.calls == 20 - 2 * ((call - 1) // 2), (
        "finished severities are made again, or unfinished ones are not"
    )
    assert contents(made.folder) == contents(whole.folder)
    assert not list(made.folder.glob("*.part"))


def test_killed_while_it_works(make_set, corrupt_stub, tmp_path):
    """SIGKILL in another process, after two severities."""
    whole = make_set("whole")
    whole.write(["fog"], say=said)
    code = f"""
import sys, time, torch
sys.path.insert(0, {os.path.dirname(__file__)!r})
from pathlib import Path
from paperlib import corrupted_set
from paperlib.datasets import Split
from helpers import COUNT, CorruptStub
corrupted_set.COMMIT = {corrupted_set.COMMIT!r}  # also if a commit came between
stub = CorruptStub()
def slow(*arguments, **options):
    if stub.calls >= 5:
        print("working", flush=True)
        time.sleep(60)
    return stub(*arguments, **options)
corrupted_set.corrupt, corrupted_set.AT_ONCE["cpu"] = slow, 7
images = torch.randint(256, (COUNT, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
clean = Split(images, torch.arange(COUNT) % 10)
corrupted_set.CorruptedSet(Path({str(tmp_path)!r}) / "CIFAR-10-C", "cifar10", clean, "cifar-c").write(["fog"])
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "working" not in (line := process.stdout.readline()):
            assert line, "the process ended early"
        process.send_signal(signal.SIGKILL)
    folder = tmp_path / "CIFAR-10-C"
    assert not (folder / "fog.npy").exists()
    assert len(json.loads((folder / "manifest.json").read_text())["files"]["fog.npy"]["done"]) == 2
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 6
    assert contents(folder) == contents(whole.folder)


def test_killed_just_before_the_file_gets_its_name(make_set, corrupt_stub, monkeypatch):
    made = make_set()

    def replace(old, new):
        if str(old).endswith(".part"):
            raise KeyboardInterrupt
        os.rename(old, new)

    monkeypatch.setattr(corrupted_set.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        made.write(["fog"], say=said)
    monkeypatch.undo()
    assert not (made.folder / "fog.npy").exists()
    assert make_set().write(["fog"], say=said) == []
    assert cifar_c(made.folder, "fog").images.shape == (5 * COUNT, 3, 32, 32)


@pytest.mark.parametrize("damage", ["a byte", "short", "header"])
def test_a_damaged_part_is_used_as_far_as_it_is_right(make_set, corrupt_stub, damage):
    whole = make_set("whole")
    whole.write(["fog"], say=said)
    made = make_set()
    corrupt_stub.calls, corrupt_stub.fail_at = 0, 8  # in the fourth severity
    with pytest.raises(KeyboardInterrupt):
        made.write(["fog"], say=said)
    part = made.folder / ".fog.npy.part"
    data = bytearray(part.read_bytes())
    block = COUNT * 3 * 32 * 32
    if damage == "a byte":
        data[128 + block] ^= 1  # in the second severity
    elif damage == "short":
        del data[128 + 2 * block - 1 :]
    else:
        data[20] ^= 1
    part.write_bytes(data)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == (10 if damage == "header" else 8)
    assert contents(made.folder) == contents(whole.folder)


def test_a_file_that_another_commit_began_is_begun_again(make_set, corrupt_stub, monkeypatch):
    corrupt_stub.fail_at = 8
    with pytest.raises(KeyboardInterrupt):
        make_set().write(["fog"], say=said)
    monkeypatch.setattr(corrupted_set, "COMMIT", "another")
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 10


def test_frost_is_made_of_its_textures(make_set, corrupt_stub, tmp_path):
    """Another folder with the same photographs is the same frost; other photographs are another."""
    for folder, content in (("a", b"ice"), ("b", b"ice"), ("c", b"rime")):
        (tmp_path / folder).mkdir()
        for file in frost.FILES:
            (tmp_path / folder / file).write_bytes(content)
    corrupt_stub.fail_at = 8
    with pytest.raises(KeyboardInterrupt):
        make_set(textures=tmp_path / "a").write(["frost"], say=said)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, 3
    with pytest.raises(KeyboardInterrupt):
        make_set(textures=tmp_path / "b").write(["frost"], say=said)
    manifest = json.loads((tmp_path / "CIFAR-10-C" / "manifest.json").read_text())
    assert len(manifest["files"]["frost.npy"]["done"]) == 4, (
        "three with the first folder, one with the second"
    )
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    make_set(textures=tmp_path / "c").write(["frost"], say=said)
    assert corrupt_stub.calls == 10


@pytest.mark.parametrize("sync", [1, 3, 5])
def test_a_disk_that_fills_up(make_set, corrupt_stub, monkeypatch, sync):
    whole = make_set("whole")
    whole.write(["fog"], say=said)
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == sync:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = make_set()
    with monkeypatch.context() as patch:
        patch.setattr(growing.os, "fsync", full)
        patch.setattr(corrupted_set, "write_atomically", lambda path, data: path.write_bytes(data))
        with pytest.raises(UserError) as caught:
            made.write(["fog"], say=said)
    block = COUNT * 3 * 32 * 32
    left = (6 - sync) * block + corrupted_set.SLACK
    assert str(caught.value) == (
        f"{made.folder}: no space left, {left:,} more bytes are needed; the same command goes on from here"
    )
    assert not (made.folder / "fog.npy").exists()
    assert (made.folder / ".fog.npy.part").stat().st_size == 128 + (sync - 1) * block
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 2 * (6 - sync)
    assert contents(made.folder) == contents(whole.folder)


def test_a_write_that_takes_only_a_part(make_set, corrupt_stub):
    """A real limit shortly before the end of a severity: the system writes what fits, and then
    refuses."""
    made = make_set()
    block = COUNT * 3 * 32 * 32
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 + 3 * block - 100, hard))
    try:
        with pytest.raises(UserError, match="File too large"):
            made.write(["fog"], say=said)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (made.folder / ".fog.npy.part").stat().st_size == 128 + 2 * block
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 6


@pytest.mark.parametrize(("shape", "start"), [((60_000, 32, 32, 3), 128), ((5, 1, 2, 3), 128)])
def test_the_header_is_numpys(tmp_path, shape, start):
    header = growing.npy_header(shape)
    assert len(header) == start
    assert growing.file_size(shape) == start + int(np.prod(shape))
    if shape[0] < 100:
        np.save(tmp_path / "array.npy", np.zeros(shape, np.uint8))
        assert (tmp_path / "array.npy").read_bytes() == header + bytes(int(np.prod(shape)))
