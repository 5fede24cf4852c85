"""Networks by name. Every classifier returns its logits and its last feature in one call."""

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

# their first layers depend on the size of the images
SIZED = ("resnet18", "resnet50", "resnext101", "invertible")

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

    `dropout` None is the network's own.

    `size` is the height and width of the images: the networks in `SIZED` choose their first layers
    by it.
    """
    make = names.resolve("network", name, "CLASSIFIERS", CLASSIFIERS)
    own: dict[str, float] = {} if dropout is None else {"dropout": dropout}
    if name in SIZED:
        own["size"] = size
    return make(classes, width, feature=feature, **own)
