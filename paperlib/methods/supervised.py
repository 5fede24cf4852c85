"""Cross-entropy on what the network sees: the teachers (clean images) and the baselines (degraded images)."""

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib import networks
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Task
from paperlib.runs import Run


class Supervised(Method):
    """A classifier trained with cross-entropy alone, on the degraded images."""

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The classifier that the run names, normalising with the statistics of the training images."""
        network = networks.build(run.network, task.classes, run.width, str(run.options.get("feature", "post")))
        network.normalise_with(task.mean, task.std)
        return network

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy over the batch."""
        return {"loss": F.cross_entropy(self.network(batch.degraded).logits, batch.labels)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and the cross-entropy of every image."""
        return classification(self.network(batch.degraded).logits, batch.labels)
