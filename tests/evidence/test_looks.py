"""Looking again while seeds are added: how often that is wrong, and how often it decides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paperlib.evidence import looks, simulation
from paperlib.evidence.claims import AS_GOOD_AS, BETTER, SHAPE
from paperlib.evidence.looks import LEVEL, LOOKS, Interval, interval, seeds_needed, width

AGAIN = 7  # a seed that the table was not made with
DIFFERENCES = [1.2, 0.4, 2.1, 0.9, 1.5, 1.1, 0.2, 1.9, 1.0, 0.7, 1.4]


def excluded(values, upto, effect=0.0):
    """Whether the interval of the first n values excludes 0, for n = 1 to `upto`: (rows, upto)."""
    means, deviations = simulation.moments(values)
    widths = np.array([width(n) for n in range(1, upto + 1)])
    with np.errstate(invalid="ignore"):  # below the first look: inf times 0
        return np.abs(means + effect)[:, :upto] > widths * deviations[:, :upto]


def share(count, measure, length=20):
    """Mean of a measure over fresh paths."""
    return sum(measure(v).sum() for v in simulation.paths(count, length, AGAIN)) / count


AT = [look - 1 for look in LOOKS]


def test_the_table_is_what_a_simulation_gives():
    """At every level, by other random numbers than the table's."""
    count = 50_000
    errors = simulation.overall(count, AGAIN)
    known = np.array([looks.overall(level) for level in simulation.LEVELS])
    spread = np.sqrt(known * (1 - known) * (1 / count + 1 / simulation.PATHS))
    assert (np.abs(errors - known) <= 4.5 * spread + 1e-6).all()


def test_no_effect_is_missed_in_five_per_cent_over_all_looks():
    count = 50_000
    error = share(count, lambda v: excluded(v, 20)[:, AT].any(1))
    assert error == pytest.approx(LEVEL, abs=4 * math.sqrt(0.05 * 0.95 / count))
    # an ordinary t-interval would miss it in 15 %
    ordinary = share(count, lambda v: simulation.nominal(v).min(1) < 0.05)
    assert ordinary == pytest.approx(0.15, abs=0.01)


@pytest.mark.parametrize(
    ("effect", "power", "seeds"), [(0.5, 0.40, 17.9), (1.0, 0.96, 12.8), (1.5, 1.00, 8.3)]
)
def test_effects_are_found(effect, power, seeds):
    """In standard deviations; with the seeds on average, where each stops when it is decided."""
    count = 20_000

    def stops(values):
        found = excluded(values, 20, effect)[:, AT]
        return np.where(found.any(1), np.array(LOOKS)[found.argmax(1)], LOOKS[-1])

    assert share(count, lambda v: excluded(v, 20, effect)[:, AT].any(1)) == pytest.approx(
        power, abs=0.015
    )
    assert share(count, stops) == pytest.approx(seeds, abs=0.15)


@pytest.mark.slow
def test_going_on_beyond_the_looks_adds_a_hundredth_of_error():
    """Whoever looks at 3, 5, 10, 20 and then after every seed up to 200 errs in 6 %, not in 5 %;
    with the confidence sequence alone, from the third seed on, in less than 5 %."""
    count = 40_000

    def wrong(values):
        out = excluded(values, 200)
        return out[:, AT].any(1) | out[:, 20:].any(1)

    assert share(count, wrong, 200) == pytest.approx(0.060, abs=0.006)
    sequence = np.array([math.inf, *(looks._sequence_width(n, LEVEL) for n in range(2, 201))])

    def missed(values):
        means, deviations = simulation.moments(values)
        return (np.abs(means) > np.where(np.isinf(sequence), 1e9, sequence) * deviations)[
            :, 2:
        ].any(1)

    assert share(count, missed, 200) < LEVEL


def test_the_ends_of_an_interval_by_hand():
    """Five seeds: a t-interval of level 1 - 0.0147, from tables of Student's t."""
    found = interval(DIFFERENCES[:5])
    mean, sd = np.mean(DIFFERENCES[:5]), np.std(DIFFERENCES[:5], ddof=1)
    half = stats.t.isf(looks.nominal() / 2, 4) * sd / math.sqrt(5)
    assert looks.nominal() == pytest.approx(0.0147, abs=0.0002)
    assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert (found.n, found.sd) == (5, pytest.approx(sd))


def test_widths_at_the_looks_are_those_of_the_notes():
    assert [width(n) for n in LOOKS] == pytest.approx([4.69, 1.84, 0.95, 0.60], rel=0.005)


@pytest.mark.parametrize(
    ("n", "used"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (9, 5), (10, 10), (11, 10), (21, 21)]
)
def test_between_looks_the_first_seeds_are_looked_at(n, used):
    values = [float(v) for v in range(n)]
    found = interval(values)
    assert (found.n, found.mean) == (used, np.mean(values[:used]))


