"""Image files of any kind and size as tensors of one size: decoded by Pillow, in parallel, with a
progress bar.

The shorter side is resized to the wanted size by Pillow's bilinear kernel, which widens with the
reduction (what torchvision's Resize does to Pillow images), and the middle is cut out: both in one
step, so no side is rounded before. An image that its camera has marked as turned is turned; grey,
palette and CMYK become RGB, transparency is dropped.
"""

import os
import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from paperlib.errors import UserError

# told by content: ImageNet has a PNG named .JPEG
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}  # by its value, what makes the image upright
# what Pillow raises
BROKEN = (OSError, ValueError, SyntaxError, EOFError, TypeError, struct.error, zlib.error)
CHUNK = 16  # images that a thread decodes before it reports


def decode(files: Sequence[str], pixels: int, title: str = "images") -> Tensor:
    """The images in `files`, in their order, decoded by one thread a core.

    Args:
        pixels: height and width of what is returned.
        title: of the progress bar, which is drawn only on a terminal.
    Returns:
        uint8 (N, 3, pixels, pixels).
    Raises:
        UserError: a file is broken or no image of 8 bits a channel; the line names it.
    """
    from PIL import Image

    Image.init()  # once, and not in several threads at a time
    images = torch.empty(len(files), 3, pixels, pixels, dtype=torch.uint8)
    arrays = images.numpy()

    def work(start: int) -> int:
        part = range(start, min(start + CHUNK, len(files)))
        for i in part:
            arrays[i] = _decode(files[i], pixels)
        return len(part)

    with (
        warnings.catch_warnings(action="ignore"),  # damaged EXIF data are not rare, and do no harm
        tqdm(total=len(files), desc=title, unit="image", disable=None) as bar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for count in pool.map(work, range(0, len(files), CHUNK)):
            bar.update(count)
    return images


def _decode(path: str, pixels: int) -> np.ndarray:
    """One image, uint8 (3, pixels, pixels)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as file:
            if file.mode[0] in "IF":
                raise ValueError("its pixels have more than 8 bits")
            image = file.convert("RGB")
            # behind the decoding: TIFFs are upright then
            turn = UPRIGHT.get(file.getexif().get(ORIENTATION, 1))
    except (*BROKEN, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"it is none of {', '.join(FORMATS)}" if unknown else _one_line(error)
        raise UserError(f"{printable(path)} cannot be read as an image: {reason}") from error
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    image = image.resize(
        (pixels, pixels), Image.Resampling.BILINEAR, (left, top, left + side, top + side)
    )
    if turn:  # behind the crop, which is in the middle and square
        image = image.transpose(Image.Transpose[turn])
    return np.asarray(image).transpose(2, 0, 1)


def printable(name: Path | str) -> str:
    """A name as it can be shown in a line: line breaks and bytes that are no UTF-8 escaped."""
    return str(name) if str(name).isprintable() else repr(str(name))


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
