"""How strong each distortion of feature quantization must be, measured on a trained network.

The supplement gives no strengths. It prints what a distortion costs its base network, ResNet-18, so
the strength here is the one that costs ours as much; all networks are then tested under the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.degrade.calibration import calibrate
from paperlib.degrade.distortions import DISTORTIONS
from paperlib.degrade.levels import to_levels
from paperlib.errors import UserError
from paperlib.methods.base import Batch, Method, Options, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.networks.classifier import Classifier
from paperlib.runs import Run


@dataclass(frozen=True)
class CalibrationOptions(Options):
    """The distortions to calibrate, one option for each of `DISTORTIONS`.

    The value is the share, in (0, 1), of the network's clean top-1 above chance that must be left;
    a distortion that is None is left out.
    """

    motion_blur: float | None = None
    jpeg_compression: float | None = None
    salt_and_pepper: float | None = None
    ngrn_noise: float | None = None
    inpainting: float | None = None
    targeted_occlusion: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, share in self.shares.items():
            if not 0 < share < 1:
                raise UserError(f"the share left under {name} is {share}; it must be in (0, 1)")

    @property
    def shares(self) -> dict[str, float]:
        """The given shares by distortion."""
        given = {name: getattr(self, name) for name in DISTORTIONS}
        return {name: share for name, share in given.items() if share is not None}


class Calibration(Method):
    """Bisects strengths on the trained network of the run "init"; trains nothing (`epochs=0`).

    Metrics, for the images of each split: "top1", clean, and for every distortion
    "strength@<distortion>" in [0, 1] and "kept@<distortion>", the share that is left there. A
    distortion that even at strength 1 leaves more has strength 1. The strengths to use are those of
    the held-out training images, "validation_strength@<distortion>".

    Above chance: of the paper's 1000 classes a guess of five hits 0.5 %, of ten classes a guess
    hits 10 %.
    """

    options_type = CalibrationOptions
    options: CalibrationOptions
    precision = "fp32"  # as the networks are trained and tested
    reads_clean = False  # there is no loss

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: CalibrationOptions
    ) -> None:
        if run.epochs or "init" not in parents or not run.holdout:
            raise UserError("calibration needs epochs=0, uses={'init': Run(...)} and a holdout")
        super().__init__(run, task, parents, options)
        self.chance = 1 / task.classes

    @staticmethod
    def build(run: Run, task: Task, options: CalibrationOptions) -> Classifier:
        """The classifier that the run names, which must be that of "init"."""
        return Supervised.build(run, task, SupervisedOptions())

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Strengths for these clean images."""
        levels = [(to_levels(batch.clean_images), batch.labels) for batch in batches]
        images, labels = (torch.cat(part) for part in zip(*levels, strict=True))
        metrics: dict[str, float] = {}
        for name, share in self.options.shares.items():
            found = calibrate(self._logits, images, labels, DISTORTIONS[name], share, self.chance)
            # one image, where a network sees nothing
            seen = max(found.clean - self.chance, 1 / len(labels))
            metrics |= {"top1": 100 * found.clean, f"strength@{name}": found.strength}
            metrics[f"kept@{name}"] = (found.accuracy - self.chance) / seen
        return metrics

    def _logits(self, images: Tensor) -> Tensor:
        return self.network(images).logits.float()
