"""The drawings of feature quantization: what is in them, not how they look."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from paperlib.evidence.estimates import Estimate
from paperlib.figures import DPI
from paperlib.papers.fq import figures as figures_fq
from paperlib.papers.fq.quantization import floor


@pytest.fixture(autouse=True)
def close():
    """No figure outlives its test."""
    yield
    plt.close("all")


def visible(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def texts(ax):
    """Everything written in and above the axes."""
    return " ".join([ax.get_title(), *(text.get_text() for text in ax.texts)])


def normal(n, scale=1.0, seed=0):
    return scale * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def heights(ax):
    return np.array(
        [bar.get_height() for bar in ax.patches if bar.get_width() < np.ptp(ax.get_xlim()) / 30]
    )


# Fig. 1


@pytest.mark.slow
def test_moment_shifts_has_a_column_a_layer():
    layers = {f"conv{i}_1": (normal(500, i, i), normal(300, 100 * i, -i)) for i in range(1, 7)}
    figure = figures_fq.moment_shifts(layers)
    assert figure.get_dpi() == DPI
    axes = np.array(figure.axes).reshape(2, 6)
    for column, (name, both) in enumerate(layers.items()):
        assert name in texts(axes[0][column])
        for row, values in enumerate(both):
            ax = axes[row][column]
            assert heights(ax).sum() == pytest.approx(100)
            low, high = ax.get_xlim()
            assert low == -high
            outside = (values.abs() > high).double().mean().item()
            assert 0 < outside <= 0.05
            assert f"outside {100 * outside:.1f} %" in ax.get_title()
            assert f"{values.double().quantile(0.5).abs():.2f}" in ax.get_title()
            lines = [line.get_xdata()[0] for line in ax.get_lines()]
            assert lines == [pytest.approx(values.double().quantile(0.5).item())]


def test_a_heavy_tail_does_not_stretch_the_axis():
    values = torch.cat([normal(970), torch.full((30,), 1e6)])
    figure = figures_fq.moment_shifts({"conv1_1": (values, -values)})
    above, below = figure.axes
    assert above.get_xlim()[1] < 5
    outside = 100 * (values > above.get_xlim()[1]).double().mean().item()
    assert 3 <= outside <= 5
    assert (
        f"outside {outside + 100 * (values < above.get_xlim()[0]).double().mean().item():.1f} %"
        in above.get_title()
    )
    assert heights(above)[-1] >= 3  # in the last bin
    assert heights(below)[0] >= 3
    assert heights(above).sum() == pytest.approx(100)


def test_constant_neurons_are_left_out():
    values = torch.tensor([1.0, torch.nan, 3.0, 2.0])
    figure = figures_fq.moment_shifts({"a": (values, values), "b": (values * torch.nan, values)})
    assert "median +2.00" in figure.axes[0].get_title()
    assert "all constant" in figure.axes[1].get_title()
    same = figures_fq.moment_shifts({"a": (torch.zeros(9), torch.zeros(9))})  # clean against clean
    assert "median 0.00" in same.axes[0].get_title()
    assert "outside 0.0 %" in same.axes[0].get_title()


# Fig. 2


def test_alpha_histograms_has_a_panel_a_layer_on_one_axis():
    alphas = {f"layer{i}": normal(64 * (i + 1), 0.1 * (i + 1), i).view(1, -1) for i in range(6)}
    figure = figures_fq.alpha_histograms(alphas)
    panels = visible(figure)
    assert len(panels) == 6
    assert len({ax.get_xlim() for ax in panels}) == 1
    for ax, (name, alpha) in zip(panels, alphas.items(), strict=True):
        assert heights(ax).sum() == pytest.approx(100)
        assert name in texts(ax)
        share = 100 * (alpha.abs() < 0.05).double().mean().item()
        assert f"|α| < 0.05: {share:.1f} %" in texts(ax) or f"|α| < 0.05: {share:.0f} %" in texts(
            ax
        )
        median = np.median(alpha.numpy())
        assert f"median {median:+.3f}".replace("-", "−") in texts(ax)


def test_alpha_histograms_of_a_parameter_that_learns():
    alpha = torch.nn.Parameter(torch.zeros(4, 8))
    (panel,) = visible(figures_fq.alpha_histograms({"conv": alpha}))
    assert "median 0.000" in texts(panel)
    assert "100 %" in texts(panel)


# Fig. 3


def test_strength_curves_has_a_panel_a_distortion_and_a_line_a_model():
    def estimate(value):
        return Estimate(value, 2.0, 3)

    curves = {
        name: {
            "base": {0.5: estimate(40 + i), 0.25: estimate(60), 1.0: Estimate(20, math.inf, 1)},
            "POW-1": {0.25: estimate(65), 0.5: estimate(50), 1.0: estimate(30)},
        }
        for i, name in enumerate(("blur", "noise", "jpeg", "inpainting"))
    }
    figure = figures_fq.strength_curves(curves)
    panels = visible(figure)
    assert [ax.get_title() for ax in panels] == list(curves)
    for i, ax in enumerate(panels):
        base, power = ax.get_lines()
        assert base.get_xdata().tolist() == [0.25, 0.5, 1.0]  # in their order
        assert base.get_ydata().tolist() == [60, 40 + i, 20]
        assert power.get_ydata().tolist() == [65, 50, 30]
        assert base.get_color() == panels[0].get_lines()[0].get_color() != power.get_color()
        bands = [
            np.concatenate([path.vertices for path in band.get_paths()]) for band in ax.collections
        ]
        assert bands[0][:, 1].min() == 38 + i  # of 1.0, which has one value, there is no band
        assert bands[1][:, 1].min() == 28
    assert {line.get_color() for line in figure.legends[0].get_lines()} == {
        line.get_color() for line in panels[0].lines
    }
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["base", "POW-1"]
    assert panels[0].get_ylabel() == "accuracy (%)"
    low, high = panels[0].get_ylim()
    assert 0 < low < 20  # the lowest mean; the axis is the panel's own
    assert 65 < high < 80


def test_a_model_that_misses_a_distortion_keeps_its_colour():
    curves = {
        "blur": {"base": {0.1: Estimate(1, 1, 2)}, "hpow": {0.1: Estimate(2, 1, 2)}},
        "noise": {
            "base": {0.1: Estimate(1, 1, 2)},
            "sf": {0.1: Estimate(3, 1, 2)},
            "hpow": {0.1: Estimate(2, 1, 2)},
        },
    }
    figure = figures_fq.strength_curves(curves)
    colors = [
        {line.get_label(): line.get_color() for line in ax.get_lines()} for ax in visible(figure)
    ]
    assert colors[0]["hpow"] == colors[1]["hpow"] != colors[1]["sf"]
    assert len(figure.legends[0].get_texts()) == 3


# The main text's Fig. 2


def test_nonlinearities_draws_the_functions_themselves():
    figure = figures_fq.nonlinearities(20_000)
    axes = np.array(figure.axes).reshape(2, -1)
    curves = [ax.get_lines()[1].get_xydata() for ax in axes[0]]
    names = [ax.get_title() for ax in axes[0]]
    assert names[0] == "SF-10"
    np.testing.assert_allclose(
        curves[0][:, 1], floor(torch.tensor(curves[0][:, 0]).float(), 10).numpy(), atol=1e-6
    )
    for name, curve in zip(names[1:], curves[1:], strict=True):
        p = float(name.rpartition("p = ")[2])
        u = curve[np.abs(curve[:, 0]) > 0.2]
        np.testing.assert_allclose(
            u[:, 1], np.sign(u[:, 0]) * np.abs(u[:, 0]) ** p, rtol=0.02, atol=0.02
        )
        assert math.exp(
            float(name.split("α = ")[1].split(",")[0].replace("−", "-"))
        ) == pytest.approx(p, abs=0.01)


def test_nonlinearities_says_what_becomes_of_the_kurtosis():
    figure = figures_fq.nonlinearities(20_000)
    below = np.array(figure.axes).reshape(2, -1)[1]
    kurtosis = [float(ax.get_title().split()[1].replace("−", "-")) for ax in below]
    assert kurtosis[0] == pytest.approx(0, abs=0.11)
    assert -2 <= kurtosis[1] < kurtosis[2] < -1  # towards a sign
    assert kurtosis[3] > 5
    for ax in below:
        outline = ax.patches[0].get_xy()
        steps = outline[: len(outline) // 2 + 1]
        area = np.sum(np.diff(steps[:, 0]) * steps[1:, 1])
        assert 0.85 < area <= 1.001  # a density, but for what lies beyond the axis
