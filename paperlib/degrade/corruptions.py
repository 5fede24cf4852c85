"""The 19 common corruptions at five severities (Hendrycks & Dietterich, ICLR 2019), in batches.

A corruption is a function of (images: uint8 (B, C, H, W), draws, *constants of its row). It returns
uint8, or float levels in about [0, 255], which `corrupt` clips and cuts to whole levels as the
reference does.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from paperlib.degrade import blur, digital, elastic, frost, jpeg, noise, spatter, weather
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import to_levels, truncated
from paperlib.degrade.tables import CORRUPTIONS, SEVERITIES, TABLES
from paperlib.errors import UserError, choose

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        *(noise.gaussian_noise, noise.shot_noise, noise.impulse_noise),
        *(blur.defocus_blur, blur.glass_blur, blur.motion_blur, blur.zoom_blur),
        *(weather.snow, frost.frost, weather.fog, digital.brightness, digital.contrast),
        *(elastic.elastic_transform, digital.pixelate, jpeg.jpeg_compression),
        *(noise.speckle_noise, blur.gaussian_blur, spatter.spatter, digital.saturate),
        frost.procedural_frost,  # none of the 19: our drawing, for those without frost textures
    )
}
NAMES = (*CORRUPTIONS, "procedural_frost")
SMALLEST = 16  # pixels
# As many as a CPU's cache holds; on a GPU, some 20 copies in float32 must fit into its memory.
VALUES_AT_ONCE = {"cpu": 1 << 20, "cuda": 1 << 27}


def corrupt(
    images: Tensor,
    name: str,
    severity: int,
    *,
    table: str = "imagenet-c",
    seed: int = 0,
    index: Tensor | int = 0,
    textures: Path | None = None,
) -> Tensor:
    """Corrupt a batch; image i gets the same bits whatever the batch around it.

    Args:
        images: (B, C, H, W) uint8, or float in [0, 1] (rounded to 256 levels first); C is 1 or 3;
            H, W at least 16.
        name: one of `NAMES`.
        severity: 1 to 5.
        table: whose constants, one of `TABLES`: "imagenet-c" for images of about 224 pixels,
            "cifar-c" for 32, "imagecorruptions" for what the package of that name gives.
        seed: any integer.
        index: (B,) integers that say which image each is, or the first of consecutive ones. The
            draws depend on name, severity, seed and index.
        textures: folder of the reference's frost images, for "frost"; see `frost.find_textures`.
    Returns:
        A new tensor of the shape, dtype and device of `images`; floats hold whole levels divided by
        255.
    Raises:
        UserError: unknown name, severity or table; images of another type, shape or range; no frost
            textures.
    """
    choose("corruption", name, NAMES)
    row(name, severity, table)
    levels = as_levels(images)
    indices = _indices(index, len(levels)).to(levels.device)
    out = apply(levels, name, severity, table, indices, (seed,), textures)
    return out.to(images.dtype).div_(255) if images.dtype.is_floating_point else out


def apply(
    levels: Tensor,
    name: str,
    severity: int,
    table: str,
    index: Tensor,
    key: tuple[int | str, ...],
    textures: Path | None = None,
) -> Tensor:
    """`corrupt` without its checks, for contiguous uint8 images that are large enough."""
    constants = row(name, severity, table)
    options = {"textures": textures} if name == "frost" else {}
    if levels.device.type == "cpu":
        _keep_freed_memory()
    out = torch.empty_like(levels)
    size = chunk(levels)
    for start in range(0, len(levels), size):
        part = slice(start, start + size)
        draws = Draws(index[part], "corruption", name, int(severity), *key)
        out[part] = truncated(FUNCTIONS[name](levels[part], draws, *constants, **options))
    return out


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    """Make this process keep freed blocks of up to 31 MiB instead of returning them to the system.

    glibc stops returning blocks up to the size of one that it has seen freed; to get them back page
    by page takes up to half the time of a corruption. The block freed here is never written to.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def corrupt_array(image: np.ndarray, name: str, severity: int, **options: Any) -> np.ndarray:
    """`corrupt` for arrays as image files give them.

    Args:
        image: uint8, (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3; any strides, read-only too.
        name: as for `corrupt`.
        severity: as for `corrupt`.
        options: the keyword arguments of `corrupt`.
    Returns:
        A new array of the same shape.
    Raises:
        UserError: another type or shape, or as for `corrupt`.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3, 4):
        wanted = "uint8 arrays (H, W), (H, W, C) or (N, H, W, C)"
        raise UserError(f"images are {_describe(image)}; they must be {wanted}")
    batch = image[..., None] if image.ndim == 2 else image
    batch = batch if batch.ndim == 4 else batch[None]
    # A copy, as torch takes no read-only arrays.
    tensor = torch.from_numpy(np.array(batch.transpose(0, 3, 1, 2), order="C"))
    corrupted = corrupt(tensor, name, severity, **options)
    return corrupted.permute(0, 2, 3, 1).reshape(image.shape).numpy()


def row(name: str, severity: int, table: str) -> tuple[object, ...]:
    """The constants of a corruption at a severity.

    Raises:
        UserError: unknown name, severity or table.
    """
    rows = TABLES[choose("severity table", table, TABLES)]
    if isinstance(severity, bool) or severity not in SEVERITIES:
        severities = ", ".join(map(str, SEVERITIES))
        raise UserError(f"severity is {severity!r}; it must be one of {severities}")
    name = "frost" if name == "procedural_frost" else name
    return rows[choose("corruption", name, rows)][int(severity) - 1]


def as_levels(images: Tensor) -> Tensor:
    """Checked images as contiguous uint8 levels.

    Raises:
        UserError: images of another type, shape or range than `corrupt` takes.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
        wanted = "a tensor (B, C, H, W) with 1 or 3 channels"
        raise UserError(f"images are {_describe(images)}; they must be {wanted}")
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST:
        raise UserError(f"images are {height}x{width}; they must be at least {SMALLEST}x{SMALLEST}")
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.dtype.is_floating_point:
        raise UserError(f"images are {images.dtype}; they must be uint8, or float in [0, 1]")
    if images.numel() and not bool(((images >= 0) & (images <= 1)).all()):
        raise UserError("float images must lie in [0, 1]; these do not, or hold NaN")
    return to_levels(images.float()).contiguous()


def chunk(images: Tensor) -> int:
    """How many images to corrupt at once, see `VALUES_AT_ONCE`."""
    values = max(1, images.shape[1:].numel())
    return max(1, VALUES_AT_ONCE.get(images.device.type, 1 << 24) // values)


def _indices(index: Tensor | int, count: int) -> Tensor:
    """(count,) integers, from those themselves or from the first of consecutive ones."""
    indices = torch.as_tensor(index)
    if indices.ndim == 0:
        indices = indices + torch.arange(count)
    if indices.shape != (count,) or indices.dtype.is_floating_point:
        wanted = f"one integer for each of {count} images"
        raise UserError(f"index has shape {tuple(indices.shape)}; it must hold {wanted}")
    return indices


def _describe(images: object) -> str:
    if isinstance(images, np.ndarray | Tensor):
        return f"{images.dtype} of shape {tuple(images.shape)}"
    return type(images).__name__
