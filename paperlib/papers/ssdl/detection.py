"""Simple self-distillation learning (Sasaya et al., ICIP 2023) of detectors: "investigation on
other tasks".

The slides end with these words as future work; nothing here is from the paper but its idea. A
detector is trained on noisy images; a second one, its student, sees the same noisy images and
learns from the labels and from the first's features. No clean image is read. Student-teacher
learning, what the paper compares itself to, differs in the teacher alone: it was trained on clean
images, and is shown the clean image.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.detector import Detection
from paperlib.networks.detector import Detector
from paperlib.networks.frozen_parts import frozen
from paperlib.runs import Run

VIEWS = ("noisy", "clean")
OWN = ("lambda_", "view")  # options that are not the detector's


class DetectionSSDL(Detection):
    """A detector trained with its own losses and the mean squared distance of its maps to those of
    a frozen detector.

    Needs a parent "teacher": a detector whose backbone gives maps of the same shape. Compared is
    what the two stages of a detector read, the last maps of the backbone behind their last ReLU. A
    detector has no single feature of the image, as DFD and SSDL compare; whatever it knows of an
    image, it knows from these maps. In front of the ReLU the student would also have to follow
    negative values that no later layer reads, and in which the noise is not removed yet: that a
    unit says nothing of a noisy wall is what there is to be learned from the teacher. The price is
    that a unit learns nothing at positions where it is silent itself; in each channel the batch
    norm in front keeps the others alive. Every element counts alike, background included. (The
    student-teacher classifier on noisy images in the code of github.com/bhavyagoyal/spclowlight
    also compares behind ReLUs, of the stem and every stage.)

    Args:
        lambda_: weight of the mean squared error over all elements, at least 0. With 0 this is
            `Detection`. 1 is what 2, the default of `dfd`, is there: its equation halves the
            square.
        view: what the teacher sees: "noisy", the student's own image (SSDL), or "clean"
            (student-teacher learning; its teacher should have been trained on clean images).
        detection: see `Detection`.

    Raises:
        UserError: an unknown view, a negative lambda, no teacher, one that is no detector, or, in
            the first step, one whose maps have another shape.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        lambda_: float = 1.0,
        view: str = "noisy",
        **detection: Any,
    ) -> None:
        super().__init__(run, task, parents, **detection)
        if not lambda_ >= 0:
            raise UserError(f"{run.method}: lambda_ is {lambda_}; it must be at least 0")
        self.lambda_ = lambda_
        self.view = choose("view", view, VIEWS)
        # of this run: the loop asks before it keeps any clean image
        self.reads_clean = view == "clean"
        if "teacher" not in parents:
            raise UserError(f"{run.method} needs a teacher: uses={{'teacher': Run(...)}}")
        if not isinstance(parents["teacher"], Detector):
            raise UserError(
                f"{run.method}: the teacher must be a detector, not a {type(parents['teacher']).__name__}"
            )

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The detector of `Detection`, to the bit."""
        options = {name: value for name, value in run.options.items() if name not in OWN}
        return Detection.build(dataclasses.replace(run, options=options), task)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of `Detection` plus lambda times "distillation", the mean squared error, and
        all terms."""
        terms, student = self._overheard(batch)
        teacher = self.teachers_maps(batch)
        if student.shape != teacher.shape:
            shapes = " and ".join("x".join(map(str, maps.shape[1:])) for maps in (student, teacher))
            raise UserError(
                f"{self.view} view: maps of student and teacher differ in shape, {shapes}"
            )
        distillation = F.mse_loss(student.float(), teacher.float())
        return {
            **terms,
            "loss": terms["loss"] + self.lambda_ * distillation,
            "distillation": distillation,
        }

    def teachers_maps(self, batch: Batch) -> Tensor:
        """What the teacher's backbone makes of the images that it is shown: (B, C, h, w), at least
        0, constants."""
        teacher, images = (
            self.parents["teacher"],
            batch.clean if self.reads_clean else batch.degraded,
        )
        assert isinstance(teacher, Detector)
        return frozen(
            teacher.backbone, (images - teacher.mean.view(3, 1, 1)) / teacher.std.view(3, 1, 1)
        )

    # The detector is not compiled either, and a compiler does not follow a hook that comes and
    # goes.
    @torch.compiler.disable
    def _overheard(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of `Detection`, and the maps that its backbone gave on the way.

        A second pass through the backbone would cost time and count the batch twice in the batch
        norms' statistics.
        """
        maps: list[Tensor] = []
        hook = self.network.backbone.register_forward_hook(
            lambda module, images, out: maps.append(out)
        )
        try:
            return super().loss(batch), maps[0]
        finally:
            hook.remove()
