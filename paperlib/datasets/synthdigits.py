"""synthdigits: 32x32 colour pictures of house-number digits, drawn here: no download.

Made in the manner of SVHN: the digit in the middle is the label; its neighbours on the same house
number stick in from the left and the right and are cut off by the border. The digits are those of
the fonts that matplotlib ships.

The same seed gives the same pictures. All arithmetic is float64 on the CPU, so that what differs
between two machines (the order of a sum, the last bit of an exponential) is lost when a value is
rounded to 8 bits. The glyphs themselves come from FreeType through Pillow: another version of those
may draw other outlines.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from paperlib.datasets import cache
from paperlib.datasets.drawing import draw_chunks, normal, photograph, smooth, uniform

# part of the seed and of the file name: raise it whenever a pixel changes, and remake all records
VERSION = 3
TRAIN, TEST = 20_000, 5_000
SIZE = 32  # height and width of a picture, pixels
# pictures drawn at once from one random stream; a multiple of 10 keeps the labels balanced
CHUNK = 100
GLYPH, CANVAS = 40, 48  # height of a glyph and side of the square it is centred in, pixels

FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold"),
    *("DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
    # all that matplotlib ships with ordinary digits; not the system's fonts, which differ from
    # machine to machine
)


def load(seed: int = 0) -> cache.Arrays:
    """`make(seed)`, from the user's cache folder or drawn (seconds) and kept there."""
    return cache.load_or_draw(f"synthdigits-{VERSION}-{seed}", lambda: make(seed))


def make(seed: int = 0, train: int = TRAIN, test: int = TEST) -> cache.Arrays:
    """Draw the data set.

    Args:
        seed: chooses the pictures; training and test pictures come from different random streams of
            it.
        train: number of training pictures. Picture i does not depend on how many are drawn.
        test: number of test pictures.

    Returns:
        training images, training labels, test images, test labels: images uint8 (N, 3, 32, 32),
        labels int64 (N,) in 0..9, balanced in every `CHUNK` pictures.
    """
    key = f"synthdigits {VERSION} {seed}"
    return (
        *draw_chunks(_draw, f"{key} train", train, CHUNK),
        *draw_chunks(_draw, f"{key} test", test, CHUNK),
    )


@lru_cache(maxsize=1)
def draw_glyphs() -> Tensor:
    """Masks of all digits in all fonts, GLYPH pixels high, float64 (fonts, 10, CANVAS, CANVAS)."""
    # found but not imported: that would take a second and is not needed
    matplotlib = find_spec("matplotlib")
    assert matplotlib, "matplotlib is a dependency of paperlib"
    assert matplotlib.origin, "matplotlib is a regular package"
    folder = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    masks = torch.empty(len(FONTS), 10, CANVAS, CANVAS, dtype=torch.float64)
    for i, name in enumerate(FONTS):
        font = ImageFont.truetype(
            folder / f"{name}.ttf", 4 * GLYPH, layout_engine=ImageFont.Layout.BASIC
        )
        for digit in range(10):
            masks[i, digit] = torch.from_numpy(np.array(_glyph(font, str(digit)))) / 255.0
    return masks


