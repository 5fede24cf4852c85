"""How similar two sets of features are, and where in an image the evidence for a class lies.

Linear centred kernel alignment, CKA (Kornblith, Norouzi, Lee & Hinton, ICML 2019) compares the
inner products that features give pairs of images, which rotation, permutation, scale and mean of
channels do not change: it may compare two networks that were trained apart. With more dimensions
than images, as feature maps have, the plain estimate is close to 1 for any two features. Here the
Hilbert-Schmidt independence criterion (HSIC) inside it has the unbiased estimator of Song et al.
(JMLR 2012): independent features have 0 on average, and means over small batches may take the place
of one huge batch (Nguyen, Raghu & Kornblith, ICLR 2021).

CKA is one number about a whole layer, and a few outlying images may decide it (Davari et al., ICLR
2023): it says that two layers are similar only beside controls that are not.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from paperlib.errors import UserError
from paperlib.networks import Classifier

FEWEST = 4  # images, without which the unbiased HSIC is not defined
Pair = tuple[str, str]


def gram(features: Tensor) -> Tensor:
    """Inner products of the images' centred features, with zeros on the diagonal: (n, n) float64.

    Args:
        features: (n, ...), one row per image, flattened. Multiplied in their own precision, float32
            at least.
    """
    flat = features.flatten(1)
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    # `hsic` would give the same without centring, as the small difference of large numbers.
    flat = flat - flat.mean(0)
    return (flat @ flat.T).double().fill_diagonal_(0)


def hsic(k: Tensor, l: Tensor) -> Tensor:
    """The unbiased estimator of HSIC (Song et al., 2012), a float64 scalar; it may be below 0.

    Args:
        k, l: (n, n) float64 kernel matrices of the same images, zeros on the diagonal, such as
            `gram` gives.

    Raises:
        ValueError: fewer than four images.
    """
    n = len(k)
    if n < FEWEST:
        raise ValueError(f"the unbiased HSIC needs at least {FEWEST} images, not {n}")
    products = (
        (k * l).sum()
        + k.sum() * l.sum() / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (k.sum(0) @ l.sum(0))
    )
    return products / (n * (n - 3))


class CKA:
    """Linear CKA of named features, batch by batch, from means of HSIC weighted by batch size.

    Args:
        pairs: the names of what is compared with what.
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs = list(pairs)
        own = [(name, name) for pair in self.pairs for name in pair]
        self.sums: dict[Pair, Tensor | float] = dict.fromkeys([*self.pairs, *own], 0.0)

    def add(self, grams: Mapping[str, Tensor]) -> None:
        """One batch: by name what `gram` gives, of the same images. Under four, it is left out."""
        for left, right in self.sums:
            k = grams[left]
            if len(k) >= FEWEST:
                self.sums[left, right] = self.sums[left, right] + len(k) * hsic(k, grams[right])

    def values(self) -> dict[Pair, float]:
        """CKA by pair: at most about 1, for equal features (up to a rotation, scale and shift),
        about 0 for independent ones, whose estimate may be negative; 0 where one of the two does
        not vary over images.

        Raises:
            UserError: no batch of at least four images.
        """
        if not all(isinstance(value, Tensor) for value in self.sums.values()):
            raise UserError(f"CKA needs at least {FEWEST} images")
        return {(left, right): self._value(left, right) for left, right in self.pairs}

    def _value(self, left: str, right: str) -> float:
        pairs = (left, right), (left, left), (right, right)
        both, first, second = (float(self.sums[pair]) for pair in pairs)
        return both / (first * second) ** 0.5 if min(first, second) > 0 else 0.0


def averages(network: Classifier) -> bool:
    """Whether the network's pooling is the mean over all positions."""
    pool = network.pool
    return isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size in (1, (1, 1))


def class_activation_maps(network: Classifier, maps: Tensor, labels: Tensor) -> Tensor:
    """Class-activation maps (Zhou, Khosla, Lapedriza, Oliva & Torralba, CVPR 2016), (n, h, w).

    At every position the sum over channels of the last linear layer's weight of a class times the
    map behind its last ReLU. The mean over positions plus the class's bias is its logit: the map
    says what each position adds to it.

    Args:
        network: with global average pooling, see `averages`.
        maps: (n, C, h, w), what `network.maps` gives, before or behind the ReLU.
        labels: (n,) int64, the class of each image that is asked for, e.g. the true one.
    """
    return torch.einsum("nc,nchw->nhw", network.head.weight[labels].to(maps.dtype), maps.relu())
