"""scenes: 96x96 colour pictures of two to five digits on a wall, with boxes, for detection.

Digits of the fonts that matplotlib ships, of 16 to 40 pixels, each turned, stretched and painted by
itself, stand on a wall with blotches, stripes and uneven light. Boxes enclose what is painted, and
no two boxes overlap.

As `synthdigits`: the same seed gives the same pictures, the arithmetic is float64 on the CPU, and
what differs between two machines is lost when a value is rounded to 8 bits. The glyphs are those of
synthdigits.
"""

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from paperlib.datasets import cache, synthdigits
from paperlib.datasets.drawing import draw_chunks, normal, photograph, smooth, uniform

# part of the seed and of the file name: raise it whenever a pixel changes, and remake all records
VERSION = 1
TRAIN, TEST = 2_500, 400
SIZE = 96  # height and width of a picture, pixels
FEWEST, MOST = 2, 5  # digits per picture
SMALLEST, LARGEST = 16, 40  # heights of digits, pixels, before they are turned
# pictures drawn at once from one random stream; more no longer fit into a cache and take longer
CHUNK = 20
# places tried for a digit; where none is free it is left out, which a first digit never is
TRIES = 24


def load(seed: int = 0) -> cache.Arrays:
    """`make(seed)`, from the user's cache folder or drawn (seconds) and kept there."""
    return cache.load_or_draw(f"scenes-{VERSION}-{seed}", lambda: make(seed))


def make(seed: int = 0, train: int = TRAIN, test: int = TEST) -> cache.Arrays:
    """Draw the data set.

    Args:
        seed: chooses the pictures; training and test pictures come from different random streams of
            it.
        train: number of training pictures. Picture i does not depend on how many are drawn.
        test: number of test pictures.

    Returns:
        training images, training labels, test images, test labels: images uint8 (N, 3, 96, 96),
        labels float32 (N, 5, 6) as `paperlib.datasets.boxes` explains; no digit is difficult.
    """
    key = f"scenes {VERSION} {seed}"
    return (
        *draw_chunks(_draw, f"{key} train", train, CHUNK),
        *draw_chunks(_draw, f"{key} test", test, CHUNK),
    )


def _draw(stream: Generator) -> tuple[Tensor, Tensor]:
    """CHUNK pictures uint8 (CHUNK, 3, 96, 96) and their labels (CHUNK, MOST, 6)."""
    glyphs = synthdigits.draw_glyphs()
    font = torch.randint(len(glyphs), (CHUNK, MOST), generator=stream)
    digits = torch.randint(10, (CHUNK, MOST), generator=stream)
    shape = _shapes(stream)
    extent = _extents(glyphs[font, digits], shape)
    centre, placed = _places(extent, stream)
    wanted = torch.randint(FEWEST, MOST + 1, (CHUNK, 1), generator=stream)
    present = placed & (torch.arange(MOST) < wanted)
    ink = _ink(glyphs[font, digits], shape, centre) * present[:, :, None, None]
    return _paint(ink, stream), _labels(ink, digits, present)


def _shapes(stream: Generator) -> Tensor:
    """(CHUNK, MOST, 2, 2): takes pixels from the digit's middle to the glyph's canvas, [-1, 1]."""
    ratio = LARGEST / SMALLEST
    height = SMALLEST * ratio ** uniform(stream, 0, 1, CHUNK, MOST)
    width = height * uniform(stream, 0.85, 1.2, CHUNK, MOST)
    angle = uniform(stream, -0.2, 0.2, CHUNK, MOST)  # radians
    rows = [
        torch.stack([angle.cos() / width, angle.sin() / width], dim=-1),
        torch.stack([-angle.sin() / height, angle.cos() / height], dim=-1),
    ]
    return torch.stack(rows, dim=-2) * (2 * synthdigits.GLYPH / synthdigits.CANVAS)


def _extents(masks: Tensor, shape: Tensor) -> Tensor:
    """(CHUNK, MOST, 2): half the width and height of the upright box around each turned glyph."""
    inked = (masks > 0.5).double()
    side = torch.linspace(-1, 1, masks.shape[-1], dtype=torch.float64).abs() + 1 / masks.shape[-1]
    # on the canvas
    half = torch.stack([(inked.amax(2) * side).amax(-1), (inked.amax(3) * side).amax(-1)], dim=-1)
    return (torch.linalg.inv(shape).abs() @ half[..., None])[..., 0]


