"""Deep feature distillation (Zhu, Han, Zhang, Lin & Wang, ICASSP 2019).

A teacher is trained on high-resolution images. A student of the same architecture sees the
low-resolution version of an image and is trained to recognise it while its last feature stays close
to the teacher's feature of the high-resolution version. The functions below are the paper's
equations (1) to (4).
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised
from paperlib.networks.frozen_parts import frozen
from paperlib.runs import Run


def distillation_loss(student: Tensor, teacher: Tensor, reduction: str = "sum") -> Tensor:
    """Equation (1): half the squared Euclidean distance of two features, averaged over the batch.

    Args:
        student, teacher: (B, d), the features f_s(lr) and f_t(hr).
        reduction: "sum" over the d entries is the equation as printed; "mean" divides it by d,
            which is what `nn.MSELoss` would have computed, and makes lambda d times weaker.
    """
    squared = (student.float() - teacher.float()).square()
    return 0.5 * (squared.sum(1) if reduction == "sum" else squared.mean(1)).mean()


def probabilities(feature: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Equation (2): softmax(f W + b), (B, C), for features (B, d), W (d, C) and b (C)."""
    return (feature @ weight + bias).softmax(dim=1)


def recognition_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Equation (3): -y log(p)^T for one-hot y, averaged over the batch; (2) and (3) in one stable
    step."""
    return F.cross_entropy(logits.float(), labels)


def total_loss(recognition: Tensor, distillation: Tensor, lambda_: float) -> Tensor:
    """Equation (4): recognition loss plus lambda times distillation loss."""
    return recognition + lambda_ * distillation


class DFD(Supervised):
    """The student of DFD; needs a parent "teacher", takes an optional parent "init" (Algorithm 1,
    module 2).

    Args:
        lambda_: the weight of equation (4), tuned in the paper over {0.1, 0.2, 0.5, 1, 2, 5, 10}.
        reduction: of equation (1), "sum" as printed, or "mean", with which the whole grid of
            lambdas trains.
        feature: the side of the last ReLU on which features are compared, "post" or "pre".
        dropout: of the student's network, see `Supervised`.
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
        feature: str = "post",
        dropout: float | None = None,
    ) -> None:
        super().__init__(run, task, parents, feature=feature, dropout=dropout)
        if "teacher" not in parents:
            raise UserError(f"{run.method} needs a teacher: uses={{'teacher': Run(...)}}")
        self.lambda_ = lambda_
        self.reduction = choose("reduction", reduction, ("sum", "mean"))
        self.parents["teacher"].feature = feature  # type: ignore[assignment]  # the teacher was built by its own run

    def teachers_view(self, batch: Batch) -> Tensor:
        """The images of which the teacher's features are taken (B, 3, H, W): the high-resolution
        ones."""
        return batch.clean

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation (4) and its two terms."""
        teacher = frozen(self.parents["teacher"], self.teachers_view(batch))
        student = self.network(batch.degraded)
        recognition = recognition_loss(student.logits, batch.labels)
        distillation = distillation_loss(student.feature, teacher.feature, self.reduction)
        loss = total_loss(recognition, distillation, self.lambda_)
        return {"loss": loss, "recognition": recognition, "distillation": distillation}
