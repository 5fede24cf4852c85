"""JPEG: what compression and decompression leave of an image, without the bytes between.

Entropy coding loses nothing, so it is left out. All else is done as libjpeg does it by default
(baseline, 4:2:0, the slow integer transform, triangle upsampling), in the same whole numbers, held
in floats. The result is Pillow's bit for bit; on a CPU, whose float32 does not hold the largest
sums exactly, a few values in a million come out a level off.
"""

from functools import lru_cache
from numbers import Integral

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

# ITU T.81, Annex K: the quantisation tables of quality 50.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)

# sqrt(2) cos((2 j + 1) k pi / 16) in units of 2**-13, for frequency k (rows) and the first four
# samples j. Some are off by one from the nearest integer: libjpeg adds each up from several rounded
# constants, and the sums have these values.
_COSINES = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
# Levels of red, green and blue to Y, Cb and Cr, in units of 2**-16.
_TO_Y, _TO_CB, _TO_CR = (19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329)
_CR_TO_R, _CB_TO_G, _CR_TO_G, _CB_TO_B = 91881, -22554, -46802, 116130
_UNIT = 2.0**-16
_COLUMNS = 16  # two blocks: products with 8 x 8 matrices on the right are slower by far on a CPU


def jpeg_compression(images: Tensor, draws: Draws, quality: int) -> Tensor:
    """A round trip through a JPEG file. No random numbers are drawn."""
    return compress(images, quality)


