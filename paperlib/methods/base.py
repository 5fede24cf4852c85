"""What the loop calls: a method has a network, a loss for a batch, and scores for a batch."""

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.degrade.levels import to_levels
from paperlib.errors import UserError, choose
from paperlib.networks.classifier import Classifier
from paperlib.runs import Run


class Task(NamedTuple):
    """What a method must know of the data set; means and deviations are of channels on [0, 1]."""

    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int = 32  # height and width of the images, before any degradation


class Batch(NamedTuple):
    """One step's images. All show the same crop and flip of the same images.

    In the training of a method that does not read clean images, `clean` is None.
    """

    clean: Tensor | None  # (B, 3, H, W) float in [0, 1]
    degraded: Tensor  # (B, 3, h, w) float in [0, 1]; h, w are the degradation's own size
    labels: Tensor  # (B,) int64; (B, M, 6) float32 for detection
    second_draw: Tensor | None = None  # `degraded` with other random numbers, where it is needed

    def part(self, where: slice) -> "Batch":
        """Some of the images."""
        return Batch(
            None if self.clean is None else self.clean[where],
            self.degraded[where],
            self.labels[where],
            None if self.second_draw is None else self.second_draw[where],
        )

    @property
    def clean_images(self) -> Tensor:
        """`clean`, for a method that reads it: the loop has given it."""
        assert self.clean is not None, "this method says that it reads no clean images"
        return self.clean

    @property
    def second_images(self) -> Tensor:
        """`second_draw`, for a method that needs it: the loop has given it."""
        assert self.second_draw is not None, "this method says that it needs no second draw"
        return self.second_draw


@dataclass(frozen=True)
class Options:
    """A method's own parameters, by the names that `Run.options` may hold.

    A method's options are a frozen subclass with a default for each; what a type cannot say is
    checked in `__post_init__`, which raises `UserError`.
    """

    def __post_init__(self) -> None:
        """Here nothing to check; subclasses of several options call their parents' by `super()`."""


class Method(nn.Module):
    """Base class of the methods. A subclass defines `build`, `loss` and `scores`.

    Its parameters are what is trained: `self.network` (what the run hands on to others) and any
    auxiliary module. `parents` are networks of the runs in `run.uses`, in eval mode and without
    gradients; they are kept out of `parameters()` and `state_dict()`, so no optimizer or weights
    file ever sees them. A parent named "init" gives the network its initial weights.

    Args:
        run: the run.
        task: what the data set looks like.
        parents: network by role.
        options: the run's, parsed by `parse`.

    Raises:
        UserError: a parent that the method requires is missing.

    Attributes:
        options_type: the class of its options.
        required_parents: roles of the parents that a run has to use.
        reads_clean: whether `loss` reads clean images; if not, it gets none.
        needs_second_draw: whether `loss` reads a second, independent draw of the degradation.
        precision: that its numbers need, one of `execution.PRECISIONS`; "" takes the execution's.
    """

    options_type: type[Options] = Options
    options: Any
    required_parents: tuple[str, ...] = ()
    reads_clean = True
    needs_second_draw = False
    precision = ""

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: Options
    ) -> None:
        super().__init__()
        self.check_parents(run, parents)
        self.options = options
        self.network = self.build(run, task, options)
        # A plain dict is not registered as sub-modules. Of what kind a parent is, its role says.
        self.parents: dict[str, Any] = dict(parents)
        if "init" in parents:
            self.start_from(parents["init"])

    @classmethod
    def check_parents(cls, run: Run, roles: Iterable[str]) -> None:
        """Raise `UserError` if a required parent is not among the roles."""
        for role in cls.required_parents:
            if role not in roles:
                raise UserError(
                    f"{run.method} needs a parent {role!r}: uses={{'{role}': Run(...)}}"
                )

    @classmethod
    def parse(cls, run: Run) -> Options:
        """The run's options, checked. Needs no data and no network: it is done before anything.

        Raises:
            UserError: an unknown name, or a value of another type or out of range.
        """
        hints = get_type_hints(cls.options_type)
        for name, value in run.options.items():
            hint = hints[choose(f"option of method {run.method!r}", name, hints)]
            if not _fits(value, hint):
                wanted = getattr(hint, "__name__", str(hint))
                raise UserError(f"{run.method}: {name} is {value!r}; it must be of type {wanted}")
        try:
            return cls.options_type(**run.options)
        except UserError as error:
            raise UserError(f"{run.method}: {error}") from error

    @staticmethod
    def build(run: Run, task: Task, options: Any) -> nn.Module:
        """The network to train, freshly initialised from the global generator."""
        raise NotImplementedError

    @staticmethod
    def input_size(run: Run, task: Task) -> int:
        """Height and width in pixels of the images that the network takes: those of the data."""
        return task.size

    @classmethod
    def example(cls, run: Run, task: Task, options: Any) -> tuple[Tensor, ...]:
        """Zeros of the shapes that the network takes for one image: here the image itself."""
        size = cls.input_size(run, task)
        return (torch.zeros(1, 3, size, size),)

    def start_from(self, network: nn.Module) -> None:
        """Take the initial weights from the parent "init": here one of the same architecture."""
        self.network.load_state_dict(network.state_dict())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name: "loss" is minimised, the others are its terms, for the history."""
        raise NotImplementedError

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """One value per image (B,) by name."""
        raise NotImplementedError

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """A run's metrics from all batches of a split, in eval mode: the means of `scores`.

        A metric that is no mean over images, such as mean average precision, overrides this.
        """
        sums: dict[str, Tensor] = {}
        count = 0
        for batch in batches:
            for name, score in self.scores(batch).items():
                sums[name] = sums.get(name, 0) + score.double().sum()
            count += len(batch.labels)
        return {name: float(value) / count for name, value in sums.items()}

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """Small tensors worth keeping beside the record, such as output images; eval mode."""
        return {}

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """Parameters without weight decay, because the loss has a penalty of its own for them."""
        return []


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a type such as `float | None`; whole numbers are floats, too."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def pictures(images: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Images (B, 3, H, W) float as samples keep them: clipped to [0, 1], uint8."""
    return {name: to_levels(part) for name, part in images.items()}


def shrunk(maps: Tensor, edge: int) -> Tensor:
    """Images or maps (B, C, H, W) averaged down to at most `edge` x `edge` pixels."""
    return F.adaptive_avg_pool2d(maps, edge) if maps.shape[-1] > edge else maps


def classifier_of(run: Run, parents: Mapping[str, nn.Module], role: str) -> Classifier:
    """The parent of a role. Raises `UserError` if there is none of the run's architecture."""
    network = parents.get(role)
    if not isinstance(network, Classifier):
        raise UserError(f"{run.method} needs a trained classifier: uses={{'{role}': Run(...)}}")
    own = run.uses.get(role)
    if own is not None and (own.network, own.width) != (run.network, run.width):
        raise UserError(
            f"{role} is a {own.network} of width {own.width}; name the same network and width here"
        )
    return network
