"""Variational information distillation (VID), from clean to degraded images.

VID is by Ahn, Hu, Damianou, Lawrence & Dai (CVPR 2019). The student maximises a lower bound on the
mutual information of its features and the teacher's: the log-likelihood of the teacher's maps under
a Gaussian whose mean is regressed from the student's maps and whose variance is one learned number
per channel. SFD's variance differs from image to image and element to element.

The regressor, the form of the variance and its initial value, 5, are those of the authors' code, as
ports of it have them (the original is no longer public). The paper has several pairs of layers,
clean images for both networks, and a larger teacher; one pair, the last maps, and a student that
sees the degraded image are how SFD's table must have used it (inferred).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.methods.base import Batch, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.networks.classifier import Classifier, map_shape
from paperlib.networks.frozen_parts import frozen
from paperlib.runs import Run

LEAST_VARIANCE = 1e-5
# Of every channel. The likelihood's gradient is a mean over channels: with SGD thousands of steps
# pass before this has become a variance that fits small features.
INITIAL_VARIANCE = 5.0


def variational_loss(mean: Tensor, target: Tensor, variance: Tensor) -> Tensor:
    """Negative log-likelihood of maps under a Gaussian with one variance per channel.

    0.5 [(mean - target)^2 / variance + log variance], averaged over all elements, without the
    constant; a float32 scalar.

    Args:
        mean, target: (N, C, h, w).
        variance: (C,), positive.
    """
    spread = variance.float().view(-1, 1, 1)
    return 0.5 * ((mean.float() - target.float()).square() / spread + spread.log()).mean()


@dataclass(frozen=True)
class VIDOptions(SupervisedOptions):
    """Options of VID, and those of the student's network.

    Attributes:
        lambda_: weight of `variational_loss` beside the cross-entropy; 1 in the ports. SFD's
            released code gives a loss of this kind, without the factor 1/2, a weight of 0.01.
    """

    lambda_: float = 1.0


class VID(Supervised):
    """A student that recognises degraded images and predicts a teacher's last maps of clean ones.

    Needs a parent "teacher", of any architecture. The maps are taken behind their ReLU, as those at
    the ends of the paper's groups of layers are; of maps of two sizes the larger are averaged down
    to the smaller, as in the ports.
    """

    options_type = VIDOptions
    options: VIDOptions
    network: Classifier
    required_parents = ("teacher",)
    reads_clean = True

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: VIDOptions
    ) -> None:
        super().__init__(run, task, parents, options)
        # Behind the network, so that a student starts as the baseline of its seed does.
        channels = map_shape(self.network, task.size)[0]
        targets = map_shape(self.parents["teacher"], task.size)[0]
        self.regressor = nn.Sequential(
            nn.Conv2d(channels, targets, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(targets, targets, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(targets, targets, 1, bias=False),
        )
        start = math.log(math.expm1(INITIAL_VARIANCE - LEAST_VARIANCE))  # softplus's inverse
        self.scale = nn.Parameter(torch.full((targets,), start))

    @property
    def variance(self) -> Tensor:
        """The learned variance of every channel of the teacher's maps, (C,)."""
        return F.softplus(self.scale) + LEAST_VARIANCE

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy on the degraded images, plus lambda times `variational_loss`; the terms."""
        target = frozen(self.parents["teacher"].maps, batch.clean_images).relu()
        maps = self.network.maps(batch.degraded)
        logits = self.network.classify(maps).logits
        recognition = F.cross_entropy(logits.float(), batch.labels)
        source = maps.relu()
        size = tuple(map(min, source.shape[2:], target.shape[2:]))
        mean = self.regressor(F.adaptive_avg_pool2d(source, size))
        distillation = variational_loss(mean, F.adaptive_avg_pool2d(target, size), self.variance)
        loss = recognition + self.options.lambda_ * distillation
        return {"loss": loss, "recognition": recognition, "distillation": distillation}

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """The parameters of the variance.

        The likelihood, a mean over channels, moves them by less than the usual weight decay would,
        towards softplus(0) = 0.69. The ports decay them.
        """
        return [self.scale]

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The learned variances, (C,) float32: what SFD has a map of for every image."""
        return {"variance": self.variance.detach().float()}