def _places(extent: Tensor, stream: Generator) -> tuple[Tensor, Tensor]:
    """Middles (CHUNK, MOST, 2) in pixels, x and y, and which digits found a free place (CHUNK,
    MOST) bool.

    Digits are placed one by one, each at the first of `TRIES` random places, wholly inside the
    picture, at which its box stays clear of those before.
    """
    gap = 1.0  # pixel between boxes and at the border
    tries = uniform(stream, 0, 1, CHUNK, MOST, TRIES, 2)
    low = (extent + gap)[:, :, None]
    tries = low + tries * (SIZE - 2 * low)
    centre, placed = tries[:, :, 0].clone(), torch.ones(CHUNK, MOST, dtype=torch.bool)
    pictures = torch.arange(CHUNK)
    for i in range(1, MOST):
        apart = (tries[:, i, :, None] - centre[:, None, :i]).abs()  # (CHUNK, TRIES, i, 2)
        needed = (extent[:, i, None] + extent[:, :i] + gap)[:, None]
        free = ((apart >= needed).any(-1) | ~placed[:, None, :i]).all(-1)
        centre[:, i] = tries[pictures, i, free.int().argmax(1)]
        placed[:, i] = free.any(1)
    return centre, placed


def _ink(masks: Tensor, shape: Tensor, centre: Tensor) -> Tensor:
    """How much paint of each digit covers each pixel, (CHUNK, MOST, 96, 96) in [0, 1]."""
    pixel = torch.arange(SIZE, dtype=torch.float64) + 0.5
    x = pixel.view(1, 1, 1, SIZE) - centre[:, :, 0, None, None]
    y = pixel.view(1, 1, SIZE, 1) - centre[:, :, 1, None, None]
    (a, b), (c, d) = (row.unbind(-1) for row in shape[..., None, None, :, :].unbind(-2))
    grid = torch.stack([a * x + b * y, c * x + d * y], dim=-1)
    ink = grid_sample(masks.flatten(0, 1)[:, None], grid.flatten(0, 1), align_corners=False)
    return ink.view(CHUNK, MOST, SIZE, SIZE)


def _labels(ink: Tensor, digits: Tensor, present: Tensor) -> Tensor:
    """(CHUNK, MOST, 6): boxes around pixels painted by half or more, present digits first."""
    labels = torch.zeros(CHUNK, MOST, 6)
    inked = ink >= 0.5
    # columns, then rows: (CHUNK, MOST, 96)
    for i, lines in enumerate((inked.any(2), inked.any(3))):
        labels[:, :, 1 + i] = lines.int().argmax(-1)
        labels[:, :, 3 + i] = SIZE - lines.flip(-1).int().argmax(-1)
    labels[:, :, 0] = digits
    empty = torch.tensor([-1.0, 0, 0, 0, 0, 0])
    labels = torch.where(present[:, :, None], labels, empty)
    order = (~present).int().argsort(dim=1, stable=True)
    return labels.gather(1, order[:, :, None].expand_as(labels))


def _paint(ink: Tensor, stream: Generator) -> Tensor:
    """The pictures uint8 (CHUNK, 3, 96, 96): a wall, digits lighter than it, light."""
    wall = 0.1 + uniform(stream, 0, 0.35, CHUNK, 1, 1) + 0.06 * normal(stream, CHUNK, 3, 1)
    scene = wall[..., None] + _blotches(stream) + _stripes(stream)
    paint = uniform(stream, 0.3, 0.5, CHUNK, MOST, 1) + 0.08 * normal(stream, CHUNK, MOST, 3)
    for i in range(MOST):
        colour = (wall + paint[:, i, :, None])[..., None]
        scene = torch.lerp(scene, colour, ink[:, i, None])
    scene = scene + _light(stream)
    sigma = uniform(stream, 0.3, 0.8, CHUNK)
    noise = uniform(stream, 0, 0.03, CHUNK, 1, 1, 1) * normal(stream, *scene.shape)
    return photograph(scene, sigma, noise)


def _blotches(stream: Generator) -> Tensor:
    """Colours that change slowly across the wall, (CHUNK, 3, 96, 96), around 0."""
    coarse = uniform(stream, 0, 0.06, CHUNK, 1, 1, 1) * normal(stream, CHUNK, 3, 9, 9)
    return smooth(coarse, SIZE)


def _waves(stream: Generator, low: float, high: float) -> Tensor:
    """Plane waves of `low` to `high` periods per picture, (CHUNK, 1, 96, 96) in [-1, 1]."""
    pixel = torch.linspace(-0.5, 0.5, SIZE, dtype=torch.float64)
    angle, phase = uniform(stream, 0, 2 * torch.pi, 2, CHUNK, 1, 1, 1).unbind(0)
    periods = uniform(stream, low, high, CHUNK, 1, 1, 1)
    across = pixel * angle.cos() + pixel[:, None] * angle.sin()
    return (2 * torch.pi * periods * across + phase).sin()


def _stripes(stream: Generator) -> Tensor:
    """Boards or bricks of the wall, (CHUNK, 1, 96, 96), around 0."""
    return uniform(stream, 0, 0.06, CHUNK, 1, 1, 1) * _waves(stream, 3, 14)


def _light(stream: Generator) -> Tensor:
    """Brightness that changes from side to side, (CHUNK, 1, 96, 96), around 0."""
    return uniform(stream, 0, 0.12, CHUNK, 1, 1, 1) * _waves(stream, 0.2, 0.6)
