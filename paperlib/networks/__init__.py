"""Networks by name. Every classifier returns its logits and its last feature in one call."""

import inspect

from paperlib import names
from paperlib.networks.classifier import Classifier, Output

CLASSIFIERS = {
    "alexnet": "paperlib.networks.alexnet:alexnet",
    "vgg16": "paperlib.networks.vgg:vgg16",
    "resnet18": "paperlib.networks.resnet:resnet18",
    "resnet50": "paperlib.networks.resnet:resnet50",
    "resnext101": "paperlib.networks.resnet:resnext101",
    "smallcnn": "paperlib.networks.plain:smallcnn",
    "plain10": "paperlib.networks.plain:plain10",
}

__all__ = ["CLASSIFIERS", "Classifier", "Output", "build", "known"]


def known() -> list[str]:
    """The names of all classifiers."""
    return list(names.references("CLASSIFIERS", CLASSIFIERS))


def build(
    name: str,
    classes: int,
    width: float = 1.0,
    feature: str = "post",
    dropout: float | None = None,
    size: int = 32,
) -> Classifier:
    """A freshly initialised classifier. Raises `UserError` for an unknown name.

    Args:
        name: one of `known`.
        classes: number of classes.
        width: factor on the channel counts.
        feature: the side of the last ReLU on which the feature is taken, "post" or "pre".
        dropout: probability before the last linear layer; None is the network's own.
        size: height and width of the images in pixels, for the networks that have a `size`.
    """
    make = names.resolve("network", name, "CLASSIFIERS", CLASSIFIERS)
    own: dict[str, float] = {} if dropout is None else {"dropout": dropout}
    if "size" in inspect.signature(make).parameters:
        own["size"] = size
    return make(classes, width, feature=feature, **own)
