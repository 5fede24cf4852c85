"""Committed results: records of finished runs, promoted into `data/results/<slug>/`.

A manifest lists what is there, so that a record that was deleted or edited is missed.
"""

import csv
import dataclasses
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from paperlib.errors import Corrupt, UserError
from paperlib.files import sha256, unpack, write_atomically
from paperlib.fingerprint import in_words, stale_code
from paperlib.runs import Record, Run
from paperlib.store import SAMPLES, Store

LONGEST = 120  # characters of a label in a file's name, which may have 255 bytes
POINTS = 40  # the most entries of a history that is committed
MANIFEST = "manifest.csv"


class Entry(NamedTuple):
    """A line of the manifest: the columns, all text."""

    run: str  # its hash
    file: str  # of the record
    sha256: str  # of that file
    commit: str  # of the code that trained the run; a "+" behind it: of changed files
    date: str  # of the end of the training


class Origin(NamedTuple):
    """The records that one commit's code has made."""

    commit: str
    records: int
    oldest: str  # dates, as 2026-11-25
    newest: str


class Archive:
    """The committed records below one folder; as `Results`, it leaves out runs without a record.

    Raises:
        UserError: the manifest is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries = _read_manifest(folder / MANIFEST)
        self._paths = {_run_of(path): path for path in sorted(folder.glob("*.json"))}

    def __call__(self, runs: Iterable[Run]) -> list[Record]:
        """The records there are, in the order of the runs.

        Raises:
            UserError: one is missing, edited, or not in the manifest; the line says what mends it.
        """
        hashes = ((run, run.hash) for run in runs)
        known = self._entries.keys() | self._paths.keys()
        return [self._record(run, own) for run, own in hashes if own in known]

    def samples(self, run: Run) -> dict[str, Tensor]:
        """The sample images beside a record, uint8 by name; empty if there are none.

        Raises:
            UserError: they are missing, or others than the record says, or the record is wrong.
        """
        record = next(iter(self([run])), None)
        if record is None or SAMPLES not in record.files:
            return {}
        path = self._paths[run.hash].with_suffix(".safetensors")
        if not path.exists():
            raise UserError(f"{_shown(path)} is missing; {self._mend}")
        if sha256(path) != record.files[SAMPLES]:
            raise UserError(f"{_shown(path)}: not the samples of its record; {self._mend}")
        return unpack(path)[0]

    def promote(self, run: Run, store: Store, replace: bool = False) -> Path:
        """Copy a finished run's record and samples here; the same record twice is no mistake.

        Of its history at most `POINTS` entries are kept, see `thinned`.

        Raises:
            UserError: the run is not finished, or has another record and `replace` is False.
        """
        found = store.record(run)
        if found is None:
            raise UserError(f"{run.hash} ({run.label}) is not finished in {store.root}")
        record = thinned(found)
        name = re.sub(r"[^a-zA-Z0-9.=_]+", "-", run.label)[:LONGEST]
        path = self._paths.get(run.hash, self.folder / f"{name}-{run.hash}.json")
        if path.exists() and not replace and not _holds(path, record):
            raise UserError(f"{_shown(path)} exists; a record is replaced only with --replace")
        samples = path.with_suffix(".safetensors")
        samples.unlink(missing_ok=True)
        if SAMPLES in record.files:
            write_atomically(samples, (store.folder(run) / SAMPLES).read_bytes())
        content = record.to_json().encode()
        write_atomically(path, content)
        self._paths[run.hash] = path
        commit, date = (str(record.provenance.get(key, "")) for key in ("commit", "date"))
        sha = hashlib.sha256(content).hexdigest()
        self._write({**self._entries, run.hash: Entry(run.hash, path.name, sha, commit, date)})
        return path

    def keep_only(self, runs: Iterable[Run]) -> list[Path]:
        """Remove the records of all other runs, with their samples.

        Args:
            runs: all that any page's plan names, whether they have records or not.

        Returns:
            The records that were removed.
        Raises:
            UserError: no record would be left.
        """
        kept = {run.hash for run in runs}
        gone = [path for run, path in self._paths.items() if run not in kept]
        if gone and len(gone) == len(self._paths):
            raise UserError(f"{_shown(self.folder)}: none of its records is to be kept")
        for path in [*gone, *self.folder.glob("*.safetensors")]:
            if _run_of(path) not in kept:
                path.unlink()
        self._paths = {run: path for run, path in self._paths.items() if run in kept}
        left = {run: entry for run, entry in self._entries.items() if run in kept}
        if left != self._entries:
            self._write(left)
        return gone

    def origins(self) -> list[Origin]:
        """Which commits the records come from, those of most records first."""
        dates = defaultdict(list)
        for entry in self._entries.values():
            dates[entry.commit].append(entry.date)
        origins = [Origin(one, len(own), min(own), max(own)) for one, own in dates.items()]
        return sorted(origins, key=lambda one: (-one.records, one.commit))

    def stale(self) -> str:
        """How many records were made by other code than that at hand, in one line; "" if none.

        Raises:
            UserError: a record is missing or edited.
        """
        found = {run: names for run in self._entries if (names := self._changed(run))}
        if not found:
            return ""
        words = in_words("code", (name for names in found.values() for name in names))
        return f"{len(found)} of {len(self._entries)} records were made {words}"

    def _changed(self, own: str) -> list[str]:
        """The modules that differ from those that made a record."""
        content = self._content(own)
        try:
            return stale_code(Record.from_json(content))
        except (Corrupt, UserError):  # a field, a method or a degradation that was renamed
            return ["names that are gone"]

    def _record(self, run: Run, own: str) -> Record:
        content = self._content(own)
        try:
            record = Record.from_json(content)
            if record.run != run:
                raise Corrupt("it belongs to another run")
            return record
        except Corrupt as error:
            path = self.folder / self._entries[own].file
            raise UserError(f"{_shown(path)}: {error}; {self._mend}") from error

    def _content(self, own: str) -> bytes:
        """The file of a record, by the hash of its run, as the manifest lists it."""
        entry = self._entries.get(own)
        if entry is None:
            path, mend = _shown(self._paths[own]), f"python -m paperlib record {self.folder.name}"
            raise UserError(f"{path} is not in {MANIFEST}; `{mend}` lists it if its run is there")
        path = self.folder / entry.file
        if not path.exists():
            raise UserError(f"{_shown(path)} is missing; {self._mend}")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            what = f"not what {MANIFEST} lists, and records are not edited by hand"
            raise UserError(f"{_shown(path)}: {what}; {self._mend}")
        return content

    @property
    def _mend(self) -> str:
        again = f"python -m paperlib record {self.folder.name} --replace"
        return f"`git checkout` brings it back, or `{again}` from the runs"

    def _write(self, entries: Mapping[str, Entry]) -> None:
        """Write the manifest, by the files' names: then a change of it is easy to read."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerows([Entry._fields, *sorted(entries.values(), key=lambda one: one.file)])
        write_atomically(self.folder / MANIFEST, text.getvalue().encode())
        self._entries = dict(entries)


