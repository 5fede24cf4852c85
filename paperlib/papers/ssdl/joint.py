"""Joint training of a denoiser for a classifier (Liu, Wen, Liu, Wang & Huang, IJCAI 2018).

The denoiser stands before a classifier that was trained on noise-free images and is not trained any
more; it learns from the classifier's cross-entropy and from the mean squared error of its own
images (abstract, and the authors' code, github.com/Ding-Liu/DeepDenoising). As released: VGG-16 on
ImageNet, Gaussian noise of sigma 30, a denoiser that was trained by itself first, then SGD, lr
1e-5, batches of 10, 180,000 steps; the classifier keeps its dropout there, and is in eval mode
here.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Task
from paperlib.papers.ssdl.denoising import Denoising, fidelity
from paperlib.runs import Run

WEIGHT = 250.0


class Joint(Denoising):
    """Trains the denoiser `Run.network` before the parent "frozen", a classifier trained on clean
    images.

    Gradients pass through the classifier and leave it alone. Only the denoiser is trained, kept and
    handed on; it is tested before the same classifier. A parent "init", a run of `Denoising` with
    the same network, gives it its initial weights: the authors' order.

    Args:
        weight: of the mean squared error (pixels in [0, 1]) beside the cross-entropy. The authors'
            file for classification has 5e-8 as a comment. Caffe's loss is half the sum over an
            image, on a scale of 255: that is 5e-8 * 255^2 * 3 * 224^2 / 2 = 245 times the mean
            squared error here, and so the default. The two terms are then alike: noise of sigma 30
            has a mean squared error of 0.0138, 3.5 with the weight. The value in force in that file
            is 0, from a denoiser that has learned before; then no clean image is read. What the
            paper itself has could not be read.

    Raises:
        UserError: no "frozen" classifier, or a negative weight.
    """

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], *, weight: float = WEIGHT
    ) -> None:
        super().__init__(run, task, parents, target="clean")
        if "frozen" not in parents:
            raise UserError(f"{run.method} needs a trained classifier: uses={{'frozen': Run(...)}}")
        if weight < 0:
            raise UserError(f"weight is {weight}; it must be at least 0")
        self.weight, self.reads_clean = weight, weight > 0

    def logits(self, denoised: Tensor) -> Tensor:
        """What the frozen classifier makes of images (B, 3, H, W) in [0, 1]: (B, classes),
        float32."""
        return self.parents["frozen"](denoised).logits.float()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy plus `weight` times the mean squared error, and the two; without weight,
        the first alone.

        The classifier sees what it will see in the test, images clipped to [0, 1].
        """
        denoised = self.network.unclipped(batch.degraded)
        recognition = F.cross_entropy(self.logits(denoised.clamp(0, 1)), batch.labels)
        if not self.weight:
            return {"loss": recognition}
        reconstruction = F.mse_loss(denoised, batch.clean)
        loss = recognition + self.weight * reconstruction
        return {"loss": loss, "recognition": recognition, "reconstruction": reconstruction}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and cross-entropy of every denoised image; its PSNR, see
        `fidelity`."""
        denoised = self.network(batch.degraded)
        return {**classification(self.logits(denoised), batch.labels), **fidelity(denoised, batch)}
