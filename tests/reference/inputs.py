"""Inputs made by formula: pictures, and frost textures that stand in for photographs.

The random numbers are those of numpy's frozen generator, RandomState.
Both sides import this: the reference's environment to make golden arrays, the tests to feed the
same textures.
"""

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# larger than 224 pixels either way: hendrycks/robustness cuts pieces of that size out of them
TEXTURES = {
    "frost1.png": (260, 300),
    "frost2.png": (340, 250),
    "frost3.png": (240, 280),
    "frost4.jpg": (270, 330),
    "frost5.jpg": (300, 236),
    "frost6.jpg": (260, 260),  # the reference never takes the sixth
}
CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
    *("speckle_noise", "gaussian_blur", "spatter", "saturate"),
)
# Random by their nature; all others are functions of the image alone.
RANDOM = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    *("glass_blur", "motion_blur"),
    *("snow", "frost", "fog", "elastic_transform", "spatter"),
)


def seed(name: str, severity: int) -> int:
    """The seed of a corruption's random fields: fixed by its name and severity."""
    return zlib.crc32(f"{name} {severity}".encode())


def picture(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: shading, stripes from coarse to fine, edges, noise, greys, pure colours."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = (y + 0.5) / height, (x + 0.5) / width
    image = np.stack(
        [50 + 150 * x, 60 + 130 * y, 128 + 90 * np.sin(2 * np.pi * (x + 0.5 * y))], axis=-1
    )
    stripes = 60 * np.sign(np.sin(2 * np.pi * (2 + 10 * x) * x))
    image += np.where((y > 0.55) & (y < 0.8), stripes, 0)[..., None] * (1, 0.5, -1)
    image += (
        np.random.RandomState(0).randint(-25, 26, size=image.shape)
        * ((x < 0.4) & (y < 0.5))[..., None]
    )
    image[(x - 0.7) ** 2 + (y - 0.28) ** 2 < 0.035] = (225, 30, 40)
    image[(x > 0.45) & (x < 0.55) & (y > 0.1) & (y < 0.5)] = (0, 0, 255)
    image[(x > 0.88) & (y < 0.4)] = (0, 255, 0)
    image[y > 0.88] = (255 * x[..., None] * (1, 1, 1))[y > 0.88]
    image[: height // 12, : width // 12] = 0
    image[: height // 12, -(width // 12) :] = 255
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def scene(name: str, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: what a random corruption's statistics are taken on.

    Weather lies on top of an image: a plain gradient lets its own spectrum show. The others change
    what is there.
    """
    if name not in ("snow", "frost", "fog", "spatter"):
        return picture(height, width)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return np.round(
        np.stack([60 + 60 * x / width, 80 + 40 * y / height, 110 - 30 * x / width], axis=-1)
    ).astype(np.uint8)


def texture(height: int, width: int, number: int) -> np.ndarray:
    """(H, W, 3) uint8: coarse and fine noise in a bluish white, by integers alone."""
    state = np.random.RandomState(100 + number)
    total = np.zeros((height, width), dtype=np.int64)
    for block, strength in ((48, 90), (16, 60), (4, 40), (1, 20)):
        coarse = state.randint(0, strength + 1, size=(-(-height // block), -(-width // block)))
        total += np.kron(coarse, np.ones((block, block), dtype=np.int64))[:height, :width]
    return np.stack(
        [total, np.minimum(total + 12, 255), np.minimum(total + 40, 255)], axis=-1
    ).astype(np.uint8)


def write_textures(folder: Path) -> Path:
    """Writes six files by the reference's names, all in PNG, so that no decoder matters."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, size) in enumerate(TEXTURES.items()):
        Image.fromarray(texture(*size, number)).save(folder / name, format="PNG")
    return folder


def photographs(folder: Path, count: int, size: int = 224) -> np.ndarray:
    """(N, size, size, 3) uint8: the first `count` pictures of a folder by name, shorter side 256,
    middle cut out.

    The filter is bilinear, as in torchvision when ImageNet-C was made.
    """
    images = []
    kinds = (".jpeg", ".jpg", ".png")
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in kinds)[:count]:
        image = Image.open(path).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize(
            [round(side * scale) for side in image.size], Image.Resampling.BILINEAR
        )
        left, top = ((side - size) // 2 for side in image.size)
        images.append(np.array(image.crop((left, top, left + size, top + size))))
    return np.stack(images)
