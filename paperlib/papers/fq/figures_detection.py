"""The drawing of detections under distortion (feature quantization, supplement, Fig. 4)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from paperlib.figures import DPI

GREEN = "#00e000"
LEAST = 0.5  # confidence from which a box is drawn
INCHES = 1.35  # side of a picture


def detections(
    rows: Mapping[str, Mapping[str, Mapping[str, Tensor]]],
    classes: Sequence[str],
    scenes: Sequence[int] = (0, 1, 2),
    least: float = LEAST,
) -> Figure:
    """What detectors find in the same scenes, undistorted and distorted, with class and confidence
    in green.

    One row a degradation, one block of columns a detector ("base", "+POW-1"), one column a scene.

    Args:
        rows: by name of the degradation ("original", "minor", "heavy"), by name of the detector,
            the samples that a run of the method `Detection` keeps: "images" (n, 3, H, W) uint8,
            "boxes" (n, K, 4), "labels" (n, K) and "scores" (n, K).
        classes: the name of each label.
        scenes: which of the n images are drawn.
        least: boxes with less confidence, in [0, 1], are left out.
    """
    detectors = list(next(iter(rows.values())))
    count = len(scenes)
    # A narrow empty column parts one detector's pictures from the next one's.
    widths = ([1.0] * count + [0.12]) * len(detectors)
    size = (INCHES * sum(widths) + 0.5, INCHES * len(rows) + 0.3)
    fig, axes = plt.subplots(
        *(len(rows), len(widths) - 1),
        figsize=size,
        dpi=DPI,
        squeeze=False,
        width_ratios=widths[:-1],
    )
    for line, (degradation, by_detector) in zip(axes, rows.items(), strict=True):
        for ax in line:
            ax.axis("off")
        line[0].text(
            -0.06,
            0.5,
            degradation,
            transform=line[0].transAxes,
            rotation=90,
            ha="right",
            va="center",
        )
        for i, name in enumerate(detectors):
            for column, scene in enumerate(scenes):
                _draw(line[i * (count + 1) + column], by_detector[name], scene, classes, least)
    left, top = 0.45 / size[0], 1 - 0.28 / size[1]
    fig.subplots_adjust(wspace=0.04, hspace=0.04, left=left, right=0.998, top=top, bottom=0.004)
    for i, name in enumerate(detectors):
        first, last = (
            axes[0][i * (count + 1) + column].get_position() for column in (0, count - 1)
        )
        fig.text((first.x0 + last.x1) / 2, 0.985, name, ha="center", va="top")
    return fig


def _draw(
    ax: Axes, samples: Mapping[str, Tensor], scene: int, classes: Sequence[str], least: float
) -> None:
    """One picture with the boxes that are certain enough."""
    image = samples["images"][scene]
    height, width = image.shape[-2:]
    # Pixel edges, not middles, lie on whole numbers, as those of boxes do.
    ax.imshow(
        np.asarray(image.permute(1, 2, 0)), extent=(0, width, height, 0), interpolation="nearest"
    )
    found = zip(
        *(samples[name][scene].tolist() for name in ("boxes", "labels", "scores")), strict=True
    )
    for (x0, y0, x1, y1), label, score in found:
        if label < 0 or score < least:
            continue
        ax.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=GREEN, linewidth=0.9)
        )
        above = y0 > 0.08 * height  # the text stands on the box, or inside where the picture ends
        ax.text(
            min(x0, 0.72 * width),
            y0,
            f"{classes[label]} {score:.2f}",
            color=GREEN,
            fontsize=6,
            va="bottom" if above else "top",
            clip_on=True,
            # to be read on bright digits, too
            path_effects=[withStroke(linewidth=1.5, foreground="0.1")],
        )
