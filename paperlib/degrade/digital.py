"""The digital corruptions that work pixel by pixel or block by block. Images are uint8 levels."""

from functools import lru_cache

import torch
from torch import Tensor

from paperlib.degrade import filters
from paperlib.degrade.draws import Draws


def brightness(images: Tensor, draws: Draws, added: float) -> Tensor:
    """`added` (of 1) to the V of HSV, up to white.

    With hue and saturation kept, colours grow in proportion to V.
    """
    levels = images.float()
    value = levels.amax(1, keepdim=True)
    brighter = (value + added * 255).clamp_(max=255)
    # A black pixel has no hue and no saturation: it becomes grey.
    return torch.where(value > 0, levels * (brighter / value.clamp_min(1)), brighter)


def saturate(images: Tensor, draws: Draws, factor: float, added: float) -> Tensor:
    """The S of HSV times `factor` plus `added`, within [0, 1].

    Greys have hue 0: those that gain colour turn red.
    """
    if images.shape[1] == 1:
        return images
    levels = images.float()
    value = levels.amax(1, keepdim=True)
    depth = value - levels.amin(1, keepdim=True)  # S V
    new = (depth / value.clamp_min(1) * factor + added).clamp_(0, 1).mul_(value)
    coloured = value - (value - levels) * (new / depth.clamp_min(1))
    if not added:
        return coloured
    red = torch.cat([value, value - new, value - new], dim=1)
    return torch.where(depth > 0, coloured, red)


def contrast(images: Tensor, draws: Draws, factor: float) -> Tensor:
    """Each channel drawn towards its mean over the image, whose sum of integers is exact."""
    height, width = images.shape[-2:]
    mean = images.sum((2, 3), keepdim=True, dtype=torch.int64).double().div_(height * width)
    return images.float().mul_(factor).add_((mean * (1 - factor)).float())


def pixelate(images: Tensor, draws: Draws, factor: float) -> Tensor:
    """Down to `factor` of the size by Pillow's BOX filter, and back by the nearest pixel."""
    height, width = images.shape[-2:]
    size = int(height * factor), int(width * factor)
    small = filters.box_resize(images.float(), *size).to(torch.uint8)
    rows, columns = (
        _nearest(size[0], height, images.device),
        _nearest(size[1], width, images.device),
    )
    return filters.pick(filters.pick(small, 3, columns), 2, rows)


@lru_cache(maxsize=64)
def _nearest(size: int, out: int, device: torch.device) -> Tensor:
    """(out,) int64: the old pixel under the middle of each new one, in float64 as in Pillow."""
    return ((torch.arange(out, dtype=torch.float64) + 0.5) * (size / out)).long().to(device)
