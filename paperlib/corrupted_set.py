"""Writes corrupted test sets in the layout of CIFAR-10-C, so that other people's loaders read them.

A set is a folder with one `<corruption>.npy` a corruption and `labels.npy`, see
`paperlib.datasets.corrupted`. Beside them, `manifest.json` says what the set is made of, and which
parts of which files are there, with their SHA-256.

A file grows under a hidden name, severity by severity, and gets its final name when it is whole.
Killed at any moment, the same call goes on after the last severity that was finished.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from paperlib.datasets import Split
from paperlib.datasets.corrupted import LABELS, MANIFEST, read_manifest
from paperlib.degrade.corruptions import corrupt
from paperlib.degrade.frost import FILES, find_textures
from paperlib.degrade.tables import SEVERITIES, TABLES
from paperlib.errors import UserError, choose
from paperlib.execution import COMMIT
from paperlib.growing import GrowingArray, file_size
from paperlib.store import write_atomically

AT_ONCE = {"cpu": 500, "cuda": 10_000}  # images between two looks at the progress bar
SLACK = 1 << 20  # bytes for labels, manifest and folders
BAR = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed} done, {remaining} left"


class CorruptedSet:
    """One corrupted set: what it is made of, and the folder that it is written to.

    Args:
        folder: of the set itself.
        dataset: name of the clean data.
        clean: test images uint8 (N, 3, H, W) and their labels, on the device that corrupts them.
        table: one of `TABLES`.
        seed: of the random draws.
        severities: ascending, as they follow in the files.
        textures: folder of the frost images, see `paperlib.degrade.corruptions.corrupt`.
    """

    def __init__(
        self,
        folder: Path,
        dataset: str,
        clean: Split,
        table: str,
        seed: int = 0,
        severities: Sequence[int] = SEVERITIES,
        textures: Path | None = None,
    ) -> None:
        if not len(clean) or not 0 <= int(clean.labels.min()) <= int(clean.labels.max()) <= 255:
            raise UserError(
                f"{dataset}: there must be test images, with labels 0 to 255: the layout keeps bytes"
            )
        if not severities or list(severities) != [
            severity for severity in SEVERITIES if severity in severities
        ]:
            raise UserError(
                f"severities are {list(severities)}; they must be some of 1 to 5, in rising order"
            )
        count, channels, height, width = clean.images.shape
        self.folder, self.clean, self.textures = folder, clean, textures
        self.table, self.seed, self.severities = (
            choose("severity table", table, TABLES),
            seed,
            list(severities),
        )
        self._shape = (len(self.severities) * count, height, width, channels)
        self._made_of = {
            "dataset": dataset,
            "table": table,
            "seed": seed,
            "severities": self.severities,
            "clean_images": [count, channels, height, width],
            "clean_sha256": hashlib.sha256(
                clean.images.cpu().contiguous().numpy().data
            ).hexdigest(),
        }
        self._manifest: dict[str, Any] = {}

    def write(
        self, names: Sequence[str], bar: bool | None = None, say: Callable[[str], None] = print
    ) -> list[str]:
        """Write what is missing of `<name>.npy` for each name, and the labels; check what is there.

        Args:
            names: of corruptions.
            bar: False never draws a progress bar; None does if standard error is a terminal.
            say: is told, before anything slow starts, how many bytes are needed and how many are
                free.
        Returns:
            The names of those that were not there, or not whole.
        Raises:
            UserError: the folder holds another set or files of unknown origin, or cannot be written
                to; the disk is too small or full. What is finished stays, and the same call goes on
                from there.
        """
        try:
            self._open(names)
            needed, free = self._bytes_needed(names), _free_bytes(self.folder)
            say(f"{needed:,} bytes needed, {free:,} free")
            if needed > free:
                raise UserError(f"{self.folder}: {needed:,} bytes are needed and {free:,} are free")
            self.folder.mkdir(parents=True, exist_ok=True)
            with _alone(self.folder):
                self._open(names)  # again: another process may have written while this one waited
                self._write_labels()
                missing = [name for name in names if not self._finished(name)]
                total = len(missing) * self._shape[0]
                with tqdm(
                    total=total, disable=None if bar is None else not bar, bar_format=BAR
                ) as progress:
                    for i, name in enumerate(missing):
                        progress.set_description(f"{i + 1}/{len(missing)}: {name}")
                        self._make(name, progress.update)
                return missing
        except OSError as error:
            raise UserError(self._what_happened(error, names)) from error

    def _make(self, name: str, tick: Callable[[int], Any]) -> None:
        """Write one file, after the severities of it that are there."""
        made = {"paperlib": _version(), "commit": COMMIT, "torch": torch.__version__}
        made["device"] = self.clean.images.device.type
        if name == "frost":
            made["textures_sha256"] = _sha256_of_files(
                find_textures(self.textures) / file for file in FILES
            )
        if self._entry(name).get("made") != made:  # one file, one program: it is begun again
            self._manifest["files"][f"{name}.npy"] = {"made": made, "done": []}
        done = self._entry(name)["done"]
        with GrowingArray(self._part(name), self._shape, len(self.severities), done) as array:
            tick(len(done) * len(self.clean))
            for severity in self.severities[len(done) :]:
                done.append(array.append(self._corrupted(name, severity, tick)))
                self._save()
        self._manifest["files"][f"{name}.npy"] = {"made": made, "sha256": done[-1]}
        self._save()
        os.replace(self._part(name), self.folder / f"{name}.npy")

    def _corrupted(
        self, name: str, severity: int, tick: Callable[[int], Any]
    ) -> Iterator[np.ndarray]:
        """All images at one severity, uint8 (B, H, W, 3) each."""
        options: dict[str, Any] = {
            "table": self.table,
            "seed": self.seed,
            "textures": self.textures,
        }
        step = AT_ONCE.get(self.clean.images.device.type, 1000)
        for start in range(0, len(self.clean), step):
            images = corrupt(
                self.clean.images[start : start + step], name, severity, index=start, **options
            )
            yield images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
            tick(len(images))

    def _write_labels(self) -> None:
        buffer = io.BytesIO()
        labels = self.clean.labels.cpu().to(torch.uint8).repeat(len(self.severities))
        np.save(buffer, labels.numpy(), allow_pickle=False)
        path, data = self.folder / LABELS, buffer.getvalue()
        entry = {"sha256": hashlib.sha256(data).hexdigest()}
        if (
            self._manifest["files"].get(LABELS) != entry
            or not path.exists()
            or path.read_bytes() != data
        ):
            self._manifest["files"][LABELS] = entry
            self._save()
            write_atomically(path, data)

    def _finished(self, name: str) -> bool:
        """Whether a file is there, and as it was written. One that was changed is set aside, with a
        warning."""
        entry, path = self._entry(name), self.folder / f"{name}.npy"
        if "sha256" not in entry:
            return False
        # killed just before the file got its name
        if not path.exists() and self._part(name).exists():
            os.replace(self._part(name), path)
        if path.exists():
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"]:
                    return True
            aside = path.with_name(f"{path.name}.corrupt")
            warnings.warn(
                f"{path} does not match its checksum; set aside as {aside.name} and made again",
                stacklevel=3,
            )
            os.replace(path, aside)
        del self._manifest["files"][path.name]
        self._save()
        return False

    def _open(self, names: Sequence[str]) -> None:
        """Read the manifest, or begin one. Raises `UserError` if the folder holds something
        else."""
        manifest = read_manifest(self.folder)
        if manifest is not None and manifest["set"] != self._made_of:
            other = [
                f"{key} {value}"
                for key, value in manifest["set"].items()
                if self._made_of.get(key) != value
            ]
            raise UserError(
                f"{self.folder} holds another set, with {', '.join(other)}; choose another folder"
            )
        self._manifest = manifest or {"set": self._made_of, "files": {}}
        for path in (self.folder / file for file in (LABELS, *(f"{name}.npy" for name in names))):
            if path.exists() and "sha256" not in self._manifest["files"].get(path.name, {}):
                raise UserError(
                    f"{path} is there and no manifest says what it is; choose another folder"
                )

    def _save(self) -> None:
        write_atomically(
            self.folder / MANIFEST, (json.dumps(self._manifest, indent=1) + "\n").encode()
        )

    def _entry(self, name: str) -> dict[str, Any]:
        return self._manifest["files"].get(f"{name}.npy", {})

    def _part(self, name: str) -> Path:
        return self.folder / f".{name}.npy.part"

    def _bytes_needed(self, names: Sequence[str]) -> int:
        """What the missing files take, and the missing parts of files; nothing if all are there."""
        there = [self.folder / f"{name}.npy" for name in names] + [
            self._part(name) for name in names
        ]
        there_bytes = sum(path.stat().st_size for path in there if path.exists())
        missing = len(names) * file_size(self._shape) - there_bytes
        return missing + SLACK if missing > 0 else 0

    def _what_happened(self, error: OSError, names: Sequence[str]) -> str:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return f"{error.filename or self.folder}: {error.strerror or error}"
        needed = self._bytes_needed(names)
        return f"{self.folder}: no space left, {needed:,} more bytes are needed; the same command goes on from here"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Held by whoever writes to the folder. The system frees it when the process dies, however it
    dies."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(
            f"paperlib: waits for another process that writes to {folder}",
            file=sys.stderr,
            flush=True,
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _sha256_of_files(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _version() -> str:
    try:
        return version("paperlib")
    except PackageNotFoundError:
        return "not installed"