def _glyph(font: ImageFont.FreeTypeFont, text: str) -> Image.Image:
    """`text` in white on a black square; drawn four times too large, cut out and reduced: smooth,
    of equal height."""
    large = Image.new("L", (8 * GLYPH, 8 * GLYPH))
    ImageDraw.Draw(large).text((4 * GLYPH, 4 * GLYPH), text, fill=255, font=font, anchor="mm")
    large = large.crop(large.getbbox())
    width = round(GLYPH * large.width / large.height)
    square = Image.new("L", (CANVAS, CANVAS))
    square.paste(
        large.resize((width, GLYPH), Image.Resampling.BOX),
        ((CANVAS - width) // 2, (CANVAS - GLYPH) // 2),
    )
    return square


def _draw(stream: Generator) -> tuple[Tensor, Tensor]:
    """CHUNK pictures uint8 (CHUNK, 3, 32, 32) and their labels int64 (CHUNK,)."""
    labels = (torch.arange(CHUNK) % 10)[torch.randperm(CHUNK, generator=stream)]
    ink = _house_numbers(labels, stream)
    wall, paint = _colours(stream)
    scene = torch.lerp(wall + _texture(stream), paint, ink) + _light(stream)
    sigma = uniform(stream, 0.3, 1.1, CHUNK)
    noise = uniform(stream, 0, 0.05, CHUNK, 1, 1, 1) * normal(stream, *scene.shape)
    return photograph(scene, sigma, noise), labels


def _house_numbers(labels: Tensor, stream: Generator) -> Tensor:
    """How much paint covers each pixel, (CHUNK, 1, 32, 32): the digit, perhaps with neighbours."""
    glyphs = draw_glyphs()
    font = torch.randint(len(glyphs), (CHUNK, 1), generator=stream)
    # left neighbour, middle, right neighbour
    digits = torch.randint(10, (CHUNK, 3), generator=stream)
    digits[:, 1] = labels
    masks = glyphs[font, digits]
    present = uniform(stream, 0, 1, CHUNK, 3) < torch.tensor([0.3, 1.0, 0.3], dtype=torch.float64)

    # half the width of each digit, in glyph heights
    half = masks.amax(-2).gt(0.5).double().sum(-1) / (2 * GLYPH)
    gap = uniform(stream, 0.05, 0.25, CHUNK)
    left, middle, right = half.unbind(1)
    centres = [-(left + gap + middle), torch.zeros_like(gap), middle + gap + right]
    along = torch.stack(centres, dim=1)

    x, y = _number_coordinates(stream)
    # (CHUNK, 3, 32, 32): each digit sees its own centre as 0
    x = x[:, None] - along[:, :, None, None]
    y = y[:, None] - uniform(stream, -0.06, 0.06, CHUNK, 3, 1, 1)  # digits are screwed on by hand
    # grid_sample's canvas goes from -1 to 1
    grid = torch.stack([x, y], dim=-1) * (2 * GLYPH / CANVAS)
    painted = grid_sample(masks.flatten(0, 1)[:, None], grid.flatten(0, 1), align_corners=False)
    painted = painted.view(CHUNK, 3, SIZE, SIZE) * present[:, :, None, None]
    return painted.amax(1, keepdim=True)


def _number_coordinates(stream: Generator) -> tuple[Tensor, Tensor]:
    """Where each pixel lies on the house number: x along it, y down, (CHUNK, 32, 32), in glyphs."""
    # in picture heights, 0 in the middle
    pixel = (torch.arange(SIZE, dtype=torch.float64) + 0.5) / SIZE - 0.5
    x = pixel.view(1, 1, SIZE) - uniform(stream, -0.04, 0.04, CHUNK, 1, 1)
    y = pixel.view(1, SIZE, 1) - uniform(stream, -0.04, 0.04, CHUNK, 1, 1)
    angle = uniform(stream, -0.15, 0.15, CHUNK, 1, 1)  # radians
    x, y = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    x = x + y * uniform(stream, -0.15, 0.15, CHUNK, 1, 1)  # shear
    height = uniform(stream, 0.6, 0.75, CHUNK, 1, 1)  # of a digit, in picture heights
    aspect = uniform(stream, 0.8, 1.25, CHUNK, 1, 1)
    bends = uniform(stream, 0, 0.03, CHUNK, 1, 1, 1) * normal(stream, CHUNK, 2, 5, 5)
    bent_x, bent_y = smooth(bends, SIZE).unbind(1)
    return x / (height * aspect) + bent_x, y / height + bent_y


def _colours(stream: Generator) -> tuple[Tensor, Tensor]:
    """Colours of wall and paint, each (CHUNK, 3, 1, 1), about in [0, 1]; the paint is lighter by
    0.28 or more in grey.

    Never darker: with both polarities, small networks learn nothing for many epochs, which a
    demonstration has not.
    """
    wall = uniform(stream, 0, 0.4, CHUNK, 1, 1, 1)
    paint = wall + uniform(stream, 0.35, 0.55, CHUNK, 1, 1, 1)
    grey = 0.1 + 0.8 * torch.cat([wall, paint], dim=1)  # room for what light and shadow add
    colour = grey[:, :, None] + 0.07 * normal(stream, CHUNK, 2, 3, 1, 1)
    return colour[:, 0], colour[:, 1]


def _texture(stream: Generator) -> Tensor:
    """Blotches on the wall, (CHUNK, 1, 32, 32), around 0."""
    return smooth(uniform(stream, 0, 0.05, CHUNK, 1, 1, 1) * normal(stream, CHUNK, 1, 6, 6), SIZE)


def _light(stream: Generator) -> Tensor:
    """Light from one side, and perhaps the edge of a shadow, (CHUNK, 1, 32, 32), around 0."""
    pixel = torch.linspace(-1, 1, SIZE, dtype=torch.float64)
    angle = uniform(stream, 0, 2 * torch.pi, CHUNK, 2, 1, 1)
    across = pixel.view(1, 1, 1, SIZE) * angle.cos() + pixel.view(1, 1, SIZE, 1) * angle.sin()
    slope, edge = across.unbind(1)
    shadow = ((edge - uniform(stream, 0.2, 1.4, CHUNK, 1, 1)) * 16).sigmoid()
    lit = uniform(stream, 0, 0.1, CHUNK, 1, 1) * slope
    return (lit - uniform(stream, 0, 0.15, CHUNK, 1, 1) * shadow)[:, None]
