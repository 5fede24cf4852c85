"""URIE (Son et al., ECCV 2020): an enhancer that is trained for a frozen classifier, not for the
eye.

The enhancer stands before a classifier trained on clean images, in eval mode, and learns from the
cross-entropy behind it alone; no clean image is compared with (the released code computes the mean
squared error and only logs it). As released: Adam, lr 1e-4, weight decay 1e-3, lr / 10 every 10 of
60 epochs; every image has one of 15 corruptions or none, of severity 1 to 5.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Task, pictures
from paperlib.papers.sfd.baselines.urie_network import ENHANCERS
from paperlib.runs import Run

SAMPLES = 8


class URIE(Method):
    """Trains the enhancer `Run.network` ("urie"), of `Run.width`, before the parent "frozen", a
    trained classifier.

    Only the enhancer is trained, kept and handed on; it is tested before the same classifier.

    Args:
        start: "identity" or "random".
        clip: keep the enhanced images in [0, 1]. See `urie_network.Enhancer`.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        start: str = "identity",
        clip: bool = True,
    ) -> None:
        super().__init__(run, task, parents)  # `build` has taken both options from the run
        if "frozen" not in parents:
            raise UserError("urie needs a trained classifier: uses={'frozen': Run(...)}")

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The enhancer, normalising with the statistics of the training images."""
        make = ENHANCERS[choose("enhancer", run.network, ENHANCERS)]
        start, clip = run.options.get("start", "identity"), run.options.get("clip", True)
        network = make(run.width, str(start), bool(clip))
        network.normalise_with(task.mean, task.std)
        return network

    def logits(self, images: Tensor) -> Tensor:
        """What the frozen classifier makes of the enhanced images: (B, classes). Gradients pass
        through it."""
        return self.parents["frozen"](self.network(images)).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy of the frozen classifier on the enhanced degraded images."""
        return {"loss": F.cross_entropy(self.logits(batch.degraded).float(), batch.labels)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and the cross-entropy of every enhanced image."""
        return classification(self.logits(batch.degraded), batch.labels)

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images degraded, enhanced and clean, (8, 3, H, W) uint8."""
        batch = batch.part(slice(SAMPLES))
        images = {
            "input": batch.degraded,
            "output": self.network(batch.degraded).float(),
            "target": batch.clean,
        }
        return pictures(images)
