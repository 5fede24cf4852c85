"""The six distortions of feature quantization (Sun et al., CVPR 2018), and their mix.

FOUND in the paper's supplement (Table 3, Figs. 3 and 4): the six names and their order, that
strengths were swept, and that the models were trained on clean images only. Everything else, the
form of each distortion and its strengths, is INFERRED here, as each function says. Comparable
strengths come from calibration on the undistorted baseline (`paperlib.degrade.calibration`); after
that they stay fixed.

A distortion takes uint8 images (B, C, H, W), C 1 or 3, their draws and a strength in [0, 1]; it
returns uint8, or float32 levels that are neither clipped nor whole. Strength 0 leaves the images
unchanged. With the same draws a greater strength hits the same values, strokes and lines, and more.
Lengths are parts of the shorter side, so that a strength means the same at any size. An image's
bits do not depend on the batch around it. All raise `UserError` for a strength outside [0, 1].
"""

import math
from collections.abc import Callable, Mapping
from functools import wraps

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade import jpeg
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

Distortion = Callable[..., Tensor]  # (images, draws, strength) -> levels

LONGEST = 0.5  # of the shorter side: a line of motion blur
LARGEST = 0.9  # of the area: what inpainting removes
STROKES, STROKE_RADIUS = 32, 1 / 12  # of the shorter side
GREY = 127.5


def _checked(function: Distortion) -> Distortion:
    """Refuses strengths outside [0, 1]; at strength 0, or without images, changes nothing."""

    @wraps(function)
    def distort(images: Tensor, draws: Draws, strength: float) -> Tensor:
        if not 0 <= strength <= 1:
            raise UserError(f"strength is {strength}; it must lie in [0, 1]")
        if not strength or not len(images):
            return images
        return function(images, draws, float(strength))

    return distort


