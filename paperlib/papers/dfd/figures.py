"""Drawings of the chapter on deep feature distillation, from plain numbers or tensors."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from paperlib.evidence.estimates import Estimate
from paperlib.figures import DPI, LOSS, PAGE, STUDENT, TEACHER, bar, estimates


def _box(ax: Axes, x: float, y: float, text: str, color: Any, width: float = 1.5) -> None:
    colors = {"facecolor": (*color[:3], 0.18), "edgecolor": color}
    ax.add_patch(FancyBboxPatch((x, y), width, 0.8, boxstyle="round,pad=0.06", **colors))
    ax.text(x + width / 2, y + 0.4, text, ha="center", va="center", fontsize=9)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color="0.3"))
    x, y = (start[0] + end[0]) / 2 + 0.08, (start[1] + end[1]) / 2 + 0.1
    ax.text(x, y, text, fontsize=8, color="0.3")


def dfd_schematic(high: Tensor, low: Tensor) -> Figure:
    """DFD in one picture, after the paper's Fig. 1: two networks, two images, two losses.

    Args:
        high, low: (3, H, W) in [0, 1], an image and its low-resolution version.
    """
    fig, ax = plt.subplots(figsize=(PAGE, 3.1), dpi=DPI)
    ax.set(xlim=(-0.1, 10.1), ylim=(-0.25, 3.6))
    ax.set_aspect("equal")
    ax.axis("off")
    for image, y, label in ((high, 2.3, "$I^{hr}$"), (low, 0.2, "$I^{lr}$")):
        pixels = image.permute(1, 2, 0).numpy()
        ax.imshow(pixels, extent=(0.1, 1.2, y - 0.1, y + 1.0), aspect="equal", zorder=2)
        ax.text(0.65, y + 1.12, label, ha="center", fontsize=9)
        _arrow(ax, (1.3, y + 0.4), (2.25, y + 0.4))
    _arrow(ax, (0.65, 2.15), (0.65, 1.55), "down, up")
    _box(ax, 2.4, 2.3, "teacher\n(frozen)", TEACHER)
    _box(ax, 2.4, 0.2, "student\n(trained)", STUDENT)
    for y, name, color in ((2.3, "$f_t(I^{hr})$", TEACHER), (0.2, "$f_s(I^{lr})$", STUDENT)):
        _arrow(ax, (4.0, y + 0.4), (4.75, y + 0.4))
        _box(ax, 4.9, y, name, color, 1.3)
    _arrow(ax, (5.55, 2.2), (5.55, 1.95))
    _arrow(ax, (5.55, 1.06), (5.55, 1.42))
    distance = r"$L_{distillation}=\frac{1}{2}\,\Vert f_s-f_t\Vert_2^2$"
    ax.text(5.7, 1.68, distance, fontsize=9, va="center", color=LOSS)
    ax.plot([5.55], [1.68], marker="o", color=LOSS, markersize=8)
    _arrow(ax, (6.3, 0.6), (7.0, 0.6))
    _box(ax, 7.15, 0.2, "linear,\nsoftmax", STUDENT, 1.1)
    _arrow(ax, (8.35, 0.6), (8.8, 0.6))
    ax.text(8.9, 0.6, r"$L_{recognition}$", fontsize=9, va="center", color=LOSS)
    fig.tight_layout()
    return fig


def lambda_sweep(
    bases: Mapping[str, Estimate],
    curves: Mapping[str, Mapping[float, Estimate]],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """Accuracy against lambda, one panel per network (the paper's Fig. 2); dashed: the base.

    Bars and the band are 95 % intervals; one run has none.
    """
    fig, axes = plt.subplots(1, len(curves), figsize=(PAGE, 2.5), dpi=DPI, squeeze=False)
    for ax, (name, curve) in zip(axes[0], curves.items(), strict=True):
        base = bases[name]
        estimates(ax, list(curve), list(curve.values()), 0, "DFD")
        ax.axhline(base.mean, linestyle="--", color=TEACHER, label="base network")
        low, high = base.mean - bar(base), base.mean + bar(base)
        ax.axhspan(low, high, color=TEACHER, alpha=0.15, linewidth=0)
        ax.set(xscale="log", title=name, xlabel=xlabel)
    axes[0][0].set_ylabel(ylabel)
    axes[0][-1].legend()
    fig.tight_layout()
    return fig
