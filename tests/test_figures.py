"""What drawings show."""

import math

import matplotlib.pyplot as plt
import pytest

from paperlib import figures
from paperlib.evidence.looks import Interval


@pytest.fixture(autouse=True)
def closed():
    """No figure outlives its test."""
    yield
    plt.close("all")


EFFECTS = {
    "a beats b": {500: Interval(4.0, 3.0, 5.0, 3, 0.2), 2000: Interval(1.0, 0.5, 1.5, 5, 0.3)},
    "c beats b, whose name is longer than a panel is wide": {
        8000: Interval(2.0, -math.inf, math.inf, 1, math.nan)
    },
}


def test_effects_by_number_of_images_have_a_panel_per_claim():
    fig = figures.scale(EFFECTS, {"a beats b": 1.0})
    first, second = fig.axes
    (bars,) = first.containers
    assert bars.lines[0].get_xydata().tolist() == [[500, 4], [2000, 1]]
    ends = [segment[:, 1].tolist() for segment in bars.lines[2][0].get_segments()]
    assert ends == [[3, 5], [0.5, 1.5]]
    band = first.patches[0].get_extents().transformed(first.transData.inverted())
    assert (band.y0, band.y1) == (pytest.approx(-1), pytest.approx(1))
    assert not second.patches  # no margin was given
    assert first.get_title() == "a beats b"
    assert second.get_title().count("\n") == 1
    assert [axes.get_xscale() for axes in fig.axes] == ["log", "log"]
    assert [tick.get_text() for tick in second.get_xticklabels()] == ["500", "2,000", "8,000"]


def test_an_effect_without_an_interval_is_hollow():
    first, second = figures.scale(EFFECTS).axes
    hollow = [line for line in second.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_xydata().tolist() for line in hollow] == [[[8000, 2]]]
    assert [len(line.get_xdata()) for line in first.lines][-1] == 0  # all have an interval


def test_more_claims_than_a_row_holds_have_further_rows():
    own = EFFECTS["a beats b"]
    fig = figures.scale({f"claim {i}": own for i in range(4)})
    assert len(fig.axes) == 4
    labels = [axes.get_xlabel() for axes in fig.axes]
    assert labels == ["", *["training images"] * 3]  # those below which nothing stands
