"""Our corruptions fed with the reference's random fields. Runs wherever paperlib runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from paperlib.degrade.corruptions import FUNCTIONS, row
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import truncated

# the reference leaves out a sixth
FROST_FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


class Fields(Draws):
    """Stands in for `Draws`: the numbers that the reference takes from RandomState(seed).

    Ours ask for their numbers in the reference's order, so its stream is theirs; only the layout
    differs: the reference draws for (H, W, 3), ours takes (3, H, W).

    Args:
        seeds: one for each image of the batch.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.states = [np.random.RandomState(seed) for seed in seeds]

    def _gather(self, draw: Any, shape: Sequence[int]) -> Tensor:
        if len(shape) == 3 and shape[0] == 3:
            shape = (*shape[1:], 3)
            return torch.from_numpy(
                np.stack([draw(state, shape).transpose(2, 0, 1) for state in self.states])
            )
        return torch.from_numpy(
            np.stack([np.asarray(draw(state, tuple(shape))) for state in self.states])
        )

    def normal(self, *shape: int) -> Tensor:
        return self._gather(lambda state, size: state.standard_normal(size), shape).float()

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return self._gather(lambda state, size: state.uniform(low, high, size), shape).float()

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        return self._gather(lambda state, size: state.randint(low, high, size=size), shape).int()

    def bits(self, count: int) -> Tensor:
        raise NotImplementedError("raw words have no counterpart in the reference")


class ImpulseFields(Fields):
    """Impulse noise: the reference draws fields for "hit" and "white", ours takes both from one."""

    def __init__(self, seeds: Sequence[int], amount: float) -> None:
        super().__init__(seeds)
        self.amount = amount

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        hit, white = (
            self._gather(lambda state, size: state.random_sample(size), shape) for _ in range(2)
        )
        side = torch.where(white <= 0.5, 0.25, 0.75) * self.amount
        return torch.where(hit <= self.amount, side, 1.0).float()


class FrostFields(Fields):
    """Frost: the reference draws file, row and column; ours takes the last two in 65,536ths."""

    def __init__(
        self, seeds: Sequence[int], size: tuple[int, int], textures: Path, table: str
    ) -> None:
        super().__init__(seeds)
        self.size, self.chosen = np.array(size), np.zeros(0)
        self.rooms = (
            np.array([scaled_size(textures / name, size, table) for name in FROST_FILES])
            - self.size
        )

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        if not shape:
            self.chosen = np.array([state.randint(len(FROST_FILES)) for state in self.states])
            return torch.from_numpy(self.chosen).int()
        rooms = self.rooms[self.chosen]
        corners = np.array(
            [
                [state.randint(0, n) for n in room]
                for state, room in zip(self.states, rooms, strict=True)
            ]
        )
        # The smallest part that is scaled back to the corner.
        return torch.from_numpy(-(-corners * high // rooms)).int()


def scaled_size(path: Path, size: tuple[int, int], table: str) -> tuple[int, int]:
    """Height and width to which the reference resizes a frost texture."""
    with Image.open(path) as texture:
        width, height = texture.size
    if table == "imagecorruptions":
        factor = 1.1 * max(1, size[0] / height, size[1] / width)
        return int(np.ceil(height * factor)), int(np.ceil(width * factor))
    return (round(height * 0.2), round(width * 0.2)) if table == "cifar-c" else (height, width)


def corrupt(
    images: np.ndarray,
    name: str,
    severity: int,
    table: str,
    seeds: Sequence[int],
    textures: Path | None = None,
) -> np.ndarray:
    """(N, H, W, 3) uint8 of ours in one batch: image i with the fields of RandomState(seeds[i])."""
    constants = row(name, severity, table)
    options = {"textures": textures} if name == "frost" else {}
    draws = Fields(seeds)
    if name == "impulse_noise":
        draws = ImpulseFields(seeds, constants[0])
    elif name == "frost" and textures:
        draws = FrostFields(seeds, images.shape[1:3], textures, table)
    levels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    out = truncated(FUNCTIONS[name](levels, draws, *constants, **options))
    return out.permute(0, 2, 3, 1).numpy()


def agreement(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """PSNR in dB (120 if equal), and the shares of values that are equal or one level apart."""
    difference = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    psnr = 120.0 if error == 0 else min(120.0, 10 * np.log10(255**2 / error))
    return {
        "psnr": psnr,
        "equal": float(np.mean(difference == 0)),
        "within_1": float(np.mean(difference <= 1)),
    }
