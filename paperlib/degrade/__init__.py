"""Image degradations by name: batched, on the device, with random draws that each image decides.

To corrupt images outside a training, use `paperlib.degrade.corruptions.corrupt`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from paperlib.degrade.base import Degradation, ImageKey
from paperlib.degrade.chain import DistortionChain
from paperlib.degrade.lowres import LowResolution
from paperlib.degrade.specs import (
    Corruption,
    Distortion,
    DistortionMix,
    Noise,
    RandomCorruption,
    parse_corruptions,
    parse_severities,
)
from paperlib.errors import UserError, choose

__all__ = [
    "DEGRADATIONS",
    "Degradation",
    "ImageKey",
    "another",
    "build",
    "each",
    "label",
    "labelled",
    "parse_corruptions",
]


class Identity:
    """The images as they are."""

    fixed = False

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        """Returns `images` itself."""
        return images


DEGRADATIONS: dict[str, Callable[..., Degradation]] = {
    "none": Identity,
    "lowres": LowResolution,
    "corruption": Corruption,
    "random_corruption": RandomCorruption,
    "noise": Noise,
    "distortion": Distortion,
    "distortion_mix": DistortionMix,
    "distortion_chain": DistortionChain,
}


UNSAID = {"seed": 0, "down": "bicubic", "up": "bicubic"}  # defaults that a label leaves out


def build(spec: Mapping[str, Any]) -> Degradation:
    """The degradation that plain values describe, e.g. `{"name": "lowres", "factor": 4}`.

    Raises:
        UserError: unknown name, unknown parameter, or a parameter out of range.
    """
    parameters = {key: value for key, value in spec.items() if key != "name"}
    make = DEGRADATIONS[choose("degradation", spec.get("name", ""), DEGRADATIONS)]
    try:
        return make(**parameters)
    except TypeError as error:
        raise UserError(f"degradation {spec['name']!r}: {error}") from error


def another(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The same degradation with independent draws.

    Raises:
        UserError: nothing is drawn in it.
    """
    if spec["name"] in ("none", "lowres"):
        raise UserError(f"degradation {spec['name']!r} draws nothing: there is no other draw of it")
    return {**spec, "seed": int(spec.get("seed", 0)) + 1}


def each(specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The degradations that some descriptions stand for, in order.

    A "corruption" may name several, written as for `RandomCorruption`: `{"name": "corruption",
    "corruption": "standard", "severity": "1,3,5", "table": "cifar-c"}` stands for 45. Any other
    description stands for itself.

    Raises:
        UserError: an unknown corruption or severity.
    """
    out: list[dict[str, Any]] = []
    for spec in map(dict, specs):
        if spec.get("name") != "corruption":
            out.append(spec)
            continue
        severities = parse_severities(spec.get("severity", ""))
        for name in parse_corruptions(str(spec.get("corruption", ""))):
            out += [{**spec, "corruption": name, "severity": severity} for severity in severities]
    return out


def labelled(specs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The degradations of `each` by their `label`.

    Raises:
        UserError: one that is wrong, or two with the same label.
    """
    out: dict[str, dict[str, Any]] = {}
    for spec in each(specs):
        build(spec)
        name = label(spec)
        if name in out:
            raise UserError(f"{out[name]} and {spec} would both be measured as {name!r}")
        out[name] = spec
    return out


def label(spec: Mapping[str, Any]) -> str:
    """What names a degradation in a metric: its name, or its kind and strength if it has kinds, and
    what else decides what it does: "fog-3", "jpeg_compression=0.25", "noise-gaussian-30",
    "lowres-4", "noise-sensor-iso=3200", "distortion_mix-inpainting=0.2-ngrn_noise=0.1".

    Not said are `draw`, as test images have one draw, a corruption's table, which the data set
    decides, and low resolution's kernels and other draws' `seed` where they are the defaults.
    """
    rest = {k: v for k, v in spec.items() if k not in ("name", "draw") and UNSAID.get(k) != v}
    match spec["name"]:
        case "corruption":
            rest.pop("table", None)
            what = f"{rest.pop('corruption')}-{rest.pop('severity')}"
        case "distortion":
            what = f"{rest.pop('distortion')}={rest.pop('strength'):g}"
        case "noise" if spec["noise"] == "gaussian":
            what = f"noise-{rest.pop('noise')}-{rest.pop('sigma'):g}"
        case "noise":
            what = f"noise-{rest.pop('noise')}"
        case "lowres":
            what = f"lowres-{rest.pop('factor', LowResolution().factor)}"
        case name:
            what = str(name)
    return "-".join([what, *(f"{key}={_short(rest[key])}" for key in sorted(rest))])


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
