"""Networks by name. Every classifier returns its logits and its last feature in one call."""

from paperlib.errors import choose
from paperlib.networks.alexnet import alexnet
from paperlib.networks.classifier import Classifier, Output
from paperlib.networks.resnet import resnet18
from paperlib.networks.vgg import vgg16

CLASSIFIERS = {"alexnet": alexnet, "vgg16": vgg16, "resnet18": resnet18}

__all__ = ["CLASSIFIERS", "Classifier", "Output", "build"]


def build(
    name: str, classes: int, width: float = 1.0, feature: str = "post", dropout: float | None = None
) -> Classifier:
    """A freshly initialised classifier; `dropout` None is the network's own. Raises `UserError` for an unknown name."""
    own = {} if dropout is None else {"dropout": dropout}
    return CLASSIFIERS[choose("network", name, CLASSIFIERS)](classes, width, feature=feature, **own)
