"""Feature quantization for defending against distortion of images.

Sun, Ozay, Zhang, Liu & Okatani, CVPR 2018.

A classifier with non-linearities behind its convolutions that quantise features: SF, POW, HPOW or
SF-POW, see `paperlib.papers.fq.quantization`. It is trained as any other, on clean images; the
learned exponents of POW are held by a penalty of their own.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Options, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.networks.classifier import Classifier
from paperlib.papers.fq.insertion import KINDS, alphas, check, insert
from paperlib.runs import Run

# The supplement gives no weights. L2: the weight decay of other parameters. L1: the power of ten at
# which "majority of the channels act as an identical mapping" (section 2), on training images.
PENALTIES = {"none": 0.0, "l1": 1e-3, "l2": 5e-4}
# options that are arguments of the non-linearity's class
OF_CLASS = ["beta", "rescale", "splits", "split", "exponent", "epsilon", "hidden", "reach", "first"]


def penalty(network: nn.Module, kind: str, weight: float | None = None) -> Tensor:
    """The regularisation of the learned exponents (supplement, section 2), a scalar.

    The sums go over all alphas of all layers; a network without any has a penalty of 0. With the
    default exponent map, alpha = 0 is the identity.

    Args:
        network: whose alphas are penalised.
        kind: "l1": weight * sum |alpha|; "l2": weight / 2 * sum alpha^2, whose `weight` is what is
            called weight decay; "none": 0.
        weight: None is `PENALTIES[kind]`.
    """
    own = PENALTIES[choose("penalty", kind, PENALTIES)] if weight is None else weight
    values = list(alphas(network).values())
    if kind == "none" or not values:
        return torch.zeros((), device=next(network.parameters()).device)
    flat = torch.cat([alpha.flatten() for alpha in values])
    return own * flat.abs().sum() if kind == "l1" else own / 2 * flat.square().sum()


@dataclass(frozen=True)
class NonlinearityOptions(Options):
    """Which non-linearity a network gets, where, and what holds its learned exponents.

    Those that default to None are of the non-linearity's class in `quantization`, which has the
    defaults and rejects the options of another class.

    Attributes:
        kind: "sf", "pow", "hpow" or "sf-pow"; "none" leaves the network as it is.
        penalty: "l2", "l1" or "none", of no effect without learned exponents; they have no weight
            decay beside it.
        weight: of the penalty; None is that of `PENALTIES`.
        after, where: behind which layers, see `insertion.insert`.
        beta, rescale: of `SF` and `SFPOW`; they need a beta.
        splits, split: of `POW` and `SFPOW`.
        exponent, epsilon: of `POW`, `HPOW` and `SFPOW`.
        hidden, reach: of `HPOW`.
        first: of `SFPOW`.
    """

    kind: str = "pow"
    penalty: str = "l2"
    weight: float | None = None
    after: str = "conv"
    where: str = "blocks"
    beta: float | None = None
    rescale: bool | None = None
    splits: int | None = None
    split: str | None = None
    exponent: str | None = None
    epsilon: float | None = None
    hidden: int | None = None
    reach: float | None = None
    first: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("non-linearity", self.kind, ("none", *KINDS))
        choose("penalty", self.penalty, PENALTIES)
        if self.kind != "none":
            check(self.kind, self.after, self.of_class)
        elif self.of_class:
            raise UserError(f"kind 'none' takes no option {', '.join(self.of_class)}")

    @property
    def of_class(self) -> dict[str, Any]:
        """The given arguments of the non-linearity's class, by name."""
        given = {name: getattr(self, name) for name in OF_CLASS}
        return {name: value for name, value in given.items() if value is not None}

    def insert_into(self, network: nn.Module) -> None:
        """Put the non-linearity behind the network's convolutions, in place."""
        if self.kind != "none":
            insert(network, self.kind, self.after, self.where, **self.of_class)


@dataclass(frozen=True)
class FQOptions(NonlinearityOptions, SupervisedOptions):
    """Options of a classifier with feature quantization."""


class FQ(Supervised):
    """A classifier with feature quantization: cross-entropy and the penalty on alpha."""

    options_type = FQOptions
    options: FQOptions
    precision = "fp32"  # bf16 rounds by more than a step of SF-100

    @staticmethod
    def build(run: Run, task: Task, options: Any) -> Classifier:
        """The classifier with its non-linearities; its other parameters start as without them."""
        network = Supervised.build(run, task, options)
        options.insert_into(network)
        return network

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy plus the penalty on alpha, and its two terms."""
        recognition = super().loss(batch)["loss"]
        held = penalty(self.network, self.options.penalty, self.options.weight)
        return {"loss": recognition + held, "recognition": recognition, "penalty": held}

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """The alphas: their penalty replaces weight decay."""
        return list(alphas(self.network).values())

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The learned alphas by layer, (k, C) float32: what Fig. 2 draws."""
        learned = alphas(self.network)
        return {f"alpha.{name}": alpha.detach().float() for name, alpha in learned.items()}
