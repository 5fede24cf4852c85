"""The noise corruptions: their distributions, exact where there is a table, else by moments."""

import numpy as np
import pytest
import torch
from scipy import stats

from paperlib.degrade import noise
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import truncated
from paperlib.degrade.tables import TABLES

SUSPICIOUS = 1e-6


def flat(level, count=20, size=64):
    return torch.full((count, 3, size, size), level, dtype=torch.uint8)


def draws(count=20, *key):
    return Draws(torch.arange(count), *key)


def photons():
    return sorted({row[0] for table in TABLES.values() for row in table["shot_noise"]})


@pytest.mark.parametrize("photons", photons())
def test_shot_noise_has_poissons_distribution(photons):
    """Every level of a ramp against the exact probabilities of the levels that photon counts are
    cut to."""
    entries = noise._shot_table(photons, torch.device("cpu")).long().view(256, 256)
    kept = (entries >> 8 & 0xFFFFFF).double() / 2**24
    found = kept.clone().scatter_add_(1, entries & 0xFF, 1 - kept) / 256
    counts = np.arange(2000)
    levels = np.uint8(np.clip(counts / photons, 0, 1) * 255)
    for level in (0, 1, 40, 128, 254, 255):
        expected = np.bincount(
            levels, stats.poisson.pmf(counts, level / 255 * photons), minlength=256
        )
        # numpy's float64 puts some counts a level lower than the exact k / photons * 255 is.
        np.testing.assert_allclose(
            np.cumsum(found[level].numpy())[[63, 127, 191, 254]],
            np.cumsum(expected)[[63, 127, 191, 254]],
            atol=1e-5,
        )
        assert abs(found[level].numpy() @ np.arange(256) - expected @ np.arange(256)) < 0.01


def test_shot_noise_draws_from_its_table():
    counts = torch.bincount(
        noise.shot_noise(flat(100), draws(), 60).flatten().long(), minlength=256
    ).numpy()
    k = np.arange(61)
    levels = np.floor(k * 255 / 60 + 1e-9).astype(int)
    probability = stats.poisson.pmf(k, 100 / 255 * 60)
    assert counts[levels].sum() == counts.sum(), "only levels that a count of photons can make"
    likely = probability * counts.sum() > 5
    observed, expected = counts[levels[likely]], probability[likely] * counts.sum()
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > SUSPICIOUS


@pytest.mark.parametrize(
    ("function", "sd"), [(noise.gaussian_noise, 0.08), (noise.speckle_noise, 0.15)]
)
def test_gaussian_noises(function, sd):
    noisy = function(flat(120), draws(20, function.__name__), sd).double()
    deviation = sd * 255 if function is noise.gaussian_noise else sd * 120
    assert stats.kstest(noisy.flatten(), stats.norm(120, deviation).cdf).pvalue > SUSPICIOUS
    assert noisy.shape == (20, 3, 64, 64)


def test_channels_have_noise_of_their_own():
    noisy = noise.gaussian_noise(flat(120), draws(), 0.1).double() - 120
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert stats.pearsonr(noisy[:, a].flatten(), noisy[:, b].flatten()).pvalue > SUSPICIOUS


@pytest.mark.parametrize("amount", [0.03, 0.27])
def test_impulse_noise_is_salt_and_pepper_in_equal_parts(amount):
    noisy = noise.impulse_noise(flat(120), draws(), amount)
    assert noisy.dtype == torch.uint8
    total = noisy.numel()
    for level in (0, 255):
        hits = int((noisy == level).sum())
        assert stats.binomtest(hits, total, amount / 2).pvalue > SUSPICIOUS
    assert int((noisy == 120).sum() + (noisy == 0).sum() + (noisy == 255).sum()) == total


def test_black_stays_black_under_speckle_and_shot_noise():
    assert noise.speckle_noise(flat(0), draws(), 0.6).abs().max() == 0
    assert noise.shot_noise(flat(0), draws(), 3).max() == 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (17, 31)])
def test_shapes(channels, size):
    images = torch.randint(0, 256, (2, channels, *size), dtype=torch.uint8)
    for function, constant in (
        (noise.gaussian_noise, 0.1),
        (noise.shot_noise, 12),
        (noise.impulse_noise, 0.1),
        (noise.speckle_noise, 0.2),
    ):
        before = images.clone()
        assert truncated(function(images, draws(2), constant)).shape == images.shape
        assert torch.equal(images, before), f"{function.__name__} wrote into its input"


def test_a_table_is_made_once():
    assert noise._shot_table(12, torch.device("cpu")) is noise._shot_table(12, torch.device("cpu"))
