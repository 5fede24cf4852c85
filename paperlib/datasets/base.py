"""What every data set is here: uint8 images and their labels, two parts, on one device."""

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
        self, train_size: int = 0, holdout: int = 0, test_size: int = 0
    ) -> tuple[Split, Split, Split]:
        """Training, validation and test images.

        One permutation of the training images, the same for every run, seed and machine, gives
        first the `holdout` images for validation and then the `train_size` images to train on; so
        runs that differ in their seed, or in `train_size` alone, are validated on the same images.
        It is a copy.

        Args:
            train_size: how many images to train on; 0 means all that validation leaves.
            holdout: how many training images to hold out for validation; 0 means none.
            test_size: how many test images, the first of a fixed permutation; 0 means all, in their
                own order.

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
        order, test = _permutation(len(self.train)), self.test
        if test_size:
            test = test.subset(_permutation(len(test))[:test_size])
        train = self.train.subset(order[holdout : holdout + train_size])
        return train, self.train.subset(order[:holdout]), test

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
