"""Tensors made once and kept in the user's cache folder, by one process."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from paperlib.errors import Corrupt
from paperlib.files import set_aside, unpack, write_tensors

Tensors = dict[str, Tensor]
Arrays = tuple[Tensor, Tensor, Tensor, Tensor]  # training images and labels, test images and labels
ENDING = ".packed.safetensors"  # before `files.pack` wrote them, only ".safetensors"


def folder() -> Path:
    """This project's folder in $XDG_CACHE_HOME, else ~/.cache; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paperlib"


def load_or_make(name: str, make: Callable[[], Tensors]) -> Tensors:
    """The tensors kept under `name`; if there are none, those `make` returns, kept for next time.

    A file that does not match its checksum is set aside, with a warning, and made again. A folder
    that cannot be written to only costs a warning. Of several processes that want the same file one
    makes it.
    """
    path = folder() / f"{name}{ENDING}"
    made: Tensors | None = None
    try:
        # Reading needs no lock: a file gets its name only when it is whole.
        tensors = _read(path)
        if tensors is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                tensors = _read(path, locked=True)  # another process may have made it meanwhile
                if tensors is None:
                    tensors = made = make()
                    write_tensors(path, made)
        return tensors
    except OSError as error:
        warnings.warn(f"could not keep {path.name} for next time: {error}", stacklevel=2)
    return make() if made is None else made


def load_or_draw(name: str, draw: Callable[[], Arrays]) -> Arrays:
    """As `load_or_make`, for the four tensors of a data set that is drawn."""
    names = ("train_images", "train_labels", "test_images", "test_labels")
    kept = load_or_make(name, lambda: dict(zip(names, draw(), strict=True)))
    train_images, train_labels, test_images, test_labels = (kept[name] for name in names)
    return train_images, train_labels, test_images, test_labels


def _read(path: Path, locked: bool = False) -> Tensors | None:
    """The tensors in `path`, or None if there is no such file or it does not match its checksum.

    Args:
        locked: then a file that does not match is set aside.
    """
    if not path.is_file():
        return None
    try:
        return unpack(path)[0]
    except Corrupt as error:
        if locked:
            set_aside(path, error, "it")
        return None
