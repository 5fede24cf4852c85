"""Denoisers trained by themselves: *Noise2Noise* (Lehtinen et al., ICML 2018), and the same with
clean targets.

Noise2Noise: a network that is to predict one noisy copy of an image from another can do no better,
in the mean squared error, than the mean of all copies; where the noise has mean zero, that is the
clean image. Its code (github.com/NVlabs/noise2noise) trains with Gaussian noise of random strength
and no limits to the pixels; here two copies an image are all there is, of one strength and in 8
bits: cut at black and white, so that what can be learned there is the mean of the cut noise.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.evaluation import psnr
from paperlib.methods.base import Batch, Method, Task, pictures
from paperlib.papers.ssdl import denoisers
from paperlib.papers.ssdl.denoisers import Denoiser
from paperlib.runs import Run

TARGETS = ("again", "clean")
SAMPLES = 8


class Denoising(Method):
    """Trains the denoiser `Run.network`, "unet" or "liu"; other runs can see their images through
    it ("frontend").

    A parent "init" gives the initial weights.

    Args:
        target: what the denoised image is compared with by its mean squared error. "again", the
            default: another draw of the noise (Noise2Noise); no clean image is read. "clean": the
            clean image, the control.

    Raises:
        UserError: an unknown name, or a degradation that changes the size of the images.
    """

    network: Denoiser

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], *, target: str = "again"
    ) -> None:
        if run.degrade.get("up") == "none":
            raise UserError(
                f"{run.method}: denoisers keep the size of an image; lowres needs another up than 'none'"
            )
        super().__init__(run, task, parents)
        self.pairs = choose("target", target, TARGETS) == "again"
        self.reads_clean = not self.pairs

    @staticmethod
    def build(run: Run, task: Task) -> Denoiser:
        """The denoiser that the run names, of its width. It takes no statistics of the training
        images."""
        return denoisers.build(run.network, run.width, task.size)

    def start_from(self, network: nn.Module) -> None:
        """Take the weights of another run's denoiser. Raises `UserError` if it is of another kind
        or width."""
        try:
            super().start_from(network)
        except RuntimeError as error:
            raise UserError(
                "init must be a denoiser of the network and width that this run names"
            ) from error

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The mean squared error, over all values of pixels on the [0, 1] scale, before the output
        is clipped."""
        target = batch.again if self.pairs else batch.clean
        assert target is not None  # the loop gives pairs to who asks for them
        return {"loss": F.mse_loss(self.network.unclipped(batch.degraded), target)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """ "psnr" of every output and "psnr_noisy" of every input, in dB, against the clean
        image."""
        return fidelity(self.network(batch.degraded), batch)

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images noisy ("input"), denoised ("output") and clean ("clean"), (8, 3, H, W)
        uint8."""
        batch = batch.part(slice(SAMPLES))
        return pictures(
            {"input": batch.degraded, "output": self.network(batch.degraded), "clean": batch.clean}
        )


def fidelity(denoised: Tensor, batch: Batch) -> dict[str, Tensor]:
    """How near images are to the clean ones, (B,) dB: "psnr" of the denoised ones, "psnr_noisy" of
    the batch's own."""
    return {"psnr": psnr(denoised, batch.clean), "psnr_noisy": psnr(batch.degraded, batch.clean)}
