"""What the loop calls: a method has a network, a loss for a batch, and scores for a batch. Nothing
else."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.degrade.levels import to_levels
from paperlib.errors import UserError
from paperlib.networks.classifier import Classifier
from paperlib.runs import Run


class Task(NamedTuple):
    """What a method must know of the data set: number of classes, channel means and deviations on
    [0, 1], and size."""

    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int = 32  # height and width of the images, before any degradation


class Batch(NamedTuple):
    """One step's images. All show the same crop and flip of the same images.

    In the training of a method that does not read clean images, `clean` is None.
    """

    clean: Tensor  # (B, 3, H, W) float in [0, 1]
    # (B, 3, h, w) float in [0, 1]; h, w differ from H, W where the degradation keeps its own size
    degraded: Tensor
    labels: Tensor  # (B,) int64
    # `degraded` with other draws, in the training of a method with `pairs`
    again: Tensor | None = None

    def part(self, where: slice) -> "Batch":
        """Some of the images."""
        again = None if self.again is None else self.again[where]
        return Batch(self.clean[where], self.degraded[where], self.labels[where], again)


class Method(nn.Module):
    """Base class of the methods. A subclass defines `build`, `loss` and `scores`.

    Its parameters are what is trained: `self.network` (what the run hands on to others) and any
    auxiliary module. `parents` are networks of the runs in `run.uses`, in eval mode and without
    gradients; they are kept out of `parameters()` and `state_dict()`, so no optimizer or weights
    file ever sees them.

    Args:
        run: the run.
        task: what the data set looks like.
        parents: network by role.

    A parent named "init" gives the network its initial weights. The keyword arguments of a subclass
    are the names that `Run.options` may hold.

    Attributes:
        reads_clean: whether `loss` reads clean images; if not, it gets none.
        pairs: whether `loss` reads a second, independent draw of the degradation.
    """

    reads_clean = True
    pairs = False

    def __init__(self, run: Run, task: Task, parents: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.network = self.build(run, task)
        self.parents = dict(parents)  # a plain dict: not registered as sub-modules
        if "init" in parents:
            self.start_from(parents["init"])

    @staticmethod
    def build(run: Run, task: Task) -> nn.Module:
        """The network to train, freshly initialised from the global generator."""
        raise NotImplementedError

    def start_from(self, network: nn.Module) -> None:
        """Take the initial weights from the network of a parent "init": here one of the same
        architecture."""
        self.network.load_state_dict(network.state_dict())

    @staticmethod
    def example(run: Run, task: Task) -> tuple[Tensor, ...]:
        """Zeros of the shapes that the network takes for one image: here the image itself."""
        return (torch.zeros(1, 3, task.size, task.size),)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalar tensors by name: "loss" is minimised, the others are its terms, for the
        history."""
        raise NotImplementedError

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """One value an image (B,) by name."""
        raise NotImplementedError

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """A run's metrics from all batches of a split, in eval mode: here the means of `scores`
        over its images.

        What is no mean over images (mean average precision, say) is computed by a `measure` of
        one's own.
        """
        sums: dict[str, Tensor] = {}
        count = 0
        for batch in batches:
            for name, score in self.scores(batch).items():
                sums[name] = sums.get(name, 0) + score.double().sum()
            count += len(batch.labels)
        return {name: float(value) / count for name, value in sums.items()}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Small tensors worth keeping beside the record, such as images made of the first test
        images; eval mode."""
        return {}

    def undecayed(self) -> list[nn.Parameter]:
        """Parameters that weight decay leaves alone, because the loss has a penalty of its own for
        them."""
        return []


def pictures(images: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Images (B, 3, H, W) float as samples keep them: clipped to [0, 1], uint8."""
    return {name: to_levels(part) for name, part in images.items()}


def shrunk(maps: Tensor, edge: int) -> Tensor:
    """Images or maps (B, C, H, W) averaged down to at most `edge` pixels a side."""
    return F.adaptive_avg_pool2d(maps, edge) if maps.shape[-1] > edge else maps


def classifier_of(run: Run, parents: Mapping[str, nn.Module], role: str) -> Classifier:
    """The parent of a role. Raises `UserError` if there is none, or none of the architecture that
    the run names."""
    network = parents.get(role)
    if not isinstance(network, Classifier):
        raise UserError(f"{run.method} needs a trained classifier: uses={{'{role}': Run(...)}}")
    own = run.uses.get(role)
    if own is not None and (own.network, own.width) != (run.network, run.width):
        raise UserError(
            f"{role} is a {own.network} of width {own.width}; name the same network and width here"
        )
    return network
