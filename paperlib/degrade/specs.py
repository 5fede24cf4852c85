"""The random degradations as a run names them: plain values in, a `Degradation` out.

With `draw="fixed"` each training image has one degraded copy for good, so that no method can
average several draws to learn what the clean image is; with `draw="fresh"` every epoch draws anew.
Test images always have one draw.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from paperlib.degrade import distortions, sensor
from paperlib.degrade.base import ImageKey
from paperlib.degrade.corruptions import NAMES, apply, row
from paperlib.degrade.draws import Draws
from paperlib.degrade.frost import find_textures
from paperlib.degrade.levels import check_levels, rounded
from paperlib.degrade.tables import CORRUPTIONS, EXTRA, SEVERITIES, STANDARD
from paperlib.errors import UserError, choose

GROUPS = {"standard": STANDARD, "extra": EXTRA, "all": CORRUPTIONS}
DRAWS = ("fresh", "fixed")


class RandomDegradation:
    """Base class: the key of the draws, and the memory format.

    Args:
        draw: "fresh" or "fixed".
        seed: another one gives other draws of the same images.
    """

    def __init__(self, draw: str = "fresh", seed: int = 0) -> None:
        self.fixed = choose("draw", draw, DRAWS) == "fixed"
        self.seed = seed

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        """(B, 3, H, W) uint8 -> the same shape, type and memory format."""
        check_levels(images)
        key = key or ImageKey(torch.arange(len(images), device=images.device))
        out = self.degrade(images.contiguous(), key.index, (*key.draw, self.seed))
        if _is_channels_last(images):
            return out.contiguous(memory_format=torch.channels_last)
        return out

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """uint8 (B, 3, H, W) -> uint8."""
        raise NotImplementedError


def _is_channels_last(images: Tensor) -> bool:
    return images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()


class Corruption(RandomDegradation):
    """One corruption at one severity.

    Args:
        corruption: one of `corruptions.NAMES`.
        severity: 1 to 5.
        table: one of `tables.TABLES`.
    """

    def __init__(
        self, corruption: str, severity: int, table: str, draw: str = "fresh", seed: int = 0
    ) -> None:
        super().__init__(draw, seed)
        self.corruption, self.severity, self.table = corruption, severity, table
        row(corruption, severity, table)
        _check_textures([corruption])

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """All images alike."""
        return apply(levels, self.corruption, self.severity, self.table, index, key)


class RandomCorruption(RandomDegradation):
    """Each image under a corruption and a severity of its own, drawn with equal chances.

    Args:
        corruptions: "standard" (15), "extra" (4), "all" (19), or names with commas.
        severities: numbers with commas.
        table: one of `tables.TABLES`.
        clean: share of the images that stay as they are.
    """

    def __init__(
        self,
        table: str,
        corruptions: str = "standard",
        severities: str = "1,2,3,4,5",
        clean: float = 0.0,
        draw: str = "fresh",
        seed: int = 0,
    ) -> None:
        super().__init__(draw, seed)
        self.table, self.clean = table, clean
        names = parse_corruptions(corruptions)
        self.kinds = [
            (name, severity) for name in names for severity in parse_severities(severities)
        ]
        for name, severity in self.kinds:
            row(name, severity, table)
        _check_textures(names)
        if not 0 <= clean < 1:
            raise UserError(f"clean is {clean}; it must be at least 0 and less than 1")

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """Images of one kind are corrupted together: a batch costs as many calls as it has
        kinds."""
        draws = Draws(index, "kind", *key)
        kinds = draws.integers(0, len(self.kinds), 1)[:, 0]
        if self.clean:
            kinds = torch.where(draws.uniform(1)[:, 0] < self.clean, -1, kinds)
        out = levels.clone()
        groups: dict[int, list[int]] = {}
        for position, kind in enumerate(kinds.tolist()):
            if kind >= 0:
                groups.setdefault(kind, []).append(position)
        for kind, positions in groups.items():
            where = torch.tensor(positions, device=levels.device)
            out[where] = apply(levels[where], *self.kinds[kind], self.table, index[where], key)
        return out


NOISES: dict[str, Callable[..., Tensor]] = {
    "gaussian": sensor.additive_gaussian,
    "poisson_gaussian": sensor.poisson_gaussian,
    "sensor": sensor.sensor_noise,
}


class Noise(RandomDegradation):
    """A noise model, rounded to 8 bits.

    Args:
        noise: one of `NOISES`.
        parameters: of its function, such as sigma (in levels of 255), peak (photons), iso.
    """

    def __init__(self, noise: str, draw: str = "fresh", seed: int = 0, **parameters: float) -> None:
        super().__init__(draw, seed)
        self.function, self.parameters = NOISES[choose("noise", noise, NOISES)], parameters
        nothing = torch.empty(0, 3, 16, 16, dtype=torch.uint8)
        self.function(nothing, Draws(torch.empty(0)), **parameters)  # a wrong parameter is said now

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """All images alike."""
        return rounded(
            self.function(
                levels, Draws(index, "noise", self.function.__name__, *key), **self.parameters
            )
        )


class Distortion(RandomDegradation):
    """One of the six distortions of feature quantization.

    Args:
        distortion: one of `distortions.DISTORTIONS`.
        strength: in [0, 1].
    """

    def __init__(
        self, distortion: str, strength: float, draw: str = "fresh", seed: int = 0
    ) -> None:
        super().__init__(draw, seed)
        self.name, self.strength = (
            choose("distortion", distortion, distortions.DISTORTIONS),
            strength,
        )
        _check_strength(strength)

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """All images alike."""
        draws = Draws(index, "distortion", self.name, *key)
        return rounded(distortions.DISTORTIONS[self.name](levels, draws, self.strength))


class DistortionMix(RandomDegradation):
    """Each image under one distortion, drawn with equal chances from those that are named.

    Args:
        strengths: distortion and strength, in [0, 1], e.g. `motion_blur=0.3, ngrn_noise=0.2`.
    """

    def __init__(self, draw: str = "fresh", seed: int = 0, **strengths: float) -> None:
        super().__init__(draw, seed)
        for name, strength in strengths.items():
            choose("distortion", name, distortions.DISTORTIONS)
            _check_strength(strength)
        if not strengths:
            raise UserError(
                f"name at least one distortion and its strength: {', '.join(distortions.DISTORTIONS)}"
            )
        self.strengths = strengths

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """Images of one distortion together."""
        return rounded(
            distortions.mix(levels, Draws(index, "distortion mix", *key), self.strengths)
        )


def _check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise UserError(f"strength is {strength}; it must be at least 0 and at most 1")


def parse_corruptions(text: str) -> list[str]:
    """Names of corruptions from "standard", "extra", "all" or names with commas, in the order
    given.

    Raises:
        UserError: a name that is neither a group nor a corruption, or one given twice.
    """
    names: list[str] = []
    for word in text.split(","):
        names += GROUPS.get(word.strip()) or [choose("corruption", word.strip(), (*GROUPS, *NAMES))]
    if len(set(names)) < len(names):
        raise UserError(f"corruptions {text!r}: each may be named once")
    return names


def parse_severities(text: str) -> list[int]:
    """Severities from numbers with commas, in rising order. Raises `UserError` for others than 1 to
    5."""
    words = {word.strip() for word in str(text).split(",")}
    for word in words:
        choose("severity", word, [str(s) for s in SEVERITIES])
    return sorted(map(int, words))


def _check_textures(names: list[str]) -> None:
    if "frost" in names:
        find_textures()  # said before the training, not in its first step
