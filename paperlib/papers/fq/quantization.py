"""The non-linearities of *Feature quantization* (Sun et al., CVPR 2018).

SF rounds a feature down to a grid, POW raises its magnitude to a learned power, HPOW to a power
that a small network reads off the input's statistics, SF-POW does both.
`paperlib.papers.fq.insertion` puts one behind the convolutions of a network.

Only the paper's supplement was available; what it leaves open is a parameter. All four compute in
float32 (float64 for float64 input), inside autocast too, and return the dtype of their input.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose

# name: the map g, and the alpha with g(alpha) = 1
EXPONENTS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "exp": (torch.exp, 0.0),
    "linear": (lambda alpha: 1 + alpha, 0.0),
    "direct": (lambda alpha: alpha, 1.0),
}
# the exponents: |u|^4 overflows float32 beyond 4e9, |u|^0.05 is all but a sign
SMALLEST, LARGEST = 0.05, 4.0
SPLITS = ("inputs", "cells", "channels")
CACHED = 1 << 18  # values per piece: with float32 temporaries, a core's second-level cache


def exponent(alpha: Tensor, kind: str = "exp") -> Tensor:
    """The exponent p = g(alpha) > 0 of the power function, limited to [0.05, 4]; the same shape.

    The paper says how alpha behaves, not how it enters: an L1 penalty turns most channels into
    identities, so alpha = 0 must stand for p = 1. Beyond a limit the gradient is 0.

    - "exp", the default: p = exp(alpha); alpha and -alpha are inverse functions;
    - "linear": p = 1 + alpha, the same to first order; only the lower limit keeps p positive;
    - "direct": p = alpha, the formula read literally. It starts at 1, and a penalty pulls it to the
      sign function.
    """
    g, _ = EXPONENTS[choose("exponent", kind, EXPONENTS)]
    return g(alpha).clamp(SMALLEST, LARGEST)


def _full(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, beta: float, rescale: bool) -> Tensor:
        ctx.slope = 1.0 if rescale else beta
        steps = (_full(u) * beta).floor_()
        return (steps.div_(beta) if rescale else steps).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return (gradient if ctx.slope == 1 else gradient * ctx.slope), None, None


def floor(u: Tensor, beta: float, rescale: bool = True) -> Tensor:
    """U = floor(beta u) / beta: multiples of 1/beta, rounded towards minus infinity.

    The gradient is straight-through, that of the function without its floor: dU/du = 1. With
    `rescale` False it is U = floor(beta u) with dU/du = beta. Nothing is saved for the backward
    pass.
    """
    return _Floor.apply(u, beta, rescale)


def _pieces(u: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Images to work on at a time, and what the others have for them, or for all images."""
    size = max(1, CACHED * len(u) // max(1, u.numel()))
    for start in range(0, len(u), size):
        piece = slice(start, start + size)
        yield u[piece], *(x if len(x) == 1 else x[piece] for x in others)


def _power(u: Tensor, p: Tensor, epsilon: float, slopes: bool) -> tuple[Tensor, ...]:
    """U, and if wanted dU/du and dU/dp times 2 / ln 2; p has the dimensions of u."""
    square = (u * u).add_(epsilon**2)
    log = square.log2()
    factor = (log * ((p - 1) / 2)).exp2_()  # U / u
    out = factor * u
    if not slopes:
        return (out,)
    to_u = torch.addcdiv(p, (1 - p) * epsilon**2, square, out=square).mul_(factor)
    return out, to_u, log.mul_(out)


class _Power(torch.autograd.Function):
    """Eager autograd would keep five temporaries of the size of u, and read them.

    A logarithm takes a CPU as long as ten passes over what its cache holds. There the forward pass,
    which has it, computes and keeps both derivatives. Compiled or on a GPU, where reading memory is
    what takes time, u alone is kept.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, p: Tensor, epsilon: float) -> Tensor:
        ctx.shape, ctx.epsilon = p.shape, epsilon
        ctx.keeps = not u.is_cuda and not torch.compiler.is_compiling()
        p = p.reshape((1,) * (u.dim() - p.dim()) + p.shape)
        ctx.broadcast = p.shape
        if not ctx.keeps:
            ctx.save_for_backward(u, p)
            return _power(_full(u), p, epsilon, False)[0].to(u.dtype)
        slopes = any(ctx.needs_input_grad)
        parts = [_power(_full(x), own, epsilon, slopes) for x, own in _pieces(u, p)]
        out, *kept = (p[0] if len(p) == 1 else torch.cat(p) for p in zip(*parts, strict=True))
        ctx.save_for_backward(*kept)
        return out.to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        if ctx.keeps:
            if torch.is_grad_enabled():  # the slopes are numbers: it would be left out in silence
                raise RuntimeError("the gradient of power cannot be differentiated")
            to_u, to_p = ctx.saved_tensors
        else:
            u, p = ctx.saved_tensors
            _, to_u, to_p = _power(_full(u), p, ctx.epsilon, True)
        passed = (gradient * to_u).to(gradient.dtype)
        if not ctx.needs_input_grad[1]:
            return passed, None, None
        summed = (gradient * to_p).sum_to_size(ctx.broadcast)
        return passed, summed.mul_(math.log(2) / 2).view(ctx.shape), None


def power(u: Tensor, p: Tensor, epsilon: float = 1e-3) -> Tensor:
    """U = u (u^2 + epsilon^2)^((p-1)/2), which is sign(u) |u|^p where |u| is well above epsilon.

    The paper's function is U = sign(u) |u|^p. For p < 1 its slope at 0 is infinite; here it is
    epsilon^(p-1), at most 708 with the default. For p = 1 this is u, to the bit. It is odd and
    smooth, 0 goes to 0, and at |u| = 10 epsilon it is within 2 % of the paper's (p in [0.05, 4]).

    Gradients: dU/du = (U/u) (1 + (p-1) u^2 / (u^2 + epsilon^2)); dU/dp = U log(u^2 + epsilon^2) /
    2. They cannot be differentiated again.

    Args:
        u: features of any sign, |u| up to 1e9.
        p: exponents in [0.05, 4] that broadcast to the shape of u, in float32 (float64 for float64
            features).
        epsilon: width of the zone about 0, in the units of u; at least 1e-15.
    """
    return _Power.apply(u, p, epsilon)


class _Statistics(torch.autograd.Function):
    """(N, C, H, W) -> mean and standard deviation over positions, (N, C) each.

    With `torch.var_mean` and its gradient, which leave the layout of the features, HPOW would take
    a CPU twice as long. The root is of the variance + 1e-6, for its slope where that is 0.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean((2, 3), keepdim=True)
        deviation = (x - mean).square_().mean((2, 3), keepdim=True).add_(1e-6).sqrt_()
        ctx.save_for_backward(x, mean, deviation)
        return mean.flatten(1), deviation.flatten(1)

    @staticmethod
    def backward(ctx: Any, to_mean: Tensor, to_deviation: Tensor) -> Tensor:
        x, mean, deviation = ctx.saved_tensors
        count = x[0, 0].numel()
        slope = to_deviation[:, :, None, None] / (count * deviation)
        return torch.addcmul(to_mean[:, :, None, None] / count - slope * mean, x, slope)


class SF(nn.Module):
    """Scalable floor, U = floor(beta W*X) / beta with a straight-through gradient; see `floor`.

    Args:
        beta: resolution, values per unit: 10 and 100 in the paper's SF-10 and SF-100. bfloat16 has
            128 values from 1 to 2: features in it are quantised about as finely as by SF-100.
        rescale: divide by beta again, or not, as a second-hand report of the formula has it. The
            batch norm behind undoes a scale either way; with the division, weights see the
            gradients of a network without SF, and a layer without batch norm keeps its scale.
    """

    def __init__(self, beta: float, rescale: bool = True) -> None:
        super().__init__()
        if beta <= 0:
            raise UserError(f"beta is {beta}; it must be positive")
        self.beta, self.rescale = float(beta), rescale

    def forward(self, u: Tensor, context: Tensor | None = None, part: int = 0) -> Tensor:
        """(N, C, H, W) -> the same shape; the other arguments are not used."""
        return floor(u, self.beta, self.rescale)


class POW(nn.Module):
    """Power with learned exponents, U = sign(W*X) |W*X|^g(alpha): POW-k has k per channel.

    All exponents start at 1: the network starts as the one without POW. The paper steadies alpha
    with an L1 or L2 penalty, which the method adds to the loss.

    Args:
        channels: output channels C of the convolution.
        splits: k. At 1, "inputs" and "cells" are the same.
        split: what is split; the paper does not say. "inputs", the default: the convolution is
            split into k groups of input channels, each part has an exponent per channel, and the
            parts are added, U = sum_j sign(W_j*X_j) |W_j*X_j|^p_j. In this reading cost and
            expressive power grow with k, as the paper says. `insert` rearranges the convolution; k
            falls to the greatest common divisor with its input channels, which for RGB images is 1.
            "cells": the map is cut into k cells, as square a grid as k allows, each with its own
            exponent per channel. "channels": the C channels are cut into k groups, each with one
            exponent.
        exponent: how alpha becomes an exponent, see `exponent`.
        epsilon: see `power`.
    """

    def __init__(
        self,
        channels: int,
        splits: int = 1,
        split: str = "inputs",
        exponent: str = "exp",
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__()
        if splits < 1:
            raise UserError(f"splits is {splits}; it must be at least 1")
        self.channels, self.splits, self.split = channels, splits, choose("split", split, SPLITS)
        self.exponent, self.epsilon = choose("exponent", exponent, EXPONENTS), epsilon
        start = EXPONENTS[exponent][1]
        shape = (splits,) if split == "channels" else (splits, channels)
        self.alpha = nn.Parameter(torch.full(shape, start))

    def _exponents(self, u: Tensor, part: int) -> Tensor:
        """The exponents in a shape that broadcasts to u."""
        p = exponent(self.alpha, self.exponent)
        if self.split == "channels":
            group = torch.arange(self.channels, device=p.device) * self.splits // self.channels
            return p[group].view(1, -1, 1, 1)
        if self.split == "inputs" or self.splits == 1:
            return p[part].view(1, -1, 1, 1)
        rows = max(r for r in range(1, math.isqrt(self.splits) + 1) if self.splits % r == 0)
        grid = p.t().reshape(1, self.channels, rows, self.splits // rows)
        cells = F.interpolate(grid, size=u.shape[-2:], mode="nearest")
        # as features are: with two layouts in one operation it would take half as long again
        return cells.contiguous(memory_format=torch.channels_last)

    def forward(self, u: Tensor, context: Tensor | None = None, part: int = 0) -> Tensor:
        """(N, C, H, W) -> the same shape; u is part number `part`; `context` is not used."""
        return power(u, self._exponents(u, part), self.epsilon)


class HPOW(nn.Module):
    """Power with data-dependent exponents: alpha = F(mu_X, sigma_X), U = sign(u) |u|^g(alpha).

    mu_X and sigma_X are the mean and standard deviation over the positions of every input channel
    of the convolution, for every image by itself. F has one hidden layer (its size is not in the
    source); its last layer starts at 0, so that all exponents start at 1.

    Exponents multiply from layer to layer. Two things keep deep networks finite: what F reads is
    brought to mean 0 and variance 1 over its 2 x read entries, or larger features would make larger
    exponents, and these larger features; and alpha = alpha_0 + reach tanh(F).

    Args:
        channels: output channels C of the convolution.
        read: channels of the statistics' source, the input channels of the convolution.
        hidden: units of the hidden layer.
        reach: how far alpha may go; by default, exponents are in [0.78, 1.28] under the map "exp".
        exponent, epsilon: as in `POW`.
    """

    def __init__(
        self,
        channels: int,
        read: int,
        hidden: int = 32,
        reach: float = 0.25,
        exponent: str = "exp",
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__()
        self.exponent, self.epsilon = choose("exponent", exponent, EXPONENTS), epsilon
        self.start, self.reach = EXPONENTS[exponent][1], reach
        last = nn.Linear(hidden, channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        norm = nn.LayerNorm(2 * read, elementwise_affine=False)
        self.hyper = nn.Sequential(norm, nn.Linear(2 * read, hidden), nn.ReLU(), last)

    def alpha(self, context: Tensor) -> Tensor:
        """(N, C): the exponents' parameters for images with these inputs (N, read, H, W)."""
        with torch.autocast(context.device.type, enabled=False):
            read = torch.cat(_Statistics.apply(_full(context)), dim=1)
            return self.start + self.reach * self.hyper(read).tanh()

    def forward(self, u: Tensor, context: Tensor | None = None, part: int = 0) -> Tensor:
        """(N, C, H, W) -> the same shape; the statistics are those of `context`, else of u."""
        p = exponent(self.alpha(u if context is None else context), self.exponent)
        return power(u, p[:, :, None, None], self.epsilon)


class SFPOW(nn.Module):
    """SF and POW, one behind the other.

    Args:
        channels: output channels C of the convolution.
        beta, rescale: as in `SF`.
        first: "floor", the order of the name, takes the power of rounded features: small values,
            which an exponent under 1 would enlarge, are gone; "power" rounds the powers.
        options: those of `POW`. Unless given, epsilon is half a step of the floor where the floor
            comes first: the many features that are rounded to 0 then have the slope of half a step,
            and no gradient explodes there.
    """

    def __init__(
        self, channels: int, beta: float, rescale: bool = True, first: str = "floor", **options: Any
    ) -> None:
        super().__init__()
        self.first = choose("first", first, ("floor", "power"))
        self.floor = SF(beta, rescale)
        if first == "floor":
            options.setdefault("epsilon", 0.5 / beta if rescale else 0.5)
        self.power = POW(channels, **options)

    def forward(self, u: Tensor, context: Tensor | None = None, part: int = 0) -> Tensor:
        """(N, C, H, W) -> the same shape; `part` as in `POW`."""
        x = _full(u)  # what lies between the two is not rounded to the dtype of u
        if self.first == "floor":
            return self.power(self.floor(x), part=part).to(u.dtype)
        return self.floor(self.power(x, part=part)).to(u.dtype)
