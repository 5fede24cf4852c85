"""A frozen classifier, whole or in two parts: what teachers and plugged-in modules are asked for.

Split at a plug point, a network computes the same:

    before, after = split(network, plug_point("resnet18", network))
    logits = network.classify(after(before(images))).logits
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.errors import choose
from paperlib.networks.classifier import Classifier

# What the module is plugged in behind: the first ReLU in AlexNet (inferred) and in ResNets (the
# stem's, before the max-pool of large images, as in the code), the second one in VGG-16 (conv1_2's:
# the authors' follow-up, arXiv 2404.01703).
PLUG_POINTS = {"alexnet": "1", "vgg16": "5", "resnet18": "stem.2", "resnet50": "stem.2"}


def frozen(network: nn.Module, images: Tensor) -> Any:
    """A frozen network's output, without autograd bookkeeping: in a loss it is a constant.

    Args:
        network: called with `images`; it returns a tensor or a named tuple of tensors.
        images: what it reads.
    """
    # a compiler traces no inference mode, and leaves no bookkeeping to be saved
    if torch.compiler.is_compiling():
        with torch.no_grad():
            return network(images)
    with torch.inference_mode():
        out = network(images)
    # Inference tensors may not be saved for a backward pass; their clones may.
    return type(out)(*(t.clone() for t in out)) if isinstance(out, tuple) else out.clone()


def plug_points(network: Classifier) -> list[str]:
    """The sub-modules of the body behind which it can be split, in order of depth.

    These are the children of its sequences: "stem", "stem.0", ..., "stage1", "stage1.0", ... What
    is inside a residual block is not among them: the shortcut would go past it.
    """

    def names(module: nn.Module, prefix: str) -> Iterator[str]:
        # a subclass may do more than call one child after the other
        if type(module) is nn.Sequential:
            for name, child in module.named_children():
                yield prefix + name
                yield from names(child, f"{prefix}{name}.")

    return list(names(network.body, ""))


def plug_point(name: str, network: Classifier) -> str:
    """The default: by name in `PLUG_POINTS`, else the first ReLU, or the first layer if none."""
    points = plug_points(network)
    relus = (point for point in points if isinstance(network.body.get_submodule(point), nn.ReLU))
    return PLUG_POINTS.get(name) or next(relus, points[0])


def split(network: Classifier, at: str) -> tuple[nn.Sequential, nn.Sequential]:
    """The body in two parts, of the same modules: up to and including `at`, and the rest.

    For normalised images x, `network.classify(after(before(x)))` is what the network computes.

    Args:
        network: whose body it is.
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
    """Whether a part of a body ends with a ReLU, but for pooling and dropout: its maps are >= 0."""
    passing = (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Identity)
    acting = [module for module in modules if not isinstance(module, passing)]
    if not acting:
        return False
    last = acting[-1]
    if type(last) is nn.Sequential:
        return rectified(last)
    end = getattr(last, "relu3", getattr(last, "relu2", last))  # that of a residual block
    return isinstance(end, nn.ReLU)


class FrozenParts:
    """A frozen classifier in two parts: `maps` up to a plug point, `classify` from there on.

    Args:
        network: in eval mode, without gradients; its modules are shared.
        name: what the run calls its architecture.
        at: one of `plug_points(network)`; "" is `plug_point(name, network)`.
    """

    def __init__(self, network: Classifier, name: str, at: str = "") -> None:
        self.network = network
        self.before, self.after = split(network, at or plug_point(name, network))

    def normalised(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> the same, normalised with the network's mean and std."""
        return (images - self.network.mean.view(3, 1, 1)) / self.network.std.view(3, 1, 1)

    def maps(self, normalised: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) -> maps (N, C, h, w) behind the plug point, constants."""
        return frozen(self.before, normalised)

    def classify(self, maps: Tensor) -> Tensor:
        """Maps (N, C, h, w) behind the plug point -> logits (N, classes)."""
        return self.network.classify(self.after(maps)).logits
