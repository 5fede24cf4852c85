"""Writes corrupted test sets in the layout of CIFAR-10-C, so that other people's loaders read them.

A set is a folder with one `<corruption>.npy` per corruption and `labels.npy`, see
`paperlib.datasets.corrupted`. Beside them, `manifest.json` says what the set is made of, and which
parts of which files are there, with their SHA-256.

A file grows under a hidden name, severity by severity, and gets its final name when it is whole.
Killed at any moment, the same call resumes after the last severity that was finished. The file is
written, not mapped into memory: a full disk is then an error, and not a signal that kills.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import AcquireReturnProxy, FileLock, Timeout

from paperlib import __version__, datasets
from paperlib.datasets import Split
from paperlib.datasets.corrupted import LABELS, MANIFEST, read_manifest
from paperlib.degrade.corruptions import corrupt
from paperlib.degrade.frost import FILES, find_textures
from paperlib.degrade.specs import parse_corruptions, parse_severities
from paperlib.degrade.tables import SEVERITIES, TABLES
from paperlib.errors import UserError, choose
from paperlib.execution import COMMIT, Execution
from paperlib.files import set_aside, sha256, write_atomically
from paperlib.progress import progress_bar

OFFICIAL = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}
TABLE_OF_SIZE = {(32, 32): "cifar-c", (224, 224): "imagenet-c"}
AT_ONCE = {"cpu": 500, "cuda": 10_000}  # images between two looks at the progress bar
SLACK = 1 << 20  # bytes for labels, manifest and folders


class CorruptedSet:
    """One corrupted set: what it is made of, and the folder that it is written to.

    Args:
        folder: of the set itself.
        dataset: name of the clean data.
        clean: test images uint8 (N, 3, H, W) and their labels, on the device that corrupts them.
        table, seed, textures: see `paperlib.degrade.corruptions.corrupt`.
        severities: ascending, as they follow in the files.
    Raises:
        UserError: the layout cannot hold such labels or severities, or the table is unknown.
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
            wanted = "there must be test images, with labels 0 to 255: the layout keeps bytes"
            raise UserError(f"{dataset}: {wanted}")
        if not severities or list(severities) != [s for s in SEVERITIES if s in severities]:
            wanted = "some of 1 to 5, in rising order"
            raise UserError(f"severities are {list(severities)}; they must be {wanted}")
        count, channels, height, width = clean.images.shape
        choose("severity table", table, TABLES)
        self.folder, self.clean, self.textures = folder, clean, textures
        self.severities = list(severities)
        self._options: dict[str, Any] = {"table": table, "seed": seed, "textures": textures}
        shape = (len(self.severities) * count, height, width, channels)
        pixels, header = clean.images.cpu().contiguous().numpy(), io.BytesIO()
        form = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, form)
        self._header = header.getvalue()
        self._block = clean.images.numel()  # bytes of one severity
        self._made_of = {
            "dataset": dataset,
            "table": table,
            "seed": seed,
            "severities": self.severities,
            "clean_images": [count, channels, height, width],
            "clean_sha256": hashlib.sha256(pixels.data).hexdigest(),
        }
        self._manifest: dict[str, Any] = {}

    def write(
        self, names: Sequence[str], bar: bool | None = None, say: Callable[[str], None] = print
    ) -> list[str]:
        """Write what is missing of `<name>.npy` for each name, and the labels; check what is there.

        Args:
            names: of corruptions.
            bar: False never draws a progress bar; None does if standard error is a terminal.
            say: is told, before anything slow starts, how many bytes are needed and are free.
        Returns:
            The names of those that were not there, or not whole.
        Raises:
            UserError: the folder holds another set or files of unknown origin, or cannot be written
                to; the disk is too small or full. What is finished stays, and the same call resumes
                from there.
        """
        try:
            self._open(names)
            needed, free = self._bytes_needed(names), _free_bytes(self.folder)
            say(f"{needed:,} bytes needed, {free:,} free")
            if needed > free:
                raise UserError(f"{self.folder}: {needed:,} bytes are needed and {free:,} are free")
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder):
                self._open(names)  # again: another process may have written while this one waited
                self._write_labels()
                missing = [name for name in names if not self._finished(name)]
                images = len(missing) * len(self.severities) * len(self.clean)
                with progress_bar(images, bar) as progress:
                    for i, name in enumerate(missing):
                        progress.set_description(f"{i + 1}/{len(missing)}: {name}")
                        self._make(name, progress.update)
                return missing
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                message = f"{error.filename or self.folder}: {error.strerror or error}"
                raise UserError(message) from error
            lack = f"no space left, {self._bytes_needed(names):,} more bytes are needed"
            message = f"{self.folder}: {lack}; the same command resumes from here"
            raise UserError(message) from error

    def _make(self, name: str, tick: Callable[[int], Any]) -> None:
        """Write one file, after the severities of it that are there."""
        made = {"paperlib": __version__, "commit": COMMIT, "torch": torch.__version__}
        made["device"] = self.clean.images.device.type
        if name == "frost":
            textures = find_textures(self.textures)
            photographs = b"".join((textures / file).read_bytes() for file in FILES)
            made["textures_sha256"] = hashlib.sha256(photographs).hexdigest()
        entry = self._files.get(f"{name}.npy", {})
        part = self._part(name)
        part.touch()
        with part.open("r+b", buffering=0) as file:
            _write(file, self._header)
            # one file, one program
            done = self._right(part, entry.get("done", [])) if entry.get("made") == made else []
            self._note(name, {"made": made, "done": done})
            tick(len(done) * len(self.clean))
            file.seek(len(self._header) + len(done) * self._block)
            try:
                for severity in self.severities[len(done) :]:
                    done.append(self._append(file, name, severity, tick))
                    self._note(name, {"made": made, "done": done})
            finally:  # half a severity is of no use, and takes room from others
                file.truncate(len(self._header) + len(done) * self._block)
        self._note(name, {"made": made, "done": done, "sha256": sha256(part)})
        os.replace(part, self.folder / f"{name}.npy")

    def _append(self, file: io.FileIO, name: str, severity: int, tick: Callable[[int], Any]) -> str:
        """Write one severity to the disk, uint8 (N, H, W, 3); returns the SHA-256 of its bytes."""
        digest, step = hashlib.sha256(), AT_ONCE.get(self.clean.images.device.type, 1000)
        for start in range(0, len(self.clean), step):
            part = self.clean.images[start : start + step]
            images = corrupt(part, name, severity, index=start, **self._options)
            data = images.permute(0, 2, 3, 1).contiguous().cpu().numpy().data
            digest.update(data)
            _write(file, data)
            tick(len(images))
        os.fsync(file.fileno())
        return digest.hexdigest()

    def _right(self, part: Path, done: Sequence[str]) -> list[str]:
        """The checksums of the severities in an unfinished file, up to the first that is wrong."""
        right = []
        for i, expected in enumerate(done):
            start = len(self._header) + i * self._block
            if part.stat().st_size < start + self._block:
                break
            block = np.memmap(part, np.uint8, "r", start, (self._block,))
            if hashlib.sha256(block.data).hexdigest() != expected:
                break
            right.append(expected)
        return right

    def _write_labels(self) -> None:
        labels = self.clean.labels.cpu().to(torch.uint8).repeat(len(self.severities))
        buffer, path = io.BytesIO(), self.folder / LABELS
        np.save(buffer, labels.numpy(), allow_pickle=False)
        entry = {"sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
        if self._files.get(LABELS) != entry or not path.exists() or sha256(path) != entry["sha256"]:
            self._note("labels", entry)
            write_atomically(path, buffer.getvalue())

    def _finished(self, name: str) -> bool:
        """Whether a file is there, and as it was written; if it was changed, it is set aside."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            return False
        if sha256(path) == self._files[path.name]["sha256"]:
            return True
        set_aside(path, "checksum does not match", "it")
        return False

    def _open(self, names: Sequence[str]) -> None:
        """Read the manifest, or begin one. Raises `UserError` if the folder holds another set."""
        manifest = read_manifest(self.folder)
        there = self._made_of if manifest is None else manifest["set"]
        if there != self._made_of:
            own = self._made_of
            other = ", ".join(
                f"{key} {what}" for key, what in there.items() if own.get(key) != what
            )
            raise UserError(f"{self.folder} holds another set, with {other}; choose another folder")
        self._manifest = manifest or {"set": self._made_of, "files": {}}
        self._files: dict[str, Any] = self._manifest["files"]
        for path in (self.folder / file for file in (LABELS, *(f"{name}.npy" for name in names))):
            if path.exists() and "sha256" not in self._files.get(path.name, {}):
                what = "is there and no manifest says what it is"
                raise UserError(f"{path} {what}; choose another folder")

    def _note(self, name: str, entry: dict[str, Any]) -> None:
        """Keep in the manifest what is known about `<name>.npy`."""
        self._files[f"{name}.npy"] = entry
        text = json.dumps(self._manifest, indent=1) + "\n"
        write_atomically(self.folder / MANIFEST, text.encode())

    def _part(self, name: str) -> Path:
        """The unfinished file."""
        return self.folder / f".{name}.npy.part"

    def _bytes_needed(self, names: Sequence[str]) -> int:
        """What the missing files take, and the missing parts of files; nothing if all are there."""
        there = [path for name in names for path in (self.folder / f"{name}.npy", self._part(name))]
        missing = len(names) * (len(self._header) + len(self.severities) * self._block)
        missing -= sum(path.stat().st_size for path in there if path.exists())
        return missing + SLACK if missing > 0 else 0


def _write(file: io.FileIO, values: bytes | memoryview) -> None:
    """Write all of it: an unbuffered write may take less than all, and says so."""
    data = memoryview(values).cast("B")
    while data:
        data = data[file.write(data) :]


def _locked(folder: Path) -> AcquireReturnProxy:
    """Held by whoever writes to the folder. The system frees it when the process dies."""
    lock = FileLock(folder / ".lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        waits = f"paperlib: waits for another process that writes to {folder}"
        print(waits, file=sys.stderr, flush=True)
        return lock.acquire()


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def corrupt_dataset(
    dataset: str,
    out: Path,
    corruptions: str = "all",
    severities: str = "1,2,3,4,5",
    table: str | None = None,
    seed: str = "0",
    device: str = "auto",
    root: Path | None = None,
    frost: Path | None = None,
) -> Path:
    """`python -m paperlib corrupt`: write corrupted copies of a data set's test images.

    It says on standard output what is done.

    Args:
        dataset: see `datasets.load`; one of images with a label each.
        out: see `set_folder`.
        corruptions: see `parse_corruptions`.
        severities: see `parse_severities`.
        table: one of `TABLES`; default: see `default_table`.
        seed: of the random draws, a whole number.
        device: where the images are corrupted.
        root: folder of the data sets.
        frost: folder of the frost textures; default: as `find_textures` says, or the folder frost
            in `root`.
    Returns:
        The folder of the set.
    Raises:
        UserError: an argument is none of these; textures or data are missing; what
            `CorruptedSet.write` raises.
    """
    started = time.perf_counter()
    if datasets.check_name(dataset) in datasets.DETECTION:
        layout = "the layout of CIFAR-10-C holds a label for every image, and no boxes"
        raise UserError(f"{dataset}: {layout}")
    names, severity_list = parse_corruptions(corruptions), parse_severities(severities)
    choose("severity table", table or "cifar-c", TABLES)
    try:
        seed_number = int(seed)
    except ValueError:
        raise UserError(f"seed is {seed!r}; it must be a whole number") from None
    # missing ones are said before any work
    textures = _textures(frost, root) if "frost" in names else None
    clean = datasets.load(dataset, root, Execution.on(device).device).test
    table = table or default_table(*clean.images.shape[-2:])
    folder = set_folder(out, dataset)
    corrupted = CorruptedSet(folder, dataset, clean, table, seed_number, severity_list, textures)
    print(
        f"{folder}: {len(clean)} test images of {dataset}, "
        f"{len(names)} corruption(s) at severities {', '.join(map(str, severity_list))}, "
        f"table {table}, seed {seed_number}, on {clean.images.device}",
        flush=True,
    )
    if severity_list != list(range(1, len(severity_list) + 1)):
        print(
            "other loaders take the first severity of a file for 1, the second for 2, ...; "
            "paperlib's does not"
        )
    written = len(corrupted.write(names))
    seconds = time.perf_counter() - started
    print(f"{written} file(s) written, {len(names) - written} verified, {seconds:.0f} s in all")
    return folder


def set_folder(out: Path, dataset: str) -> Path:
    """Where a set goes: `<out>/CIFAR-10-C` and the like, or `out` itself if that is its name.

    So `--out DATA` makes what robustbench looks for below its `data_dir="DATA"`.
    """
    name = OFFICIAL.get(dataset, f"{dataset}-C")
    return out if out.name == name else out / name


def default_table(height: int, width: int) -> str:
    """The severity table made for images of this size. Raises `UserError` if there is none."""
    if (height, width) not in TABLE_OF_SIZE:
        lack = f"no severity table was made for {height}x{width} images"
        raise UserError(f"{lack}; choose one of: {', '.join(TABLES)}")
    return TABLE_OF_SIZE[height, width]


def _textures(folder: Path | None, root: Path | None) -> Path:
    try:
        return find_textures(folder)
    except UserError as error:
        if folder is None and root is not None and (root / "frost").is_dir():
            return find_textures(root / "frost")
        raise UserError(f"{error}; --frost DIR names their folder on the command line") from error
