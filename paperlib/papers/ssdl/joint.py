"""Joint training of a denoiser for a classifier (Liu, Wen, Liu, Wang & Huang, IJCAI 2018).

The denoiser stands before a frozen classifier trained on noise-free images; it learns from the
classifier's cross-entropy and from the mean squared error of its own images (abstract, and the
authors' code, github.com/Ding-Liu/DeepDenoising). As released: VGG-16 on ImageNet, Gaussian noise
of sigma 30, a denoiser that was trained by itself first, then SGD, lr 1e-5, batches of 10, 180,000
steps; the classifier keeps its dropout there, and is in eval mode here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Options, Task
from paperlib.papers.ssdl.denoising import DenoiserMethod, fidelity
from paperlib.runs import Run

WEIGHT = 250.0


@dataclass(frozen=True)
class JointOptions(Options):
    """Options of joint training.

    Attributes:
        weight: of the mean squared error (pixels in [0, 1]) beside the cross-entropy, at least 0.
            The authors' file for classification has 5e-8 as a comment. Caffe's loss is half the sum
            over an image, on a scale of 255: that is 5e-8 * 255^2 * 3 * 224^2 / 2 = 245 times the
            mean squared error here, and so the default; the two terms are then of one order. The
            value in force in that file is 0; then no clean image is read.
    """

    weight: float = WEIGHT

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise UserError(f"weight is {self.weight}; it must be at least 0")


class Joint(DenoiserMethod):
    """Trains a denoiser before the parent "frozen", a classifier trained on clean images.

    Gradients pass through the classifier and leave it as it is. Only the denoiser is trained, kept
    and handed on; it is tested before the same classifier. A parent "init", a run of `Denoising`
    with the same network, gives it its initial weights: the authors' order.
    """

    options_type = JointOptions
    options: JointOptions
    required_parents = ("frozen",)

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: JointOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        self.reads_clean = options.weight > 0

    def logits(self, denoised: Tensor) -> Tensor:
        """The frozen classifier's, (B, classes) float32, for images (B, 3, H, W) in [0, 1]."""
        return self.parents["frozen"](denoised).logits.float()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy plus `weight` times the mean squared error, and the two.

        The classifier sees what it will see in the test, images clipped to [0, 1]. Without weight
        the loss is the cross-entropy alone.
        """
        denoised = self.network.unclipped(batch.degraded)
        recognition = F.cross_entropy(self.logits(denoised.clamp(0, 1)), batch.labels)
        if not self.options.weight:
            return {"loss": recognition}
        reconstruction = F.mse_loss(denoised, batch.clean_images)
        loss = recognition + self.options.weight * reconstruction
        return {"loss": loss, "recognition": recognition, "reconstruction": reconstruction}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1, top-5 and cross-entropy of every denoised image, and its PSNR by `fidelity`."""
        denoised = self.network(batch.degraded)
        return {**classification(self.logits(denoised), batch.labels), **fidelity(denoised, batch)}
