"""The one training loop: batches -> augment -> degrade -> method.loss -> step. It knows no paper by
name.

The training images live on the device as uint8; an epoch is one shuffle and one gather a step, and
nothing waits for the device before the epoch ends.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.datasets import Split
from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.levels import to_float
from paperlib.errors import UserError, choose
from paperlib.execution import Execution
from paperlib.methods import Batch, Method
from paperlib.runs import Run

Tick = Callable[[int], None]  # called after every step with the number of images


def learning_rate(run: Run, progress: float) -> float:
    """The learning rate after a fraction `progress` in [0, 1) of all steps."""
    match choose("schedule", run.schedule, ("step", "cosine", "onecycle", "constant")):
        case "step":
            return run.lr * 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
        case "cosine":
            return run.lr * 0.5 * (1 + math.cos(math.pi * progress))
        case "onecycle":
            return run.lr * min(progress / 0.2, (1 - progress) / 0.8)
    return run.lr


def make_optimizer(
    run: Run, parameters: list[nn.Parameter], undecayed: Sequence[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The run's optimizer, as one fused kernel; `undecayed` parameters come last and have no weight
    decay."""
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": run.weight_decay}]
    if undecayed:
        groups.append({"params": list(undecayed), "weight_decay": 0.0})
    if choose("optimizer", run.optimizer, ("sgd", "adam")) == "adam":
        return torch.optim.Adam(groups, run.lr, fused=True)
    return torch.optim.SGD(groups, run.lr, momentum=run.momentum, fused=True)


class Step(NamedTuple):
    """The images of one step, before the degradation unless that was made beforehand."""

    clean: Tensor | None  # (B, 3, H, W) uint8; None where training keeps no clean image
    # the same crop and flip of the images' degraded copies, where those were given
    degraded: tuple[Tensor, ...]
    labels: Tensor  # (B,) int64
    number: Tensor  # (B,) int64: positions in the split


class Batches:
    """Shuffled, cropped and flipped training batches, made on the device.

    Images are kept zero-padded and channels-last, so that a crop and a flip are one gather.

    Args:
        degraded: each (N, 3, H, W) uint8, the split's images degraded once and for all: cropped and
            flipped alike.
        clean: whether the images themselves are wanted beside their degraded copies.
    """

    def __init__(
        self,
        split: Split,
        run: Run,
        generator: torch.Generator,
        degraded: Sequence[Tensor] = (),
        clean: bool = True,
    ) -> None:
        pad, self.clean = run.crop, clean or not degraded
        images = torch.cat([*([split.images] if self.clean else []), *degraded], dim=1)
        self.images = F.pad(images, (pad,) * 4).permute(0, 2, 3, 1).contiguous()
        self.labels = split.labels
        self.size = split.images.shape[-2:]
        self.run, self.generator = run, generator
        self.batch_size = min(run.batch_size, len(split.labels))
        # the last, smaller batch of a shuffle is left out
        self.steps = len(split.labels) // self.batch_size

    def _random(self, high: int, count: int) -> Tensor:
        device = self.images.device
        return torch.randint(high, (count,), generator=self.generator, device=device)

    def __iter__(self) -> Iterator[Step]:
        """One epoch."""
        device, count = self.images.device, len(self.labels)
        order = torch.randperm(count, generator=self.generator, device=device)
        top, left = (
            self._random(2 * self.run.crop + 1, count),
            self._random(2 * self.run.crop + 1, count),
        )
        flip = (
            self._random(2, count).bool()
            if self.run.flip
            else torch.zeros(count, dtype=torch.bool, device=device)
        )
        rows, columns = (torch.arange(n, device=device) for n in self.size)
        for step in range(self.steps):
            part = slice(step * self.batch_size, (step + 1) * self.batch_size)
            index = order[part]
            across = torch.where(flip[part, None], columns.flip(0), columns) + left[part, None]
            down = rows + top[part, None]
            crop = self.images[index[:, None, None], down[:, :, None], across[:, None, :]]
            views = crop.permute(0, 3, 1, 2).split(3, dim=1)
            clean, degraded = (views[0], views[1:]) if self.clean else (None, views)
            yield Step(clean, degraded, self.labels[index], index)


