"""PSNR and SSIM against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
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


@pytest.mark.parametrize("size", [11, 16, 32])
def test_scores_are_those_of_scikit_image(size: int) -> None:
    images, targets = pairs(size)
    ours = np.stack([psnr(images, targets).numpy(), ssim(images, targets).numpy()])
    theirs = [
        (
            peak_signal_noise_ratio(y, x, data_range=1),
            structural_similarity(
                x,
                y,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=1,
                channel_axis=0,
            ),
        )
        for x, y in zip(images.double().numpy(), targets.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ours, np.array(theirs).T, rtol=0, atol=1e-4)


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


def test_ssim_refuses_images_smaller_than_its_window() -> None:
    small = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(small, small)
