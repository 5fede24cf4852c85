"""Folders of class folders as data sets: ImageNet, a part of it, or pictures of one's own.

The data set "FOLDER@PIXELS", for example "imagenet@224", is what lies in the data sets' folder
(DATA_ROOT) as

    FOLDER/train/<class>/*.jpg
    FOLDER/val/<class>/*.jpg        or "test" or "validation": the first in this order that is there

with the same classes in both. File names end in one of `ENDINGS`, in upper or lower case; other
files, hidden ones and what lies deeper are left alone. A class is named by its folder, and labels
count the sorted names. Folders and files may be links to elsewhere. Images become squares by the
shorter side and the middle, as `paperlib.datasets.decoding` says.

Decoding happens once: the images are kept in the user's cache folder, under a fingerprint of the
names, sizes and modification times of all files, and mapped into memory from there. They are uint8,
3 x PIXELS^2 bytes each: all of ImageNet takes 16 GB at 64 pixels and 200 GB at 224. Training makes
further copies of the images it trains on.
"""

import contextlib
import hashlib
import math
import os
import re
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from paperlib.datasets import cache
from paperlib.datasets.base import Dataset, Split
from paperlib.datasets.decoding import decode, printable
from paperlib.errors import UserError

VERSION = 1  # part of the fingerprint: raise it whenever a pixel changes
SMALLEST = 16  # pixels; below it the networks' poolings leave nothing
TEST_PARTS = ("val", "test", "validation")  # the labels of ImageNet's own "test" are not public
ROLES = ("train", "test")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".tif", ".tiff")
CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, versions 2 and 1


class Part(NamedTuple):
    """What lies in one part, sorted by class and then by file name."""

    folder: Path
    classes: list[str]
    files: list[str]
    labels: list[int]
    digest: str  # SHA-256 of the names below `folder`, sizes and modification times


def parse(name: str) -> tuple[str, int]:
    """The folder and the pixels in "FOLDER@PIXELS".

    Raises:
        UserError: PIXELS is no whole number from 16 to 9999, or FOLDER is not a plain name.
    """
    folder, _, pixels = name.rpartition("@")
    if not re.fullmatch("[1-9][0-9]{1,3}", pixels) or int(pixels) < SMALLEST:
        wanted = f"one number from {SMALLEST} to 9999, as in imagenet@224"
        what = "after the @ come the height and width in pixels"
        raise UserError(f"data set {name!r}: {what}, {wanted}")
    if folder in ("", ".", "..") or "/" in folder or "\\" in folder:
        what = "before the @ comes the name of a folder in DATA_ROOT, without / or \\"
        raise UserError(f"data set {name!r}: {what}")
    return folder, int(pixels)


def is_available(name: str, root: Path) -> bool:
    """Whether `root` holds the folder with both parts; a quick look."""
    return all(_part_folders(root / parse(name)[0]))


def _part_folders(folder: Path) -> tuple[Path | None, Path | None]:
    """The folders of the training and the test part, None for one that is not there."""
    paths = (folder / part for part in ("train", *TEST_PARTS))
    train, *others = (path if path.is_dir() else None for path in paths)
    return train, next(filter(None, others), None)


