"""What every data set is here: uint8 images and their labels, two parts, on one device."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from paperlib.errors import UserError


@dataclass(frozen=True, eq=False)
class Split:
    """Some images and their labels, on the same device."""

    images: Tensor  # uint8 (N, 3, H, W), contiguous
    labels: Tensor  # int64 (N,), 0 to classes - 1

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Split":
        """The same on `device`; nothing is copied if it is there already."""
        return Split(self.images.to(device), self.labels.to(device))

    def subset(self, indices: Tensor) -> "Split":
        """A copy of the images at `indices` (int64, any device), in that order."""
        indices = indices.to(self.labels.device)
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set with its training and its test part."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]  # the name of each label

    def to(self, device: torch.device | str) -> "Dataset":
        """The same on `device`; nothing is copied if it is there already."""
        return Dataset(self.name, self.train.to(device), self.test.to(device), self.classes)

    def split(
        self, train_size: int = 0, holdout: int = 0, test_size: int = 0, seed: int = 0
    ) -> tuple[Split, Split, Split]:
        """Training, validation and test images; copies.

        The `holdout` images are the same for every seed and size: they are kept out of all that is
        tuned on them. Of the others, and of the test images, the seed draws as many as are asked
        for, each class by its share; a larger number of one seed has all images of a smaller one.

        Args:
            train_size: how many images to train on; 0 means all that validation leaves.
            holdout: how many training images to hold out for validation; 0 means none.
            test_size: how many test images; 0 means all, in their own order.
            seed: of the draws.

        Raises:
            UserError: a number is negative or asks for more images than there are.
        """
        train_size = train_size or len(self.train) - holdout
        if train_size <= 0 or holdout < 0 or train_size + holdout > len(self.train):
            there = f"{self.name} has {len(self.train)} training images"
            raise UserError(f"{there}: cannot train on {train_size} and hold out {holdout}")
        if not 0 <= test_size <= len(self.test):
            there = f"{self.name} has {len(self.test)} test images"
            raise UserError(f"{there}: cannot test on {test_size}")
        held, rest = _permutation(len(self.train)).tensor_split([holdout])
        drawn = rest[_draw(self.train.labels[rest.to(self.train.labels.device)], train_size, seed)]
        test = self.test
        if test_size:
            test = test.subset(_draw(test.labels, test_size, seed))
        return self.train.subset(drawn), self.train.subset(held), test

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all images and labels."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            for values in (part.images, part.labels):
                digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
                digest.update(values.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]

    @property
    def mean(self) -> tuple[float, float, float]:
        """Mean of each channel over all training images, on the [0, 1] scale."""
        return self._statistics[0]

    @property
    def std(self) -> tuple[float, float, float]:
        """Standard deviation of each channel over all training images, on the [0, 1] scale."""
        return self._statistics[1]

    @cached_property
    def _statistics(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        # By a histogram of the 256 values: the same on every device, and no float copy of it all.
        values, channels = torch.arange(256, dtype=torch.float64) / 255, self.train.images.unbind(1)
        counts = [torch.bincount(channel.flatten(), minlength=256).cpu() for channel in channels]
        shares = torch.stack(counts) / counts[0].sum()
        mean = shares.double() @ values
        std = (shares.double() @ values.square() - mean.square()).sqrt()
        return tuple(mean.tolist()), tuple(std.tolist())


def _permutation(count: int) -> Tensor:
    """A permutation of `count` indices that depends on nothing else. int64 (count,)."""
    return torch.randperm(count, generator=Generator().manual_seed(0))


def _draw(labels: Tensor, size: int, seed: int) -> Tensor:
    """Indices of `size` images that a seed draws, each class by its share. int64 (size,), CPU.

    Objects with boxes have no class: of them all have equal chances.
    """
    generator = Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    if labels.ndim > 1:
        return order[:size]
    found = labels.cpu()[order]
    counts = torch.bincount(found)
    # the place of each image within its class, spread evenly over [0, 1) from a drawn start
    by_class = torch.argsort(found, stable=True)
    first = counts.cumsum(0) - counts
    place = torch.empty(len(found), dtype=torch.float64)
    place[by_class] = (torch.arange(len(found)) - first[found[by_class]]).double()
    start = torch.rand(len(counts), generator=generator, dtype=torch.float64)
    return order[torch.argsort((place + start[found]) / counts[found], stable=True)[:size]]
