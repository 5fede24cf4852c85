"""The parts of sentences that all chapters share."""

import pytest

from paperlib.evidence.estimates import Estimate
from paperlib.evidence.looks import interval
from paperlib.report import Table
from paperlib.sentences import NOTHING_YET, against, bullets, if_any, listed, shown

AHEAD = [2.0, 2.1, 1.9, 2.0, 2.05]


@pytest.mark.parametrize(
    ("values", "told", "how"),
    [
        (AHEAD, 1, "is ahead of"),
        ([-value for value in AHEAD], -1, "is behind"),
        ([value - 2 for value in AHEAD], 0, "cannot be told from"),
    ],
)
def test_a_sentence_says_on_which_side_of_0_the_interval_is(values, told, how):
    assert interval(values).told == Estimate.of(values).told == told
    value = interval(values)
    assert against("A", value, "B") == f"A {how} B: {value.number} points over 5 seeds."


def test_one_value_tells_nothing():
    assert interval([9.0]).told == Estimate.of([9.0]).told == 0
    assert against("A", interval([9.0]), "B") == "A cannot be told from B: +9.0 points over 1 seed."


def test_nothing_is_said_of_what_was_not_measured():
    assert against("A", None, "B") == ""
    assert bullets(["", "one", ""]) == "- one"
    assert not bullets(["", ""])


def test_a_number_has_its_unit_and_its_seeds():
    assert shown(interval(AHEAD), " dB").endswith("] dB over 5 seeds")


@pytest.mark.parametrize(
    ("parts", "text"), [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")]
)
def test_lists_in_words(parts, text):
    assert listed(iter(parts)) == text


def test_a_table_without_rows_is_a_word():
    full, empty = (Table("t", ("a",), rows) for rows in ([("1",)], []))
    assert if_any(full) is full
    assert if_any(empty) is NOTHING_YET
