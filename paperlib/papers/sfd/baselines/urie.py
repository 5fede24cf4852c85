"""URIE: an enhancer that is trained for a frozen classifier, not for the eye.

Son et al., "URIE: Universal Image Enhancement for Visual Recognition in the Wild", ECCV 2020.

The enhancer, a shallow U-Net of selective enhancement modules, stands before a classifier trained
on clean images and learns from the cross-entropy behind it alone (the released code computes the
mean squared error and only logs it). As released: Adam, lr 1e-4, weight decay 1e-3, lr / 10 every
10 of 60 epochs; every image has one of 15 corruptions or none, of severity 1 to 5.

Of the paper only abstract and figures were available; layers, widths and order are those of the
released code (github.com/taeyoungson/urie, `models/skunet_*.py`) where nothing else is said.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Options, Task, pictures
from paperlib.runs import Run

GRID = 4  # cells per side on which attention is computed
SAMPLES = 8


class Attention(nn.Module):
    """How much of each of two branches a channel takes, in each cell of a 4x4 grid.

    The means over the cells go through one hidden layer, 16 times narrower, to two scores per
    channel and cell, and these through a softmax over the two: weights that sum to 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        cells = channels * GRID**2
        self.squeeze = nn.Linear(cells, cells // 16, bias=False)
        self.score = nn.Linear(cells // 16, 2 * cells)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (2, N, C, H, W), every cell's weights repeated over its pixels."""
        count, channels, height, width = maps.shape
        cells = F.adaptive_avg_pool2d(maps, GRID).flatten(1)
        scores = self.score(self.squeeze(cells).relu())
        weights = scores.view(count, 2, channels, GRID, GRID).softmax(dim=1)
        weights = F.interpolate(weights.flatten(1, 2), size=(height, width), mode="nearest")
        return weights.view(count, 2, channels, height, width).transpose(0, 1)


class SelectiveEnhancement(nn.Module):
    """A branch behind batch norm and one behind instance norm, mixed by `Attention` on their sum.

    Each branch is its norm, a leaky ReLU (slope 0.01) and a 3x3 convolution without bias. Instance
    norm takes contrast and brightness out of an image, batch norm keeps them.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.batch_norm, self.instance_norm = nn.BatchNorm2d(channels), nn.InstanceNorm2d(channels)
        self.batch_conv = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.instance_conv = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.attention = Attention(out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H, W)."""
        first = self.batch_conv(F.leaky_relu(self.batch_norm(x)))
        second = self.instance_conv(F.leaky_relu(self.instance_norm(x)))
        weights = self.attention(first + second)
        return first * weights[0] + second * weights[1]


class Enhancer(nn.Module):
    """The whole network, images in [0, 1] to enhanced images of the same size.

    conv9x9-32 | max-pool, SEM-64 | max-pool, SEM-64 | twice the size, beside the first SEM's maps,
    SEM-32 | twice the size, beside the first convolution's maps, SEM-16 | conv3x3-3, added to the
    image. 671,859 parameters at width 1. The network inside works on images normalised with `mean`
    and `std`, and so does its addition to them, as in the released code.

    Unlike in the released code, the last convolution starts from zeros: at first the classifier
    behind sees just what it sees without the enhancer, and the cross-entropy cannot begin with what
    a random residual does to it. Nor does the code keep what comes out in [0, 1], as images are.

    Maps are enlarged to the size of the maps that they join. The released code doubles and pads
    them, which is the same for multiples of 4 pixels. Images have at least 8x8 pixels.

    Args:
        width: scales every channel count but the images'.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stem, down, up, last = (max(4, round(width * n)) for n in (32, 64, 32, 16))
        self.stem = nn.Conv2d(3, stem, 9, padding=4)
        self.down1 = SelectiveEnhancement(stem, down)
        self.down2 = SelectiveEnhancement(down, down)
        self.up1 = SelectiveEnhancement(2 * down, up)
        self.up2 = SelectiveEnhancement(stem + up, last)
        self.residual = nn.Conv2d(last, 3, 3, padding=1)
        for parameter in self.residual.parameters():
            nn.init.zeros_(parameter)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))

    def normalise_with(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Set the training images' channel means and deviations, 3 values each, on [0, 1]."""
        self.mean.copy_(torch.tensor(mean))
        self.std.copy_(torch.tensor(std))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float in [0, 1] -> the same."""
        std = self.std.view(3, 1, 1)
        full = self.stem((images - self.mean.view(3, 1, 1)) / std)
        half = self.down1(F.max_pool2d(full, 2))
        quarter = self.down2(F.max_pool2d(half, 2))
        x = self.up1(_beside(half, quarter))
        x = self.up2(_beside(full, x))
        return (images + std * self.residual(x)).clamp(0, 1)


def _beside(skip: Tensor, maps: Tensor) -> Tensor:
    """`maps`, bilinearly enlarged to the size of `skip`, as further channels of it."""
    size = skip.shape[-2:]
    enlarged = F.interpolate(maps, size=size, mode="bilinear", align_corners=True)
    return torch.cat([skip, enlarged], dim=1)


class URIE(Method):
    """Trains the enhancer `Run.network` ("urie") before the parent "frozen", a trained classifier.

    Only the enhancer is trained, kept and handed on; it is tested before the same classifier.
    """

    network: Enhancer
    required_parents = ("frozen",)

    @staticmethod
    def build(run: Run, task: Task, options: Options) -> Enhancer:
        """The enhancer, normalising with the statistics of the training images."""
        choose("enhancer", run.network, ["urie"])
        network = Enhancer(run.width)
        network.normalise_with(task.mean, task.std)
        return network

    def logits(self, images: Tensor) -> Tensor:
        """The frozen classifier's, (B, classes), for the enhanced images; with gradients."""
        return self.parents["frozen"](self.network(images)).logits

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy of the frozen classifier on the enhanced degraded images."""
        return {"loss": F.cross_entropy(self.logits(batch.degraded).float(), batch.labels)}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and the cross-entropy of every enhanced image."""
        return classification(self.logits(batch.degraded), batch.labels)

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The first 8 images degraded, enhanced and clean, (8, 3, H, W) uint8."""
        batch = batch.part(slice(SAMPLES))
        enhanced = self.network(batch.degraded).float()
        return pictures({"input": batch.degraded, "output": enhanced, "target": batch.clean_images})
