"""The 19 common corruptions at five severities (Hendrycks & Dietterich, ICLR 2019), for whole
batches on any device.

A corruption is a function of (images: uint8 (B, C, H, W), draws, *constants of its row) that
returns uint8, or float levels in about [0, 255] which `corrupt` clips and cuts to whole levels as
the reference does.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from paperlib.degrade import blur, digital, elastic, frost, jpeg, noise, spatter, weather
from paperlib.degrade.draws import Draws
from paperlib.degrade.tables import CORRUPTIONS, SEVERITIES, TABLES
from paperlib.errors import UserError, choose

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": frost.frost,
    "fog": weather.fog,
    "brightness": digital.brightness,
    "contrast": digital.contrast,
    "elastic_transform": elastic.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": jpeg.jpeg_compression,
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": spatter.spatter,
    "saturate": digital.saturate,
    # Not one of the 19: drawn by us, for those who have no frost textures.
    "procedural_frost": frost.procedural_frost,
}
NAMES = (*CORRUPTIONS, "procedural_frost")
SMALLEST = 16  # pixels
# a CPU's cache; on a GPU, memory for some 20 copies in float32
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
        textures: folder of the reference's frost images; only "frost" uses it. See
            `frost.find_textures`.
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
    out = apply(
        levels,
        name,
        severity,
        table,
        _index(index, len(levels)).to(levels.device),
        (seed,),
        textures,
    )
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
    """`corrupt` without its checks, for images that are known to be uint8, contiguous and large
    enough."""
    constants, options = (
        row(name, severity, table),
        {"textures": textures} if name == "frost" else {},
    )
    if levels.device.type == "cpu":
        _keep_freed_memory()
    out = torch.empty_like(levels)
    step = chunk(levels)
    for start in range(0, len(levels), step):
        part = slice(start, start + step)
        draws = Draws(index[part], "corruption", name, int(severity), *key)
        out[part] = to_levels(FUNCTIONS[name](levels[part], draws, *constants, **options))
    return out


@lru_cache(maxsize=1)
def _keep_freed_memory() -> None:
    """Let this process keep blocks of up to 31 MiB that it frees, instead of returning them to the
    system.

    glibc returns a large block at once and gets it back page by page: up to half the time of a
    corruption. It stops to do so for blocks as large as one that it has seen freed; nothing is
    written to this one, so it costs nothing.
    """
    torch.empty(31 << 20, dtype=torch.uint8)


def corrupt_array(image: np.ndarray, name: str, severity: int, **options: object) -> np.ndarray:
    """`corrupt` for arrays as image files give them.

    Args:
        image: uint8, (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3; any strides, read-only too.
        options: as for `corrupt`.
    Returns:
        A new array of the same shape.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3, 4):
        raise UserError(
            f"images are {_described(image)}; they must be uint8 arrays (H, W), (H, W, C) or (N, H, W, C)"
        )
    batch = (
        image.reshape((1, *image.shape, *(1,) * (image.ndim == 2))[: 5 if image.ndim == 4 else 4])
        if image.ndim < 4
        else image
    )
    # a copy: torch takes no read-only arrays
    tensor = torch.from_numpy(np.array(batch.transpose(0, 3, 1, 2), order="C"))
    corrupted = corrupt(tensor, name, severity, **options)  # type: ignore[arg-type]
    return corrupted.permute(0, 2, 3, 1).reshape(image.shape).numpy()


def row(name: str, severity: int, table: str) -> tuple[object, ...]:
    """The constants of a corruption at a severity. Raises `UserError` for what does not exist."""
    rows = TABLES[choose("severity table", table, TABLES)]
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise UserError(
            f"severity is {severity!r}; it must be one of {', '.join(map(str, SEVERITIES))}"
        )
    name = {"procedural_frost": "frost"}.get(name, name)
    return rows[choose("corruption", name, rows)][int(severity) - 1]


def as_levels(images: Tensor) -> Tensor:
    """Images as contiguous uint8 levels, checked. Raises `UserError` for other types, shapes and
    ranges."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise UserError(
            f"images are {_described(images)}; they must be a tensor (B, C, H, W) with 1 or 3 channels"
        )
    if min(images.shape[-2:]) < SMALLEST:
        raise UserError(
            f"images are {images.shape[-2]}x{images.shape[-1]}; they must be at least {SMALLEST}x{SMALLEST}"
        )
    if images.dtype == torch.uint8:
        return images.contiguous()
    if not images.dtype.is_floating_point:
        raise UserError(f"images are {images.dtype}; they must be uint8, or float in [0, 1]")
    if images.numel() and not bool(((images >= 0) & (images <= 1)).all()):
        raise UserError("float images must lie in [0, 1]; these do not, or hold NaN")
    return images.float().mul(255).round_().to(torch.uint8).contiguous()


def to_levels(levels: Tensor) -> Tensor:
    """uint8 from float levels as numpy does it: clipped, and cut, not rounded.

    The margin of 1/1024 keeps sums that should be whole from falling under their level by a
    rounding error.
    """
    return (
        levels
        if levels.dtype == torch.uint8
        else levels.add(2.0**-10).clamp_(0, 255).to(torch.int16).to(torch.uint8)
    )


def chunk(images: Tensor) -> int:
    """How many images to corrupt at once: as many as a CPU's cache, or a part of a GPU's memory,
    holds well."""
    return max(
        1,
        VALUES_AT_ONCE.get(images.device.type, 1 << 24)
        // max(1, images[0].numel() if len(images) else 1),
    )


def _index(index: Tensor | int, count: int) -> Tensor:
    which = torch.as_tensor(index)
    if which.ndim == 0:
        which = which + torch.arange(count)
    if which.shape != (count,) or which.dtype.is_floating_point:
        raise UserError(
            f"index has shape {tuple(which.shape)}; it must hold one integer for each of {count} images"
        )
    return which


def _described(images: object) -> str:
    if isinstance(images, np.ndarray | Tensor):
        return f"{images.dtype} of shape {tuple(images.shape)}"
    return type(images).__name__
