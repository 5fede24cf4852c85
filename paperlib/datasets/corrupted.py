"""Corrupted test sets from files: the layout of CIFAR-10-C, and the folder tree of ImageNet-C.

Nothing in a file is unpickled. `paperlib.corrupted_set` writes the first layout.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from paperlib.datasets.base import Split
from paperlib.datasets.decoding import one_line, read_jpeg
from paperlib.errors import UserError

MANIFEST, LABELS = "manifest.json", "labels.npy"
SEVERITIES = (1, 2, 3, 4, 5)
# one archive each; unpacked, the folder may remain
IMAGENET_GROUPS = ("blur", "digital", "extra", "noise", "weather")


def cifar_c(
    folder: Path | str,
    corruption: str,
    severity: int | None = None,
    device: torch.device | str = "cpu",
) -> Split:
    """The images of one corruption, from `<folder>/<corruption>.npy` and `<folder>/labels.npy`.

    The published layout: uint8 (5 N, H, W, 3), all N test images at severity 1, then at 2, and so
    on; the labels of the N images five times over. Only what is asked for is read.

    Args:
        folder: the set itself, e.g. ".../CIFAR-10-C". If it holds our manifest, that says which
            severities are there.
        corruption: name of the file.
        severity: 1 to 5; None means all that are there, in order.
        device: where the tensors are to live.
    Returns:
        uint8 (N, 3, H, W), or (5 N, 3, H, W) for all, and int64 labels.
    Raises:
        UserError: something is missing, or a file is not what the layout says.
    """
    folder = Path(folder)
    images, labels = _array(folder, f"{corruption}.npy"), _array(folder, LABELS)
    there = severities(folder)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise UserError(
            f"{folder / corruption}.npy holds {_described(images)}; it must be uint8 (N, H, W, 3)"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"{folder / LABELS} holds {_described(labels)}; it must be integers (N,)")
    if len(images) != len(labels) or len(images) % len(there):
        raise UserError(
            f"{folder}: {corruption}.npy holds {len(images)} images and "
            f"{LABELS} {len(labels)} labels; "
            f"they must be as many, and a multiple of {len(there)} severities"
        )
    part = slice(None)
    if severity is not None:
        if isinstance(severity, bool) or severity not in there:
            raise UserError(f"severity is {severity!r}; {folder} holds {_some(there)}")
        count, block = len(images) // len(there), there.index(severity)
        part = slice(block * count, (block + 1) * count)
    # a copy: the file is mapped, and read-only
    pixels = np.array(images[part].transpose(0, 3, 1, 2), order="C")
    part_labels = torch.from_numpy(labels[part].astype(np.int64))
    return Split(torch.from_numpy(pixels), part_labels).to(device)


def severities(folder: Path) -> tuple[int, ...]:
    """The severities in the files of a set, in order: the manifest's, or without one all five."""
    manifest = read_manifest(folder)
    return SEVERITIES if manifest is None else tuple(manifest["set"]["severities"])


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What `paperlib.corrupted_set` says about a set, or None if there is no manifest.

    Raises:
        UserError: there is a file of that name, and it is something else.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        there = manifest["set"]["severities"]
        ordered = there and there == [s for s in SEVERITIES if s in there]
        right = ordered and isinstance(manifest["files"], dict)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        right = False
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if not right:
        raise UserError(
            f"{path} is not a manifest that paperlib wrote; move it away, or choose another folder"
        )
    return manifest


def _array(folder: Path, name: str) -> np.ndarray:
    """An array mapped into memory, not read; `open_memmap` knows neither pickles nor archives."""
    path = folder / name
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        there = ", ".join(sorted(file.stem for file in folder.glob("*.npy"))) or "no .npy file"
        raise UserError(f"{folder}: no {name}; there is: {there}") from error
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is not a whole .npy file: {one_line(error)}") from error


def imagenet_c(
    folder: Path | str,
    corruption: str,
    severity: int,
    *,
    size: int = 224,
    batch: int = 128,
    classes: Sequence[str] | None = None,
    resize: bool = False,
    workers: int | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of `<folder>/<corruption>/<severity>/<class>/*.JPEG`.

    They may also lie below the group's folder, as in the archives.

    Args:
        folder: e.g. ".../ImageNet-C".
        corruption: name of its folder.
        severity: 1 to 5.
        size: height and width of the images, pixels; those of ImageNet-C are 224 already.
        batch: images in a batch; the last one may hold fewer.
        classes: names of the class folders in the order of their indices, if the set is a part of
            the classes; else the folders that are there, sorted.
        resize: whether to resize images of another size (shorter side to size * 256 / 224,
            bilinear) and to cut out the middle, instead of refusing them.
        workers: threads that decode; default: one per core.
        device: where the tensors are to live.
    Returns:
        An iterator of images uint8 (B, 3, size, size) and labels int64 (B,): sorted by class, then
        by file name.
    Raises:
        UserError: at once, if folders or classes are missing; while iterating, naming the file, if
            one is broken or of another size.
    """
    if batch < 1:
        raise UserError(f"batch is {batch}; it must be at least 1")
    root = _imagenet_folder(Path(folder), corruption, severity)
    names = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    index = {name: i for i, name in enumerate(names if classes is None else classes)}
    if unknown := [name for name in names if name not in index]:
        raise UserError(f"{root} holds classes that the list has not: {_some(unknown)}")
    files = [(path, index[name]) for name in names for path in _jpegs(root / name)]
    if not files:
        raise UserError(f"{root} holds no JPEG files in class folders")

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        decode = partial(_decode, size=size, resize=resize)
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            for start in range(0, len(files), batch):
                paths, labels = zip(*files[start : start + batch], strict=True)
                images = torch.stack(list(pool.map(decode, paths)))
                yield images.to(device), torch.tensor(labels, device=device)

    return batches()


def _imagenet_folder(folder: Path, corruption: str, severity: int) -> Path:
    above = [folder, *(folder / group for group in IMAGENET_GROUPS)]
    found = [path for parent in above if (path := parent / corruption / str(severity)).is_dir()]
    if found:
        return found[0]
    levels = [level for parent in above for level in parent.glob("*/[1-5]") if level.is_dir()]
    there = sorted({"/".join(level.parts[-2:]) for level in levels})
    what = _some(there) or "nothing of ImageNet-C"
    raise UserError(f"{folder}: no {corruption}/{severity}; there is: {what}")


def _jpegs(folder: Path) -> list[Path]:
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if path.suffix.lower() in (".jpeg", ".jpg"))


def _decode(path: Path, size: int, resize: bool) -> Tensor:
    """uint8 (3, size, size), decoded by Pillow as in the published evaluations."""
    from torchvision.transforms.functional import center_crop
    from torchvision.transforms.functional import resize as resized

    image = read_jpeg(path)
    if image.size != (size, size):
        if not resize:
            found = f"{image.height}x{image.width}"
            raise UserError(f"{path} is {found}; it must be {size}x{size}, or resize must be set")
        image = center_crop(resized(image, [size * 256 // 224]), [size])
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _described(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"


def _some(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:20])) + (
        f" and {len(names) - 20} more" if len(names) > 20 else ""
    )
