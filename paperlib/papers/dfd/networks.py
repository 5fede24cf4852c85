"""Super-resolution by a factor of 2: the networks of DFD's Table 2 and Fig. 3.

All but SRGAN's discriminator take float images (B, 3, h, h) in [0, 1] and return (B, 3, 2h, 2h), on
the same scale and not clipped. The originals of VDSR and ESPCN work on the luminance alone; these
work on RGB, because a classifier is to read the result. Convolutions keep PyTorch's default
initialisation (uniform, Kaiming with a = sqrt(5)) except where a paper names another. `width`
scales every hidden channel count.
"""

from torch import Tensor, nn

from paperlib.degrade.lowres import resize
from paperlib.errors import choose


def _channels(width: float, *counts: int) -> list[int]:
    return [max(4, round(width * n)) for n in counts]


class VDSR(nn.Module):
    """Very deep super-resolution (Kim, Lee & Lee, CVPR 2016): bicubic plus a learned residual.

    3x3 convolutions with ReLU between them, at the size of the output, initialised as the paper
    does (He et al., 2015). 668,227 parameters at width 1 with 20 convolutions.

    Args:
        width: factor on the 64 channels.
        depth: number of convolutions.
    """

    def __init__(self, width: float = 1.0, depth: int = 20) -> None:
        super().__init__()
        (c,) = _channels(width, 64)
        layers: list[nn.Module] = [nn.Conv2d(3, c, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(c, c, 3, padding=1), nn.ReLU(inplace=True)]
        self.residual = nn.Sequential(*layers, nn.Conv2d(c, 3, 3, padding=1))
        for layer in self.residual:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, h) -> (B, 3, 2h, 2h)."""
        enlarged = resize(images, 2 * images.shape[-1])
        return enlarged + self.residual(enlarged)


class ESPCN(nn.Module):
    """Efficient sub-pixel network (Shi et al., CVPR 2016): small maps, then a pixel shuffle.

    5x5 with 64 channels, 3x3 with 32, 3x3 with 3 * 2^2, tanh between them as in section 3.2 of the
    paper. 26,796 parameters at width 1 with 3 convolutions.

    Args:
        width: factor on the 64 and 32 channels.
        depth: number of convolutions; all but the first and last have 32.
    """

    def __init__(self, width: float = 1.0, depth: int = 3) -> None:
        super().__init__()
        c, inner = _channels(width, 64, 32)
        layers: list[nn.Module] = [nn.Conv2d(3, c, 5, padding=2), nn.Tanh()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(c, inner, 3, padding=1), nn.Tanh()]
            c = inner
        layers += [nn.Conv2d(c, 3 * 2**2, 3, padding=1), nn.PixelShuffle(2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 3, 2h, 2w)."""
        return self.layers(images)


class ResidualBlock(nn.Module):
    """conv, batch norm, PReLU, conv, batch norm, plus the input (Ledig et al., Fig. 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> the same shape."""
        return x + self.layers(x)


class SRResNet(nn.Module):
    """SRGAN's generator (Ledig et al., CVPR 2017, Fig. 4): residual blocks, a pixel shuffle.

    One sub-pixel step, as 2x needs (the paper's 4x has two). Each PReLU has one slope; convolutions
    in front of a batch norm have no bias. 1,399,637 parameters at width 1 with 16 blocks.

    Args:
        width: factor on the 64 channels.
        depth: number of residual blocks.
    """

    def __init__(self, width: float = 1.0, depth: int = 16) -> None:
        super().__init__()
        (c,) = _channels(width, 64)
        self.stem = nn.Sequential(nn.Conv2d(3, c, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(
            *(ResidualBlock(c) for _ in range(depth)),
            nn.Conv2d(c, c, 3, padding=1, bias=False),
            nn.BatchNorm2d(c),
        )
        shuffle = nn.PixelShuffle(2)
        self.enlarge = nn.Sequential(nn.Conv2d(c, 4 * c, 3, padding=1), shuffle, nn.PReLU())
        self.out = nn.Conv2d(c, 3, 9, padding=4)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 3, 2h, 2w)."""
        x = self.stem(images)
        return self.out(self.enlarge(x + self.blocks(x)))


class Discriminator(nn.Module):
    """SRGAN's discriminator (Ledig et al., Fig. 4): eight 3x3 convolutions, two linear layers.

    Adapted to small images in one place: the four strides leave 6x6 maps of the paper's 96x96 crops
    and 1x1 of a 16x16 image, so the first linear layer reads 512 numbers (18,432 in the paper),
    averaged over the positions where there is more than one. 5,213,569 parameters at width 1.

    Its batch norms keep no running statistics: a discriminator lives only while it is trained, and
    judges a batch by that batch's own statistics.

    Args:
        width: factor on the 64 to 512 channels and on the 1024 units.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        first, *rest = _channels(width, 64, 64, 128, 128, 256, 256, 512, 512)
        (units,) = _channels(width, 1024)
        layers: list[nn.Module] = [
            nn.Conv2d(3, first, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        channels = first
        for i, out in enumerate(rest):
            convolution = nn.Conv2d(channels, out, 3, stride=2 - i % 2, padding=1, bias=False)
            norm = nn.BatchNorm2d(out, track_running_stats=False)
            layers += [convolution, norm, nn.LeakyReLU(0.2, inplace=True)]
            channels = out
        head = (nn.Linear(channels, units), nn.LeakyReLU(0.2, inplace=True), nn.Linear(units, 1))
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *head)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B,) that images (B, 3, H, W) in [0, 1] are real; the loss takes the sigmoid."""
        return self.layers(2 * images - 1).squeeze(1)


SUPER_RESOLVERS = {"vdsr": VDSR, "espcn": ESPCN, "srresnet": SRResNet}


def build(name: str, width: float = 1.0, depth: int | None = None) -> nn.Module:
    """A freshly initialised network by name; `depth` None is the published one, else at least 2.

    Raises:
        UserError: unknown name.
    """
    make = SUPER_RESOLVERS[choose("super-resolution network", name, SUPER_RESOLVERS)]
    return make(width) if depth is None else make(width, depth)
