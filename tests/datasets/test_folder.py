"""Folders of class folders: what is read, what they are called, and what is refused."""

import io
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import CLASSES, caches, one, picture, save
from PIL import Image

from paperlib import datasets
from paperlib.datasets import folder
from paperlib.errors import UserError


def test_what_is_loaded(root):
    data = datasets.load("pets@32", root)
    assert data.name == "pets@32"
    assert data.classes == CLASSES
    assert data.train.images.shape == (12, 3, 32, 32)
    assert data.test.images.shape == (8, 3, 32, 32)
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.is_contiguous()
    assert data.train.labels.tolist() == [0] * 6 + [1] * 6
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4
    assert data.train.labels.dtype == torch.int64
    for label, name in enumerate(CLASSES):
        files = sorted((root / "pets/train" / name).iterdir())
        assert torch.equal(
            data.train.images[6 * label : 6 * label + 6], torch.stack([one(f, 32) for f in files])
        )
    assert datasets.load("pets@32", root) is data


@pytest.mark.parametrize("ending", ["webp", "bmp", "gif", "tiff", "ppm"])
def test_other_formats(root, ending):
    Image.new("RGB", (24, 24), (0, 0, 255)).save(root / f"pets/val/dog/z.{ending}", lossless=True)
    blue = datasets.load("pets@16", root).test.images[-1]
    assert blue[2].min() >= 254
    assert blue[:2].max() <= 1


def test_links_and_odd_names(root):
    outside = root.parent / "elsewhere"
    shutil.move(root / "pets", outside)
    (root / "linked").mkdir()
    (root / "linked/train").symlink_to(outside / "train")
    (root / "linked/val").mkdir()
    for name in CLASSES:
        (root / "linked/val" / name).symlink_to(outside / "val" / name)
    shutil.copy(outside / "train/cat/0.png", outside / "train/cat/ä \n'\"{}%s.PNG")
    shutil.copy(
        outside / "train/cat/0.png", os.fsdecode(bytes(outside / "train/cat") + b"/\xff.png")
    )
    for part in ("train", "val"):
        Path(os.fsdecode(bytes(root / "linked" / part) + b"/odd\xff name")).mkdir()
        save(Path(os.fsdecode(bytes(root / "linked" / part) + b"/odd\xff name/0.png")), picture(0))
    data = folder.load("linked@16", root)
    assert len(data.train) == 15
    assert data.classes == ("cat", "dog", "'odd\\udcff name'")
    assert data.classes[2].encode()


@pytest.mark.parametrize("part", ["test", "validation"])
def test_other_names_of_the_test_part(root, part):
    expected = folder.load("pets@16", root).test.images
    (root / "pets/val").rename(root / "pets" / part)
    assert datasets.is_available("pets@16", root)
    assert torch.equal(folder.load("pets@16", root).test.images, expected)


def test_of_several_test_parts_val_is_taken(root):
    (root / "pets/test").mkdir()
    assert len(folder.load("pets@16", root).test) == 8


