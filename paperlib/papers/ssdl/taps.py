"""Feature maps of a classifier at several depths, from one pass."""

from collections.abc import Iterator

from torch import Tensor, nn

from paperlib.errors import UserError
from paperlib.networks.classifier import Classifier

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d)


class Taps:
    """Runs a classifier's body in parts and hands out what each part puts out.

    ResNet-18, -50 and ResNeXt-101: "stem" (behind its ReLU, before the max-pool of large images)
    and "stage1" to "stage4". Plain-10: the same; the small CNN: "stem", "middle". VGG-16 and
    AlexNet, which have no named stages: before each pooling, by the number of the layer ("5", "12",
    ...), and the last layer. A part without a convolution is no part of its own.

    The parts share their modules with the classifier: training or frozen, moved or given other
    weights, both stay the same network. Nothing is hooked, so there is nothing to remove, and a
    compiler sees plain layers.

    Attributes:
        names: of the taps, in order of depth.

    Raises:
        UserError: `network` is no `Classifier`.
    """

    def __init__(self, network: nn.Module) -> None:
        if not isinstance(network, Classifier):
            kind = type(network).__name__
            raise UserError(f"feature maps are tapped from a classifier, not from a {kind}")
        self.network = network
        layers = list(_layers(network.body))
        ends = _ends(layers)
        starts = [0, *ends[:-1]]
        self.names = _names([layers[end - 1][0] for end in ends])
        modules = [module for _, module in layers]
        self._parts = [
            nn.Sequential(*modules[start:end]) for start, end in zip(starts, ends, strict=True)
        ]

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps (N, C, h, w) by tap, of float images (N, 3, H, W) in [0, 1].

        All are behind their ReLU but the last, which is what `Classifier.maps` returns and
        `classify` takes.
        """
        x = (images - self.network.mean.view(3, 1, 1)) / self.network.std.view(3, 1, 1)
        out = {}
        for name, part in zip(self.names, self._parts, strict=True):
            x = part(x)
            out[name] = x
        return out


def _layers(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """What a sequence calls one after the other, by path, inner sequences unfolded."""
    for name, child in module.named_children():
        if type(child) is nn.Sequential:  # a subclass may do more than call its children
            yield from _layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def _ends(layers: list[tuple[str, nn.Module]]) -> list[int]:
    """Where the parts end: before poolings and behind stages, with a convolution in each part."""
    stages = [path.partition(".")[0] if "." in path else "" for path, _ in layers]
    ends: list[int] = []
    for i in range(1, len(layers) + 1):
        last = i == len(layers)
        between = last or isinstance(layers[i][1], POOLINGS) or stages[i] != stages[i - 1]
        start = ends[-1] if ends else 0
        if between and any(_convolves(module) for _, module in layers[start:i]):
            ends.append(i)
    ends[-1] = len(layers)
    return ends


def _convolves(module: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) for part in module.modules())


def _names(paths: list[str]) -> tuple[str, ...]:
    """Each part's stage, if it is that stage's only part, or else the path of its last layer."""
    stages = [path.partition(".")[0] for path in paths]
    return tuple(
        stage if stages.count(stage) == 1 else path
        for stage, path in zip(stages, paths, strict=True)
    )
