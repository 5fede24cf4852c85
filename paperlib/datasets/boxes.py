"""How the objects of an image are written into one row of labels, which stay one tensor so.

`Split.labels` of a data set for detection is float32 (N, M, 6): M places for objects, each with

    class, x0, y0, x1, y1, difficult

The corners are in pixels from the upper left corner of the image, whose first pixel reaches from 0
to 1: a box of one pixel is 0, 0, 1, 1. `difficult` is 1 for an object that counts for nothing,
neither found nor missed, and else 0. Places without an object have class -1 and zeros, and come
last.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Objects(NamedTuple):
    """The n objects of one image."""

    classes: Tensor  # (n,) int64
    boxes: Tensor  # (n, 4) float32: x0, y0, x1, y1 in pixels
    difficult: Tensor  # (n,) bool


def pack(images: Sequence[Objects], places: int | None = None) -> Tensor:
    """The labels of N images, float32 (N, M, 6); M is `places`, or the most objects in an image."""
    most = max((len(objects.classes) for objects in images), default=0)
    labels = torch.zeros(len(images), most if places is None else places, 6)
    labels[:, :, 0] = -1
    for row, (classes, boxes, difficult) in zip(labels, images, strict=True):
        row[: len(classes)] = torch.cat(
            [classes[:, None].float(), boxes.float(), difficult[:, None].float()], dim=1
        )
    return labels


def unpack(labels: Tensor) -> list[Objects]:
    """The objects of each of N images, of labels (N, M, 6); the inverse of `pack`."""
    rows = [row[row[:, 0] >= 0] for row in labels]
    return [Objects(row[:, 0].long(), row[:, 1:5], row[:, 5] > 0) for row in rows]
