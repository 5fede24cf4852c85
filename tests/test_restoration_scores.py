"""PSNR and SSIM against their definitions, window by window."""

import numpy as np
import pytest
import torch
from torch import Tensor

from paperlib.evaluation import psnr, ssim


def pairs(size: int) -> tuple[Tensor, Tensor]:
    """Six smooth images and noisier and noisier versions of them, the last flat: float32 (6, 3,
    size, size)."""
    generator = torch.Generator().manual_seed(size)
    coarse = torch.rand(6, 3, 4, 4, generator=generator)
    targets = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    strength = torch.tensor([0.002, 0.01, 0.05, 0.1, 0.3, 0.0]).view(6, 1, 1, 1)
    images = (targets + strength * torch.randn(6, 3, size, size, generator=generator)).clamp(0, 1)
    images[-1] = 0.5
    return images, targets


def definition(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of two channels float64 (H, W), as equation (13) of Wang et al. (2004) has it."""
    offsets = np.arange(11) - 5
    row = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(row, row) / row.sum() ** 2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a = (window * (a - mean_a) ** 2).sum()
            var_b = (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
            values.append(luminance * (2 * covariance + 9e-4) / (var_a + var_b + 9e-4))
    return float(np.mean(values))


@pytest.mark.parametrize("size", [11, 16, 32])
def test_scores_are_those_of_the_definitions(size: int) -> None:
    images, targets = pairs(size)
    x, y = images.double().numpy(), targets.double().numpy()
    similarity = [
        np.mean([definition(*channels) for channels in zip(*pair, strict=True)])
        for pair in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(ssim(images, targets), similarity, rtol=0, atol=1e-6)
    decibels = 10 * np.log10(1 / ((x - y) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(psnr(images, targets), decibels, rtol=0, atol=1e-4)


def test_flat_images_are_scored_by_their_luminance() -> None:
    one, other = torch.full((1, 1, 20, 20), 0.9274), torch.full((1, 1, 20, 20), 0.9679)
    a, b = float(one[0, 0, 0, 0]), float(other[0, 0, 0, 0])
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert ssim(one, other).item() == pytest.approx(expected, abs=1e-6)


def test_equal_images_get_finite_best_scores() -> None:
    image = torch.rand(2, 3, 16, 16)
    assert psnr(image, image).tolist() == [100.0, 100.0]
    torch.testing.assert_close(ssim(image, image), torch.ones(2))


def test_one_level_in_one_pixel_stays_under_the_cap() -> None:
    image = torch.zeros(1, 3, 32, 32)
    other = image.clone()
    other[0, 0, 0, 0] = 1 / 255
    assert 80 < psnr(image, other).item() < 100


def test_autocast_does_not_round_the_scores() -> None:
    images, targets = pairs(16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = psnr(images, targets), ssim(images, targets)
    assert torch.equal(inside[0], psnr(images, targets))
    assert torch.equal(inside[1], ssim(images, targets))


def test_ssim_of_what_a_network_returns() -> None:
    images, targets = pairs(16)
    assert torch.equal(ssim(images.requires_grad_(), targets), ssim(images.detach(), targets))


def test_ssim_refuses_images_smaller_than_its_window() -> None:
    small = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(small, small)
