"""Committed results: records of finished runs, promoted into `data/results/<slug>/`."""

import re
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from paperlib.errors import Corrupt, UserError
from paperlib.files import unpack, write_atomically
from paperlib.runs import Record, Run
from paperlib.store import SAMPLES, Store

LONGEST = 120  # characters of a label in a file's name, which may have 255 bytes


class Archive:
    """The committed records below one folder; as `Results`, it leaves out runs without a record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A file's name ends in its run's hash, so nothing needs reading to find it.
        self._paths = {path.stem.rsplit("-", 1)[-1]: path for path in sorted(folder.glob("*.json"))}

    def __call__(self, runs: Iterable[Run]) -> list[Record]:
        """The records there are, in the order of the runs. Raises `UserError` for an edited one."""
        return [self._read(self._paths[run.hash], run) for run in runs if run.hash in self._paths]

    def samples(self, run: Run) -> dict[str, Tensor]:
        """The sample images beside a record, uint8 by name; empty if there are none."""
        path = self._paths[run.hash].with_suffix(".safetensors")
        try:
            return unpack(path)[0] if path.exists() else {}
        except Corrupt as error:
            raise UserError(f"{path}: {error}") from error

    def promote(self, run: Run, store: Store, replace: bool = False) -> Path:
        """Copy a finished run's record and samples here; the same record twice is no mistake.

        Raises:
            UserError: the run is not finished, or has another record and `replace` is False.
        """
        record = store.record(run)
        if record is None:
            raise UserError(f"{run.hash} ({run.label}) is not finished in {store.root}")
        name = re.sub(r"[^a-zA-Z0-9.=_]+", "-", run.label)[:LONGEST]
        path = self._paths.get(run.hash, self.folder / f"{name}-{run.hash}.json")
        if path.exists() and not replace and path.read_bytes() != record.to_json().encode():
            raise UserError(f"{path} exists; a record is replaced only with --replace")
        samples = path.with_suffix(".safetensors")
        samples.unlink(missing_ok=True)
        if SAMPLES in record.files:
            write_atomically(samples, (store.folder(run) / SAMPLES).read_bytes())
        write_atomically(path, record.to_json().encode())
        self._paths[run.hash] = path
        return path

    @staticmethod
    def _read(path: Path, run: Run) -> Record:
        try:
            record = Record.from_json(path.read_bytes())
            if record.run != run:
                raise Corrupt("it belongs to another run")
            return record
        except Corrupt as error:
            raise UserError(f"{path}: {error}; records are not edited by hand") from error
