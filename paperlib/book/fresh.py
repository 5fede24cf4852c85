"""Whether what was rendered is still what would be rendered now.

Beside a rendering lies a stamp: a hash of all that it was made of, and of what came out. If neither
has changed, there is nothing to do.
"""

import hashlib
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from paperlib.errors import UserError

# what a rendering is made of: text, bytes, or a path, which stands for all files there
Part = str | bytes | memoryview | Path

IGNORED = {"__pycache__", ".ipynb_checkpoints", "_build"}


def fingerprint(*parts: Part) -> str:
    """SHA-256 of some parts, in order."""
    sha = hashlib.sha256()
    for part in parts:
        for name, data in _contents(part):
            sha.update(f"{name} {memoryview(data).nbytes}\n".encode())
            sha.update(data)
    return sha.hexdigest()


def _contents(part: Part) -> Iterator[tuple[str, bytes | memoryview]]:
    if isinstance(part, str):
        yield "text", part.encode()
    elif not isinstance(part, Path):
        yield "bytes", part
    elif part.is_dir():
        for path in sorted(part.rglob("*")):
            name = path.relative_to(part)
            if path.is_file() and not IGNORED & set(name.parts):
                yield name.as_posix(), path.read_bytes()
    else:
        yield "file", part.read_bytes() if part.exists() else b"missing"


def installed() -> str:
    """The versions of all packages of this interpreter."""
    folders = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    found = (path.name for folder in folders for path in Path(folder).glob("*.dist-info"))
    return "\n".join([sysconfig.get_python_version(), *sorted(found)])


def unchanged(stamp: Path, made_of: str, outputs: Iterable[Path]) -> bool:
    """Whether `outputs`, files and folders, are what was made of the inputs as they are now.

    `stamp` is where `write` left its line, `made_of` the `fingerprint` of all inputs.
    """
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _line(made_of, outputs)


def write(stamp: Path, made_of: str, outputs: Iterable[Path]) -> None:
    """Note what was made of what: `made_of` is the `fingerprint` from before it was made."""
    try:
        stamp.write_text(_line(made_of, outputs), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{stamp}: {error.strerror}") from error


def _line(made_of: str, outputs: Iterable[Path]) -> str:
    return f"{made_of} {fingerprint(*outputs)}\n"
