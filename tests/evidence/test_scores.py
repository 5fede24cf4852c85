"""Numbers as rows: which there are, their means over seeds, and gains that are paired by seed."""

import pytest

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Score, Scores
from paperlib.runs import Record


def scores(**cells):
    """Scores from top-1 by cell and seed."""
    return Scores(
        Score(cell, seed, "top1", value)
        for cell, by_seed in cells.items()
        for seed, value in by_seed.items()
    )


def test_all_metrics_of_all_records_are_rows(tiny):
    first = Record(tiny(seed=0), {"top1": 70.0, "top1@fog-3": 50.0}, (), {"seconds": 9.0})
    second = Record(tiny(seed=2), {"top1": 72.0}, (), {"device": "cpu"})
    found = Scores.of({"a": [first, second], "b": []}, {"c": [second]})
    assert sorted(found.frame.itertuples(index=False, name=None)) == [
        ("a", 0, "seconds", 9.0),
        ("a", 0, "top1", 70.0),
        ("a", 0, "top1@fog-3", 50.0),
        ("a", 2, "top1", 72.0),
        ("c", 2, "top1", 72.0),
    ]
    assert found.cells == ["a", "c"]
    assert found.seeds("a") == [0, 2]
    assert found.values("a") == {0: 70.0, 2: 72.0}
    assert found.values("b") == {}


def test_further_rows_leave_the_first_ones_as_they_are():
    before = scores(a={0: 70.0})
    after = before.plus([Score("a", 0, "seen", 60.0)])
    assert after.values("a", "seen") == {0: 60.0}
    assert after.values("a") == before.values("a") == {0: 70.0}
    assert before.values("a", "seen") == {}


def test_an_estimate_is_over_seeds():
    found = scores(a={0: 70.0, 1: 72.0})
    assert found.estimate("a") == Estimate.of([70.0, 72.0])
    assert found.estimate("a", "seen") is None
    assert found.estimate("b") is None
    assert found.estimates("a", ("seen", "top1")) == {"top1": Estimate.of([70.0, 72.0])}


def test_gains_are_paired_by_seed():
    better, worse = {2: 75.0, 0: 61.0, 7: 99.0}, {0: 60.0, 1: 0.0, 2: 73.0}
    found = scores(better=better, worse=worse, other={5: 1.0})
    # in the order of the seeds; 7 and 1 have no partner
    assert list(found.by_seed("better", "worse").items()) == [(0, 1.0), (2, 2.0)]
    assert found.differences("better", "worse") == [1.0, 2.0]
    assert found.gain("better", "worse") == Estimate.of([2.0, 1.0])
    assert found.gains("better", "worse", ("top1", "seen")) == {"top1": Estimate.of([2.0, 1.0])}
    assert found.gain("better", "other") is None
    assert found.gain("better", "nothing") is None


@pytest.mark.parametrize(("metric", "gain"), [("top1", 20.0), ("mce", -20.0)])
def test_a_gain_is_above_0_where_the_first_is_better(metric, gain):
    """More accuracy is better, more mCE is worse."""
    found = Scores([Score("a", 0, metric, 90.0), Score("b", 0, metric, 70.0)])
    assert found.differences("a", "b", metric) == [gain]