def message(root, name="pets@16"):
    """What the user reads."""
    with pytest.raises(UserError) as caught:
        datasets.load(name, root)
    text = str(caught.value)
    assert "\n" not in text
    assert text.encode()  # what has surrogates in it cannot be printed
    return text


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "16 bits"])
def test_a_broken_image_is_named(root, damage):
    path = root / "pets/val/dog/2.png"
    content = path.read_bytes()
    path.write_bytes(
        {"truncated": content[: len(content) // 2], "text": b"no image"}.get(damage, b"")
    )
    if damage == "16 bits":
        save(path, np.zeros((20, 20), dtype=np.uint16))
    reason = {
        "truncated": "image file is truncated",
        "text": "it is none of JPEG, PNG, WEBP",
        "empty": "it is none of JPEG, PNG, WEBP",
        "16 bits": "its pixels have more than 8 bits",
    }[damage]
    assert message(root).startswith(f"{path} cannot be read as an image: {reason}")
    assert caches(root) == []
    save(path, picture(0))
    assert len(datasets.load("pets@16", root).test) == 8


def test_a_broken_image_with_an_odd_name_is_one_line(root):
    (root / "pets/val/dog/a\nb.png").write_bytes(b"")
    assert "val/dog/a\\nb.png' cannot be read as an image" in message(root)


def test_a_link_that_leads_nowhere_is_named(root):
    (root / "pets/val/dog/9.png").symlink_to(root / "nothing.png")
    assert message(root) == f"{root}/pets/val/dog/9.png is a link that leads nowhere"


def test_classes_that_only_one_part_has_are_named(root):
    (root / "pets/val/dog").rename(root / "pets/val/wolf")
    text = "pets@16: both parts must hold the same classes, but val lacks dog and train lacks wolf"
    assert message(root) == text
    for i in range(8):
        save(root / f"pets/train/{i}/0.png", picture(i))
    assert "but val lacks 0, 1, 2, 3, 4 and 4 more and train lacks wolf" in message(root)


def test_a_class_without_images(root):
    shutil.rmtree(root / "pets/val/dog")
    (root / "pets/val/dog/deeper").mkdir(parents=True)
    assert message(root).startswith(f"{root}/pets/val/dog holds no images (.jpg, .jpeg, .png")


def test_a_part_without_class_folders(root):
    shutil.rmtree(root / "pets/val")
    save(root / "pets/val/0.png", picture(0))
    assert message(root) == f"{root}/pets/val holds no class folders"


@pytest.mark.parametrize(
    ("gone", "missing"), [("train", "train"), ("val", "val or test or validation")]
)
def test_a_missing_part(root, gone, missing):
    shutil.rmtree(root / "pets" / gone)
    assert not datasets.is_available("pets@16", root)
    assert message(root) == f"pets@16: no folder {missing} in {root}/pets"


def test_an_unknown_folder(root, tmp_path):
    (root / "other").mkdir()
    assert (
        message(root, "pest@16")
        == f"pest@16: no folder pest in {root}; choose from: pets, or set DATA_ROOT=..."
    )
    nothing = "no folder there holds train and val, or set DATA_ROOT=..."
    assert (
        message(tmp_path / "no", "pets@16")
        == f"pets@16: no folder pets in {tmp_path}/no; {nothing}"
    )


def test_found(root, monkeypatch):
    assert datasets.is_available("pets@999", root)
    assert not datasets.is_available("pest@32", root)
    monkeypatch.setenv("DATA_ROOT", str(root))
    assert datasets.is_available("pets@16")
    assert len(datasets.load("pets@16").train) == 12


def test_known_names():
    assert datasets.check_name("cifar10") == "cifar10"
    assert datasets.check_name("my images, all@64") == "my images, all@64"
    assert folder.parse("a@b@224") == ("a@b", 224)
    with pytest.raises(
        UserError,
        match=r"unknown data set 'imagenet'; choose from: synthdigits,.* or FOLDER@PIXELS",
    ):
        datasets.check_name("imagenet")
    for name in (
        "pets@",
        "pets@15",
        "pets@064",
        "pets@1e2",
        "pets@-32",
        "pets@12345",
        "pets@٣٢",
        "pets@32 ",
    ):
        with pytest.raises(
            UserError, match=r"after the @ come the height and width in pixels, one number from 16"
        ):
            datasets.check_name(name)
    for name in ("@32", "..@32", ".@32", "a/b@32", "/root@32", "a\\b@32"):
        with pytest.raises(UserError, match="before the @ comes the name of a folder in DATA_ROOT"):
            datasets.check_name(name)


def test_more_images_than_memory_are_refused_before_decoding(root, decoded, monkeypatch):
    monkeypatch.setattr(folder, "available_memory", lambda: 20 * 3 * 100**2)
    text = "pets@999: 20 images take 0.06 GB of memory, and 0.00 GB are available; "
    assert (
        message(root, "pets@999")
        == text + "take fewer pixels (pets@100 fits) or a folder with fewer images or classes"
    )
    assert decoded == []
    assert datasets.load("pets@100", root).train.images.shape == (12, 3, 100, 100)
    monkeypatch.setattr(folder, "available_memory", lambda: 1000)
    assert message(root).endswith("available; take a folder with fewer images or classes")
    monkeypatch.setattr(folder, "available_memory", lambda: None)
    assert len(folder.load("pets@16", root).train) == 12


def test_memory_of_this_machine():
    available = folder.available_memory()
    assert 1e7 < available <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_the_bar_is_drawn_only_on_a_terminal(root, monkeypatch):
    class Screen(io.StringIO):
        terminal = False

        def isatty(self):
            return self.terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    folder.load("pets@16", root)
    assert screen.getvalue() == ""
    screen.terminal = True
    folder.load("pets@32", root)
    assert re.findall(r"pets@32 (train|test): 100%.* (12/12|8/8) ", screen.getvalue()) == [
        ("train", "12/12"),
        ("test", "8/8"),
    ]


def test_imagenette_where_it_is(tmp_path, monkeypatch):
    source = (
        Path(os.environ.get("DATA_ROOT") or "~/paperlib-data").expanduser()
        / "imagenette2-224-sample"
    )
    if not source.is_dir():
        pytest.skip(f"no {source}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for part in ("train", "val"):
        (tmp_path / "two" / part).mkdir(parents=True)
        for name in ("n01440764", "n03417042"):  # a fish and a lorry
            (tmp_path / "two" / part / name).symlink_to(source / part / name)
    data = datasets.load("two@32", tmp_path)
    assert data.classes == ("n01440764", "n03417042")
    assert data.test.images.shape == (len(data.test), 3, 32, 32)
    assert data.test.labels.bincount().tolist() == [
        len(list((source / "val" / name).iterdir())) for name in data.classes
    ]
    assert all(0.35 < mean < 0.6 for mean in data.mean)
