"""The strength of a distortion at which a network keeps a given fraction of its clean accuracy.

Distortions of different kinds have no common unit; what they cost one named network, usually the
undistorted baseline, is one. Calibrate on that network once, keep the strengths, and compare other
networks under them.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import rounded, to_float
from paperlib.errors import UserError


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        strength: where the accuracy came nearest to the target.
        accuracy: measured there.
        standard_error: of that measurement, binomial: how far the accuracy on other images of the
            same kind may be, not how far it is from the target.
        target: the accuracy asked for.
        reached: whether `accuracy` is within the tolerance of it.
        clean: the accuracy at the lowest strength.
        tried: all (strength, accuracy) measured, in the order of measuring.
    """

    strength: float
    accuracy: float
    standard_error: float
    target: float
    reached: bool
    clean: float
    tried: tuple[tuple[float, float], ...]

    @property
    def kept(self) -> float:
        """The fraction of the clean accuracy that is kept."""
        return self.accuracy / self.clean if self.clean else math.nan


def calibrate(
    accuracy: Callable[[float], float],
    target: float,
    low: float = 0.0,
    high: float = 1.0,
    tolerance: float | None = None,
    steps: int = 12,
    *,
    count: int,
    strict: bool = True,
) -> Calibration:
    """The strength at which an accuracy that falls with strength, on the whole, meets a target.

    Bisection: both ends are measured, then the middle of what remains, on the side where the target
    lies. It stops as soon as an accuracy is within the tolerance of the target, or after `steps`
    middles, which leaves an interval of 2**-steps of the whole; the result is the nearest that was
    measured. With an accuracy that jumps over the target (a parameter in steps, few images) the
    latter happens, and `reached` is false. Noise in the accuracy can lead to the wrong half only
    near the target, so the result is off by about that noise.

    Args:
        accuracy: from a strength to a share in [0, 1], measured on `count` images.
        target: the accuracy to find, in (0, 1).
        low: the lowest strength.
        high: the highest strength.
        tolerance: in accuracy; by default half the binomial standard error at the target.
        steps: at least 1.
        count: images on which the accuracy is measured, at least 1.
        strict: whether it is an error that even the highest strength leaves too much; otherwise the
            result is that strength, with `reached` false.
    Raises:
        UserError: a parameter out of range; an accuracy below the target at the lowest strength, or
            above it at the highest (by more than the tolerance); an accuracy that is no share.
    """
    if not 0 < target < 1:
        raise UserError(f"target is {target}; an accuracy to find must lie between 0 and 1")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"strengths from {low} to {high} are no interval")
    if steps < 1 or count < 1:
        raise UserError(f"steps is {steps} and count is {count}; both must be at least 1")
    if tolerance is None:
        tolerance = _standard_error(target, count) / 2
    if not tolerance >= 0:
        raise UserError(f"tolerance is {tolerance}; it must be at least 0")
    tried: list[tuple[float, float]] = []

    def measure(strength: float) -> float:
        value = float(accuracy(strength))
        if not 0 <= value <= 1:
            raise UserError(
                f"the accuracy at strength {strength:g} is {value}; it must be a share from 0 to 1"
            )
        tried.append((strength, value))
        return value

    def within(value: float) -> bool:
        return abs(value - target) <= tolerance

    def result(strength: float, value: float) -> Calibration:
        error = _standard_error(value, count)
        return Calibration(strength, value, error, target, within(value), clean, tuple(tried))

    clean = measure(low)
    if not within(clean):
        if clean < target:
            raise UserError(
                f"the lowest strength, {low:g}, leaves {clean:.4f}: "
                f"less than the target {target:.4f}"
            )
        kept = measure(high)
        if kept > target + tolerance:
            if not strict:
                return result(high, kept)
            raise UserError(
                f"even the highest strength, {high:g}, keeps {kept:.4f}: "
                f"more than the target {target:.4f}"
            )
    for _ in range(steps):
        if within(tried[-1][1]):
            break
        middle = (low + high) / 2
        if measure(middle) > target:
            low = middle
        else:
            high = middle
    return result(*min(tried, key=lambda point: abs(point[1] - target)))


