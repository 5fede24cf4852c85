"""Puts the non-linearities of feature quantization behind the convolutions of a network.

Use::

    network = networks.build("resnet18", classes=10)
    insert(network, "pow", splits=1)  # conv -> POW -> batch norm -> ReLU in every block
    alphas(network)  # the exponents' parameters by layer: regularise them, draw their histograms
"""

import functools
import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.errors import UserError, choose
from paperlib.networks.classifier import Classifier
from paperlib.papers.fq.quantization import HPOW, POW, SF, SFPOW


class QuantizedConv2d(nn.Conv2d):
    """A convolution and the non-linearity behind it.

    With `splits` k > 1 the convolution is done in k parts, each from one group of input channels,
    and the non-linearity acts on each before they are added. A bias goes to the parts in equal
    shares.
    """

    nonlinearity: nn.Module
    splits = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, C, H', W')."""
        if self.splits == 1:
            return self.nonlinearity(super().forward(x), x)
        # On a CPU twice as fast as one grouped convolution: what is at work at a time stays small.
        bias = None if self.bias is None else self.bias / self.splits
        groups = zip(x.chunk(self.splits, 1), self.weight.chunk(self.splits, 1), strict=True)
        outputs = (self._conv_forward(*group, bias) for group in groups)
        parts = (self.nonlinearity(output, x, j) for j, output in enumerate(outputs))
        return functools.reduce(torch.add, parts)


class QuantizedBatchNorm2d(nn.BatchNorm2d):
    """A batch norm and the non-linearity behind it."""

    nonlinearity: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return self.nonlinearity(super().forward(x))


class QuantizedReLU(nn.ReLU):
    """A ReLU and the non-linearity behind it."""

    nonlinearity: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return self.nonlinearity(super().forward(x))


KINDS = ("sf", "pow", "hpow", "sf-pow")
PLACES: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "conv": (nn.Conv2d, QuantizedConv2d),
    "bn": (nn.BatchNorm2d, QuantizedBatchNorm2d),
    "relu": (nn.ReLU, QuantizedReLU),
}


def _make(kind: str, channels: int, read: int, options: Mapping[str, Any]) -> nn.Module:
    """A non-linearity for a layer of `channels` channels whose convolution reads `read`."""
    try:
        match kind:
            case "sf":
                return SF(**options)
            case "pow":
                return POW(channels, **options)
            case "hpow":
                return HPOW(channels, read, **options)
        return SFPOW(channels, **options)
    except TypeError as error:
        raise UserError(f"non-linearity {kind!r}: {error}") from error


def _targets(
    body: nn.Module, kind: type[nn.Module], where: str
) -> list[tuple[nn.Conv2d, nn.Module]]:
    """The convolutions that `where` means, each with the layer of type `kind` to insert behind."""
    modules = list(body.named_modules())
    names = [name for name, module in modules if isinstance(module, nn.Conv2d)]
    if where == "blocks":
        chosen = [name for name in names if not {"stem", "shortcut"} & set(name.split("."))]
    else:
        chosen = [name for name in names if where == "all" or fnmatchcase(name, where)]
        if not chosen:
            known = ", ".join(("blocks", "all", *names))
            raise UserError(f"no convolution is called {where!r}; choose from: {known}")
    targets = []
    conv = None  # the last one passed, if it is chosen and has found no layer yet
    for name, module in modules:
        if isinstance(module, nn.Conv2d):
            conv = module if name in chosen else None
        if conv is not None and isinstance(module, kind):
            if hasattr(module, "nonlinearity"):
                raise UserError(f"layer {name!r} has a non-linearity already")
            targets.append((conv, module))
            conv = None
    return targets


def insert(
    network: nn.Module, kind: str, after: str = "conv", where: str = "blocks", **options: Any
) -> nn.Module:
    """Put a non-linearity behind the convolutions of a network, in place; returns the network.

    Nothing that was there is drawn anew or renamed: parameters keep their names and values, and the
    global random generator is left as it was (HPOW draws from a copy of its state). POW and HPOW
    start as what the network computed before. New parameters are called `<layer>.nonlinearity.*`.

    Args:
        network: a `Classifier` (its `body` is changed), or any network of `nn.Conv2d`.
        kind: "sf", "pow", "hpow" or "sf-pow".
        after: "conv", the default: conv -> non-linearity -> batch norm -> ReLU, because the formula
            acts on W*X, and behind a ReLU no sign is left to keep. "bn" or "relu": behind the first
            batch norm or ReLU between the convolution and the next one; for the last convolution of
            a residual block, that is the ReLU of the sum. A convolution without one is passed over,
            and so is the ReLU that `Classifier` owns. HPOW then takes the statistics of the
            features that it acts on.
        where: "blocks", the default: all but those in a `stem` or `shortcut` (the supplement's Fig.
            2 names the convolutions of residual blocks only, its Table 2 marks the middle block
            only). "all"; or a pattern of names in the body, such as "stage1.*" or "*.conv1".
        options: of the class: `SF`, `POW`, `HPOW`, `SFPOW`.

    Raises:
        UserError: unknown choices or options; no layer to insert behind; a layer that already has
            a non-linearity.
    """
    check(kind, after, options)
    plain, quantized = PLACES[after]
    body = network.body if isinstance(network, Classifier) else network
    splits = _input_splits(options)
    targets = _targets(body, plain, where)
    if not targets:
        raise UserError(f"no convolution has a layer {after!r} behind it")
    with torch.random.fork_rng(devices=[]):
        for conv, layer in targets:
            # A class of its own, not a forward hook: torch.compile does not look at hooks, and
            # would run the graph of a network without non-linearities for one with them.
            layer.__class__ = quantized
            own = dict(options)
            if splits > 1:
                own["splits"] = math.gcd(splits, conv.in_channels)
                layer.splits = own["splits"]
            read = conv.in_channels if after == "conv" else conv.out_channels
            nonlinearity = _make(kind, conv.out_channels, read, own).to(conv.weight.device)
            layer.add_module("nonlinearity", nonlinearity)
    return network


def check(kind: str, after: str, options: Mapping[str, Any]) -> None:
    """Raises `UserError` for arguments of `insert` that no network can take."""
    choose("non-linearity", kind, KINDS)
    choose("after", after, PLACES)
    with torch.random.fork_rng(devices=[]):
        _make(kind, 1, 1, options)  # the class checks its own
    if _input_splits(options) > 1 and after != "conv":
        raise UserError(f"inputs can be split after 'conv' only, not after {after!r}")


def _input_splits(options: Mapping[str, Any]) -> int:
    """Into how many groups of input channels a convolution is split."""
    return options.get("splits", 1) if options.get("split", "inputs") == "inputs" else 1


def alphas(network: nn.Module) -> dict[str, nn.Parameter]:
    """The alphas of POW and SF-POW, (k, C) or (k,), by the name of the layer in front."""
    powers = {name: module for name, module in network.named_modules() if isinstance(module, POW)}
    return {name.partition(".nonlinearity")[0]: module.alpha for name, module in powers.items()}
