"""Scores of single images; their means over a split are what a record holds."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F


def classification(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Top-1 and top-5 accuracy (100 for a hit, 0 for a miss) and cross-entropy (nats) per image.

    Args:
        logits: (B, C).
        labels: (B,) int64.
    Returns:
        "top1", "top5" and "cross_entropy", each (B,) float32. With fewer than five classes top-5 is
        always a hit.
    """
    logits = logits.float()
    best = logits.topk(min(5, logits.shape[1]), dim=1).indices
    hits = best == labels[:, None]
    return {
        "top1": 100.0 * hits[:, 0],
        "top5": 100.0 * hits.any(dim=1),
        "cross_entropy": F.cross_entropy(logits, labels, reduction="none"),
    }


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of every image, in dB, for a peak of 1.

    Args:
        images, targets: (B, C, H, W) float in [0, 1].
    Returns:
        (B,) float32, at most 100, which is what equal images get: a record holds no infinities, and
        images in 8 bits that differ at all stay under it, up to 150,000 values per image.
    """
    error = (images.float() - targets.float()).square().flatten(1).mean(1)
    return -10.0 * error.clamp_min(1e-10).log10()


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity (Wang, Bovik, Sheikh & Simoncelli, 2004) of every image, in [-1, 1],
    mean over channels.

    As published: an 11x11 Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03, and only those
    positions where the window lies wholly inside the image (6x6 of them in a 16x16 image).

    Args:
        images, targets: (B, C, H, W) float in [0, 1]; H and W at least 11.
    Returns:
        (B,) float32, without a gradient.
    Raises:
        ValueError: images smaller than the window.
    """
    from skimage.metrics import structural_similarity

    if min(images.shape[-2:]) < 11:
        raise ValueError(
            f"SSIM needs images of at least 11x11 pixels; these are {tuple(images.shape[-2:])}"
        )
    published = partial(
        structural_similarity,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=0,
    )
    # in float64: variances are small differences
    arrays = (batch.detach().double().cpu().numpy() for batch in (images, targets))
    scores = [published(x, y) for x, y in zip(*arrays, strict=True)]
    return torch.tensor(scores, dtype=torch.float32, device=images.device)
