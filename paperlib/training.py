"""The one training loop: batches -> augment -> degrade -> method.loss -> step.

The training images live on the device as uint8; an epoch is one shuffle and one gather per step,
and nothing waits for the device before the epoch ends.
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
    run: Run, parameters: list[nn.Parameter], no_decay: Sequence[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The run's optimizer, as one fused kernel.

    Args:
        parameters: those with the run's weight decay.
        no_decay: those without; they come last.
    """
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": run.weight_decay}]
    if no_decay:
        groups.append({"params": list(no_decay), "weight_decay": 0.0})
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
        self.clean = clean or not degraded
        images = torch.cat([*([split.images] if self.clean else []), *degraded], dim=1)
        self.images = F.pad(images, (run.crop,) * 4).permute(0, 2, 3, 1).contiguous()
        self.labels = split.labels
        self.size = split.images.shape[-2:]
        self.run, self.generator = run, generator
        self.batch_size = min(run.batch_size, len(split.labels))
        # the last, smaller batch of a shuffle is left out
        self.steps = len(split.labels) // self.batch_size
        self.count = self.steps * self.batch_size  # images per epoch

    def _random(self, high: int, count: int) -> Tensor:
        device = self.images.device
        return torch.randint(high, (count,), generator=self.generator, device=device)

    def __iter__(self) -> Iterator[Step]:
        """One epoch."""
        device, count = self.images.device, len(self.labels)
        order = torch.randperm(count, generator=self.generator, device=device)
        top = self._random(2 * self.run.crop + 1, count)
        left = self._random(2 * self.run.crop + 1, count)
        flip = torch.zeros(count, dtype=torch.bool, device=device)
        if self.run.flip:
            flip = self._random(2, count).bool()
        rows, columns = (torch.arange(n, device=device) for n in self.size)
        for step in range(self.steps):
            part = slice(step * self.batch_size, (step + 1) * self.batch_size)
            index = order[part]
            across = torch.where(flip[part, None], columns.flip(0), columns) + left[part, None]
            down = rows + top[part, None]
            crop = self.images[index[:, None, None], down[:, :, None], across[:, None, :]]
            parts = crop.permute(0, 3, 1, 2).split(3, dim=1)
            clean, degraded = (parts[0], parts[1:]) if self.clean else (None, parts)
            yield Step(clean, degraded, self.labels[index], index)


