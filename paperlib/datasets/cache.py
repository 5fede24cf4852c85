"""Tensors made once and kept in the user's cache folder: checksummed, written atomically, made by
one process."""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

Tensors = dict[str, Tensor]
# training images, training labels, test images, test labels
Arrays = tuple[Tensor, Tensor, Tensor, Tensor]


def folder() -> Path:
    """This project's folder in the user's cache folder ($XDG_CACHE_HOME, else ~/.cache). It need
    not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paperlib"


def load_or_make(path: Path, make: Callable[[], Tensors]) -> Tensors:
    """The tensors kept in the safetensors file `path`; if there are none, those `make` returns,
    kept for next time.

    A file that does not match its checksum is renamed to `*.corrupt`, with a warning, and made
    again. A folder that cannot be written to only costs a warning. Of several processes that want
    the same file one makes it.
    """
    made: Tensors | None = None
    try:
        tensors = _read(path)  # needs no lock: a file appears under its name only when it is whole
        if tensors is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                tensors = _read(path)  # another process may have made it while this one waited
                if tensors is None:
                    _set_aside(path)
                    tensors = made = make()
                    _write(path, made)
        return tensors
    except OSError as error:
        warnings.warn(f"could not keep {path.name} for next time: {error}", stacklevel=2)
    return make() if made is None else made


def load_or_draw(name: str, draw: Callable[[], Arrays]) -> Arrays:
    """What `draw` returns, from the cache folder's file `<name>.safetensors` if it is there; else
    drawn and kept."""
    names = ("train_images", "train_labels", "test_images", "test_labels")
    kept = load_or_make(
        folder() / f"{name}.safetensors", lambda: dict(zip(names, draw(), strict=True))
    )
    train_images, train_labels, test_images, test_labels = (kept[name] for name in names)
    return train_images, train_labels, test_images, test_labels


def _read(path: Path) -> Tensors | None:
    """The tensors in `path`, or None if there is no such file or it does not match its checksum."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
            expected = (file.metadata() or {}).get("sha256")
    except SafetensorError:
        return None
    return tensors if _checksum(tensors) == expected else None


def _set_aside(path: Path) -> None:
    """Rename a corrupt file, so that it is not used and can be looked at. Call it under the
    lock."""
    if path.exists():
        aside = path.with_name(f"{path.name}.corrupt")
        warnings.warn(
            f"{path} does not match its checksum; set aside as {aside.name} and made again",
            stacklevel=3,
        )
        os.replace(path, aside)


def _write(path: Path, tensors: Tensors) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        save_file(tensors, name, metadata={"sha256": _checksum(tensors)})
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _checksum(tensors: Tensors) -> str:
    """SHA-256 of the names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
