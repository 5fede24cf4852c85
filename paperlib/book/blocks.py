"""Blocks of Markdown pages that a program writes from committed records, as a test checks.

A block stands between `<!-- name -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from paperlib.evidence.claims import DATA

BLOCK = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.S)
Blocks = Mapping[str, Callable[[], str]]


def render(text: str, blocks: Blocks) -> str:
    """The text with each of its blocks replaced by what the function of this name gives.

    Raises:
        ValueError: a block that nothing writes.
    """

    def written(block: re.Match[str]) -> str:
        if block[1] not in blocks:
            raise ValueError(f"nothing writes the block {block[1]!r}")
        return f"<!-- {block[1]} -->\n{blocks[block[1]]()}\n<!-- end -->"

    return BLOCK.sub(written, text)


def rendered(pages: Iterable[Path], blocks: Blocks) -> dict[Path, str]:
    """Every page as it should be.

    Raises:
        ValueError: a block that nothing writes, or one that stands on no page.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    if lost := blocks.keys() - {name for text in texts.values() for name in BLOCK.findall(text)}:
        raise ValueError(f"on no page: {', '.join(sorted(lost))}")
    return {page: render(text, blocks) for page, text in texts.items()}


def pipe(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def benchmarks(pattern: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The device and the whole record of each benchmark in `data/results/bench/`."""
    for path in sorted((DATA / "results" / "bench").glob(pattern)):
        record = json.loads(path.read_text(encoding="utf-8"))
        yield record["provenance"]["device"], record


def mode(result: Mapping[str, Any]) -> str:
    """How a step was executed: "bf16, compiled"."""
    return result["precision"] + (", compiled" if result["compile"] else "")


def span(values: Iterable[float]) -> str:
    """The lowest and the highest of some turns."""
    values = list(values)
    return f"{min(values):.0f} to {max(values):.0f}"


def profiles() -> str:
    """What profiles cost, measured by whole reproductions from nothing."""
    rows = []
    for path in sorted((DATA / "results" / "cost").glob("*.json")):
        cost = json.loads(path.read_text(encoding="utf-8"))
        memory = f"{cost['peak_process_bytes'] / 2**30:.1f} GiB × {cost['workers']}"
        seconds = f"{cost['seconds'] // 60} min {cost['seconds'] % 60} s"
        machine = f"{cost['device']}, {cost['cores']} cores"
        rows.append((*path.stem.split("-", 2), seconds, memory, machine, cost["date"]))
    memory = "peak memory (process × processes)"
    return pipe(("paper", "profile", "data", "time", memory, "on", "measured"), rows)


def corruptions() -> str:
    """The suite against the package imagecorruptions, by device and size of image."""
    rows = []
    for device, record in benchmarks("corruptions-*.json"):
        for size in record["sizes"]:
            total = size["summary"]
            ratios = {row["corruption"]: row["ratio"] for row in size["corruptions"]}
            times = [f"{total[f'suite_{who}_ms']:.3g} ms" for who in ("reference", "ours")]
            means = f"{total['suite_ratio']:.0f}×", f"{total['geometric_mean']:.1f}×"
            least = f"{total['worst']} {total['worst_ratio']:.1f}×"
            image = f"{size['size']} × {size['size']}"
            rows.append((device, image, *times, *means, f"{ratios['glass_blur']:.0f}×", least))
    suite = ("imagecorruptions, all 19", "ours", "ratio", "geometric mean", "glass blur", "least")
    return pipe(("device", "image", *suite), rows)


BLOCKS: Blocks = {"profiles": profiles, "corruptions": corruptions}
