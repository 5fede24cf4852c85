"""Deep degradation prior for low-quality image classification (Wang, Cao, Zha, Zhang & Xiong, CVPR
2020).

A feature de-drifting module behind an early layer of a frozen classifier learns to map the features
of degraded images to those of the clean ones, from pairs of images without labels. The abstract
says so much; of the rest, what is known and what is inferred stands in
`paperlib.papers.ddp.module`.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from paperlib import networks
from paperlib.errors import UserError, choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Task, classifier_of
from paperlib.networks import Classifier
from paperlib.networks.frozen_parts import FrozenParts, rectified
from paperlib.papers.ddp.module import FeatureDeDrifting
from paperlib.runs import Run

NORMS = ("l2", "l1")


def blank(run: Run, task: Task) -> tuple[Classifier, FrozenParts, Tensor]:
    """The run's architecture without values, its parts, and the maps (1, C, h, w) of an image at
    the plug point.

    All on the "meta" device: no memory, and no draw from the random generator.
    """
    with torch.device("meta"):
        network = networks.build(run.network, task.classes, run.width, size=task.size).eval()
        parts = FrozenParts(network, run.network, str(run.options.get("at", "")))
        with torch.no_grad():
            return network, parts, parts.before(torch.empty(1, 3, task.size, task.size))


class DDP(Method):
    """Trains the module of a frozen classifier, the parent "frozen"; the module is all that the run
    hands on.

    The module learned on one data set may be plugged into a network of another, as in the paper (10
    images of CUB for a network of ImageNet): a run on the first data set with the second one's
    network as "frozen", and on the second a run with epochs=0, the same "frozen" and the first run
    as "init". With epochs=0 and no "init", a residual module is the identity: what is measured is
    the frozen network itself.

    Args:
        at: where the module is plugged in, see `networks.frozen_parts.plug_points`; "" is the
            network's own place.
        image: the module sees the degraded image beside its features.
        residual: it predicts a difference, and starts as the identity. The default, unlike the
            second-hand code's module: it then has the drift to learn and not the features, which a
            few images do not show it.
        norm: of the loss, "l2" (mean squared error, inferred) or "l1" (mean absolute error).
    """

    network: FeatureDeDrifting

    def __init__(
        self,
        run: Run,
        task: Task,
        parents: Mapping[str, nn.Module],
        *,
        at: str = "",
        image: bool = True,
        residual: bool = True,
        norm: str = "l2",
    ) -> None:
        classifier = classifier_of(run, parents, "frozen")
        # `build` has taken at, image and residual from the run
        super().__init__(run, task, parents)
        self.norm = choose("norm", norm, NORMS)
        self.parts = FrozenParts(classifier, run.network, str(at))
        self.same_classes = classifier.head.out_features == task.classes

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The module alone, for the maps that the run's network has at the plug point."""
        _, parts, maps = blank(run, task)
        options = {
            name: bool(value)
            for name, value in run.options.items()
            if name in ("image", "residual")
        }
        return FeatureDeDrifting(maps.shape[1], rectify=rectified(parts.before), **options)

    def start_from(self, network: nn.Module) -> None:
        """Take the weights of a module of the same form, learned on whatever data. Raises
        `UserError` for another."""
        form = getattr(network, "form", None)
        if form != self.network.form:
            raise UserError(f"init must be a module of the form {self.network.form}; it is {form}")
        super().start_from(network)

    @staticmethod
    def example(run: Run, task: Task) -> tuple[Tensor, ...]:
        """Zeros of the shapes of the maps at the plug point, and of the image."""
        return torch.zeros(blank(run, task)[2].shape), torch.zeros(1, 3, task.size, task.size)

    def _both(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of the clean and of the degraded images, from one pass, and the degraded images,
        normalised."""
        if batch.clean.shape != batch.degraded.shape:
            sizes = [tuple(images.shape[-2:]) for images in (batch.degraded, batch.clean)]
            raise UserError(
                f"ddp compares features position by position: images of {sizes[0]} pixels for {sizes[1]}"
            )
        images = self.parts.normalised(torch.cat([batch.clean, batch.degraded]))
        clean, degraded = self.parts.maps(images).chunk(2)
        return clean, degraded, images[len(batch.clean) :]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """mean |FDM(f(degraded), degraded) - f(clean)|^p over all elements, p = 2 or 1; the labels
        are not read."""
        clean, degraded, images = self._both(batch)
        error = self.network(degraded, images).float() - clean.float()
        return {"loss": (error.square() if self.norm == "l2" else error.abs()).mean()}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """One value an image.

        "drift": the mean squared difference of the degraded image's maps from the clean one's;
        "drift_left": that of the module's maps. Top-1, top-5 and cross-entropy of what the frozen
        network makes of the module's maps, unless its classes are others in number than the data
        set's, or the labels are boxes.
        """
        clean, degraded, images = self._both(batch)
        mended = self.network(degraded, images)
        drift, left = (
            (m.float() - clean.float()).square().flatten(1).mean(1) for m in (degraded, mended)
        )
        scores = {"drift": drift, "drift_left": left}
        # the module's own data set may be one of detection
        if not self.same_classes or batch.labels.ndim > 1:
            return scores
        return {**classification(self.parts.classify(mended), batch.labels), **scores}
