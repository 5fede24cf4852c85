"""Numbers for what pictures of features show: separated classes, and calibrated uncertainty."""

import numpy as np
import torch
from torch import Tensor

# A theta below it is drawn at 0: that of elements that never differ falls for ever.
ZERO = 0.05
WINDOW = 5  # bins of a histogram over which its mode is sought
SAMPLED = 64  # elements per image, for ranks
BINS, LIMIT = 200, 2.0  # of theta's histogram: of equal width from 0, and one for all above


def scatter_ratio(points: Tensor, labels: Tensor) -> float:
    """Scatter between the classes over that within them, tr S_B / tr S_W (Fisher's analysis).

    Args:
        points: (N, d) float.
        labels: (N,) int64.
    """
    own = centroids(points, labels)[labels]
    within = (points - own).square().sum().clamp_min(1e-12)
    return float((own - points.mean(0)).square().sum() / within)


def centroids(points: Tensor, labels: Tensor) -> Tensor:
    """(max label + 1, d): the mean of every class's points (N, d), infinite for one without any."""
    count = labels.bincount()
    sums = points.new_zeros(len(count), points.shape[1]).index_add_(0, labels, points)
    return (sums / count[:, None]).masked_fill(count[:, None] == 0, torch.inf)


def at_own_centroid(points: Tensor, labels: Tensor, means: Tensor) -> float:
    """Percentage of points (N, d) whose nearest row of `means` (classes, d) is their class's."""
    there = means.isfinite().all(1)
    distance = torch.cdist(points, means.masked_fill(~there[:, None], 0.0))
    distance = distance.masked_fill(~there, torch.inf)
    return 100 * float((distance.argmin(1) == labels).double().mean())


def principal(points: Tensor, count: int) -> Tensor:
    """Points (N, d) on their first principal axes, (N, min(N, count)); as they are for small d."""
    if points.shape[1] <= count:
        return points
    centred = points - points.mean(0)
    return centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:count].T


def mode(counts: Tensor, edges: Tensor) -> float:
    """The middle of the fullest `WINDOW` neighbouring bins above `ZERO`; 0 if all are empty.

    The poster's histograms have a spike at 0 beside the hump whose place this is. Of single bins,
    which differ little around the top, the fullest would be an accident of the sample.

    Args:
        counts: (n,).
        edges: (n + 1,), n bins of one width, or n - 1 and a last one that ends at infinity.
    """
    finite = edges[edges.isfinite()].double()
    hump = counts[: len(finite) - 1].double() * (finite[:-1] > ZERO - 1e-6)
    window = min(WINDOW, len(hump))
    sums = hump.unfold(0, window, 1).sum(1)
    best = int(sums.argmax())
    return float((finite[best] + finite[best + window]) / 2) if sums[best] else 0.0


class Uncertainty:
    """Gathers theta, a network's predicted deviation of every element, and the actual residual."""

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS + 1, dtype=torch.int64)
        self.sums: dict[str, float] = {}
        self.sampled: list[Tensor] = []
        self._generator = torch.Generator().manual_seed(0)

    def add(self, residual: Tensor, log_variance: Tensor, dead: Tensor) -> None:
        """Add a batch.

        Args:
            residual: z - z^, (B, C, h, w) float32.
            log_variance: s = log theta^2, the same.
            dead: the same, bool: where z and z^ are both 0.
        """
        theta = (log_variance / 2).exp()
        index = (theta * (BINS / LIMIT)).clamp(max=BINS).long()
        self.counts += index.flatten().bincount(minlength=BINS + 1).cpu()
        # Where nothing ever differs, theta may be arbitrarily small, and the ratio 0/0.
        ratio = residual.square() / theta.square().clamp_min(1e-6)
        sums = {"theta": theta, "dead": dead, "live": ratio * ~dead}
        for name, values in sums.items():
            total = float(values.flatten(1).sum(1, dtype=torch.float64).sum())
            self.sums[name] = self.sums.get(name, 0.0) + total
        count = theta[0].numel()
        shape = (len(theta), min(SAMPLED, count))
        where = torch.randint(count, shape, generator=self._generator).to(theta.device)
        kept = [
            values.flatten(1).gather(1, where).flatten()
            for values in (theta, residual.abs(), (~dead).float())
        ]
        self.sampled.append(torch.stack(kept).cpu())

    def metrics(self) -> dict[str, float]:
        """Numbers by name; none if nothing was added.

        "theta_mean"; "theta_mode", see `mode`; "dead": the share of elements of which z and z^ are
        both exactly 0. Without those, "spearman_live": rank correlation of theta with |z - z^|,
        over sampled elements of all images, 0 if one of them is constant; "calibration_live": mean
        of (z - z^)^2 / theta^2. What a loss aims at is its own constant: 1 for r^2/theta^2 + log
        theta^2 (the poster's box), 2 for r^2/(2 theta^2) + log theta^2 (its log-likelihood and the
        official code), as the derivative by log theta^2 says.
        """
        total = int(self.counts.sum())
        if not total:
            return {}
        theta, residual, live = torch.cat(self.sampled, dim=1).numpy()
        means = {name: value / total for name, value in self.sums.items()}
        histogram = self.histogram()
        return {
            "theta_mean": means["theta"],
            "theta_mode": mode(histogram["theta.counts"], histogram["theta.edges"]),
            "dead": means["dead"],
            "spearman_live": rank_correlation(theta[live > 0], residual[live > 0]),
            "calibration_live": means["live"] / max(1 - means["dead"], 1 / total),
        }

    def histogram(self) -> dict[str, Tensor]:
        """Counts and edges of the bins, or nothing if nothing was added.

        "theta.counts" (bins + 1,) int64, "theta.edges" (bins + 2,) float32, the last one infinite.
        """
        if not self.counts.sum():
            return {}
        edges = torch.cat([torch.linspace(0, LIMIT, BINS + 1), torch.tensor([torch.inf])])
        return {"theta.counts": self.counts, "theta.edges": edges}


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, ties with their mean rank; 0 where x or y (n,) is constant."""
    from scipy.stats import spearmanr  # takes a second to import

    constant = len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0
    return 0.0 if constant else float(spearmanr(x, y).statistic)