@dataclass
class Progress:
    """Where a training is: all that is needed, with the tensors of method and optimizer, to go on
    from here."""

    epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains one method on one split, an epoch at a time.

    Args:
        run: the recipe.
        method: what to train, with its parents, on the device of `execution`.
        split: training images, on that device.
        view: what turns clean images into what the network sees: at every step with fresh draws, or
            once before the first if it is `fixed`.
        again: the same with other draws, for a method that takes pairs of them.

    Of a fixed view and a method that reads no clean images only degraded copies are kept: nothing
    else could be read.
    """

    def __init__(
        self,
        run: Run,
        method: Method,
        split: Split,
        view: Degradation,
        execution: Execution,
        again: Degradation | None = None,
    ) -> None:
        self.run, self.method, self.execution = run, method, execution
        self.views = [view] if again is None else [view, again]
        self.generator = torch.Generator(execution.device).manual_seed(run.seed)
        copies = [degrade_all(one, split) for one in self.views if one.fixed]
        self.batches = Batches(split, run, self.generator, copies, method.reads_clean)
        undecayed = [p for p in method.undecayed() if p.requires_grad]
        apart = set(map(id, undecayed))
        decayed = [p for p in method.parameters() if p.requires_grad and id(p) not in apart]
        # in the optimizer's order: a checkpoint counts them
        self.parameters = [*decayed, *undecayed]
        if run.epochs:  # a run that only tests may have nothing to train
            self.optimizer = make_optimizer(run, decayed, undecayed)
        self.progress = Progress()
        self._loss = torch.compile(method.loss) if execution.compile else method.loss

    @property
    def done(self) -> bool:
        """Whether all epochs are trained."""
        return self.progress.epoch >= self.run.epochs

    def step(self, step: Step) -> dict[str, Tensor]:
        """Train one step; returns the losses, still on the device."""
        degraded = step.degraded
        if not degraded:
            key = ImageKey(step.number, ("train", self.run.seed, self.progress.epoch))
            degraded = tuple(view(step.clean, key) for view in self.views)  # type: ignore[arg-type]  # then it is kept
        clean = to_float(step.clean) if self.method.reads_clean else None  # type: ignore[arg-type]
        again = to_float(degraded[-1]) if self.method.pairs else None
        batch = Batch(clean, to_float(degraded[0]), step.labels, again)  # type: ignore[arg-type]
        with self.execution.autocast():
            losses = self._loss(batch)
        losses["loss"].backward()
        if self.run.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.run.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return losses

    def epoch(self, tick: Tick = lambda count: None) -> None:
        """Train one epoch. Raises `UserError` if the loss is no longer finite."""
        start = time.perf_counter()
        self.method.train()
        total_steps = self.run.epochs * self.batches.steps
        sums: dict[str, Tensor] = {}
        for step, images in enumerate(self.batches, self.progress.epoch * self.batches.steps):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.run, step / total_steps)
            # summed on the device: no step waits for it
            for name, loss in self.step(images).items():
                sums[name] = sums.get(name, 0) + loss.detach()
            tick(self.batches.batch_size)
        means = {name: float(value) / self.batches.steps for name, value in sums.items()}
        if not math.isfinite(means["loss"]):
            raise UserError(
                f"{self.run.label}: the loss is not finite in epoch {self.progress.epoch + 1}; lower lr?"
            )
        self.progress.epoch += 1
        self.progress.seconds += time.perf_counter() - start
        self.progress.history.append({"lr": float(self.optimizer.param_groups[0]["lr"]), **means})

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values from which `restore` goes on, to the same bits on a CPU."""
        tensors = {f"method.{name}": tensor for name, tensor in self.method.state_dict().items()}
        for i, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{i}.{name}": slot for name, slot in slots.items() if slot is not None
            }
        tensors["generator.batches"] = self.generator.get_state()
        tensors["generator.cpu"] = torch.get_rng_state()  # dropout draws from the global generators
        if torch.device(self.execution.device).type == "cuda":
            tensors["generator.cuda"] = torch.cuda.get_rng_state(self.execution.device)
        return tensors, vars(self.progress).copy()

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go on from a state that `state` gave."""
        method = {
            name.removeprefix("method."): t
            for name, t in tensors.items()
            if name.startswith("method.")
        }
        self.method.load_state_dict(method)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, i, slot = name.split(".")
                parameter = self.parameters[int(i)]
                # A slot has its parameter's memory layout (channels-last): fused kernels walk both
                # alike.
                same = (
                    torch.empty_like(parameter)
                    if tensor.shape == parameter.shape
                    else torch.empty_like(tensor)
                )
                slots.setdefault(int(i), {})[slot] = same.copy_(tensor)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.generator.set_state(tensors["generator.batches"])
        torch.set_rng_state(tensors["generator.cpu"])
        if "generator.cuda" in tensors and torch.device(self.execution.device).type == "cuda":
            torch.cuda.set_rng_state(tensors["generator.cuda"], self.execution.device)
        self.progress = Progress(**values)


def at_a_time(split: Split) -> int:
    """How many images to evaluate at once: 512 of 32 pixels a side, and as many pixels of larger
    ones."""
    return max(1, min(512, 512 * 32**2 // split.images[0, 0].numel()))


def degrade_all(view: Degradation, split: Split, batch_size: int | None = None) -> Tensor:
    """(N, 3, H, W) uint8: all training images as a `fixed` degradation gives them, on the split's
    device."""
    parts, batch_size = [], batch_size or at_a_time(split)
    for start in range(0, len(split), batch_size):
        images = split.images[start : start + batch_size]
        index = torch.arange(start, start + len(images), device=images.device)
        parts.append(view(images, ImageKey(index, ("train",))))
    return torch.cat(parts)


@torch.inference_mode()
def evaluate(
    method: Method,
    split: Split,
    view: Degradation,
    execution: Execution,
    part: str = "test",
    batch_size: int | None = None,
) -> dict[str, float]:
    """What a method measures on a split, in eval mode, images as they are (no crop, no flip).

    Random degradations depend on the image and on `part`, not on the run: all runs are tested on
    the same images.
    """
    method.eval()
    batch_size = batch_size or at_a_time(split)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(split), batch_size):
            images = split.images[start : start + batch_size]
            images = images.contiguous(memory_format=torch.channels_last)
            index = torch.arange(start, start + len(images), device=images.device)
            with execution.exact():  # networks compute under autocast, degradations never do
                degraded = view(images, ImageKey(index, (part,)))
            labels = split.labels[start : start + batch_size]
            yield Batch(to_float(images), to_float(degraded), labels)

    with execution.autocast():
        return method.measure(batches())
