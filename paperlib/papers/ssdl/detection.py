"""Simple self-distillation learning (Sasaya et al., ICIP 2023) of detectors.

Only the idea is the paper's, whose slides end with "investigation on other tasks" as future work. A
detector is trained on noisy images; its student sees the same images and learns from the labels and
from the teacher's features. In student-teacher learning, what the paper compares itself to, the
teacher was trained on clean images, and is shown the clean image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.detector import Detection, DetectionOptions
from paperlib.networks.detector import Detector
from paperlib.networks.frozen_parts import frozen
from paperlib.runs import Run

VIEWS = ("noisy", "clean")


@dataclass(frozen=True)
class DetectionSSDLOptions(DetectionOptions):
    """Options of the detector, and of what it learns from its teacher.

    Attributes:
        lambda_: weight of the mean squared error over all elements, at least 0. 1 is what 2, the
            default of `dfd`, is there: its equation halves the square.
        view: what the teacher sees: "noisy", the student's own image (SSDL), or "clean"
            (student-teacher learning; its teacher should have been trained on clean images).
    """

    lambda_: float = 1.0
    view: str = "noisy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lambda_ >= 0:  # nan, too
            raise UserError(f"lambda_ is {self.lambda_}; it must be at least 0")
        choose("view", self.view, VIEWS)


class DetectionSSDL(Detection):
    """A detector that also learns the last maps of a frozen detector, the parent "teacher".

    The loss is that of `Detection` plus lambda times the mean squared distance of the two
    detectors' maps, which have to be of one shape: the last maps of the backbone behind their last
    ReLU, which both stages of a detector read. In front of the ReLU the student would also have to
    follow negative values that no later layer reads: that a unit is silent on a noisy wall is what
    there is to be learned. Every element counts alike, background included. (The student-teacher
    classifier in the code of github.com/bhavyagoyal/spclowlight also compares behind ReLUs.)

    Raises:
        UserError: no teacher, one that is no detector, or, in the first step, one whose maps have
            another shape.
    """

    options_type = DetectionSSDLOptions
    options: DetectionSSDLOptions
    required_parents = ("teacher",)

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: DetectionSSDLOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        # Of this run: the loop asks before it keeps any clean image.
        self.reads_clean = options.view == "clean"
        if not isinstance(teacher := parents["teacher"], Detector):
            kind = type(teacher).__name__
            raise UserError(f"{run.method}: the teacher must be a detector, not a {kind}")

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of `Detection` plus lambda times "distillation", and all terms."""
        terms, student = self._loss_and_maps(batch)
        teacher = self.teacher_maps(batch)
        if student.shape != teacher.shape:
            shapes = " and ".join("x".join(map(str, maps.shape[1:])) for maps in (student, teacher))
            view = f"{self.options.view} view"
            raise UserError(f"{view}: maps of student and teacher differ in shape, {shapes}")
        distillation = F.mse_loss(student.float(), teacher.float())
        loss = terms["loss"] + self.options.lambda_ * distillation
        return {**terms, "loss": loss, "distillation": distillation}

    def teacher_maps(self, batch: Batch) -> Tensor:
        """The teacher's last maps of the images that it sees: (B, C, h, w), at least 0."""
        teacher: Detector = self.parents["teacher"]
        images = batch.clean_images if self.reads_clean else batch.degraded
        normalised = (images - teacher.mean.view(3, 1, 1)) / teacher.std.view(3, 1, 1)
        return frozen(teacher.backbone, normalised)

    # The detector is not compiled either; a compiler does not follow a hook that comes and goes.
    @torch.compiler.disable
    def _loss_and_maps(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of `Detection`, and the maps that its backbone gave on the way.

        A second pass through the backbone would cost time and count the batch twice in the batch
        norms' statistics.
        """
        maps: list[Tensor] = []
        backbone = self.network.backbone
        hook = backbone.register_forward_hook(lambda module, images, out: maps.append(out))
        try:
            return super().loss(batch), maps[0]
        finally:
            hook.remove()
