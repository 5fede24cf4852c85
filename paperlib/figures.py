"""Drawings of the chapters, with matplotlib and seaborn. Each takes plain numbers or tensors and
returns a figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

sns.set_theme(style="whitegrid", context="paper")
TEACHER, STUDENT, LOSS = sns.color_palette("deep")[:3]
DPI = 110  # committed notebooks hold the pictures: large enough to read, small enough to keep
PAGE = 7.5  # inches, the width of the book's figures
_SAFE = sns.color_palette("colorblind")  # ten that also those tell apart who see no red or no green
# no pale yellow
COLORS = [
    *(_SAFE[i] for i in (0, 1, 2, 3, 4, 5, 9)),
    (0.15, 0.15, 0.15),
    *(_SAFE[i] for i in (7, 6)),
]
MARKERS = "osD^vPX<>*"  # and forms, where colours are many


class Interval(Protocol):
    """What a curve is made of, such as `Estimate`: a mean, and the half-width of its interval or
    infinity."""

    @property
    def mean(self) -> float:
        """The middle of the interval."""

    @property
    def half(self) -> float:
        """Half its width."""


def image_grid(rows: Mapping[str, Tensor]) -> Figure:
    """Rows of images by name, each (n, 3, H, W) uint8, enlarged without smoothing (the paper's Fig.
    3)."""
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
    """(3, size, size) uint8: the face of a public-domain portrait of Grace Hopper, which matplotlib
    brings along."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as file:
        square = (
            file.convert("RGB")
            .crop((64, 8, 464, 408))
            .resize((size, size), Image.Resampling.LANCZOS)
        )
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def gallery(rows: Mapping[str, Tensor], size: int) -> Figure:
    """Rows of images by name, each (n, 3, H, W) uint8, at `size` pixels each, one picture pixel a
    screen pixel.

    Larger images are averaged down, smaller ones enlarged without smoothing.
    """
    gap, label = 3, 150
    count = max(len(images) for images in rows.values())
    width, height = label + count * (size + gap), len(rows) * (size + gap)
    canvas = torch.full((height, width, 3), 255, dtype=torch.uint8)
    for row, images in enumerate(rows.values()):
        mode = "area" if images.shape[-1] > size else "nearest"
        resized = (
            F.interpolate(images.float(), (size, size), mode=mode)
            .round()
            .to(torch.uint8)
            .permute(0, 2, 3, 1)
        )
        for column, image in enumerate(resized):
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
    """What modules gain over the frozen network under each corruption: means with their 95 %
    intervals.

    A mean without an interval (`half` is infinite) is a hollow dot.

    Args:
        series: module -> corruption -> difference of top-1 accuracies, in percentage points, see
            `estimates.effect`. A corruption may be missing in a series.
    """
    names = list(dict.fromkeys(name for row in series.values() for name in row))
    fig, ax = plt.subplots(figsize=(PAGE, 2.9), dpi=DPI)
    colors = sns.color_palette("deep", len(series))
    for i, (label, row) in enumerate(series.items()):
        offset = 0.16 * (i - (len(series) - 1) / 2)
        x = np.array([names.index(name) for name in row]) + offset
        means, halves = (
            np.array([getattr(e, kind) for e in row.values()]) for kind in ("mean", "half")
        )
        known = np.isfinite(halves)
        ax.errorbar(
            x[known], means[known], halves[known], fmt="o", markersize=4, capsize=2, color=colors[i]
        )
        ax.plot(
            x[~known], means[~known], "o", markersize=4, markerfacecolor="none", color=colors[i]
        )
        ax.plot([], [], "o", markersize=4, color=colors[i], label=label)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.grid(visible=False, axis="x")
    ax.tick_params(labelsize=7.5, pad=1)
    ax.set_ylabel(ylabel, fontsize=8)
    if len(series) > 1:
        ax.legend(
            fontsize=7.5,
            frameon=False,
            ncols=len(series),
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
        )
    fig.tight_layout(pad=0.4)
    return fig


def legend(
    fig: Figure, handles: Sequence[Artist], columns: int, between: float | None = None
) -> None:
    """Above everything, in as many rows as it takes; the axes get the rest, `between` apart (in
    font sizes)."""
    rows = math.ceil(len(handles) / columns)
    fig.legend(
        handles=list(handles),
        loc="upper center",
        ncols=columns,
        fontsize=8,
        frameon=False,
        columnspacing=1.2,
    )
    fig.tight_layout(
        pad=0.4, w_pad=between, rect=(0, 0, 1, 1 - (0.12 + 0.16 * rows) / fig.get_figheight())
    )
