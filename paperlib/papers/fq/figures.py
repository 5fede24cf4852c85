"""Drawings of the chapter on feature quantization, from plain numbers or tensors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from paperlib.figures import COLORS, DPI, PAGE, STUDENT, TEACHER, Interval, legend
from paperlib.papers.fq.central_moments import CentralMoments
from paperlib.papers.fq.quantization import POW, SF, exponent

IDENTITY = 0.05  # |alpha| under which an exponent is all but 1: between 0.95 and 1.05
# of drawn detections
GREEN = "#00e000"
LEAST = 0.5  # confidence from which a box is drawn
SCENES = 3  # of each detector under each degradation
INCHES = 1.35  # side of a picture


def moment_shifts(layers: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """The supplement's Fig. 1: shifts of skewness (above) and kurtosis (below), a column per layer.

    Every panel has its own horizontal axis, symmetric and wide enough for 95 % of its values:
    tails are heavy, and the kurtosis of one layer may shift ten times as much as that of another.
    The share beyond the axis is written above the panel, and drawn in its outermost bins. The
    dashed line is the median.

    Args:
        layers: by name the shifts of skewness and of kurtosis, one value per neuron; NaN is left
            out.
    """
    shape: dict[str, Any] = {"figsize": (PAGE, 3.4), "squeeze": False, "sharey": "row"}
    fig, axes = plt.subplots(2, len(layers), dpi=DPI, **shape)
    for row, (name, color) in enumerate((("skewness", TEACHER), ("kurtosis", STUDENT))):
        for ax, both in zip(axes[row], layers.values(), strict=True):
            _shift_panel(ax, _numbers(both[row]), color)
        axes[row][0].set_ylabel(f"{name}\nneurons (%)", fontsize=8)
    for ax, layer in zip(axes[0], layers, strict=True):
        _heading(ax, layer, 1.36)
    fig.supxlabel("shift, distorted − clean", fontsize=8)
    fig.tight_layout(pad=0.4, w_pad=0.4)
    return fig


def _shift_panel(ax: Axes, values: np.ndarray, color: object) -> None:
    ax.tick_params(labelsize=7, pad=1)
    if not len(values):
        ax.set_title("all constant", fontsize=7)
        return
    limit = _limit(np.abs(values), 0.95)
    _histogram(ax, values, limit, color)
    median = float(np.median(values))
    ax.axvline(median, color="black", linewidth=1, linestyle="--")
    tick = _round_down(0.8 * limit)
    ax.set_xticks([-tick, 0, tick], [f"−{tick:g}", "0", f"{tick:g}"])
    outside = _percent(np.abs(values) > limit)
    ax.set_title(f"median {_signed(median, 2)}\noutside {outside}", fontsize=7, pad=3)


def alpha_histograms(alphas: Mapping[str, Tensor]) -> Figure:
    """The supplement's Fig. 2: the distribution of learned alphas, one panel per layer.

    Each panel says its median and the share of alphas within +-0.05, which are all but identities.
    The axis is symmetric and holds 99.5 % of all alphas; those beyond are drawn in the outermost
    bins.

    Args:
        alphas: by name of the layer, in order of depth, of any shape.
    """
    values = {name: _numbers(alpha) for name, alpha in alphas.items()}
    limit = _limit(np.abs(np.concatenate(list(values.values()))), 0.995)
    fig, axes = _panels(len(values), columns=4, height=1.2, margin=0.35, sharex=True)
    for i, (ax, (name, numbers)) in enumerate(zip(axes.flat, values.items(), strict=False)):
        ax.axvspan(-IDENTITY, IDENTITY, color="0.85", zorder=0)
        _histogram(ax, numbers, limit, TEACHER)
        share, median = _percent(np.abs(numbers) < IDENTITY), _signed(np.median(numbers), 3)
        ax.set_title(f"median {median}, |α| < {IDENTITY}: {share}", fontsize=6.5, pad=3)
        _heading(ax, name, 1.2)
        lowest = i + 4 >= len(values)  # of its column
        ax.tick_params(labelsize=7, pad=1, labelbottom=lowest)
        ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    fig.supxlabel("α", fontsize=9)
    for line in axes:
        line[0].set_ylabel("alphas (%)", fontsize=8)
    fig.tight_layout(pad=0.4, h_pad=0.6)
    return fig


def _panels(
    count: int, columns: int, height: float, margin: float, **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes in rows of a height in inches; those beyond `count` are hidden."""
    rows = math.ceil(count / columns)
    size = (PAGE, height * rows + margin)
    fig, axes = plt.subplots(rows, columns, figsize=size, dpi=DPI, squeeze=False, **shared)
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    return fig, axes


