"""The feature de-drifting module of *Deep degradation prior* (Wang, Cao, Zha, Zhang & Xiong, CVPR 2020).

before, after = split(network, plug_point("resnet18"))
module = FeatureDeDrifting(channels=64)
logits = network.classify(after(module(before(images), images))).logits

The paper's text was not at hand, nor is there official code. The layers are those of the baseline "FDM_DDP" in the
repository of *Lightweight adaptive feature de-drifting* (Peng, Cao, Sun & Wang, 2023), of which two authors are the
paper's; what is inferred says so.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import choose
from paperlib.networks.classifier import Classifier

# What the module is plugged in behind: the first ReLU in AlexNet (inferred) and in ResNets (the stem's, before the
# max-pool of large images, as in the code), the second one in VGG-16 (conv1_2's: the authors' follow-up,
# arXiv 2404.01703).
PLUG_POINTS = {"alexnet": "1", "vgg16": "5", "resnet18": "stem.2", "resnet50": "stem.2"}


class FeatureDeDrifting(nn.Module):
    """FDM: early feature maps of a degraded image -> those of the clean image.

    Three pairs of 3x3 convolutions with ReLU, of C, C/2 and C/4 channels, see 5, 9 and 13 pixels; their outputs side
    by side go through a 1x1 convolution back to C channels. Bias on, no batch norm, stride 1. That the pairs stand for
    the paper's "non-classical receptive field", a centre and its surround, is inferred. 117,472 parameters for 64
    channels with the image, as in the code; 115,744 without.

    Args:
        channels: C of the maps, 64 in the code.
        image: the degraded image, at the size of the maps, is concatenated with them, as in the code ("this means the
            original image is concatenated" is its comment; whether the paper does so is not known).
        residual: the module predicts what is to be added to the maps, and starts with adding nothing: its last
            convolution starts from 0. Neither the code of FDM_DDP nor, as far as is known, the paper has this; the
            same group's AFD adds the maps, too. Without it, the last convolution starts as the others do.
        rectify: a ReLU behind it all, as in the code, for maps that are not negative.
    """

    def __init__(self, channels: int, image: bool = True, residual: bool = True, rectify: bool = True) -> None:
        super().__init__()
        self.form = {"channels": channels, "image": image, "residual": residual, "rectify": rectify}
        self.image, self.residual, self.rectify = image, residual, rectify
        widths = [max(1, channels // n) for n in (1, 2, 4)]
        read, pairs = channels + 3 * image, []
        for width in widths:
            first, second = (nn.Conv2d(n, width, 3, padding=1) for n in (read, width))
            pairs.append(nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True)))
            read = width
        self.pairs = nn.ModuleList(pairs)
        self.merge = nn.Conv2d(sum(widths), channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        if residual:
            nn.init.zeros_(self.merge.weight)

    def forward(self, maps: Tensor, images: Tensor) -> Tensor:
        """The maps as those of the clean image.

        Args:
            maps: (N, C, h, w), of the degraded image. images: (N, 3, H, W), the degraded image as the network sees it,
                normalised; other sizes than h x w are brought there by averaging (how is not known; inferred).
        Returns:
            (N, C, h, w).
        """
        x = maps
        if self.image:
            if images.shape[-2:] != maps.shape[-2:]:
                images = F.interpolate(images, maps.shape[-2:], mode="area")
            x = torch.cat([maps, images.to(maps.dtype)], dim=1)
        seen = []
        for pair in self.pairs:
            x = pair(x)
            seen.append(x)
        out = self.merge(torch.cat(seen, dim=1))
        if self.residual:
            out = out + maps
        return out.relu() if self.rectify else out


def plug_points(network: Classifier) -> list[str]:
    """The names of the sub-modules of the body behind which it can be split, in order of depth, parts after the whole.

    These are the children of its sequences: "stem", "stem.0", ..., "stage1", "stage1.0", ... What is inside a residual
    block is not among them: the shortcut would go past it.
    """

    def names(module: nn.Module, prefix: str) -> Iterator[str]:
        if type(module) is nn.Sequential:  # a subclass may do more than call one child after the other
            for name, child in module.named_children():
                yield prefix + name
                yield from names(child, f"{prefix}{name}.")

    return list(names(network.body, ""))


def plug_point(name: str, network: Classifier) -> str:
    """The default: that of the name in `PLUG_POINTS`, else the network's first ReLU, or first layer without one."""
    points = plug_points(network)
    relus = (point for point in points if isinstance(network.body.get_submodule(point), nn.ReLU))
    return PLUG_POINTS.get(name) or next(relus, points[0])


def split(network: Classifier, at: str) -> tuple[nn.Sequential, nn.Sequential]:
    """The body in two parts, of the same modules: up to and including `at`, and from there to its end.

    For normalised images x, `network.classify(after(before(x)))` is what the network computes.

    Args:
        at: one of `plug_points(network)`.
    Raises:
        UserError: it is none of them.
    """
    choose("plug point", at, plug_points(network))
    before: list[nn.Module] = []
    after: list[nn.Module] = []
    module: nn.Module = network.body
    for part in at.split("."):
        children = dict(module.named_children())
        number = list(children).index(part)
        parts = list(children.values())
        before += parts[:number]
        after = parts[number + 1 :] + after  # what follows in an inner sequence comes first
        module = parts[number]
    return nn.Sequential(*before, module), nn.Sequential(*after)


def rectified(modules: nn.Sequential) -> bool:
    """Whether what a part of a body puts out cannot be negative: it ends with a ReLU, but for pooling and dropout."""
    passing = (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Identity)
    acting = [module for module in modules if not isinstance(module, passing)]
    if not acting:
        return False
    last = acting[-1]
    if type(last) is nn.Sequential:
        return rectified(last)
    end = getattr(last, "relu3", getattr(last, "relu2", last))  # that of a residual block
    return isinstance(end, nn.ReLU)
