"""Tables: what stands in which row and column."""

import pytest

from paperlib.evidence.claims import Claim
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.verdicts import Verdict
from paperlib.report import (
    Table,
    Tables,
    accuracy_table,
    claims_table,
    gain_rows,
    gain_text,
    metric_rows,
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


def test_the_papers_difference_stands_beside_ours():
    claims = [
        Claim("cifar10", "", "a", "b", "top1", 2.0, "a beats b", "Table 1"),
        Claim("cifar10", "", "b", "c", "top1", None, "b beats c", "section 2"),
    ]
    measured = Estimate.of([2.0, 2.1])

    def verdicts(dataset):
        return [
            Verdict(claims[0], dataset, measured, "reproduced"),
            Verdict(claims[1], dataset, None, "not tested"),
        ]

    table = claims_table(verdicts("cifar10"), "cifar10", paper_setting=True)
    assert table.title == "Claims, measured on cifar10 (the paper's setting)"
    assert table.rows == [
        ("a beats b", "Table 1", "+2.00", "+2.05 ± 0.64 (2)", "reproduced"),
        ("b beats c", "section 2", "–", "–", "not tested"),
    ]
    elsewhere = claims_table(verdicts("svhn"), "svhn", paper_setting=False)
    assert elsewhere.rows[0][2] == "+2.00 on cifar10"
    assert "reduced setting" in elsewhere.title


def test_the_title_says_which_network_stands_in_for_which():
    claim = Claim("imagenet", "resnet50", "a", "b", "top1", 2.0, "a beats b", "Table 1")
    names = {"resnet50": "ResNet-50", "resnet18": "ResNet-18"}
    stood_in = Verdict(claim, "cifar10", None, "not tested", network="resnet18")
    own = Verdict(claim, "cifar10", None, "not tested")
    table = claims_table([stood_in, own], "cifar10", False, names=names)
    assert table.title.startswith("Claims, ResNet-18 in place of ResNet-50, measured on cifar10")
    assert claims_table([own], "cifar10", False, names=names).title.startswith(
        "Claims, measured on"
    )


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
