"""An invertible classifier after i-RevNet (Jacobsen, Smeulders & Oyallon, ICLR 2018): QualNet's
stage 1 and decoder.

QualNet (Kim et al., CVPR 2021) trains "an invertible network with only clean images under the
recognition objective" (its abstract) and then uses the inverse as a decoder of feature maps. The
paper's text was not to be had; i-RevNet as the architecture is the choice of the unofficial port
(github.com/tjdhg456/QualNet-Pytorch). From i-RevNet we take additive coupling of three 3x3
convolutions with batch norm and ReLU in front of them, space-to-depth as the only way to reduce
maps, and no padding with zero channels (its bijective form); depth and channels are ours.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError
from paperlib.networks.classifier import Classifier

BLOCKS = 3  # couplings a stage
HIDDEN = (64, 128, 256, 512)  # channels inside the couplings of each stage, at width 1; ResNet-18's


class Coupling(nn.Module):
    """(a, b) -> (b, a + f(b)) for the two halves of the channels: its inverse needs f, and no
    inverse of f.

    f is three 3x3 convolutions, channels/2 -> hidden -> hidden -> channels/2, with batch norm and
    ReLU in front of each. `first` leaves those in front of the first one out: it reads pixels, of
    which a ReLU would lose half.

    The last convolution starts from zeros, so that a network starts as a permutation of pixels,
    whose inverse amplifies nothing; started from random numbers it amplifies from the start.
    """

    def __init__(self, channels: int, hidden: int, first: bool = False) -> None:
        super().__init__()
        half = channels // 2
        layers = [] if first else [nn.BatchNorm2d(half), nn.ReLU()]
        layers += [
            nn.Conv2d(half, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
        ]
        layers += [
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
        ]
        self.inner = nn.Sequential(*layers)
        self.last = nn.Conv2d(hidden, half, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        a, b = x.chunk(2, dim=1)
        return torch.cat([b, a + self.last(self.inner(b))], dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """What `forward` was given, of what it returned."""
        b, c = y.chunk(2, dim=1)
        return torch.cat([c - self.last(self.inner(b)), b], dim=1)


class SpaceToDepth(nn.Module):
    """Squares of `factor` x `factor` pixels become channels: nothing is lost, nothing is
    computed."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C factor^2, H/factor, W/factor)."""
        return F.pixel_unshuffle(x, self.factor)

    def inverse(self, y: Tensor) -> Tensor:
        """The inverse of `forward`."""
        return F.pixel_shuffle(y, self.factor)


class Standardise(nn.BatchNorm2d):
    """Batch norm without weight and bias, which in eval mode is an affine map that can be undone.

    It gives every channel of the last maps mean 0 and variance 1 over the training images. That is
    the scale on which the classifier's ReLU and an encoder that has to produce such maps (QualNet's
    stage 2) start; a learned weight could come near 0, and its inverse near infinity.
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
    """A classifier whose images can be computed from its last feature maps; the arguments are those
    of `invertible`.

    The maps hold as many numbers as the image: 3 `stride`^2 channels of 1/`stride` of the height
    and width, whatever the width of the network.
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
        """The last feature maps (N, 3 stride^2, H/stride, W/stride) of float images (N, 3, H, W) in
        [0, 1].

        Raises:
            UserError: height or width is no multiple of the stride.
        """
        if images.shape[-1] % self.stride or images.shape[-2] % self.stride:
            height, width = images.shape[-2:]
            raise UserError(
                f"the invertible network takes multiples of {self.stride} pixels, not {height}x{width}"
            )
        return super().maps(images)

    def inverse(self, maps: Tensor) -> Tensor:
        """The images (N, 3, H, W) that have these last feature maps, in eval mode; a differentiable
        function.

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


def invertible(
    classes: int = 10,
    width: float = 1.0,
    dropout: float = 0.0,
    feature: str = "post",
    size: int = 32,
) -> Invertible:
    """Three stages of three couplings for images of up to 64 pixels, four stages for larger ones;
    global average pool.

    32 pixels: 12, 48 and 192 channels of 16x16, 8x8 and 4x4. 224 pixels: 48, 192, 768 and 3072 of
    56x56 to 7x7.

    Args:
        width: scales the channels inside the couplings; those between them are given by the image.
        classes, dropout, feature: as in `Classifier`.
        size: height and width of the images; only whether they are more than 64 matters. The
            network then takes every size that is a multiple of 8, or of 32.
    """
    return Invertible(classes, width, dropout, feature, size)
