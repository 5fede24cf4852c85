"""The random degradations as a run names them: plain values in, a `Degradation` out.

With `draw="fixed"` each training image has one degraded copy, the same in all epochs, so that no
method can learn the clean image by averaging draws; with `draw="fresh"` every epoch draws anew.
Test images always have one draw.
"""

import itertools
from collections.abc import Callable, Mapping

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
        return torch.empty_like(images).copy_(out) if out.stride() != images.stride() else out

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """uint8 (B, 3, H, W) -> uint8."""
        raise NotImplementedError


class Corruption(RandomDegradation):
    """One corruption at one severity.

    Args:
        corruption: one of `corruptions.NAMES`.
        severity: 1 to 5.
        table: one of `tables.TABLES`.
        draw, seed: see `RandomDegradation`.
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
        table: one of `tables.TABLES`.
        corruptions: "standard" (15), "extra" (4), "all" (19), or names separated by commas.
        severities: numbers separated by commas.
        clean: share of the images that stay as they are, in [0, 1).
        draw, seed: see `RandomDegradation`.
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
        self.kinds = list(itertools.product(names, parse_severities(severities)))
        for name, severity in self.kinds:
            row(name, severity, table)
        _check_textures(names)
        if not 0 <= clean < 1:
            raise UserError(f"clean is {clean}; it must be at least 0 and less than 1")

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """Images of one kind together: a batch costs as many calls as it has kinds."""
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
        draw, seed: see `RandomDegradation`.
        parameters: of its function, such as sigma (in levels of 255), peak (photons), iso.
    """

    def __init__(self, noise: str, draw: str = "fresh", seed: int = 0, **parameters: float) -> None:
        super().__init__(draw, seed)
        self.function, self.parameters = NOISES[choose("noise", noise, NOISES)], parameters
        # A call without images raises the error of a wrong parameter now, not in training.
        nothing = torch.empty(0, 3, 16, 16, dtype=torch.uint8)
        self.function(nothing, Draws(torch.empty(0)), **parameters)

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """All images alike."""
        draws = Draws(index, "noise", self.function.__name__, *key)
        return rounded(self.function(levels, draws, **self.parameters))


class Distortion(RandomDegradation):
    """One of the six distortions of feature quantization.

    Args:
        distortion: one of `distortions.DISTORTIONS`.
        strength: in [0, 1].
        draw, seed: see `RandomDegradation`.
    """

    def __init__(
        self, distortion: str, strength: float, draw: str = "fresh", seed: int = 0
    ) -> None:
        super().__init__(draw, seed)
        check_strengths({distortion: strength})
        self.name, self.strength = distortion, strength

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """All images alike."""
        draws = Draws(index, "distortion", self.name, *key)
        return rounded(distortions.DISTORTIONS[self.name](levels, draws, self.strength))


class DistortionMix(RandomDegradation):
    """Each image under one distortion, drawn with equal chances from those that are named.

    Args:
        draw, seed: see `RandomDegradation`.
        strengths: distortion and strength, in [0, 1], e.g. `motion_blur=0.3, ngrn_noise=0.2`.
    """

    def __init__(self, draw: str = "fresh", seed: int = 0, **strengths: float) -> None:
        super().__init__(draw, seed)
        check_strengths(strengths)
        self.strengths = strengths

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """Images of one distortion together."""
        draws = Draws(index, "distortion mix", *key)
        return rounded(distortions.mix(levels, draws, self.strengths))


def check_strengths(strengths: Mapping[str, float]) -> None:
    """Raises `UserError` for no distortion, an unknown one, or a strength outside [0, 1]."""
    for name, strength in strengths.items():
        choose("distortion", name, distortions.DISTORTIONS)
        if not 0 <= strength <= 1:
            raise UserError(f"strength is {strength}; it must be at least 0 and at most 1")
    if not strengths:
        names = ", ".join(distortions.DISTORTIONS)
        raise UserError(f"name at least one distortion and its strength: {names}")


def parse_corruptions(text: str) -> list[str]:
    """Names of corruptions, in the order given.

    Args:
        text: "standard", "extra", "all", or names separated by commas.
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
    """Severities in rising order.

    Args:
        text: numbers separated by commas.
    Raises:
        UserError: a severity other than 1 to 5.
    """
    words = {word.strip() for word in str(text).split(",")}
    for word in words:
        choose("severity", word, [str(s) for s in SEVERITIES])
    return sorted(map(int, words))


def _check_textures(names: list[str]) -> None:
    """Raises `UserError` before the training, not in its first step, if frost has no textures."""
    if "frost" in names:
        find_textures()
