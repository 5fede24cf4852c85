"""Writing corrupted sets: the layout, and what is left after kills, full disks, changed files and other recipes."""

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from filelock import FileLock

from paperlib import corrupted_set, corrupting, growing
from paperlib.corrupted_set import CorruptedSet
from paperlib.datasets import Split
from paperlib.datasets.corrupted import cifar_c
from paperlib.degrade import frost
from paperlib.degrade.corruptions import corrupt
from paperlib.errors import UserError

COUNT = 12


@pytest.fixture
def clean():
    images = torch.randint(256, (COUNT, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Split(images, torch.arange(COUNT) % 10)


@pytest.fixture
def make(clean, tmp_path):
    """Makes a `CorruptedSet` of the tiny test images; any argument may be changed."""

    def make(folder="CIFAR-10-C", **changes):
        arguments = {"dataset": "cifar10", "clean": clean, "table": "cifar-c", **changes}
        return CorruptedSet(tmp_path / folder, **arguments)

    return make


class Stub:
    """Stands for `corrupt`: quick, as deterministic, counts its calls, and fails at the one that is asked for."""

    def __init__(self):
        self.calls, self.fail_at, self.error = 0, None, KeyboardInterrupt

    def __call__(self, images, name, severity, *, table, seed, index, textures):
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error()
        number = torch.arange(index, index + len(images)).view(-1, 1, 1, 1)
        shift = int.from_bytes(hashlib.sha256(f"{name} {severity} {table} {seed}".encode()).digest()[:2], "big")
        return ((images.int() + shift + number) % 256).to(torch.uint8)


@pytest.fixture
def stub(monkeypatch):
    """Two calls a severity: batches of 7 and 5 images."""
    stub = Stub()
    monkeypatch.setattr(corrupted_set, "corrupt", stub)
    monkeypatch.setitem(corrupted_set.AT_ONCE, "cpu", 7)
    return stub


def contents(folder):
    """The files that others see."""
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def said(line):
    assert "bytes needed" in line


def test_the_published_layout(make, clean, monkeypatch):
    """Read as its readers do: five blocks of all images, channels last, and the labels five times over."""
    monkeypatch.setitem(corrupted_set.AT_ONCE, "cpu", 5)
    names = ["gaussian_noise", "contrast"]
    made = make(seed=3)
    assert made.write(names, say=said) == names
    labels = np.load(made.folder / "labels.npy", allow_pickle=False)
    assert (labels.dtype, labels.shape) == (np.uint8, (5 * COUNT,))
    assert labels.tolist() == clean.labels.tolist() * 5
    for name in names:
        images = np.load(made.folder / f"{name}.npy", allow_pickle=False)
        assert (images.dtype, images.shape) == (np.uint8, (5 * COUNT, 32, 32, 3))
        assert images.flags.c_contiguous
        for severity in (1, 2, 3, 4, 5):
            block = images[(severity - 1) * COUNT : severity * COUNT]
            expected = corrupt(clean.images, name, severity, table="cifar-c", seed=3)
            assert np.array_equal(block.transpose(0, 3, 1, 2), expected.numpy())
    assert sorted(contents(made.folder)) == ["contrast.npy", "gaussian_noise.npy", "labels.npy"]


def test_the_manifest_says_what_the_set_is(make, stub):
    made = make(seed=5)
    made.write(["fog"], say=said)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    made_of = manifest["set"]
    assert (made_of["dataset"], made_of["table"], made_of["seed"]) == ("cifar10", "cifar-c", 5)
    assert made_of["severities"] == [1, 2, 3, 4, 5]
    for name, content in contents(made.folder).items():
        assert manifest["files"][name]["sha256"] == hashlib.sha256(content).hexdigest()
    assert {"paperlib", "commit", "torch", "device"} <= set(manifest["files"]["fog.npy"]["made"])


@pytest.mark.parametrize("call", range(1, 21))
def test_interrupted_anywhere_it_goes_on(make, stub, call):
    names = ["fog", "snow"]
    whole = make("whole")
    whole.write(names, say=said)
    stub.calls, stub.fail_at = 0, call
    made = make()
    with pytest.raises(KeyboardInterrupt):
        made.write(names, say=said)
    stub.calls, stub.fail_at = 0, None
    assert (made.folder / "fog.npy").exists() == (call > 10), "a final name before the file was whole"
    assert make().write(names, say=said) == names[(call > 10) :]
    assert stub.calls == 20 - 2 * ((call - 1) // 2), "finished severities are made again, or unfinished ones are not"
    assert contents(made.folder) == contents(whole.folder)
    assert not list(made.folder.glob("*.part"))


def test_killed_while_it_works(make, stub, tmp_path):
    """SIGKILL in another process, after two severities."""
    whole = make("whole")
    whole.write(["fog"], say=said)
    code = f"""
import sys, time, torch
sys.path.insert(0, {os.path.dirname(__file__)!r})
from pathlib import Path
from paperlib import corrupted_set
from paperlib.datasets import Split
from test_corrupting import COUNT, Stub
stub = Stub()
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
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "working" not in (line := process.stdout.readline()):
            assert line, "the process ended early"
        process.send_signal(signal.SIGKILL)
    folder = tmp_path / "CIFAR-10-C"
    assert not (folder / "fog.npy").exists()
    assert len(json.loads((folder / "manifest.json").read_text())["files"]["fog.npy"]["done"]) == 2
    stub.calls = 0
    make().write(["fog"], say=said)
    assert stub.calls == 6
    assert contents(folder) == contents(whole.folder)


def test_killed_just_before_the_file_gets_its_name(make, stub, monkeypatch):
    made = make()

    def replace(old, new):
        if str(old).endswith(".part"):
            raise KeyboardInterrupt
        os.rename(old, new)

    monkeypatch.setattr(corrupted_set.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        made.write(["fog"], say=said)
    monkeypatch.undo()
    assert not (made.folder / "fog.npy").exists()
    assert make().write(["fog"], say=said) == []
    assert cifar_c(made.folder, "fog").images.shape == (5 * COUNT, 3, 32, 32)


def test_a_finished_set_is_verified_and_not_made_again(make, stub):
    made = make()
    made.write(["fog"], say=said)
    before = {path: path.stat().st_mtime_ns for path in made.folder.iterdir() if path.name != ".lock"}
    stub.calls = 0
    lines = []
    assert make().write(["fog"], say=lines.append) == []
    assert stub.calls == 0
    assert lines[0].startswith("0 bytes needed, ")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert make().write(["snow", "fog"], say=said) == ["snow"]
    assert stub.calls == 10


def test_a_changed_file_is_set_aside_and_made_again(make, stub):
    made = make()
    made.write(["fog"], say=said)
    good = contents(made.folder)
    for name in ("fog.npy", "labels.npy"):
        damaged = bytearray(good[name])
        damaged[-1] ^= 1
        (made.folder / name).write_bytes(damaged)
    with pytest.warns(UserWarning, match=r"fog\.npy does not match its checksum; set aside as fog\.npy\.corrupt"):
        assert make().write(["fog"], say=said) == ["fog"]
    assert contents(made.folder) == good
    (made.folder / "fog.npy").unlink()
    assert make().write(["fog"], say=said) == ["fog"]
    assert contents(made.folder) == good


@pytest.mark.parametrize("damage", ["a byte", "short", "header"])
def test_a_damaged_part_is_used_as_far_as_it_is_right(make, stub, damage):
    whole = make("whole")
    whole.write(["fog"], say=said)
    made = make()
    stub.calls, stub.fail_at = 0, 8  # in the fourth severity
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
    stub.calls, stub.fail_at = 0, None
    make().write(["fog"], say=said)
    assert stub.calls == (10 if damage == "header" else 8)
    assert contents(made.folder) == contents(whole.folder)


def test_a_file_that_another_commit_began_is_begun_again(make, stub, monkeypatch):
    stub.fail_at = 8
    with pytest.raises(KeyboardInterrupt):
        make().write(["fog"], say=said)
    monkeypatch.setattr(corrupted_set, "COMMIT", "another")
    stub.calls, stub.fail_at = 0, None
    make().write(["fog"], say=said)
    assert stub.calls == 10


def test_frost_is_made_of_its_textures(make, stub, tmp_path):
    """Another folder with the same photographs is the same frost; other photographs are another."""
    for folder, content in (("a", b"ice"), ("b", b"ice"), ("c", b"rime")):
        (tmp_path / folder).mkdir()
        for file in frost.FILES:
            (tmp_path / folder / file).write_bytes(content)
    stub.fail_at = 8
    with pytest.raises(KeyboardInterrupt):
        make(textures=tmp_path / "a").write(["frost"], say=said)
    stub.calls, stub.fail_at = 0, 3
    with pytest.raises(KeyboardInterrupt):
        make(textures=tmp_path / "b").write(["frost"], say=said)
    manifest = json.loads((tmp_path / "CIFAR-10-C" / "manifest.json").read_text())
    assert len(manifest["files"]["frost.npy"]["done"]) == 4, "three with the first folder, one with the second"
    stub.calls, stub.fail_at = 0, None
    make(textures=tmp_path / "c").write(["frost"], say=said)
    assert stub.calls == 10


def test_another_recipe_in_the_same_folder_is_refused(make, stub, clean):
    made = make()
    made.write(["fog"], say=said)
    before = contents(made.folder)
    others = {
        "table cifar-c": {"table": "imagenet-c"},
        "seed 0": {"seed": 1},
        r"severities \[1, 2, 3, 4, 5\]": {"severities": (1, 2)},
        "clean_sha256": {"clean": Split(clean.images.flip(0), clean.labels)},
        "dataset cifar10": {"dataset": "svhn"},
    }
    for there, changes in others.items():
        with pytest.raises(UserError, match=f"CIFAR-10-C holds another set, with .*{there}"):
            make(**changes).write(["snow"], say=said)
    assert contents(made.folder) == before


@pytest.mark.parametrize("name", ["fog.npy", "labels.npy"])
def test_files_of_others_are_never_overwritten(make, stub, name):
    made = make()
    made.folder.mkdir()
    (made.folder / name).write_bytes(b"the official file")
    with pytest.raises(UserError, match=f"{name} is there and no manifest says what it is; choose another folder"):
        made.write(["fog"], say=said)
    assert [path.name for path in made.folder.iterdir()] == [name]


def test_a_foreign_manifest(make, stub):
    made = make()
    made.folder.mkdir()
    (made.folder / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match=r"manifest\.json is not a manifest that paperlib wrote"):
        made.write(["fog"], say=said)


def test_too_little_space_is_said_before_the_work(make, stub, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(corrupted_set.shutil, "disk_usage", lambda path: usage)
    made = make()
    needed = 2 * (128 + 5 * COUNT * 3 * 32 * 32) + corrupted_set.SLACK
    lines = []
    with pytest.raises(UserError, match=f"{needed:,} bytes are needed and 1,000 are free"):
        made.write(["fog", "snow"], say=lines.append)
    assert lines == [f"{needed:,} bytes needed, 1,000 free"]
    assert stub.calls == 0
    assert not made.folder.exists()


@pytest.mark.parametrize("sync", [1, 3, 5])
def test_a_disk_that_fills_up(make, stub, monkeypatch, sync):
    whole = make("whole")
    whole.write(["fog"], say=said)
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == sync:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = make()
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
    stub.calls = 0
    make().write(["fog"], say=said)
    assert stub.calls == 2 * (6 - sync)
    assert contents(made.folder) == contents(whole.folder)


def test_a_write_that_takes_only_a_part(make, stub):
    """A real limit shortly before the end of a severity: the system writes what fits, and then refuses."""
    made = make()
    block = COUNT * 3 * 32 * 32
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 + 3 * block - 100, hard))
    try:
        with pytest.raises(UserError, match="File too large"):
            made.write(["fog"], say=said)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (made.folder / ".fog.npy.part").stat().st_size == 128 + 2 * block
    stub.calls = 0
    make().write(["fog"], say=said)
    assert stub.calls == 6


def test_a_folder_that_cannot_be_made(make, stub, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file.*: (Not a directory|File exists)"):
        make("file/CIFAR-10-C").write(["fog"], say=said)


def test_two_at_once(make, stub, capsys):
    """The second waits for the first, and says so."""
    made = make()
    made.folder.mkdir()
    lock = FileLock(made.folder / ".lock")
    lock.acquire()
    thread = threading.Thread(target=made.write, args=(["fog"],), kwargs={"say": said})
    thread.start()
    time.sleep(0.2)
    assert not list(made.folder.glob("*.npy*"))
    lock.release()
    thread.join(30)
    assert (made.folder / "fog.npy").exists()
    assert "waits for another process that writes to" in capsys.readouterr().err


def test_some_severities(make, stub, clean):
    made = make(severities=(2, 5))
    made.write(["fog"], say=said)
    all_five = make("all")
    all_five.write(["fog"], say=said)
    assert len(np.load(made.folder / "labels.npy")) == 2 * COUNT
    for severity in (2, 5):
        expected = cifar_c(all_five.folder, "fog", severity)
        assert torch.equal(cifar_c(made.folder, "fog", severity).images, expected.images)
    with pytest.raises(UserError, match=r"severity is 3; .* holds 2, 5"):
        cifar_c(made.folder, "fog", 3)


@pytest.mark.parametrize("severities", [(), (2, 1), (0, 1), (1, 1), (6,)])
def test_severities_that_make_no_layout(make, severities):
    with pytest.raises(UserError, match=r"severities are .*; they must be some of 1 to 5, in rising order"):
        make(severities=severities)


def test_labels_that_are_no_bytes(make, clean):
    for label in (-1, 256):
        with pytest.raises(UserError, match="labels 0 to 255"):
            make(clean=Split(clean.images, torch.full((COUNT,), label)))


def test_an_unknown_table(make):
    with pytest.raises(UserError, match="unknown severity table 'cifar'; choose from: "):
        make(table="cifar")


def test_where_a_set_goes(tmp_path):
    assert corrupting.set_folder(tmp_path, "cifar10") == tmp_path / "CIFAR-10-C"
    assert corrupting.set_folder(tmp_path / "CIFAR-100-C", "cifar100") == tmp_path / "CIFAR-100-C"
    assert corrupting.set_folder(tmp_path / "CIFAR-100-C", "cifar10") == tmp_path / "CIFAR-100-C" / "CIFAR-10-C"
    assert corrupting.set_folder(tmp_path, "synthdigits") == tmp_path / "synthdigits-C"


def test_the_table_is_chosen_by_size_or_by_the_user():
    assert corrupting.default_table(32, 32) == "cifar-c"
    assert corrupting.default_table(224, 224) == "imagenet-c"
    with pytest.raises(UserError, match="no severity table was made for 64x64 images; choose one of: imagenet-c"):
        corrupting.default_table(64, 64)


@pytest.mark.parametrize(("shape", "start"), [((60_000, 32, 32, 3), 128), ((5, 1, 2, 3), 128)])
def test_the_header_is_numpys(tmp_path, shape, start):
    header = growing.npy_header(shape)
    assert len(header) == start
    assert growing.file_size(shape) == start + int(np.prod(shape))
    if shape[0] < 100:
        np.save(tmp_path / "array.npy", np.zeros(shape, np.uint8))
        assert (tmp_path / "array.npy").read_bytes() == header + bytes(int(np.prod(shape)))
