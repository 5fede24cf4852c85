"""Training of a detector, Faster R-CNN on the backbone of one of our classifiers: see
`paperlib.networks.detector`."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.datasets.boxes import unpack
from paperlib.errors import UserError
from paperlib.methods.average_precision import mean_average_precision
from paperlib.methods.base import Batch, Method, Task
from paperlib.networks import detector
from paperlib.networks.detector import Detector
from paperlib.runs import Run

DETECTOR = ("stages", "anchors")  # options of the detector
SAMPLES = 8


class Detection(Method):
    """A detector, trained with its own four losses on the degraded images.

    Labels are those of `paperlib.datasets.boxes`. Boxes are not cropped or mirrored with the image,
    so runs have `crop=0` and `flip=False`.

    Args:
        stages, anchors: of the detector, see `networks.detector.build`.

    Raises:
        UserError: an unknown choice, or a run that crops or mirrors.
    """

    network: Detector
    reads_clean = False

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        stages: int = detector.STAGES,
        anchors: str = detector.ANCHORS,
    ) -> None:
        super().__init__(run, task, parents)  # `build` has taken both options from the run
        self.classes = task.classes
        if run.crop or run.flip:
            raise UserError(
                f"detection neither crops nor mirrors: crop=0, flip=False, not {run.crop}, {run.flip}"
            )

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The detector that the run names, normalising with the statistics of the training
        images."""
        own: dict[str, Any] = {
            name: value for name, value in run.options.items() if name in DETECTOR
        }
        network = detector.build(run.network, task.classes, run.width, **own)
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
        levels = images.mul(255).round().to(torch.uint8)
        return {"images": levels, **self.network(images)._asdict(), "truth": batch.labels[:SAMPLES]}
