"""Means over seeds with their intervals."""

import math

import pytest
from scipy import stats

from paperlib.evidence.estimates import Estimate


def test_an_interval_by_hand():
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    # t(0.975, 2) = 4.302653; standard deviation 1; square root of 3
    assert estimate.half == pytest.approx(4.302653 / 3**0.5)
    assert estimate.text() == "2.00 ± 2.48 (3)"
    assert estimate.text(sign=True) == "+2.00 ± 2.48 (3)"


def test_an_interval_by_scipy():
    values = [81.2, 80.9, 82.4, 81.0, 81.7]
    estimate = Estimate.of(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.mean - estimate.half, estimate.mean + estimate.half) == pytest.approx(
        (low, high)
    )


def test_one_value_has_no_interval():
    estimate = Estimate.of([5.0])
    assert estimate.half == math.inf
    assert estimate.contains(-1e9)
    assert estimate.text() == "5.00 (1)"


@pytest.mark.parametrize(
    ("value", "inside"), [(1.0, True), (3.0, True), (0.99, False), (3.01, False)]
)
def test_an_interval_includes_its_ends(value, inside):
    assert Estimate(2.0, 1.0, 3).contains(value) == inside
