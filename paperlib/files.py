"""Files that are written whole or not at all, checked when they are read, never unpickled.

Tensors are safetensors that carry their own checksum.
"""

import contextlib
import hashlib
import io
import json
import os
import secrets
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import safetensors.torch
import torch
from torch import Tensor

from paperlib.errors import Corrupt


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of `path` when the block ends without an error.

    A reader finds either all of it or what was there before, also after a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file as `replacing` says."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def sha256(path: Path) -> str:
    """The checksum of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def set_aside(path: Path, why: object, what: str) -> None:
    """Rename a damaged file to `*.corrupt`, and warn that `what` is made again."""
    aside = path.with_name(f"{path.name}.corrupt")
    with contextlib.suppress(FileNotFoundError):  # another process was quicker
        os.replace(path, aside)
    warnings.warn(f"{path}: {why}; set aside as {aside.name}, {what} is made again", stacklevel=3)


def pack(tensors: Mapping[str, Tensor], **values: Any) -> bytes:
    """Tensors and plain values as one safetensors file that carries its own checksum."""
    file = io.BytesIO(safetensors.torch.save(*_packed(tensors, values)))
    _sort_metadata(file)
    return file.getvalue()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], **values: Any) -> None:
    """`pack` into a file, without a copy of the tensors in memory."""
    contents, metadata = _packed(tensors, values)
    with replacing(path) as temporary:
        safetensors.torch.save_file(contents, temporary, metadata)
        with temporary.open("r+b") as file:
            _sort_metadata(file)


def unpack(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `pack` wrote, tensors mapped into memory. Raises `Corrupt` if it is anything else."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            meta = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        if _checksum(tensors, meta["values"]) != meta["sha256"]:
            raise Corrupt("checksum does not match")
        return tensors, json.loads(meta["values"])
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise Corrupt(str(error)) from error


def _packed(
    tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors as they are kept, and the metadata beside them."""
    contents = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(values, sort_keys=True)
    return contents, {"values": text, "sha256": _checksum(contents, text)}


def _sort_metadata(file: IO[bytes]) -> None:
    """Put the metadata of a safetensors file, written in a random order, in that of their names.

    So equal contents make equal files, and a file's checksum tells whether weights are the same.
    """
    size = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(size))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(text) <= size, "the same text in another order"
    file.seek(8)
    file.write(text.ljust(size))


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 of the values' text and, by name, of each tensor as a safetensors file of its own.

    That file is not made, because a data set may take up most of the memory.
    """
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        shape = tuple(tensor.shape)
        # Its header holds the type by its short name, as that of an empty tensor does.
        empty = safetensors.torch.save({"": torch.empty(0, dtype=tensor.dtype)})
        entry = json.loads(empty[8:])[""] | {"shape": shape, "data_offsets": (0, tensor.nbytes)}
        header = json.dumps({"": entry}, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        sha.update(f"{name} {tensor.dtype} {shape}".encode())
        sha.update(len(header).to_bytes(8, "little") + header)
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
