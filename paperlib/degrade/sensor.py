"""Noise models of the denoising literature: Gaussian, Poisson-Gaussian, and a camera's sensor.

Images are uint8 levels; results are float levels, not clipped unless the model itself clips, so
that noise below black and above white survives until the caller makes 8 bits of it (round, do not
cut: cutting darkens by half a level).

All tables are computed on the CPU in float64, and all else is products and sums of two numbers at a
time, so a CPU and a GPU give the same bits.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from paperlib.degrade.draws import Draws, alias_table
from paperlib.errors import UserError

# One camera that was measured, the rear one of a Nexus 6P: at ISO 100 the noise of an image x in
# [0, 1] has variance 1.8724e-4 x + 4.733e-4 ** 2 (princeton-computational-imaging/DirtyPixels, its
# sensor model). In electrons:
NEXUS_WHITE = 1 / 1.8724e-4
NEXUS_READ_NOISE = 4.733e-4 / 1.8724e-4


def additive_gaussian(images: Tensor, draws: Draws, sigma: float) -> Tensor:
    """x + sigma * n, n standard normal, each value by itself.

    Args:
        images: (B, C, H, W) uint8.
        draws: of these images.
        sigma: in levels (of 255), at least 0; 15, 30, 45 and 60 are customary.
    Returns:
        (B, C, H, W) float32 levels, not clipped.
    Raises:
        UserError: sigma out of range.
    """
    _check("sigma", sigma)
    return draws.normal(*images.shape[1:]).mul_(sigma).add_(images)


def poisson_gaussian(images: Tensor, draws: Draws, peak: float, sigma: float = 0.0) -> Tensor:
    """Poisson(x * peak) / peak + sigma * n: photon counts, and read noise independent of them.

    The model of Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE Transactions on Image Processing 17(10), 2008, without its
    clipping; variance 255 x / peak + sigma ** 2 in levels.

    Args:
        images: (B, C, H, W) uint8, taken as proportional to light.
        draws: of these images.
        peak: photons that white (255) stands for, above 0.
        sigma: of the read noise, in levels, at least 0.
    Returns:
        (B, C, H, W) float32 levels, not clipped.
    Raises:
        UserError: peak or sigma out of range.
    """
    _check("peak", peak, above=True)
    _check("sigma", sigma)
    levels = _count(images, draws, _photons(float(peak), False, images.device)).mul_(255 / peak)
    return levels.add_(draws.normal(*images.shape[1:]).mul_(sigma)) if sigma else levels


def sensor_noise(
    images: Tensor,
    draws: Draws,
    iso: float = 1600,
    *,
    white: float = NEXUS_WHITE,
    read_noise: float = NEXUS_READ_NOISE,
    bits: int = 12,
) -> Tensor:
    """A photograph as a sensor at this gain would have taken it.

    sRGB levels become linear light; light becomes a Poisson count of electrons; read noise is
    added; the converter makes whole numbers of `bits` bits, clipped at white; black is subtracted
    (what lies below is clipped) and the sRGB curve applied. Exposure is such that white just fills
    the converter's range, so doubling the ISO halves the electrons. Shot and read noise: Foi et al.
    (2008), see `poisson_gaussian`; the converter's: Wei et al., "A physics-based noise formation
    model for extreme low-light raw denoising", CVPR 2020, without the heavy tails of its read
    noise. No mosaic, white balance or colour matrix: every value is a photosite.

    Args:
        images: (B, C, H, W) uint8, sRGB.
        draws: of these images.
        iso: gain times 100, above 0. From 100 (clean) to about 25,600 (14 dB on photographs).
        white: electrons of a white photosite at ISO 100, above 0.
        read_noise: standard deviation in electrons, at least 0, of every photosite by itself.
        bits: of the converter, 4 to 16.
    Returns:
        (B, C, H, W) float32 levels in [0, 255].
    Raises:
        UserError: a parameter out of range.
    """
    _check("iso", iso, above=True)
    _check("white", white, above=True)
    _check("read_noise", read_noise)
    if bits not in range(4, 17):
        raise UserError(f"bits is {bits}; it must be a whole number from 4 to 16")
    full = white * 100 / iso
    electrons = _count(images, draws, _photons(float(full), True, images.device))
    if read_noise:
        electrons.add_(draws.normal(*images.shape[1:]).mul_(read_noise))
    largest = 2**bits - 1
    numbers = electrons.mul_(largest / full).round_().clamp_(0, largest)
    return _developed(bits, images.device)[numbers.int()]


class _Photons(NamedTuple):
    """Counts by level, of 256: `first + step * outcome`, plus uniform ones within the step."""

    alias: Tensor
    first: Tensor
    step: Tensor
    whole: bool  # all steps are 1


@lru_cache(maxsize=32)
def _photons(white: float, gamma: bool, device: torch.device) -> _Photons:
    """Poisson counts for each level; white stands for `white` photons.

    A level has 256 outcomes, enough for each count by itself, and for all but some 1e-9 of the
    probability, up to about 300 photons. Beyond, an outcome stands for a few counts, never more
    than an eighth of a deviation, equally likely. That adds (step**2 - 1) / 6 to the variance, so
    it is taken from a Poisson distribution with that much less and put back as a constant: mean and
    variance are exact. `gamma` says that levels are sRGB, not proportional to light.
    """
    light = torch.arange(256, dtype=torch.float64) / 255
    if gamma:
        light = torch.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    rows, first, steps = [], [], []
    for rate in (light * white).tolist():
        step = 1
        while 256 * step < 13 * rate**0.5 + 24:
            step *= 2
        added = (step**2 - 1) / 6
        start = max(0, int(rate - added) - 128 * step)
        counts = torch.arange(start, start + 256 * step, dtype=torch.float64)
        mean = torch.tensor(rate - added, dtype=torch.float64)
        log_probability = torch.xlogy(counts, mean) - mean - torch.lgamma(counts + 1)
        share = log_probability.exp().view(256, step).sum(1)
        rows.append(share / share.sum())
        first.append(start + added)
        steps.append(step)
    firsts, widths = (
        torch.tensor(values, dtype=torch.float32, device=device) for values in (first, steps)
    )
    return _Photons(alias_table(torch.stack(rows)).to(device), firsts, widths, max(steps) == 1)


def _count(images: Tensor, draws: Draws, photons: _Photons) -> Tensor:
    levels = images.flatten(1)
    counts = draws.choose(levels, photons.alias).float()
    levels = levels.int()
    if not photons.whole:
        step = photons.step[levels]
        counts.mul_(step).add_(draws.uniform(levels.shape[1]).mul_(step).floor_())
    return counts.add_(photons.first[levels]).view(images.shape)


@lru_cache(maxsize=32)
def _developed(bits: int, device: torch.device) -> Tensor:
    """(2 ** bits,) float32: the sRGB level, not whole, of each number of a converter."""
    light = torch.arange(2**bits, dtype=torch.float64) / (2**bits - 1)
    levels = 255 * torch.where(
        light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055
    )
    return levels.float().to(device)


def _check(name: str, value: float, above: bool = False) -> None:
    if not (0 < value < float("inf") or (value == 0 and not above)):
        least = "above 0" if above else "of at least 0"
        raise UserError(f"{name} is {value}; it must be a finite number {least}")
