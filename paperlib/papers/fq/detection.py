"""Detection on distorted images with and without feature quantization (supplement, Fig. 4).

A detector is trained on clean images, with a non-linearity behind the convolutions of its backbone
or without one; a run with `epochs=0` and the trained run as "init" then tests it on distorted
images.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from paperlib.methods.base import Batch, Task
from paperlib.methods.detector import Detection, DetectionOptions
from paperlib.networks.detector import Detector
from paperlib.papers.fq.insertion import alphas
from paperlib.papers.fq.method import NonlinearityOptions, penalty
from paperlib.runs import Run


@dataclass(frozen=True)
class QuantizedDetectionOptions(NonlinearityOptions, DetectionOptions):
    """Options of a detector whose backbone may have a non-linearity; by default it has none."""

    kind: str = "none"


class QuantizedDetection(Detection):
    """A detector, trained on degraded images with its own four losses and the penalty on alpha."""

    options_type = QuantizedDetectionOptions
    options: QuantizedDetectionOptions
    precision = "fp32"  # as the classifiers

    @staticmethod
    def build(run: Run, task: Task, options: Any) -> Detector:
        """The detector with its non-linearities; its other parameters start as without them."""
        network = Detection.build(run, task, options)
        options.insert_into(network.backbone)
        return network

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss: the detector's four, and the penalty."""
        held = penalty(self.network, self.options.penalty, self.options.weight)
        return {**super().terms(batch), "penalty": held}

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """The alphas: their penalty replaces weight decay."""
        return list(alphas(self.network).values())
