"""Denoisers: the U-Net of *Noise2Noise*, and that of joint training (Liu et al., IJCAI 2018).

Both take images (N, 3, H, W) in [0, 1] of any size and return images of the same size, their input
plus a learned residual, which is zero at the start: a denoiser begins as the identity. The layers
are those of the released codes; what differs is said where it does.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import choose

# taken off the images, as in Noise2Noise's code: no statistics of any (clean) training images
MIDDLE = 0.5
LEAK = 0.1  # slope of Noise2Noise's leaky ReLUs


class Denoiser(nn.Module):
    """Base class: images plus what `residual`, defined by a subclass, makes of them."""

    last: nn.Conv2d

    def residual(self, centred: Tensor) -> Tensor:
        """What is added to images, (N, 3, H, W), computed from the same images minus 0.5."""
        raise NotImplementedError

    def unclipped(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float in [0, 1] -> the same shape, float32, not limited to [0, 1].

        Losses of pixels read this: a pixel that is out of range needs a gradient to come back.
        """
        return images.float() + self.residual(images - MIDDLE).float()

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float in [0, 1] -> the same, denoised."""
        return self.unclipped(images).clamp(0, 1)


def _scaled(width: float, channels: int) -> int:
    return max(4, round(width * channels))


def _initialise(network: Denoiser, draw: Callable[[Tensor], object]) -> None:
    """Draw the weights of all convolutions; biases and the last convolution start from zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            draw(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.zeros_(network.last.weight)


class UNet(Denoiser):
    """The U-Net of Noise2Noise (Lehtinen et al., ICML 2018).

    3x3 convolutions with biases and leaky ReLUs, no batch norm. Down: two convolutions of 48
    channels, then one before each further max-pool and one behind the last. Up: maps are doubled
    (nearest neighbour), put beside those of their size, the last ones beside the image itself, and
    go through two convolutions of 96 channels, at full size of 64 and 32; one to 3 channels ends
    it. Weights are drawn as in the code (github.com/NVlabs/noise2noise, `network.py`). 534,531
    parameters at width 1 for small images, 991,203 for large ones.

    Ours: the output is added to the image; the code's is the image. Maps of odd sizes are rounded
    up when they are pooled, as there, and cut when they are doubled.

    Args:
        width: factor on every channel count but the images'.
        size: height and width of the images for which the depth is chosen: up to 64 pixels 3
            poolings, above the published 5. The network takes other sizes, too.
    """

    def __init__(self, width: float = 1.0, size: int = 32) -> None:
        super().__init__()
        poolings = 3 if size <= 64 else 5
        down, up, first, second = (_scaled(width, n) for n in (48, 96, 64, 32))
        self.stem = nn.Conv2d(3, down, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(down, down, 3, padding=1) for _ in range(poolings))
        self.bottom = nn.Conv2d(down, down, 3, padding=1)
        self.up = nn.ModuleList()
        channels = down
        for skip, (a, b) in [*[(down, (up, up))] * (poolings - 1), (3, (first, second))]:
            pair = (nn.Conv2d(channels + skip, a, 3, padding=1), nn.Conv2d(a, b, 3, padding=1))
            self.up.append(nn.Sequential(pair[0], nn.LeakyReLU(LEAK), pair[1], nn.LeakyReLU(LEAK)))
            channels = b
        self.last = nn.Conv2d(channels, 3, 3, padding=1)
        _initialise(self, partial(nn.init.kaiming_normal_, nonlinearity="relu"))

    def residual(self, centred: Tensor) -> Tensor:
        """(N, 3, H, W) -> the same shape."""
        skips = [centred]
        x = F.leaky_relu(self.stem(centred), LEAK)
        for conv in self.down:
            x = F.max_pool2d(F.leaky_relu(conv(x), LEAK), 2, ceil_mode=True)
            skips.append(x)
        x = F.leaky_relu(self.bottom(x), LEAK)
        # the smallest maps are beside nothing
        for pair, skip in zip(self.up, skips[-2::-1], strict=True):
            doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = pair(torch.cat([_cut(doubled, skip), skip], dim=1))
        return self.last(x)


def _cut(maps: Tensor, like: Tensor) -> Tensor:
    """The upper left of maps, of the size of others."""
    return maps[..., : like.shape[-2], : like.shape[-1]]


class Bottleneck(nn.Module):
    """ReLU(x + branch(x)), the branch 1x1, 3x3 and 1x1 convolutions with batch norm and ReLU."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_normed(nn.Conv2d(channels, inner, 1, bias=False)),
            *_normed(nn.Conv2d(inner, inner, 3, padding=1, bias=False)),
            *_normed(nn.Conv2d(inner, channels, 1, bias=False))[:-1],
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> the same shape."""
        return (x + self.branch(x)).relu()


def _normed(conv: nn.Conv2d) -> tuple[nn.Module, ...]:
    return conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True)


