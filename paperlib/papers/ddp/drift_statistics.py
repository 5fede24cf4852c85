"""Drifts of features, degraded - clean: do similar patches have one direction and one margin?

The statistics behind `paperlib.papers.ddp.drift`, on plain tensors.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from paperlib.errors import UserError

CLUSTERS = 32  # of k-means
SHOWN = (5, 24)  # clusters, and arrows per cluster, in the samples


class Vectors(NamedTuple):
    """Features at the sampled positions, one row per position."""

    clean: Tensor  # (n, C) float32, clean maps
    drift: Tensor  # (n, C), degraded - clean
    control: Tensor  # (n, C), the same under the mismatched condition
    image: Tensor  # (n,) int64, which image


def kmeans(points: Tensor, clusters: int, seed: int, rounds: int = 25) -> Tensor:
    """The centres (k, D) of clusters of points: Lloyd's algorithm from a start by k-means++.

    A cluster that loses its points keeps its centre.

    Args:
        points: (n, D).
        clusters: k, or the number of different points where that is smaller.
        seed: of the random start.
        rounds: iterations of Lloyd's algorithm.
    """
    generator = torch.Generator().manual_seed(seed)
    centres = points[torch.randint(len(points), (1,), generator=generator).to(points.device)]
    while len(centres) < clusters:
        # D^2 sampling, by its cumulative distribution
        far = torch.cdist(points, centres).min(1).values.square().double().cumsum(0)
        if not far[-1] > 0:
            break
        drawn = torch.rand(1, generator=generator, dtype=torch.float64).to(points.device) * far[-1]
        chosen = torch.searchsorted(far, drawn, right=True).clamp_max(len(points) - 1)
        centres = torch.cat([centres, points[chosen]])
    for _ in range(rounds):
        centres = means(points, nearest(points, centres), centres)
    return centres


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """(n,) int64: the nearest of the centres (k, D) to each of the points (n, D)."""
    return torch.cdist(points, centres).argmin(1)


def means(values: Tensor, groups: Tensor, empty: Tensor) -> Tensor:
    """(k, D): the mean of each group's values (n, D), or `empty` (k, D) for one without any."""
    count = torch.bincount(groups, minlength=len(empty))[:, None]
    sums = torch.zeros_like(empty).index_add_(0, groups, values)
    return torch.where(count > 0, sums / count.clamp_min(1), empty)


def explained(drift: Tensor, prediction: Tensor) -> float:
    """The share of the drifts' second moment that a prediction explains; both (n, C).

    1 - sum |d - prediction|^2 / sum |d|^2: 1 for a margin that is the same for all; 0 is what
    predicting no drift at all explains; below 0 the prediction is worse than that.
    """
    return 1 - float((drift - prediction).square().sum() / drift.square().sum())


def concentration(drift: Tensor, groups: Tensor) -> float:
    """The mean cosine of pairs of drifts (n, C) of one group, weighted by the groups' sizes.

    With the mean resultant length R = |mean of d / |d|| of the n drifts of a group that are not 0,
    it is (n R^2 - 1) / (n - 1), which is 0 on average for directions without any order. Groups with
    fewer than two such drifts are left out.
    """
    moved = drift.square().sum(1) > 0
    unit, groups = F.normalize(drift[moved], eps=0), groups[moved]
    count = torch.bincount(groups).double()
    sums = torch.zeros(len(count), drift.shape[1], device=drift.device).index_add_(0, groups, unit)
    kept = count > 1
    count, squared = count[kept], sums[kept].double().square().sum(1)
    cosine = (squared - count) / (count * (count - 1))
    return float((count * cosine).sum() / count.sum().clamp_min(1))


def shuffled(vectors: Vectors, groups: Tensor, seed: int) -> Tensor:
    """(n, C): drifts of wrong pairs, f(degraded) of another patch of the same group minus f(clean).

    The mean of a group is what it was, but the two patches no longer show the same. (Over all
    patches, the differences of the groups' means would be most of the "drift".)
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(groups), generator=generator).to(groups.device)
    order = order[groups[order].argsort(stable=True)]  # by group, in random order
    partner = torch.empty_like(order).scatter_(0, groups.argsort(stable=True), order)
    return (vectors.clean + vectors.drift)[partner] - vectors.clean


def summary(
    vectors: Vectors, seed: int, clusters: int = CLUSTERS
) -> tuple[dict[str, float], Tensor]:
    """The numbers of `drift.Drift`, and each position's cluster (n,)."""
    learn, test = vectors.image % 2 == 0, vectors.image % 2 == 1
    if not (learn.any() and test.any()):
        halves = "margins from half of the images and tests them on the others"
        raise UserError(f"drift learns {halves}: test_size >= 2")
    centres = kmeans(vectors.clean[learn], clusters, seed)
    group = nearest(vectors.clean, centres)
    wrong, all_alike = shuffled(vectors, group, seed), torch.zeros_like(group)
    norm = vectors.drift.square().sum()
    if not norm > 0:
        what = "what a degradation does to features"
        raise UserError(f"drift measures {what}; under this one they stay as they are")
    out = {"size": float((norm / vectors.clean.square().sum()).sqrt())}

    def margins(values: Tensor, groups: Tensor) -> Tensor:
        """For every test position its group's mean in the other half, or the overall mean."""
        overall = values[learn].mean(0).expand(len(centres), -1)
        return means(values[learn], groups[learn], overall)[groups[test]]

    fields = {"": vectors.drift, "_control": vectors.control, "_shuffled": wrong}
    for suffix, values in fields.items():
        for name, groups in (("clusters", group), ("overall", all_alike)):
            out[f"cosine_{name}{suffix}"] = concentration(values[test], groups[test])
            out[f"explained_{name}{suffix}"] = explained(values[test], margins(values, groups))
    mismatched = margins(vectors.control, group)
    out["explained_clusters_mismatched"] = explained(vectors.drift[test], mismatched)
    return out, group


def arrows(vectors: Vectors, groups: Tensor) -> dict[str, Tensor]:
    """Drifts of the largest clusters in a plane, for a picture.

    The plane is spanned by the two leading eigenvectors of the drifts' second moment plus the
    control's, each divided by its trace, so that neither kind is favoured.

    Args:
        vectors: all drifts.
        groups: (n,) int64, their clusters.

    Returns:
        "start" (m, 2), the clean features in the plane; "drift" and "control" (m, 2), the arrows;
        "cluster" (m,) int64, 0 for the largest; "plane" (2,), the share of either kind's second
        moment that lies in the plane. m is at most 5 x 24.
    """
    largest = torch.bincount(groups).argsort(descending=True)[: SHOWN[0]]
    chosen = torch.cat([torch.nonzero(groups == group)[: SHOWN[1], 0] for group in largest])
    cluster = (groups[chosen, None] == largest).int().argmax(1)
    kinds = (vectors.drift.double(), vectors.control.double())
    moments = [d.T @ d / d.square().sum().clamp_min(torch.finfo(torch.float64).tiny) for d in kinds]
    plane = torch.linalg.eigh(moments[0] + moments[1]).eigenvectors[:, -2:].flip(1)
    share = torch.stack([torch.trace(plane.T @ moment @ plane) for moment in moments])
    start, drift, control = (
        (v[chosen].double() @ plane).float()
        for v in (vectors.clean, vectors.drift, vectors.control)
    )
    arrows = {"start": start, "drift": drift, "control": control}
    return {**arrows, "cluster": cluster, "plane": share.float()}
