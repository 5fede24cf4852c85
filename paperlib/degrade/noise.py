"""The four noise corruptions, value by value, after hendrycks/robustness.

All compute in integers and in sums and products of one pair of numbers, so that a CPU and a GPU
give the same bits.
"""

from functools import lru_cache

import torch
from torch import Tensor

from paperlib.degrade.draws import Draws, alias_table


def gaussian_noise(images: Tensor, draws: Draws, sd: float) -> Tensor:
    """x + sd * n, n standard normal. sd in parts of full brightness."""
    return draws.normal(*images.shape[1:]).mul_(sd * 255).add_(images)


def speckle_noise(images: Tensor, draws: Draws, sd: float) -> Tensor:
    """x + x * sd * n, n standard normal."""
    return draws.normal(*images.shape[1:]).mul_(sd).add_(1).mul_(images)


def impulse_noise(images: Tensor, draws: Draws, amount: float) -> Tensor:
    """Salt and pepper: a share `amount` of the values, in each channel, becomes 0 or 255."""
    u = draws.uniform(*images.shape[1:])
    return torch.where(u < amount, torch.where(u < amount / 2, 255, 0).to(torch.uint8), images)


@lru_cache(maxsize=32)
def _shot_table(photons: float, device: torch.device) -> Tensor:
    """The alias table of the level that each of 256 becomes: Poisson, exact to 2**-24."""
    rate = torch.arange(256, dtype=torch.float64)[:, None] * photons / 255
    # Beyond this count every outcome is white: the rest of the distribution belongs to level 255.
    counts = torch.arange(int(photons) + 1, dtype=torch.float64)
    log_probability = torch.xlogy(counts, rate) - rate - torch.lgamma(counts + 1)
    level = (counts / photons * 255 + 2**-10).long().clamp_max(255)
    table = torch.zeros(256, 256, dtype=torch.float64)
    table.index_add_(1, level, log_probability.exp())
    table[:, 255] += (1 - table.sum(1)).clamp_min(0)
    return alias_table(table).to(device)


def shot_noise(images: Tensor, draws: Draws, photons: float) -> Tensor:
    """Poisson(x * photons) / photons: a sensor that counts `photons` at full brightness."""
    levels = draws.choose(images.flatten(1), _shot_table(photons, images.device))
    return levels.view(images.shape)
