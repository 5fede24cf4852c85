"""Data sets by name, as uint8 tensors that live on the device."""

from functools import lru_cache
from pathlib import Path

import torch

from paperlib.datasets import synthdigits, torchvision_sets
from paperlib.datasets.base import Dataset, Split
from paperlib.errors import choose

NAMES = ("synthdigits", *torchvision_sets.NAMES)

__all__ = ["NAMES", "Dataset", "Split", "found", "load"]


def load(name: str, root: Path | None = None, device: torch.device | str = "cpu") -> Dataset:
    """A data set on `device`; asked for twice in one process, it is the same object: do not write into its tensors.

    Args:
        name: one of `NAMES`. "synthdigits" is drawn here and needs no download.
        root: where the others lie in torchvision's layout, or are downloaded to. By default the environment's
            DATA_ROOT, else the folder paperlib in the user's cache folder.
        device: where the tensors are to live.

    Raises:
        UserError: `name` is unknown, or the data are missing or damaged and cannot be downloaded.
    """
    choose("data set", name, NAMES)
    return _load(name, torchvision_sets.folder(root), str(device))


@lru_cache(maxsize=4)
def _load(name: str, root: Path, device: str) -> Dataset:
    if name == "synthdigits":
        train_images, train_labels, test_images, test_labels = synthdigits.load()
        train, test = Split(train_images, train_labels), Split(test_images, test_labels)
        return Dataset(name, train, test, tuple("0123456789")).to(device)
    return torchvision_sets.load(name, root).to(device)


def found(name: str, root: Path | None = None) -> bool:
    """Whether a data set can be had without a download; a quick look, no checksum."""
    return name == "synthdigits" or torchvision_sets.found(name, torchvision_sets.folder(root))
