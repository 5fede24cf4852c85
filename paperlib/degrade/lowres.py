"""Low resolution: images lose their fine detail in a smaller size (DFD, section 2.2)."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade.base import ImageKey
from paperlib.degrade.levels import check_levels, to_float, to_levels
from paperlib.errors import UserError, choose

# PyTorch's antialiased modes are Pillow's filters (bicubic with a = -0.5).
KERNELS = {"bicubic": True, "bilinear": True, "area": False, "nearest": False}


@lru_cache(maxsize=64)
def _matrix(size: int, out: int, kernel: str, device: torch.device) -> Tensor:
    """The (out, size) matrix that resizes one axis: PyTorch's interpolation of the identity."""
    # The matrix is cached: a first call in inference mode must not make it one without gradients.
    with torch.inference_mode(False):
        return _interpolate(torch.eye(size)[None, None], (out, size), kernel)[0, 0].to(device)


def resize(images: Tensor, size: int, kernel: str = "bicubic") -> Tensor:
    """Resize square images by two small matrix products, one per axis.

    For a fixed pair of sizes this is `F.interpolate(..., antialias=True)` to rounding, at
    matrix-product speed and with the same bits for an image whatever the batch around it.

    Args:
        images: (B, C, H, H) float.
        size: the new height and width.
        kernel: one of `KERNELS`.
    Returns:
        (B, C, size, size) float32, also under autocast; bicubic may leave the input's range.
    Raises:
        UserError: unknown kernel, or images that are not square.
    """
    choose("kernel", kernel, KERNELS)
    if images.shape[-1] != images.shape[-2]:
        height, width = images.shape[-2:]
        raise UserError(f"low resolution takes square images; these are {height}x{width}")
    # A compiler does not see the cache and would make the matrix in every step.
    if torch.compiler.is_compiling():
        return _interpolate(images.float(), (size, size), kernel)
    matrix = _matrix(images.shape[-1], size, kernel, images.device)
    with torch.autocast(images.device.type, enabled=False):
        return matrix @ (images.float() @ matrix.T)


def _interpolate(images: Tensor, size: tuple[int, int], kernel: str) -> Tensor:
    mode = "nearest-exact" if kernel == "nearest" else kernel
    return F.interpolate(images, size, mode=mode, antialias=KERNELS[kernel])


class LowResolution:
    """Downsample by an integer factor and, unless `up` is "none", resize back to the original size.

    The paper gives the sizes (32/s x 32/s and back to 32 x 32) and not the kernels. Both steps end
    in 8 bits, as they do for a camera or an image file.

    Args:
        factor: s, at least 1; the image size must be divisible by it.
        down: kernel of the downsampling.
        up: kernel of the way back, or "none" to keep the small image.
    """

    fixed = False  # nothing is random: degraded at every step, after the crop, as in the paper

    def __init__(self, factor: int = 4, down: str = "bicubic", up: str = "bicubic") -> None:
        if factor < 1:
            raise UserError(f"factor is {factor}; it must be at least 1")
        self.factor, self.down = factor, choose("kernel", down, KERNELS)
        self.up = choose("kernel", up, [*KERNELS, "none"])

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        """(B, 3, H, H) uint8 -> the same, or (B, 3, H/s, H/s) with `up="none"`; ignores `key`."""
        check_levels(images)
        size = images.shape[-1]
        if size % self.factor:
            raise UserError(
                f"images of {size} pixels cannot be reduced by the factor {self.factor}"
            )
        small = to_levels(resize(to_float(images), size // self.factor, self.down))
        return small if self.up == "none" else to_levels(resize(to_float(small), size, self.up))
