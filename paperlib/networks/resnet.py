"""ResNet-18 and ResNet-50 (He et al., 2016) and ResNeXt-101 (Xie et al., 2017).

For images of CIFAR's size they have a 3x3 stem, for those of ImageNet's the published 7x7 stem.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from paperlib.networks.classifier import Classifier

STAGES = (64, 128, 256, 512)


class Shortcut(nn.Sequential):
    """A 1x1 convolution with batch norm on every `stride`-th pixel, as a strided one computes.

    The pixels are picked first because oneDNN 3.13 writes past its memory in the weight gradient of
    a strided 1x1 convolution with few channels (github.com/uxlfoundation/oneDNN/issues/6035).
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H/stride, W/stride)."""
        return super().forward(x[:, :, :: self.stride, :: self.stride])


def _shortcut(channels: int, out: int, stride: int) -> nn.Sequential:
    """Nothing where the shapes agree, else a 1x1 convolution with batch norm."""
    return nn.Sequential() if stride == 1 and channels == out else Shortcut(channels, out, stride)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut; `last` has no ReLU behind the sum."""

    def __init__(self, channels: int, out: int, stride: int, last: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu2 = nn.Identity() if last else nn.ReLU(inplace=True)
        self.shortcut = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H/stride, W/stride)."""
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)).add_(self.shortcut(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions, batch norm, a shortcut; `last` has no ReLU behind the sum.

    The 3x3 convolution has the stride, as in the Torch and torchvision networks; the paper has it
    in the first 1x1. With `groups`, a divisor of `inner`, it is a grouped convolution: the block of
    ResNeXt (Xie et al., 2017, Fig. 3c).
    """

    def __init__(
        self, channels: int, inner: int, out: int, stride: int, last: bool = False, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu3 = nn.Identity() if last else nn.ReLU(inplace=True)
        self.shortcut = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H/stride, W/stride)."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        return self.relu3(self.bn3(self.conv3(y)).add_(self.shortcut(x)))


def _scaled(width: float, channels: int) -> int:
    return max(4, round(width * channels))


def _stem(out: int, size: int) -> nn.Sequential:
    """The layers before the first stage: up to 64 pixels keep their size, more are reduced by 4."""
    if size <= 64:
        return nn.Sequential(
            nn.Conv2d(3, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
        )
    return nn.Sequential(
        nn.Conv2d(3, out, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


def resnet18(
    classes: int = 10,
    width: float = 1.0,
    dropout: float = 0.0,
    feature: str = "post",
    size: int = 32,
) -> Classifier:
    """ResNet-18: stages of 64-128-256-512 channels, global average pooling, one linear layer.

    At width 1 it has 11,173,962 parameters with the stem for small images and 10 classes,
    11,689,512 with the stem for large ones and 1000 classes.

    Args:
        width: scales every channel count.
        classes, dropout, feature: as in `Classifier`.
        size: height and width of the images for which the stem is chosen: up to 64 a 3x3
            convolution, above it the 7x7 convolution with stride 2 and the max-pool of the paper.
            The network takes other sizes, too.
    """
    channels, stages = _scaled(width, 64), [_scaled(width, n) for n in STAGES]
    body = nn.Sequential()
    body.add_module("stem", _stem(channels, size))
    for i, out in enumerate(stages):
        first = BasicBlock(channels, out, stride=1 if i == 0 else 2)
        second = BasicBlock(out, out, stride=1, last=i == len(stages) - 1)
        body.add_module(f"stage{i + 1}", nn.Sequential(first, second))
        channels = out
    return Classifier(body, nn.AdaptiveAvgPool2d(1), channels, classes, dropout, feature)


def resnet50(
    classes: int = 10,
    width: float = 1.0,
    dropout: float = 0.0,
    feature: str = "post",
    size: int = 32,
) -> Classifier:
    """ResNet-50: 3, 4, 6 and 3 bottleneck blocks of 64-128-256-512 inner channels.

    There are four times as many channels between blocks.

    At width 1 it has 23,520,842 parameters with the stem for small images and 10 classes,
    25,557,032 with the stem for large ones and 1000 classes. The arguments are those of `resnet18`.
    """
    inner = [_scaled(width, n) for n in STAGES]
    body, channels = _bottlenecks((3, 4, 6, 3), inner, 1, width, size)
    return Classifier(body, nn.AdaptiveAvgPool2d(1), channels, classes, dropout, feature)


def resnext101(
    classes: int = 10,
    width: float = 1.0,
    dropout: float = 0.0,
    feature: str = "post",
    size: int = 32,
) -> Classifier:
    """ResNeXt-101 32x8d: 3, 4, 23 and 3 bottleneck blocks whose 3x3 convolutions have 32 groups.

    A group has 8, 16, 32 and 64 channels in the four stages. At width 1 it has 86,755,146
    parameters with the stem for small images and 10 classes, 88,791,336 with the stem for large
    ones and 1000 classes. The arguments are those of `resnet18`, but that `width` scales the number
    of groups (32 at width 1, at least one) and hardly their channels, as long as there is more than
    one: groups of few channels would be slow. Channels are always a multiple of groups.
    """
    groups = max(1, round(32 * width))
    inner = [groups * round(_scaled(width, 4 * n) / groups) for n in STAGES]
    body, channels = _bottlenecks((3, 4, 23, 3), inner, groups, width, size)
    return Classifier(body, nn.AdaptiveAvgPool2d(1), channels, classes, dropout, feature)


def _bottlenecks(
    blocks: Sequence[int], inner: Sequence[int], groups: int, width: float, size: int
) -> tuple[nn.Sequential, int]:
    """The stem and four stages of bottleneck blocks, and their output channels, times `width`.

    Args:
        blocks, inner: number of blocks, and channels of their 3x3 convolutions, by stage.
        groups: of these.
    """
    channels = _scaled(width, 64)
    body = nn.Sequential()
    body.add_module("stem", _stem(channels, size))
    for i, n in enumerate(STAGES):
        out = _scaled(width, 4 * n)
        stage = nn.Sequential()
        for j in range(blocks[i]):
            last = i == len(STAGES) - 1 and j == blocks[i] - 1
            stride = 2 if i > 0 and j == 0 else 1
            stage.append(Bottleneck(channels, inner[i], out, stride, last, groups))
            channels = out
        body.add_module(f"stage{i + 1}", stage)
    return body, channels
