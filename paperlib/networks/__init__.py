"""Networks by name. Every classifier returns its logits and its last feature in one call."""

from collections.abc import Callable

from paperlib.errors import choose
from paperlib.networks.alexnet import alexnet
from paperlib.networks.classifier import Classifier, Output
from paperlib.networks.invertible import invertible
from paperlib.networks.plain import plain10, smallcnn
from paperlib.networks.resnet import resnet18, resnet50, resnext101
from paperlib.networks.vgg import vgg16

CLASSIFIERS: dict[str, Callable[..., Classifier]] = {
    "alexnet": alexnet,
    "vgg16": vgg16,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "resnext101": resnext101,
    "smallcnn": smallcnn,
    "plain10": plain10,
    "invertible": invertible,
}

SIZED = ("resnet18", "resnet50", "resnext101", "invertible")  # their first layers depend on the size of the images

__all__ = ["CLASSIFIERS", "Classifier", "Output", "build"]


def build(
    name: str, classes: int, width: float = 1.0, feature: str = "post", dropout: float | None = None, size: int = 32
) -> Classifier:
    """A freshly initialised classifier; `dropout` None is the network's own. Raises `UserError` for an unknown name.

    `size` is the height and width of the images: the networks in `SIZED` choose their first layers by it.
    """
    make = CLASSIFIERS[choose("network", name, CLASSIFIERS)]
    own: dict[str, float] = {} if dropout is None else {"dropout": dropout}
    if name in SIZED:
        own["size"] = size
    return make(classes, width, feature=feature, **own)
