"""Detection on distorted images with and without feature quantization (Sun et al., CVPR 2018; supplement, Fig. 4).

A detector is trained on clean images, with a non-linearity behind the convolutions of its backbone or without one; a
run with `epochs=0` and the trained run as "init" then tests it on distorted images.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.average_precision import mean_average_precision
from paperlib.datasets.boxes import unpack
from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Method, Task
from paperlib.methods.fq import PENALTIES, of_nonlinearity, penalty
from paperlib.networks import detector
from paperlib.networks.detector import Detector
from paperlib.networks.insertion import KINDS, alphas, insert
from paperlib.runs import Run

DETECTOR = ("stages", "anchors")  # options of the detector
SAMPLES = 8


class Detection(Method):
    """A detector, trained with its own four losses and the penalty on alpha, on the degraded images.

    Labels are those of `paperlib.datasets.boxes`. Boxes are not cropped or mirrored with the image, so runs have
    `crop=0` and `flip=False`.

    Args:
        kind: "none" for the base detector, or the non-linearity: "sf", "pow", "hpow" or "sf-pow".
        penalty, weight: on learned exponents, see `fq.penalty`.
        stages, anchors: of the detector, see `networks.detector.build`.
        nonlinearity: see `networks.insertion.insert`: `after`, `where`, `beta`, `splits`, ...

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
        kind: str = "none",
        penalty: str = "l2",
        weight: float | None = None,
        stages: int = detector.STAGES,
        anchors: str = detector.ANCHORS,
        **nonlinearity: Any,
    ) -> None:
        super().__init__(run, task, parents)  # `build` has taken what is not named
        self.penalty, self.weight = choose("penalty", penalty, PENALTIES), weight
        self.classes = task.classes
        if run.crop or run.flip:
            raise UserError(f"detection neither crops nor mirrors: crop=0, flip=False, not {run.crop}, {run.flip}")

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The detector, with its non-linearities; its other parameters start as those of the one without."""
        own: dict[str, Any] = {name: value for name, value in run.options.items() if name in DETECTOR}
        network = detector.build(run.network, task.classes, run.width, **own)
        network.normalise_with(task.mean, task.std)
        kind = choose("kind", str(run.options.get("kind", "none")), ("none", *KINDS))
        options = of_nonlinearity(run, *DETECTOR)
        if kind != "none":
            insert(network.backbone, kind, **options)
        elif options:
            raise UserError(f"a detector of kind 'none' takes no option {', '.join(options)}")
        return network

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The sum of the detector's four losses and of the penalty on alpha, and its terms."""
        objects = [(o.boxes[~o.difficult], o.classes[~o.difficult]) for o in unpack(batch.labels)]
        targets = [{"boxes": boxes, "labels": classes} for boxes, classes in objects]
        terms = self.network.losses(batch.degraded, targets)
        terms["penalty"] = penalty(self.network, self.penalty, self.weight)
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def undecayed(self) -> list[nn.Parameter]:
        """The alphas: their penalty replaces weight decay."""
        return list(alphas(self.network).values())

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean average precision, "map50" and "map" in percent, see `mean_average_precision`."""
        found, labels = [], []
        for batch in batches:
            found.append(self.network(batch.degraded))
            labels.append(batch.labels)
        return mean_average_precision(found, labels, self.classes)

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images as the network sees them, what it finds in them and what is there.

        "images" uint8 (n, 3, H, W); "boxes" (n, K, 4), "labels" (n, K), "scores" (n, K) as in `Detections`; "truth"
        (n, M, 6), the labels.
        """
        images = batch.degraded[:SAMPLES]
        levels = images.mul(255).round().to(torch.uint8)
        return {"images": levels, **self.network(images)._asdict(), "truth": batch.labels[:SAMPLES]}