def strength_curves(curves: Mapping[str, Mapping[str, Mapping[float, Interval]]]) -> Figure:
    """The supplement's Fig. 3: accuracy against strength, a panel per distortion, a line per model.

    A band is the interval of a mean, cut off at the panel's edge; where there is none (`half` is
    infinite), there is no band. Every panel has its own axis, which need not start at 0. The first
    model is the one that the others are compared with: dashed, black.

    Args:
        curves: distortion -> model -> strength -> estimate. Models have one colour in all panels.
    """
    models = list(dict.fromkeys(model for panel in curves.values() for model in panel))
    colors = dict(zip(models, ["black", *COLORS], strict=False))
    fig, axes = _panels(len(curves), columns=2, height=2.1, margin=0.6)
    for ax, (distortion, panel) in zip(axes.flat, curves.items(), strict=False):
        for model, curve in panel.items():
            _curve(ax, curve, model, colors[model], "--" if model == models[0] else "-")
        means = [value.mean for curve in panel.values() for value in curve.values()]
        room = 0.1 * (max(means) - min(means)) + 1.0
        ax.set_ylim(min(means) - room, max(means) + room)
        ax.set_title(distortion, fontsize=9, pad=3)
        ax.tick_params(labelsize=8, pad=1)
        ax.xaxis.set_major_locator(MaxNLocator(5))
    for line in axes:
        line[0].set_ylabel("accuracy (%)", fontsize=8)
    fig.supxlabel("strength of the distortion", fontsize=8)
    lines = {line.get_label(): line for ax in axes.flat for line in ax.get_lines()}
    legend(fig, list(lines.values()), len(models))
    return fig


def _curve(
    ax: Axes, curve: Mapping[float, Interval], label: str, color: object, style: str
) -> None:
    strengths = sorted(curve)
    means = np.array([curve[strength].mean for strength in strengths])
    halves = np.array([curve[strength].half for strength in strengths])
    marks: dict[str, Any] = {"marker": "o", "markersize": 3, "linewidth": 1.3}
    ax.plot(strengths, means, linestyle=style, color=color, label=label, **marks)
    # Leaves out what is not finite.
    ax.fill_between(strengths, means - halves, means + halves, color=color, alpha=0.15, linewidth=0)


def nonlinearities(count: int = 200_000) -> Figure:
    """What SF and POW do to a feature (above), and to the density of one that is normal (below).

    Drawn by `quantization` itself, on `count` samples; the densities are the main text's Fig. 2.
    Grey is the feature as it was. An exponent under 1 drives magnitudes to 1 and leaves little but
    the sign; one above 1 drives small ones to 0 and large ones up. The kurtosis says so in a
    number: -2 is that of a sign.
    """
    sample = torch.randn(count, generator=torch.Generator().manual_seed(0))
    line = torch.linspace(-2.5, 2.5, 2001)
    edges = np.arange(-2.525, 2.55, 0.05)  # rounded values fall in the middle of a bin
    shown = _examples()
    fig, axes = plt.subplots(2, len(shown), figsize=(PAGE, 3.3), dpi=DPI, sharex=True, sharey="row")
    for column, (name, module) in enumerate(shown.items()):
        above, below = axes[0][column], axes[1][column]
        above.plot(line, line, color="0.45", linewidth=1)
        above.plot(line, _apply(module, line), color=TEACHER, linewidth=1.4)
        above.set_title(name, fontsize=8, pad=3)
        after = _apply(module, sample)
        weights = np.full(count, 1 / (count * 0.05))  # of all samples, those outside too
        filled = {"histtype": "stepfilled", "color": TEACHER, "linewidth": 0}
        below.hist(after.numpy(), edges.tolist(), weights=weights, **filled)
        below.plot(line, (-line.square() / 2).exp() / math.tau**0.5, color="0.45", linewidth=1)
        kurtosis = CentralMoments.of(after).kurtosis.item()
        below.set_title(f"kurtosis {_signed(kurtosis, 1)}", fontsize=7, pad=2)
        for ax in (above, below):
            ax.tick_params(labelsize=7, pad=1)
    ticks = range(-2, 3)
    axes[0][0].set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), xticks=ticks, yticks=ticks)
    axes[1][0].set_ylim(0, 1.6)
    axes[0][0].set_ylabel("U", fontsize=8)
    axes[1][0].set_ylabel("density of U", fontsize=8)
    fig.supxlabel("u (above), U (below)", fontsize=8)
    fig.tight_layout(pad=0.4, w_pad=0.4)
    return fig


def _examples() -> dict[str, nn.Module]:
    """Modules by what is written above them."""
    shown: dict[str, nn.Module] = {"SF-10": SF(10)}
    for alpha in (-2.0, -0.7, 0.7):
        p = exponent(torch.tensor(alpha)).item()
        module = shown[f"POW, α = {alpha:+g}, p = {p:.2f}".replace("-", "−")] = POW(1)
        nn.init.constant_(module.alpha, alpha)
    return shown


@torch.inference_mode()
def _apply(module: nn.Module, values: Tensor) -> Tensor:
    return module(values.view(1, 1, 1, -1)).flatten()


