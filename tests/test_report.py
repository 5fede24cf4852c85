"""Tables: what stands in which row and column."""

import math
from dataclasses import replace

import pytest

from paperlib.evidence.claims import Claim
from paperlib.evidence.looks import Interval
from paperlib.evidence.scale import Curve
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.verdicts import Verdict
from paperlib.report import (
    Gap,
    Table,
    Tables,
    accuracy_table,
    claims_table,
    gain_rows,
    gain_text,
    in_words,
    metric_rows,
    scale_table,
    setting_table,
    text,
)


@pytest.fixture
def scores():
    """Cells "a" and "b" with two seeds each."""
    values = {"a": (72.0, 72.1), "b": (70.0, 70.0)}
    return Scores(
        Score(cell, seed, metric, value)
        for cell, by_seed in values.items()
        for seed, value in enumerate(by_seed)
        for metric in ("top1", "mce")
    )


def test_where_nothing_was_measured_there_is_a_dash():
    assert text(None) == gain_text(None) == "–"


def test_rows_of_cells_and_of_gains(scores):
    assert metric_rows(scores, {"first": "a", "second": "c"}, ("top1", "seen")) == [
        ("first", "72.05 ± 0.64 (2)", "–"),
        ("second", "–", "–"),
    ]
    assert gain_rows(scores, {"first": ("a", "b"), "second": ("b", "c")}, ("top1", "mce")) == [
        ("first", "**+2.05 ± 0.64**", "**-2.05 ± 0.64**"),  # more mCE is worse
        ("second", "–", "–"),
    ]


# Verdicts

CLAIM = Claim(
    *("cifar10", "resnet18", "a", "b", "top1", 2.0, "better", 1.0, True, "", "a beats b"),
    *("Table 1", ""),
)
HOLDS = Verdict(
    *(CLAIM, "cifar10", "cpu"),
    word="holds",
    effect=2.05,
    low=1.1,
    high=3.0,
    n=5,
    p=0.004,
    reason="the interval is above 0, in the reduced setting `cpu` on cifar10",
)
OTHER = replace(CLAIM, text="c beats b", points=None, headline=False)
UNTESTED = Verdict(
    *(OTHER, "cifar10", "cpu"),
    reason="nothing was measured, in the reduced setting `cpu` on cifar10",
)


def test_headline_claims_come_first_each_beside_the_papers_difference():
    table = claims_table([UNTESTED, HOLDS])
    assert table.title == (
        "Claims, measured on cifar10 (in the reduced setting `cpu`: sizes are not compared)"
    )
    assert table.rows == [
        ("**a beats b**", "Table 1", "+2.00", "+2.05 [+1.10, +3.00] (5)", "holds"),
        ("c beats b", "Table 1", "–", "–", "not tested"),
    ]


def test_the_title_says_when_it_is_the_papers_setting():
    own = replace(HOLDS, setting="paper", size="reproduced in size", reason="")
    table = claims_table([own])
    assert table.title == "Claims, measured on cifar10 (in the paper's setting)"
    assert table.rows[0][-1] == "holds, reproduced in size"
    elsewhere = claims_table([replace(own, dataset="svhn", size="")])
    assert elsewhere.rows[0][2] == "+2.00 on cifar10"
    assert "(by the paper's recipe: sizes are not compared)" in elsewhere.title


def test_what_is_not_decided_says_why():
    setting = ", in the reduced setting `cpu` on cifar10"
    why = "the interval holds 0 and ends beyond ±1.00"
    undecided = replace(HOLDS, word="undecided", reason=f"{why}; 10 seeds would decide{setting}")
    holm = "the interval is above 0, but p = 0.080 by Holm, of 2 headline claims; 10 seeds"
    by_holm = replace(undecided, reason=holm + setting)
    no_room = replace(HOLDS, word="not testable here", reason=f"the room is 0.20 points{setting}")
    assert [row[-1] for row in claims_table([undecided, by_holm, no_room]).rows] == [
        "undecided: 10 seeds would decide",
        f"undecided: {holm}",
        "not testable here: the room is 0.20 points",
    ]


def test_the_title_says_which_network_stands_in_for_which():
    names = {"resnet50": "ResNet-50", "resnet18": "ResNet-18"}
    stood_in = replace(HOLDS, claim=replace(CLAIM, network="resnet50"), network="resnet18")
    table = claims_table([stood_in, HOLDS], names=names)
    assert table.title.startswith("Claims, ResNet-18 in place of ResNet-50, measured on cifar10")
    assert claims_table([HOLDS], names=names).title.startswith("Claims, measured on")


def test_a_condition_has_its_column():
    table = claims_table([replace(HOLDS, condition="fog"), UNTESTED])
    assert table.headers[2] == "under"
    assert [row[2] for row in table.rows] == ["fog", ""]


