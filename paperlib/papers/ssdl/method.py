"""Student-teacher learning, and simple self-distillation for noisy image classification (Sasaya et
al., ICIP 2023).

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
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised
from paperlib.networks.frozen_parts import frozen
from paperlib.papers.ssdl.taps import Taps
from paperlib.runs import Run

TAPS = ("last", "stages")
DRAWS = ("same", "independent")


def stages_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """The mean squared error of the maps at each tap, summed over the taps, in float32; a scalar.

    As in a third party's code of STL (github.com/bhavyagoyal/spclowlight, the "perceptual" loss):
    means over all elements, without the factor 1/2 of DFD's equation (1). Its taps are the stem,
    behind its ReLU, and four stages.

    Args:
        student, teacher: maps (N, C, h, w), a tensor a tap.
    """
    errors = [
        F.mse_loss(own.float(), target.float())
        for own, target in zip(student, teacher, strict=True)
    ]
    return torch.stack(errors).sum()


def last_loss(student: Tensor, teacher: Tensor, reduction: str = "mean") -> Tensor:
    """Half the squared Euclidean distance of two features (B, d), averaged over the batch, in
    float32; a scalar.

    DFD's equation (1): "sum" over the d entries, or their "mean".
    """
    squared = (student.float() - teacher.float()).square()
    return 0.5 * (squared.sum(1) if reduction == "sum" else squared.mean(1)).mean()


class STL(Supervised):
    """The student; needs a parent "teacher", trained on clean images, and shows it the clean image.

    The loss is the cross-entropy plus `lambda_` times the distance of student and teacher.

    Args:
        lambda_: the weight. With "last" as in DFD; with "stages" the code named in `stages_loss`
            has 0.1 and 10.
        reduction: of "last", "sum" or "mean" over the entries of the feature, see `last_loss`;
            "stages" are means.
        taps: "last", the pooled feature before the last linear layer, by `last_loss`: then this is
            DFD. "stages", the maps of stem and all stages, see `taps`, by `stages_loss`: teacher
            and student are then of one architecture and width.
        feature: the side of the last ReLU on which the last feature or maps are compared, "post" or
            "pre".
        dropout: of the student's network, see `Supervised`.

    Raises:
        UserError: no teacher, an unknown name, or a sum over stages.
    """

    reads_clean = True

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        lambda_: float = 2.0,
        reduction: str = "mean",
        taps: str = "last",
        feature: str = "post",
        dropout: float | None = None,
    ) -> None:
        super().__init__(run, task, parents, feature=feature, dropout=dropout)
        if "teacher" not in parents:
            raise UserError(f"{run.method} needs a teacher: uses={{'teacher': Run(...)}}")
        self.lambda_ = lambda_
        self.reduction = choose("reduction", reduction, ("sum", "mean"))
        self.parents["teacher"].feature = feature  # type: ignore[assignment]  # the teacher was built by its own run
        self.taps: tuple[Taps, Taps] | None = None
        if choose("taps", taps, TAPS) == "stages":
            if reduction != "mean":
                raise UserError(
                    f"{run.method}: taps 'stages' are compared by means; reduction 'sum' is for 'last'"
                )
            self.taps = Taps(self.network), Taps(parents["teacher"])
        self.rectified = feature == "post"

    def teachers_view(self, batch: Batch) -> Tensor:
        """The images of which the teacher's features are taken (B, 3, H, W): the clean ones."""
        return batch.clean

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Recognition loss plus lambda times the distillation loss, and the two.

        Raises:
            UserError: teacher and student have maps of different shapes.
        """
        logits, distillation = (
            self._last(batch) if self.taps is None else self._stages(batch, *self.taps)
        )
        recognition = F.cross_entropy(logits.float(), batch.labels)
        loss = recognition + self.lambda_ * distillation
        return {"loss": loss, "recognition": recognition, "distillation": distillation}

    def _last(self, batch: Batch) -> tuple[Tensor, Tensor]:
        teacher = frozen(self.parents["teacher"], self.teachers_view(batch))
        student = self.network(batch.degraded)
        return student.logits, last_loss(student.feature, teacher.feature, self.reduction)

    def _stages(self, batch: Batch, student: Taps, teacher: Taps) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            targets = list(teacher.maps(self.teachers_view(batch)).values())
        maps = list(student.maps(batch.degraded).values())
        logits = self.network.classify(maps[-1]).logits  # type: ignore[operator]
        if [own.shape for own in maps] != [target.shape for target in targets]:
            raise UserError(
                "taps 'stages' need a teacher of the student's network and width, and images of one size"
            )
        if self.rectified:
            maps[-1], targets[-1] = maps[-1].relu(), targets[-1].relu()
        return logits, stages_loss(maps, targets)


class SSDL(STL):
    """The student; its parent "teacher" is a network trained on degraded images, and sees a
    degraded one.

    Args:
        draw: "same", the default: the teacher sees the very image that the student sees, which is
            all there is where there is one noisy image of each clean one. "independent": another
            draw of the noise, which needs two.
        lambda_, reduction, taps, feature, dropout: see `STL`.
    """

    reads_clean = False

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        draw: str = "same",
        **options: Any,
    ) -> None:
        super().__init__(run, task, parents, **options)
        self.pairs = choose("draw", draw, DRAWS) == "independent"

    def teachers_view(self, batch: Batch) -> Tensor:
        """The degraded images (B, 3, H, W), by the same or by another draw: where nothing is clean,
        these are all."""
        if not self.pairs:
            return batch.degraded
        assert batch.again is not None  # the loop gives pairs to who asks for them
        return batch.again
