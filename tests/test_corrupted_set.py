"""Corrupted sets: layout and manifest, how they are verified, what is refused before the work."""

import hashlib
import io
import json
import shutil
import threading
import time

import numpy as np
import pytest
import torch
from filelock import FileLock
from helpers import COUNT, contents, said

from paperlib.corrupted_set import SLACK, corrupt_dataset, default_table, set_folder
from paperlib.datasets import Split
from paperlib.datasets.corrupted import cifar_c
from paperlib.degrade.corruptions import corrupt
from paperlib.errors import UserError


@pytest.mark.parametrize("count", [COUNT, 503])  # the second is too many for one batch
def test_the_published_layout(make_set, count):
    """Read as its readers do: five blocks of all images, channels last, the labels five times."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    clean = Split(images, torch.arange(count) % 10)
    names = ["gaussian_noise", "contrast"]
    made = make_set(seed=3, clean=clean)
    assert made.write(names, say=said) == names
    labels = np.load(made.folder / "labels.npy", allow_pickle=False)
    assert (labels.dtype, labels.shape) == (np.uint8, (5 * count,))
    assert labels.tolist() == clean.labels.tolist() * 5
    for name in names:
        images = np.load(made.folder / f"{name}.npy", allow_pickle=False)
        assert (images.dtype, images.shape) == (np.uint8, (5 * count, 32, 32, 3))
        assert images.flags.c_contiguous
        for severity in (1, 2, 3, 4, 5):
            block = images[(severity - 1) * count : severity * count]
            expected = corrupt(clean.images, name, severity, table="cifar-c", seed=3)
            assert np.array_equal(block.transpose(0, 3, 1, 2), expected.numpy())
    assert sorted(contents(made.folder)) == ["contrast.npy", "gaussian_noise.npy", "labels.npy"]


def test_a_file_is_what_numpy_saves(make_set, corrupt_stub):
    made = make_set()
    made.write(["fog"], say=said)
    buffer = io.BytesIO()
    np.save(buffer, np.load(made.folder / "fog.npy"))
    assert (made.folder / "fog.npy").read_bytes() == buffer.getvalue()


def test_the_manifest_says_what_the_set_is(make_set, corrupt_stub):
    made = make_set(seed=5)
    made.write(["fog"], say=said)
    manifest = json.loads((made.folder / "manifest.json").read_text())
    made_of = manifest["set"]
    assert (made_of["dataset"], made_of["table"], made_of["seed"]) == ("cifar10", "cifar-c", 5)
    assert made_of["severities"] == [1, 2, 3, 4, 5]
    for name, content in contents(made.folder).items():
        assert manifest["files"][name]["sha256"] == hashlib.sha256(content).hexdigest()
    assert {"paperlib", "commit", "torch", "device"} <= set(manifest["files"]["fog.npy"]["made"])


def test_a_finished_set_is_verified_and_not_made_again(make_set, corrupt_stub):
    made = make_set()
    made.write(["fog"], say=said)
    before = {
        path: path.stat().st_mtime_ns for path in made.folder.iterdir() if path.name != ".lock"
    }
    corrupt_stub.calls = 0
    lines = []
    assert make_set().write(["fog"], say=lines.append) == []
    assert corrupt_stub.calls == 0
    assert lines[0].startswith("0 bytes needed, ")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert make_set().write(["snow", "fog"], say=said) == ["snow"]
    assert corrupt_stub.calls == 5


def test_a_changed_file_is_set_aside_and_made_again(make_set, corrupt_stub):
    made = make_set()
    made.write(["fog"], say=said)
    good = contents(made.folder)
    for name in ("fog.npy", "labels.npy"):
        damaged = bytearray(good[name])
        damaged[-1] ^= 1
        (made.folder / name).write_bytes(damaged)
    with pytest.warns(
        UserWarning, match=r"fog\.npy: checksum does not match; set aside as fog\.npy\.corrupt"
    ):
        assert make_set().write(["fog"], say=said) == ["fog"]
    assert contents(made.folder) == good
    (made.folder / "fog.npy").unlink()
    assert make_set().write(["fog"], say=said) == ["fog"]
    assert contents(made.folder) == good


def test_another_recipe_in_the_same_folder_is_refused(make_set, corrupt_stub, clean_split):
    made = make_set()
    made.write(["fog"], say=said)
    before = contents(made.folder)
    others = {
        "table cifar-c": {"table": "imagenet-c"},
        "seed 0": {"seed": 1},
        r"severities \[1, 2, 3, 4, 5\]": {"severities": (1, 2)},
        "clean_sha256": {"clean": Split(clean_split.images.flip(0), clean_split.labels)},
        "dataset cifar10": {"dataset": "svhn"},
    }
    for there, changes in others.items():
        with pytest.raises(UserError, match=f"CIFAR-10-C holds another set, with .*{there}"):
            make_set(**changes).write(["snow"], say=said)
    assert contents(made.folder) == before


@pytest.mark.parametrize("name", ["fog.npy", "labels.npy"])
def test_files_of_others_are_never_overwritten(make_set, corrupt_stub, name):
    made = make_set()
    made.folder.mkdir()
    (made.folder / name).write_bytes(b"the official file")
    with pytest.raises(
        UserError, match=f"{name} is there and no manifest says what it is; choose another folder"
    ):
        made.write(["fog"], say=said)
    assert [path.name for path in made.folder.iterdir()] == [name]


def test_a_foreign_manifest(make_set, corrupt_stub):
    made = make_set()
    made.folder.mkdir()
    (made.folder / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match=r"manifest\.json is not a manifest that paperlib wrote"):
        made.write(["fog"], say=said)


def test_too_little_space_is_said_before_the_work(make_set, corrupt_stub, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    made = make_set()
    needed = 2 * (128 + 5 * COUNT * 3 * 32 * 32) + SLACK
    lines = []
    with pytest.raises(UserError, match=f"{needed:,} bytes are needed and 1,000 are free"):
        made.write(["fog", "snow"], say=lines.append)
    assert lines == [f"{needed:,} bytes needed, 1,000 free"]
    assert corrupt_stub.calls == 0
    assert not made.folder.exists()


def test_a_folder_that_cannot_be_made(make_set, corrupt_stub, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file.*: (Not a directory|File exists)"):
        make_set("file/CIFAR-10-C").write(["fog"], say=said)


def test_two_at_once(make_set, corrupt_stub, capsys):
    """The second waits for the first, and says so."""
    made = make_set()
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


def test_some_severities(make_set, corrupt_stub):
    made = make_set(severities=(2, 5))
    made.write(["fog"], say=said)
    all_five = make_set("all")
    all_five.write(["fog"], say=said)
    assert len(np.load(made.folder / "labels.npy")) == 2 * COUNT
    for severity in (2, 5):
        expected = cifar_c(all_five.folder, "fog", severity)
        assert torch.equal(cifar_c(made.folder, "fog", severity).images, expected.images)
    with pytest.raises(UserError, match=r"severity is 3; .* holds 2, 5"):
        cifar_c(made.folder, "fog", 3)


@pytest.mark.parametrize("severities", [(), (2, 1), (0, 1), (1, 1), (6,)])
def test_severities_that_make_no_layout(make_set, severities):
    with pytest.raises(
        UserError, match=r"severities are .*; they must be some of 1 to 5, in rising order"
    ):
        make_set(severities=severities)


def test_labels_that_are_no_bytes(make_set, clean_split):
    for label in (-1, 256):
        with pytest.raises(UserError, match="labels 0 to 255"):
            make_set(clean=Split(clean_split.images, torch.full((COUNT,), label)))


def test_an_unknown_table(make_set):
    with pytest.raises(UserError, match="unknown severity table 'cifar'; choose from: "):
        make_set(table="cifar")


# What `python -m paperlib corrupt` is asked for


def test_where_a_set_goes(tmp_path):
    assert set_folder(tmp_path, "cifar10") == tmp_path / "CIFAR-10-C"
    assert set_folder(tmp_path / "CIFAR-100-C", "cifar100") == tmp_path / "CIFAR-100-C"
    assert (
        set_folder(tmp_path / "CIFAR-100-C", "cifar10") == tmp_path / "CIFAR-100-C" / "CIFAR-10-C"
    )
    assert set_folder(tmp_path, "synthdigits") == tmp_path / "synthdigits-C"


def test_the_table_is_chosen_by_size_or_by_the_user():
    assert default_table(32, 32) == "cifar-c"
    assert default_table(224, 224) == "imagenet-c"
    with pytest.raises(
        UserError, match="no severity table was made for 64x64 images; choose one of: imagenet-c"
    ):
        default_table(64, 64)


def test_a_folder_can_be_corrupted(root, tmp_path):
    out = corrupt_dataset("pets@32", tmp_path / "out", "brightness", "1", root=root, device="cpu")
    assert out == tmp_path / "out/pets@32-C"
    assert np.load(out / "brightness.npy").shape == (8, 32, 32, 3)
    with pytest.raises(UserError, match="or FOLDER@PIXELS"):
        # of two mistakes the first is said
        corrupt_dataset("pets", tmp_path / "out", "no corruption", "1")
    with pytest.raises(
        UserError, match="scenes: the layout of CIFAR-10-C holds a label for every image"
    ):
        corrupt_dataset("scenes", tmp_path / "out", "brightness", "1")
