"""Deep degradation prior (Wang, Cao, Zha, Zhang & Xiong, CVPR 2020).

A feature de-drifting module behind an early layer of a frozen classifier learns to map the features
of degraded images to those of the clean ones, from pairs of images without labels. This is what the
abstract says; of the rest, `paperlib.papers.ddp.module` says what is known and what is inferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib import networks
from paperlib.errors import UserError, choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Options, Task, classifier_of
from paperlib.networks.frozen_parts import FrozenParts, rectified
from paperlib.papers.ddp.module import FeatureDeDrifting
from paperlib.runs import Run

NORMS = ("l2", "l1")


@dataclass(frozen=True)
class DDPOptions(Options):
    """Options of the module and of its loss.

    Attributes:
        at: where the module is plugged in, see `networks.frozen_parts.plug_points`; "" is the
            network's own place.
        image: the module sees the degraded image beside its features.
        residual: it predicts a difference, and starts as the identity, unlike the second-hand
            code's module: a few images show it the drift, but not the features.
        norm: of the loss, "l2" (mean squared error, inferred) or "l1" (mean absolute error).
    """

    at: str = ""
    image: bool = True
    residual: bool = True
    norm: str = "l2"

    def __post_init__(self) -> None:
        choose("norm", self.norm, NORMS)


class DDP(Method):
    """Trains the module of a frozen classifier, the parent "frozen".

    The module is all that the run hands on. To plug one that has learned on another data set into a
    network, as the paper does (10 images of CUB for a network of ImageNet): a run there, with that
    network as "frozen", is the "init" of a run here with epochs=0 and the same "frozen".
    """

    options_type = DDPOptions
    options: DDPOptions
    network: FeatureDeDrifting

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: DDPOptions
    ) -> None:
        classifier = classifier_of(run, parents, "frozen")
        super().__init__(run, task, parents, options)
        self.parts = FrozenParts(classifier, run.network, options.at)
        self.same_classes = classifier.head.out_features == task.classes

    @staticmethod
    def build(run: Run, task: Task, options: DDPOptions) -> FeatureDeDrifting:
        """The module alone, for the maps that the run's network has at the plug point."""
        parts, maps = _shapes(run, task, options.at)
        return FeatureDeDrifting(
            maps.shape[1], options.image, options.residual, rectify=rectified(parts.before)
        )

    def start_from(self, network: nn.Module) -> None:
        """Take a module's weights, learned on any data. Raises `UserError` if its form differs."""
        form = getattr(network, "form", None)
        if form != self.network.form:
            raise UserError(f"init must be a module of the form {self.network.form}; it is {form}")
        super().start_from(network)

    @classmethod
    def example(cls, run: Run, task: Task, options: DDPOptions) -> tuple[Tensor, ...]:
        """Zeros of the shapes of the maps at the plug point, and of the image."""
        _, maps = _shapes(run, task, options.at)
        return torch.zeros(maps.shape), *super().example(run, task, options)

    def _maps(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of the clean and of the degraded images, and the degraded images, normalised."""
        clean, degraded = batch.clean_images, batch.degraded
        if clean.shape != degraded.shape:
            sizes = [tuple(images.shape[-2:]) for images in (degraded, clean)]
            what = f"images of {sizes[0]} pixels for {sizes[1]}"
            raise UserError(f"ddp compares features position by position: {what}")
        images = self.parts.normalised(torch.cat([clean, degraded]))
        clean_maps, degraded_maps = self.parts.maps(images).chunk(2)
        return clean_maps, degraded_maps, images[len(clean) :]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """mean |FDM(f(degraded), degraded) - f(clean)|^p over all elements, p = 2 or 1.

        The labels are not read.
        """
        clean, degraded, images = self._maps(batch)
        error = self.network(degraded, images).float() - clean.float()
        return {"loss": (error.square() if self.options.norm == "l2" else error.abs()).mean()}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """One value per image (B,) by name.

        "drift": the mean squared difference of the degraded image's maps from the clean one's;
        "drift_left": that of the module's maps. Top-1, top-5 and cross-entropy of what the frozen
        network makes of the module's maps, unless its classes are others in number than the data
        set's, or the labels are boxes.
        """
        clean, degraded, images = self._maps(batch)
        mended = self.network(degraded, images)
        drift, left = (
            (maps.float() - clean.float()).square().flatten(1).mean(1)
            for maps in (degraded, mended)
        )
        scores = {"drift": drift, "drift_left": left}
        if not self.same_classes or batch.labels.ndim > 1:
            return scores
        return {**classification(self.parts.classify(mended), batch.labels), **scores}


def _shapes(run: Run, task: Task, at: str) -> tuple[FrozenParts, Tensor]:
    """The parts of the run's network, and the maps (1, C, h, w) of one image between them.

    Both without values, on the "meta" device: no memory, and no draw from the random generator.
    """
    with torch.device("meta"):
        network = networks.build(run.network, task.classes, run.width, size=task.size).eval()
        parts = FrozenParts(network, run.network, at)
        with torch.no_grad():
            return parts, parts.before(torch.empty(1, 3, task.size, task.size))
