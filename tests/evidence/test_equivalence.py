"""Equivalence of paired differences: by hand, with textbook quantiles, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from paperlib.errors import UserError
from paperlib.evidence.equivalence import tost

# quantiles 0.95 and 0.975 of Student's t with 4 degrees of freedom, from tables
T90, T95 = 2.131847, 2.776445
FIVE = [0.1, 0.3, -0.2, 0.4, -0.1]  # mean 0.1, sum of squared deviations 0.26


def test_by_hand():
    result = tost(FIVE, margin=0.5)
    error = math.sqrt(0.26 / 4 / 5)
    assert result.mean == pytest.approx(0.1)
    assert result.half90 == pytest.approx(T90 * error, rel=1e-6)
    assert result.half == pytest.approx(T95 * error, rel=1e-6)
    assert result.interval90 == pytest.approx((0.1 - T90 * error, 0.1 + T90 * error), rel=1e-6)
    t = 0.4 / error  # Student's t with 4 degrees of freedom in closed form
    x = t / math.sqrt(4 + t * t)
    assert result.p == pytest.approx(0.5 - 0.75 * (x - x**3 / 3), rel=1e-9)
    assert (result.n, result.margin, result.verdict) == (5, 0.5, "equivalent")
    assert result.text() == "+0.10 [-0.14, +0.34] (5)"


@pytest.mark.parametrize("margin", [0.05, 0.3, 0.5, 2])
@pytest.mark.parametrize("shift", [-0.4, 0, 1])
def test_the_p_value_is_the_larger_one_of_two_one_sided_t_tests(margin, shift):
    values = [v + shift for v in FIVE]
    below = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    above = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert tost(values, margin).p == pytest.approx(max(below, above), rel=1e-9)


@pytest.mark.parametrize("shift", np.linspace(-1, 1, 41))
def test_equivalent_is_an_interval_within_the_margin(shift):
    result = tost([v + shift for v in FIVE], margin=0.5)
    low, high = result.interval90
    assert (result.verdict == "equivalent") == (low > -0.5 and high < 0.5)


@pytest.mark.parametrize(
    ("values", "margin", "verdict"),
    [
        ([0.2, 0.21, 0.19, 0.2], 1.0, "equivalent"),  # though it is surely not 0
        ([2.0, 2.1, 1.9, 2.0], 1.0, "different"),
        ([-2.0, -2.1, -1.9, -2.0], 1.0, "different"),
        # around the margin: a difference, of no sure size
        ([0.9, 1.0, 1.1, 1.0], 1.0, "different"),
        ([3.0, -2.5, 0.5, -1.0], 1.0, "undecided"),
        ([0.3], 1.0, "undecided"),
        ([0.0, 0.0, 0.0], 0.1, "equivalent"),
        ([0.1, 0.1, 0.1], 0.1, "different"),
    ],
)
def test_verdicts(values, margin, verdict):
    assert tost(values, margin).verdict == verdict


def test_one_difference_decides_nothing():
    result = tost([0.3], 1)
    assert (result.p, result.half90, result.half) == (1, math.inf, math.inf)
    assert result.text() == "+0.30 (1)"


def verdicts(difference, n, margin, sd=0.7, trials=2000):
    draws = np.random.default_rng(0).normal(difference, sd, (trials, n))
    return [tost(row.tolist(), margin).verdict for row in draws]


@pytest.mark.parametrize("difference", [1.0, -1.0])
def test_the_type_one_error_is_five_per_cent(difference):
    """At the margin methods are just not equivalent: one in twenty says they are, and far from both
    ends no fewer."""
    share = np.mean([v == "equivalent" for v in verdicts(difference, 5, margin=1.0, sd=0.3)])
    assert share == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2000))
    beyond = np.mean([v == "equivalent" for v in verdicts(1.5 * difference, 5, margin=1.0, sd=0.3)])
    assert beyond < 0.01


def test_different_is_wrong_in_five_per_cent():
    share = np.mean([v == "different" for v in verdicts(0.0, 5, margin=1e-6)])
    assert share == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


@pytest.mark.parametrize(
    ("values", "margin", "message"), [([], 1, "not 0 and 1"), ([1, 2], 0, "not 2 and 0")]
)
def test_wrong_values(values, margin, message):
    with pytest.raises(UserError, match=message):
        tost(values, margin)
