"""Frost on the window. Images are uint8 levels; results are float levels in about [0, 255]."""

import importlib.util
import math
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade import filters
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

# The reference lists a sixth file, frost6.jpg, and never picks it.
FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
GREY = (0.2989, 0.5870, 0.1140)
POSITIONS = 1 << 16


def frost(
    images: Tensor,
    draws: Draws,
    image_weight: float,
    frost_weight: float,
    scale: float = 1.0,
    textures: Path | None = None,
) -> Tensor:
    """A part of one of five photographs of frost, blended with the image.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        image_weight: what the image is multiplied by.
        frost_weight: what the frost is multiplied by; the sum of the two may be above 1.
        scale: of the photographs: below 1 bilinear, 1 as they are, above 1 bicubic. Where one would
            be smaller than the image it is first enlarged to fit: for a `scale` above 1 to the
            image's size before it, as the package imagecorruptions does; otherwise, where the
            reference fails, to the image's size after it.
        textures: see `find_textures`.
    Raises:
        UserError: no photographs, or unreadable ones.
    """
    height, width = images.shape[-2:]
    folder = find_textures(textures)
    sizes = tuple(_size(each.shape, scale, height, width) for each in _photographs(folder))
    values, places = _atlas(folder, scale, sizes, images.device)
    first, rows, columns = places.index_select(0, draws.integers(0, len(FILES)).flatten()).unbind(1)
    where = draws.integers(0, POSITIONS, 2).long()
    row = where[:, 0] * (rows - height).clamp_min(1) // POSITIONS
    column = where[:, 1] * (columns - width).clamp_min(1) // POSITIONS
    down = torch.arange(height, device=images.device)[:, None] * columns[:, None, None]
    corner = (first + row * columns + column)[:, None, None]
    index = down + torch.arange(width, device=images.device) + corner
    texture = values.index_select(1, index.int().flatten()).view(3, *index.shape).float()
    if images.shape[1] == 1:
        texture = _grey(texture, GREY[::-1])[None]  # the reference takes blue for red here
    return images.float().mul_(image_weight).add_(texture.transpose(0, 1), alpha=frost_weight)


def find_textures(folder: Path | None = None) -> Path:
    """The folder of the reference's frost photographs.

    Args:
        folder: where they are; by default the environment variable FROST_TEXTURES, or else the
            folder frost in DATA_ROOT or in an installed package imagecorruptions, whichever has
            them.
    Raises:
        UserError: they are not there.
    """
    places = list(_places(folder))
    for place in places:
        if all((place / file).is_file() for file in FILES):
            return place
    nowhere = "nowhere: DATA_ROOT is not set and imagecorruptions is not installed"
    looked = ", ".join(map(str, places)) or nowhere
    raise UserError(
        f"frost needs the photographs {', '.join(FILES)} of hendrycks/robustness; "
        f"looked in: {looked}; set FROST_TEXTURES=... to their folder, "
        "or use the corruption procedural_frost, which needs none"
    )


def _places(folder: Path | None) -> Iterator[Path]:
    named = folder or os.environ.get("FROST_TEXTURES")
    if named:
        yield Path(named).expanduser()
        return
    if root := os.environ.get("DATA_ROOT"):
        yield Path(root).expanduser() / "frost"
    package = importlib.util.find_spec("imagecorruptions")
    for place in (package and package.submodule_search_locations) or ():
        yield Path(place) / "frost"


@lru_cache(maxsize=4)
def _photographs(folder: Path) -> tuple[Tensor, ...]:
    """(3, h, w) uint8 each, without their transparency, as OpenCV reads them."""
    import numpy as np
    from PIL import Image

    try:
        arrays = [np.array(Image.open(folder / file).convert("RGB")) for file in FILES]
    except OSError as error:
        raise UserError(f"cannot read the frost photographs in {folder}: {error}") from error
    return tuple(torch.from_numpy(array).permute(2, 0, 1).contiguous() for array in arrays)


def _size(shape: torch.Size, scale: float, height: int, width: int) -> tuple[int, int]:
    """What size to bring a photograph of (3, h, w) to, for images of (height, width)."""
    fit = max(height / shape[1], width / shape[2])
    if scale > 1:
        factor = max(1, fit) * scale
        return math.ceil(shape[1] * factor), math.ceil(shape[2] * factor)
    factor = max(scale, fit)
    return max(height, int(shape[1] * factor)), max(width, int(shape[2] * factor))


Sizes = tuple[tuple[int, int], ...]


@lru_cache(maxsize=16)
def _atlas(folder: Path, scale: float, sizes: Sizes, device: torch.device) -> tuple[Tensor, Tensor]:
    """The photographs at these sizes, one after the other.

    Returns:
        (3, n) uint8; and where each photograph begins, its height and its width, (5, 3) int64.
    """
    parts, places, first = [], [], 0
    for photograph, size in zip(_photographs(folder), sizes, strict=True):
        parts.append(_resized(photograph, size, scale).flatten(1))
        places.append((first, *size))
        first += size[0] * size[1]
    return torch.cat(parts, dim=1).to(device), torch.tensor(places).to(device)


