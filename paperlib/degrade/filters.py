"""Linear filters on batches, with the reference's borders: Gaussian, disk, line, zoom, boxes.

All take and return (B, C, H, W) float32 in any range. Each image's result has the same bits
whatever the batch around it.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F


def separable(images: Tensor, rows: Tensor | None, columns: Tensor | None) -> Tensor:
    """`rows @ image @ columns.T`, one product per channel, so that the batch changes no bits."""
    maps = images.flatten(0, 1)
    # A batched product of one matrix is computed otherwise and may add in another order.
    if len(maps) == 1:
        return separable(images.expand(2, -1, -1, -1), rows, columns)[:1]
    with torch.autocast(images.device.type, enabled=False):
        if columns is not None:
            maps = torch.bmm(maps, columns.T.expand(len(maps), -1, -1))
        if rows is not None:
            maps = torch.bmm(rows.expand(len(maps), -1, -1), maps)
    return maps.unflatten(0, images.shape[:2])


def gaussian_kernel(sigma: float, radius: int) -> Tensor:
    """(2 radius + 1,) float64, sum 1."""
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (x / sigma).square()) if sigma > 0 else (x == 0).double()
    return kernel / kernel.sum()


@lru_cache(maxsize=128)
def _blur_matrix(
    size: int, sigma: float, truncate: float, border: str, device: torch.device
) -> Tensor:
    """The (size, size) matrix that blurs one axis; pixels outside are replaced as `border` says."""
    radius = int(truncate * sigma + 0.5)
    kernel = gaussian_kernel(sigma, radius)
    target = torch.arange(size)[:, None].expand(-1, len(kernel))
    source = target + torch.arange(-radius, radius + 1)
    if border == "nearest":
        source = source.clamp(0, size - 1)
    else:  # "reflect": d c b a | a b c d | d c b a
        source = source.remainder(2 * size)
        source = torch.minimum(source, 2 * size - 1 - source)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix.index_put_((target, source), kernel.expand(size, -1), accumulate=True)
    return matrix.float().to(device)


def gaussian_blur(
    images: Tensor, sigma: float | tuple[float, float], truncate: float = 4, border: str = "nearest"
) -> Tensor:
    """Gaussian blur as in scikit-image.

    Args:
        images: (B, C, H, W) float32.
        sigma: in pixels; one number, or one for the height and one for the width. 0 leaves an axis
            as it is.
        truncate: where the kernel ends, in sigmas.
        border: "nearest" or "reflect".
    """
    vertical, horizontal = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    height, width = images.shape[-2:]
    rows, columns = (
        _blur_matrix(size, float(s), float(truncate), border, images.device)
        for size, s in ((height, vertical), (width, horizontal))
    )
    return separable(images, rows, columns)


@lru_cache(maxsize=32)
def disk(radius: float, alias_sigma: float) -> Tensor:
    """The (K, K) float32 kernel of a camera out of focus: a disk, softened by OpenCV's Gaussian."""
    half = 8 if radius <= 8 else math.ceil(radius)
    taps = 3 if radius <= 8 else 5
    x = torch.arange(-half, half + 1, dtype=torch.float64)
    sharp = ((x[:, None].square() + x.square()) <= radius**2).double()
    soft = gaussian_kernel(alias_sigma, taps // 2)
    padded = F.pad((sharp / sharp.sum())[None, None], (taps // 2,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, soft.view(1, 1, -1, 1)), soft.view(1, 1, 1, -1))[0, 0].float()


@lru_cache(maxsize=32)
def _spectrum(
    radius: float, alias_sigma: float, height: int, width: int, device: torch.device
) -> Tensor:
    return torch.fft.rfft2(disk(radius, alias_sigma).to(device), s=(height, width)).conj()


def _fast_length(length: int) -> int:
    """The next length of prime factors 2, 3 and 5: Fourier transforms of others are far slower."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def defocus(images: Tensor, radius: float, alias_sigma: float) -> Tensor:
    """Correlation with `disk`; outside, the image is mirrored (OpenCV's BORDER_REFLECT_101)."""
    height, width = images.shape[-2:]
    half = len(disk(radius, alias_sigma)) // 2
    padded = F.pad(images, (half,) * 4, mode="reflect")
    size = [_fast_length(n + 2 * half) for n in (height, width)]
    spectrum = torch.fft.rfft2(padded, s=size) * _spectrum(
        radius, alias_sigma, *size, images.device
    )
    return torch.fft.irfft2(spectrum, s=size)[..., :height, :width]


def line_kernel(radius: int, sigma: float) -> list[float]:
    """The 2 radius + 1 weights of a motion blur: half a Gaussian from the pixel on; sum 1."""
    weights = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(2 * radius + 1)]
    return [weight / sum(weights) for weight in weights]


def line_offsets(angles: Tensor, taps: int) -> Tensor:
    """Where the taps of a motion blur lie, by angles (B,) in degrees.

    Returns:
        (B, taps, 2) int64: rows and columns to add to a position, rounded as ImageMagick does.
    """
    radians = torch.deg2rad(angles.double())
    along = torch.arange(taps, dtype=torch.float64, device=angles.device)
    steps = along[:, None] * torch.stack([radians.sin(), radians.cos()], dim=1)[:, None, :]
    return (steps - 0.5).ceil().long()


def motion_blur(images: Tensor, radius: int, sigma: float, angles: Tensor) -> Tensor:
    """Blur along a line, each image along its own; outside, the nearest pixel is repeated.

    Args:
        images: (B, C, H, W) float32.
        radius: of the half Gaussian, in pixels.
        sigma: of the half Gaussian, in pixels.
        angles: (B,) degrees.
    """
    weights = line_kernel(radius, sigma)
    offsets = line_offsets(angles, len(weights))
    padded = F.pad(images, (len(weights),) * 4, mode="replicate")
    blur = _lines_by_slices if images.device.type == "cpu" else _lines_by_gather
    return blur(padded, weights, offsets, len(weights), images.shape[-2:])


# The reference ends a line outside the image, though its weights then sum to less than one.


def _lines_by_slices(
    padded: Tensor, weights: list[float], offsets: Tensor, reach: int, size: Sequence[int]
) -> Tensor:
    height, width = size
    out = padded.new_zeros(*padded.shape[:2], height, width)
    for image, target, steps in zip(padded, out, offsets.tolist(), strict=True):
        for weight, (down, right) in zip(weights, steps, strict=True):
            if abs(down) >= height or abs(right) >= width:
                break
            top, left = reach + down, reach + right
            target.add_(image[:, top : top + height, left : left + width], alpha=weight)
    return out


def _lines_by_gather(
    padded: Tensor, weights: list[float], offsets: Tensor, reach: int, size: Sequence[int]
) -> Tensor:
    height, width = size
    device, stride = padded.device, padded.shape[-1]
    inside = (offsets[..., 0].abs() < height) & (offsets[..., 1].abs() < width)
    shares = torch.tensor(weights, device=device) * inside
    down, right = (torch.arange(n, device=device) + reach for n in (height, width))
    base = down[:, None] * stride + right
    flat = padded.flatten(2)
    out = flat.new_zeros(*flat.shape[:2], height * width)
    for tap in range(len(weights)):
        step = offsets[:, tap, 0] * stride + offsets[:, tap, 1]
        step = torch.where(inside[:, tap], step, 0)
        index = (base.flatten() + step[:, None])[:, None].expand(-1, flat.shape[1], -1)
        out += flat.gather(2, index) * shares[:, tap, None, None]
    return out.view(*padded.shape[:2], height, width)


def zoom(images: Tensor, factor: float, centre: bool = True) -> Tensor:
    """Enlarge the middle of each image to its full size: scipy's zoom of order 1, bilinear.

    Args:
        images: (B, C, H, W) float32.
        factor: at least 1.
        centre: whether the surplus of a pixel or two is cut from both sides; otherwise it stays.
    """
    height, width = images.shape[-2:]
    crop = [math.ceil(n / factor) for n in (height, width)]
    top, left = ((n - c) // 2 for n, c in zip((height, width), crop, strict=True))
    size = [round(c * factor) for c in crop]
    part = images[..., top : top + crop[0], left : left + crop[1]]
    large = F.interpolate(part, size, mode="bilinear", align_corners=True) if size != crop else part
    if not centre:
        return large
    top, left = ((s - n) // 2 for s, n in zip(size, (height, width), strict=True))
    return large[..., top : top + height, left : left + width]


@lru_cache(maxsize=64)
def _boxes(
    size: int, out: int, device: torch.device
) -> tuple[list[Tensor], list[Tensor | None], Tensor, Tensor]:
    """Pillow's BOX filter along one axis: a new pixel is the mean of the old middles under it.

    Returns for each tap the old pixels, (out,) int64; for each tap 1 for the new pixels that have
    it, (out,) float32, or None if all have; one over the number of taps, (out,); and what to add
    before cutting to whole levels, (out,): a half, and a margin that decides for means of a half as
    Pillow's weights do, which have 22 bits and are not quite 1 / n.
    """
    scale = size / out
    support = max(0.5, scale / 2)
    centres = (torch.arange(out, dtype=torch.float64) + 0.5) * scale
    first = (centres - support + 0.5).long().clamp_min(0)
    last = (centres + support + 0.5).long().clamp_max(size)
    source = torch.arange(size)
    away = (source + 0.5 - centres[:, None]) / max(1.0, scale)
    inside = (source >= first[:, None]) & (source < last[:, None]) & (away > -0.5) & (away <= 0.5)
    count, first = inside.sum(1), inside.int().argmax(1)
    taps = [torch.minimum(first + i, first + count - 1).to(device) for i in range(int(count.max()))]
    used = [
        None if bool((count > i).all()) else (count > i).float().to(device)
        for i in range(len(taps))
    ]
    rounded_up = (2.0**22 / count + 0.5).floor() * count >= 2**22
    half = torch.where(rounded_up, 0.5 + 2.0**-10, 0.5 - 2.0**-10)
    return taps, used, (1 / count.double()).float().to(device), half.to(device)


def box_resize(images: Tensor, height: int, width: int) -> Tensor:
    """Resize with Pillow's BOX filter; as in Pillow, its first pass is rounded to whole levels.

    Args:
        images: (B, C, H, W) float32, whole levels in [0, 255].
        height: the new one.
        width: the new one.
    Returns:
        (B, C, height, width) float32, whole levels; the same bits on every device.
    """
    for axis, size in ((3, width), (2, height)):
        taps, used, share, half = _boxes(images.shape[axis], size, images.device)
        total = pick(images, axis, taps[0])
        for tap, mask in zip(taps[1:], used[1:], strict=True):
            more = pick(images, axis, tap)
            total += more if mask is None else more.mul_(mask if axis == 3 else mask[:, None])
        share, half = (x if axis == 3 else x[:, None] for x in (share, half))
        images = total.mul_(share).add_(half).floor_()
    return images


def pick(images: Tensor, axis: int, index: Tensor) -> Tensor:
    """`images.index_select(axis, index)` of (B, C, H, W); twice as fast along rows."""
    if axis == 3:
        return images.gather(3, index.expand(*images.shape[:3], -1))
    return images.index_select(axis, index)
