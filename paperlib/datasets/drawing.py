"""What the drawn data sets share: random streams, and blur. All is float64, on the CPU."""

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate


def draw_chunks(
    draw: Callable[[Generator], tuple[Tensor, Tensor]], key: str, count: int, chunk: int
) -> tuple[Tensor, Tensor]:
    """`count` pictures and their labels, of which picture i does not depend on how many there are.

    Args:
        draw: draws `chunk` pictures and their labels from a random stream.
        key: says which streams.
        count: of pictures.
        chunk: pictures drawn at once.
    """
    chunks = [draw(stream) for stream in _streams(key, max(1, -(-count // chunk)))]
    images, labels = (torch.cat(parts)[:count] for parts in zip(*chunks, strict=True))
    return images.clone(), labels.clone()


def _streams(key: str, count: int) -> Iterator[Generator]:
    """`count` random generators, with hashed seeds: those of consecutive seeds may be dependent."""
    for chunk in range(count):
        digest = hashlib.sha256(f"{key} {chunk}".encode()).digest()
        # the CPU's generator reads 32 bits
        yield Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def uniform(stream: Generator, low: float, high: float, *shape: int) -> Tensor:
    """Uniform numbers in [low, high)."""
    return low + (high - low) * torch.rand(*shape, generator=stream, dtype=torch.float64)


def normal(stream: Generator, *shape: int) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def smooth(coarse: Tensor, size: int) -> Tensor:
    """A coarse grid of values (N, C, h, w) drawn out to (N, C, size, size)."""
    return interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)


def photograph(scene: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """A scene (N, C, H, H) about in [0, 1] as a camera sees it: blurred, noisy, uint8.

    Args:
        scene: its light.
        sigma: (N,) of each picture's Gaussian blur, in pixels.
        noise: added after the blur, as large as the scene.
    """
    pixel = torch.arange(scene.shape[-1], dtype=torch.float64)
    weights = (-((pixel[:, None] - pixel) ** 2) / (2 * sigma.view(-1, 1, 1, 1) ** 2)).exp()
    weights = weights / weights.sum(-1, keepdim=True)  # so that the border does not darken
    blurred = weights @ scene @ weights.mT
    return ((blurred + noise).clamp(0, 1) * 255).round().to(torch.uint8)