@_checked
def motion_blur(images: Tensor, draws: Draws, strength: float) -> Tensor:
    """The camera or the object moves evenly along a line, at any angle.

    INFERRED. The movement is strength * (shorter side) / 2 pixels long and centred on the pixel, so
    that it blurs and does not shift; a weight falls from 1 to 0 over the distance of one pixel from
    the line. Outside the image the nearest pixel is repeated.
    """
    length = strength * LONGEST * min(images.shape[-2:])
    height, width = images.shape[-2:]
    half = math.ceil(length / 2) + 1
    radians = draws.uniform(high=math.pi).double()[:, None, None]
    across = torch.arange(-half, half + 1, dtype=torch.float64, device=images.device)
    x, y = across, across[:, None]
    beyond = ((x * radians.cos() + y * radians.sin()).abs() - length / 2).clamp_min(0)
    aside = x * radians.sin() - y * radians.cos()
    weights = (1 - (beyond.square() + aside.square()).sqrt()).clamp_min(0)
    weights = (weights / weights.sum((1, 2), keepdim=True)).float()
    # By Fourier transforms, whose time does not grow with the line; sizes of 16 n are fast.
    padded = F.pad(images.float(), (half,) * 4, mode="replicate")
    size = [-(n + 2 * half) // 16 * -16 for n in (height, width)]
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(weights, s=size).conj()[:, None]
    return torch.fft.irfft2(spectrum, s=size)[..., :height, :width]


@_checked
def jpeg_compression(images: Tensor, draws: Draws, strength: float) -> Tensor:
    """JPEG at quality 100 ** (1 - strength): 100 near strength 0, 10 at 0.5, 5 at 0.65, 1 at 1.

    INFERRED, as is that the paper's table used quality 5. Below 50 the quantisation steps are
    proportional to 1 / quality, so equal steps of strength multiply them by equal factors.
    Qualities are whole: of 5.3, three images in ten get 6, the others 5, so that the accuracy has
    no jumps.
    """
    return jpeg.compress(images, draws.uniform().add_(100 ** (1 - strength)).int().clamp_(max=100))


@_checked
def salt_and_pepper(images: Tensor, draws: Draws, strength: float) -> Tensor:
    """A share `strength` of the values, each channel by itself, becomes 0 or 255 with equal chance.

    INFERRED: values and not whole pixels. Unlike `noise.impulse_noise`, a value that became salt
    stays salt at every greater strength, which makes the accuracy a smooth function of strength.
    """
    u = draws.uniform(*images.shape[1:])
    pepper = torch.where(u < strength / 2, 0, images)
    return torch.where(u >= 1 - strength / 2, 255, pepper).to(torch.uint8)


@_checked
def ngrn_noise(images: Tensor, draws: Draws, strength: float) -> Tensor:
    """Uniform noise in +- 255 * strength levels is added to every value by itself.

    INFERRED. What NGRN stands for was not found; the guess is "non-Gaussian random noise".
    Accuracies under it follow those under salt and pepper within 4 points in all rows of the
    paper's table, so it is strong noise, pixel by pixel. The Gaussian counterpart is
    `sensor.additive_gaussian`.
    """
    return draws.uniform(*images.shape[1:], low=-255 * strength, high=255 * strength).add_(images)


@_checked
def inpainting(images: Tensor, draws: Draws, strength: float) -> Tensor:
    """Thick random strokes remove 0.9 * strength of the area, and `fill` closes the gaps smoothly.

    INFERRED. A stroke is a straight line between random points, a sixth of the shorter side wide.
    Strokes are painted one after another until they cover that share of the area, whatever the
    image.
    """
    height, width = images.shape[-2:]
    removed = round(LARGEST * strength * height * width)
    if not removed:
        return images
    when = _painted(draws, height, width, images.device)
    last = when.flatten(1).kthvalue(removed, dim=1).values[:, None, None]
    return fill(images, (when <= last)[:, None])


@_checked
def targeted_occlusion(images: Tensor, draws: Draws, strength: float) -> Tensor:
    """A mid-grey square on the object, whose side is `strength` of the shorter side.

    INFERRED. No random numbers are drawn. The paper's target is unknown; the guess is the middle of
    the image, where CIFAR and ImageNet mostly have it. Pixels at the edges are covered in part.
    """
    side = strength * min(images.shape[-2:])
    away = [(torch.arange(n, device=images.device) - (n - 1) / 2).abs() for n in images.shape[-2:]]
    rows, columns = (((side + 1) / 2 - each).clamp(0, min(side, 1)) for each in away)
    return images + rows[:, None] * columns * (GREY - images.float())


def _painted(draws: Draws, height: int, width: int, device: torch.device) -> Tensor:
    """(B, H, W) float32: when a painter of random strokes first covers each pixel.

    Pixels that no stroke covers come after all others, those next to a stroke first.
    """
    side = min(height, width)
    radius = side * STROKE_RADIUS
    start = draws.uniform(STROKES, 2)
    along = draws.uniform(STROKES, 2, low=-side / 2, high=side / 2)
    y = torch.arange(height, dtype=torch.float32, device=device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=device)
    when = torch.full((len(start), height, width), math.inf, device=device)
    nearest = when.clone()
    for stroke in range(STROKES):
        down, right = along[:, stroke].T[:, :, None, None]
        dy = y - start[:, stroke, 0, None, None] * (height - 1)
        dx = x - start[:, stroke, 1, None, None] * (width - 1)
        length = (down * down + right * right).clamp_min(1)
        part = (dy * down + dx * right) / length
        on = part.clamp(0, 1)
        distance = (dy - on * down).square() + (dx - on * right).square()
        torch.minimum(nearest, distance, out=nearest)
        # A stroke takes a time of 1 from the round cap before its start to the one after its end.
        cap = radius / length.sqrt()
        moment = stroke + (part + cap) / (1 + 2 * cap)
        torch.minimum(when, torch.where(distance <= radius**2, moment, math.inf), out=when)
    return torch.where(when < math.inf, when, STROKES + nearest)


def fill(images: Tensor, gaps: Tensor, sweeps: int = 12) -> Tensor:
    """Fill gaps so that every filled value is about the mean of its four neighbours (harmonic).

    The image is halved, leaving gaps out, until they close; on the way back each size starts from
    the smaller one's result and is relaxed. A filled value never leaves the range of the known
    ones.

    Args:
        images: (B, C, H, W) uint8 or float levels.
        gaps: (B, 1, H, W) bool, true where to fill; the values there are not read. An image that is
            all gaps becomes 0.
        sweeps: of Jacobi relaxation at each size.
    Returns:
        (B, C, H, W) float32.
    """
    levels = torch.where(gaps, 0, images.float())
    known = ~gaps
    if max(images.shape[-2:]) > 1:
        size = images.shape[-2:]
        odd = (0, size[1] % 2, 0, size[0] % 2)
        share = F.avg_pool2d(F.pad(known.float(), odd), 2)
        small = F.avg_pool2d(F.pad(levels, odd), 2) / share.clamp_min(0.25)
        small = fill(small, share == 0, sweeps)
        guess = F.interpolate(small, scale_factor=2, mode="bilinear")[..., : size[0], : size[1]]
        levels = torch.where(known, levels, guess)
    for _ in range(sweeps):
        edge = F.pad(levels, (1, 1, 1, 1), mode="replicate")
        vertical = edge[..., :-2, 1:-1] + edge[..., 2:, 1:-1]
        horizontal = edge[..., 1:-1, :-2] + edge[..., 1:-1, 2:]
        levels = torch.where(known, levels, (vertical + horizontal) * 0.25)
    return levels


_TABLE3 = motion_blur, jpeg_compression, salt_and_pepper, ngrn_noise, inpainting, targeted_occlusion
DISTORTIONS: dict[str, Distortion] = {function.__name__: function for function in _TABLE3}


def mix(images: Tensor, draws: Draws, strengths: Mapping[str, float]) -> Tensor:
    """Each image under one distortion, drawn with equal chances from those that `strengths` names.

    INFERRED: the paper's "mixed distortions" may have been a chain of several instead.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        strengths: of some or all of `DISTORTIONS`, in any order.
    Returns:
        (B, C, H, W) float32 levels.
    """
    names = [name for name in DISTORTIONS if name in strengths]
    kinds = draws.integers(0, len(names), 1)[:, 0]
    words = draws.bits(1)[:, 0]  # the image's index from here on
    out = images.float()
    for kind, name in enumerate(names):
        group = (kinds == kind).nonzero()[:, 0]
        part = DISTORTIONS[name](images[group], Draws(words[group], "mix", name), strengths[name])
        out[group] = part.float()
    return out
