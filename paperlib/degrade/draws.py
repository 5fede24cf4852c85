"""Random numbers per image: a counter-based generator in integers, the same bits on every device.

A draw is a function of (seed, names, index of the image, position in the image) and of nothing
else: an image gets the same bits in whatever batch, order or process it comes, on a CPU and on a
GPU.
"""

import hashlib
import math
from functools import lru_cache
from statistics import NormalDist

import torch
from torch import Tensor

NORMAL_LEVELS = 1 << 16


def _signed(word: int) -> int:
    return (word & 0xFFFFFFFF) - ((word & 0x80000000) << 1)


def _scramble(words: Tensor) -> Tensor:
    """A permutation of the 32-bit words, in place: each input bit flips about half the output bits.

    Shifts and factors are those of C. Wellons' "lowbias32" (2018), found by a search for low bias.
    """
    spare = torch.empty_like(words)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        # int32 shifts keep the sign; the mask makes them logical.
        torch.bitwise_right_shift(words, shift, out=spare).bitwise_and_((1 << (32 - shift)) - 1)
        words.bitwise_xor_(spare)
        if factor != 1:
            words.mul_(_signed(factor))
    return words


@lru_cache(maxsize=8)
def _normal_quantiles(device: torch.device) -> Tensor:
    """(65536,) float32: the normal quantiles of 65,536 equally likely cells, of variance 1."""
    half = [NormalDist().inv_cdf((i + 0.5) / NORMAL_LEVELS) for i in range(NORMAL_LEVELS // 2)]
    scale = math.sqrt(len(half) / sum(x * x for x in half))
    values = torch.tensor([x * scale for x in half], dtype=torch.float64).float()
    return torch.cat([values, -values.flip(0)]).to(device)


class Draws:
    """The random numbers of a batch of images. Every call continues where the last one ended.

    Args:
        index: (B,) integers in [0, 2**32): which image each one is.
        key: what else the numbers depend on, such as a seed and the name of a corruption.
    """

    def __init__(self, index: Tensor, *key: int | str | float) -> None:
        digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
        first, second = (_signed(int.from_bytes(x, "little")) for x in (digest[:4], digest[4:]))
        words = index.long().bitwise_and(0xFFFFFFFF)
        words = torch.where(words >= 1 << 31, words - (1 << 32), words).int()
        self._first = _scramble(words ^ first)[:, None]  # a permutation: no two images share it
        self._second = _scramble(self._first + second)
        self._used = 0

    def bits(self, count: int) -> Tensor:
        """(B, count) int32: uniform 32-bit words."""
        start, self._used = self._used, self._used + count
        counter = torch.arange(start, self._used, dtype=torch.int32, device=self._first.device)
        return _scramble(_scramble(counter ^ self._first).add_(self._second))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(B, *shape) float32 in [low, high), in steps of 2**-24 of the range."""
        words = self.bits(math.prod(shape))
        unit = words.bitwise_right_shift_(8).bitwise_and_(0xFFFFFF).float().mul_(2.0**-24)
        return unit.mul_(high - low).add_(low).view(-1, *shape)

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape) float32, mean 0, variance 1: one of 65,536 quantiles, within 4.3 deviations.

        They come from a table, as logarithms and cosines differ between devices in the last bit.
        """
        count = math.prod(shape)
        cells = self.bits((count + 1) // 2).view(torch.int16)[:, :count].long()
        cells.add_(NORMAL_LEVELS // 2)
        quantiles = _normal_quantiles(self._first.device)
        return quantiles.expand(len(cells), -1).gather(1, cells).view(-1, *shape)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """(B, *shape) int32 in [low, high), a range of at most 2**16; even to 2**-16."""
        words = self.bits(math.prod(shape)).bitwise_right_shift_(16).bitwise_and_(0xFFFF)
        if high - low > 1 << 15:  # the product may not fit into 32 bits
            words = (words.long() * (high - low) >> 16).int()
        else:
            words = words.mul_(high - low).bitwise_right_shift_(16).bitwise_and_(0xFFFF)
        return words.add_(low).view(-1, *shape)

    def choose(self, rows: Tensor, table: Tensor) -> Tensor:
        """One outcome in 0..255 for each row number, by an alias table (Walker, 1977; Vose, 1991).

        Args:
            rows: (B, n) integers in [0, R).
            table: (R * 256,) int32, made by `alias_table`.
        Returns:
            (B, n) uint8.
        """
        words = self.bits(rows.shape[1])
        column = words & 0xFF
        place = (rows.int() << 8).bitwise_or_(column).long()
        entries = table.expand(len(rows), -1).gather(1, place)
        threshold = (entries >> 8).bitwise_and_(0xFFFFFF)
        keep = (words >> 8).bitwise_and_(0xFFFFFF) < threshold
        return torch.where(keep, column, entries.bitwise_and_(0xFF)).to(torch.uint8)


def alias_table(probabilities: Tensor) -> Tensor:
    """The alias table of R distributions over 256 outcomes.

    Args:
        probabilities: (R, 256) float64, each row summing to 1.
    Returns:
        (R * 256,) int32: 24 bits of the share that a column keeps, 8 of the one that gets the rest.
    """
    shares = probabilities.double() * 256
    kept, alias = torch.ones_like(shares), torch.arange(256).repeat(len(shares), 1)
    rows = torch.arange(len(shares))
    for _ in range(255):  # the richest column of each row fills up the poorest, which is then done
        poor, rich = shares.argmin(1), shares.argmax(1)
        lack = 1 - shares[rows, poor]
        lacking = rows[lack > 1e-12]
        poor, rich, lack = poor[lacking], rich[lacking], lack[lacking]
        kept[lacking, poor], alias[lacking, poor] = 1 - lack, rich
        shares[lacking, rich] -= lack
        shares[lacking, poor] = 1
    thresholds = (kept * (1 << 24)).round().long().clamp_max((1 << 24) - 1)
    words = (thresholds << 8 | alias).flatten()
    return torch.where(words >= 1 << 31, words - (1 << 32), words).int()
