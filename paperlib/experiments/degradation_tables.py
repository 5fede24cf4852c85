"""The tables of the page on degradations: constants, and the records of parity, statistics and speed."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from paperlib.degrade.corruptions import to_levels
from paperlib.degrade.draws import Draws
from paperlib.degrade.tables import CORRUPTIONS, TABLES
from paperlib.report import DATA, Table

MEANING = {
    "gaussian_noise": "standard deviation",
    "shot_noise": "photons at full brightness",
    "impulse_noise": "share of values",
    "defocus_blur": "radius, sigma of the edge",
    "glass_blur": "sigma, reach, iterations",
    "motion_blur": "radius, sigma",
    "zoom_blur": "end, step",
    "snow": "mean, sd, zoom, threshold, radius, sigma, image weight",
    "frost": "image weight, frost weight (scale)",
    "fog": "strength, decay",
    "brightness": "added to V",
    "contrast": "factor",
    "elastic_transform": "amplitude, sigma, shear",
    "pixelate": "factor on the size",
    "jpeg_compression": "quality",
    "speckle_noise": "standard deviation, times x",
    "gaussian_blur": "sigma",
    "spatter": "mean, sd, sigma, threshold, strength, mud?",
    "saturate": "factor on S, added to S",
}


def _row(constants: Sequence[Any]) -> str:
    return ", ".join("mud" if x is True else "water" if x is False else f"{x:g}" for x in constants)


def severities() -> Table:
    """The two published sets of constants side by side."""
    rows = [
        (name, MEANING[name], *("; ".join(map(_row, TABLES[table][name])) for table in ("imagenet-c", "cifar-c")))
        for name in CORRUPTIONS
    ]
    return Table("Severities 1; 2; 3; 4; 5", ("corruption", "constants", "imagenet-c", "cifar-c"), rows)


def _records(pattern: str) -> list[tuple[str, dict[str, Any]]]:
    paths = sorted((DATA / "results").glob(pattern))
    return [(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def series(function: Callable[..., Tensor], image: Tensor, values: Sequence[Mapping[str, Any]]) -> Tensor:
    """(n, 3, H, W) uint8: one image under a degradation at several settings, always with the same draws."""
    batch, index = image[None], torch.zeros(1, dtype=torch.int64)
    return torch.cat([to_levels(function(batch, Draws(index, function.__name__), **kwargs)) for kwargs in values])
