"""What is kept of a folder's decoded images, and when it is made anew."""

import os
import shutil

import pytest
import torch
from helpers import caches, one, picture, save

from paperlib.datasets import folder


def test_the_second_load_decodes_nothing(root, decoded):
    first = folder.load("pets@32", root)
    assert len(decoded) == 20
    (cache,) = caches(root)
    again = folder.load("pets@32", root)
    assert len(decoded) == 20
    assert caches(root) == [cache]
    assert torch.equal(again.train.images, first.train.images)
    assert torch.equal(again.test.images, first.test.images)
    assert torch.equal(again.train.labels, first.train.labels)
    folder.load("pets@16", root)
    assert len(decoded) == 40
    assert len(caches(root)) == 2


def resize_only(path):
    """Another size in the listing, at the same time."""
    status = path.stat()
    save(path, picture(999, 60, 60))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        resize_only,
        lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
        lambda path: path.rename(path.with_name("zzz.png")),
        lambda path: path.unlink(),
        lambda path: shutil.copy2(path, path.with_name("copy.png")),
    ],
    ids=["size", "time", "renamed", "removed", "added"],
)
def test_what_changes_in_the_folder_is_decoded_anew(root, decoded, change):
    for name in ("pets@32", "pets@16"):
        folder.load(name, root)
    (small,) = (path for path in caches(root) if "-16-" in path.name)
    old = set(caches(root))
    path = root / "pets/train/dog/0.png"
    change(path)
    del decoded[:]
    data = folder.load("pets@32", root)
    files = sorted((root / "pets/train").glob("*/*"))
    assert len(decoded) == len(files) + 8
    assert torch.equal(data.train.images, torch.stack([one(file, 32) for file in files]))
    # what was kept of the older state at 32 pixels is gone
    assert set(caches(root)) & old == {small}
    assert len(caches(root)) == 2


def test_hidden_and_other_files_are_left_alone(root, decoded):
    data = folder.load("pets@16", root)
    (root / "pets/train/cat/.0.png").write_bytes(b"no image")
    (root / "pets/train/cat/labels.txt").touch()
    (root / "pets/train/cat/more.png").mkdir()
    (root / "pets/train/.ipynb_checkpoints").mkdir()
    (root / "pets/train/README").touch()
    again = folder.load("pets@16", root)
    assert again.classes == data.classes
    assert len(again.train) == len(data.train)
    assert len(decoded) == 20
