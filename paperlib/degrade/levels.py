"""Images as whole levels (uint8, 0 to 255), and as the floats in [0, 1] that networks take.

Images are levels everywhere but in networks: data sets hold levels, degradations take and return
them. Whoever calls a network makes floats of them with `to_float`, and nobody else does.
"""

import torch
from torch import Tensor

from paperlib.errors import UserError


def to_float(levels: Tensor) -> Tensor:
    """uint8 levels -> a new float32 tensor in [0, 1], of the same shape and memory format."""
    return levels.float().div_(255)


def to_levels(images: Tensor) -> Tensor:
    """Float images -> uint8: clipped to [0, 1] and rounded to the nearest level."""
    return images.clamp(0, 1).mul_(255).round_().to(torch.uint8)


def to_8_bit(images: Tensor) -> Tensor:
    """Float images clipped to [0, 1] and rounded to the 256 levels, still float."""
    return images.clamp(0, 1).mul(255).round().div(255)


def rounded(levels: Tensor) -> Tensor:
    """uint8 levels as they are; float levels clipped to [0, 255] and rounded."""
    return levels if levels.dtype == torch.uint8 else levels.round().clamp_(0, 255).to(torch.uint8)


def truncated(levels: Tensor) -> Tensor:
    """uint8 levels as they are; float levels clipped to [0, 255] and cut, as numpy casts them.

    The margin of 1/1024 keeps sums that should be whole from falling under their level.
    """
    if levels.dtype == torch.uint8:
        return levels
    return levels.add(2.0**-10).clamp_(0, 255).to(torch.int16).to(torch.uint8)


def check_levels(images: Tensor) -> None:
    """Raises `UserError` unless the images are uint8."""
    if images.dtype != torch.uint8:
        raise UserError(f"images are {images.dtype}; a degradation takes uint8 levels, 0 to 255")
