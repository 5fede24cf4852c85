"""Feature maps of a classifier at several depths, from one pass."""

from torch import Tensor, nn

from paperlib.errors import UserError
from paperlib.networks.classifier import Classifier


class Taps:
    """Runs a classifier's body in parts and hands out what each part puts out.

    A part is a child of the body with a convolution, and what follows it without one: "stem",
    "stage1", ... of ResNets and Plain-10; "stem", "middle" of the small CNN; in VGG-16 and AlexNet,
    which have no stages, each convolution ("0", "3", ...) with its norm, ReLU and pooling.

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
        self._parts: dict[str, list[nn.Module]] = {}
        for name, child in network.body.named_children():
            if any(isinstance(module, nn.Conv2d) for module in child.modules()):
                own = self._parts[name] = []
            own.append(child)
        self.names = tuple(self._parts)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps (N, C, h, w) by tap, of float images (N, 3, H, W) in [0, 1].

        All are behind their ReLU but the last, which is what `Classifier.maps` returns and
        `classify` takes.
        """
        x = (images - self.network.mean.view(3, 1, 1)) / self.network.std.view(3, 1, 1)
        out = {}
        for name, modules in self._parts.items():
            for module in modules:
                x = module(x)
            out[name] = x
        return out
