"""Spatter: water or mud on the lens. Images are uint8 levels; results float, in about [0, 255].

The light in a drop of water comes from a chain of 8-bit operations of OpenCV: Canny edges, their
distance transform, an equalised histogram, an emboss kernel. Each is done here in the same
integers, in torch, for a whole batch. Most of the arithmetic is in int16, of which a CPU does twice
as much at once as of float32.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade import filters
from paperlib.degrade.draws import Draws

WATER = (175, 238, 238)  # pale turquoise
MUD = (63, 42, 20)
GREY = (0.2989, 0.5870, 0.1140)
COVERED = 0.8  # mud shows where it covers more than this

LOW, HIGH = 50, 150  # Canny's thresholds
TANGENT = 13573 / 32768  # of 22.5 degrees, as OpenCV rounds it

FARTHEST = 20  # pixels, where the distance is cut
# The steps of OpenCV's distance transform: straight, diagonal, and a knight's move. It counts their
# lengths 1, 1.4 and 2.1969 in parts of 65,536. `CODE` holds smaller numbers in their place: of two
# sums of steps below `FARTHEST` the shorter has the smaller code (tested for all of them), so that
# a minimum can be taken in int16.
LENGTH = (65536, 91750, 143976)
CODE = (903, 1264, 1982)
FAR = FARTHEST * CODE[0]
# Their sums reach every multiple below `FARTHEST`.
STRIDES = ((1, 2, 4, 8, 4), (1, 2, 4, 7), (1, 2, 4, 2))
LINES = (  # kind, rows, columns
    *((0, 0, 1), (0, 1, 0), (1, 1, 1), (1, 1, -1)),
    *((2, 1, 2), (2, 2, 1), (2, 1, -2), (2, 2, -1)),
)
REACH = 8
# weight, row, column
EMBOSS = ((-2, 0, 0), (-1, 0, 1), (-1, 1, 0), (1, 1, 2), (1, 2, 1), (2, 2, 2))


def spatter(
    images: Tensor,
    draws: Draws,
    mean: float,
    sd: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: bool,
) -> Tensor:
    """Drops of water or mud on the lens.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        mean: of the noise that becomes drops, in parts of full brightness.
        sd: of that noise, likewise.
        sigma: of its blur, in pixels.
        threshold: there is a drop where the blurred noise is above it.
        strength: of water, its light where it is brightest, in parts of full brightness; of mud,
            the sigma of the blur of its edges, in pixels.
        mud: whether it is mud, not water.
    Returns:
        (B, C, H, W) float32 levels. An image without drops is unchanged (the reference then divides
            by zero).
    """
    field = draws.normal(1, *images.shape[-2:]).mul_(sd).add_(mean)
    layer = F.threshold(filters.gaussian_blur(field, sigma), threshold, 0.0)
    colour = layer.new_tensor(MUD if mud else WATER)
    if images.shape[1] == 1:
        colour = colour @ layer.new_tensor(GREY)
    colour = colour.view(-1, 1, 1)
    levels = images.float()
    if mud:
        cover = F.threshold(filters.gaussian_blur(layer.sign_(), strength), COVERED, 0.0)
        return levels.addcmul_(cover, colour - levels)
    # numpy's uint8: beyond 255 it starts again at 0
    depth = layer.mul_(255).to(torch.int16).bitwise_and_(255)
    light = _light(depth[:, 0])[:, None].mul_(depth)
    brightest = light.amax((2, 3), keepdim=True).clamp_min_(1)
    return levels.addcmul_(light.mul_(strength / brightest), colour)


def _light(depth: Tensor) -> Tensor:
    """How bright water is, by its edges: int16 in [0, 255] -> float32 whole levels, (B, H, W)."""
    distance = _distance(_canny(depth))
    near = _box(distance).div_(9 * LENGTH[0])
    embossed = _emboss(_equalise(near.to(torch.uint8)))
    return _box(embossed).float().div_(9).add_(0.5).floor_()


def _framed(images: Tensor, border: str) -> Tensor:
    """(B, H + 2, W + 2): one more pixel on each side, by "zero", "nearest", or "mirror"."""
    batch, height, width = images.shape
    framed = images.new_zeros(batch, height + 2, width + 2)
    framed[:, 1:-1, 1:-1] = images
    if border != "zero":
        inner = 1 if border == "nearest" else 2
        for axis in (1, 2):
            framed.select(axis, 0).copy_(framed.select(axis, inner))
            framed.select(axis, -1).copy_(framed.select(axis, -1 - inner))
    return framed


def _box(images: Tensor) -> Tensor:
    """The sum of each pixel and its eight neighbours, mirrored outside."""
    framed = _framed(images, "mirror")
    columns = framed[:, :-2].add(framed[:, 1:-1]).add_(framed[:, 2:])
    return columns[:, :, :-2].add(columns[:, :, 1:-1]).add_(columns[:, :, 2:])


def _canny(levels: Tensor) -> Tensor:
    """Canny edges as OpenCV finds them with an aperture of 3 and gradients in the L1 norm.

    (B, H, W) int16 in [0, 255] -> uint8, 1 on edges.
    """
    framed = _framed(levels, "nearest")
    smooth = framed[:, :-2].add(framed[:, 2:]).add_(framed[:, 1:-1], alpha=2)
    across = smooth[:, :, 2:].sub(smooth[:, :, :-2])
    smooth = framed[:, :, :-2].add(framed[:, :, 2:]).add_(framed[:, :, 1:-1], alpha=2)
    down = smooth[:, 2:].sub(smooth[:, :-2])
    opposed = across.bitwise_xor(down).lt_(0)  # in place, comparisons yield 0 and 1 in int16
    across.abs_()
    down.abs_()
    strength = across + down
    # A gradient within 22.5 degrees of an axis counts as along it.
    reach = across.float().mul_(TANGENT).to(torch.int16)
    flat = reach.clone().ge_(down)
    steep = reach.add_(across, alpha=2).lt_(down)
    # An edge is stronger than its neighbours along the gradient. Of two equal ones along an axis,
    # the first is the edge.
    around = _framed(strength, "zero")
    less = around - 1
    inner = slice(1, -1)
    edges = torch.maximum(around[:, :-2, :-2], around[:, 2:, 2:]).lt_(strength)
    rising = torch.maximum(around[:, :-2, 2:], around[:, 2:, :-2]).lt_(strength)
    along_row = torch.maximum(around[:, inner, :-2], less[:, inner, 2:]).lt_(strength)
    along_column = torch.maximum(around[:, :-2, inner], less[:, 2:, inner]).lt_(strength)
    for where, other in ((opposed, rising), (flat, along_row), (steep, along_column)):
        edges.bitwise_xor_(other.bitwise_xor_(edges).bitwise_and_(where))
    strong = strength.clone().gt_(HIGH).bitwise_and_(edges)
    return _grown(strong.to(torch.uint8), strength.gt_(LOW).bitwise_and_(edges).to(torch.uint8))


def _grown(seeds: Tensor, where: Tensor) -> Tensor:
    """(B, H, W) uint8: `seeds`, and all in `where` that is connected to them, also by corners."""
    framed = _framed(seeds, "zero")
    while True:
        wide = torch.maximum(framed[:, :, :-2], framed[:, :, 2:])
        torch.maximum(wide, framed[:, :, 1:-1], out=wide)
        grown = torch.maximum(wide[:, :-2], wide[:, 2:])
        torch.maximum(grown, wide[:, 1:-1], out=grown).bitwise_and_(where)
        if torch.equal(grown, seeds):
            return seeds
        seeds = framed[:, 1:-1, 1:-1].copy_(grown).clone()


@lru_cache(maxsize=8)
def _lengths(device: torch.device) -> Tensor:
    """(FAR + 1,) float32: for each code of a distance, the distance in parts of `LENGTH[0]`."""
    lengths = torch.full((FAR + 1,), float(FARTHEST * LENGTH[0]))
    for straight in range(FARTHEST):
        for knight in range(FARTHEST // 2):
            # straight steps and diagonal ones never go together on a shortest path
            for kind in (0, 1):
                code = straight * CODE[kind] + knight * CODE[2]
                if code < FAR:
                    lengths[code] = straight * LENGTH[kind] + knight * LENGTH[2]
    return lengths.to(device)


def _distance(edges: Tensor) -> Tensor:
    """The distance to the next edge by OpenCV's 5x5 chamfer mask, at most `FARTHEST`.

    Its two passes find the shortest sum of steps. Any shortest sum needs steps of two kinds only,
    so taking the minimum over whole lines of steps, one kind and direction after the other, finds
    it too. (B, H, W) uint8, 1 on edges -> float32, whole numbers: parts of `LENGTH[0]` of a pixel.
    """
    batch, height, width = edges.shape
    size = (batch, height + 2 * REACH, width + 2 * REACH)
    framed = torch.full(size, FAR, dtype=torch.int16, device=edges.device)

    def shifted(rows: int, columns: int) -> Tensor:
        return framed.narrow(1, REACH + rows, height).narrow(2, REACH + columns, width)

    here = shifted(0, 0)
    here.sub_(edges, alpha=FAR)
    near = torch.empty_like(edges, dtype=torch.int16)
    for kind, rows, columns in LINES:
        for stride in STRIDES[kind]:
            offset = (stride * rows, stride * columns)
            torch.minimum(shifted(*offset), shifted(-offset[0], -offset[1]), out=near)
            torch.minimum(here, near.add_(stride * CODE[kind]), out=here)
    return _lengths(edges.device).index_select(0, here.int().flatten()).view(edges.shape)


def _equalise(levels: Tensor) -> Tensor:
    """Histogram equalisation as in OpenCV, of each image by itself.

    (B, H, W) uint8, at most `FARTHEST` -> int16 in [0, 255].
    """
    batch, bins = len(levels), FARTHEST + 1
    index = levels.flatten(1).long()
    first = torch.arange(batch, device=levels.device)[:, None] * bins
    counts = torch.bincount((index + first).flatten(), minlength=batch * bins).view(batch, bins)
    below = counts.cumsum(1)
    # how many have the lowest level
    lowest = below.masked_fill(below == 0, index.shape[1]).amin(1, keepdim=True)
    scale = 255 / (index.shape[1] - lowest).float()
    table = (below - lowest).clamp_min_(0).float().mul_(scale).round_()
    # An image of one level keeps it.
    same = torch.arange(bins, device=levels.device)
    table = torch.where(lowest == index.shape[1], same, table).to(torch.int16)
    return table.gather(1, index).view(levels.shape)


def _emboss(levels: Tensor) -> Tensor:
    """Light from the upper left: (B, H, W) int16 in [0, 255] -> the same."""
    framed = _framed(levels, "mirror")
    height, width = levels.shape[1:]
    out = levels.clone()
    for weight, row, column in EMBOSS:
        out.add_(framed[:, row : row + height, column : column + width], alpha=weight)
    return out.clamp_(0, 255)
