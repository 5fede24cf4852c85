"""PASCAL VOC 2007 (Everingham et al., 2010) for detection; it is not downloaded.

The folder of the data sets (DATA_ROOT) holds what VOCtrainval_06-Nov-2007.tar and
VOCtest_06-Nov-2007.tar unpack to:

    VOCdevkit/VOC2007/{JPEGImages,Annotations,ImageSets/Main}

"trainval" is the training part and "test" the test part, as in the paper's source for Fig. 4.
Images are shrunk or enlarged until their longer side has 320 pixels and put into the middle of a
grey square; boxes go with them. All of it takes 3 GB of memory, and as much in the user's cache
folder, where the decoded images are kept.
"""

import hashlib
import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor

from paperlib.datasets import cache
from paperlib.datasets.base import Dataset, Split
from paperlib.datasets.boxes import Objects, pack
from paperlib.datasets.decoding import read_jpeg
from paperlib.errors import UserError

VERSION = 1  # part of the fingerprint: raise it whenever a pixel or a box changes
SIZE = 320  # height and width of an image here, pixels
GREY = 128  # what surrounds an image that is no square, level
FOLDER = Path("VOCdevkit", "VOC2007")
LISTS = FOLDER / "ImageSets" / "Main"  # of the images of each part
PARTS = {"train": "trainval", "test": "test"}
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)

Files = tuple[list[str], list[str]]  # images and their annotations


def is_available(root: Path) -> bool:
    """Whether the lists of both parts are under `root`; a quick look."""
    return all((root / LISTS / f"{part}.txt").is_file() for part in PARTS.values())


def load(root: Path) -> Dataset:
    """VOC 2007 from `root`, decoded unless the user's cache folder has it as it is there now.

    Returns:
        Images uint8 (N, 3, 320, 320); labels (N, M, 6) as `paperlib.datasets.boxes` explains, M of
        the fullest image of either part. Objects that VOC calls difficult are marked as such.
    Raises:
        UserError: files are missing, or an image or an annotation cannot be read; the line names
        the file.
    """
    files = {role: _files(root, part) for role, part in PARTS.items()}
    tensors = cache.load_or_make(f"voc2007-{SIZE}-{_fingerprint(files)}", lambda: _make(files))
    train, test = (Split(tensors[f"{role}_images"], tensors[f"{role}_labels"]) for role in PARTS)
    return Dataset("voc2007", train, test, CLASSES)


def _files(root: Path, part: str) -> Files:
    from torchvision.datasets import VOCDetection

    try:
        voc = VOCDetection(root, year="2007", image_set=part)
    except (RuntimeError, OSError) as error:
        raise UserError(
            f"voc2007: no {part} part in {root / FOLDER}; "
            "set DATA_ROOT=... to the folder that holds VOCdevkit, "
            "or use the embedded data set scenes"
        ) from error
    if not len(voc):
        raise UserError(f"voc2007: {part}.txt in {root / LISTS} names no images")
    for file in (*voc.images, *voc.annotations):
        if not os.path.isfile(file):
            raise UserError(f"voc2007: {file} is missing")
    return voc.images, voc.annotations


def _fingerprint(files: dict[str, Files]) -> str:
    """16 hexadecimal digits of the names, sizes and modification times of all files."""
    digest = hashlib.sha256(str(VERSION).encode())
    for role, names in files.items():
        for name in (*names[0], *names[1]):
            status = os.stat(name)
            digest.update(f"{role} {name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _make(files: dict[str, Files]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    objects: dict[str, list[Objects]] = {}
    for role, (images, annotations) in files.items():
        squares = torch.empty(len(images), 3, SIZE, SIZE, dtype=torch.uint8)
        objects[role] = []
        for square, image, annotation in zip(squares, images, annotations, strict=True):
            width, height = _read_image(image, square)
            objects[role].append(_moved(read_annotation(Path(annotation)), width, height))
        tensors[f"{role}_images"] = squares
    most = max(len(each.classes) for part in objects.values() for each in part)
    return tensors | {f"{role}_labels": pack(part, most) for role, part in objects.items()}


def _fitted(width: int, height: int) -> tuple[int, int, int, int]:
    """Width, height, left and top in the square of an image of `width` x `height` pixels."""
    longer = max(width, height)
    w, h = max(1, round(width * SIZE / longer)), max(1, round(height * SIZE / longer))
    return w, h, (SIZE - w) // 2, (SIZE - h) // 2


def _read_image(path: str, square: Tensor) -> tuple[int, int]:
    """Fill `square`, uint8 (3, 320, 320), with an image; returns its own width and height."""
    from PIL import Image

    image = read_jpeg(path)
    w, h, left, top = _fitted(*image.size)
    pixels = np.array(image.resize((w, h), Image.Resampling.BILINEAR))
    square.fill_(GREY)
    square[:, top : top + h, left : left + w] = torch.from_numpy(pixels).permute(2, 0, 1)
    return image.size


def _moved(objects: Objects, width: int, height: int) -> Objects:
    """The objects of an image of `width` x `height` pixels where they are in the square."""
    w, h, left, top = _fitted(width, height)
    scale = torch.tensor([w / width, h / height] * 2)
    corners = objects.boxes * scale + torch.tensor([left, top] * 2)
    return objects._replace(boxes=corners)


def read_annotation(path: Path) -> Objects:
    """The objects of a VOC annotation, boxes in the image's own pixels.

    VOC's corners count pixels from 1 and include the last one; here a box reaches from the left
    edge of its first to the right edge of its last pixel.

    Raises:
        UserError: it is no such annotation, or has a document type: that could define entities that
        expand to anything.
    """
    try:
        text = path.read_bytes().decode()
        if "<!DOCTYPE" in text:
            raise ValueError("a document type is not allowed")
        found = [_object(node) for node in ElementTree.fromstring(text).iter("object")]
    except (ValueError, LookupError, ElementTree.ParseError) as error:
        raise UserError(f"voc2007: {path} cannot be read as an annotation: {error}") from error
    return Objects(
        torch.tensor([label for label, _, _ in found], dtype=torch.int64),
        torch.tensor([box for _, box, _ in found], dtype=torch.float32).view(-1, 4),
        torch.tensor([difficult for _, _, difficult in found], dtype=torch.bool),
    )


def _object(node: ElementTree.Element) -> tuple[int, list[float], bool]:
    """Class, box and difficulty. Raises `ValueError` where something is missing or wrong."""
    name = node.findtext("name", "").strip()
    if name not in CLASSES:
        raise ValueError(f"unknown class {name!r}")
    x0, y0, x1, y1 = (
        float(node.findtext(f"bndbox/{edge}", "")) for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    if not (1 <= x0 <= x1 and 1 <= y0 <= y1):
        raise ValueError(f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g} has no area")
    difficult = node.findtext("difficult", "0").strip() == "1"
    return CLASSES.index(name), [x0 - 1, y0 - 1, x1, y1], difficult
