"""What all classifiers share: they normalise inside, and return logits and last feature."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from paperlib.errors import choose


class Output(NamedTuple):
    """What a classifier returns."""

    logits: Tensor  # (N, classes), unnormalised log-probabilities
    feature: Tensor  # (N, d), what the last linear layer reads (or the same before its ReLU)


class Classifier(nn.Module):
    """A convolutional body, the last ReLU, a pooling layer, dropout and one linear layer.

    The body ends *before* its last ReLU, so that the feature can be had on either side of it: DFD's
    text ("output feature ... up to their last feature layer") does not say which side is meant.

    Args:
        body: maps normalised images (N, 3, H, W) to feature maps (N, width, h, w), last ReLU left
            out.
        pool: maps feature maps to (N, width, 1, 1).
        width: channels of the feature, d in DFD's section 2.2.
        classes: number of classes, C.
        dropout: probability of dropping a feature before the linear layer.
        feature: "post" returns the pooled feature after the last ReLU, which is what the linear
            layer reads; "pre" returns the pooled feature before it. The logits are the same for
            both.

    Convolutions start from He et al.'s (2015) normal distribution: PyTorch's default shrinks the
    signal from layer to layer, and a network without batch norm (AlexNet) then learns nothing for
    many epochs.

    The network takes images in [0, 1] and normalises them itself with `mean` and `std`, so that a
    teacher and a student that see different degradations still agree on what a pixel is, and saved
    weights are complete.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        pool: nn.Module,
        width: int,
        classes: int,
        dropout: float = 0.0,
        feature: str = "post",
    ) -> None:
        super().__init__()
        self.body = body
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        self.feature = choose("feature", feature, ("post", "pre"))
        for module in body.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))

    def normalise_with(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Set the training images' channel means and deviations (3 values each, on [0, 1])."""
        self.mean.copy_(torch.tensor(mean))
        self.std.copy_(torch.tensor(std))

    def maps(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the last feature maps (N, width, h, w), before their ReLU."""
        return self.body((images - self.mean.view(3, 1, 1)) / self.std.view(3, 1, 1))

    def classify(self, maps: Tensor) -> Output:
        """Logits (N, classes) and feature (N, d) of what `maps` returns."""
        feature = self.pool(maps.relu()).flatten(1)
        logits = self.head(self.dropout(feature))
        if self.feature == "pre":
            feature = self.pool(maps).flatten(1)
        return Output(logits, feature)

    def forward(self, images: Tensor) -> Output:
        """Logits (N, classes) and feature (N, d) of float images (N, 3, H, W) in [0, 1]."""
        return self.classify(self.maps(images))


@torch.no_grad()
def map_shape(network: Classifier, size: int) -> tuple[int, int, int]:
    """Channels, height and width of the last feature maps for `size` x `size` pixels.

    One image of zeros is sent through it in eval mode, so that no statistics are gathered.
    """
    training = network.training
    network.eval()
    maps = network.maps(
        torch.zeros(1, 3, size, size, device=network.mean.device, dtype=network.mean.dtype)
    )
    network.train(training)
    return (maps.shape[1], maps.shape[2], maps.shape[3])
