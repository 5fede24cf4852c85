"""How strong each distortion of feature quantization is to be: measured on a trained network, not
by eye.

The supplement gives no strengths. What a distortion costs its base network, ResNet-18, is printed,
so the strength is the one that costs ours as much; all other networks are then tested under the
same.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from paperlib.degrade.calibration import keeps
from paperlib.degrade.distortions import DISTORTIONS
from paperlib.errors import UserError, choose
from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised
from paperlib.runs import Run


class Calibration(Supervised):
    """Bisects strengths on a network that another run has trained (`epochs=0`, `uses={"init":
    ...}`).

    Args:
        fractions: distortion -> the share of the network's clean top-1 above chance that is to be
            left, in (0, 1).

    Metrics, for the images of each split: "top1", clean, and for every distortion
    "strength@<distortion>" in [0, 1] and "kept@<distortion>", the share that is left there. A
    distortion that even at strength 1 leaves more has strength 1. The strengths to use are those of
    the held-out training images, "validation_strength@<distortion>".

    Above chance: of the paper's 1000 classes a guess of five hits 0.5 %, of ten classes a guess
    hits 10 %.
    """

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], **fractions: float
    ) -> None:
        super().__init__(run, task, parents)
        if run.epochs or "init" not in parents or not run.holdout:
            raise UserError("calibration needs epochs=0, uses={'init': Run(...)} and a holdout")
        self.chance = 1 / task.classes
        self.fractions = {
            choose("distortion", name, DISTORTIONS): share for name, share in fractions.items()
        }

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Strengths for these clean images."""
        levels = [
            (batch.clean.mul(255).round_().to(torch.uint8), batch.labels) for batch in batches
        ]
        images, labels = (torch.cat(part) for part in zip(*levels, strict=True))
        metrics: dict[str, float] = {}
        for name, share in self.fractions.items():
            found = keeps(
                self._logits,
                images,
                labels,
                DISTORTIONS[name],
                share,
                chance=self.chance,
                strict=False,
            )
            # one image, where a network sees nothing
            seen = max(found.clean - self.chance, 1 / len(labels))
            kept = (found.accuracy - self.chance) / seen
            metrics |= {
                "top1": 100 * found.clean,
                f"strength@{name}": found.strength,
                f"kept@{name}": kept,
            }
        return metrics

    def _logits(self, images: Tensor) -> Tensor:
        return self.network(images).logits.float()
