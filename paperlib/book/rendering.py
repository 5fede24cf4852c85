"""A chapter and the site around it, made only if anything that they are made of has changed."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from paperlib.book import fresh
from paperlib.datasets import Dataset
from paperlib.degrade import frost
from paperlib.errors import UserError


def render(
    source: Path, parameters: Mapping[str, Any], out: Path, made_of: Iterable[fresh.Part]
) -> tuple[Path, Path]:
    """Execute a chapter and build the book's site with it.

    Args:
        source: of the chapter, in the folder of the book.
        parameters: of the chapter.
        out: the folder of notebook, site and their stamps.
        made_of: what the chapter shows beside its source and parameters: code, data, records.
    Returns:
        The executed notebook, and the chapter's page in the site.
    """
    executed, site, slug = out / f"{source.stem}.ipynb", out / "site", source.stem
    parts = (json.dumps(dict(parameters)), fresh.installed(), source, *made_of)
    inputs, stamp = fresh.fingerprint(*parts), out / "chapter.stamp"
    if not fresh.unchanged(stamp, inputs, [executed]):
        from paperlib.book import notebooks  # takes a second to import

        notebooks.execute(source, executed, parameters)
        fresh.write(stamp, inputs, [executed])
    mathjax = os.environ.get("PAPERLIB_MATHJAX", "")
    inputs = fresh.fingerprint(fresh.installed(), source.parent, executed, mathjax)
    stamp = out / "site.stamp"
    if not fresh.unchanged(stamp, inputs, [site]):
        from paperlib.book import notebooks

        notebooks.build_site(site, {slug: executed})
        fresh.write(stamp, inputs, [site])
    return executed, site / f"{slug}.html"


def pictures(data: Iterable[Dataset]) -> Iterator[fresh.Part]:
    """All that a chapter may show of its data sets, and the photographs of frost."""
    for dataset in data:
        yield " ".join(dataset.classes)
        for split in (dataset.train, dataset.test):
            for tensor in (split.images, split.labels):
                yield tensor.numpy().reshape(-1).data
    try:
        yield frost.find_textures()
    except UserError:
        yield "no photographs of frost"