def test_below_the_first_look_there_is_no_end():
    for values in ([1.0], [1.0, 1.0]):
        found = interval(values)
        assert (found.low, found.high, found.p()) == (-math.inf, math.inf, 1)


def test_seeds_that_agree_to_the_last_bit():
    found = interval([0.5, 0.5, 0.5])
    assert (found.low, found.high) == (0.5, 0.5)
    assert (found.p(0.0), found.p(0.5)) == (0, 1)


def test_at_its_end_the_confidence_sequence_weighs_effects_by_the_level():
    """The likelihood ratio of effects with a normal prior, one standard deviation wide, to none is
    1 / level there (Wang & Ramdas, equation of Lai's e-process)."""
    n = 30
    half = width(n)  # in standard deviations
    t2 = n * half**2
    r = 1 / (1 + n)
    ratio = math.sqrt(r) * ((1 + t2 / (n - 1)) / (1 + r * t2 / (n - 1))) ** (n / 2)
    assert ratio == pytest.approx(1 / LEVEL)


@given(
    st.sampled_from([3, 5, 10, 20, 25, 60]),
    st.floats(-6, 6),
    st.floats(0.01, 5),
    st.floats(-3, 3),
    st.sampled_from([0.05, 0.02, 0.01]),
)
def test_p_is_the_level_at_which_the_interval_ends_at_the_value(n, mean, sd, value, level):
    half = width(n, level) * sd
    found = Interval(mean, mean - half, mean + half, n, sd)
    if abs(abs(mean - value) - half) > 1e-6 * (1 + half):
        assert (found.p(value) < level) == (abs(mean - value) > half)


@given(st.floats(1e-7, 1))
def test_an_error_over_looks_is_larger_than_at_one_look_and_at_most_their_sum(p):
    assert p <= looks.overall(p) + 1e-9
    assert looks.overall(p) <= min(1, len(LOOKS) * p) + 1e-9
    level = looks.overall(p)
    assert looks.overall(looks.nominal(level)) == pytest.approx(level, rel=0.03)


# Seeds needed


def test_seeds_needed_are_those_with_which_it_is_decided_in_eighty_per_cent():
    """For an effect of one standard deviation: at 10 seeds, in more than half of all cases, ..."""
    assert [seeds_needed(e, 1, BETTER, 0.01) for e in (9, 2.5, 1.3, 0.8)] == [3, 5, 10, 20]
    for effect in (2.5, 1.3, 0.8):
        look = seeds_needed(effect, 1.0, BETTER, 0.01)
        power = share(20_000, lambda v, e=effect, n=look: excluded(v, 20, e)[:, n - 1])
        before = LOOKS[LOOKS.index(look) - 1]
        less = share(20_000, lambda v, e=effect, n=before: excluded(v, 20, e)[:, n - 1])
        assert less < looks.POWER - 0.02
        assert power > looks.POWER - 0.05


def test_seeds_needed_are_counted_beyond_what_there_is():
    assert seeds_needed(3, 1, BETTER, 0.01, n=5) == 10
    beyond = seeds_needed(0.5, 1, BETTER, 0.01, n=20)
    assert 60 < beyond < 80
    assert (width(beyond) + 0.8416 / math.sqrt(beyond)) <= 0.5
    assert (width(beyond - 1) + 0.8416 / math.sqrt(beyond - 1)) > 0.5
    assert seeds_needed(0.1, 1, BETTER, 0.01) is None


def test_seeds_needed_to_show_that_there_is_nothing():
    assert seeds_needed(0.0, 1, BETTER, 3.0) == 5
    assert seeds_needed(0.0, 1, AS_GOOD_AS, 3.0) == 5
    assert seeds_needed(0.0, 1, SHAPE, 3.0) is None  # a shape has no such verdict
    # twice the margin: plainly an effect, and no sooner outside the margin than at 10
    assert seeds_needed(4.0, 1, BETTER, 2.0) == 5
    assert seeds_needed(3.4, 1, AS_GOOD_AS, 2.0) == 10


def test_a_stricter_level_needs_more_seeds():
    assert seeds_needed(1.3, 1, BETTER, 0.01) == 10
    assert seeds_needed(1.3, 1, BETTER, 0.01, level=0.005) == 20


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Interval(2.05, 1.1, 3.0, 5, 0.5), "+2.05 [+1.10, +3.00] (5)"),
        (Interval(-4.2, -15.2, 6.8, 3, 2), "-4 [-15, +7] (3)"),
        (Interval(0.04, -1.96, 2.04, 10, 2), "0.0 [-2.0, +2.0] (10)"),
        (Interval(2.06, -math.inf, math.inf, 2, 1), "+2.1 (2)"),
    ],
)
def test_an_interval_in_a_table(found, text):
    assert found.text() == text
