"""The two networks without shortcuts of *Feature quantization* (Sun et al., CVPR 2018).

They are in the paper's supplement.

Both are all convolutions between an image of any size and a global pooling: the same layers take
32x32 and 224x224 pixels. Convolutions in front of a batch norm have no bias (the tables do not
say): its shift would undo one, and the paper's non-linearities act on the convolution W * X alone.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.networks.classifier import Classifier


def _scaled(width: float, channels: int) -> int:
    return max(4, round(width * channels))


def _layer(channels: int, out: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """One row of the tables: a convolution with padding 1 whatever its kernel, batch norm, ReLU."""
    conv = nn.Conv2d(channels, out, kernel, stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


class WindowMeans(nn.Module):
    """What a 3x3 convolution with padding 1 followed by global average pooling reads of its input.

    Convolution and mean are linear and may be swapped: each of the nine weights of a kernel
    multiplies the mean of the input under one shift, zeros coming in at the border. A linear layer
    behind these 9 x C means is that convolution and that pooling, at 9 C products a class instead
    of 9 C H W; its weight, viewed as (classes, C, 3, 3), is the convolution's.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 3, 3); H and W are at least 2."""
        return F.avg_pool2d(maps, (maps.shape[-2], maps.shape[-1]), stride=1, padding=1)


def smallcnn(
    classes: int = 10, width: float = 1.0, dropout: float = 0.0, feature: str = "post"
) -> Classifier:
    """The network of Table 2: convolutions of 32, 64 and 64 channels, and one of class scores.

    conv3x3-32, BN, ReLU | max-pool 2x2 | conv3x3-64, BN, ReLU, twice (`middle`, the block that has
    the power function in the paper) | max-pool 2x2 | conv3x3-classes | global average pooling.
    62,250 parameters at width 1 with 10 classes, 114,180 with 100.

    The last convolution is the head, and the last ReLU, the second max-pool and `WindowMeans` the
    pooling: the feature is what the scores are linear in, 9 x 64 numbers. `width` scales every
    channel count but the classes; the arguments are those of `Classifier`. Images have at least 8x8
    pixels.
    """
    stem, first, second = (_scaled(width, n) for n in (32, 64, 64))
    body = nn.Sequential()
    body.add_module("stem", nn.Sequential(*_layer(3, stem), nn.MaxPool2d(2)))
    body.add_module("middle", nn.Sequential(*_layer(stem, first), *_layer(first, second)[:-1]))
    pool = nn.Sequential(nn.MaxPool2d(2), WindowMeans())
    return Classifier(body, pool, 9 * second, classes, dropout, feature)


def plain10(
    classes: int = 10, width: float = 1.0, dropout: float = 0.0, feature: str = "post"
) -> Classifier:
    """Plain-10 of Table 4: nine convolutions with batch norm and ReLU, and a linear layer.

    conv7x7-64 | max-pool 3x3, stride 2 | two conv3x3 each of 64, 128, 256 and 512 channels, the
    first with stride 2. 5,244,968 parameters at width 1 with the paper's 1000 classes, 4,737,098
    with 10.

    As printed, every convolution has padding 1, the 7x7 one too, and that one stride 1; nothing is
    said of padding in the max-pool, so it has none. Maps are then 220, 109, 55, 28, 14 and 7 pixels
    wide for 224 pixels, and 28, 13, 7, 4, 2 and 1 for 32. `width` scales every channel count; the
    arguments are those of `Classifier`. Images have at least 8x8 pixels.
    """
    channels = _scaled(width, 64)
    body = nn.Sequential()
    body.add_module(
        "stem", nn.Sequential(*_layer(3, channels, kernel=7), nn.MaxPool2d(3, stride=2))
    )
    for i, n in enumerate((64, 128, 256, 512)):
        out = _scaled(width, n)
        stage = [*_layer(channels, out, stride=2), *_layer(out, out)]
        body.add_module(f"stage{i + 1}", nn.Sequential(*(stage if n < 512 else stage[:-1])))
        channels = out
    return Classifier(body, nn.AdaptiveAvgPool2d(1), channels, classes, dropout, feature)
