"""CIFAR-10, CIFAR-100 and SVHN through torchvision, which checks their MD5 before it opens them."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from filelock import FileLock

from paperlib.datasets import cache
from paperlib.datasets.base import Dataset, Split
from paperlib.datasets.decoding import one_line
from paperlib.errors import UserError

NAMES = ("cifar10", "cifar100", "svhn")
PATIENCE = 30  # seconds without a byte after which a download counts as failed


def folder(root: Path | None) -> Path:
    """Where data sets lie: `root`, else $DATA_ROOT, else the project's cache folder."""
    return Path(root or os.environ.get("DATA_ROOT") or cache.folder()).expanduser()


def load(name: str, root: Path) -> Dataset:
    """One of `NAMES`, from torchvision's layout under `root`; downloaded to there if it is missing.

    Raises:
        UserError: it is missing or damaged and cannot be downloaded.
    """
    try:
        return _read(name, root, download=False)
    except RuntimeError:  # torchvision: missing, or not what it should be
        pass
    found = [file for file in _files(name, root) if file.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        # two downloads at once would write to the same file
        with FileLock(root / f"{name}.lock"), _impatient():
            return _read(name, root, download=True)
    except (OSError, RuntimeError, HTTPException) as error:
        state = "incomplete or damaged" if found else "not found"
        # a plain RuntimeError is torchvision's about what it has just downloaded
        why = "what came has a wrong MD5" if type(error) is RuntimeError else one_line(error)
        raise UserError(
            f"{name}: {state} in {root}, and the download failed ({why}); "
            f"set DATA_ROOT=... to a folder that holds {_files(name, root)[0].name}, "
            "or use the embedded data set synthdigits"
        ) from error


def is_available(name: str, root: Path) -> bool:
    """Whether the files of one of `NAMES` are under `root`, checked or not."""
    return all(file.exists() for file in _files(name, root))


def _read(name: str, root: Path, download: bool) -> Dataset:
    """Raises what torchvision does: RuntimeError for wrong files, OSError etc. from a download."""
    tv = _torchvision()
    if name == "svhn":
        parts = [tv.SVHN(root, part, download=download) for part in ("train", "test")]
        train, test = (_split(part.data, part.labels) for part in parts)
        return Dataset(name, train, test, tuple("0123456789"))
    kind = {"cifar10": tv.CIFAR10, "cifar100": tv.CIFAR100}[name]
    cifar = [kind(root, train=part, download=download) for part in (True, False)]
    train, test = (_split(part.data.transpose(0, 3, 1, 2), part.targets) for part in cifar)
    return Dataset(name, train, test, tuple(cifar[0].classes))


def _split(images: Any, labels: Any) -> Split:
    """From a numpy array uint8 (N, 3, H, W) and N labels."""
    return Split(torch.from_numpy(images).contiguous(), torch.as_tensor(labels, dtype=torch.int64))


def _files(name: str, root: Path) -> list[Path]:
    """What torchvision wants to find under `root`."""
    tv = _torchvision()
    if name == "svhn":
        return [root / tv.SVHN.split_list[part][1] for part in ("train", "test")]
    kind = {"cifar10": tv.CIFAR10, "cifar100": tv.CIFAR100}[name]
    return [root / kind.base_folder]


def _torchvision() -> ModuleType:
    """Imported only when it is needed, because that takes long."""
    from torchvision import datasets

    return datasets


@contextmanager
def _impatient() -> Iterator[None]:
    """Sockets made inside time out after `PATIENCE` seconds; torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
