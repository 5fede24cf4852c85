"""Snow and fog. Images are uint8 levels; results are float levels in about [0, 255]."""

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade import filters
from paperlib.degrade.draws import Draws

LUMA = (0.299, 0.587, 0.114)
MAGICK_HALF = 0.5 / 257  # ImageMagick rounds to 16 bits, and cuts those to 8


def snow(
    images: Tensor,
    draws: Draws,
    mean: float,
    sd: float,
    factor: float,
    threshold: float,
    radius: int,
    sigma: float,
    keep: float,
    centre: bool = True,
) -> Tensor:
    """Falling flakes over a scene that has turned whiter.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        mean: of the noise that becomes flakes, in parts of full brightness.
        sd: of that noise, likewise.
        factor: by which the noise is enlarged.
        threshold: noise below it is no flake.
        radius: of the motion blur, in pixels; its angle is within 45 degrees of straight down.
        sigma: of the motion blur, in pixels.
        keep: share of the image that does not turn whiter.
        centre: if true, as hendrycks/robustness: the enlarged noise is cut to size about its
            middle, and to whole levels before and after the blur. If false, as the package
            imagecorruptions: it stays float, and is rounded and cut to size after the blur.
    """
    height, width = images.shape[-2:]
    field = draws.normal(1, height, width).mul_(sd).add_(mean)
    layer = filters.zoom(field, factor, centre)
    layer = F.threshold(layer, threshold, 0.0).clamp_(0, 1).mul_(255)
    if centre:
        layer.floor_()
    angles = draws.uniform(low=-135, high=-45)
    layer = filters.motion_blur(layer, radius, sigma, angles)[..., :height, :width]
    layer = layer.add_(MAGICK_HALF).floor_() if centre else layer.round_()
    levels = images.float()
    whiter = torch.maximum(levels, _grey(levels).mul_(1.5).add_(127.5)).mul_(1 - keep)
    return levels.mul_(keep).add_(whiter).add_(layer).add_(layer.flip(2, 3))


def _grey(levels: Tensor) -> Tensor:
    """(B, 1, H, W): a new tensor."""
    if levels.shape[1] == 1:
        return levels.clone()
    grey = levels[:, :1] * LUMA[0]
    return grey.add_(levels[:, 1:2], alpha=LUMA[1]).add_(levels[:, 2:], alpha=LUMA[2])


def fog(images: Tensor, draws: Draws, strength: float, decay: float) -> Tensor:
    """A plasma of light is added; the sum is scaled so that the brightest pixel in full fog stays.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        strength: of the plasma's brightest point, in parts of full brightness.
        decay: how much smoother each finer scale of the plasma is than the one before; 2 or more
            looks like mist, less is grainy.
    """
    height, width = images.shape[-2:]
    brightest = images.flatten(1).amax(1).float().div_(255)
    share = brightest.div(brightest + strength).view(-1, 1, 1, 1)
    mist = plasma(draws, 1 << (max(height, width) - 1).bit_length(), decay)[:, :height, :width]
    return images.float().add_(mist[:, None], alpha=strength * 255).mul_(share)


def plasma(draws: Draws, size: int, decay: float) -> Tensor:
    """Noise of all scales by the diamond-square algorithm, its opposite borders joined.

    Args:
        draws: of the images.
        size: a power of two.
        decay: the amplitude falls by its square from one scale to the next.
    Returns:
        (B, size, size) float32 in [0, 1].
    """
    noise = draws.uniform(size * size - 1, low=-1, high=1)
    grid = noise.new_zeros(len(noise), 1, 1)
    amplitude, used = 1.0, 0  # the first amplitude does not show: the map is scaled to [0, 1]
    while (n := grid.shape[-1]) < size:
        parts = noise[:, used : used + 3 * n * n].mul_(amplitude).view(-1, 3, n, n)
        # of the squares, and halfway along their upper and their left sides
        centres, above, beside = parts.unbind(1)
        across = grid + grid.roll(-1, 2)
        down = grid + grid.roll(-1, 1)
        centres.add_(down, alpha=0.25).add_(down.roll(-1, 2), alpha=0.25)
        above.add_(across.add_(centres).add_(centres.roll(1, 1)), alpha=0.25)
        beside.add_(down.add_(centres).add_(centres.roll(1, 2)), alpha=0.25)
        finer = noise.new_empty(len(noise), n, 2, n, 2)
        finer[:, :, 0, :, 0], finer[:, :, 0, :, 1] = grid, above
        finer[:, :, 1, :, 0], finer[:, :, 1, :, 1] = beside, centres
        grid = finer.view(-1, 2 * n, 2 * n)
        amplitude, used = amplitude / decay**2, used + 3 * n * n
    low, high = grid.flatten(1).aminmax(dim=1)
    low, high = low[:, None, None], high[:, None, None]
    return grid.sub_(low).div_(high - low)