def _resized(photograph: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """As OpenCV resizes: two taps per axis, or four, whatever the scale."""
    if size == photograph.shape[1:]:
        return photograph
    levels, mode = photograph[None].float(), "bicubic" if scale > 1 else "bilinear"
    if scale < 1 and size == (int(photograph.shape[1] * scale), int(photograph.shape[2] * scale)):
        # By this scale, not by the ratio of the rounded sizes.
        large = F.interpolate(levels, scale_factor=scale, mode=mode)
    else:
        large = F.interpolate(levels, size, mode=mode)
    return large.round_().clamp_(0, 255).to(torch.uint8)[0]


def _grey(colours: Tensor, weights: tuple[float, ...]) -> Tensor:
    """A weighted sum over the first axis, of 3."""
    return colours[0] * weights[0] + colours[1] * weights[1] + colours[2] * weights[2]


# Four kinds of frost, after the reference's five photographs, of which the second and the third are
# the same: a thin film on blue glass; thick ice; small ferns on grey glass; large ferns on dark
# glass.
PICKS = (0, 1, 1, 2, 3)
DIRECTIONS = 1 << 12  # in which a crystal may grow
CRYSTALS = (45, 25)  # pixels: the cells that hold one large crystal, one small crystal each
OCTAVES = (40, 12, 5)  # pixels: how wide the bumps of the noise are
# levels of red, green, blue
MEANS = ((76, 147, 164), (199, 203, 212), (145, 160, 173), (100, 112, 124))
DEVIATIONS = ((23, 14, 13), (19, 20, 20), (26, 26, 27), (35, 35, 34))  # within an image
TRAITS = (
    (0.10, 0.25, 0.34, 0.33),  # half the width of a crystal, in cells
    (5.00, 1.00, 10.0, 14.0),  # barbs in a large cell
    (0.30, 20.0, 0.50, 0.55),  # how far they lean along the stem
    (0.50, 0.00, 0.10, 0.10),  # light between barbs
    (0.60, 0.00, 0.60, 1.00),  # light of stems
    (0.90, 0.80, 0.90, 0.80),  # how uneven the barbs are
    (1.00, 0.20, 0.70, 0.40),  # how bent the crystals are
    (0.70, 0.90, 1.00, 0.90),  # light of small crystals beside large ones
    (1.00, -1.0, 1.00, 1.00),  # sign of all this light
    (0.28, 0.10, 0.15, 0.15),  # noise of the first octave
    (0.17, 0.12, 0.10, 0.10),  # of the second
    (0.10, 0.18, 0.16, 0.08),  # of the third
    (0.06, 0.06, 0.13, 0.06),  # of single pixels
    (1.00, 0.70, 0.90, 0.50),  # light from the upper left on slopes
    (0.10, -0.2, 0.31, 0.31),  # mean of what comes out, measured
    (0.43, 0.43, 0.51, 0.43),  # its deviation within an image, measured
    (0.60, 0.25, 0.25, 0.25),  # deviation from one image to another, in parts of that within
)


def procedural_frost(
    images: Tensor, draws: Draws, image_weight: float, frost_weight: float, scale: float = 1.0
) -> Tensor:
    """Frost drawn from noise, for those who have no photographs; not comparable with `frost`.

    Measured over 300 draws at 224 pixels and scale 1, in levels of red, green, blue (in brackets:
    over as many parts of the photographs): mean 140, 162, 174 (143, 164, 176); deviation within an
    image 24, 23, 22 (25, 23, 23), over all images 57, 43, 41 (57, 43, 42); slope of the logarithmic
    power spectrum -1.8 (-1.7). At 32 pixels and scale 0.2 the slope is -1.4 (-1.0), the rest alike.

    Args are those of `frost`; `scale` is of the pattern, 1 for images of about 224 pixels.
    """
    height, width = images.shape[-2:]
    device = images.device
    kind = torch.tensor(PICKS, device=device)[draws.integers(0, len(PICKS)).long()]
    traits = torch.tensor(TRAITS, device=device)[:, kind, None, None]  # each (B, 1, 1)
    share, sign, *veils, grain, relief, middle, spread, between = traits[7:]
    # One more row and column than the image has, for the slopes.
    octaves = [
        _noise(draws, height + 1, width + 1, max(1.0, side * scale), device) for side in OCTAVES
    ]
    bend = (octaves[1] * 0.05).add_(octaves[2], alpha=0.025)
    large, small = (
        _crystals(draws, bend, max(4, round(side * scale)), side, traits) for side in CRYSTALS
    )
    pattern = torch.maximum(large, small.mul_(share)).mul_(sign)
    for octave, veil in zip(octaves, veils, strict=True):
        pattern.add_(octave.mul_(veil))
    slope = pattern[:, 1:, 1:] - pattern[:, :-1, :-1]  # the steeper, the smaller the pattern
    pattern = slope.mul_(relief * min(1.0, scale**0.5)).add_(pattern[:, 1:, 1:])
    pattern.add_(draws.normal(height, width).mul_(grain))
    pattern.sub_(middle).div_(spread).add_(draws.normal(1, 1).mul_(between))
    # (3, B)
    mean, deviation = (torch.tensor(x, device=device)[kind].T for x in (MEANS, DEVIATIONS))
    if images.shape[1] == 1:
        mean, deviation = _grey(mean, GREY)[None], _grey(deviation, GREY)[None]
    texture = pattern[:, None] * deviation.T[..., None, None]
    texture.add_(mean.T[..., None, None]).clamp_(0, 255)
    return images.float().mul_(image_weight).add_(texture, alpha=frost_weight)


@lru_cache(maxsize=32)
def _spline(size: int, step: float, device: torch.device) -> Tensor:
    """(size, knots): cubic B-splines `step` pixels apart, which keep a deviation of 1 about 1."""
    where = (torch.arange(size, dtype=torch.float64) + 0.5) / step
    away = (torch.arange(math.ceil(size / step) + 3) - 1 - where[:, None]).abs()
    near = (4 - 6 * away.square() + 3 * away**3) / 6
    far = (2 - away).clamp_min(0) ** 3 / 6
    return (torch.where(away < 1, near, far) / math.sqrt(0.48)).float().to(device)


def _noise(draws: Draws, height: int, width: int, step: float, device: torch.device) -> Tensor:
    """(B, height, width): smooth normal noise whose bumps are `step` pixels wide."""
    rows, columns = _spline(height, step, device), _spline(width, step, device)
    return filters.separable(draws.normal(1, rows.shape[1], columns.shape[1]), rows, columns)[:, 0]


@lru_cache(maxsize=8)
def _circle(device: torch.device) -> Tensor:
    """(2, DIRECTIONS): cosines and sines, in a table: no bit depends on the place in a batch."""
    angles = torch.arange(DIRECTIONS, dtype=torch.float64) * (2 * math.pi / DIRECTIONS)
    return torch.stack([angles.cos(), angles.sin()]).float().to(device)


def _crystals(draws: Draws, noise: Tensor, side: int, of: int, traits: Tensor) -> Tensor:
    """Feathers of ice: a bent stem and, on both sides of it, barbs that lean towards its tip.

    The plane is cut into cells of `side` pixels, each with one crystal of about two cells' length,
    at a random place and angle. A pixel shows the brightest of the crystals of its cell and of the
    eight around it. `noise` (B, H, W), in cells, bends the crystals; `of` is one of `CRYSTALS`;
    traits are (n, B, 1, 1). Returns (B, H, W) in about [0, 2].
    """
    height, length = noise.shape[1:]
    rows, columns = -(-height // side), -(-length // side)
    noise = F.pad(noise, (0, columns * side - length, 0, rows * side - height))
    noise = noise.view(-1, rows, side, columns, side).transpose(2, 3)  # cell by cell
    width, barbs, lean, gap, stem, uneven, bent = (x[..., None, None] for x in traits[:7])
    barbs = barbs * (of / CRYSTALS[0])
    y, x, angle, bend, light = draws.uniform(5, rows + 2, columns + 2)[..., None, None].unbind(1)
    cosine, sine = _circle(angle.device)[:, (angle * DIRECTIONS).long()]
    cells = torch.stack([y, x, cosine, sine, (bend - 0.5) * bent, light * 0.75 + 0.25], dim=1)
    noise = noise.mul(bent).contiguous()
    out = torch.zeros_like(noise)
    local = (torch.arange(side, device=noise.device) + 0.5) / side
    lines, depth, shortest = barbs * lean, 2 - 2 * gap, 1.2 - uneven
    steep, thick = stem * -20, stem * 0.8
    width = width * 14  # the edges fade over a 14th of a cell
    for i in range(3):
        for j in range(3):
            y, x, cosine, sine, curl, light = cells[:, :, i : i + rows, j : j + columns].unbind(1)
            down, right = local[:, None] + (1 - i) - y, local + (1 - j) - x
            along = cosine * right + sine * down
            square = along * along
            across = (cosine * down - sine * right).add_(noise).addcmul_(square, curl).abs_()
            phase = (along * barbs).add_(100).addcmul_(across, lines, value=-1)
            number = phase.floor()
            barb = phase.sub_(number).sub_(0.5).abs_().mul_(depth).add_(gap)
            # the golden ratio spreads the lengths
            reach = number.mul_(0.618).frac_().mul_(uneven).add_(shortest)
            reach.mul_(square.neg_().add_(1).clamp_(min=0))
            reach.mul_(along.mul_(-0.7).add_(1)).mul_(width)
            inside = reach.sub_(across, alpha=14).clamp_(0, 1)
            barb.add_(across.mul_(steep).add_(thick).clamp_(min=0))
            torch.maximum(out, barb.mul_(inside).mul_(light), out=out)
    return out.transpose(2, 3).reshape(-1, rows * side, columns * side)[:, :height, :length]
