"""Our corruptions with their own random numbers, and wrong versions that a test must notice."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from paperlib.degrade import filters
from paperlib.degrade.corruptions import FUNCTIONS, chunk, row
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import truncated


class NarrowDraws(Draws):
    """Angles, the only numbers drawn from ranges of 90, come from half the range."""

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        narrow = (high - low) / 4 if high - low == 90 else 0
        return super().uniform(*shape, low=low + narrow, high=high - narrow)


def swapping_glass(
    images: Tensor, draws: Draws, sigma: float, reach: int, iterations: int
) -> Tensor:
    """Glass blur that swaps pixels, as the reference's comment says and its code does not."""
    batch, height, width = len(images), *images.shape[-2:]
    pixels = (
        filters.gaussian_blur(images.float(), sigma)
        .add(2.0**-10)
        .floor_()
        .permute(0, 2, 3, 1)
        .numpy()
        .copy()
    )
    each = np.arange(batch)
    for _ in range(iterations):
        steps = draws.integers(-reach, reach, height, width, 2).numpy()
        for row_ in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                there = (
                    each,
                    row_ + steps[:, row_ - 1, column - 1, 0],
                    column + steps[:, row_ - 1, column - 1, 1],
                )
                pixels[each, row_, column], pixels[there] = (
                    pixels[there],
                    pixels[each, row_, column].copy(),
                )
    return filters.gaussian_blur(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), sigma)


def scaled(position: int, factor: float) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Changes one constant of a row."""
    return lambda row_: tuple(
        value * factor if i == position else value for i, value in enumerate(row_)
    )


class Wrong(NamedTuple):
    """What is wrong, and how it is made so: other constants, other draws or another function."""

    what: str
    constants: Callable[[Sequence[Any]], Sequence[Any]] = tuple
    draws: type[Draws] = Draws
    function: Callable[..., Tensor] | None = None


WRONG = {
    "gaussian_noise": Wrong("deviation 5 % larger", scaled(0, 1.05)),
    "shot_noise": Wrong("5 % fewer photons", scaled(0, 0.95)),
    "impulse_noise": Wrong("10 % more impulses", scaled(0, 1.1)),
    "speckle_noise": Wrong("deviation 5 % larger", scaled(0, 1.05)),
    "glass_blur": Wrong("pixels swapped, not copied", function=swapping_glass),
    "motion_blur": Wrong("angles from half the range", draws=NarrowDraws),
    "snow": Wrong("angles from half the range", draws=NarrowDraws),
    "frost": Wrong("5 % more frost", scaled(1, 1.05)),
    "fog": Wrong("each finer scale a quarter weaker", scaled(1, 4 / 3)),
    "elastic_transform": Wrong("affine part a third larger", scaled(2, 4 / 3)),
    "spatter": Wrong("spatter 10 % stronger", scaled(4, 1.1)),
}


def free_running(
    picture: np.ndarray,
    name: str,
    severity: int,
    table: str,
    count: int,
    textures: Path | None = None,
    wrong: Wrong | None = None,
) -> np.ndarray:
    """(count, H, W, 3) uint8: our versions of one picture, images 0, 1, ... of seed 0."""
    wrong = wrong or Wrong("nothing")
    constants = wrong.constants(row(name, severity, table))
    options = {"textures": textures} if name == "frost" else {}
    image = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    parts = []
    for index in torch.arange(count).split(chunk(image)):
        draws = wrong.draws(index, "corruption", name, severity, 0)
        images = image.expand(len(index), -1, -1, -1).contiguous()
        parts.append(
            truncated((wrong.function or FUNCTIONS[name])(images, draws, *constants, **options))
        )
    return torch.cat(parts).permute(0, 2, 3, 1).numpy()
