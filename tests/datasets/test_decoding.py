"""Image files as tensors: how they are resized and cut, which formats and modes are read, how they
are turned."""

import warnings

import numpy as np
import pytest
from helpers import one, picture, save
from PIL import Image

from paperlib.datasets import decoding, folder
from paperlib.errors import UserError


def colour(image):
    """The colour of a plain image."""
    (only,) = image.flatten(1).T.unique(dim=0)
    return tuple(only.tolist())


def test_the_middle_of_the_image_resized_by_its_shorter_side(tmp_path):
    save(tmp_path / "wide.png", picture(0, 64, 96))
    save(tmp_path / "high.png", picture(1, 96, 64))
    for name, size, crop in (
        ("wide", (48, 32), (8, 0, 40, 32)),
        ("high", (32, 48), (0, 8, 32, 40)),
    ):
        with Image.open(tmp_path / f"{name}.png") as image:
            expected = np.asarray(image.resize(size, Image.Resampling.BILINEAR).crop(crop))
        assert np.array_equal(one(tmp_path / f"{name}.png", 32).permute(1, 2, 0), expected)


def test_an_image_of_the_right_size_is_left_alone_and_a_smaller_one_enlarged(tmp_path):
    pixels = picture(0, 32, 32)
    save(tmp_path / "image.png", pixels)
    assert np.array_equal(one(tmp_path / "image.png", 32).permute(1, 2, 0), pixels)
    assert one(tmp_path / "image.png", 48).shape == (3, 48, 48)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("LA", (77, 10), (77, 77, 77)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("P", 0, (200, 100, 50)),
    ],
)
def test_modes_become_rgb(tmp_path, mode, value, expected):
    image = Image.new(mode, (20, 20), value)
    if mode == "P":
        image.putpalette([200, 100, 50])
        image.info["transparency"] = b"\x00"
    image.save(tmp_path / "image.png")
    assert colour(one(tmp_path / "image.png")) == expected


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "image.jpg", quality=100)
    red, green, blue = colour(one(tmp_path / "image.jpg"))
    assert red > 250
    assert green < 5
    assert blue < 5


def test_the_format_is_told_by_the_content(tmp_path):
    Image.new("RGB", (24, 24), (1, 2, 3)).save(tmp_path / "image.JPEG", format="PNG")
    assert colour(one(tmp_path / "image.JPEG")) == (1, 2, 3)


def test_only_pictures_are_opened(tmp_path):
    """Pillow hands some formats to other programs, EPS to Ghostscript: nothing of the kind is done
    here."""
    Image.new("RGB", (24, 24)).save(tmp_path / "image.png", format="EPS")
    with pytest.raises(UserError, match="it is none of JPEG"):
        one(tmp_path / "image.png")


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_is_turned_upright(tmp_path, orientation, format_):
    """The eight values of the EXIF tag by what they say: on which sides the first row and column
    are seen."""
    upright = picture(0, 32, 32)
    rows_are_columns, down, right = {
        1: (False, 1, 1),
        2: (False, 1, -1),
        3: (False, -1, -1),
        4: (False, -1, 1),
        5: (True, 1, 1),
        6: (True, 1, -1),
        7: (True, -1, -1),
        8: (True, -1, 1),
    }[orientation]
    seen = upright[::down, ::right]
    stored = seen.transpose(1, 0, 2) if rows_are_columns else seen
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    save(tmp_path / "image", np.ascontiguousarray(stored), format=format_, exif=exif)
    assert np.array_equal(one(tmp_path / "image", 32).permute(1, 2, 0), upright)


@pytest.mark.parametrize(
    "damaged",
    [
        b"not what it should be",
        b"II*\0\x08\0\0\0",
        # the orientation is a question mark
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0?\0\0\0\0\0\0\0",
    ],
)
def test_damaged_exif_data_are_no_damage_to_the_image(tmp_path, damaged):
    Image.new("RGB", (24, 24), (255, 255, 255)).save(
        tmp_path / "image.jpg", exif=b"Exif\0\0" + damaged
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert colour(one(tmp_path / "image.jpg")) == (255, 255, 255)


def test_pillow_is_imported_only_where_it_decodes():
    assert not {"PIL", "Image"} & (vars(folder).keys() | vars(decoding).keys())
