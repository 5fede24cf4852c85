"""What drawings of several chapters share: a palette, a page width, a legend, and a few drawings.

Each drawing takes plain numbers or tensors and returns a figure.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

sns.set_theme(style="whitegrid", context="paper")
TEACHER, STUDENT, LOSS = sns.color_palette("deep")[:3]
DPI = 110  # committed notebooks hold the pictures: large enough to read, small enough to keep
PAGE = 7.5  # inches, the width of the book's figures
_SAFE = sns.color_palette("colorblind")  # ten, distinct for those who see no red or no green, too
# without its pale yellow
COLORS = [*(_SAFE[i] for i in (0, 1, 2, 3, 4, 5, 9)), (0.15, 0.15, 0.15), _SAFE[7], _SAFE[6]]
MARKERS = "osD^vPX<>*"  # one per colour, where colours are many


class Interval(Protocol):
    """What a curve is made of, such as `Estimate`."""

    @property
    def mean(self) -> float:
        """The middle of the interval."""

    @property
    def half(self) -> float:
        """Half its width; infinite without an interval."""


def image_grid(rows: Mapping[str, Tensor]) -> Figure:
    """Rows of images by name, each (n, 3, H, W) uint8, enlarged without smoothing."""
    count = max(len(images) for images in rows.values())
    fig, axes = plt.subplots(
        len(rows), count, figsize=(0.85 * count + 0.9, 0.85 * len(rows)), dpi=DPI, squeeze=False
    )
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax in line:
            ax.axis("off")
        for ax, image in zip(line, images, strict=False):
            ax.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
        line[0].text(
            -0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=8
        )
    fig.subplots_adjust(wspace=0.05, hspace=0.05, left=0.16, right=0.995, top=0.99, bottom=0.01)
    return fig


def photograph(size: int) -> Tensor:
    """(3, size, size) uint8: Grace Hopper's face, of a public-domain portrait in matplotlib."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as file:
        face = file.convert("RGB").crop((64, 8, 464, 408))
        square = face.resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def gallery(rows: Mapping[str, Tensor], size: int) -> Figure:
    """Rows of images by name, drawn pixel by pixel.

    Args:
        rows: (n, 3, H, W) uint8 by name.
        size: height and width in pixels to which larger images are averaged down, and smaller ones
            enlarged without smoothing.
    """
    gap, label = 3, 150
    count = max(len(images) for images in rows.values())
    width, height = label + count * (size + gap), len(rows) * (size + gap)
    canvas = torch.full((height, width, 3), 255, dtype=torch.uint8)
    for row, images in enumerate(rows.values()):
        mode = "area" if images.shape[-1] > size else "nearest"
        resized = F.interpolate(images.float(), (size, size), mode=mode).round().to(torch.uint8)
        for column, image in enumerate(resized.permute(0, 2, 3, 1)):
            top, left = row * (size + gap), label + column * (size + gap)
            canvas[top : top + size, left : left + size] = image
    fig = plt.figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    ax = fig.add_axes((0, 0, 1, 1))
    ax.imshow(canvas.numpy(), interpolation="nearest", aspect="auto")
    ax.axis("off")
    for row, name in enumerate(rows):
        ax.text(label - 8, row * (size + gap) + size / 2, name, ha="right", va="center", fontsize=8)
    return fig


def gains(
    series: Mapping[str, Mapping[str, Interval]],
    ylabel: str = "gain over the frozen network (points)",
) -> Figure:
    """What modules gain over the frozen network under each corruption, with 95 % intervals.

    A mean without an interval (`half` is infinite) is a hollow dot.

    Args:
        series: module -> corruption -> difference of top-1 accuracies, in percentage points, see
            `Scores.gain`. A corruption may be missing in a series.
        ylabel: of the vertical axis.
    """
    names = list(dict.fromkeys(name for row in series.values() for name in row))
    fig, ax = plt.subplots(figsize=(PAGE, 2.9), dpi=DPI)
    colors = sns.color_palette("deep", len(series))
    for i, (label, row) in enumerate(series.items()):
        offset = 0.16 * (i - (len(series) - 1) / 2)
        x = np.array([names.index(name) for name in row]) + offset
        means, halves = np.array([(gain.mean, gain.half) for gain in row.values()]).reshape(-1, 2).T
        known = np.isfinite(halves)
        dot: dict[str, Any] = {
            "marker": "o",
            "markersize": 4,
            "color": colors[i],
            "linestyle": "none",
        }
        ax.errorbar(x[known], means[known], halves[known], capsize=2, **dot)
        ax.plot(x[~known], means[~known], markerfacecolor="none", **dot)
        ax.plot([], [], label=label, **dot)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.grid(visible=False, axis="x")
    ax.tick_params(labelsize=7.5, pad=1)
    ax.set_ylabel(ylabel, fontsize=8)
    if len(series) > 1:
        place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        ax.legend(fontsize=7.5, frameon=False, ncols=len(series), **place)
    fig.tight_layout(pad=0.4)
    return fig


