"""VGG-16 (Simonyan & Zisserman, 2015, configuration D) with batch norm, for 32x32 images."""

from torch import nn

from paperlib.networks.classifier import Classifier

LAYERS = (
    64,
    64,
    "pool",
    128,
    128,
    "pool",
    256,
    256,
    256,
    "pool",
    512,
    512,
    512,
    "pool",
    512,
    512,
    512,
)


def vgg16(
    classes: int = 10, width: float = 1.0, dropout: float = 0.5, feature: str = "post"
) -> Classifier:
    """Thirteen 3x3 convolutions with batch norm, five max-pools, dropout and one linear layer.

    14,728,266 parameters at width 1 with 10 classes. DFD mentions batch norm and dropout for its
    networks, and leaves open whether VGG-16 keeps three linear layers; one is what CIFAR
    implementations use. `width` scales every channel count; the arguments are those of
    `Classifier`.
    """
    layers: list[nn.Module] = []
    channels = 3
    for item in LAYERS:
        if item == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        out = max(4, round(width * int(item)))
        layers += [
            nn.Conv2d(channels, out, 3, padding=1),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        ]
        channels = out
    # The last ReLU belongs to Classifier; the fifth max-pool is its pooling layer.
    return Classifier(
        nn.Sequential(*layers[:-1]), nn.AdaptiveMaxPool2d(1), channels, classes, dropout, feature
    )
