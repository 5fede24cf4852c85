"""Data sets by name, as uint8 tensors that live on the device."""

from functools import lru_cache
from pathlib import Path

import torch

from paperlib.datasets import folder, scenes, synthdigits, torchvision_sets, voc
from paperlib.datasets.base import Dataset, Split
from paperlib.errors import choose

NAMES = ("synthdigits", *torchvision_sets.NAMES)
# their labels are objects with boxes, see `paperlib.datasets.boxes`
DETECTION = ("scenes", "voc2007")

__all__ = ["DETECTION", "NAMES", "Dataset", "Split", "check_name", "is_available", "load"]


def check_name(name: str) -> str:
    """Return `name` if it can be one of a data set; whether the data are there is not asked.

    Raises:
        UserError: it is none of `NAMES` or `DETECTION` and not "FOLDER@PIXELS"; the line names the
            choices.
    """
    if "@" in name:
        folder.parse(name)
        return name
    form = "or FOLDER@PIXELS (FOLDER/{train,val}/CLASS/*.jpg in DATA_ROOT)"
    return choose("data set", name, [*NAMES, *DETECTION, form])


def load(name: str, root: Path | None = None, device: torch.device | str = "cpu") -> Dataset:
    """A data set on `device`; the same object at every call, so do not write into its tensors.

    Args:
        name: one of `NAMES` or `DETECTION`, or "FOLDER@PIXELS", see `paperlib.datasets.folder`.
            "synthdigits" and "scenes" are drawn here and need no download; "voc2007" is not
            downloaded.
        root: where the others lie in torchvision's layout, or are downloaded to, and where FOLDER
            is. By default the environment's DATA_ROOT, else the folder paperlib in the user's cache
            folder.
        device: where the tensors are to live.

    Raises:
        UserError: `name` is unknown, or the data are missing or damaged and cannot be downloaded.
    """
    return _load(check_name(name), torchvision_sets.folder(root), str(device))


@lru_cache(maxsize=4)
def _load(name: str, root: Path, device: str) -> Dataset:
    drawn = {"synthdigits": synthdigits.load, "scenes": scenes.load}
    if name in drawn:
        train_images, train_labels, test_images, test_labels = drawn[name]()
        train, test = Split(train_images, train_labels), Split(test_images, test_labels)
        return Dataset(name, train, test, tuple("0123456789")).to(device)
    if name == "voc2007":
        return voc.load(root).to(device)
    if "@" in name:
        return folder.load(name, root).to(device)
    return torchvision_sets.load(name, root).to(device)


def is_available(name: str, root: Path | None = None) -> bool:
    """Whether a data set is available without a download; a quick look, no checksum."""
    place = torchvision_sets.folder(root)
    if "@" in name:
        return folder.is_available(name, place)
    if name == "voc2007":
        return voc.is_available(place)
    return name in ("synthdigits", "scenes") or torchvision_sets.is_available(name, place)
