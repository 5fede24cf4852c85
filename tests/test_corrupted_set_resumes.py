"""Corrupted sets after a kill or a full disk: the same call resumes behind what is whole."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
from helpers import COUNT, contents, said

from paperlib import corrupted_set
from paperlib.corrupted_set import SLACK
from paperlib.datasets.corrupted import cifar_c
from paperlib.degrade import frost
from paperlib.errors import UserError

HEADER, BLOCK = 128, COUNT * 3 * 32 * 32  # bytes of a file's header, and of one severity


@pytest.mark.parametrize("call", range(1, 11))
def test_interrupted_anywhere_it_resumes(make_set, corrupt_stub, call):
    names = ["fog", "snow"]
    whole = make_set("whole")
    whole.write(names, say=said)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, call
    made = make_set()
    with pytest.raises(KeyboardInterrupt):
        made.write(names, say=said)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    assert (made.folder / "fog.npy").exists() == (call > 5), (
        "a final name before the file was whole"
    )
    assert make_set().write(names, say=said) == names[(call > 5) :]
    assert corrupt_stub.calls == 11 - call, (
        "finished severities are made again, or unfinished ones are not"
    )
    assert contents(made.folder) == contents(whole.folder)
    assert not list(made.folder.glob("*.part"))


@pytest.mark.parametrize("call", [1, 3])
def test_killed_while_it_works(make_set, corrupt_stub, tmp_path, call):
    """SIGKILL in another process, which is at work on this severity."""
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
    if stub.calls == {call - 1}:
        print("working", flush=True)
        time.sleep(60)
    return stub(*arguments, **options)
corrupted_set.corrupt = slow
generator = torch.Generator().manual_seed(0)
images = torch.randint(256, (COUNT, 3, 32, 32), generator=generator, dtype=torch.uint8)
clean = Split(images, torch.arange(COUNT) % 10)
folder = Path({str(tmp_path)!r}) / "CIFAR-10-C"
corrupted_set.CorruptedSet(folder, "cifar10", clean, "cifar-c").write(["fog"])
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
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 6 - call
    assert contents(folder) == contents(whole.folder)


def test_killed_just_before_the_file_gets_its_name(make_set, corrupt_stub, monkeypatch):
    made = make_set()
    replace = os.replace

    def killed(old, new):
        if str(old).endswith(".part"):
            raise KeyboardInterrupt
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            made.write(["fog"], say=said)
    assert not (made.folder / "fog.npy").exists()
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 0
    assert cifar_c(made.folder, "fog").images.shape == (5 * COUNT, 3, 32, 32)
    assert make_set().write(["fog"], say=said) == []


@pytest.mark.parametrize(("damage", "right"), [("a byte", 1), ("short", 1), ("header", 3)])
def test_a_damaged_part_is_used_as_far_as_it_is_right(make_set, corrupt_stub, damage, right):
    whole = make_set("whole")
    whole.write(["fog"], say=said)
    made = make_set()
    corrupt_stub.calls, corrupt_stub.fail_at = 0, 4
    with pytest.raises(KeyboardInterrupt):
        made.write(["fog"], say=said)
    (part,) = made.folder.glob(".*.part")
    data = bytearray(part.read_bytes())
    if damage == "a byte":
        data[HEADER + BLOCK] ^= 1  # in the second severity
    elif damage == "short":
        del data[HEADER + 2 * BLOCK - 1 :]
    else:
        data[20] ^= 1
    part.write_bytes(data)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 5 - right
    assert contents(made.folder) == contents(whole.folder)


def test_a_part_that_is_gone_is_made_again(make_set, corrupt_stub):
    corrupt_stub.fail_at = 4
    made = make_set()
    with pytest.raises(KeyboardInterrupt):
        made.write(["fog"], say=said)
    (part,) = made.folder.glob(".*.part")
    part.unlink()
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    assert make_set().write(["fog"], say=said) == ["fog"]
    assert corrupt_stub.calls == 5


def test_a_file_that_another_commit_began_is_begun_again(make_set, corrupt_stub, monkeypatch):
    corrupt_stub.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        make_set().write(["fog"], say=said)
    monkeypatch.setattr(corrupted_set, "COMMIT", "another")
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 5


def test_frost_is_made_of_its_textures(make_set, corrupt_stub, tmp_path):
    """Another folder with the same photographs is the same frost; other photographs are another."""
    for folder, content in (("a", b"ice"), ("b", b"ice"), ("c", b"rime")):
        (tmp_path / folder).mkdir()
        for file in frost.FILES:
            (tmp_path / folder / file).write_bytes(content)
    corrupt_stub.fail_at = 4
    with pytest.raises(KeyboardInterrupt):
        make_set(textures=tmp_path / "a").write(["frost"], say=said)
    corrupt_stub.calls, corrupt_stub.fail_at = 0, 2
    with pytest.raises(KeyboardInterrupt):
        make_set(textures=tmp_path / "b").write(["frost"], say=said)
    manifest = json.loads((tmp_path / "CIFAR-10-C" / "manifest.json").read_text())
    assert len(manifest["files"]["frost.npy"]["done"]) == 4, (
        "three with the first folder, one with the second"
    )
    corrupt_stub.calls, corrupt_stub.fail_at = 0, None
    make_set(textures=tmp_path / "c").write(["frost"], say=said)
    assert corrupt_stub.calls == 5


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_a_disk_that_fills_up(make_set, corrupt_stub, monkeypatch, severity):
    whole = make_set("whole")
    whole.write(["fog"], say=said)
    sizes, fsync = [], os.fsync

    def full(handle):
        if (size := os.fstat(handle).st_size) > BLOCK:  # not one of the small files
            sizes.append(size)
            if len(sizes) == severity:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    made = make_set()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError) as caught:
            made.write(["fog"], say=said)
    left = (6 - severity) * BLOCK + SLACK
    assert str(caught.value) == (
        f"{made.folder}: no space left, {left:,} more bytes are needed; "
        "the same command resumes from here"
    )
    assert not (made.folder / "fog.npy").exists()
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 6 - severity
    assert contents(made.folder) == contents(whole.folder)


def test_a_write_that_takes_only_a_part(make_set, corrupt_stub):
    """A real limit before the end of a severity: the system writes what fits, and then refuses."""
    made = make_set()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER + 3 * BLOCK - 100, hard))
    try:
        with pytest.raises(UserError, match="File too large"):
            made.write(["fog"], say=said)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (part,) = made.folder.glob(".*.part")
    assert part.stat().st_size == HEADER + 2 * BLOCK, "half a block takes room from others"
    corrupt_stub.calls = 0
    make_set().write(["fog"], say=said)
    assert corrupt_stub.calls == 3
