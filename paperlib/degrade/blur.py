"""The blur corruptions. Images are uint8 levels; results are float levels in about [0, 255]."""

import math

import torch
from torch import Tensor

from paperlib.degrade import filters
from paperlib.degrade.draws import Draws


def gaussian_blur(images: Tensor, draws: Draws, sigma: float) -> Tensor:
    """Gaussian blur; sigma in pixels."""
    return filters.gaussian_blur(images.float(), sigma)


def defocus_blur(images: Tensor, draws: Draws, radius: float, alias_sigma: float) -> Tensor:
    """A camera out of focus: a disk of `radius` pixels with a softened edge."""
    return filters.defocus(images.float(), radius, alias_sigma)


def motion_blur(images: Tensor, draws: Draws, radius: int, sigma: float) -> Tensor:
    """A moving camera: half a Gaussian along a line within 45 degrees of the horizontal."""
    angles = draws.uniform(low=-45, high=45)
    return filters.motion_blur(images.float(), radius, sigma, angles)


def zoom_blur(images: Tensor, draws: Draws, end: float, step: float, centre: bool = True) -> Tensor:
    """A camera that approaches: the mean of the image and its enlargements.

    These are by 1, 1 + step, 1 + 2 step, ... below `end`.
    """
    height, width = images.shape[-2:]
    images = images.float()
    total = images.clone()
    count = math.ceil((end - 1) / step)  # numpy.arange(1, end, step), its rounding errors included
    for i in range(count):
        total += filters.zoom(images, 1 + i * ((1 + step) - 1), centre)[..., :height, :width]
    return total / (count + 1)


def glass_blur(images: Tensor, draws: Draws, sigma: float, reach: int, iterations: int) -> Tensor:
    """Frosted glass: blur, shuffle pixels with near ones, blur again.

    The reference walks the pixels from bottom right to top left and means to swap each with one up
    to `reach` away. But numpy's views alias, so colour pixels are copied, not swapped, and the
    published sets were made that way: pixel p becomes what pixel p + d holds at that moment. If
    p + d was visited before p, that is its new value, else its old one. So every pixel ends with
    the *old* value of the pixel where its chain of visited pixels ends, and the ends of all chains
    are found together by doubling: after k rounds each pixel knows where 2**k steps lead.
    """
    blurred = _whole(filters.gaussian_blur(images.float(), sigma))
    height, width = images.shape[-2:]
    source = torch.arange(height * width, dtype=torch.int32, device=images.device)
    source = source.expand(len(images), -1)
    for _ in range(iterations):
        # One displacement (right, down) per visited pixel, in the order of the visits.
        visited = (height - 2 * reach, width - 2 * reach)
        steps = draws.integers(-reach, reach, *visited, 2).flip(1, 2)
        source = source.gather(1, _ends(steps, reach, height, width))
    shuffled = blurred.flatten(2).gather(2, source.long()[:, None].expand(-1, images.shape[1], -1))
    return filters.gaussian_blur(shuffled.view(images.shape), sigma)


def _ends(steps: Tensor, reach: int, height: int, width: int) -> Tensor:
    """(B, H * W) int64: the pixel whose old value each pixel ends with.

    `steps` (B, H - 2 reach, W - 2 reach, 2) int32 holds (right, down), each at most `reach`, for
    rows and columns that start at reach + 1.
    """
    device = steps.device
    here = torch.arange(height * width, device=device, dtype=torch.int32).view(height, width)
    target = here.expand(len(steps), -1, -1).clone()
    inner = (slice(None), slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1))
    target[inner] += steps[..., 1] * width + steps[..., 0]
    target = target.flatten(1).long()
    here = here.flatten()
    # A chain continues only at a pixel that was visited before: one later in reading order.
    row, column = here // width, here % width
    visited = (row > reach) & (row <= height - reach) & (column > reach) & (column <= width - reach)
    continues = visited[target] & (target > here)
    # A chain that ends with this step follows itself.
    ends, follow = target, torch.where(continues, target, here)
    while True:
        ends, further = ends.gather(1, follow), follow.gather(1, follow)
        if torch.equal(further, follow):
            return ends
        follow = further


def _whole(levels: Tensor) -> Tensor:
    """Down to whole levels, with a margin for sums that should be whole."""
    return (levels + 2.0**-10).floor_().clamp_(0, 255)
