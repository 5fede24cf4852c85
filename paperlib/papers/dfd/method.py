"""Deep feature distillation (Zhu, Han, Zhang, Lin & Wang, ICASSP 2019).

A teacher is trained on high-resolution images. A student of the same architecture sees the
low-resolution version of an image and is trained to recognise it while its last feature stays close
to the teacher's feature of the high-resolution version. The functions below are the paper's
equations (1) to (4).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
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
    """Equation (3): -y log(p)^T for one-hot y, averaged over the batch; (2) is included."""
    return F.cross_entropy(logits.float(), labels)


def total_loss(recognition: Tensor, distillation: Tensor, lambda_: float) -> Tensor:
    """Equation (4): recognition loss plus lambda times distillation loss."""
    return recognition + lambda_ * distillation


@dataclass(frozen=True)
class DFDOptions(SupervisedOptions):
    """Options of DFD; `feature` is the side of the last ReLU on which features are compared.

    Attributes:
        lambda_: the weight of equation (4), tuned in the paper over {0.1, 0.2, 0.5, 1, 2, 5, 10}.
        reduction: of equation (1), "sum" as printed, or "mean", which divides by the entries.
    """

    lambda_: float = 2.0
    reduction: str = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("reduction", self.reduction, ("sum", "mean"))


class DFD(Supervised):
    """The student (Algorithm 1, module 2); needs a parent "teacher".

    Takes a parent "init", the pre-trained model that section 2.2 fine-tunes.
    """

    options_type = DFDOptions
    options: DFDOptions
    required_parents = ("teacher",)
    reads_clean = True

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: DFDOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        # the teacher was built by its own run, which knows nothing of this option
        self.parents["teacher"].feature = options.feature

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Equation (4) and its two terms."""
        teacher = frozen(self.parents["teacher"], batch.clean_images)
        student = self.network(batch.degraded)
        recognition = recognition_loss(student.logits, batch.labels)
        distillation = distillation_loss(student.feature, teacher.feature, self.options.reduction)
        loss = total_loss(recognition, distillation, self.options.lambda_)
        return {"loss": loss, "recognition": recognition, "distillation": distillation}
