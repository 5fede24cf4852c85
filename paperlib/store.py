"""Where runs live: `runs/<hash>/` with record, weights and, while training, a checkpoint. Atomic,
locked, checksummed.

A record is written last and holds the SHA-256 of the files beside it, so a folder with a valid
record is complete. Tensors are safetensors: nothing that is read here is unpickled.
"""

import contextlib
import hashlib
import json
import os
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from filelock import FileLock
from torch import Tensor

from paperlib.runs import Corrupt, Record, Run

RECORD, WEIGHTS, SAMPLES, CHECKPOINT = (
    "record.json",
    "weights.safetensors",
    "samples.safetensors",
    "checkpoint.safetensors",
)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds either all of it or what was there before, also after a
    power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def pack(tensors: Mapping[str, Tensor], **values: Any) -> bytes:
    """Tensors and plain values as one safetensors file that carries its own checksum."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(values, sort_keys=True)
    return safetensors.torch.save(tensors, {"values": text, "sha256": _checksum(tensors, text)})


def unpack(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `pack` wrote. Raises `Corrupt` if it is anything else."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            meta = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        if _checksum(tensors, meta["values"]) != meta["sha256"]:
            raise Corrupt("checksum does not match")
        return tensors, json.loads(meta["values"])
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise Corrupt(str(error)) from error


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(safetensors.torch.save({"": tensor}))
    return sha.hexdigest()


class Store:
    """The runs below one folder."""

    def __init__(self, root: Path | str = "runs") -> None:
        self.root = Path(root)

    def folder(self, run: Run) -> Path:
        """Where the run's files are, whether there are any or not."""
        return self.root / run.hash

    def lock(self, run: Run) -> FileLock:
        """Held by whoever trains the run. The system frees it when its process dies, however it
        dies."""
        folder = self.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / "lock")

    def record(self, run: Run) -> Record | None:
        """The record of a finished run, or None; set aside with a warning where a checksum does not
        match."""
        folder = self.folder(run)
        path = folder / RECORD
        if not path.exists():
            return None
        try:
            record = Record.from_json(path.read_bytes())
            if record.run != run:
                raise Corrupt("it belongs to another run")
            for name, sha in record.files.items():
                file = folder / name
                if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != sha:
                    raise Corrupt(f"{name} is missing or does not match its checksum")
        except Corrupt as error:
            self._set_aside(path, error)
            return None
        return record

    def weights(self, run: Run) -> dict[str, Tensor]:
        """What a finished run trained, by name. Raises `Corrupt`, or `OSError` if there is
        nothing."""
        return unpack(self.folder(run) / WEIGHTS)[0]

    def samples(self, run: Run) -> dict[str, Tensor]:
        """The sample images of a finished run, uint8 by name; empty if it has none."""
        return (
            unpack(self.folder(run) / SAMPLES)[0] if (self.folder(run) / SAMPLES).exists() else {}
        )

    def finish(
        self, record: Record, weights: Mapping[str, Tensor], samples: Mapping[str, Tensor]
    ) -> Record:
        """Write a run's files, the record last; the checkpoint goes. Returns the record with the
        files' checksums."""
        folder = self.folder(record.run)
        contents = {WEIGHTS: pack(weights)} | ({SAMPLES: pack(samples)} if samples else {})
        for name, data in contents.items():
            write_atomically(folder / name, data)
        record = record.with_files(
            {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
        )
        write_atomically(folder / RECORD, record.to_json().encode())
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return record

    def save_checkpoint(self, run: Run, tensors: Mapping[str, Tensor], **values: Any) -> None:
        """Replace the run's checkpoint."""
        write_atomically(self.folder(run) / CHECKPOINT, pack(tensors, **values))

    def checkpoint(self, run: Run) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The run's checkpoint, or None; a corrupt one is set aside with a warning."""
        path = self.folder(run) / CHECKPOINT
        if not path.exists():
            return None
        try:
            return unpack(path)
        except Corrupt as error:
            self._set_aside(path, error)
            return None

    def _set_aside(self, path: Path, error: Corrupt) -> None:
        aside = path.with_name(path.name + ".corrupt")
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            os.replace(path, aside)
        warnings.warn(
            f"{path}: {error}; set aside as {aside.name}, the run is made again", stacklevel=3
        )
