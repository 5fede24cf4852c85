"""`python -m paperlib corrupt`: from the words of the command line to a corrupted test set on the
disk."""

import time
from pathlib import Path

from paperlib import datasets
from paperlib.corrupted_set import CorruptedSet
from paperlib.degrade.frost import find_textures
from paperlib.degrade.specs import parse_corruptions, parse_severities
from paperlib.degrade.tables import TABLES
from paperlib.errors import UserError, choose
from paperlib.execution import Execution

OFFICIAL = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}
TABLE_OF_SIZE = {(32, 32): "cifar-c", (224, 224): "imagenet-c"}


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
    """Write corrupted copies of a data set's test images, and say on standard output what is done.

    Args:
        dataset: see `datasets.load`; one of images with a label each.
        out: see `set_folder`.
        corruptions, severities: see `parse_corruptions` and `parse_severities`.
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
    if datasets.known(dataset) in datasets.DETECTION:
        raise UserError(
            f"{dataset}: the layout of CIFAR-10-C holds a label for every image, and no boxes"
        )
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
    numbers = ", ".join(map(str, severity_list))
    print(f"{folder}: {len(clean)} test images of {dataset}, {len(names)} corruption(s) at severities {numbers}, "
          f"table {table}, seed {seed_number}, on {clean.images.device}", flush=True)  # fmt: skip
    if severity_list != list(range(1, len(severity_list) + 1)):
        print(
            "other loaders take the first severity of a file for 1, the second for 2, ...; paperlib's does not"
        )
    written = corrupted.write(names)
    seconds = time.perf_counter() - started
    print(
        f"{len(written)} file(s) written, {len(names) - len(written)} verified, {seconds:.0f} s in all"
    )
    return folder


def set_folder(out: Path, dataset: str) -> Path:
    """Where a set goes: `<out>/CIFAR-10-C` and the like, or `out` itself if it has that name
    already.

    So `--out DATA` makes what robustbench looks for below its `data_dir="DATA"`.
    """
    name = OFFICIAL.get(dataset, f"{dataset}-C")
    return out if out.name == name else out / name


def default_table(height: int, width: int) -> str:
    """The severity table that was made for images of this size. Raises `UserError` if none was:
    nothing is scaled."""
    if (height, width) not in TABLE_OF_SIZE:
        raise UserError(
            f"no severity table was made for {height}x{width} images; choose one of: {', '.join(TABLES)}"
        )
    return TABLE_OF_SIZE[height, width]


def _textures(folder: Path | None, root: Path | None) -> Path:
    try:
        return find_textures(folder)
    except UserError as error:
        if folder is None and root is not None and (root / "frost").is_dir():
            return find_textures(root / "frost")
        raise UserError(f"{error}; --frost DIR names their folder on the command line") from error