def compress(images: Tensor, quality: int | Tensor, sums: torch.dtype | None = None) -> Tensor:
    """Compress and decompress.

    Args:
        images: (B, C, H, W) uint8, C 1 or 3, H and W at least 5. One channel is the Y of a grey
            image.
        quality: 1 to 100, by which libjpeg scales its tables: one for all images, or (B,) integers.
        sums: in what the transform adds up. Float64 holds its sums of 30 bits, and no setting
            replaces it by TF32: the default but on a CPU, where it is float32, for speed.
    Returns:
        uint8 of the same shape.
    Raises:
        UserError: a quality that is no integer from 1 to 100, or not as many as images.
    """
    steps = _steps(quality, len(images), images.device)
    sums = sums or (torch.float32 if images.device.type == "cpu" else torch.float64)
    height, width = images.shape[-2:]
    high = _whole(height, 8)
    # Blocks are completed before chroma is subsampled on the right, as that rounds by columns, but
    # after it below.
    levels = _extend(images.float(), height + height % 2, _whole(width, 2 * _COLUMNS))
    if images.shape[1] == 1:
        luma = _code(
            _extend(levels.sub_(128), high, levels.shape[-1])[:, 0], steps[:, :1], high, sums
        )
        return _to_uint8(luma[:, None, :height, :width] + 128)
    # One sheet of blocks: Y above, below it Cb and Cr side by side.
    rows, half = levels.shape[-2], levels.shape[-2] // 2
    sheet = levels.new_empty(len(levels), high + _whole(half, 8), levels.shape[-1])
    _weigh(levels, _TO_Y, 0.5 - 128, sheet[:, :rows])
    sheet[:, rows:high] = sheet[:, rows - 1, None]
    # All halves are rounded up, except here, where 127.5 must not become 128.
    chroma = torch.empty_like(levels[:, 1:])
    _weigh(levels, _TO_CB, 0.5 - _UNIT, chroma[:, 0])
    _weigh(levels, _TO_CR, 0.5 - _UNIT, chroma[:, 1])
    _downsample(chroma, _chroma(sheet, high)[:, :, :half])
    sheet[:, high + half :] = sheet[:, high + half - 1, None]
    sheet = _code(sheet, steps, high, sums)
    chroma = _upsample(_chroma(sheet, high)[:, :, :half, : (width + 1) // 2])
    return _to_rgb(sheet[:, :height, :width], chroma[..., :height, :width])


def _chroma(sheet: Tensor, high: int) -> Tensor:
    """Cb and Cr (B, 2, h, w): a view of a sheet whose upper `high` rows are Y."""
    return sheet[:, high:].unflatten(2, (2, -1)).transpose(1, 2)


def _weigh(levels: Tensor, weights: tuple[int, int, int], bias: float, out: Tensor) -> None:
    """Writes a weighted sum of the three channels, rounded down."""
    torch.mul(levels[:, 0], weights[0] * _UNIT, out=out).add_(bias)
    out.add_(levels[:, 1], alpha=weights[1] * _UNIT)
    out.add_(levels[:, 2], alpha=weights[2] * _UNIT).floor_()


def _downsample(planes: Tensor, out: Tensor) -> None:
    """Means of 2 x 2, rounded: halves up in odd columns and down in even ones."""
    pairs = torch.lerp(planes[..., ::2, :], planes[..., 1::2, :], 0.5)
    means = torch.lerp(pairs[..., ::2], pairs[..., 1::2], 0.5)
    torch.floor(means.add_(_alternating(means.shape[-1], planes.device)), out=out)


def _upsample(planes: Tensor) -> Tensor:
    """Twice the size: 3/4 of the nearest and 1/4 of the next one, each way; overwrites `planes`.

    Halves are rounded up in even columns and down in odd ones.
    """
    tall = planes.new_empty(*planes.shape[:3], 2, planes.shape[3])
    _between(planes.add_(0.5), tall[..., 0, :], tall[..., 1, :], 2)
    tall = tall.flatten(2, 3)
    large = planes.new_empty(*tall.shape, 2)
    _between(tall, large[..., 0], None, 3)
    _between(tall.sub_(1 / 16), None, large[..., 1], 3)
    return large.flatten(3).floor_()


def _between(values: Tensor, before: Tensor | None, after: Tensor | None, axis: int) -> None:
    """Writes what lies a quarter step before and after each value; at the ends, the value."""
    count = values.shape[axis]
    first, last = values.narrow(axis, 0, count - 1), values.narrow(axis, 1, count - 1)
    if before is not None:
        torch.lerp(last, first, 0.25, out=before.narrow(axis, 1, count - 1))
        before.select(axis, 0).copy_(values.select(axis, 0))
    if after is not None:
        torch.lerp(first, last, 0.25, out=after.narrow(axis, 0, count - 1))
        after.select(axis, -1).copy_(values.select(axis, -1))


def _to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    """Y (B, H, W) and Cb, Cr (B, 2, H, W), less 128 -> uint8 (B, 3, H, W); overwrites `luma`."""
    cb, cr = chroma.unbind(1)
    luma.add_(128.5)
    out = luma.new_empty(len(luma), 3, *luma.shape[1:])
    torch.add(luma, cr, alpha=_CR_TO_R * _UNIT, out=out[:, 0])
    torch.add(luma, cb, alpha=_CB_TO_G * _UNIT, out=out[:, 1]).add_(cr, alpha=_CR_TO_G * _UNIT)
    torch.add(luma, cb, alpha=_CB_TO_B * _UNIT, out=out[:, 2])
    return _to_uint8(out)


def _to_uint8(values: Tensor) -> Tensor:
    """Clipped (in place) and cut; by int16, as CPUs have vector instructions for both steps."""
    return values.clamp_(0, 255).to(torch.int16).to(torch.uint8)


def _code(sheet: Tensor, steps: Tensor, high: int, dtype: torch.dtype) -> Tensor:
    """Transform the 8 x 8 blocks, quantise, and transform back; may overwrite `sheet`.

    Args:
        sheet: (B, H, W) float32, whole numbers in [-128, 127], in whole blocks.
        steps: (B or 1, P, 8, 8) of quantisation: for the upper `high` rows and, where P is 2, for
            those below.
        high: rows of Y.
        dtype: of the sums.
    """
    count, height, width = sheet.shape
    # Each of the four passes has its scale and rounds to whole numbers.
    rows_in, columns_in, columns_out, rows_out = _matrices(sheet.device, dtype)
    values = sheet.to(dtype)
    spare = torch.empty_like(values)
    steps = steps.to(values.dtype).repeat(1, 1, 1, width // 8)[:, :, None]
    # Coefficients come out 8 times what they are by definition. Halves must be rounded away from 0,
    # but `round_` rounds them to even: hence a factor that lifts halves over the edge and nothing
    # else, as the values are whole.
    factors = (1 + 2.0**-18) / (8 * steps)
    blocks = values.view(count, height // 8, 8, width)
    _along_rows(values, rows_in, spare)
    _along_columns(columns_in, spare, values)
    for part, rows in enumerate((blocks[:, : high // 8], blocks[:, high // 8 :])[: steps.shape[1]]):
        rows.mul_(factors[:, part]).round_().mul_(steps[:, part])
    _along_columns(columns_out, values, spare)
    _along_rows(spare, rows_out, values)
    return values.clamp_(-128, 127).float()


def _along_rows(values: Tensor, matrix: Tensor, out: Tensor) -> None:
    # Each image's products have a fixed shape, so the batch changes no bits. Autocast does not
    # touch products with `out`.
    groups = values.unflatten(2, (-1, _COLUMNS)).flatten(1, 2)
    _round(torch.bmm(groups, matrix.expand(len(groups), -1, -1), out=out.view(groups.shape)))


def _along_columns(matrix: Tensor, values: Tensor, out: Tensor) -> None:
    blocks = values.view(-1, 8, values.shape[-1])
    _round(torch.bmm(matrix.expand(len(blocks), -1, -1), blocks, out=out.view(blocks.shape)))


def _round(values: Tensor) -> Tensor:
    return values.add_(0.5).floor_()


def _whole(size: int, block: int) -> int:
    return -(-size // block) * block


def _extend(planes: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last row and the last column until the planes have this size."""
    below, right = height - planes.shape[-2], width - planes.shape[-1]
    return F.pad(planes, (0, right, 0, below), mode="replicate") if below or right else planes


@lru_cache(maxsize=8)
def _matrices(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The transform, right of rows and left of columns; and its inverse, left and right."""
    half = torch.tensor(_COSINES, dtype=dtype)
    # even frequencies are symmetric, odd ones antisymmetric
    signs = torch.tensor([1, -1] * 4)[:, None]
    matrix = torch.cat([half, (half * signs).flip(1)], dim=1)
    wide = torch.block_diag(*[matrix] * (_COLUMNS // 8))
    scaled = (wide.T * 2.0**-11, matrix * 2.0**-15, matrix.T * 2.0**-11, wide * 2.0**-18)
    return tuple(m.contiguous().to(device) for m in scaled)  # type: ignore[return-value]


@lru_cache(maxsize=16)
def _alternating(width: int, device: torch.device) -> Tensor:
    return torch.tensor([0.25, 0.5]).repeat(width // 2).to(device)


@lru_cache(maxsize=8)
def _all_steps(device: torch.device) -> Tensor:
    """(101, 2, 8, 8): the steps for Y and for Cb and Cr, by quality; quality 0 does not exist."""
    base = torch.tensor([_LUMA, _CHROMA]).view(2, 8, 8)
    percent = [0, *(5000 // q if q < 50 else 200 - 2 * q for q in range(1, 101))]
    return ((base * torch.tensor(percent).view(-1, 1, 1, 1) + 50) // 100).clamp_(1, 255).to(device)


def _steps(quality: int | Tensor, count: int, device: torch.device) -> Tensor:
    """(B or 1, 2, 8, 8). Raises `UserError` for qualities that are no integers from 1 to 100."""
    if isinstance(quality, Tensor):
        wanted = quality
    else:  # what is no integer becomes a float, which is refused below
        wanted = torch.tensor(quality if isinstance(quality, Integral) else 0.5)
    whole = not wanted.dtype.is_floating_point and wanted.dtype != torch.bool
    fits = wanted.shape in ((), (count,))
    if not whole or not fits or not bool(((wanted >= 1) & (wanted <= 100)).all()):
        given = f"{wanted.dtype} of shape {tuple(wanted.shape)}" if wanted.ndim else repr(quality)
        what = f"an integer from 1 to 100, or one for each of {count} images"
        raise UserError(f"quality is {given}; it must be {what}")
    return _all_steps(device)[wanted.to(device, torch.int64).view(-1)]
