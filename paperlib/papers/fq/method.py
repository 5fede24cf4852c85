"""Feature quantization for defending against distortion of images (Sun, Ozay, Zhang, Liu & Okatani,
CVPR 2018).

A classifier with non-linearities behind its convolutions that quantise features: SF, POW, HPOW or
SF-POW, see `paperlib.papers.fq.quantization`. It is trained as any other, on clean images; the
learned exponents of POW are held by a penalty of their own.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from paperlib.errors import choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised
from paperlib.papers.fq.insertion import alphas, insert
from paperlib.runs import Run

# The supplement gives no weights. L2: the weight decay of the other parameters. L1: the power of
# ten at which "majority of the channels act as an identical mapping" (its section 2), as found on
# training images of CIFAR-10.
PENALTIES = {"none": 0.0, "l1": 1e-3, "l2": 5e-4}


def penalty(network: nn.Module, kind: str, weight: float | None = None) -> Tensor:
    """The regularisation of the learned exponents (supplement, section 2), a scalar; 0 where a
    network has none.

    "l1": weight * sum |alpha|; "l2": weight / 2 * sum alpha^2, of which `weight` is what is called
    weight decay. The sum goes over all alphas of all layers; under the default exponent map alpha =
    0 is the identity. `weight` None is `PENALTIES[kind]`.
    """
    own = PENALTIES[choose("penalty", kind, PENALTIES)] if weight is None else weight
    values = list(alphas(network).values())
    if kind == "none" or not values:
        return torch.zeros((), device=next(network.parameters()).device)
    flat = torch.cat([alpha.flatten() for alpha in values])
    return own * flat.abs().sum() if kind == "l1" else own / 2 * flat.square().sum()


def of_nonlinearity(run: Run, *others: str) -> dict[str, Any]:
    """The run's options that belong to its non-linearity: all but its kind, its penalty and
    `others`."""
    return {
        name: value
        for name, value in run.options.items()
        if name not in ("kind", "penalty", "weight", *others)
    }


class FQ(Supervised):
    """A classifier with feature quantization, trained with cross-entropy and the penalty on alpha.

    Args:
        kind: "sf", "pow", "hpow" or "sf-pow".
        penalty: "l2", "l1" or "none", of no effect without learned exponents; they have no weight
            decay beside it.
        weight: of the penalty, see `PENALTIES`.
        feature, dropout: see `Supervised`.
        nonlinearity: where the non-linearities go and what they are, see `insertion.insert` and the
            classes in `quantization`: `after`, `where`, `beta`, `splits`, `split`, `exponent`, ...
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        kind: str = "pow",
        penalty: str = "l2",
        weight: float | None = None,
        feature: str = "post",
        dropout: float | None = None,
        **nonlinearity: Any,
    ) -> None:
        # `build` has taken what is not named
        super().__init__(run, task, parents, feature=feature, dropout=dropout)
        self.penalty, self.weight = choose("penalty", penalty, PENALTIES), weight

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The classifier with its non-linearities; its other parameters start as those of the one
        without."""
        network = Supervised.build(run, task)
        return insert(
            network,
            str(run.options.get("kind", "pow")),
            **of_nonlinearity(run, "feature", "dropout"),
        )

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy plus the penalty on alpha, and its two terms."""
        recognition = super().loss(batch)["loss"]
        held = penalty(self.network, self.penalty, self.weight)
        return {"loss": recognition + held, "recognition": recognition, "penalty": held}

    def undecayed(self) -> list[nn.Parameter]:
        """The alphas: their penalty replaces weight decay."""
        return list(alphas(self.network).values())

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The learned alphas by layer, (k, C) float32: what Fig. 2 draws."""
        return {
            f"alpha.{name}": alpha.detach().float() for name, alpha in alphas(self.network).items()
        }
