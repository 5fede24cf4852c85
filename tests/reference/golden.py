"""Writes the golden arrays, what the reference makes of one picture, in the reference environment.

`tests/golden/<table>.npz` holds "input" (H, W, 3) uint8 and "<corruption>/<severity>", of the same
shape, made with the random fields of RandomState(inputs.seed(corruption, severity)); frost with the
textures of `inputs.write_textures`. Shot noise has no such array: its counts come by another method
than numpy's, so it is compared in distribution.

`tests/golden/statistics.npz` holds, for every random corruption, what `moments.describe` says of
VERSIONS corrupted versions of "<corruption>/input" (32, 32, 3) uint8 at each severity of "cifar-c":
"<corruption>" (5, VERSIONS, 11) float16, after subtracting "<corruption>/centre" and dividing by
"<corruption>/scale" (5, 1, 11).
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from reference import inputs, moments, published

FOLDER = Path(__file__).resolve().parents[1] / "golden"
# Height, width, severities. make_imagenet_c.py takes square images only; larger ones would be
# larger files.
CASES = {
    "cifar-c": (32, 32, (1, 2, 3, 4, 5)),
    "imagenet-c": (64, 64, (1, 3, 5)),
    "imagecorruptions": (64, 48, (1, 3, 5)),
}
VERSIONS = 200


def free_running(
    corrupt: published.Corrupt, picture: np.ndarray, name: str, severity: int, count: int
) -> np.ndarray:
    """(count, H, W, 3) uint8: the reference's versions of one picture, each with its own seed."""
    versions = []
    for number in range(count):
        with published.seeded(100_000 * severity + number):
            versions.append(corrupt(picture, name, severity))
    return np.stack(versions)


def statistics(corrupt: published.Corrupt) -> dict[str, np.ndarray]:
    """What `statistics.npz` holds."""
    arrays = {}
    for name in inputs.RANDOM:
        arrays[f"{name}/input"] = picture = inputs.scene(name, 32, 32)
        sets = [
            free_running(corrupt, picture, name, severity, VERSIONS) for severity in range(1, 6)
        ]
        numbers = np.stack([moments.describe(versions, picture) for versions in sets])
        centre, scale = numbers.mean(1, keepdims=True), numbers.std(1, keepdims=True)
        arrays |= {name: ((numbers - centre) / scale).astype(np.float16)}
        arrays |= {f"{name}/centre": centre, f"{name}/scale": scale}
    return arrays


def main(robustness: Path | None, folder: Path = FOLDER) -> None:
    """Makes all four files; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        textures = inputs.write_textures(Path(scratch))
        cifar = published.load("cifar-c", textures, robustness)
        np.savez_compressed(folder / "statistics.npz", **statistics(cifar))
        for table, (height, width, severities) in CASES.items():
            corrupt = published.load(table, textures, robustness, height)
            image = inputs.picture(height, width)
            arrays = {
                "input": image,
                "versions": np.array(json.dumps(published.versions(), sort_keys=True)),
            }
            for name in (n for n in inputs.CORRUPTIONS if n != "shot_noise"):
                for severity in severities:
                    with published.seeded(inputs.seed(name, severity)):
                        arrays[f"{name}/{severity}"] = corrupt(image, name, severity)
            path = folder / f"{table}.npz"
            np.savez_compressed(path, **arrays)
            print(f"{path.name}: {len(arrays) - 2} arrays, {path.stat().st_size / 1024:.0f} KiB")
