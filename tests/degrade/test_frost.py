"""Frost: which part of which photograph is taken, where photographs are looked for, and the frost
that is drawn."""

import itertools
import re

import pytest
import torch
from PIL import Image

from paperlib.degrade import frost as module
from paperlib.degrade.draws import Draws
from paperlib.degrade.frost import FILES, find_textures, frost, procedural_frost
from paperlib.degrade.tables import TABLES
from paperlib.errors import UserError

HEIGHT, WIDTH = 180, 200
ROWS, COLUMNS = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")


def write(folder, mode="RGB"):
    """Photographs whose red is the row, whose green is the column, and whose blue tells which one
    it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, file in enumerate(FILES):
        levels = torch.stack([ROWS, COLUMNS, torch.full_like(ROWS, 40 * k + 5)], dim=2).to(
            torch.uint8
        )
        if mode == "RGBA":
            levels = torch.cat([levels, ROWS[..., None].to(torch.uint8)], dim=2)
        Image.fromarray(levels.numpy(), mode).save(folder / file, "PNG")
    return folder


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    return write(tmp_path_factory.mktemp("frost"))


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No photographs anywhere."""
    monkeypatch.delenv("FROST_TEXTURES", raising=False)
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    return tmp_path


def black(count=64, channels=3, height=37, width=53):
    return torch.zeros(count, channels, height, width, dtype=torch.uint8)


def draws(count=64, first=0):
    return Draws(torch.arange(first, first + count), "frost")


def test_frost_is_a_part_of_one_of_five_photographs(textures):
    parts = frost(black(600), draws(600), 1, 1.0, textures=textures)
    red, green, blue = parts.unbind(1)
    top, left, which = red[:, :1, :1], green[:, :1, :1], blue[:, :1, :1]
    assert torch.equal(red, top + torch.arange(37)[:, None].expand(-1, 53))
    assert torch.equal(green, left + torch.arange(53).expand(37, -1))
    assert torch.equal(blue, which.expand_as(blue))
    count = torch.bincount(((which.flatten() - 5) / 40).long())
    assert len(count) == 5
    assert (count > 80).all()
    # Like numpy's randint, the start is below the surplus: it never takes the last one.
    assert (top.min(), top.max()) == (0, HEIGHT - 37 - 1)
    assert (left.min(), left.max()) == (0, WIDTH - 53 - 1)


