"""Cross-entropy on what the network sees: the teachers (clean images) and the baselines (degraded
images)."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib import networks
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Task
from paperlib.runs import Run


class Supervised(Method):
    """A classifier trained with cross-entropy alone, on the degraded images.

    Args:
        feature: the side of the last ReLU on which the network's feature is taken, "post" or "pre".
        dropout: probability before the last linear layer; None is the network's own.
    """

    reads_clean = False

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        feature: str = "post",
        dropout: float | None = None,
    ) -> None:
        super().__init__(run, task, parents)  # `build` has taken both options from the run

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The classifier that the run names, normalising with the statistics of the training
        images."""
        options = {
            name: value for name, value in run.options.items() if name in ("feature", "dropout")
        }
        network = networks.build(run.network, task.classes, run.width, size=task.size, **options)  # type: ignore[arg-type]
        network.normalise_with(task.mean, task.std)
        return network

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy over the batch."""
        return {"loss": F.cross_entropy(self.network(batch.degraded).logits, batch.labels)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and the cross-entropy of every image."""
        return classification(self.network(batch.degraded).logits, batch.labels)
