"""Image files of any kind and size as tensors of one size, decoded by Pillow in parallel.

The shorter side is resized to the wanted size by Pillow's bilinear kernel, which widens with the
reduction (what torchvision's Resize does to Pillow images), and the middle is cut out: both in one
step, so no side is rounded before. An image that its camera has marked as turned is turned; grey,
palette and CMYK become RGB, transparency is dropped.
"""

import warnings
from collections.abc import Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from paperlib.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

# told by content: ImageNet has a PNG named .JPEG
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
TURNS = "FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90"
UPRIGHT = dict(enumerate(TURNS.split(), start=2))  # by the tag, what makes the image upright


def decode(files: Sequence[str], pixels: int, title: str = "images") -> Tensor:
    """The images in `files`, in their order, decoded by one thread per core.

    Args:
        files: their paths.
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
    with (
        warnings.catch_warnings(action="ignore"),  # damaged EXIF data are not rare, and do no harm
        ThreadPool() as pool,
        tqdm(total=len(files), desc=title, unit="image", disable=None) as bar,
    ):
        decoded = pool.imap(partial(_decode, pixels=pixels), files, chunksize=16)
        for i, image in enumerate(decoded):
            images[i] = torch.from_numpy(image)
            bar.update()
    return images


def _decode(path: str, pixels: int) -> np.ndarray:
    """One image, uint8 (3, pixels, pixels)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as file:
            if file.mode[0] in "IF":
                raise ValueError("its pixels have more than 8 bits")
            image = file.convert("RGB")
            # after the decoding, which turns TIFFs
            turn = UPRIGHT.get(file.getexif().get(ORIENTATION, 1))
    except Exception as error:  # Pillow raises errors of many kinds about broken files
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"it is none of {', '.join(FORMATS)}" if unknown else one_line(error)
        raise UserError(f"{printable(path)} cannot be read as an image: {reason}") from error
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    image = image.resize((pixels, pixels), Image.Resampling.BILINEAR, box)
    if turn:  # after the crop, which is in the middle and square
        image = image.transpose(Image.Transpose[turn])
    return np.asarray(image).transpose(2, 0, 1)


def read_jpeg(path: Path | str) -> "Image.Image":
    """A JPEG file in RGB. Raises `UserError` for one that is broken; the line names it."""
    from PIL import Image

    try:
        with Image.open(path, formats=["JPEG"]) as file:
            return file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as a JPEG image: {one_line(error)}") from error


def printable(name: Path | str) -> str:
    """A name as it can be shown in a line: line breaks and bytes that are no UTF-8 escaped."""
    return str(name) if str(name).isprintable() else repr(str(name))


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
