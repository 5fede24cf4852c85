"""Where runs live: `runs/<hash>/` with record, weights and, while training, a checkpoint; locked.

A record is written last and holds the SHA-256 of the files beside it, so a folder with a valid
record is complete.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from paperlib.errors import Corrupt
from paperlib.files import set_aside, sha256, unpack, write_atomically, write_tensors
from paperlib.runs import Record, Run

RECORD, CHECKPOINT = "record.json", "checkpoint.safetensors"
WEIGHTS, SAMPLES = "weights.safetensors", "samples.safetensors"


class Store:
    """The runs below one folder."""

    def __init__(self, root: Path | str = "runs") -> None:
        self.root = Path(root)

    def folder(self, run: Run) -> Path:
        """Where the run's files are, whether there are any or not."""
        return self.root / run.hash

    def lock(self, run: Run) -> FileLock:
        """Held by whoever trains the run. The system frees it when its process dies."""
        folder = self.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / "lock")

    def record(self, run: Run) -> Record | None:
        """The record of a finished run, or None; set aside with a warning if a checksum differs."""
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
                if not file.exists() or sha256(file) != sha:
                    raise Corrupt(f"{name} is missing or does not match its checksum")
        except Corrupt as error:
            set_aside(path, error, "the run")
            return None
        return record

    def weights(self, run: Run) -> dict[str, Tensor]:
        """What a finished run trained, by name. Raises `Corrupt`, or `OSError` if it is missing."""
        return unpack(self.folder(run) / WEIGHTS)[0]

    def weights_sum(self, run: Run) -> str:
        """SHA-256 of a finished run's weights, from its record; "" without one."""
        record = self.record(run)
        return "" if record is None else record.files[WEIGHTS]

    def samples(self, run: Run) -> dict[str, Tensor]:
        """The sample images of a finished run, uint8 by name; empty if it has none."""
        path = self.folder(run) / SAMPLES
        return unpack(path)[0] if path.exists() else {}

    def finish(
        self, record: Record, weights: Mapping[str, Tensor], samples: Mapping[str, Tensor]
    ) -> Record:
        """Write a run's files, the record last, and remove the checkpoint and what was there.

        Returns:
            The record with the files' checksums.
        """
        folder = self.folder(record.run)
        for name in (RECORD, SAMPLES):
            (folder / name).unlink(missing_ok=True)
        contents = {WEIGHTS: weights} | ({SAMPLES: samples} if samples else {})
        for name, tensors in contents.items():
            write_tensors(folder / name, tensors)
        files = {name: sha256(folder / name) for name in contents}
        record = dataclasses.replace(record, files=files)
        write_atomically(folder / RECORD, record.to_json().encode())
        (folder / CHECKPOINT).unlink(missing_ok=True)
        return record

    def save_checkpoint(self, run: Run, tensors: Mapping[str, Tensor], **values: Any) -> None:
        """Replace the run's checkpoint."""
        write_tensors(self.folder(run) / CHECKPOINT, tensors, **values)

    def checkpoint(self, run: Run) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The run's checkpoint, or None; a corrupt one is set aside with a warning."""
        path = self.folder(run) / CHECKPOINT
        if not path.exists():
            return None
        try:
            return unpack(path)
        except Corrupt as error:
            set_aside(path, error, "the run")
            return None