def load(name: str, root: Path) -> Dataset:
    """The data set "FOLDER@PIXELS" from `root`, decoded unless the cache has it as it is there now.

    Returns:
        Images uint8 (N, 3, PIXELS, PIXELS), mapped from the cache file; labels by sorted classes.
    Raises:
        UserError: the name is not of this form; the folder, a part, a class or its images are
            missing; an image cannot be read; the images do not fit into the available memory.
    """
    folder, pixels = parse(name)
    try:
        parts = dict(zip(ROLES, _parts(name, root), strict=True))
        place = _hash(os.fsencode((root / folder).resolve()))
    except OSError as error:
        what = f"{printable(error.filename)} cannot be read: {error.strerror}"
        raise UserError(f"{name}: {what}") from error
    state = _hash(f"{VERSION} {' '.join(part.digest for part in parts.values())}".encode())

    def make() -> dict[str, Tensor]:
        _check_memory(name, sum(len(part.files) for part in parts.values()))
        # those of an earlier state of the folder are of no use any more
        for older in cache.folder().glob(f"folder-{place}-{pixels}-*.safetensors"):
            with contextlib.suppress(OSError):
                older.unlink()
        return {role: decode(part.files, pixels, f"{name} {role}") for role, part in parts.items()}

    images = cache.load_or_make(f"folder-{place}-{pixels}-{state}", make)
    train, test = (Split(images[role], torch.tensor(part.labels)) for role, part in parts.items())
    return Dataset(name, train, test, tuple(map(printable, parts["train"].classes)))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _parts(name: str, root: Path) -> tuple[Part, Part]:
    """The training and the test part, with the same classes."""
    folder = root / parse(name)[0]
    folders = _part_folders(folder)
    if not folder.is_dir():
        there = [path.name for path in sorted(root.glob("*")) if all(_part_folders(path))]
        choice = f"choose from: {_some(there)}" if there else "no folder there holds train and val"
        lack = f"{name}: no folder {folder.name} in {printable(root)}"
        raise UserError(f"{lack}; {choice}, or set DATA_ROOT=...")
    if None in folders:
        missing = " or ".join(("train",) if folders[0] is None else TEST_PARTS)
        raise UserError(f"{name}: no folder {missing} in {printable(folder)}")
    train, test = map(_part, filter(None, folders))
    lacks = [
        f"{other.folder.name} lacks {_some(only)}"
        for part, other in ((train, test), (test, train))
        if (only := sorted(set(part.classes) - set(other.classes)))
    ]
    if lacks:
        raise UserError(f"{name}: both parts must hold the same classes, but {' and '.join(lacks)}")
    return train, test


def _part(folder: Path) -> Part:
    """What a part's class folders hold."""
    classes = [entry for entry in _entries(folder) if entry.is_dir()]
    if not classes:
        raise UserError(f"{printable(folder)} holds no class folders")
    files: list[str] = []
    labels: list[int] = []
    digest = hashlib.sha256(folder.name.encode())
    for label, of_class in enumerate(classes):
        before = len(files)
        for entry in _entries(of_class.path):
            if entry.name.lower().endswith(ENDINGS) and not entry.is_dir():
                status = entry.stat()
                what = f"{of_class.name}/{entry.name}\0{status.st_size}\0{status.st_mtime_ns}\0"
                digest.update(os.fsencode(what))
                files.append(entry.path)
        if len(files) == before:
            raise UserError(f"{printable(of_class.path)} holds no images ({', '.join(ENDINGS)})")
        labels += [label] * (len(files) - before)
    return Part(folder, [entry.name for entry in classes], files, labels, digest.hexdigest())


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder and not hidden, by name. Raises `UserError` for a link to nowhere."""
    with os.scandir(folder) as there:
        entries = [entry for entry in there if not entry.name.startswith(".")]
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise UserError(f"{printable(entry.path)} is a link that leads nowhere")
    return sorted(entries, key=lambda entry: entry.name)


def _check_memory(name: str, count: int) -> None:
    """Raise `UserError` if `count` images do not fit into memory."""
    folder, pixels = parse(name)
    needed, available = 3 * count * pixels**2, available_memory()
    if available is not None and needed > available:
        fits = math.isqrt(available // (3 * count))
        advice = f"fewer pixels ({folder}@{fits} fits) or " if fits >= SMALLEST else ""
        what = f"{count} images take {needed / 1e9:.2f} GB of memory, and {available / 1e9:.2f} GB"
        advice = f"take {advice}a folder with fewer images or classes"
        raise UserError(f"{name}: {what} are available; {advice}")


def available_memory() -> int | None:
    """Bytes that this process can have without swapping, in its container; None if unknown."""
    limits = []
    for file in ("/proc/meminfo", *(f"/sys/fs/cgroup/{limit}" for limit in CGROUP_LIMITS)):
        with contextlib.suppress(OSError):
            found = re.findall(r"^(?:MemAvailable: *)?(\d+)( kB)?$", Path(file).read_text(), re.M)
            limits += [int(number) * (1024 if unit else 1) for number, unit in found]
    if not limits and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # not Linux: all there is
    return min(limits, default=None)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(printable, names[:5])) + more
