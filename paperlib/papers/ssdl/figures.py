"""Drawings of the chapter on simple self-distillation.

Each takes plain numbers or tensors and returns a figure.
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.figures import (
    COLORS,
    DPI,
    MARKERS,
    PAGE,
    Interval,
    axis_labels,
    bar,
    bare,
    estimates,
    legend,
    picture,
)

ACCURACY = "top-1 accuracy (%)"
GAP = 1.2  # between panels, in font sizes


def noise_curves(
    curves: Mapping[str, Mapping[float, Interval]], gains: Mapping[str, Mapping[float, Interval]]
) -> Figure:
    """Accuracy against the strength of the noise, one line per method, with 95 % intervals.

    Differences of methods are smaller than those of strengths: the second panel shows them by
    themselves. Lines are a little beside one another, so that bars do not cover bars; a line may
    lack strengths.

    Args:
        curves: method -> strength -> estimate over seeds, such as `Estimate`.
        gains: the same, of gains over the noisy baseline, paired by seed, in points; its methods
            are among those of `curves`.
    """
    panels = ((curves, ACCURACY), (gains, "gain over the noisy baseline (points)"))
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 3.8), dpi=DPI)
    names = list(curves)
    strengths = sorted({strength for curve in curves.values() for strength in curve})
    gap = min(np.diff(strengths), default=1.0)
    for ax, (panel, label) in zip(axes, panels, strict=True):
        for name, curve in panel.items():
            own, i = sorted(curve), names.index(name)
            shift = 0.3 * gap * ((i + 0.5) / len(names) - 0.5)
            places = [strength + shift for strength in own]
            estimates(ax, places, [curve[strength] for strength in own], i, name)
        ax.set_xticks(strengths)
        ax.grid(visible=False, axis="x")
        axis_labels(ax, "", label)
    axes[1].axhline(0, color="0.3", linewidth=0.8)
    fig.supxlabel("standard deviation of the noise (levels of 255)", fontsize=8)
    legend(fig, axes[0].get_legend_handles_labels()[0], 2, GAP)
    return fig


def teacher_pictures(samples: Mapping[str, Tensor]) -> Figure:
    """What the clean and the noisy teacher see: images, feature maps, class-activation maps.

    There is one row per image. The feature maps are means over the channels of an early layer, each
    with a grey scale of its own: units of two networks differ. Class-activation maps lie over the
    image that the network has seen, red for the true class and blue against it, each on its own
    scale, symmetric around 0. The columns "clean teacher, noisy image" are the control.

    Args:
        samples: those of `similarity.Similarity`.
    """
    columns, count = _teacher_columns(samples), len(samples["images.clean"])
    left, right = 0.1, 0.05  # inches
    side = min(1.0, (PAGE - left - right) / len(columns))
    figsize = (side * len(columns) + left + right, side * count + 0.5)
    fig, axes = plt.subplots(count, len(columns), figsize=figsize, dpi=DPI, squeeze=False)
    for i, line in enumerate(axes):
        for ax, (values, under) in zip(line, columns.values(), strict=True):
            _teacher_picture(ax, values[i], None if under is None else under[i])
    for ax, title in zip(axes[0], columns, strict=True):
        ax.set_title(title, fontsize=7, pad=3)
    left, right, top = left / figsize[0], 1 - right / figsize[0], 1 - 0.47 / figsize[1]
    fig.subplots_adjust(left=left, right=right, top=top, bottom=0.01, wspace=0.04, hspace=0.04)
    return fig


def _teacher_columns(samples: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor | None]]:
    """By title the pictures or maps of all rows, and what class-activation maps lie over."""
    views = {
        "network_clean": ("clean teacher,\nclean image", "images.clean"),
        "network_noisy": ("clean teacher,\nnoisy image", "images.noisy"),
        "other_noisy": ("noisy teacher,\nnoisy image", "images.noisy"),
    }
    columns: dict[str, tuple[Tensor, Tensor | None]] = {
        "clean": (samples["images.clean"], None),
        "noisy": (samples["images.noisy"], None),
    }
    for kind, title in (("maps", "features"), ("cams", "class map")):
        for view, (name, images) in views.items():
            if f"{kind}.{view}" in samples:
                under = samples[images] if kind == "cams" else None
                columns[f"{title}\n{name}"] = samples[f"{kind}.{view}"], under
    return columns


def _teacher_picture(ax: Axes, values: Tensor, under: Tensor | None) -> None:
    """An image or a feature map, see `picture`, or a class-activation map (h, w) over an image."""
    if under is None:
        picture(ax, values)
        return
    height, width = under.shape[-2:]
    extent = (0, width, height, 0)
    ax.imshow(under.float().mean(0).numpy(), "gray", Normalize(0, 255), extent=extent)
    reach = float(values.float().abs().max()) or 1.0
    over, scale = values.float().numpy(), Normalize(-reach, reach)
    ax.imshow(over, "RdBu_r", scale, interpolation="bilinear", alpha=0.6, extent=extent)
    bare(ax)


def similarity_layers(curves: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """Linear CKA by layer with 95 % intervals over seeds, one line per comparison.

    Args:
        curves: comparison -> layer, in order of depth -> estimate; the claim first, solid, then
            controls.
    """
    fig, ax = plt.subplots(figsize=(PAGE / 1.35, 3.2), dpi=DPI)
    layers = list(dict.fromkeys(layer for curve in curves.values() for layer in curve))
    for i, (name, curve) in enumerate(curves.items()):
        shift = 0.08 * (i - (len(curves) - 1) / 2)
        places = [layers.index(layer) + shift for layer in curve]
        estimates(ax, places, list(curve.values()), i, name, "-" if i == 0 else "--")
    ax.set_xticks(range(len(layers)), layers)
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.02)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.grid(visible=False, axis="x")
    axis_labels(ax, "layer", "linear CKA (debiased)")
    legend(fig, ax.get_legend_handles_labels()[0], 2, GAP)
    return fig


def accuracy_and_psnr(
    restoring: Mapping[str, tuple[Interval, Interval]], others: Mapping[str, Interval]
) -> Figure:
    """Does a better picture help the classifier? Accuracy against the PSNR of what it sees.

    Methods that restore the image are points with 95 % intervals both ways; methods without a
    denoiser, which have no restored image, are horizontal lines with bands.

    Args:
        restoring: method -> PSNR in dB, and accuracy.
        others: method -> accuracy.
    """
    fig, ax = plt.subplots(figsize=(PAGE / 1.35, 3.4), dpi=DPI)
    for i, (name, (quality, accuracy)) in enumerate(restoring.items()):
        look = {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)]}
        look |= {"markersize": 7, "elinewidth": 1.1, "linestyle": "none", "zorder": 3}
        bars = bar(accuracy), bar(quality)
        ax.errorbar(quality.mean, accuracy.mean, *bars, label=name, **look)
    for i, (name, accuracy) in enumerate(others.items(), len(restoring)):
        color, dashes = COLORS[i % len(COLORS)], ("-", "--", "-.", ":")[(i - len(restoring)) % 4]
        ax.axhline(accuracy.mean, color=color, linestyle=dashes, linewidth=1.3, label=name)
        low, high = accuracy.mean - bar(accuracy), accuracy.mean + bar(accuracy)
        ax.axhspan(low, high, color=color, alpha=0.13, linewidth=0)
    ax.margins(x=0.15)
    axis_labels(ax, "PSNR of what the classifier sees (dB)", ACCURACY)
    handles = ax.get_legend_handles_labels()[0]
    points = len(handles) - len(restoring)  # matplotlib has lines first
    legend(fig, [*handles[points:], *handles[:points]], 2, GAP)
    return fig


def ablations(
    panels: Mapping[str, Mapping[str, Mapping[float, Interval]]], ylabel: str = ACCURACY
) -> Figure:
    """Accuracy against one option at a time, one panel per option, with 95 % intervals over seeds.

    Values of which the largest is at least four times the smallest have a logarithmic axis; others
    are side by side in the order given. Lines are a little beside one another.

    Args:
        panels: option ("lambda", ...) -> line -> value above 0 -> estimate. Lines have one colour
            in all panels.
        ylabel: of the vertical axis, which all panels share.
    """
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    size = (PAGE, 3.0)
    fig, axes = plt.subplots(1, len(panels), figsize=size, dpi=DPI, squeeze=False, sharey=True)
    for ax, (option, panel) in zip(axes[0], panels.items(), strict=True):
        place = _axis(ax, list(dict.fromkeys(value for curve in panel.values() for value in curve)))
        for name, curve in panel.items():
            i = names.index(name)
            shift = 0.05 * (i - (len(names) - 1) / 2)
            own = {place(value, shift): estimate for value, estimate in curve.items()}
            estimates(ax, sorted(own), [own[x] for x in sorted(own)], i, name)
        axis_labels(ax, option, ylabel if ax is axes[0][0] else "")
    drawn = [handle for ax in axes[0] for handle in ax.get_legend_handles_labels()[0]]
    handles = {handle.get_label(): handle for handle in drawn}
    legend(fig, [handles[name] for name in names], 4, GAP)
    return fig


def _axis(ax: Axes, values: Sequence[float]) -> Callable[[float, float], float]:
    """Sets the ticks of a horizontal axis; returns the place of a value, shifted by a share."""
    if max(values) >= 4 * min(values):
        step = (max(values) / min(values)) ** (1 / (len(values) - 1))
        ax.set_xscale("log")
        ax.set_xticks(sorted(values), [f"{value:g}" for value in sorted(values)])
        ax.minorticks_off()
        return lambda value, shift: value * step**shift
    ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    return lambda value, shift: values.index(value) + shift
