"""Detection on distorted images with and without feature quantization (Sun et al., CVPR 2018;
supplement, Fig. 4).

A detector is trained on clean images, with a non-linearity behind the convolutions of its backbone
or without one; a run with `epochs=0` and the trained run as "init" then tests it on distorted
images.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.detector import DETECTOR, Detection
from paperlib.papers.fq.insertion import KINDS, alphas, insert
from paperlib.papers.fq.method import PENALTIES, of_nonlinearity, penalty
from paperlib.runs import Run


class QuantizedDetection(Detection):
    """A detector, trained with its own four losses and the penalty on alpha, on the degraded
    images.

    Args:
        kind: "none" for the base detector, or the non-linearity: "sf", "pow", "hpow" or "sf-pow".
        penalty, weight: on learned exponents, see `method.penalty`.
        options: of the detector, see `Detection`, and of the non-linearity, see `insertion.insert`:
            `after`, `where`, `beta`, `splits`, ...

    Raises:
        UserError: an unknown choice, or a run that crops or mirrors.
    """

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        kind: str = "none",
        penalty: str = "l2",
        weight: float | None = None,
        **options: Any,
    ) -> None:
        own = {name: value for name, value in options.items() if name in DETECTOR}
        super().__init__(run, task, parents, **own)  # `build` has taken what is not named
        self.penalty, self.weight = choose("penalty", penalty, PENALTIES), weight

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The detector, with its non-linearities; its other parameters start as those of the one
        without."""
        network = Detection.build(run, task)
        kind = choose("kind", str(run.options.get("kind", "none")), ("none", *KINDS))
        options = of_nonlinearity(run, *DETECTOR)
        if kind != "none":
            insert(network.backbone, kind, **options)  # type: ignore[arg-type]
        elif options:
            raise UserError(f"a detector of kind 'none' takes no option {', '.join(options)}")
        return network

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss: the detector's four, and the penalty."""
        return {**super().terms(batch), "penalty": penalty(self.network, self.penalty, self.weight)}

    def undecayed(self) -> list[nn.Parameter]:
        """The alphas: their penalty replaces weight decay."""
        return list(alphas(self.network).values())
