"""The drawings of the deep degradation prior: what is in them, not how they look."""

import math

import numpy as np
import pytest
import torch
from helpers import legend
from matplotlib.quiver import Quiver

from paperlib.evidence.estimates import Estimate
from paperlib.figures import DPI, gains
from paperlib.papers.ddp import figures as figures_ddp

pytestmark = pytest.mark.usefixtures("close_figures")


def samples():
    draw = torch.Generator().manual_seed(0)
    start, drift, control = (torch.randn(60, 2, generator=draw) for _ in range(3))
    plane = torch.tensor([0.75, 0.5])
    return {
        "start": start,
        "drift": drift,
        "control": control,
        "cluster": torch.arange(60) % 3,
        "plane": plane,
    }


def quivers(ax):
    return [item for item in ax.collections if isinstance(item, Quiver)]


def test_arrows_of_both_conditions_and_their_margins():
    given = samples()
    figure = figures_ddp.drift_arrows(given, "fog-3")
    assert figure.get_dpi() == DPI
    for ax, name, title in zip(
        figure.axes,
        ("drift", "control"),
        ("fog-3 (75 %", "mismatched conditions (50 %"),
        strict=True,
    ):
        assert ax.get_title().startswith(title)
        thin, *thick = quivers(ax)
        assert np.allclose(np.stack([thin.U, thin.V], 1), given[name].numpy())
        assert np.allclose(thin.XY, given["start"].numpy())
        assert thin.scale == 1  # arrows end where the degraded features are
        assert len(thick) == 3
        for number, margin in enumerate(thick):
            own = given["cluster"] == number
            assert np.allclose([margin.U[0], margin.V[0]], given[name][own].mean(0).numpy())
            assert np.allclose(
                margin.get_facecolor()[0, :3], thin.get_facecolor()[number, :3] * 0.6
            )


def test_conditions_that_lose_stand_left_of_0_at_the_bottom():
    one = {
        "severity 3": {"fog": Estimate(5.0, 1.0, 3), "elastic": Estimate(-20.0, 3.0, 3)},
        "severity 5": {"fog": Estimate(9.0, 1.0, 3), "elastic": Estimate(-10.0, math.inf, 1)},
    }
    other = {"severity 5": {"snow": Estimate(30.0, 2.0, 3)}}
    figure = figures_ddp.conditions({"ResNet-18": one, "VGG-16": other})
    first, second = figure.axes
    labels = {text.get_text(): text.get_position()[1] for text in first.get_yticklabels()}
    assert labels == {"fog": 2, "elastic": 1, "snow": 0}
    assert [ax.get_title() for ax in (first, second)] == ["ResNet-18", "VGG-16"]
    assert legend(figure) == ["severity 3", "severity 5"]
    dots = [(x, y) for line in first.containers for x, y in zip(*line[0].get_data(), strict=True)]
    assert [(x, round(y)) for x, y in dots] == [(5.0, 2), (-20.0, 1), (9.0, 2), (-10.0, 1)]
    bars = [bar for line in first.containers for bar in line[2][0].get_segments()]
    assert [tuple(bar[:, 0]) for bar in bars[:2]] == [(4.0, 6.0), (-23.0, -17.0)]
    hollow = [
        list(zip(*line.get_data(), strict=True))
        for line in first.get_lines()
        if line.get_markerfacecolor() == "white" and len(line.get_xdata())
    ]
    assert [[x for x, _ in dots] for dots in hollow] == [[-10.0]]
    harm = [patch.get_bbox().x1 for ax in figure.axes for patch in ax.patches]
    assert harm == [0, 0]
    assert first.get_xlim() == second.get_xlim()


def metrics(base):
    names = [metric for kinds in (figures_ddp.COSINES, figures_ddp.SHARES) for metric, *_ in kinds]
    return {name: base + 0.01 * i for i, name in enumerate(names)}


def test_prior_has_a_dot_a_number():
    rows = {
        "fog": metrics(0.3),
        "contrast": metrics(0.1),
        "noise": {**metrics(0.0), "explained_clusters": -7.0},
    }
    figure = figures_ddp.prior(rows)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(rows)
    for ax, kinds in zip(figure.axes, (figures_ddp.COSINES, figures_ddp.SHARES), strict=True):
        lines = {line.get_label(): line for line in ax.get_lines()}
        for metric, label, *_ in kinds:
            expected = [max(row[metric], -0.5) for row in rows.values()]
            assert lines[label].get_xdata().tolist() == pytest.approx(expected)
            assert lines[label].get_ydata().tolist() == [2, 1, 0]  # the first row on top


def test_gains_with_and_without_intervals():
    series = {
        "per condition": {"fog": Estimate(5.0, 1.0, 3), "jpeg": Estimate(-1.0, math.inf, 1)},
        "blind": {"jpeg": Estimate(2.0, 0.5, 3), "snow": Estimate(3.0, 0.25, 3)},
    }
    ax = gains(series).axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["fog", "jpeg", "snow"]
    bars = [segment for item in ax.containers for segment in item[2][0].get_segments()]
    assert [tuple(segment[:, 1]) for segment in bars] == [(4.0, 6.0), (1.5, 2.5), (2.75, 3.25)]
    assert [round(segment[0, 0]) for segment in bars] == [0, 1, 2]
    hollow = [
        line
        for line in ax.get_lines()
        if line.get_markerfacecolor() == "none" and len(line.get_xdata())
    ]
    assert [line.get_ydata().tolist() for line in hollow] == [[-1.0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(series)