def detections(
    rows: Mapping[str, Mapping[str, Mapping[str, Tensor]]], classes: Sequence[str]
) -> Figure:
    """The supplement's Fig. 4: what detectors find in the same scenes, undistorted and distorted.

    A row per degradation, a block of columns per detector, a column for each of three scenes.

    Args:
        rows: by name of the degradation ("original", "minor", "heavy"), by name of the detector,
            the samples that a run of the method `Detection` keeps: "images" (n, 3, H, W) uint8,
            "boxes" (n, K, 4), "labels" (n, K) and "scores" (n, K).
        classes: the name of each label.
    """
    detectors = list(next(iter(rows.values())))
    # A narrow empty column parts one detector's pictures from the next one's.
    widths = ([1.0] * SCENES + [0.12]) * len(detectors)
    size = (INCHES * sum(widths) + 0.5, INCHES * len(rows) + 0.3)
    shape: dict[str, Any] = {"squeeze": False, "width_ratios": widths[:-1]}
    fig, axes = plt.subplots(len(rows), len(widths) - 1, figsize=size, dpi=DPI, **shape)
    for line, (degradation, by_detector) in zip(axes, rows.items(), strict=True):
        for ax in line:
            ax.axis("off")
        place: dict[str, Any] = {"transform": line[0].transAxes, "ha": "right", "va": "center"}
        line[0].text(-0.06, 0.5, degradation, rotation=90, **place)
        for i, name in enumerate(detectors):
            for scene in range(SCENES):
                _draw_boxes(line[i * (SCENES + 1) + scene], by_detector[name], scene, classes)
    left, top = 0.45 / size[0], 1 - 0.28 / size[1]
    fig.subplots_adjust(wspace=0.04, hspace=0.04, left=left, right=0.998, top=top, bottom=0.004)
    for i, name in enumerate(detectors):
        left = i * (SCENES + 1)
        first, last = (axes[0][column].get_position() for column in (left, left + SCENES - 1))
        fig.text((first.x0 + last.x1) / 2, 0.985, name, ha="center", va="top")
    return fig


def _draw_boxes(
    ax: Axes, samples: Mapping[str, Tensor], scene: int, classes: Sequence[str]
) -> None:
    """One picture with the boxes that are certain enough, class and confidence in green."""
    image = samples["images"][scene]
    height, width = image.shape[-2:]
    # Pixel edges, not middles, lie on whole numbers, as those of boxes do.
    ax.imshow(image.permute(1, 2, 0).numpy(), extent=(0, width, height, 0), interpolation="nearest")
    outline = [withStroke(linewidth=1.5, foreground="0.1")]  # to be read on bright digits, too
    letters: dict[str, Any] = {
        "color": GREEN,
        "fontsize": 6,
        "clip_on": True,
        "path_effects": outline,
    }
    found = (samples[name][scene].tolist() for name in ("boxes", "labels", "scores"))
    for (x0, y0, x1, y1), label, score in zip(*found, strict=True):
        if label < 0 or score < LEAST:
            continue
        box = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=GREEN, linewidth=0.9)
        ax.add_patch(box)
        # the text stands on the box, or inside where the picture ends
        side = "bottom" if y0 > 0.08 * height else "top"
        ax.text(min(x0, 0.72 * width), y0, f"{classes[label]} {score:.2f}", va=side, **letters)


def _numbers(values: Tensor) -> np.ndarray:
    values = values.detach().double().flatten()
    return values[~values.isnan()].cpu().numpy()


def _limit(sizes: np.ndarray, share: float) -> float:
    """A round number that at least this share of the sizes is not above."""
    limit = float(np.quantile(sizes, share)) if len(sizes) else 0.0
    if limit == 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(limit)) / 2
    return math.ceil(limit / step) * step


def _round_down(value: float) -> float:
    """A positive value, cut to its first digit."""
    unit = 10.0 ** math.floor(math.log10(value))
    return math.floor(value / unit) * unit


def _histogram(ax: Axes, values: np.ndarray, limit: float, color: object) -> None:
    """Percentages of the values; those beyond +-limit count in the outermost of 41 bins."""
    edges = np.linspace(-limit, limit, 42).tolist()
    weights = np.full(len(values), 100 / max(1, len(values)))
    ax.hist(values.clip(-limit, limit), edges, weights=weights, color=color, linewidth=0)  # type: ignore[arg-type]
    ax.set_xlim(-limit, limit)


def _percent(where: np.ndarray) -> str:
    share = 100 * float(np.mean(where)) if len(where) else 0.0
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def _signed(value: float, digits: int) -> str:
    """With a sign and a minus as wide as a plus; -0.001 to two digits is 0.00."""
    rounded = round(float(value), digits) + 0.0
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def _heading(ax: Axes, text: str, height: float) -> None:
    """A name in bold letters above the axes' title."""
    ax.annotate(
        text, (0.5, height), xycoords="axes fraction", ha="center", fontsize=8, fontweight="bold"
    )
