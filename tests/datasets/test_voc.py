"""PASCAL VOC 2007, on folders written here, and on the few real files where they are."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib import datasets
from paperlib.datasets import voc
from paperlib.datasets.boxes import unpack
from paperlib.errors import UserError

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult>
<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def annotation(*objects):
    """A VOC annotation; each object is its name, box and difficulty."""
    parts = (
        OBJECT.format(*box, name=name, difficult=difficult) for name, box, difficult in objects
    )
    return f"<annotation><filename>x.jpg</filename>{''.join(parts)}</annotation>"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A VOC folder of two training images and a test image, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    datasets._load.cache_clear()
    folder = tmp_path / "data" / "VOCdevkit" / "VOC2007"
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, 100:] = 255  # black on the left, white on the right
    add(
        folder,
        "000001",
        pixels,
        annotation(("dog", (101, 1, 200, 100), 0), ("cat", (1, 51, 100, 100), 1)),
    )
    add(folder, "000002", pixels.transpose(1, 0, 2), annotation())
    add(folder, "000003", pixels[:100, :100], annotation(("tvmonitor", (1, 1, 100, 100), 0)))
    (folder / "ImageSets/Main/trainval.txt").write_text("000001\n000002\n")
    (folder / "ImageSets/Main/test.txt").write_text("000003\n")
    yield tmp_path / "data"
    datasets._load.cache_clear()


def add(folder, name, pixels, text):
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        folder / "JPEGImages" / f"{name}.jpg", quality=95
    )
    (folder / "Annotations" / f"{name}.xml").write_text(text)


def test_images_are_letterboxed_and_boxes_go_with_them(root):
    data = datasets.load("voc2007", root)
    assert data.train.images.shape == (2, 3, 320, 320)
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.shape == (2, 2, 6)
    assert len(data.classes) == 20
    # 200 x 100 becomes 320 x 160 with 80 grey rows above and below
    wide, tall = data.train.images
    assert wide[:, :80].eq(voc.GREY).all()
    assert wide[:, 240:].eq(voc.GREY).all()
    assert wide[:, 90:230, :150].float().mean() < 5
    assert wide[:, 90:230, 170:].float().mean() > 250
    assert tall[:, :, :80].eq(voc.GREY).all()
    assert tall[:, 170:, 90:230].float().mean() > 250
    dog, cat = data.train.labels[0].tolist()
    assert dog == [data.classes.index("dog"), 160, 80, 320, 240, 0]
    assert cat == [data.classes.index("cat"), 0, 160, 160, 240, 1]
    assert data.train.labels[1, :, 0].tolist() == [-1, -1]
    assert data.test.labels[0, 0].tolist() == [19, 0, 0, 320, 320, 0]


def test_decoded_once_and_again_when_a_file_changes(root, decoded):
    first = voc.load(root)
    assert torch.equal(voc.load(root).train.images, first.train.images)
    assert len(decoded) == 3
    path = root / voc.FOLDER / "Annotations" / "000001.xml"
    path.write_text(annotation(("bird", (1, 1, 10, 10), 0)))
    assert voc.load(root).train.labels[0, 0, 0] == voc.CLASSES.index("bird")
    assert len(decoded) == 6


def test_found(root, tmp_path):
    assert datasets.is_available("voc2007", root)
    assert not datasets.is_available("voc2007", tmp_path)
    (root / voc.FOLDER / "ImageSets/Main/test.txt").unlink()
    assert not datasets.is_available("voc2007", root)


def test_an_entity_bomb_is_refused(root):
    bomb = '<?xml version="1.0"?><!DOCTYPE annotation [<!ENTITY a "dog"><!ENTITY b "&a;&a;">]>'
    path = root / voc.FOLDER / "Annotations" / "000001.xml"
    path.write_text(bomb + annotation(("&b;", (1, 1, 10, 10), 0)))
    with pytest.raises(
        UserError,
        match=r"000001.xml .*document type",
    ):
        voc.load(root)


def test_another_encoding_does_not_hide_a_document_type(root):
    path = root / voc.FOLDER / "Annotations" / "000001.xml"
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY a "dog">]>'
    path.write_bytes((text + annotation(("&a;", (1, 1, 10, 10), 0))).encode("utf-16"))
    with pytest.raises(UserError, match="cannot be read as an annotation"):
        voc.load(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (annotation(("dgo", (1, 1, 10, 10), 0)), "unknown class 'dgo'"),
        (annotation(("dog", (1, 11, 10, 10), 0)), "the box 1, 11, 10, 10 has no area"),
        (annotation(("dog", ("", 1, 10, 10), 0)), "could not convert"),
        ("<annotation><object>", "no element found"),
        ("", "no element found"),
    ],
)
def test_a_wrong_annotation_is_named(root, text, message):
    (root / voc.FOLDER / "Annotations" / "000001.xml").write_text(text)
    with pytest.raises(
        UserError, match=rf"000001.xml cannot be read as an annotation: .*{message}"
    ):
        voc.load(root)


def test_a_broken_image_is_named(root):
    (root / voc.FOLDER / "JPEGImages" / "000002.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"000002.jpg cannot be read as a JPEG image"):
        voc.load(root)


def test_what_is_missing_is_named(root, tmp_path):
    with pytest.raises(
        UserError,
        match=r"no trainval part in .*DATA_ROOT.* scenes",
    ):
        voc.load(tmp_path / "nothing")
    (root / voc.FOLDER / "Annotations" / "000003.xml").unlink()
    with pytest.raises(UserError, match=r"000003.xml is missing"):
        voc.load(root)
    (root / voc.FOLDER / "ImageSets/Main/trainval.txt").write_text("")
    with pytest.raises(UserError, match=r"trainval.txt in .* names no images"):
        voc.load(root)


def test_the_real_files_where_they_are(monkeypatch, tmp_path):
    """Five images with their annotations; the second has one object, a train at 139, 200, 207,
    301."""
    real = Path(os.environ.get("DATA_ROOT") or "~/paperlib-data").expanduser()
    if not voc.is_available(real):
        pytest.skip(f"no VOC 2007 in {real}")
    found = voc.read_annotation(real / voc.FOLDER / "Annotations" / "000002.xml")
    assert [voc.CLASSES[label] for label in found.classes] == ["train"]
    assert found.boxes.tolist() == [[138, 199, 207, 301]]
    lists = (real / voc.FOLDER / "ImageSets" / "Main" / "trainval.txt").read_text().split()
    if len(lists) > 100:
        return  # the whole set: decoding it takes minutes
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = voc.load(real)
    assert len(data.train) == len(lists)
    with Image.open(real / voc.FOLDER / "JPEGImages" / "000002.jpg") as image:
        width, height = image.size
    scale = 320 / max(width, height)
    (box,) = unpack(data.train.labels[lists.index("000002")][None])[0].boxes
    left, top = (320 - round(width * scale)) // 2, (320 - round(height * scale)) // 2
    expected = torch.tensor([138.0, 199, 207, 301]) * scale + torch.tensor([left, top] * 2)
    torch.testing.assert_close(box, expected, atol=0.5, rtol=0)
