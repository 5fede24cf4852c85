"""Cross-entropy on what the network sees: teachers (clean images), baselines (degraded images)."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from paperlib import networks
from paperlib.errors import UserError, choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Options, Task
from paperlib.networks.classifier import Classifier
from paperlib.runs import Run


@dataclass(frozen=True)
class SupervisedOptions(Options):
    """Options of a classifier.

    Attributes:
        feature: the side of the last ReLU on which the network's feature is taken, "post" or "pre".
        dropout: probability before the last linear layer, in [0, 1); None is the network's own.
    """

    feature: str = "post"
    dropout: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("feature", self.feature, ("post", "pre"))
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise UserError(f"dropout is {self.dropout}; it must be at least 0 and below 1")


class Supervised(Method):
    """A classifier trained with cross-entropy alone, on the degraded images."""

    options_type = SupervisedOptions
    options: SupervisedOptions
    network: Classifier
    reads_clean = False

    @staticmethod
    def build(run: Run, task: Task, options: SupervisedOptions) -> Classifier:
        """The classifier that the run names, normalising with the training images' statistics."""
        network = networks.build(
            run.network, task.classes, run.width, options.feature, options.dropout, task.size
        )
        network.normalise_with(task.mean, task.std)
        return network

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy over the batch."""
        return {"loss": F.cross_entropy(self.network(batch.degraded).logits, batch.labels)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and the cross-entropy of every image."""
        return classification(self.network(batch.degraded).logits, batch.labels)