def test_headline_claims_in_words():
    own = replace(HOLDS, setting="paper", size="differs in size", condition="fog", reason="")
    undecided = replace(
        *(HOLDS,),
        word="undecided",
        effect=2.0,
        low=-math.inf,
        high=math.inf,
        n=1,
        reason="1 of at least 3 seeds, in the reduced setting `cpu` on cifar10",
    )
    found = in_words([HOLDS, UNTESTED, undecided, own])
    assert (
        found._repr_markdown_()
        == repr(found)
        == (
            "In the reduced setting `cpu` on cifar10:\n\n"
            "- **holds**: a beats b (Table 1). Measured: +2.05 [+1.10, +3.00] points over 5 seeds. "
            "The paper: +2.00 on cifar10.\n"
            "- **undecided**: a beats b (Table 1). Measured: +2.0 points over 1 seed. "
            "The paper: +2.00 on cifar10. 1 of at least 3 seeds.\n\n"
            "In the paper's setting:\n\n"
            "- **holds**, differs in size: a beats b, fog (Table 1). "
            "Measured: +2.05 [+1.10, +3.00] points over 5 seeds. The paper: +2.00 on cifar10."
        )
    )
    assert in_words([UNTESTED]) == ""


# Settings and scales


def held_out(*means):
    """Scores of a network by its recipe and with twice the epochs, on held-out images."""
    return [
        Score(f"setting/r/{times}", seed, "validation_top1", mean + 0.1 * seed)
        for times, mean in enumerate(means, 1)
        for seed in range(2)
    ]


@pytest.mark.parametrize(
    ("twice", "shown", "kept"),
    [(81.9, "+1.90 ± 0.00 (2)", "yes"), (82.1, "+2.10 ± 0.00 (2)", "no"), (77, "-3.00", "no")],
)
def test_a_setting_has_to_be_trained_long_enough(twice, shown, kept):
    table = setting_table(Scores(held_out(80.0, twice)), {"ResNet": "r"})
    ((what, change, asked, answer),) = table.rows
    assert what == "ResNet: held-out top-1 80.05 ± 0.64 (2); with twice the epochs"
    assert (change.startswith(shown), asked, answer) == (True, "less than ±2", kept)


@pytest.mark.parametrize(("points", "kept"), [(2.0, "yes"), (2.1, "no")])
def test_a_setting_has_to_leave_room_for_the_effect(scores, points, kept):
    table = setting_table(scores, {}, {"teacher over student": Gap("a", "b", points)})
    gap = ("teacher over student", "+2.05 ± 0.64 (2)", f"more than +{points:.2f}", kept)
    assert table.rows == [gap]


def test_a_setting_that_was_not_checked_has_no_answer(scores):
    rows = setting_table(scores, {"ResNet": "r"}, {"gap": Gap("a", "z", 1.0)}).rows
    assert [row[1:] for row in rows] == [
        ("–", "less than ±2", "–"),
        ("–", "more than +1.00", "–"),
    ]


def test_effects_by_number_of_images():
    first = Curve(CLAIM, {500: Interval(4.0, 3.0, 5.0, 3, 0.2)}, None)
    second = Curve(OTHER, {2000: Interval(1.0, 0.5, 1.5, 5, 0.3)}, None)
    table = scale_table([first, second])
    assert table.headers == ("claim", "500", "2,000", "from the fewest to the most")
    assert table.rows == [
        ("a beats b", "+4.0 [+3.0, +5.0] (3)", "–", "not measured at two scales"),
        ("c beats b", "–", "+1.00 [+0.50, +1.50] (5)", "not measured at two scales"),
    ]


def test_the_papers_number_stands_beside_ours_for_its_own_data_only(scores):
    numbers = {("cifar10", "a"): 71.5}
    rows = {"first": ["a", "c"], "second": ["b", "a"]}
    measured = {"cifar10": scores, "synthdigits": scores}
    table = accuracy_table("T", rows, ["8×8", "16×16"], numbers, measured)
    assert table.headers == [
        "",
        *("cifar10 8×8: paper", "cifar10 8×8: ours", "cifar10 16×16: paper", "cifar10 16×16: ours"),
        *("synthdigits 8×8: ours", "synthdigits 16×16: ours"),
    ]
    a, b = "72.05 ± 0.64 (2)", "70.00 ± 0.00 (2)"
    assert table.rows == [
        ["first", "71.50", a, "–", "–", a, "–"],
        ["second", "–", b, "71.50", a, b, a],
    ]


def test_several_tables_stand_below_each_other():
    first, second = Table("First", ("a",), [("1",)]), Table("Second", ("b",), [("2",)])
    both = Tables([first, second])
    assert repr(both) == f"{first}\n\n{second}"
    markdown = both._repr_markdown_()
    assert markdown == f"{first._repr_markdown_()}\n\n{second._repr_markdown_()}"


def test_a_table_for_the_terminal_and_for_the_book():
    table = Table("Title", ("", "top-1"), [("a", "72.050"), ("b", "–")])
    lines = repr(table).splitlines()
    assert lines[0] == "Title"
    # as given: digits are not re-rounded
    assert [line.split() for line in lines[3:]] == [["a", "72.050"], ["b", "–"]]
    markdown = table._repr_markdown_().splitlines()
    assert markdown[:2] == ["**Title**", ""]
    assert [cell.strip() for cell in markdown[4].strip("|").split("|")] == ["a", "72.050"]