def keeps(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    distort: Callable[[Tensor, Draws, float], Tensor],
    fraction: float,
    *,
    seed: int = 0,
    batch_size: int = 256,
    low: float = 0.0,
    high: float = 1.0,
    tolerance: float | None = None,
    steps: int = 12,
    chance: float = 0.0,
    strict: bool = True,
) -> Calibration:
    """The strength of a distortion at which a classifier keeps `fraction` of its clean accuracy.

    With `chance` it is a fraction of the accuracy above chance. Among ten classes a tenth of the
    images are right by luck: a strength that leaves a quarter of 50 % would leave hardly more.

    Each image has the same draws at every strength, so nothing but the strength differs.

    Args:
        network: from (B, C, H, W) float32 in [0, 1] to (B, classes) logits. A module is used in
            evaluation mode; afterwards its mode is restored.
        images: (N, C, H, W) uint8, on the network's device.
        labels: (N,) integers, anywhere.
        distort: from (images, draws, strength) to levels, such as one of `distortions.DISTORTIONS`.
            Its result is made 8 bits by clipping and rounding. Strength 0 must leave the images
            unchanged.
        fraction: in (0, 1).
        seed: another one gives other draws.
        batch_size: images that the network takes at once.
        low: see `calibrate`; clean is strength 0, whatever `low` is.
        high: see `calibrate`.
        tolerance: see `calibrate`.
        steps: see `calibrate`.
        chance: the accuracy of a guess, a share in [0, 1). A network that is no better on clean
            images has nothing to keep: an error, or without `strict` the highest strength.
        strict: see `calibrate`.
    Returns:
        The calibration; its `clean` is the accuracy on the images unchanged.
    Raises:
        UserError: as for `calibrate`; no images, images that are not uint8, labels of another
            number, or a network that is right about no clean image.
    """
    if not 0 < fraction < 1:
        raise UserError(
            f"fraction is {fraction}; "
            "the fraction of the clean accuracy to keep must lie between 0 and 1"
        )
    _check_images(images, labels)
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}; it must be at least 1")
    labels = labels.to(images.device)
    index = torch.arange(len(images), device=images.device)

    @cache
    def accuracy(strength: float) -> float:
        right = torch.zeros((), dtype=torch.int64, device=images.device)
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            levels = distort(images[part], Draws(index[part], "calibration", seed), strength)
            predicted = network(to_float(rounded(levels))).argmax(1)
            right += (predicted == labels[part]).sum()
        return int(right) / len(images)

    with _evaluating(network), torch.inference_mode():
        clean = accuracy(0.0)
        if clean == 0:
            raise UserError(
                "the network is right about none of the clean images: there is nothing to keep"
            )
        if clean <= chance and not strict:
            left = accuracy(high)
            error = _standard_error(left, len(images))
            return Calibration(high, left, error, chance, False, clean, ((high, left),))
        if clean <= chance:
            raise UserError(
                f"the network is right about {clean:.4f} of the clean images: no better than chance"
            )
        target = chance + fraction * (clean - chance)
        result = calibrate(
            accuracy, target, low, high, tolerance, steps, count=len(images), strict=strict
        )
    return replace(result, clean=clean)


def _check_images(images: Tensor, labels: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
        raise UserError(
            f"images are {images.dtype} {tuple(images.shape)}; "
            "they must be uint8 (N, C, H, W), N > 0"
        )
    if labels.shape != (len(images),):
        raise UserError(
            f"labels have shape {tuple(labels.shape)}; "
            f"there must be one for each of {len(images)} images"
        )


@contextmanager
def _evaluating(network: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """A module in evaluation mode; afterwards each of its parts has its own mode again."""
    modules = list(network.modules()) if isinstance(network, nn.Module) else []
    training = [module.training for module in modules]
    try:
        if isinstance(network, nn.Module):
            network.eval()
        yield
    finally:
        for module, mode in zip(modules, training, strict=True):
            module.training = mode


def _standard_error(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)
