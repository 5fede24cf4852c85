"""scenes: 96x96 colour pictures of two to five digits on a wall, with boxes, for detection.

Digits of the fonts that matplotlib ships, of 16 to 40 pixels, each turned, stretched and painted by
itself, stand on a wall with blotches, stripes and uneven light. Boxes enclose what is painted, and
no two boxes overlap.

As `synthdigits`: the same seed gives the same pictures, the arithmetic is float64 on the CPU, and
what differs between two machines is lost when a value is rounded to 8 bits. The glyphs are those of
synthdigits.
"""

import hashlib
from collections.abc import Iterator

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample, interpolate

from paperlib.datasets import cache, synthdigits
from paperlib.datasets.base import Dataset, Split

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


def load(seed: int = 0) -> Dataset:
    """The data set `make(seed)`, from the user's cache folder or drawn (seconds) and kept there."""
    drawn = cache.load_or_draw(f"scenes-{VERSION}-{seed}", lambda: make(seed))
    train_images, train_labels, test_images, test_labels = drawn
    train, test = Split(train_images, train_labels), Split(test_images, test_labels)
    return Dataset("scenes", train, test, tuple("0123456789"))


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
    return *_draw_many(seed, "train", train), *_draw_many(seed, "test", test)


def _draw_many(seed: int, part: str, count: int) -> tuple[Tensor, Tensor]:
    glyphs = synthdigits.draw_glyphs()
    chunks = [_draw(glyphs, stream) for stream in _streams(seed, part, -(-count // CHUNK))]
    images = torch.cat(
        [torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8), *(images for images, _ in chunks)]
    )
    labels = torch.cat([torch.empty(0, MOST, 6), *(labels for _, labels in chunks)])
    return images[:count].clone(), labels[:count].clone()


def _streams(seed: int, part: str, count: int) -> Iterator[Generator]:
    """`count` random generators, by hashed seeds."""
    for chunk in range(count):
        digest = hashlib.sha256(f"scenes {VERSION} {seed} {part} {chunk}".encode()).digest()
        # the CPU's generator reads 32 bits
        yield Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def _uniform(stream: Generator, low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=stream, dtype=torch.float64)


def _normal(stream: Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def _draw(glyphs: Tensor, stream: Generator) -> tuple[Tensor, Tensor]:
    """CHUNK pictures uint8 (CHUNK, 3, 96, 96) and their labels (CHUNK, MOST, 6)."""
    font = torch.randint(len(glyphs), (CHUNK, MOST), generator=stream)
    digits = torch.randint(10, (CHUNK, MOST), generator=stream)
    shape = _shapes(stream)
    extent = _extents(glyphs[font, digits], shape)
    centre, placed = _places(extent, stream)
    wanted = torch.randint(FEWEST, MOST + 1, (CHUNK, 1), generator=stream)
    present = placed & (torch.arange(MOST) < wanted)
    ink = _ink(glyphs[font, digits], shape, centre) * present[:, :, None, None]
    images = _paint(ink, stream)
    return (images.clamp(0, 1) * 255).round().to(torch.uint8), _labels(ink, digits, present)


def _shapes(stream: Generator) -> Tensor:
    """(CHUNK, MOST, 2, 2): the matrix that takes pixels, from the digit's middle, to the glyph's
    canvas in [-1, 1]."""
    ratio = LARGEST / SMALLEST
    height = SMALLEST * ratio ** _uniform(stream, 0, 1, CHUNK, MOST)
    width = height * _uniform(stream, 0.85, 1.2, CHUNK, MOST)
    angle = _uniform(stream, -0.2, 0.2, CHUNK, MOST)  # radians
    rows = [
        torch.stack([angle.cos() / width, angle.sin() / width], dim=-1),
        torch.stack([-angle.sin() / height, angle.cos() / height], dim=-1),
    ]
    return torch.stack(rows, dim=-2) * (2 * synthdigits.GLYPH / synthdigits.CANVAS)


def _extents(masks: Tensor, shape: Tensor) -> Tensor:
    """(CHUNK, MOST, 2): half the width and height in pixels of the upright box around each turned
    glyph."""
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
    tries = _uniform(stream, 0, 1, CHUNK, MOST, TRIES, 2)
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
    """(CHUNK, MOST, 6): boxes around the pixels that are painted by half or more, the present
    digits first."""
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
    """The pictures (CHUNK, 3, 96, 96), about in [0, 1]: a wall, digits lighter than it, light, blur
    and noise."""
    wall = 0.1 + _uniform(stream, 0, 0.35, CHUNK, 1, 1) + 0.06 * _normal(stream, CHUNK, 3, 1)
    scene = wall[..., None] + _blotches(stream) + _stripes(stream)
    paint = _uniform(stream, 0.3, 0.5, CHUNK, MOST, 1) + 0.08 * _normal(stream, CHUNK, MOST, 3)
    for i in range(MOST):
        colour = (wall + paint[:, i, :, None])[..., None]
        scene = torch.lerp(scene, colour, ink[:, i, None])
    scene = _blur(scene + _light(stream), sigma=_uniform(stream, 0.3, 0.8, CHUNK))
    # the camera's noise
    return scene + _uniform(stream, 0, 0.03, CHUNK, 1, 1, 1) * _normal(stream, *scene.shape)


def _blotches(stream: Generator) -> Tensor:
    """Colours that change slowly across the wall, (CHUNK, 3, 96, 96), around 0."""
    coarse = _uniform(stream, 0, 0.06, CHUNK, 1, 1, 1) * _normal(stream, CHUNK, 3, 9, 9)
    return interpolate(coarse, size=(SIZE, SIZE), mode="bicubic", align_corners=True)


def _waves(stream: Generator, low: float, high: float) -> Tensor:
    """Plane waves of `low` to `high` periods a picture in any direction, (CHUNK, 1, 96, 96) in [-1,
    1]."""
    pixel = torch.linspace(-0.5, 0.5, SIZE, dtype=torch.float64)
    angle, phase = _uniform(stream, 0, 2 * torch.pi, 2, CHUNK, 1, 1, 1).unbind(0)
    periods = _uniform(stream, low, high, CHUNK, 1, 1, 1)
    across = pixel * angle.cos() + pixel[:, None] * angle.sin()
    return (2 * torch.pi * periods * across + phase).sin()


def _stripes(stream: Generator) -> Tensor:
    """Boards or bricks of the wall, (CHUNK, 1, 96, 96), around 0."""
    return _uniform(stream, 0, 0.06, CHUNK, 1, 1, 1) * _waves(stream, 3, 14)


def _light(stream: Generator) -> Tensor:
    """Brightness that changes from side to side, (CHUNK, 1, 96, 96), around 0."""
    return _uniform(stream, 0, 0.12, CHUNK, 1, 1, 1) * _waves(stream, 0.2, 0.6)


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of images (N, C, 96, 96), each with its own sigma (N,) in pixels; as two
    products with a matrix."""
    pixel = torch.arange(SIZE, dtype=torch.float64)
    weights = (-((pixel[:, None] - pixel) ** 2) / (2 * sigma.view(-1, 1, 1, 1) ** 2)).exp()
    weights = weights / weights.sum(-1, keepdim=True)  # so that the border does not darken
    return weights @ images @ weights.mT