def thinned(record: Record) -> Record:
    """The record with at most `POINTS` entries of its history, evenly apart, the last one kept.

    Each then says the number of its "epoch", from 1.
    """
    count = len(record.history)
    step = -(-count // POINTS)
    if step <= 1:
        return record
    kept = range((count - 1) % step, count, step)
    history = tuple({"epoch": i + 1, **record.history[i]} for i in kept)
    return dataclasses.replace(record, history=history)


def _run_of(path: Path) -> str:
    """The hash of a file's run, in which its name ends: nothing needs reading to find it."""
    return path.stem.rsplit("-", 1)[-1]


def _holds(path: Path, record: Record) -> bool:
    """Whether a file holds a record, perhaps with more of its history."""
    try:
        return thinned(Record.from_json(path.read_bytes())) == record
    except Corrupt:
        return False


def _read_manifest(path: Path) -> dict[str, Entry]:
    """The lines of a manifest by the hash of their run; none if there is no file."""
    if not path.exists():
        return {}
    head, *lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8")))) or [[]]
    out = {line[0]: Entry(*line) for line in lines if len(line) == len(Entry._fields)}
    if tuple(head) != Entry._fields or len(out) != len(lines):
        again = f"`python -m paperlib record {path.parent.name}` after it was removed"
        raise UserError(f"{_shown(path)} is damaged; `git checkout` brings it back, or {again}")
    return out


def _shown(path: Path) -> Path:
    """A path as short as it can be shown here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
