"""The drawings of simple self-distillation: what is in them, not how they look."""

import math

import numpy as np
import pytest
import torch
from helpers import legend

from paperlib.evidence.estimates import Estimate
from paperlib.figures import DPI
from paperlib.papers.ssdl import figures as figures_ssdl

pytestmark = pytest.mark.usefixtures("close_figures")


def lines(ax):
    """By label the places, means and whole lengths of the bars of what `errorbar` has drawn."""
    out = {}
    for group in ax.containers:
        line, _, bars = group
        lengths = [np.ptp(segment[:, 1]) for segment in bars[-1].get_segments()]
        out[group.get_label()] = (
            *(np.asarray(values).tolist() for values in line.get_data()),
            lengths,
        )
    return out


# Curves


def test_noise_curves():
    curves = {
        "noisy baseline": {
            60: Estimate(40, 1, 5),
            15: Estimate(80, 2, 5),
            30: Estimate(70, math.inf, 1),
        },
        "SSDL": {15: Estimate(82, 0.5, 5), 60: Estimate(45, 1.5, 5)},
    }
    figure = figures_ssdl.noise_curves(curves, {})
    ax = figure.axes[0]
    drawn = lines(ax)
    places, means, lengths = drawn["noisy baseline"]
    assert means == [80, 70, 40]  # by strength
    assert places == pytest.approx([15 - 1.125, 30 - 1.125, 60 - 1.125])
    assert lengths == pytest.approx([4, 0, 2])
    assert drawn["SSDL"][0] == pytest.approx([16.125, 61.125])
    assert ax.get_xticks().tolist() == [15, 30, 60]
    assert legend(figure) == list(curves)
    assert figure.get_dpi() == DPI
    one = figures_ssdl.noise_curves({"one": {30: Estimate(50, 1, 3)}}, {})
    assert one.axes[0].get_xticks().tolist() == [30]


def test_gains_have_a_panel_and_the_colours_of_the_curves():
    curves = {
        name: {15: Estimate(80, 1, 5), 30: Estimate(70, 1, 5)} for name in ("noisy", "STL", "SSDL")
    }
    gains = {"SSDL": {15: Estimate(1.5, 0.4, 5), 30: Estimate(-0.5, 0.6, 5)}}
    figure = figures_ssdl.noise_curves(curves, gains)
    left, right = figure.axes
    assert right.get_ylabel() == "gain over the noisy baseline (points)"
    assert lines(right)["SSDL"][1:] == ([1.5, -0.5], pytest.approx([0.8, 1.2]))
    assert right.containers[0][0].get_color() == left.containers[2][0].get_color()
    assert lines(right)["SSDL"][0] == lines(left)["SSDL"][0]
    assert legend(figure) == list(curves)


def test_similarity_by_layer():
    curves = {
        "claim": {"stem": Estimate(0.9, 0.02, 3), "stage1": Estimate(0.7, 0.1, 3)},
        "untrained": {"stem": Estimate(0.5, math.inf, 1), "stage1": Estimate(-0.03, math.inf, 1)},
    }
    figure = figures_ssdl.similarity_layers(curves)
    (ax,) = figure.axes
    drawn = lines(ax)
    assert drawn["claim"][1:] == ([0.9, 0.7], pytest.approx([0.04, 0.2]))
    assert [round(place) for place in drawn["untrained"][0]] == [0, 1]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["stem", "stage1"]
    styles = [group[0].get_linestyle() for group in ax.containers]
    assert styles == ["-", "--"]
    low, high = ax.get_ylim()
    assert low < -0.03
    assert high == 1.02


