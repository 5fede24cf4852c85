"""QualNet (Kim et al., "Quality-Agnostic Image Recognition via Invertible Decoder", CVPR 2021).

Stage 1 trains "an invertible network with only clean images under the recognition objective" (the
abstract): method "supervised", network "invertible". Stage 2, the method here, trains an ordinary
encoder on clean and degraded images with the cross-entropy and the reconstruction of the clean
image by the inverse of stage 1's network, frozen: maps from which that decoder can make the clean
image are "clean-like".

Printed in the abstract: the two stages, their objectives, and that stage 2 sees both kinds of
images. The paper's text was unavailable. Inferred: i-RevNet (Jacobsen, Smeulders &
Oyallon, ICLR 2018) as the architecture and the mean absolute error of pixels, from the unofficial
port (github.com/tjdhg456/QualNet-Pytorch); the projection from the encoder's maps to the decoder's,
which must have as many numbers as the image; lambda. From i-RevNet we take additive coupling of
three 3x3 convolutions with batch norm and ReLU in front of them, space-to-depth as the only way to
reduce maps, and no padding with zero channels (its bijective form); depth and channels are ours.

The port runs the decoder without gradients in stage 2, so that its reconstruction loss trains
nothing. Here the gradient passes through it into projection and encoder.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError
from paperlib.methods.base import Batch, Task, pictures
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.networks.classifier import Classifier, map_shape
from paperlib.runs import Run

BLOCKS = 3  # couplings per stage
HIDDEN = (64, 128, 256, 512)  # channels inside the couplings of each stage, at width 1; ResNet-18's
SAMPLES = 8


class Coupling(nn.Module):
    """(a, b) -> (b, a + f(b)) for the two halves of the channels: its inverse needs f alone.

    f is three 3x3 convolutions, channels/2 -> hidden -> hidden -> channels/2, with batch norm and
    ReLU in front of each. `first` leaves those in front of the first one out: it reads pixels, of
    which a ReLU would lose half.

    The last convolution starts from zeros, so that a network starts as a permutation of pixels,
    whose inverse amplifies nothing; started from random numbers it amplifies from the start.
    """

    def __init__(self, channels: int, hidden: int, first: bool = False) -> None:
        super().__init__()
        half = channels // 2
        self.inner = nn.Sequential(*([] if first else [nn.BatchNorm2d(half), nn.ReLU()]))
        for read in (half, hidden):
            self.inner.append(nn.Conv2d(read, hidden, 3, padding=1, bias=False))
            self.inner.extend([nn.BatchNorm2d(hidden), nn.ReLU(inplace=True)])
        self.last = nn.Conv2d(hidden, half, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        a, b = x.chunk(2, dim=1)
        return torch.cat([b, a + self.last(self.inner(b))], dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """What `forward` was given, of what it returned."""
        b, c = y.chunk(2, dim=1)
        return torch.cat([c - self.last(self.inner(b)), b], dim=1)


class SpaceToDepth(nn.PixelUnshuffle):
    """(N, C, H, W) -> (N, C f^2, H/f, W/f): squares of f x f pixels become channels."""

    def inverse(self, y: Tensor) -> Tensor:
        """The inverse of `forward`."""
        return F.pixel_shuffle(y, self.downscale_factor)


class Standardise(nn.BatchNorm2d):
    """Batch norm without weight and bias, which in eval mode is an affine map that can be undone.

    It gives every channel of the last maps mean 0 and variance 1 over the training images, the
    scale on which stage 2's encoder starts. A learned weight could come near 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)

    def inverse(self, y: Tensor) -> Tensor:
        """The inverse of `forward` in eval mode: running statistics, not those of a batch."""
        mean, variance = self.running_mean, self.running_var
        assert mean is not None
        assert variance is not None
        return y * (variance + self.eps).sqrt().view(-1, 1, 1) + mean.view(-1, 1, 1)


