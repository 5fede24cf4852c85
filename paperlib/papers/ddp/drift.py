"""The observation behind *Deep degradation prior* (Wang et al., CVPR 2020), measured.

The abstract: the distributions of "structurally similar patches" of degraded and clean images have
in feature space "uniform margins under the same degradation condition". Here: features f of a
frozen network at its plug point, at sampled positions of many images, in clusters of similar clean
patches; the drifts d = f(degraded) - f(clean) of a cluster should have one direction (cosine
concentration) and one margin (their mean explains them), more so than drifts of mismatched
conditions. The numbers and the controls are ours; the paper's text was unavailable.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib import degrade
from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.draws import Draws
from paperlib.degrade.levels import to_float, to_levels
from paperlib.errors import UserError
from paperlib.methods.base import Batch, Method, Options, Task, classifier_of
from paperlib.networks.frozen_parts import FrozenParts
from paperlib.papers.ddp.drift_statistics import Vectors, arrows, summary
from paperlib.runs import Run

POSITIONS = 16  # sampled in each image, the same ones for all conditions


@dataclass(frozen=True)
class DriftOptions(Options):
    """The mismatched condition, in the words of `degrade.specs.RandomCorruption`.

    Attributes:
        control: one corruption, or several ("fog,contrast", "standard"), of which each image draws
            its own.
        control_severity: e.g. "3" or "1,2,3,4,5".
        control_table: one of `degrade.tables.TABLES`.
    """

    control: str = "standard"
    control_severity: str = "1,2,3,4,5"
    control_table: str = "cifar-c"

    def degradation(self) -> Degradation:
        """The control condition. Raises `UserError` for an unknown corruption or table."""
        corruptions = {"corruptions": self.control, "severities": self.control_severity}
        table = self.control_table
        return degrade.build({"name": "random_corruption", **corruptions, "table": table})


class Drift(Method):
    """Measures the drifts of early features under the run's degradation; trains nothing.

    Needs epochs=0 and uses={"network": Run(...)}, a trained classifier. The degradations of
    `evaluate` are measured in the same way. All is computed in float32.

    Even images learn clusters and margins, odd ones test them. Metrics; c(i) is the cluster of the
    clean patch i:

    - "size": the root of sum |d|^2 / sum |f(clean)|^2, over all images;
    - "cosine_clusters": how far drifts of a cluster have one direction,
      `drift_statistics.concentration`;
    - "explained_clusters": what the mean drift of c(i) in the even images explains of drift i,
      `drift_statistics.explained`;
    - "..._overall": the two for all positions as one group;
    - "..._control": the four of drifts under the control condition; "..._shuffled": of wrong pairs,
      `drift_statistics.shuffled`;
    - "explained_clusters_mismatched": what the control condition's margins explain of this
      condition's drifts.
    """

    options_type = DriftOptions
    options: DriftOptions

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: DriftOptions
    ) -> None:
        if run.epochs or run.holdout:
            raise UserError("drift trains nothing and takes test images: epochs=0 and no holdout")
        classifier = classifier_of(run, parents, "network")
        super().__init__(run, task, parents, options)
        self.parts = FrozenParts(classifier, run.network)
        self.seed = run.seed
        self.control = options.degradation()
        self.kept: dict[str, Tensor] = {}

    @staticmethod
    def build(run: Run, task: Task, options: DriftOptions) -> nn.Module:
        """Nothing: what is measured is the parent."""
        return nn.Identity()

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The metrics of one degradation. The arrows of the first, the run's own, are kept."""
        first, parts = 0, []
        for batch in batches:
            device = batch.degraded.device
            index = torch.arange(first, first + len(batch.degraded), device=device)
            with torch.autocast(device.type, enabled=False):
                parts.append(self.vectors(batch, index))
            first += len(batch.degraded)
        vectors = Vectors(*map(torch.cat, zip(*parts, strict=True)))
        with torch.autocast(vectors.clean.device.type, enabled=False):
            metrics, groups = summary(vectors, self.seed)
            self.kept = self.kept or arrows(vectors, groups)
        return metrics

    def vectors(self, batch: Batch, index: Tensor) -> Vectors:
        """The features of a batch at its sampled positions; `index` (B,) numbers the images."""
        images, key = batch.clean_images, ImageKey(index, ("drift control",))
        control = to_float(self.control(to_levels(images), key))
        clean, degraded, other = (self._maps(x) for x in (images, batch.degraded, control))
        if clean.shape != degraded.shape:
            what = "the degradation must keep the image's size"
            raise UserError(f"drift compares features position by position: {what}")
        count = clean[0, 0].numel()
        where = (Draws(index, "drift", self.seed).uniform(POSITIONS) * count).long()
        start, end, control_end = (_columns(maps, where) for maps in (clean, degraded, other))
        image = index.repeat_interleave(POSITIONS)
        return Vectors(start, end - start, control_end - start, image)

    def _maps(self, images: Tensor) -> Tensor:
        return self.parts.maps(self.parts.normalised(images)).float()

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """What `drift_statistics.arrows` makes of the first measurement."""
        return self.kept


def _columns(maps: Tensor, where: Tensor) -> Tensor:
    """Of maps (B, C, h, w) the columns at flat positions (B, m): (B m, C)."""
    index = where[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, index).transpose(1, 2).flatten(0, 1)
