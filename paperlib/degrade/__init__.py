"""Image degradations by name: batched, on the device, from plain values."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from paperlib.degrade.lowres import LowResolution
from paperlib.errors import UserError, choose

Degradation = Callable[[Tensor], Tensor]  # (B, 3, H, W) float in [0, 1] -> (B, 3, h, w) float in [0, 1]


def _identity(images: Tensor) -> Tensor:
    return images


DEGRADATIONS: dict[str, Callable[..., Degradation]] = {"none": lambda: _identity, "lowres": LowResolution}


def build(spec: Mapping[str, Any]) -> Degradation:
    """The degradation that plain values describe, e.g. `{"name": "lowres", "factor": 4}`.

    Raises:
        UserError: unknown name, unknown parameter, or a parameter out of range.
    """
    parameters = {key: value for key, value in spec.items() if key != "name"}
    make = DEGRADATIONS[choose("degradation", spec["name"], DEGRADATIONS)]
    try:
        return make(**parameters)
    except TypeError as error:
        raise UserError(f"degradation {spec['name']!r}: {error}") from error
