"""Means over seeds with their intervals."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paperlib.evidence.estimates import Estimate


def test_an_interval_by_hand():
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    # t(0.975, 2) = 4.302653; standard deviation 1; square root of 3
    assert estimate.half == pytest.approx(4.302653 / 3**0.5)
    assert estimate.text() == "2.0 ± 2.5 (3)"
    assert estimate.text(sign=True) == "+2.0 ± 2.5 (3)"


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
    assert estimate.text() == "5.0 (1)"


@pytest.mark.parametrize(
    ("value", "inside"), [(1.0, True), (3.0, True), (0.99, False), (3.01, False)]
)
def test_an_interval_includes_its_ends(value, inside):
    assert Estimate(2.0, 1.0, 3).contains(value) == inside


# How many digits tables show: two of the half-width, and the mean to the same decimal


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (1.83, 2.86, "+1.8 ± 2.9"),
        (81.26, 0.351, "+81.26 ± 0.35"),
        (-7.2, 12.7, "-7 ± 13"),
        (1.23456, 0.04, "+1.23 ± 0.04"),  # no more than two decimals, ...
        (3.0, 127.4, "+3 ± 127"),  # ... and whole numbers are not rounded
        (3.0, 0.994, "+3.00 ± 0.99"),
        (3.0, 0.996, "+3.0 ± 1.0"),  # the two digits are those after rounding
        (3.0, 9.96, "+3 ± 10"),
        (70.0, 0.0, "+70.00 ± 0.00"),
        (-0.04, 2.86, "0.0 ± 2.9"),  # what rounds to 0 has no sign
        (0.4, 13.0, "0 ± 13"),
        (0.44, math.inf, "+0.4"),  # one value
        (-0.04, math.inf, "0.0"),
    ],
)
def test_the_interval_decides_on_the_digits(mean, half, text):
    estimate = Estimate(mean, half, 3)
    assert estimate.text(sign=True) == f"{text} (3)"
    assert estimate.text() == f"{text.removeprefix('+')} (3)"
    assert estimate.gain_text().strip("*") == text


def test_a_gain_is_bold_where_its_interval_excludes_0():
    assert Estimate(2.0, 1.0, 3).gain_text() == "**+2.0 ± 1.0**"
    assert Estimate(-2.0, 1.0, 3).gain_text() == "**-2.0 ± 1.0**"
    assert Estimate(1.0, 1.0, 3).gain_text() == "+1.0 ± 1.0"
    assert Estimate(9.0, math.inf, 1).gain_text() == "+9.0"


@given(st.floats(-100, 100), st.floats(0, 500))
def test_a_text_says_mean_and_interval_to_the_same_decimal(mean, half):
    shown_mean, shown_half = Estimate(mean, half, 3).text().removesuffix(" (3)").split(" ± ")
    decimals = {len(shown.partition(".")[2]) for shown in (shown_mean, shown_half)}
    assert len(decimals) == 1
    most = 0.5 * 10.0 ** -decimals.pop() + 1e-9  # what rounding may change
    assert abs(float(shown_mean) - mean) <= most
    assert abs(float(shown_half) - half) <= most
    assert abs(float(shown_half) - half) <= max(0.05 * half, 0.005) + 1e-9  # two digits
    assert len(shown_half.replace(".", "").lstrip("0")) <= (2 if half < 99.5 else 3)
    assert not (shown_mean.startswith("-") and float(shown_mean) == 0)
