"""The drawings of deep feature distillation: what is in them, not how they look."""

import math

import pytest
import torch

from paperlib.evidence.estimates import Estimate
from paperlib.papers.dfd import figures as dfd_figures

pytestmark = pytest.mark.usefixtures("close_figures")


def test_the_schematic_has_both_images_networks_and_losses():
    high, low = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    (ax,) = dfd_figures.dfd_schematic(high, low).axes
    drawn = [torch.from_numpy(image.get_array().data) for image in ax.images]
    for image, shown in zip((high, low), drawn, strict=True):
        torch.testing.assert_close(shown.float(), image.permute(1, 2, 0))
    said = " ".join(text.get_text() for text in ax.texts)
    for part in ("teacher\n(frozen)", "student\n(trained)", r"\frac{1}{2}", "L_{recognition}"):
        assert part in said


def test_the_sweep_has_a_panel_a_network_with_its_base_as_a_band():
    bases = {"ResNet-18": Estimate(46, 1, 3), "VGG-16": Estimate(45, math.inf, 1)}
    curves = {
        "ResNet-18": {0.1: Estimate(47, 0.5, 3), 10.0: Estimate(44, 2, 3)},
        "VGG-16": {2.0: Estimate(46, math.inf, 1)},
    }
    first, second = dfd_figures.lambda_sweep(bases, curves, "λ", "top-1").axes
    assert (first.get_title(), second.get_title()) == ("ResNet-18", "VGG-16")
    line, _, (bars,) = first.containers[0]
    assert line.get_xydata().tolist() == [[0.1, 47], [10, 44]]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [[46.5, 47.5], [42, 46]]
    assert first.lines[-1].get_ydata() == [46, 46]
    (band,) = first.patches
    assert (band.get_y(), band.get_height()) == (45, 2)
    assert second.patches[0].get_height() == 0  # one run has no interval
    assert first.get_xscale() == second.get_xscale() == "log"
