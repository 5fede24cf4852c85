"""Student-teacher learning, and simple self-distillation (Sasaya et al., ICIP 2023).

In student-teacher learning (STL; Gnanasambandam & Chan, "Image classification in the dark using
quanta image sensors", ECCV 2020) the hidden features of a student, who sees the noisy image, mimic
those of a teacher who was trained on clean images and sees the clean one. Self-distillation (SSDL),
as the slides have it, is "simply replacing clean image with noisy image in student-teacher
learning". The two classes here differ in these two places and no other: which run the teacher comes
from, and which image it is shown.

Known of SSDL (abstract and slides): the teacher is trained on noisy images, features are what is
distilled, no clean image is used anywhere. Not known, and inferred or left to options: layers,
weight, whether the teacher sees the student's very image or another draw of the noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.networks.classifier import Classifier
from paperlib.networks.frozen_parts import frozen
from paperlib.papers.ssdl.taps import Taps
from paperlib.runs import Run

TAPS = ("last", "stages")
DRAWS = ("same", "independent")


def stages_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """The mean squared error of the maps at each tap, summed over the taps; a float32 scalar.

    As in a third party's code of STL (github.com/bhavyagoyal/spclowlight, the "perceptual" loss):
    means over all elements, without the factor 1/2 of DFD's equation (1). Its taps are the stem,
    behind its ReLU, and four stages.

    Args:
        student, teacher: maps (N, C, h, w), one tensor per tap.
    """
    pairs = zip(student, teacher, strict=True)
    return torch.stack([F.mse_loss(own.float(), target.float()) for own, target in pairs]).sum()


def last_loss(student: Tensor, teacher: Tensor, reduction: str = "mean") -> Tensor:
    """DFD's equation (1), half the squared Euclidean distance of features; a float32 scalar.

    Args:
        student, teacher: (B, d).
        reduction: "sum" over the d entries, or their "mean"; then a mean over the batch.
    """
    squared = (student.float() - teacher.float()).square()
    return 0.5 * (squared.sum(1) if reduction == "sum" else squared.mean(1)).mean()


@dataclass(frozen=True)
class STLOptions(SupervisedOptions):
    """Options of STL; `feature` is the side of the last ReLU on which features are compared.

    Attributes:
        lambda_: the weight of the distance. With "last" as in DFD; with "stages" the code named in
            `stages_loss` has 0.1 and 10.
        reduction: of "last", "sum" or "mean" over the entries of the feature; "stages" are means.
        taps: "last", the pooled feature before the last linear layer, by `last_loss`: then this is
            DFD. "stages", the maps of stem and all stages, see `taps`, by `stages_loss`: teacher
            and student are then of one architecture and width.
    """

    lambda_: float = 2.0
    reduction: str = "mean"
    taps: str = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("reduction", self.reduction, ("sum", "mean"))
        if choose("taps", self.taps, TAPS) == "stages" and self.reduction == "sum":
            raise UserError("taps 'stages' are compared by means; reduction 'sum' is for 'last'")


class STL(Supervised):
    """The student: cross-entropy plus lambda times its features' distance to the teacher's.

    Its parent "teacher" was trained on clean images, and is shown the clean image.

    Raises:
        UserError: no teacher, or, with "stages", one that is no classifier.
    """

    options_type = STLOptions
    options: STLOptions
    network: Classifier
    required_parents = ("teacher",)
    reads_clean = True

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: STLOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        # The teacher was built by its own run, which knows nothing of this option.
        self.parents["teacher"].feature = options.feature
        self.taps: tuple[Taps, ...] = ()
        if options.taps == "stages":
            self.taps = Taps(self.network), Taps(parents["teacher"])

    def teacher_images(self, batch: Batch) -> Tensor:
        """The images of which the teacher's features are taken (B, 3, H, W): the clean ones."""
        return batch.clean_images

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Recognition loss plus lambda times the distillation loss, and the two.

        Raises:
            UserError: teacher and student have maps of different shapes.
        """
        logits, distillation = self._stages(batch, *self.taps) if self.taps else self._last(batch)
        recognition = F.cross_entropy(logits.float(), batch.labels)
        loss = recognition + self.options.lambda_ * distillation
        return {"loss": loss, "recognition": recognition, "distillation": distillation}

    def _last(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The student's logits, and the distance of the last features."""
        teacher = frozen(self.parents["teacher"], self.teacher_images(batch))
        student = self.network(batch.degraded)
        return student.logits, last_loss(student.feature, teacher.feature, self.options.reduction)

    def _stages(self, batch: Batch, student: Taps, teacher: Taps) -> tuple[Tensor, Tensor]:
        """The student's logits, and the distance of the maps at all taps."""
        with torch.no_grad():
            targets = list(teacher.maps(self.teacher_images(batch)).values())
        maps = list(student.maps(batch.degraded).values())
        logits = self.network.classify(maps[-1]).logits
        if [own.shape for own in maps] != [target.shape for target in targets]:
            wanted = "a teacher of the student's network and width, and images of one size"
            raise UserError(f"taps 'stages' need {wanted}")
        if self.options.feature == "post":
            maps[-1], targets[-1] = maps[-1].relu(), targets[-1].relu()
        return logits, stages_loss(maps, targets)


@dataclass(frozen=True)
class SSDLOptions(STLOptions):
    """Options of STL, and which draw of the noise the teacher sees.

    Attributes:
        draw: "same": the teacher sees the very image that the student sees. "independent": another
            draw of the noise, which needs two noisy images of each clean one.
    """

    draw: str = "same"

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("draw", self.draw, DRAWS)


class SSDL(STL):
    """The student; its parent "teacher" was trained on degraded images, and sees a degraded one."""

    options_type = SSDLOptions
    options: SSDLOptions
    reads_clean = False

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: SSDLOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        self.needs_second_draw = options.draw == "independent"

    def teacher_images(self, batch: Batch) -> Tensor:
        """The degraded images (B, 3, H, W), of the student's or of another draw of the noise."""
        return batch.second_images if self.needs_second_draw else batch.degraded
