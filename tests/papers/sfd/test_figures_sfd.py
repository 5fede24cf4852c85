"""The drawings of self-feature distillation: what is in them, not how they look."""

import math

import numpy as np
import pytest
import torch
from helpers import legend

from paperlib.evidence.estimates import Estimate
from paperlib.figures import DPI
from paperlib.papers.sfd import figures as figures_sfd
from paperlib.papers.sfd.feature_statistics import mode

pytestmark = pytest.mark.usefixtures("close_figures")


def histogram(peak, spike=0.0, width=0.1):
    edges = torch.cat([torch.linspace(0, 2, 201), torch.tensor([torch.inf])])
    middles = (edges[:200] + edges[1:201]) / 2
    counts = (-((middles - peak) ** 2) / (2 * width**2)).exp()
    counts = counts / counts.sum() * (1 - spike)
    counts[0] += spike
    return (1e6 * torch.cat([counts, torch.zeros(1)])).long(), edges


# t-SNE


@pytest.fixture(scope="module")
def points():
    """Two classes far apart, degraded a little aside, and a third that is not to be shown."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 1, 7]).repeat_interleave(8).to(torch.int16)
    clean = torch.randn(24, 5, generator=generator) + 20 * labels[:, None]
    return clean.half(), (clean + 1).half(), labels


def test_equal_points_give_equal_pictures(points):
    first, second = (figures_sfd.embed(*points[:2]) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].shape == first[1].shape == (24, 2)
    assert not np.array_equal(first[0], first[1])
    middles = [first[0][8 * i : 8 * i + 8].mean(0) for i in range(3)]
    assert np.linalg.norm(middles[0] - middles[1]) > first[0][:8].std()  # classes stay apart


def test_tsne_shows_the_chosen_classes(points):
    figure = figures_sfd.tsne({"a": points, "b": points}, {0: "zero", 1: "one"})
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]
    assert figure.get_dpi() == DPI
    groups = [group for group in figure.axes[0].collections if len(group.get_offsets())]
    assert [len(group.get_offsets()) for group in groups] == [8, 8, 8, 8]
    shapes = [len(group.get_paths()[0].vertices) for group in groups]
    assert shapes[0] == shapes[2] != shapes[1] == shapes[3]  # circles and triangles
    assert legend(figure) == ["zero", "one", "clean", "degraded"]
    both = [np.array(g.get_offsets()) for g in figure.axes[1].collections if len(g.get_offsets())]
    assert all(np.array_equal(g.get_offsets(), h) for g, h in zip(groups, both, strict=True))


# Theta


def test_theta_histograms_mark_the_modes():
    lines = {
        f"severity {s}": histogram(0.3 + 0.05 * s, spike)
        for s, spike in ((1, 0.4), (3, 0.0), (5, 0.0))
    }
    figure = figures_sfd.theta_histograms(
        {"gaussian noise": lines, "fog": {"severity 1": histogram(0.9)}}
    )
    ax = figure.axes[0]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[0] == f"severity 1: mode {mode(*lines['severity 1']):.3f}, 40 % at 0"
    assert "at 0" not in texts[1]
    marks = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "v"]
    assert marks == sorted(marks) == pytest.approx([0.35, 0.45, 0.55], abs=0.006)
    assert ax.get_ylim()[1] < 10  # the spike of 40 % does not press the humps down
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert 1.1 < ax.get_xlim()[1] < 1.3  # 99.5 % of the widest


def test_theta_modes_have_intervals():
    curves = {
        "P": {5: Estimate(0.5, 0.02, 3), 1: Estimate(0.3, 0.05, 3)},
        "C": {1: Estimate(0.2, math.inf, 1)},
    }
    figure = figures_sfd.theta_modes(curves)
    (ax,) = figure.axes
    assert ax.lines[0].get_ydata().tolist() == [0.3, 0.5]  # by severity
    bars = [np.ptp(segment[:, 1]) for group in ax.collections for segment in group.get_segments()]
    assert bars == pytest.approx([0.1, 0.04, 0.0])
    assert legend(figure) == ["P", "C"]
    assert ax.get_xticks().tolist() == [1, 5]


# Maps


def test_theta_maps_share_one_scale():
    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    maps = {"severity 1": torch.rand(3, 2, 2), "severity 5": 2 * torch.rand(3, 2, 2)}
    figure = figures_sfd.theta_maps({"clean": images, "degraded": images}, maps)
    axes = np.array(figure.axes[:12]).reshape(4, 3)
    assert {ax.images[0].get_clim() for ax in axes[2:].flat} == {
        (0.0, maps["severity 5"].max().item())
    }
    assert np.array_equal(axes[1][2].images[0].get_array(), images[2].permute(1, 2, 0))
    assert np.array_equal(axes[3][1].images[0].get_array(), maps["severity 5"][1])
    assert [line[0].texts[0].get_text() for line in axes] == [
        "clean",
        "degraded",
        "severity 1",
        "severity 5",
    ]


def test_feature_maps_compare_errors_on_one_scale():
    image = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    columns = {
        name: (i * torch.rand(4, 4), torch.rand(4, 4), i * torch.rand(4, 4))
        for i, name in ((1, "a"), (9, "b"))
    }
    figure = figures_sfd.feature_maps((image, 255 - image), columns)
    axes = np.array(figure.axes[:9]).reshape(3, 3)
    top = torch.cat([errors.double().flatten() for *_, errors in columns.values()]).quantile(0.99)
    assert [ax.images[0].get_clim() for ax in axes[2][1:]] == [pytest.approx((0, top.item()))] * 2
    for ax, (clean, *_) in zip(axes.T[1:], columns.values(), strict=True):
        assert (
            ax[0].images[0].get_clim()
            == ax[1].images[0].get_clim()
            == (clean.min().item(), clean.max().item())
        )
    assert [ax.get_title() for ax in axes[0]] == ["image", "a", "b"]
    assert not axes[2][0].axison


# Corruptions


def dots(figure, label):
    """By name of the corruption where a method's marks are, and the lengths of its bars."""
    out = {}
    for ax in figure.axes:
        names = [text.get_text() for text in ax.get_yticklabels()]
        for group in ax.containers:
            if group.get_label() == label:
                line, _, (bars,) = group
                lengths = [np.ptp(segment[:, 0]) for segment in bars.get_segments()]
                for x, y, length in zip(*line.get_data(), lengths, strict=True):
                    out[names[round(float(y))]] = (float(x), float(length))
    return out


@pytest.mark.parametrize("count", [4, 19])
def test_corruption_dots(count):
    names = [f"kind_{i}" for i in range(count)]
    methods = {
        "vanilla": {name: Estimate(40 + i, 1.5, 3) for i, name in enumerate(names)},
        "SFD": {name: Estimate(60 - i, math.inf, 1) for i, name in enumerate(names) if i != 2},
    }
    figure = figures_sfd.corruption_dots(methods)
    assert len(figure.axes) == (1 if count == 4 else 2)
    vanilla, ours = dots(figure, "vanilla"), dots(figure, "SFD")
    assert vanilla == {f"kind {i}": (40 + i, pytest.approx(3)) for i in range(count)}
    assert ours == {f"kind {i}": (60 - i, 0) for i in range(count) if i != 2}
    assert legend(figure) == ["vanilla", "SFD"]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
