"""Mean, variance, skewness and kurtosis of features, in one pass over any number of images.

Nothing depends on how large the means are. Use::

    clean, degraded = {}, {}
    for batch in batches:
        with recording(layers, clean):
            network(batch.clean)
        with recording(layers, degraded):
            network(batch.degraded)
    degraded["conv1_1"].skewness - clean["conv1_1"].skewness
"""

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.errors import choose
from paperlib.networks import Classifier

# Values that are float64 at a time, and variables among them: on a CPU 1 MB, which its cache holds
# (8 times as fast as all at once); a GPU wants few large kernels.
BLOCKS = {"cpu": (2**17, 256), "gpu": (2**26, 2**26)}


@dataclass(frozen=True)
class CentralMoments:
    """The size of a set of samples, its mean, and sums of powers of distances from the mean.

    `a + b` is that of two sets together, in any order and grouping, up to rounding. Nothing is
    squared before its mean is taken off, so a large mean costs no digits.

    Attributes:
        count: number of samples, n.
        mean: any shape, float64, one value per variable; zeros without samples.
        m2, m3, m4: the same shape, float64: the sums over the samples of (x - mean)^p.
    """

    count: int
    mean: Tensor
    m2: Tensor
    m3: Tensor
    m4: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "CentralMoments":
        """Those of values (n, ...), n samples of every variable, of any floating dtype.

        The device must have float64.
        """
        flat = values.reshape(len(values), math.prod(values.shape[1:]))
        block, widest = BLOCKS["cpu" if values.device.type == "cpu" else "gpu"]
        columns = min(max(flat.shape[1], 1), widest)
        rows = max(1, block // columns)
        blocks = [
            functools.reduce(operator.add, (cls._of_block(x.double()) for x in part.split(rows)))
            for part in flat.split(columns, dim=1)
        ]
        sums = (
            [getattr(moments, name) for moments in blocks] for name in ("mean", "m2", "m3", "m4")
        )
        return cls(len(values), *(torch.cat(parts).view(values.shape[1:]) for parts in sums))

    @classmethod
    def _of_block(cls, x: Tensor) -> "CentralMoments":
        origin = x[:1]  # a constant has then a mean without rounding, and distances of exactly 0
        distance = x - origin
        mean = distance.sum(0) / max(len(x), 1)
        distance.sub_(mean)
        power = distance.square()
        m2 = power.sum(0)
        m3 = distance.mul_(power).sum(0)
        m4 = power.square_().sum(0)
        return cls(len(x), origin.sum(0) + mean, m2, m3, m4)

    def _about(self, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The sums of (x - mean + offset)^p for p = 2, 3, 4; that of x - mean itself is 0."""
        n, a = self.count, offset
        m2 = self.m2 + n * a**2
        m3 = self.m3 + 3 * a * self.m2 + n * a**3
        m4 = self.m4 + 4 * a * self.m3 + 6 * a**2 * self.m2 + n * a**4
        return m2, m3, m4

    def __add__(self, other: "CentralMoments") -> "CentralMoments":
        """Those of both sets of samples together: each set's sums about the common mean, added.

        Expanded in the difference of means, these are the update formulas of Chan, Golub & LeVeque
        (1979) for order 2 and of Pébay (2008, Sandia report SAND2008-6212) for orders 3 and 4.
        """
        if not other.count:
            return self
        if not self.count:
            return other
        n = self.count + other.count
        delta = other.mean - self.mean
        ours, theirs = self._about(-delta * other.count / n), other._about(delta * self.count / n)
        sums = (a + b for a, b in zip(ours, theirs, strict=True))
        return CentralMoments(n, self.mean + delta * other.count / n, *sums)

    def pooled(self) -> "CentralMoments":
        """Neurons (C, ...) -> channels (C,): positions become samples of the channel."""
        if self.mean.ndim == 1:
            return self
        positions = tuple(range(1, self.mean.ndim))
        mean = self.mean.mean(positions, keepdim=True)
        sums = (m.sum(positions) for m in self._about(self.mean - mean))
        return CentralMoments(self.count * self.mean[0].numel(), mean.flatten(), *sums)

    def affine(self, scale: Tensor, offset: Tensor) -> "CentralMoments":
        """Those of scale * x + offset; both broadcast to the variables."""
        sums = (m * scale**p for p, m in ((2, self.m2), (3, self.m3), (4, self.m4)))
        return CentralMoments(self.count, self.mean * scale + offset, *sums)

    @property
    def variance(self) -> Tensor:
        """m2 / n, the population's variance: without Bessel's correction."""
        return self.m2 / self.count

    @property
    def deviation(self) -> Tensor:
        """The standard deviation, the root of the variance."""
        return self.variance.sqrt()

    @property
    def constant(self) -> Tensor:
        """Which variables do not vary, to float64's precision; a single sample never does."""
        return self.variance <= (torch.finfo(torch.float64).eps * self.mean) ** 2

    @property
    def skewness(self) -> Tensor:
        """The mean of ((x - mean) / deviation)^3; NaN for what is constant.

        That of n normal samples is 0 with standard error sqrt(6/n), 0.035 for 5,000.
        """
        return (self.m3 / self.count / self.variance**1.5).masked_fill(self.constant, torch.nan)

    @property
    def kurtosis(self) -> Tensor:
        """Excess kurtosis, the mean of ((x - mean) / deviation)^4 - 3; NaN for what is constant.

        That of n normal samples is 0 with standard error sqrt(24/n), 0.069 for 5,000.
        """
        return (self.m4 / self.count / self.variance**2 - 3).masked_fill(self.constant, torch.nan)


@contextlib.contextmanager
def recording(
    layers: Mapping[str, nn.Module], moments: dict[str, CentralMoments]
) -> Iterator[None]:
    """Within `with`, adds to `moments` those of all that the layers put out, over the images.

    Every position of every channel is a variable, as the paper has it: 5,000 images are 5,000
    samples of each neuron.

    Args:
        layers: modules by name, each with one tensor (B, C, ...) for output.
        moments: by the same names, (C, ...); empty at first.
    """

    def adding_to(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def add(module: nn.Module, args: Any, features: Tensor) -> None:
            new = CentralMoments.of(features.detach())
            moments[name] = moments[name] + new if name in moments else new

        return add

    hooks = [layer.register_forward_hook(adding_to(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def convolutions(network: nn.Module) -> dict[str, nn.Module]:
    """The convolutions of a network by name, in order of depth, with their non-linearities.

    In a plain sequence they are called as in the VGG paper: "conv3_2" is the second one behind the
    second pooling layer. In other networks they are called as the modules are.
    """
    body = network.body if isinstance(network, Classifier) else network
    found: dict[str, nn.Module] = {}
    block, number = 1, 0
    for name, module in body.named_modules():
        if isinstance(module, nn.MaxPool2d):
            block, number = block + 1, 0
        elif isinstance(module, nn.Conv2d):
            number += 1
            found[f"conv{block}_{number}" if name.isdigit() else name] = module
    return found


def chosen(network: nn.Module, names: str) -> dict[str, nn.Module]:
    """Those of `convolutions` that are named, with commas between. Raises `UserError`."""
    there = convolutions(network)
    return {name: there[choose("layer", name, there)] for name in map(str.strip, names.split(","))}
