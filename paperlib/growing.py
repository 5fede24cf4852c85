"""A .npy file of bytes that grows block by block, and goes on after the last whole block if its
writer was killed.

The file is written, not mapped into memory: a full disk is then an error, and not the signal that
kills a process which touches a page of a mapped file that the disk has no room for.
"""

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


class GrowingArray:
    """A .npy file on its way, as a context.

    Args:
        path: of the unfinished file, which may be there.
        shape: of the finished array, uint8.
        blocks: equal parts of the first axis, in which it is written.
        done: SHA-256 of the file after each block that is there, as `append` returned them; what is
            not there or not right is taken off the list and off the file.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], blocks: int, done: list[str]) -> None:
        self._header = npy_header(shape)
        self._block = (file_size(shape) - len(self._header)) // blocks
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._digest = hashlib.sha256(self._header)
        try:
            self._resume(done)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "GrowingArray":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, pieces: Iterable[np.ndarray]) -> str:
        """Write one block, given in pieces, to the disk; returns the SHA-256 of all that is in the
        file now.

        Raises:
            OSError: e.g. a full disk; then the file holds what it held before.
        """
        before = self._file.tell()
        try:
            for piece in pieces:
                data = piece.data.cast("B")
                self._digest.update(data)
                while data:  # an unbuffered write may take less than all, and says so
                    data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(before)  # room for others; half a block is of no use
            raise
        assert self._file.tell() == before + self._block, "a block must be given whole"
        return self._digest.hexdigest()

    def _resume(self, done: list[str]) -> None:
        right = 0
        if self._file.read(len(self._header)) == self._header:
            for expected in done:
                longer, left = self._digest.copy(), self._block
                while left and (data := self._file.read(min(left, 1 << 24))):
                    longer.update(data)
                    left -= len(data)
                if longer.hexdigest() != expected:
                    break
                self._digest, right = longer, right + 1
        del done[right:]
        self._file.seek(0)
        self._file.write(self._header)
        self._file.truncate(len(self._header) + right * self._block)
        self._file.seek(0, os.SEEK_END)


def npy_header(shape: tuple[int, ...]) -> bytes:
    """What comes before the values in a .npy file of uint8."""
    buffer = io.BytesIO()
    header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def file_size(shape: tuple[int, ...]) -> int:
    """Bytes of a .npy file of uint8."""
    return len(npy_header(shape)) + int(np.prod(shape, dtype=np.int64))
