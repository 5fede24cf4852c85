"""Statistics of corrupted images, tests that compare two sets of them, and the tests' power.

A set is N corrupted versions of one picture. Every version gives eleven numbers of its difference
from the picture:

- the mean, in levels;
- the logarithm of the variance;
- the spectrum: the logarithm of the power in six rings of spatial frequency, and three log ratios
  of the power in directions (within 22.5 degrees of 0, 45 and 90) to the power in all. The mean is
  left out of the spectrum.

Two sets are compared by five tests: Welch's t on the mean; Welch's t on the log variance;
Hotelling's T squared on the nine numbers of the spectrum; and Levene's test about the median (Brown
& Forsythe, 1974) on the mean and on the log variance, which asks whether the versions differ from
each other as much in one set as in the other. All p-values of a comparison are then judged
together, by Holm's procedure at ALPHA: the chance of any false alarm is at most ALPHA.

A gap between the means of up to ROUNDING is no difference: levels are cut, not rounded, and where a
blurred area should have a whole level, the reference's sum in float64 often falls short by a last
bit and is cut to the level below.
"""

import itertools

import numpy as np
from scipy import optimize, stats

ALPHA = 0.01
POWER = 0.9
RINGS = (0.0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.75)  # cycles per pixel
NAMES = ("mean", "variance", "spectrum", "spread of mean", "spread of variance")
SPECTRUM = slice(2, 11)
# levels; the 32-pixel picture under glass blur, with its large areas of one colour, has 0.1
ROUNDING = 0.15
FLOOR = 1e-3  # squared levels, so that an unchanged image has a logarithm


def describe(versions: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(N, 11) float64 from (N, H, W, 3) and (H, W, 3) uint8."""
    difference = versions.astype(np.float64) - picture
    height, width = picture.shape[:2]
    power = np.zeros((len(versions), height, width // 2 + 1))
    for channel in range(3):
        power += np.square(np.abs(np.fft.rfft2(difference[..., channel])))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    # rfft2 keeps one of each pair
    weight = np.where((x == 0) | (x == 0.5), 1, 2) / (3 * (height * width) ** 2)
    power, radius = power * weight, np.hypot(x, y)
    angle = np.degrees(np.arctan2(y, x))
    rings = [(radius > low) & (radius <= high) for low, high in itertools.pairwise(RINGS)]
    away = [np.abs((angle - centre + 90) % 180 - 90) for centre in (0, 45, 90)]
    masks = np.stack([*rings, *((radius > 0) & (degrees <= 22.5) for degrees in away)])
    sums = power.reshape(len(power), -1) @ masks.reshape(len(masks), -1).T.astype(np.float64)
    logs = np.log(sums + FLOOR)
    total = np.log(sums[:, : len(rings)].sum(1, keepdims=True) + FLOOR)
    means = difference.mean((1, 2, 3))
    variances = difference.var((1, 2, 3))
    return np.column_stack(
        [means, np.log(variances + FLOOR), logs[:, : len(rings)], logs[:, len(rings) :] - total]
    )


def compare(theirs: np.ndarray, ours: np.ndarray) -> dict[str, float]:
    """The p-values of the five tests, from two results of `describe`."""
    spread = [
        stats.levene(a, b, center="median").pvalue
        for a, b in zip(theirs[:, :2].T, ours[:, :2].T, strict=True)
    ]
    p_values = (
        welch(theirs[:, 0], ours[:, 0], ROUNDING),
        welch(theirs[:, 1], ours[:, 1]),
        hotelling(theirs[:, SPECTRUM], ours[:, SPECTRUM]),
        *spread,
    )
    return dict(zip(NAMES, map(float, p_values), strict=True))


def welch(a: np.ndarray, b: np.ndarray, allowed: float = 0.0) -> float:
    """Welch's two-sided p-value that the means of (N,) and (M,) differ by at most `allowed`."""
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    error = np.sqrt(sum(parts)) + 1e-12
    freedom = (sum(parts) + 1e-24) ** 2 / (
        parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1) + 1e-48
    )
    return float(2 * stats.t.sf(max(abs(a.mean() - b.mean()) - allowed, 0) / error, freedom))


def hotelling(a: np.ndarray, b: np.ndarray) -> float:
    """The p-value of Hotelling's two-sample test, from (N, K) and (M, K)."""
    share, dimensions, freedom = _shape(len(a), len(b), a.shape[1])
    gap = a.mean(0) - b.mean(0)
    squared = share * gap @ np.linalg.solve(_pooled(a, b), gap)
    return float(
        stats.f.sf(squared * freedom / ((len(a) + len(b) - 2) * dimensions), dimensions, freedom)
    )


def _shape(n: int, m: int, dimensions: int) -> tuple[float, int, int]:
    return n * m / (n + m), dimensions, n + m - dimensions - 1


def _pooled(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((len(a) - 1) * np.cov(a.T) + (len(b) - 1) * np.cov(b.T)) / (len(a) + len(b) - 2)


def holm(p_values: list[float], alpha: float = ALPHA) -> list[bool]:
    """Which hypotheses of equality are rejected, at a family-wise error rate of `alpha` (Holm)."""
    rejected = [False] * len(p_values)
    for rank, i in enumerate(np.argsort(p_values)):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected


def detectable(theirs: np.ndarray, ours: np.ndarray, level: float, tests: int) -> dict[str, float]:
    """The smallest changes found with probability POWER, by formula, when `tests` share ALPHA in
    Holm's first step.

    Args:
        theirs: from `describe`.
        ours: from `describe`.
        level: the mean of the corrupted images, in levels.
        tests: their number.
    Returns:
        "mean_levels", and "mean" relative to `level`; "variance" relative to the difference's
        variance; "spectrum" if the power in all rings changes by this factor less one; "ring" if
        only that of one ring does, the worst one.
    """
    alpha, n, m = ALPHA / tests, len(theirs), len(ours)
    factor = stats.norm.isf(alpha / 2) + stats.norm.ppf(POWER)
    step = factor * np.sqrt(theirs[:, :2].var(0, ddof=1) / n + ours[:, :2].var(0, ddof=1) / m)
    step[0] += ROUNDING
    share, dimensions, freedom = _shape(n, m, SPECTRUM.stop - SPECTRUM.start)
    limit = stats.f.isf(alpha, dimensions, freedom)
    needed = optimize.brentq(
        lambda x: stats.ncf.sf(limit, dimensions, freedom, x) - POWER, 1e-3, 1e3
    )
    inverse = np.linalg.inv(_pooled(theirs[:, SPECTRUM], ours[:, SPECTRUM]))
    rings = slice(0, len(RINGS) - 1)
    whole = np.sqrt(needed / (share * inverse[rings, rings].sum()))
    single = np.sqrt(needed / (share * np.diag(inverse)[rings].min()))
    changes = {"mean_levels": step[0], "mean": step[0] / level, "variance": np.expm1(step[1])}
    return {
        k: float(v)
        for k, v in (changes | {"spectrum": np.expm1(whole), "ring": np.expm1(single)}).items()
    }
