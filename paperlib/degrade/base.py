"""What the training loop knows of a degradation."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImageKey:
    """Which images a batch holds, and which draw of the degradation is asked for.

    The same image with the same draw is degraded by the same bits, in whatever batch.

    Attributes:
        index: (B,) int64, each image's position in its part of the data set.
        draw: ("train", seed, epoch) in training, ("train", seed) once before it; after it
            ("test", seed) or ("validation", seed).
    """

    index: Tensor
    draw: tuple[int | str, ...] = ()


class Degradation(Protocol):
    """What turns clean images into what a network sees.

    Levels in, levels out: whoever calls a network on the result makes floats of it, once.
    """

    @property
    def fixed(self) -> bool:
        """Whether each training image is degraded once, before any crop, for the whole training."""

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        """Degrade a batch.

        Args:
            images: (B, 3, H, W) uint8.
            key: which images these are; by default images 0, 1, ... of no named draw.
        Returns:
            (B, 3, h, w) uint8.
        """
