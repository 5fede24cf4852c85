"""ResNet-18 (He et al., 2016) for 32x32 images: 3x3 stem, no max-pool."""

from torch import Tensor, nn

from paperlib.networks.classifier import Classifier


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut; `last` leaves out the ReLU behind the sum."""

    def __init__(self, channels: int, out: int, stride: int, last: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.last = last
        self.shortcut = (
            nn.Sequential()
            if stride == 1 and channels == out
            else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H/stride, W/stride)."""
        y = self.bn1(self.conv1(x)).relu_()
        y = self.bn2(self.conv2(y)).add_(self.shortcut(x))
        return y if self.last else y.relu_()


def resnet18(classes: int = 10, width: float = 1.0, dropout: float = 0.0, feature: str = "post") -> Classifier:
    """ResNet-18 with a 3x3 stem, stages of 64-128-256-512 channels, global average pooling, one linear layer.

    11,173,962 parameters at width 1 with 10 classes. `width` scales every channel count; the arguments are those
    of `Classifier`.
    """
    stem, *stages = [max(4, round(width * n)) for n in (64, 64, 128, 256, 512)]
    body = nn.Sequential()
    body.add_module(
        "stem", nn.Sequential(nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True))
    )
    channels = stem
    for i, out in enumerate(stages):
        first = BasicBlock(channels, out, stride=1 if i == 0 else 2)
        second = BasicBlock(out, out, stride=1, last=i == len(stages) - 1)
        body.add_module(f"stage{i + 1}", nn.Sequential(first, second))
        channels = out
    return Classifier(body, nn.AdaptiveAvgPool2d(1), channels, classes, dropout, feature)
