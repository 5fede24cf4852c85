"""Several distortions of feature quantization in sequence (supplement, Fig. 4: detections).

FOUND in the caption: minor is "Inpainting, Random Noise", heavy is "Inpainting, Random Noise, Salt
and Pepper noise, Blurring, Jpeg compression". INFERRED: that one image went through all of them, in
that order; that "Random Noise" is the table's NGRN noise and "Blurring" its motion blur; and all
strengths.
"""

from torch import Tensor

from paperlib.degrade.distortions import DISTORTIONS
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import rounded
from paperlib.degrade.specs import RandomDegradation, check_strengths
from paperlib.errors import UserError, choose

# The caption's order, behind targeted occlusion: the caption lacks it, and it is part of the scene.
ORDER = "targeted_occlusion,inpainting,ngrn_noise,salt_and_pepper,motion_blur,jpeg_compression"


class DistortionChain(RandomDegradation):
    """Every image goes through all named distortions, each rounded to 8 bits before the next.

    The draws of a distortion depend on its name, the image and the key, not on the rest of the
    chain: a chain that repeats a shorter one at greater strengths removes the same strokes, and
    more.

    Args:
        order: names separated by commas, in the order of application; all distortions that have a
            strength must be among them.
        draw, seed: see `RandomDegradation`.
        strengths: distortion and strength, in [0, 1], in any order, e.g. `inpainting=0.2,
            ngrn_noise=0.1`.

    Raises:
        UserError: no distortion, an unknown one, one that `order` lacks or names twice, or a
            strength outside [0, 1].
    """

    def __init__(
        self, order: str = ORDER, draw: str = "fresh", seed: int = 0, **strengths: float
    ) -> None:
        super().__init__(draw, seed)
        names = [choose("distortion", name.strip(), DISTORTIONS) for name in order.split(",")]
        if len(set(names)) < len(names):
            raise UserError(f"order {order!r}: each distortion may be named once")
        check_strengths(strengths)
        for name in strengths:
            choose("distortion in the order", name, names)
        self.steps = [(name, strengths[name]) for name in names if name in strengths]

    def degrade(self, levels: Tensor, index: Tensor, key: tuple[int | str, ...]) -> Tensor:
        """All images alike: uint8 (B, 3, H, W) -> the same."""
        for name, strength in self.steps:
            draws = Draws(index, "distortion chain", name, *key)
            levels = rounded(DISTORTIONS[name](levels, draws, strength))
        return levels
