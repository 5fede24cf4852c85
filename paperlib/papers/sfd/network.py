"""The network of self-feature distillation (Yang et al., ECCV 2022) around any classifier.

From a degraded image it estimates the feature maps of the clean one, z^, and how uncertain every
element of them is: the log-variance s = log theta^2 of the poster. There are two descriptions of
it, and they differ:

- "poster" (the architecture's figure): z^ are the last feature maps of the degraded image. The
  uncertainty estimation module (UEM) is a side branch of them that only the training uses; at test
  time this is the plain classifier. The branch's layers are not given: here they are inferred.
- "code" (UEM.py of the released code): a further network, FE_Net, estimates z^ from the last
  feature maps, also at test time; the UEM is its second head.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import choose
from paperlib.networks.classifier import Classifier, Output

VARIANTS = ("poster", "code")
UNCERTAINTIES = ("element", "image", "channel", "none")
LOWEST, HIGHEST = -7.0, 3.0  # of the log-variance that the poster's UEM predicts; inferred
BLOCKS = 6  # of FE_Net in the released code


def _branch(channels: int) -> nn.Sequential:
    """1x1 convolution to 1/4 of the channels, ReLU, 3x3, ReLU, 1x1 back; biases, no batch norm."""
    inner = max(1, channels // 4)
    first, middle = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, inner, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), middle, nn.ReLU(), nn.Conv2d(inner, channels, 1))


class Residual(nn.Module):
    """The block of the released code, and each of its two heads: x + ReLU(branch(x)) >= x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _branch(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same."""
        return x + self.branch(x).relu()


class FENet(nn.Module):
    """FE_Net of the released code, without its uncertainty head.

    A transposed convolution to twice the height and width, ReLU, six residual blocks, average
    pooling back, plus the input; from this trunk the head `mu` estimates z^. Initial weights are
    PyTorch's, as the code sets none: small, so that z^ starts close to the input.
    """

    def __init__(self, channels: int, blocks: int = BLOCKS) -> None:
        super().__init__()
        up = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.upsample = nn.Sequential(up, nn.ReLU())
        self.blocks = nn.Sequential(*(Residual(channels) for _ in range(blocks)))
        self.downsample = nn.AvgPool2d(2)
        self.mu = Residual(channels)

    def forward(self, features: Tensor) -> Tensor:
        """The trunk that both heads read: (N, C, h, w), not negative -> the same shape."""
        return features + self.downsample(self.blocks(self.upsample(features)))


class FreeLogVariance(nn.Module):
    """The UEM of "poster", inferred: the code's head without the ReLU, so that s has both signs.

    s starts at 0. A hyperbolic tangent keeps it in (-7, 3), since that of elements that are 0 in
    both features would fall for ever; unlike behind a hard limit, it can come back.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _branch(channels)
        for parameter in self.branch[-1].parameters():
            nn.init.zeros_(parameter)
        self.gain = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) -> s of the same shape."""
        free = self.gain * features + self.branch(features)
        middle, half = (HIGHEST + LOWEST) / 2, (HIGHEST - LOWEST) / 2
        start = math.atanh(middle / half)  # where s = 0
        return middle + half * torch.tanh(_at_least_float32(free) / half - start)


class NegatedLogVariance(Residual):
    """The UEM of "code": s = -t, t >= 0, so that theta^2 is in (0, 1]; s has no lower bound.

    By the shortcut t is at least the feature itself: strong features count as certain, whatever
    their residual. From random weights the loss starts in the thousands; the code starts from a
    trained classifier.
    """

    def forward(self, trunk: Tensor) -> Tensor:
        """The trunk of `FENet` (N, C, h, w) -> s of the same shape."""
        return -_at_least_float32(super().forward(trunk))


class ChannelLogVariance(nn.Module):
    """One learned variance per channel, for all images: softplus(a) + 1e-5, as in VID, from 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((1, channels, 1, 1), math.log(math.e - 1)))

    def forward(self, features: Tensor) -> Tensor:
        """Anything -> s (1, C, 1, 1)."""
        return (F.softplus(self.raw) + 1e-5).log()


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Estimate(NamedTuple):
    """What the network says of an image's clean feature maps."""

    maps: Tensor  # (N, C, h, w), what `classify` takes; after a ReLU they are z^
    log_variance: Tensor | None  # s, float32, broadcasts over (N, C, h, w); None without UEM


class SelfFeature(nn.Module):
    """A classifier that estimates clean features and their uncertainty.

    In evaluation it is used as a `Classifier`. At 2048 channels (ResNet-50) the UEM of "poster" has
    4,461,568 parameters, which the test does not use; in "code" it uses FE_Net's 47,995,904.

    Args:
        classifier: which is kept as `classifier`.
        variant: "poster" or "code", see above.
        uncertainty: "element": s has the shape of the feature maps. "image": its mean, one per
            image. "channel": see `ChannelLogVariance`. "none": no UEM.

    Raises:
        UserError: an unknown variant or uncertainty.
    """

    def __init__(
        self, classifier: Classifier, variant: str = "poster", uncertainty: str = "element"
    ) -> None:
        super().__init__()
        code = choose("variant", variant, VARIANTS) == "code"
        self.by_image = choose("uncertainty", uncertainty, UNCERTAINTIES) == "image"
        self.classifier = classifier
        values = classifier.pool(torch.zeros(1, 1, 8, 8)).numel()  # the head reads of a channel
        channels = classifier.head.in_features // values
        self.fe_net = FENet(channels) if code else None
        self.uncertainty: nn.Module | None = None
        if uncertainty == "channel":
            self.uncertainty = ChannelLogVariance(channels)
        elif uncertainty != "none":
            self.uncertainty = NegatedLogVariance(channels) if code else FreeLogVariance(channels)

    def _read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `classify` takes, and what the UEM reads; both (N, C, h, w)."""
        maps = self.classifier.maps(images)
        features = maps.relu()
        if self.fe_net is None:
            return maps, features
        trunk = self.fe_net(features)
        return self.fe_net.mu(trunk), trunk

    def estimate(self, images: Tensor, detach_input: bool = False) -> Estimate:
        """Maps and log-variance of images.

        Args:
            images: (N, 3, H, W) in [0, 1].
            detach_input: stop the UEM's gradient at its input.
        """
        maps, basis = self._read(images)
        if self.uncertainty is None:
            return Estimate(maps, None)
        log_variance = self.uncertainty(basis.detach() if detach_input else basis)
        if self.by_image:
            log_variance = log_variance.mean((1, 2, 3), keepdim=True)
        return Estimate(maps, log_variance)

    def maps(self, images: Tensor) -> Tensor:
        """As `Classifier.maps`: what `classify` takes of images (N, 3, H, W), without the UEM."""
        return self._read(images)[0]

    def classify(self, maps: Tensor) -> Output:
        """Logits (N, classes) and feature (N, d) of `maps`, or of the classifier's own maps."""
        return self.classifier.classify(maps)

    def forward(self, images: Tensor) -> Output:
        """Logits and feature as at test time, of images (N, 3, H, W) in [0, 1]."""
        return self.classify(self.maps(images))
