"""Training of a detector: Faster R-CNN on the backbone of a classifier, `networks.detector`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.datasets.boxes import unpack
from paperlib.degrade.levels import to_levels
from paperlib.errors import UserError
from paperlib.methods.average_precision import mean_average_precision
from paperlib.methods.base import Batch, Method, Options, Task
from paperlib.networks import detector
from paperlib.networks.detector import Detector
from paperlib.runs import Run

SAMPLES = 8


@dataclass(frozen=True)
class DetectionOptions(Options):
    """Options of a detector, see `networks.detector.build`.

    Attributes:
        stages: of the classifier, that make up the backbone.
        anchors: sides of the anchor boxes in pixels, with commas between.
    """

    stages: int = detector.STAGES
    anchors: str = detector.ANCHORS

    def __post_init__(self) -> None:
        super().__post_init__()
        detector.check(self.stages, self.anchors)


class Detection(Method):
    """A detector, trained with its own four losses on the degraded images.

    Labels are those of `paperlib.datasets.boxes`. Boxes are not cropped or mirrored with the image,
    so a run that crops or mirrors is a `UserError`: `crop=0` and `flip=False`.
    """

    options_type = DetectionOptions
    options: DetectionOptions
    network: Detector
    reads_clean = False

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: DetectionOptions
    ) -> None:
        if run.crop or run.flip:
            given = f"{run.crop}, {run.flip}"
            raise UserError(f"detection neither crops nor mirrors: crop=0, flip=False, not {given}")
        super().__init__(run, task, parents, options)
        self.classes = task.classes

    @staticmethod
    def build(run: Run, task: Task, options: DetectionOptions) -> Detector:
        """The detector that the run names, normalising with the training images' statistics."""
        network = detector.build(
            run.network, task.classes, run.width, options.stages, options.anchors
        )
        network.normalise_with(task.mean, task.std)
        return network

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss: the detector's four."""
        objects = [(o.boxes[~o.difficult], o.classes[~o.difficult]) for o in unpack(batch.labels)]
        targets = [{"boxes": boxes, "labels": classes} for boxes, classes in objects]
        return self.network.losses(batch.degraded, targets)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The sum of `terms`, and they themselves."""
        terms = self.terms(batch)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean average precision, "map50" and "map" in percent, see `mean_average_precision`."""
        found, labels = [], []
        for batch in batches:
            found.append(self.network(batch.degraded))
            labels.append(batch.labels)
        return mean_average_precision(found, labels, self.classes)

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images as the network sees them, what it finds in them and what is there.

        "images" uint8 (n, 3, H, W); "boxes" (n, K, 4), "labels" (n, K), "scores" (n, K) as in
        `Detections`; "truth" (n, M, 6), the labels.
        """
        images = batch.degraded[:SAMPLES]
        return {
            "images": to_levels(images),
            **self.network(images)._asdict(),
            "truth": batch.labels[:SAMPLES],
        }
