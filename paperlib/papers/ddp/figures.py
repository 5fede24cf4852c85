"""Drawings of the chapter on the deep degradation prior.

Each takes plain numbers or tensors and returns a figure.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.figures import COLORS, DPI, MARKERS, PAGE, Interval, axis_labels, estimates, legend

LOWEST = -0.5  # explained shares below this are drawn at the edge
OWN, CONTROL, SHUFFLED = sns.color_palette("deep")[:3]
OVERALL = "0.45"
HARM = sns.color_palette("deep")[3]  # behind gains below 0

# What a panel of `prior` compares: metric of `drift.Drift`, its name in the legend, colour, marker.
COSINES = (
    ("cosine_clusters", "similar patches, one condition", OWN, "o"),
    ("cosine_overall", "all patches, one condition", OVERALL, "s"),
    ("cosine_clusters_shuffled", "wrong pairs of similar patches", SHUFFLED, "^"),
    ("cosine_clusters_control", "similar patches, mismatched conditions", CONTROL, "D"),
)
SHARES = (
    ("explained_clusters", "margins of the same condition", OWN, "o"),
    ("explained_overall", "one margin for all patches", OVERALL, "s"),
    ("explained_clusters_shuffled", "wrong pairs, their margins", SHUFFLED, "^"),
    ("explained_clusters_mismatched", "margins of mismatched conditions", CONTROL, "D"),
)


def conditions(panels: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Figure:
    """What a module for each condition gains, a panel per network; left of 0 it loses.

    A mean without an interval is a hollow dot. Conditions are in the order of the first panel's
    last series, those that lose at the bottom.

    Args:
        panels: network -> series, e.g. a severity -> corruption -> gain in points.
    """
    series = list(dict.fromkeys(name for own in panels.values() for name in own))
    *_, last = next(iter(panels.values())).values()
    every = dict.fromkeys(name for own in panels.values() for row in own.values() for name in row)
    rest = [name for name in every if name not in last]
    names = [*sorted(last, key=lambda name: -last[name].mean), *rest]
    size = (PAGE, 0.26 * len(names) + 1.0)
    fig, axes = plt.subplots(
        1, len(panels), figsize=size, dpi=DPI, sharex=True, sharey=True, squeeze=False
    )
    for ax, (title, own) in zip(axes.flat, panels.items(), strict=True):
        for number, name in ((series.index(name), name) for name in own):
            shift = 0.24 * (number - (len(series) - 1) / 2)
            places = {c: len(names) - 1 - i - shift for i, c in enumerate(names) if c in own[name]}
            values = [own[name][c] for c in places]
            where = list(places.values())
            estimates(ax, where, values, number, name, style="none", horizontal=True)
            _hollow(ax, where, values, number)
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_title(title, fontsize=9, pad=4)
        ax.set_yticks(range(len(names))[::-1], names)
        ax.set_ylim(-0.7, len(names) - 0.3)
        axis_labels(ax, "gain over the frozen network (points)")
        ax.grid(visible=False, axis="y")
    low, high = axes.flat[0].get_xlim()
    low = min(low, -0.1 * high)  # so that there is a left side
    axes.flat[0].set_xlim(low, high)
    for ax in axes.flat:
        ax.axvspan(low, 0, color=HARM, alpha=0.1, linewidth=0, zorder=0)
    legend(fig, axes.flat[0].get_legend_handles_labels()[0], len(series))
    return fig


def _hollow(ax: Axes, places: list[float], values: list[Interval], number: int) -> None:
    """White dots over those that have no interval."""
    unsure = [(v.mean, at) for v, at in zip(values, places, strict=True) if not np.isfinite(v.half)]
    look: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "white", "markersize": 4.5}
    look |= {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
    ax.plot([mean for mean, _ in unsure], [at for _, at in unsure], zorder=3, **look)


def drift_arrows(samples: Mapping[str, Tensor], condition: str) -> Figure:
    """Drifts of the same patches under one condition (left) and the control (right), in one plane.

    An arrow goes from the features of the clean patch to those of the degraded one; clusters of
    similar clean patches have one colour, and a thick arrow from their mean, which is their margin.
    The title of a panel has the share of all drifts (their second moment) that lies in the plane.

    Args:
        samples: those of `drift.Drift`.
        condition: the left panel's title.
    """
    start, cluster = samples["start"].numpy(), samples["cluster"].numpy()
    colors = np.array(sns.color_palette("deep", int(cluster.max()) + 1))
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 4.0), dpi=DPI, sharex=True, sharey=True)
    panels = {"drift": condition, "control": "mismatched conditions"}
    shares = samples["plane"].tolist()
    for ax, (name, title), share in zip(axes, panels.items(), shares, strict=True):
        drift = samples[name].numpy()
        _arrows(ax, start, drift, colors[cluster], width=0.003, alpha=0.5)
        for number, color in enumerate(colors):
            own = cluster == number
            mean = start[own].mean(0), drift[own].mean(0)
            _arrows(ax, *mean, [color * 0.6], width=0.009, alpha=1.0)
        ax.set_title(f"{title} ({100 * share:.0f} % in the plane)", fontsize=9, pad=4)
        ax.tick_params(labelsize=7, pad=1)
        ax.set_xlabel("component 1", fontsize=8)
    axes[0].set_ylabel("component 2", fontsize=8)
    ends = np.concatenate([start, *(start + samples[name].numpy() for name in panels)])
    low, high = np.quantile(ends, (0.01, 0.99), axis=0)  # a few long arrows leave the panel
    (x, y), reach = (low + high) / 2, 0.53 * (high - low).max()
    for ax in axes:  # one scale for both directions: angles are seen as they are
        ax.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), aspect="equal")
    fig.tight_layout(pad=0.4)
    return fig


def _arrows(
    ax: Axes, start: np.ndarray, drift: np.ndarray, color: Any, width: float, alpha: float
) -> None:
    """Arrows (n, 2) from their starts (n, 2), in the units of the axes."""
    units: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1.0}
    order = 3 if alpha == 1 else 2
    ax.quiver(*start.T, *drift.T, width=width, color=color, alpha=alpha, zorder=order, **units)


def prior(rows: Mapping[str, Mapping[str, float]]) -> Figure:
    """Concentration (left) and explained share (right) of the drifts against their controls.

    There is one row per corruption. Left, the mean cosine of pairs of drifts: 0 is no common
    direction. Right, the share of the drifts' second moment that a margin, learned on other images,
    explains: 0 is that of no margin; shares under -0.5 are at the edge.

    Args:
        rows: corruption -> metrics of `drift.Drift`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 0.2 * len(rows) + 1.75), dpi=DPI, sharey=True)
    heights = np.arange(len(rows))[::-1]
    for ax, kinds in zip(axes, (COSINES, SHARES), strict=True):
        for metric, label, color, marker in kinds:
            values = np.array([row[metric] for row in rows.values()])
            look = {"color": color, "markersize": 4.5, "alpha": 0.85, "clip_on": False}
            ax.plot(values.clip(LOWEST, 1), heights, marker, label=label, **look)
        ax.axvline(0, color="0.3", linewidth=0.8)
        ax.set_yticks(heights, list(rows))
        ax.tick_params(labelsize=7.5, pad=1)
        ax.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes[0].set_xlabel("mean cosine of two drifts", fontsize=8)
    axes[1].set_xlabel("explained share of the drifts", fontsize=8)
    fig.tight_layout(pad=0.4)
    return fig
