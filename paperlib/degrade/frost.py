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
GREY = (0.1140, 0.5870, 0.2989)  # the reference takes the texture for blue, green, red here
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
        image_weight, frost_weight: what the two are multiplied by; their sum may be above 1.
        scale: of the photographs: below 1 bilinear, 1 as they are, above 1 bicubic. Where one would be smaller than the
            image it is first enlarged to fit (to the image's size before `scale`, where that is above 1, as the
            package imagecorruptions does; to its size after it otherwise, where the reference fails).
        textures: see `find_textures`.
    Raises:
        UserError: no photographs, or unreadable ones.
    """
    height, width = images.shape[-2:]
    folder = find_textures(textures)
    sizes = tuple(_size(photograph.shape[1:], scale, height, width) for photograph in _photographs(folder))
    values, places = _atlas(folder, scale, sizes, images.device)
    first, rows, columns = places.index_select(0, draws.integers(0, len(FILES)).flatten()).unbind(1)
    where = draws.integers(0, POSITIONS, 2).long()
    row = where[:, 0] * (rows - height).clamp_min(1) // POSITIONS
    column = where[:, 1] * (columns - width).clamp_min(1) // POSITIONS
    down = torch.arange(height, device=images.device)[:, None] * columns[:, None, None]
    index = down + torch.arange(width, device=images.device) + (first + row * columns + column)[:, None, None]
    texture = values.index_select(1, index.int().flatten()).view(3, *index.shape).float()
    if images.shape[1] == 1:
        texture = torch.tensordot(texture.new_tensor(GREY), texture, 1)[None]
    return images.float().mul_(image_weight).add_(texture.transpose(0, 1), alpha=frost_weight)


def find_textures(folder: Path | None = None) -> Path:
    """The folder of the reference's frost photographs.

    Args:
        folder: where they are. If not given: the environment variable FROST_TEXTURES; if it is not set either: the
            folder frost in DATA_ROOT, or in an installed package imagecorruptions, whichever has them.
    Raises:
        UserError: they are not there.
    """
    places = list(_places(folder))
    for place in places:
        if all((place / file).is_file() for file in FILES):
            return place
    looked = ", ".join(map(str, places)) or "nowhere: DATA_ROOT is not set and imagecorruptions is not installed"
    raise UserError(
        f"frost needs the photographs {', '.join(FILES)} of hendrycks/robustness; looked in: {looked}; "
        "set FROST_TEXTURES=... to their folder, or use the corruption procedural_frost, which needs none"
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


def _size(shape: tuple[int, int] | torch.Size, scale: float, height: int, width: int) -> tuple[int, int]:
    """What size to bring a photograph of (h, w) to, for images of (height, width)."""
    fit = max(height / shape[0], width / shape[1])
    if scale > 1:
        factor = max(1, fit) * scale
        return math.ceil(shape[0] * factor), math.ceil(shape[1] * factor)
    if fit <= scale:
        return round(shape[0] * scale), round(shape[1] * scale)
    return max(height, round(shape[0] * fit)), max(width, round(shape[1] * fit))


@lru_cache(maxsize=16)
def _atlas(
    folder: Path, scale: float, sizes: tuple[tuple[int, int], ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """The photographs at these sizes, one after the other.

    Returns:
        (3, n) uint8; and for each photograph where it begins, its height and its width, (5, 3) int64.
    """
    parts, places, first = [], [], 0
    for photograph, size in zip(_photographs(folder), sizes, strict=True):
        parts.append(_resized(photograph, size, scale).flatten(1))
        places.append((first, *size))
        first += size[0] * size[1]
    return torch.cat(parts, dim=1).to(device), torch.tensor(places).to(device)


def _resized(photograph: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    if size == photograph.shape[1:]:
        return photograph
    levels = photograph[None].float()
    if scale > 1:
        large = F.interpolate(levels, size, mode="bicubic", align_corners=False)
    else:
        large = filters.separable(
            levels, *(_linear(old, new, scale) for old, new in zip(photograph.shape[1:], size, strict=True))
        )
    return large.round_().clamp_(0, 255).to(torch.uint8)[0]


def _linear(old: int, new: int, scale: float) -> Tensor:
    """The (new, old) matrix of OpenCV's bilinear resize: two taps, whatever the scale."""
    step = 1 / scale if new == round(old * scale) else old / new  # the given scale, not what rounding made of it
    centre = ((torch.arange(new, dtype=torch.float64) + 0.5) * step - 0.5).clamp_(0, old - 1)
    return (1 - (torch.arange(old) - centre[:, None]).abs()).clamp_(min=0).float()


def procedural_frost(
    images: Tensor, draws: Draws, image_weight: float, frost_weight: float, scale: float = 1.0
) -> Tensor:
    """Frost drawn from noise."""
    noise = draws.normal(1, *images.shape[-2:]).mul_(60).add_(150)
    return images.float() * image_weight + filters.gaussian_blur(noise, 1) * frost_weight