@dataclass
class Progress:
    """How far a training is: with the tensors of method and optimizer, all it needs to resume."""

    epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains one method on one split, an epoch at a time.

    Args:
        run: the recipe.
        method: what to train, with its parents, on the device of `execution`.
        split: training images, on that device.
        degradation: what turns clean images into what the network sees: at every step with fresh
            draws, or once before the first if it is `fixed`.
        second_draw: the same with other random numbers, for a method that needs it.

    With a fixed degradation and a method that reads no clean images only degraded copies are kept.
    """

    def __init__(
        self,
        run: Run,
        method: Method,
        split: Split,
        degradation: Degradation,
        execution: Execution,
        second_draw: Degradation | None = None,
    ) -> None:
        self.run, self.method, self.execution = run, method, execution
        self.degradations = [degradation, *([] if second_draw is None else [second_draw])]
        self.generator = torch.Generator(execution.device).manual_seed(run.seed)
        fixed = [one for one in self.degradations if one.fixed and run.epochs]
        copies = [degrade_all(one, split, run.seed) for one in fixed]
        self.batches = Batches(split, run, self.generator, copies, method.reads_clean)
        no_decay = [p for p in method.no_decay_parameters() if p.requires_grad]
        without = set(map(id, no_decay))
        decay = [p for p in method.parameters() if p.requires_grad and id(p) not in without]
        self.parameters = [*decay, *no_decay]  # in the optimizer's order: a checkpoint counts them
        if run.epochs:  # a run that only tests may have nothing to train
            self.optimizer = make_optimizer(run, decay, no_decay)
        self.progress = Progress()
        self._loss = torch.compile(method.loss) if execution.compile else method.loss

    @property
    def done(self) -> bool:
        """Whether all epochs are trained."""
        return self.progress.epoch >= self.run.epochs

    def step(self, step: Step) -> dict[str, Tensor]:
        """Train one step; returns the losses, still on the device."""
        batch = self._batch(step)
        with self.execution.autocast():
            losses = self._loss(batch)
        losses["loss"].backward()
        if self.run.clip:
            nn.utils.clip_grad_norm_(self.parameters, self.run.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return losses

    def _batch(self, step: Step) -> Batch:
        """What the method reads of the images of a step."""
        degraded = step.degraded
        if not degraded:
            assert step.clean is not None, "images without degraded copies are kept"
            key = ImageKey(step.number, ("train", self.run.seed, self.progress.epoch))
            degraded = tuple(degradation(step.clean, key) for degradation in self.degradations)
        clean = step.clean if self.method.reads_clean else None
        second = degraded[1] if self.method.needs_second_draw else None
        return Batch(
            None if clean is None else to_float(clean),
            to_float(degraded[0]),
            step.labels,
            None if second is None else to_float(second),
        )

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
            where = f"{self.run.label}: the loss is not finite in epoch {self.progress.epoch + 1}"
            raise UserError(f"{where}; lower lr?")
        self.progress.epoch += 1
        self.progress.seconds += time.perf_counter() - start
        self.progress.history.append({"lr": float(self.optimizer.param_groups[0]["lr"]), **means})

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values from which `restore` resumes, to the same bits on a CPU."""
        tensors = {f"method.{name}": tensor for name, tensor in self.method.state_dict().items()}
        for i, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{i}.{name}": slot for name, slot in slots.items() if slot is not None
            }
        tensors["generator.batches"] = self.generator.get_state()
        tensors["generator.cpu"] = torch.get_rng_state()  # dropout draws from the global generators
        if self.execution.kind == "cuda":
            tensors["generator.cuda"] = torch.cuda.get_rng_state(self.execution.device)
        return tensors, vars(self.progress).copy()

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Resume from what `state` gave."""
        groups: dict[str, dict[str, Tensor]] = {"method": {}, "optimizer": {}, "generator": {}}
        for name, tensor in tensors.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = tensor
        self.method.load_state_dict(groups["method"])
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in groups["optimizer"].items():
            i, _, slot = name.partition(".")
            parameter = self.parameters[int(i)]
            # in its parameter's memory layout (channels-last): fused kernels read both alike
            like = parameter if tensor.shape == parameter.shape else tensor
            slots.setdefault(int(i), {})[slot] = torch.empty_like(like).copy_(tensor)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        generators = groups["generator"]
        self.generator.set_state(generators["batches"])
        torch.set_rng_state(generators["cpu"])
        if "cuda" in generators and self.execution.kind == "cuda":
            torch.cuda.set_rng_state(generators["cuda"], self.execution.device)
        self.progress = Progress(**values)


def eval_batch_size(split: Split) -> int:
    """How many images to evaluate at once: 512 of 32 x 32 pixels, or as many pixels of others."""
    return max(1, min(512, 512 * 32**2 // split.images[0, 0].numel()))


def degrade_all(
    degradation: Degradation, split: Split, seed: int, batch_size: int | None = None
) -> Tensor:
    """All training images under a `fixed` degradation: (N, 3, H, W) uint8, on their device."""
    parts, batch_size = [], batch_size or eval_batch_size(split)
    for start in range(0, len(split), batch_size):
        images = split.images[start : start + batch_size]
        index = torch.arange(start, start + len(images), device=images.device)
        parts.append(degradation(images, ImageKey(index, ("train", seed))))
    return torch.cat(parts)


@torch.inference_mode()
def evaluate(
    method: Method,
    split: Split,
    degradation: Degradation,
    execution: Execution,
    draw: tuple[str, int],
    batch_size: int | None = None,
) -> dict[str, float]:
    """What a method measures on a split, in eval mode, images as they are (no crop, no flip).

    Random degradations depend on the image and on `draw`, not on the run: all runs of a seed are
    tested on the same images.

    Args:
        draw: "test" or "validation", and the seed.
        batch_size: images at once; None is `eval_batch_size`.
    """
    method.eval()
    batch_size = batch_size or eval_batch_size(split)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(split), batch_size):
            images = split.images[start : start + batch_size]
            images = images.contiguous(memory_format=torch.channels_last)
            index = torch.arange(start, start + len(images), device=images.device)
            with execution.exact():  # networks compute under autocast, degradations never do
                degraded = degradation(images, ImageKey(index, draw))
            labels = split.labels[start : start + batch_size]
            yield Batch(to_float(images), to_float(degraded), labels)

    with execution.autocast():
        return method.measure(batches())
