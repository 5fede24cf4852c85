"""Mean average precision by pycocotools, the COCO data set's own evaluation code."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from paperlib.datasets.boxes import Objects, unpack
from paperlib.errors import UserError
from paperlib.networks.detector import Detections


def mean_average_precision(
    found: Sequence[Detections], labels: Sequence[Tensor], classes: int
) -> dict[str, float]:
    """How well what was found agrees with what is there, over all images of a split, in COCO's way.

    Precision is averaged over 101 levels of recall, then over the classes that occur; VOC 2007's
    own evaluation takes 11 levels, and only an overlap of 0.5. A difficult object is a "crowd":
    boxes of its class that lie in it count neither as right nor as wrong, and it is not missed.
    (VOC's evaluation asks for half an overlap with it instead.)

    Args:
        found, labels: batches, (B, K, ...) and (B, M, 6), see `Detections` and
            `paperlib.datasets.boxes`.
        classes: number of classes.

    Returns:
        "map50", the mean average precision for an overlap (intersection over union) of 0.5, and
        "map", its mean over overlaps of 0.5, 0.55, ..., 0.95: percentages.

    Raises:
        UserError: there is no object that counts, or pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UserError(
            "mean average precision needs pycocotools: pip install pycocotools"
        ) from error

    truth = [objects for batch in labels for objects in unpack(batch)]
    if not any((~objects.difficult).any() for objects in truth):
        raise UserError("there is no object in these images: mean average precision is not defined")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and a table
        sides = []
        for annotations in (_truth(truth), _found(found)):
            coco = COCO()
            coco.dataset = {
                "images": [{"id": i} for i in range(len(truth))],
                "categories": [{"id": i} for i in range(classes)],
                "annotations": annotations,
            }
            coco.createIndex()
            sides.append(coco)
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"map50": 100 * float(evaluation.stats[1]), "map": 100 * float(evaluation.stats[0])}


def _truth(images: Sequence[Objects]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for image, objects in enumerate(images):
        for label, box, difficult in zip(*(part.tolist() for part in objects), strict=True):
            out.append(_annotation(len(out) + 1, image, label, box, iscrowd=int(difficult)))
    return out


def _found(batches: Sequence[Detections]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    image = 0
    for batch in batches:
        for boxes, labels, scores in zip(*(part.tolist() for part in batch), strict=True):
            for box, label, score in zip(boxes, labels, scores, strict=True):
                if label >= 0:
                    out.append(_annotation(len(out) + 1, image, label, box, score=score))
            image += 1
    return out


def _annotation(
    number: int, image: int, label: int, box: list[float], **more: float
) -> dict[str, Any]:
    """COCO's form: corner, width, height. Numbers start at 1: in pycocotools 0 is "no match"."""
    x0, y0, x1, y1 = box
    size = (x1 - x0, y1 - y0)
    place = {"bbox": [x0, y0, *size], "area": size[0] * size[1]}
    return {"id": number, "image_id": image, "category_id": label, "iscrowd": 0, **place, **more}
