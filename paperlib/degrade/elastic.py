"""The elastic transform: an affine map by three points, then a smooth displacement of pixels."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade import filters
from paperlib.degrade.draws import Draws


def elastic_transform(
    images: Tensor, draws: Draws, alpha: float, sigma: float, affine: float, relative: bool = False
) -> Tensor:
    """Move three points and all pixels with them, then every pixel by a field of its own.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        alpha: the blurred noise, uniform in [-1, 1), times this is the displacement, in pixels.
        sigma: of the blur that makes the displacement smooth, in pixels.
        affine: how far each coordinate of the three points may move, in pixels; 0 for no affine map
            and no draws for it.
        relative: whether alpha is in units of H, and sigma in units of H down the columns and of W
            along the rows.
    Returns:
        (B, C, H, W) float32 levels in [0, 255].
    """
    height, width = images.shape[-2:]
    scale, spread = (height, (sigma * height, sigma * width)) if relative else (1, (sigma, sigma))
    levels = images.float()
    if affine > 0:
        shifts = draws.uniform(3, 2, low=-affine, high=affine)
        levels = _sample(levels, _affine_positions(shifts, height, width), about_middles=True)
    if alpha > 0:
        noise = draws.uniform(2, height, width, low=-1, high=1)
        field = filters.gaussian_blur(noise, spread, truncate=3, border="reflect")
        positions = field.mul_(alpha * scale).add_(_positions(height, width, images.device))
        levels = _sample(levels, positions, about_middles=False)
    return levels


def _affine_positions(shifts: Tensor, height: int, width: int) -> Tensor:
    """(B, 2, H, W) float32: x and y from which each pixel of the result comes.

    In steps of 1/32 pixel, as OpenCV's `warpAffine` rounds them; `shifts` (B, 3, 2) float32 in
    pixels, x before y, says by how much the points move.
    """
    side, centre = min(height, width) // 3, (height // 2, width // 2)
    # The reference takes the centre as (row, column) but the points as (x, y), for any shape.
    corners = torch.tensor([(1, 1), (1, -1), (-1, -1)]) * side
    old = (corners + torch.tensor(centre)).float().to(shifts.device)
    new, middle = (old + shifts).double(), old[1].double()
    # Seen from the middle one, the first old point is (0, 2 side) and the last (-2 side, 0): from
    # that the matrix which takes new points to old ones.
    (ax, ay), (bx, by) = ((new[:, point] - new[:, 1]).unbind(1) for point in (0, 2))
    area = ax * by - bx * ay
    # Three points on a line determine no map: then any finite one will do.
    area = torch.where(area == 0, 1, area)
    matrix = torch.stack([ay, -ax, by, -bx], dim=1).view(-1, 2, 2)
    matrix = matrix * (2 * side / area)[:, None, None]
    moved = middle - (matrix * new[:, None, 1]).sum(2)
    # OpenCV adds two products, each rounded to 1/1024 pixel, and rounds the sum to 1/32.
    x, y = (torch.arange(n, dtype=torch.float64, device=shifts.device) for n in (width, height))
    across = (matrix[:, :, :1] * x).mul_(1024).round_().float()
    down = (matrix[:, :, 1:] * y + moved[:, :, None]).mul_(1024).round_().add_(16).float()
    return (down[..., None] + across[:, :, None]).mul_(1 / 32).floor_().mul_(1 / 32)


@lru_cache(maxsize=16)
def _positions(height: int, width: int, device: torch.device) -> Tensor:
    """(2, H, W) float32: x and y of every pixel."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]).float().to(device)


def _sample(levels: Tensor, positions: Tensor, about_middles: bool) -> Tensor:
    """Bilinear interpolation; outside, the image is continued by its mirror image.

    Args:
        levels: (B, C, H, W) float32.
        positions: (B, 2, H, W) float32, x and y; overwritten.
        about_middles: whether it is mirrored about the middles of the outermost pixels (OpenCV's
            BORDER_REFLECT_101) or about their outer edges (scipy's "reflect").
    """
    sizes = levels.new_tensor([levels.shape[-1], levels.shape[-2]])[:, None, None]
    # grid_sample wants -1 and 1 for the ends of each axis: the middles, or the outer edges, of the
    # outermost pixels.
    scale = 2 / (sizes - 1) if about_middles else 2 / sizes
    grid = (positions if about_middles else positions.add_(0.5)).mul_(scale).sub_(1)
    return F.grid_sample(
        levels, grid.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=about_middles
    )