class Liu(Denoiser):
    """The denoiser of joint training (Liu et al., IJCAI 2018).

    From `train_cls.prototxt` of github.com/Ding-Liu/DeepDenoising: conv5x5-64, without norm or ReLU
    | conv3x3-128 of stride 2, bottleneck 32-32-128 | the same again | transposed conv4x4-32 of
    stride 2, beside the first bottleneck's maps | conv3x3-256, bottleneck 64-64-256 | transposed
    conv4x4-64 of stride 2, beside the first convolution's maps | conv3x3-3, plus the image. Batch
    norm and ReLU behind the 3x3 convolutions to 128 and 256 channels. Biases are where the code has
    them, and weights are drawn as there (Caffe's "xavier": uniform, variance 1 / fan-in). 1,033,443
    parameters at width 1.

    Ours: padding at the first and last convolution, where the code has none and crops the image;
    biases of 0 where it has 0.2 on a scale of 255; the last convolution starts from zero, where the
    code slows it down by a tenth of the learning rate; images in [0, 1]. Maps of odd sizes are cut
    to those that they join.

    Args:
        width: factor on every channel count but the images'.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        first, inner, middle, wide = (_scaled(width, n) for n in (64, 32, 128, 256))
        self.stem = nn.Conv2d(3, first, 5, padding=2)
        self.down1 = self._stage(first, middle, inner, stride=2)
        self.down2 = self._stage(middle, middle, inner, stride=2)
        self.up2 = nn.ConvTranspose2d(middle, inner, 4, stride=2, padding=1)
        self.merge = self._stage(middle + inner, wide, first, stride=1)
        self.up1 = nn.ConvTranspose2d(wide, first, 4, stride=2, padding=1)
        self.last = nn.Conv2d(2 * first, 3, 3, padding=1)
        _initialise(self, partial(nn.init.kaiming_uniform_, nonlinearity="linear"))

    @staticmethod
    def _stage(channels: int, out: int, inner: int, stride: int) -> nn.Sequential:
        conv = nn.Conv2d(channels, out, 3, stride, padding=1)
        return nn.Sequential(*_normed(conv), Bottleneck(out, inner))

    def residual(self, centred: Tensor) -> Tensor:
        """(N, 3, H, W) -> the same shape."""
        full = self.stem(centred)
        half = self.down1(full)
        quarter = self.down2(half)
        wide = self.merge(torch.cat([half, _cut(self.up2(quarter), half)], dim=1))
        return self.last(torch.cat([full, _cut(self.up1(wide), full)], dim=1))


DENOISERS = ("unet", "liu")


def build(name: str, width: float = 1.0, size: int = 32) -> Denoiser:
    """A freshly initialised denoiser. Raises `UserError` for an unknown name.

    Args:
        name: one of `DENOISERS`.
        width: factor on its channel counts.
        size: height and width of the images in pixels.
    """
    choose("denoiser", name, DENOISERS)
    return UNet(width, size) if name == "unet" else Liu(width)