def test_ablations_share_the_scale_and_the_colours():
    panels = {
        "λ": {"SSDL": {10.0: Estimate(60, 1, 3), 0.1: Estimate(58, 1, 3), 1.0: Estimate(61, 1, 3)}},
        "splits": {
            "STL": {3: Estimate(62, 1, 3), 2: Estimate(60, 1, 3)},
            "SSDL": {2: Estimate(59, 1, 3)},
        },
        "teacher's epochs": {
            "SSDL": {0.5: Estimate(57, 1, 3), 1: Estimate(60, 1, 3), 2: Estimate(60.5, 1, 3)}
        },
    }
    figure = figures_ssdl.ablations(panels)
    first, second, third = figure.axes
    assert (first.get_xscale(), second.get_xscale(), third.get_xscale()) == ("log", "linear", "log")
    places, means, _ = lines(first)["SSDL"]
    assert means == [58, 61, 60]  # by lambda
    assert places == pytest.approx([0.1, 1, 10], rel=0.1)
    assert [text.get_text() for text in first.get_xticklabels()] == ["0.1", "1", "10"]
    assert [text.get_text() for text in second.get_xticklabels()] == ["3", "2"]
    assert lines(second)["STL"][:2] == (pytest.approx([0, 1], abs=0.1), [62, 60])
    assert lines(second)["SSDL"][0] == pytest.approx([1], abs=0.1)
    assert lines(second)["SSDL"][0][0] != lines(second)["STL"][0][1]
    colors = {
        group[0].get_color()
        for ax in figure.axes
        for group in ax.containers
        if group.get_label() == "SSDL"
    }
    assert len(colors) == 1
    assert [ax.get_xlabel() for ax in figure.axes] == list(panels)
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert legend(figure) == ["SSDL", "STL"]


# Pictures


def make_samples(cams=True):
    generator = torch.Generator().manual_seed(0)
    samples = {
        f"images.{name}": torch.randint(
            0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=generator
        )
        for name in ("clean", "noisy")
    }
    for view in ("network_clean", "network_noisy", "other_noisy"):
        samples[f"maps.{view}"] = torch.rand(6, 8, 8, generator=generator).half()
        if cams:
            samples[f"cams.{view}"] = torch.randn(6, 2, 2, generator=generator).half()
    return samples


def test_teacher_pictures():
    samples = make_samples()
    figure = figures_ssdl.teacher_pictures(samples)
    axes = np.array(figure.axes).reshape(6, 8)
    titles = [ax.get_title() for ax in axes[0]]
    assert titles[:3] == ["clean", "noisy", "features\nclean teacher,\nclean image"]
    assert titles[-1] == "class map\nnoisy teacher,\nnoisy image"
    picture = axes[1][1].images[0].get_array()
    assert np.array_equal(picture, samples["images.noisy"][1].permute(1, 2, 0))
    assert np.array_equal(axes[1][4].images[0].get_array(), samples["maps.other_noisy"][1].float())
    under, over = axes[0][7].images
    assert np.allclose(under.get_array(), samples["images.noisy"][0].float().mean(0))
    assert np.array_equal(over.get_array(), samples["cams.other_noisy"][0].float())
    low, high = over.get_clim()
    assert -low == high == samples["cams.other_noisy"][0].abs().max()
    assert under.get_extent() == over.get_extent()
    assert np.allclose(axes[0][5].images[0].get_array(), samples["images.clean"][0].float().mean(0))


def test_without_class_activation_maps_there_are_fewer_columns():
    figure = figures_ssdl.teacher_pictures(make_samples(cams=False))
    assert len(figure.axes) == 6 * 5
    assert not any("class map" in ax.get_title() for ax in figure.axes)


# Points


def test_accuracy_and_psnr():
    figure = figures_ssdl.accuracy_and_psnr(
        {
            "N2N": (Estimate(28, 0.2, 5), Estimate(60, 1, 5)),
            "joint": (Estimate(24, math.inf, 1), Estimate(66, 2, 5)),
        },
        {"noisy baseline": Estimate(64, 0.5, 5)},
    )
    (ax,) = figure.axes
    points = {
        group.get_label(): [float(values[0]) for values in group[0].get_data()]
        for group in ax.containers
    }
    assert points == {"N2N": [28, 60], "joint": [24, 66]}
    across, up = ax.containers[0][2]
    assert np.ptp(across.get_segments()[0][:, 0]) == pytest.approx(0.4)
    assert np.ptp(up.get_segments()[0][:, 1]) == pytest.approx(2)
    (band,) = [patch for patch in ax.patches if patch.get_height() == pytest.approx(1)]
    assert band.get_y() == pytest.approx(63.5)
    assert legend(figure) == ["N2N", "joint", "noisy baseline"]
    assert len(legend(figures_ssdl.accuracy_and_psnr({}, {"one": Estimate(1, 1, 3)}))) == 1
