"""Images that a network restores before the classifier sees them."""

from torch import Tensor, nn

from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.levels import to_float, to_levels
from paperlib.degrade.lowres import resize
from paperlib.execution import Execution
from paperlib.networks.frozen_parts import frozen


class Restored:
    """A degradation and the restoration of a "frontend" before the classifier sees the image.

    A restored image that is smaller than the original goes back to its size with the bicubic
    kernel, as the low-resolution images do.
    """

    def __init__(self, degradation: Degradation, frontend: nn.Module, execution: Execution) -> None:
        self.degradation, self.frontend, self.execution = degradation, frontend, execution
        self.fixed = degradation.fixed

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        """(B, 3, H, W) uint8 -> the same."""
        with self.execution.autocast():
            restored = frozen(self.frontend, to_float(self.degradation(images, key)))
        levels = to_levels(restored.float())
        return to_levels(resize(to_float(levels), images.shape[-1]))


def restored(
    degradation: Degradation, frontend: nn.Module | None, execution: Execution
) -> Degradation:
    """The degradation, and the restoration behind it where there is one."""
    return Restored(degradation, frontend, execution) if frontend else degradation
