"""DFD's rivals in Table 2: VDSR, ESPCN and SRResNet by their pixel loss, and SRGAN.

A network learns to double the size of the degraded images (`degrade` with `up="none"`); a
classifier is then trained on what it makes of them. Equation numbers are those of SRGAN's paper:
Ledig et al., "Photo-realistic single image super-resolution using a generative adversarial
network", CVPR 2017.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from paperlib.degrade.levels import to_8_bit
from paperlib.degrade.lowres import resize
from paperlib.errors import UserError
from paperlib.evaluation import psnr, ssim
from paperlib.methods.base import Batch, Method, Options, Task, pictures
from paperlib.networks.classifier import Classifier
from paperlib.papers.dfd import networks
from paperlib.papers.dfd.networks import Discriminator
from paperlib.runs import Run


def pixel_loss(images: Tensor, targets: Tensor) -> Tensor:
    """Equation (4): the mean squared difference of the pixels of images (B, 3, H, H) in [0, 1]."""
    return F.mse_loss(images.float(), targets.float())


def content_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Equation (5): the mean squared difference of feature maps (B, C, h, w), over C, too."""
    return F.mse_loss(features.float(), targets.float())


def adversarial_loss(fake: Tensor) -> Tensor:
    """Equation (6): -log D(G(x)), averaged over the batch, from D's logits (B,)."""
    return F.softplus(-fake.float()).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Equation (2) to be minimised: -log D(y) - log(1 - D(G(x))), from D's logits (B,)."""
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def content_features(classifier: Classifier, images: Tensor, size: int) -> Tensor:
    """The last feature maps (B, C, h, w), behind the ReLU, of images (B, 3, H, H) at `size`."""
    return classifier.maps(resize(images, size)).relu()


@dataclass(frozen=True)
class SuperResolutionOptions(Options):
    """Options of a super-resolution network.

    Attributes:
        depth: of the network, at least 2, see `networks`; None is the published one.
    """

    depth: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth is not None and self.depth < 2:
            raise UserError(f"depth is {self.depth}; it must be at least 2")


class SuperResolution(Method):
    """A network that doubles the size of the degraded images, trained by its mean squared error."""

    options_type = SuperResolutionOptions

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: Any
    ) -> None:
        super().__init__(run, task, parents, options)
        self.kernel = str(run.degrade.get("down", "bicubic"))

    @staticmethod
    def build(run: Run, task: Task, options: SuperResolutionOptions) -> nn.Module:
        """The super-resolution network that the run names."""
        return networks.build(run.network, run.width, options.depth)

    @staticmethod
    def input_size(run: Run, task: Task) -> int:
        """That of the low-resolution images, before any enlargement."""
        if run.degrade.get("up") != "none":
            return task.size
        return task.size // int(run.degrade.get("factor", 4))

    def target(self, batch: Batch) -> Tensor:
        """The clean images, reduced half as far, also to 8 bits: (B, 3, 2h, 2h) in [0, 1]."""
        return to_8_bit(resize(batch.clean_images, 2 * batch.degraded.shape[-1], self.kernel))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The pixel loss, equation (4)."""
        return {"loss": pixel_loss(self.network(batch.degraded), self.target(batch))}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """PSNR (dB) and SSIM of every output, and of plain bicubic enlargement, all in 8 bits."""
        target = self.target(batch)
        output = to_8_bit(self.network(batch.degraded).float())
        bicubic = to_8_bit(resize(batch.degraded, target.shape[-1]))
        return {
            "psnr": psnr(output, target),
            "ssim": ssim(output, target),
            "bicubic_psnr": psnr(bicubic, target),
            "bicubic_ssim": ssim(bicubic, target),
        }

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images as the network sees them, as it returns them and as they should be."""
        batch = batch.part(slice(8))
        output = self.network(batch.degraded).float()
        images = {"input": batch.degraded, "output": output, "target": self.target(batch)}
        return pictures(images)


@dataclass(frozen=True)
class SRGANOptions(SuperResolutionOptions):
    """The weights of the generator's three losses, and its depth.

    Attributes:
        content: weight of equation (5). The paper scales its VGG's features (1/12.75, a weight of
            0.006) until the term is comparable to the pixel loss of images in [-1, 1]; for a
            batch-norm VGG-16 on CIFAR-10 the same takes about 0.2 (measured at width 1/4).
        pixel: weight of equation (4); 0 is the paper's SRGAN.
        adversarial: weight of equation (6), the paper's.
    """

    content: float = 0.2
    pixel: float = 0.0
    adversarial: float = 1e-3


class SRGAN(SuperResolution):
    """A generator between a content loss, equation (3), and a discriminator trained with it.

    Needs a parent "content", a classifier whose feature maps are compared in the place of the
    paper's VGG-19; takes a parent "init", the trained SRResNet from which the paper starts.

    Both players take their step from the same weights, in one backward pass, where the paper
    alternates between them: a simultaneous update. Neither loss reaches the other player's weights.
    """

    options_type = SRGANOptions
    required_parents = ("content",)

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: Any
    ) -> None:
        super().__init__(run, task, parents, options)
        self.discriminator = Discriminator(run.width)

    def players(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """The terms of the generator's loss, unweighted, and the discriminator's loss: scalars."""
        target = self.target(batch)
        output = self.network(batch.degraded).float()
        classifier, size = self.parents["content"], batch.clean_images.shape[-1]
        with torch.no_grad():
            wanted = content_features(classifier, target, size)
        # the generator's gradients pass through the discriminator, not into its weights
        constant = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        judged = functional_call(self.discriminator, constant, (output,))
        generator = {
            "content": content_loss(content_features(classifier, output, size), wanted),
            "pixel": pixel_loss(output, target),
            "adversarial": adversarial_loss(judged),
        }
        real, fake = self.discriminator(target), self.discriminator(output.detach())
        return generator, discriminator_loss(real, fake)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The sum of the players' losses, each of which moves only its player, and all terms."""
        generator, discriminator = self.players(batch)
        total = sum(getattr(self.options, name) * term for name, term in generator.items())
        return {"loss": total + discriminator, **generator, "discriminator": discriminator}
