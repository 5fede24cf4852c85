"""What the training loop knows of a degradation."""

from typing import NamedTuple, Protocol

from torch import Tensor


class Which(NamedTuple):
    """Which images a batch holds, and which draw of the degradation is asked for.

    The same image with the same key is degraded by the same bits, in whatever batch.
    """

    number: Tensor  # (B,) int64: each image's position in its part of the data set
    # ("train", seed, epoch) in training, ("test",) or ("validation",) after it
    key: tuple[int | str, ...]


class Degradation(Protocol):
    """What turns clean images into what a network sees."""

    @property
    def fixed(self) -> bool:
        """Whether training images are degraded once, before any crop: each has one degraded copy
        for good."""

    def __call__(self, images: Tensor, which: Which | None = None) -> Tensor:
        """(B, 3, H, W) float in [0, 1] -> (B, 3, h, w) float in [0, 1]. Without `which`, images 0,
        1, ... of no key."""
