"""QualNet (Kim et al., "Quality-Agnostic Image Recognition via Invertible Decoder", CVPR 2021).

Stage 1 trains an invertible network on clean images: method "supervised", network "invertible".
Stage 2, here, trains an ordinary encoder on clean and degraded images with the cross-entropy and
the reconstruction of the clean image: the encoder's last maps go through the inverse of stage 1's
network, frozen. Maps from which that decoder can make the clean image are maps that the clean image
has, which is what makes the encoder's features "clean-like".

Printed in the abstract: the two stages, their objectives, and that stage 2 sees both clean and
corrupted images. The paper's text was not to be had. Inferred: the architecture, see
`paperlib.papers.sfd.baselines.invertible`; the mean absolute error of pixels, from the unofficial
port (github.com/tjdhg456/QualNet-Pytorch); the projection from the encoder's maps to the decoder's,
which must have as many numbers as the image; lambda.

The port runs the decoder without gradients in stage 2, so that its reconstruction loss trains
nothing. Here the decoder's parameters are constants, but the gradient passes through it into
projection and encoder.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError
from paperlib.methods.base import Batch, Task, pictures
from paperlib.methods.supervised import Supervised
from paperlib.networks.classifier import map_shape
from paperlib.papers.sfd.baselines.invertible import Invertible
from paperlib.runs import Run

SAMPLES = 8


def reconstruction_loss(images: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute difference of pixels, images (N, 3, H, W) on the [0, 1] scale, in float32;
    a scalar."""
    return F.l1_loss(images.float(), targets.float())


class QualNet(Supervised):
    """Stage 2: the encoder `Run.network` before the parent "decoder", a trained "invertible"
    network.

    The projection, one 1x1 convolution, belongs to the method: what the run hands on, and what is
    tested, is the encoder alone. It reads the maps before their ReLU, as the decoder's own are;
    they are bilinearly resampled where their size is another.

    Args:
        lambda_: weight of the reconstruction. The port has 0.1 or 1, without effect on the encoder.
        clean: train on clean and degraded images, half and half, as the abstract has it; that
            doubles the cost of a step. False: on the degraded images alone.
        feature, dropout: of the encoder, see `Supervised`.
    """

    reads_clean = True

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        lambda_: float = 1.0,
        clean: bool = True,
        feature: str = "post",
        dropout: float | None = None,
    ) -> None:
        super().__init__(run, task, parents, feature=feature, dropout=dropout)
        decoder = parents.get("decoder")
        if not isinstance(decoder, Invertible):
            raise UserError(
                "qualnet needs an invertible decoder: uses={'decoder': Run(..., network='invertible')}"
            )
        self.lambda_, self.clean = lambda_, clean
        # Behind the network, so that an encoder starts as the baseline of its seed does.
        channels = map_shape(self.network, task.size)[0]  # type: ignore[arg-type]
        self.projection = nn.Conv2d(channels, map_shape(decoder, task.size)[0], 1)
        self.stride = decoder.stride

    def reconstruct(self, maps: Tensor, size: int) -> Tensor:
        """The images (B, 3, size, size) that the decoder makes of the encoder's last maps (B, C, h,
        w)."""
        projected, side = self.projection(maps), size // self.stride
        if projected.shape[-1] != side:
            projected = F.interpolate(
                projected, size=(side, side), mode="bilinear", align_corners=False
            )
        return self.parents["decoder"].inverse(projected)  # type: ignore[operator]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy plus lambda times the reconstruction loss, and the two."""
        images, targets, labels = batch.degraded, batch.clean, batch.labels
        if self.clean:
            if images.shape != targets.shape:
                raise UserError(
                    "qualnet: degraded images of another size than the clean ones need clean=False"
                )
            images, targets, labels = (
                torch.cat([images, targets]),
                targets.repeat(2, 1, 1, 1),
                labels.repeat(2),
            )
        maps = self.network.maps(images)  # type: ignore[operator]
        logits = self.network.classify(maps).logits  # type: ignore[operator]
        recognition = F.cross_entropy(logits.float(), labels)
        reconstruction = reconstruction_loss(self.reconstruct(maps, targets.shape[-1]), targets)
        return {
            "loss": recognition + self.lambda_ * reconstruction,
            "recognition": recognition,
            "reconstruction": reconstruction,
        }

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images degraded, decoded from their maps, and clean, (8, 3, H, W) uint8."""
        batch = batch.part(slice(SAMPLES))
        decoded = self.reconstruct(self.network.maps(batch.degraded), batch.clean.shape[-1])  # type: ignore[operator]
        images = {"input": batch.degraded, "output": decoded, "target": batch.clean}
        return pictures(images)