def test_the_weights_are_those_of_image_and_frost(textures):
    images = torch.randint(
        0, 256, (4, 3, 37, 53), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    part = frost(black(4), draws(4), 1, 1.0, textures=textures)
    blend = frost(images, draws(4), 0.7, 0.6, textures=textures)
    torch.testing.assert_close(blend, 0.7 * images + 0.6 * part, rtol=0, atol=1e-3)


def test_grey_weighs_blue_as_red(textures):
    """The reference takes OpenCV's blue, green, red for red, green, blue where the image is
    grey."""
    red, green, blue = frost(black(8), draws(8), 1, 1.0, textures=textures).unbind(1)
    grey = frost(black(8, channels=1), draws(8), 1, 1.0, textures=textures)[:, 0]
    torch.testing.assert_close(grey, 0.2989 * blue + 0.587 * green + 0.114 * red, rtol=0, atol=1e-3)


def test_a_fifth_of_the_size_is_every_fifth_pixel(textures):
    red, green, _ = frost(
        black(200, height=16, width=20), draws(200), 1, 1.0, 0.2, textures
    ).unbind(1)
    assert torch.equal(red[:, :, 0] - red[:, :1, 0], 5.0 * torch.arange(16).expand(200, -1))
    assert torch.equal(green[:, 0] - green[:, 0, :1], 5.0 * torch.arange(20).expand(200, -1))
    assert (red[:, 0, 0].min(), red[:, 0, 0].max()) == (2, 2 + 5 * (36 - 16 - 1))
    assert (green[:, 0, 0].min(), green[:, 0, 0].max()) == (2, 2 + 5 * (40 - 20 - 1))


@pytest.mark.parametrize(
    ("scale", "height", "width", "rows", "columns"),
    [
        (1.1, 40, 40, 199, 221),  # 198.000...03 and 220.000...03, rounded up
        (1.1, 360, 40, 397, 441),  # twice the size first, for it to fit
        (1.0, 360, 40, 360, 400),
        (1.0, 90, 300, 270, 300),
        (0.2, 64, 16, 64, 71),
    ],
)
def test_photographs_grow_to_fit(textures, scale, height, width, rows, columns):
    assert module._size(torch.Size((3, HEIGHT, WIDTH)), scale, height, width) == (rows, columns)
    red, green, _ = frost(
        black(3, height=height, width=width), draws(3), 1, 1.0, scale, textures
    ).unbind(1)
    slope = (
        (red[:, -5] - red[:, 4]) / (height - 9),
        (green[:, :, -5] - green[:, :, 4]) / (width - 9),
    )
    for measured, old, new in zip(slope, (HEIGHT, WIDTH), (rows, columns), strict=True):
        torch.testing.assert_close(
            measured, torch.full_like(measured, old / new), rtol=0, atol=0.12
        )


@pytest.mark.parametrize(("scale", "height", "beyond"), [(1.1, 20, True), (1.0, 60, False)])
def test_the_package_s_resize_is_cubic(scale, height, beyond):
    """Which overshoots at an edge, as the linear one cannot."""
    edge = torch.full((3, 40, 40), 50, dtype=torch.uint8)
    edge[:, :, 20:] = 200
    large = module._resized(edge, module._size(edge.shape, scale, height, 20), scale)
    assert ((large.min() < 50).item(), (large.max() > 200).item()) == (beyond, beyond)
    assert min(large.shape[1:]) > 40


def test_transparency_is_dropped(tmp_path, textures):
    seen = frost(black(5), draws(5), 1, 1.0, textures=write(tmp_path / "rgba", "RGBA"))
    assert torch.equal(seen, frost(black(5), draws(5), 1, 1.0, textures=textures))


def test_photographs_are_found_where_they_should_be(bare, monkeypatch, tmp_path):
    package = tmp_path / "site" / "imagecorruptions"
    write(package / "frost")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.undo()
    monkeypatch.delenv("FROST_TEXTURES", raising=False)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert find_textures() == package / "frost"
    write(tmp_path / "data" / "frost")
    assert find_textures() == tmp_path / "data" / "frost"
    monkeypatch.setenv("FROST_TEXTURES", str(write(tmp_path / "named")))
    assert find_textures() == tmp_path / "named"
    assert find_textures(write(tmp_path / "given")) == tmp_path / "given"


def test_a_folder_that_is_named_is_the_only_one(bare, monkeypatch):
    write(bare / "data" / "frost")
    monkeypatch.setenv("DATA_ROOT", str(bare / "data"))
    monkeypatch.setenv("FROST_TEXTURES", str(bare / "typing error"))
    with pytest.raises(UserError, match="typing error;"):
        find_textures()
    (write(bare / "given") / FILES[3]).unlink()
    with pytest.raises(UserError, match="given;"):
        find_textures(bare / "given")


def test_without_photographs_the_error_says_what_to_do(bare, monkeypatch):
    with pytest.raises(
        UserError, match=r"frost1\.png.*frost5\.jpg.*FROST_TEXTURES.*procedural_frost"
    ) as failure:
        frost(black(1), draws(1), 1, 1.0)
    assert "\n" not in str(failure.value)
    monkeypatch.setenv("DATA_ROOT", str(bare / "data"))
    with pytest.raises(UserError, match=re.escape(str(bare / "data" / "frost"))):
        find_textures()


def test_a_damaged_photograph_is_a_clear_error(tmp_path):
    (write(tmp_path) / FILES[2]).write_bytes(b"not an image")
    with pytest.raises(UserError, match="cannot read the frost photographs"):
        frost(black(1), draws(1), 1, 1.0, textures=tmp_path)


@pytest.mark.parametrize("name", ["frost", "procedural_frost"])
def test_an_image_does_not_depend_on_its_batch(textures, name):
    corrupt, options = getattr(module, name), {"textures": textures} if name == "frost" else {}
    for table, shape in (
        ("imagenet-c", (3, 61, 83)),
        ("cifar-c", (1, 33, 31)),
        ("imagecorruptions", (1, 40, 61)),
    ):
        images = torch.randint(
            0, 256, (5, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
        )
        for constants in TABLES[table]["frost"]:
            together = corrupt(images, draws(5), *constants, **options)
            for i in range(5):
                assert torch.equal(
                    together[i : i + 1],
                    corrupt(images[i : i + 1], draws(1, i), *constants, **options),
                )


@pytest.mark.parametrize(("size", "scale"), [(112, 1.0), (32, 0.2)])
def test_drawn_frost_is_about_as_bright_and_as_rough_as_the_photographs(size, scale):
    """What was measured on those: 143, 164, 176 on average; deviation 57, 43, 42, within an image
    25, 23, 23."""
    levels = procedural_frost(black(150, height=size, width=size), draws(150), 1, 1.0, scale)
    assert levels.min() >= 0
    assert levels.max() <= 255
    colours = levels.transpose(0, 1).flatten(1)
    torch.testing.assert_close(colours.mean(1), torch.tensor([143.0, 164, 176]), rtol=0, atol=12)
    torch.testing.assert_close(colours.std(1), torch.tensor([57.0, 43, 42]), rtol=0.15, atol=0)
    within = levels.flatten(2).std(2).mean(0)
    torch.testing.assert_close(within, torch.tensor([25.0, 23, 23]), rtol=0.2, atol=0)


def test_drawn_frost_has_detail_at_every_size():
    """The power spectrum falls as a power of the frequency: by -1.8 on average at 224 pixels."""
    grey = procedural_frost(black(40, 1, 128, 128), draws(40), 1, 1.0)[:, 0]
    window = torch.hann_window(128)
    power = (
        torch.fft.fft2((grey - grey.mean((1, 2), keepdim=True)) * window * window[:, None])
        .abs()
        .square()
        .mean(0)
    )
    frequency = torch.fft.fftfreq(128).square().add(torch.fft.fftfreq(128).square()[:, None]).sqrt()
    edges = torch.logspace(-1.6, -0.32, 8)
    means = torch.stack(
        [power[(frequency >= a) & (frequency < b)].mean() for a, b in itertools.pairwise(edges)]
    )
    middle = (edges[1:] * edges[:-1]).sqrt().log()
    slope = torch.cov(torch.stack([middle, means.log()]))[0, 1] / middle.var()
    assert -2.3 < slope < -1.3


def test_drawn_frost_is_grey_as_its_colours_are():
    red, green, blue = procedural_frost(black(6), draws(6), 1, 1.0).unbind(1)
    grey = procedural_frost(black(6, 1), draws(6), 1, 1.0)[:, 0]
    # but for clipping
    torch.testing.assert_close(grey, 0.2989 * red + 0.587 * green + 0.114 * blue, rtol=0, atol=8)
    images = torch.full((6, 1, 37, 53), 100, dtype=torch.uint8)
    torch.testing.assert_close(
        procedural_frost(images, draws(6), 0.6, 0.5), 60 + 0.5 * grey[:, None], rtol=0, atol=1e-3
    )
