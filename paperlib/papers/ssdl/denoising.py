"""Denoisers trained by themselves: *Noise2Noise*, and the same with clean targets.

Noise2Noise (Lehtinen et al., ICML 2018): a network that is to predict one noisy copy of an image
from another can do no better, in the mean squared error, than the mean of all copies; where the
noise has mean zero, that is the clean image. Its code (github.com/NVlabs/noise2noise) trains with
Gaussian noise of random strength and no limits to the pixels. Here there are two copies of each
image, of one strength and in 8 bits: clipped at black and white, so that what can be learned is the
mean of the clipped noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.evaluation import psnr
from paperlib.methods.base import Batch, Method, Options, Task, pictures
from paperlib.papers.ssdl import denoisers
from paperlib.papers.ssdl.denoisers import Denoiser
from paperlib.runs import Run

TARGETS = ("again", "clean")
SAMPLES = 8


class DenoiserMethod(Method):
    """Base class of the methods that train the denoiser `Run.network`, "unet" or "liu".

    Other runs can see their images through it ("frontend"). A parent "init" gives the initial
    weights.

    Raises:
        UserError: an unknown denoiser, or a degradation that changes the size of the images.
    """

    network: Denoiser

    @staticmethod
    def build(run: Run, task: Task, options: Any) -> Denoiser:
        """The denoiser that the run names. It takes no statistics of the training images."""
        if run.degrade.get("up") == "none":
            wanted = "lowres needs another up than 'none'"
            raise UserError(f"{run.method}: denoisers keep the size of an image; {wanted}")
        return denoisers.build(run.network, run.width, task.size)

    def start_from(self, network: nn.Module) -> None:
        """Take another denoiser's weights. Raises `UserError` if its kind or width differs."""
        try:
            super().start_from(network)
        except RuntimeError as error:
            wanted = "a denoiser of the network and width that this run names"
            raise UserError(f"init must be {wanted}") from error

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images noisy, denoised and clean, (8, 3, H, W) uint8."""
        batch = batch.part(slice(SAMPLES))
        denoised = self.network(batch.degraded)
        return pictures({"input": batch.degraded, "output": denoised, "clean": batch.clean_images})


@dataclass(frozen=True)
class DenoisingOptions(Options):
    """Options of a denoiser.

    Attributes:
        target: what the denoised image is compared with by its mean squared error. "again", the
            default: another draw of the noise (Noise2Noise); no clean image is read. "clean": the
            clean image, the control.
    """

    target: str = "again"

    def __post_init__(self) -> None:
        choose("target", self.target, TARGETS)


class Denoising(DenoiserMethod):
    """A denoiser trained by itself, by the mean squared error of its images."""

    options_type = DenoisingOptions
    options: DenoisingOptions

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: DenoisingOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        self.needs_second_draw = options.target == "again"
        self.reads_clean = not self.needs_second_draw

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean squared error of all pixels in [0, 1], before the output is clipped."""
        target = batch.second_images if self.needs_second_draw else batch.clean_images
        return {"loss": F.mse_loss(self.network.unclipped(batch.degraded), target)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """PSNR of every output and of every input, see `fidelity`."""
        return fidelity(self.network(batch.degraded), batch)


def fidelity(denoised: Tensor, batch: Batch) -> dict[str, Tensor]:
    """PSNR against the clean images, (B,) dB: of the denoised images, and of the noisy ones.

    Args:
        denoised: (B, 3, H, W) in [0, 1].
        batch: the noisy images that they were made from, and the clean ones.
    """
    return {
        "psnr": psnr(denoised, batch.clean_images),
        "psnr_noisy": psnr(batch.degraded, batch.clean_images),
    }