def legend(
    fig: Figure, handles: Sequence[Artist], columns: int, between: float | None = None
) -> None:
    """A legend above all axes, which share the space that is left.

    Args:
        fig: the figure; its layout is made here.
        handles: what the legend names.
        columns: at most so many entries per row.
        between: space between axes, in font sizes.
    """
    rows = math.ceil(len(handles) / columns)
    style: dict[str, Any] = {"fontsize": 8, "frameon": False, "columnspacing": 1.2}
    fig.legend(handles=list(handles), loc="upper center", ncols=columns, **style)
    top = 1 - (0.12 + 0.16 * rows) / fig.get_figheight()
    fig.tight_layout(pad=0.4, w_pad=between, rect=(0, 0, 1, top))


def bar(estimate: Interval) -> float:
    """Half an interval's width, to draw; 0 where it is infinite."""
    return estimate.half if math.isfinite(estimate.half) else 0.0


def estimates(
    ax: Axes,
    places: Sequence[float],
    values: Sequence[Interval],
    number: int,
    label: str,
    style: str = "-",
    horizontal: bool = False,
) -> None:
    """Means with their intervals, no bar where one is infinite.

    Args:
        ax: where they are drawn.
        places: on the horizontal axis.
        values: one per place.
        number: of the series, which has its own colour and marker.
        label: in the legend.
        style: of the line from mean to mean; "none" draws no line.
        horizontal: `places` are on the vertical axis, and the values on the horizontal one.
    """
    means, bars = [value.mean for value in values], [bar(value) for value in values]
    look: dict[str, Any] = {"markersize": 4.5, "markeredgewidth": 0, "linewidth": 1.2}
    look |= {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}
    look |= {"label": label, "linestyle": style, "elinewidth": 1.1}
    if horizontal:
        ax.errorbar(means, places, xerr=bars, **look)
    else:
        ax.errorbar(places, means, yerr=bars, **look)


def scale(
    effects: Mapping[str, Mapping[int, Interval]], margins: Mapping[str, float] | None = None
) -> Figure:
    """Effects against the number of training images, with their intervals, a panel per claim.

    A mean without an interval is a hollow dot.

    Args:
        effects: claim -> number of training images -> effect in points.
        margins: claim -> the largest difference that counts as none, a grey band around 0.
    """
    columns = min(len(effects), 3)
    rows = math.ceil(len(effects) / columns)
    size = (PAGE if columns > 1 else PAGE / 2, 2.3 * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, dpi=DPI, squeeze=False, sharex=True)
    every = sorted({count for own in effects.values() for count in own})
    for i, (ax, (claim, own)) in enumerate(zip(axes.flat, effects.items(), strict=False)):
        counts = sorted(own)
        ax.axhline(0, color="0.3", linewidth=0.8)
        if margin := (margins or {}).get(claim):
            ax.axhspan(-margin, margin, color="0.85", linewidth=0, zorder=0)
        estimates(ax, counts, [own[count] for count in counts], i, claim)
        unsure = [count for count in counts if not math.isfinite(own[count].half)]
        hollow: dict[str, Any] = {
            "linestyle": "none",
            "markerfacecolor": "white",
            "markersize": 4.5,
        }
        hollow |= {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)]}
        ax.plot(unsure, [own[count].mean for count in unsure], zorder=3, **hollow)
        ax.set_title(textwrap.fill(claim, 36), fontsize=8)
        ax.set_xscale("log")
        ax.set_xticks(every, [f"{count:,}" for count in every])
        ax.set_xticks([], minor=True)
        ax.set_xlim(every[0] / 1.5, every[-1] * 1.5)
        last_row, first_column = i + columns >= len(effects), i % columns == 0
        label = "effect (points)" if first_column else ""
        axis_labels(ax, "training images" if last_row else "", label)
        ax.tick_params(labelbottom=last_row)
        ax.grid(visible=False, axis="x")
    for ax in axes.flat[len(effects) :]:
        ax.remove()
    fig.tight_layout(pad=0.4)
    return fig


def axis_labels(ax: Axes, xlabel: str = "", ylabel: str = "") -> None:
    """The names of both axes, and small numbers at their ticks."""
    ax.set_xlabel(xlabel, fontsize=8)
    ax.set_ylabel(ylabel, fontsize=8)
    ax.tick_params(labelsize=8, pad=1)


def picture(ax: Axes, values: Tensor, scale: Normalize | None = None, cmap: str = "gray") -> None:
    """An image (3, H, W) uint8 or a map (h, w), its pixels as they are, without a frame."""
    pixels = values.movedim(0, -1) if values.ndim == 3 else values.float()
    ax.imshow(pixels.numpy(), cmap, scale, interpolation="nearest")
    bare(ax)


def bare(ax: Axes) -> None:
    """Without ticks and frame."""
    ax.set(xticks=[], yticks=[])
    sns.despine(ax=ax, left=True, bottom=True)


def row_name(ax: Axes, name: str) -> None:
    """The name of a row of pictures, left of its first one."""
    ax.annotate(name, (-0.07, 0.5), xycoords="axes fraction", ha="right", va="center", fontsize=8)
