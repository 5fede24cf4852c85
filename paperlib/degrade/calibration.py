"""The strength of a distortion at which a network keeps a given fraction of its accuracy.

Distortions of different kinds have no common unit; what they cost one named network, usually the
undistorted baseline, is one. Calibrate on that network once, keep the strengths, and compare other
networks under them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import rounded, to_float
from paperlib.errors import UserError

BATCH = 256  # images that the network takes at once
STEPS = 12  # bisections at most: they leave 2**-12 of the whole interval


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        strength: in [0, 1], where the accuracy came nearest to the target.
        accuracy: measured there, a share in [0, 1].
        clean: the accuracy on the images unchanged.
    """

    strength: float
    accuracy: float
    clean: float


@torch.inference_mode()
def calibrate(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    distort: Callable[[Tensor, Draws, float], Tensor],
    fraction: float,
    chance: float = 0.0,
) -> Calibration:
    """The strength of a distortion at which a classifier keeps `fraction` of its clean accuracy.

    With `chance` it is a fraction of the accuracy above chance. Among ten classes a tenth of the
    images are right by luck: a strength that leaves a quarter of 50 % would leave hardly more.

    Found by bisection, until the accuracy is within half a binomial standard error of the target,
    or for `STEPS` steps, which an accuracy that jumps over the target needs; the result is the
    nearest that was measured. Each image has the same draws at every strength.

    Args:
        network: in evaluation mode, from (B, C, H, W) float32 in [0, 1] to (B, classes) logits.
        images: (N, C, H, W) uint8, at least one, on the network's device.
        labels: (N,) integers, anywhere.
        distort: from (images, draws, strength) to levels, such as one of `distortions.DISTORTIONS`.
            Its result is made 8 bits by clipping and rounding. Strength 0 must leave the images
            unchanged.
        fraction: in (0, 1).
        chance: the accuracy of a guess, a share in [0, 1).
    Returns:
        The calibration; at strength 1 if even that keeps too much, or if the network is no better
        than chance on clean images.
    Raises:
        UserError: the network is right about no clean image.
    """
    labels = labels.to(images.device)
    index = torch.arange(len(images), device=images.device)

    @cache
    def accuracy(strength: float) -> float:
        right = torch.zeros((), dtype=torch.int64, device=images.device)
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            levels = distort(images[part], Draws(index[part], "calibration", 0), strength)
            predicted = network(to_float(rounded(levels))).argmax(1)
            right += (predicted == labels[part]).sum()
        return int(right) / len(images)

    clean = accuracy(0.0)
    if clean == 0:
        raise UserError("the network is right about none of the clean images: nothing to keep")
    strength = 1.0
    if clean > chance:
        target = chance + fraction * (clean - chance)
        strength = _bisect(accuracy, target, math.sqrt(target * (1 - target) / len(images)) / 2)
    return Calibration(strength, accuracy(strength), clean)


def _bisect(accuracy: Callable[[float], float], target: float, tolerance: float) -> float:
    """The strength in [0, 1] whose accuracy came nearest to a target below that of strength 0."""
    if accuracy(0.0) <= target + tolerance:
        return 0.0
    if accuracy(1.0) > target + tolerance:
        return 1.0
    low, high = 0.0, 1.0
    tried = [low, high]
    while abs(accuracy(tried[-1]) - target) > tolerance and len(tried) < 2 + STEPS:
        middle = (low + high) / 2
        tried.append(middle)
        low, high = (middle, high) if accuracy(middle) > target else (low, middle)
    return min(tried, key=lambda strength: abs(accuracy(strength) - target))