class Invertible(Classifier):
    """A classifier whose images can be computed from its last feature maps.

    The maps hold as many numbers as the image: 3 `stride`^2 channels of 1/`stride` of the height
    and width, whatever the width of the network. There are three stages of three couplings for
    images of up to 64 pixels, four stages for larger ones, and a global average pool. 32 pixels:
    12, 48 and 192 channels of 16x16, 8x8 and 4x4. 224 pixels: 48, 192, 768 and 3072 of 56x56 to
    7x7.

    Args:
        classes, dropout, feature: as in `Classifier`.
        width: scales the channels inside the couplings; those between them are given by the image.
        size: height and width of the images; only whether they are more than 64 matters. The
            network then takes every size that is a multiple of 8, or of 32.
    """

    def __init__(
        self,
        classes: int = 10,
        width: float = 1.0,
        dropout: float = 0.0,
        feature: str = "post",
        size: int = 32,
    ) -> None:
        factors = (2, 2, 2) if size <= 64 else (4, 2, 2, 2)
        body, channels = nn.Sequential(), 3
        for i, (factor, n) in enumerate(zip(factors, HIDDEN, strict=False)):
            channels *= factor**2
            hidden = max(4, round(width * n))
            couplings = [Coupling(channels, hidden, first=i == j == 0) for j in range(BLOCKS)]
            body.add_module(f"stage{i + 1}", nn.Sequential(SpaceToDepth(factor), *couplings))
        body.add_module("standardise", Standardise(channels))
        super().__init__(body, nn.AdaptiveAvgPool2d(1), channels, classes, dropout, feature)
        self.stride = 8 if size <= 64 else 32
        for module in body.modules():
            if isinstance(module, Coupling):
                nn.init.zeros_(module.last.weight)  # behind Classifier's own initialisation

    def maps(self, images: Tensor) -> Tensor:
        """The last maps (N, 3 stride^2, H/stride, W/stride) of images (N, 3, H, W) in [0, 1].

        Raises:
            UserError: height or width is no multiple of the stride.
        """
        if images.shape[-1] % self.stride or images.shape[-2] % self.stride:
            multiples = f"multiples of {self.stride} pixels"
            size = "x".join(map(str, images.shape[-2:]))
            raise UserError(f"the invertible network takes {multiples}, not {size}")
        return super().maps(images)

    def inverse(self, maps: Tensor) -> Tensor:
        """The images (N, 3, H, W) that have these last maps, in eval mode; differentiable.

        Of maps that an image has, that image in [0, 1]; of any others, pixels that may be outside.
        Computed in the precision of `maps` without autocast: what bfloat16 rounds off in one layer
        the next ones amplify.
        """
        with torch.autocast(maps.device.type, enabled=False):
            x = maps if maps.dtype == torch.float64 else maps.float()
            for module in reversed(list(self.body.modules())):
                if isinstance(module, Coupling | SpaceToDepth | Standardise):
                    x = module.inverse(x)
            return x * self.std.view(3, 1, 1) + self.mean.view(3, 1, 1)


@dataclass(frozen=True)
class QualNetOptions(SupervisedOptions):
    """Options of stage 2, and those of the encoder's network.

    Attributes:
        lambda_: weight of the reconstruction. The port has 0.1 or 1, without effect on the encoder.
    """

    lambda_: float = 1.0


class QualNet(Supervised):
    """Stage 2: the encoder `Run.network`, and the parent "decoder", an `Invertible` network.

    The projection, one 1x1 convolution, belongs to the method: what the run hands on is the encoder
    alone. It reads the maps before their ReLU, as the decoder's own are, resampled to their size.
    """

    options_type = QualNetOptions
    options: QualNetOptions
    network: Classifier
    reads_clean = True

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: QualNetOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        decoder = parents.get("decoder")
        if not isinstance(decoder, Invertible):
            wanted = "uses={'decoder': Run(..., network='invertible')}"
            raise UserError(f"qualnet needs an invertible decoder: {wanted}")
        # Behind the network, so that an encoder starts as the baseline of its seed does.
        channels = map_shape(self.network, task.size)[0]
        self.projection = nn.Conv2d(channels, map_shape(decoder, task.size)[0], 1)
        self.stride = decoder.stride

    def reconstruct(self, maps: Tensor, size: int) -> Tensor:
        """What the decoder makes of the encoder's last maps (B, C, h, w): (B, 3, size, size)."""
        projected, side = self.projection(maps), size // self.stride
        if projected.shape[-1] != side:
            projected = F.interpolate(projected, size=(side, side), mode="bilinear")
        return self.parents["decoder"].inverse(projected)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy plus lambda times the reconstruction loss, and the two.

        Degraded and clean images are half and half, as the abstract has it.

        Raises:
            UserError: degraded images of another size than the clean ones.
        """
        clean = batch.clean_images
        if batch.degraded.shape != clean.shape:
            raise UserError("qualnet: degraded images must have the size of the clean ones")
        images = torch.cat([batch.degraded, clean])
        targets, labels = clean.repeat(2, 1, 1, 1), batch.labels.repeat(2)
        maps = self.network.maps(images)
        recognition = F.cross_entropy(self.network.classify(maps).logits.float(), labels)
        decoded = self.reconstruct(maps, targets.shape[-1])
        reconstruction = F.l1_loss(decoded.float(), targets.float())
        loss = recognition + self.options.lambda_ * reconstruction
        return {"loss": loss, "recognition": recognition, "reconstruction": reconstruction}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images degraded, decoded from their maps, and clean, (8, 3, H, W) uint8."""
        batch = batch.part(slice(SAMPLES))
        clean = batch.clean_images
        decoded = self.reconstruct(self.network.maps(batch.degraded), clean.shape[-1])
        return pictures({"input": batch.degraded, "output": decoded, "target": clean})
