"""Intervals, verdicts and tables; and the paper's own numbers, checked against each other."""

import math

import pytest
from scipy import stats

from paperlib.evidence.claims import Claim, read_claims, read_csv, read_numbers
from paperlib.evidence.estimates import Estimate, effect, top1
from paperlib.evidence.verdicts import judge
from paperlib.report import Table, accuracy_table, claims_table
from paperlib.runs import Record


@pytest.fixture
def measured(tiny):
    """Makes the records of one cell from accuracies by seed."""

    def measured(by_seed):
        return [Record(tiny(seed=seed), {"top1": value}, (), {}) for seed, value in by_seed.items()]

    return measured


# Estimates


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


def test_accuracy_over_seeds(measured):
    assert top1(measured({0: 70.0, 1: 72.0})).mean == 71.0
    assert top1([]) is None


def test_effects_are_paired_by_seed(measured):
    better = measured({2: 75.0, 0: 61.0, 7: 99.0})
    worse = measured({0: 60.0, 1: 0.0, 2: 73.0})
    # seeds 2 and 0; 7 and 1 have no partner
    assert effect(better, worse) == Estimate.of([2.0, 1.0])
    assert effect(better, measured({5: 1.0})) is None
    assert effect(better, []) is None


# Verdicts


@pytest.mark.parametrize(
    ("measured", "same", "verdict"),
    [  # of a claim of +2
        (None, True, "not tested"),
        (None, False, "not tested"),
        (Estimate(2.5, 1.0, 3), True, "reproduced"),  # [1.5, 3.5] excludes 0 and contains 2
        (Estimate(2.5, 1.0, 3), False, "direction only"),  # the same, on other data
        (Estimate(5.0, 1.0, 3), True, "direction only"),  # [4, 6]: larger than claimed
        (Estimate(1.0, 0.5, 3), True, "direction only"),  # [0.5, 1.5]: smaller than claimed
        (Estimate(-2.0, 1.0, 3), True, "not reproduced"),  # [-3, -1]: the other way round
        (Estimate(-2.0, 1.0, 3), False, "not reproduced"),
        (Estimate(0.2, 0.5, 3), True, "not reproduced"),  # [-0.3, 0.7]: nothing, and surely not 2
        (Estimate(0.2, 0.5, 3), False, "inconclusive"),  # other data may have another effect
        (Estimate(1.0, 2.0, 3), True, "inconclusive"),  # [-1, 3]: 0 or 2
        (Estimate(9.0, math.inf, 1), True, "inconclusive"),  # one seed decides nothing
        (Estimate(-9.0, math.inf, 1), False, "inconclusive"),
    ],
)
def test_verdicts(measured, same, verdict):
    assert judge(measured, 2.0, same) == verdict


# Tables


@pytest.fixture
def claims(monkeypatch):
    """A paper of three claims: one pair of cells on two data sets, another on the first alone."""
    claims = [
        Claim("cifar10", "a", "b", 2.0, "a beats b", "Table 1"),
        Claim("svhn", "a", "b", 1.0, "a beats b", "Table 1"),
        Claim("cifar10", "b", "c", 3.0, "b beats c", "Table 2"),
    ]
    monkeypatch.setattr("paperlib.report.read_claims", lambda slug: claims)


@pytest.fixture
def cells(measured):
    return {"a": measured({0: 72.0, 1: 72.1}), "b": measured({0: 70.0, 1: 70.0})}


def test_claims_on_the_papers_data(claims, cells):
    assert claims_table("dfd", "cifar10", cells, paper_setting=True).rows == [
        ("a beats b", "Table 1", "+2.00", "+2.05 ± 0.64 (2)", "reproduced"),
        ("b beats c", "Table 2", "+3.00", "–", "not tested"),
    ]


def test_claims_in_a_reduced_setting_have_a_direction_only(claims, cells):
    table = claims_table("dfd", "cifar10", cells, paper_setting=False)
    assert [row[-1] for row in table.rows] == ["direction only", "not tested"]
    assert "reduced setting" in table.title


def test_claims_on_other_data_are_judged_once_a_pair(claims, cells):
    assert claims_table("dfd", "synthdigits", cells, paper_setting=True).rows == [
        ("a beats b", "Table 1", "+2.00 on cifar10", "+2.05 ± 0.64 (2)", "direction only"),
        ("b beats c", "Table 2", "+3.00 on cifar10", "–", "not tested"),
    ]


def test_the_papers_number_stands_beside_ours_for_its_own_data_only(cells):
    numbers = {("cifar10", "a"): 71.5}
    rows = {"first": ["a", "c"], "second": ["b", "a"]}
    table = accuracy_table(
        "T", rows, ["8×8", "16×16"], numbers, {"cifar10": cells, "synthdigits": cells}
    )
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


def test_a_table_for_the_terminal_and_for_the_book():
    table = Table("Title", ("", "top-1"), [("a", "72.050"), ("b", "–")])
    lines = repr(table).splitlines()
    assert lines[0] == "Title"
    # as given: digits are not re-rounded
    assert [line.split() for line in lines[3:]] == [["a", "72.050"], ["b", "–"]]
    markdown = table._repr_markdown_().splitlines()
    assert markdown[:2] == ["**Title**", ""]
    assert [cell.strip() for cell in markdown[4].strip("|").split("|")] == ["a", "72.050"]


# The numbers of DFD's paper, as typed


def test_every_claim_is_a_difference_of_two_numbers_of_the_paper():
    numbers = read_numbers("dfd", "table1", "table2")
    for claim in read_claims("dfd"):
        difference = numbers[claim.dataset, claim.better] - numbers[claim.dataset, claim.worse]
        assert round(difference, 2) == claim.points > 0, claim
        table = claim.source.lower().replace(" ", "")
        assert {claim.better, claim.worse} <= {cell for _, cell in read_numbers("dfd", table)}, (
            claim
        )


def test_tables_that_share_a_number_agree():
    first, second = read_numbers("dfd", "table1"), read_numbers("dfd", "table2")
    shared = first.keys() & second.keys()
    assert len(shared) == 2
    assert all(first[key] == second[key] for key in shared)


@pytest.mark.parametrize(("table", "count"), [("table1", 24), ("table2", 6), ("claims", 19)])
def test_every_number_is_there_once_and_has_its_source(table, count):
    rows = read_csv("dfd", table)
    keys = {(row["dataset"], row.get("cell") or (row["better"], row["worse"])) for row in rows}
    assert len(rows) == len(keys) == count
    assert all(row["source"].startswith("Table ") for row in rows)
