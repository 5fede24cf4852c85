"""Drawings of the chapter on self-feature distillation.

Each takes plain numbers or tensors and returns a figure. The tensors are those that
`paperlib.papers.sfd.features` keeps beside a record.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.figures import (
    COLORS,
    DPI,
    PAGE,
    Interval,
    axis_labels,
    estimates,
    legend,
    picture,
    row_name,
)
from paperlib.papers.sfd.feature_statistics import ZERO, mode

STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def embed(clean: Tensor, degraded: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """t-SNE of both sets of points together: (n, d) and (n, d) float -> (n, 2) and (n, 2).

    Started from the first two principal components, with a perplexity of 30, or a third of the
    points where they are few. Distances between clusters and their sizes mean nothing.
    """
    from sklearn.manifold import TSNE  # takes a second to import

    points = torch.cat([clean, degraded]).double().numpy()
    perplexity = min(30.0, (len(points) - 1) / 3)
    make = TSNE(perplexity=perplexity, init="pca", random_state=0, n_jobs=1)
    ours, theirs = np.split(make.fit_transform(points), [len(clean)])
    return ours, theirs


def tsne(panels: Mapping[str, tuple[Tensor, Tensor, Tensor]], classes: Mapping[int, str]) -> Figure:
    """The poster's t-SNE: clean features (circles) and degraded ones (triangles) of some classes.

    Args:
        panels: by method clean points (n, d), degraded points (n, d) and labels (n,).
        classes: name by label, at most 10; others are left out.
    """
    size = (PAGE, PAGE / max(2, len(panels)) + 0.5)
    fig, axes = plt.subplots(1, len(panels), figsize=size, dpi=DPI, squeeze=False)
    for ax, (name, (clean, degraded, labels)) in zip(axes[0], panels.items(), strict=True):
        shown = torch.isin(labels.long(), torch.tensor(list(classes)))
        both = embed(clean[shown], degraded[shown])
        for label, color in zip(classes, COLORS, strict=False):
            there = (labels[shown] == label).numpy()
            for points, marker in zip(both, "o^", strict=True):
                face, edge = (color, "white") if marker == "o" else ("none", color)
                colours = {"facecolor": face, "edgecolor": edge, "linewidth": 0.7}
                ax.scatter(*points[there].T, s=17, marker=marker, **colours)
        ax.set_title(name, fontsize=9, pad=3)
        ax.set(xticks=[], yticks=[])
        ax.set_aspect("equal", adjustable="datalim")
    own = zip(COLORS, classes.values(), strict=False)
    signs = [ax.scatter([], [], s=25, marker="s", color=color, label=name) for color, name in own]
    signs.append(ax.scatter([], [], s=22, marker="o", color="0.3", label="clean"))
    hollow = {"facecolor": "none", "edgecolor": "0.3"}
    signs.append(ax.scatter([], [], s=22, marker="^", label="degraded", **hollow))
    legend(fig, signs, 7)
    return fig


def theta_histograms(panels: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]]) -> Figure:
    """The poster's histograms of theta: one panel per method or corruption, one line per severity.

    A line's mode, see `feature_statistics.mode`, has a mark and is named in the legend; so is the
    share of theta below 0.05, the spike at 0, which may be higher than the panel. The horizontal
    axis is the same in all panels.

    Args:
        panels: panel -> line -> counts (n,) and edges (n + 1,), the last one may be infinite.
    """
    size = (PAGE, 2.9)
    fig, axes = plt.subplots(1, len(panels), figsize=size, dpi=DPI, squeeze=False, sharex=True)
    for ax, (name, lines) in zip(axes[0], panels.items(), strict=True):
        # dark is severe, the palest is not used
        colors = sns.color_palette("viridis_r", len(lines) + 1)[1:]
        top = 0.0
        looks = zip(colors, itertools.cycle(STYLES), strict=False)
        for (label, (counts, edges)), (color, style) in zip(lines.items(), looks, strict=False):
            shares = (100 * counts.double() / counts.sum().clamp_min(1)).numpy()
            ends = edges[:-1].double().numpy()
            ax.step(ends, shares, where="post", color=color, linestyle=style, linewidth=1.3)
            where, hump = mode(counts, edges), float(shares[ends >= ZERO - 1e-6].max(initial=0.0))
            spike = shares[ends < ZERO - 1e-6].sum()
            note = f"{label}: mode {where:.3f}" + (f", {spike:.0f} % at 0" if spike >= 0.5 else "")
            look = {"color": color, "linestyle": style}
            ax.plot([where], [hump], marker="v", markersize=6, label=note, **look)
            ax.axvline(where, linewidth=0.7, **look)
            top = max(top, hump)
        ax.set_ylim(0, 1.62 * top or 1)  # room for the legend
        ax.set_title(name, fontsize=9, pad=3)
        ax.legend(fontsize=7, loc="upper right", handlelength=2.6, framealpha=0.9)
        ax.set_xlabel("θ", fontsize=8)
        ax.tick_params(labelsize=7, pad=1)
    every = [line for lines in panels.values() for line in lines.values()]
    axes[0][0].set_xlim(0, max(_reach(*line) for line in every))
    axes[0][0].set_ylabel("elements (%) per bin", fontsize=8)
    fig.tight_layout(pad=0.4)
    return fig


def theta_maps(images: Mapping[str, Tensor], maps: Mapping[str, Tensor]) -> Figure:
    """Images, and under each its maps in rows, on one colour scale from 0.

    Args:
        images: rows by name, (n, 3, H, W) uint8.
        maps: rows by name, (n, h, w) float, at least 0.
    """
    rows = {**images, **maps}
    count = len(next(iter(images.values())))
    side = min(1.1, (PAGE - 1.6) / count)
    figsize = (side * count + 1.6, side * len(rows) + 0.1)
    fig, axes = plt.subplots(len(rows), count, figsize=figsize, dpi=DPI, squeeze=False)
    scale = Normalize(0, max(float(values.max()) for values in maps.values()))
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for ax, values in zip(line, row, strict=True):
            picture(ax, values, scale, "magma")
        row_name(line[0], name)
    left, right = 0.9 / figsize[0], 1 - 0.65 / figsize[0]
    fig.subplots_adjust(left=left, right=right, top=0.99, bottom=0.01, wspace=0.05, hspace=0.05)
    # over all rows: one row may be lower than the words beside the bar
    _colour_bar(fig, list(axes.flat), scale, "θ, mean over channels")
    return fig


def feature_maps(
    images: tuple[Tensor, Tensor], methods: Mapping[str, tuple[Tensor, Tensor, Tensor]]
) -> Figure:
    """The poster's bus: one image's feature maps, clean and degraded, and under them the errors.

    There is one column per method. A method's two maps have one grey scale, that of the clean one:
    features of different networks have different units. The errors, which are relative, have one
    scale, up to their 99th percentile.

    Args:
        images: the clean and the degraded image, (3, H, W) uint8.
        methods: by name the maps of the clean and of the degraded image and of the error, (h, w)
            float.
    """
    side = min(1.3, (PAGE - 1.6) / (len(methods) + 1))
    figsize = (side * (len(methods) + 1) + 1.6, 3 * side + 0.35)
    fig, axes = plt.subplots(3, len(methods) + 1, figsize=figsize, dpi=DPI, squeeze=False)
    errors = torch.cat([error.double().flatten() for *_, error in methods.values()])
    scale = Normalize(0, float(errors.quantile(0.99)) or 1.0)
    for ax, image, name in zip(axes[:, 0], images, ("clean", "degraded"), strict=False):
        picture(ax, image)
        row_name(ax, name)
    axes[2][0].axis("off")
    row_name(axes[2][0], "error")
    axes[0][0].set_title("image", fontsize=8, pad=3)
    for column, (name, (clean, degraded, error)) in zip(axes.T[1:], methods.items(), strict=True):
        for ax, values in zip(column, (clean, degraded), strict=False):
            picture(ax, values, Normalize(float(clean.min()), float(clean.max())))
        picture(column[2], error, scale, "magma")
        column[0].set_title(name, fontsize=8, pad=3)
    left, top = 0.75 / figsize[0], 1 - 0.25 / figsize[1]
    fig.subplots_adjust(left, right=1 - left, top=top, bottom=0.02, wspace=0.05, hspace=0.05)
    _colour_bar(fig, list(axes[2][1:]), scale, "(z − ẑ)² / mean z²")
    return fig


def corruption_dots(methods: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """Accuracy by corruption, one line per corruption, one marker per method, with intervals.

    More than eight corruptions are in two columns, on the same horizontal axis.

    Args:
        methods: method -> corruption -> estimate. What a method misses is left out.
    """
    corruptions = list(dict.fromkeys(name for scores in methods.values() for name in scores))
    columns = 2 if len(corruptions) > 8 else 1
    rows = math.ceil(len(corruptions) / columns)
    size = (PAGE, (0.07 * len(methods) + 0.1) * rows + 0.85)
    fig, axes = plt.subplots(1, columns, figsize=size, dpi=DPI, squeeze=False, sharex=True)
    for column, ax in enumerate(axes[0]):
        names = corruptions[column * rows : (column + 1) * rows]
        for i in range(0, len(names), 2):
            ax.axhspan(i - 0.5, i + 0.5, color="0.95", linewidth=0, zorder=0)
        for i, (method, scores) in enumerate(methods.items()):
            there = [name for name in names if name in scores]
            shift = 0.84 * ((i + 0.5) / len(methods) - 0.5)
            heights = [names.index(name) + shift for name in there]
            values = [scores[name] for name in there]
            estimates(ax, heights, values, i, method, "none", horizontal=True)
        ax.set(ylim=(rows - 0.5, -0.5), yticks=range(len(names)))
        ax.set_yticklabels([name.replace("_", " ") for name in names], fontsize=8)
        ax.grid(visible=False, axis="y")
        axis_labels(ax, "top-1 accuracy (%)")
    legend(fig, axes[0][0].get_legend_handles_labels()[0], 8)
    return fig


def theta_modes(curves: Mapping[str, Mapping[float, Interval]]) -> Figure:
    """Theta's mode against severity with intervals over seeds.

    Args:
        curves: line (a method or corruption) -> severity -> estimate.
    """
    fig, ax = plt.subplots(figsize=(PAGE / 1.6, 2.8), dpi=DPI)
    for i, (name, curve) in enumerate(curves.items()):
        severities = sorted(curve)
        shift = 0.06 * (i - (len(curves) - 1) / 2)  # intervals are beside one another
        places = [severity + shift for severity in severities]
        estimates(ax, places, [curve[s] for s in severities], i, name)
    ax.set_xticks(sorted({severity for curve in curves.values() for severity in curve}))
    axis_labels(ax, "severity", "mode of θ")
    legend(fig, ax.get_legend_handles_labels()[0], 4)
    return fig


def _reach(counts: Tensor, edges: Tensor) -> float:
    """The finite edge below which 99.5 % of the counts are, or the last finite one."""
    below = int((counts.double().cumsum(0) < 0.995 * counts.sum()).sum())
    return float(edges[edges.isfinite()][: below + 2][-1])


def _colour_bar(fig: Figure, axes: Sequence[Axes], scale: Normalize, label: str) -> None:
    """In the margin right of the axes, as high as they are together."""
    low = min(ax.get_position().y0 for ax in axes)
    high, right = max(ax.get_position().y1 for ax in axes), max(ax.get_position().x1 for ax in axes)
    place = fig.add_axes((right + 0.012, low, 0.015, high - low))
    fig.colorbar(ScalarMappable(scale, "magma"), cax=place).set_label(label, fontsize=7)
    place.tick_params(labelsize=7, pad=1, length=2)
