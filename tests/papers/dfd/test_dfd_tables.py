"""DFD's tables, made of the records of its study; and the paper's own numbers, as typed."""

import pytest

from paperlib.evidence.claims import read_claims, read_csv, read_numbers
from paperlib.papers.dfd import study as dfd
from paperlib.papers.dfd import tables as dfd_tables
from paperlib.study import select


def test_every_cell_of_the_paper_is_measured(fake):
    settings = dfd.PROFILES["smoke"]
    found = dfd_tables.scores(dfd.study(settings, "cifar10", fake))
    wanted = {cell for _, cell in read_numbers("dfd", "table1", "table2")}
    wanted |= {cell for claim in read_claims("dfd") for cell in claim.cells()}
    assert {cell: len(found.values(cell)) for cell in wanted} == dict.fromkeys(wanted, 1)


def test_the_curves_of_fig_2_are_held_out_accuracies(fake):
    settings = dfd.PROFILES["smoke"]
    found = dfd_tables.scores(dfd.study(settings, "cifar10", fake))
    bases, curves = dfd_tables.lambda_curves(found)
    assert bases == {"AlexNet": 40.0, "VGG-16": 40.0, "ResNet-18": 40.0}
    assert curves == {name: {x: 40 + x for x in dfd.LAMBDAS} for name in bases}
    assert dfd_tables.lambdas("cifar10", found).rows[0][-1] == "10"  # the chosen one


def test_all_tables_are_made_even_of_nothing(fake):
    settings = select(dfd.PROFILES, "smoke", ["cifar10", "synthdigits"])
    for results in (fake, lambda runs: []):
        studies = {name: dfd.study(settings, name, results) for name in settings.datasets}
        tables = dfd_tables.tables(settings, studies)
        assert len({table.title for table in tables}) == len(tables)
        assert all(len(row) == len(table.headers) for table in tables for row in table.rows)


def test_a_reduced_setting_is_called_reduced():
    assert "REDUCED setting `smoke`: 256 training images, 1 epoch, " in dfd_tables.describe(
        dfd.PROFILES["smoke"]
    )
    assert "REDUCED" not in dfd_tables.describe(dfd.PROFILES["paper"])


def test_claims_are_those_about_the_data_set_and_the_rest_is_said_to_be_untested():
    settings = dfd.PROFILES["paper"]
    found = dfd_tables.verdicts(settings, "svhn", dfd.study(settings, "svhn", lambda runs: []))
    assert [verdict.claim for verdict in found] == [
        claim for claim in read_claims("dfd") if claim.dataset == "svhn"
    ]
    rest = dfd_tables.untested(["svhn"]).rows
    assert len(found) + len(rest) == len(read_claims("dfd"))


# The numbers of the paper


def test_every_claim_is_a_difference_of_two_numbers_of_the_paper():
    numbers = read_numbers("dfd", "table1", "table2")
    for claim in read_claims("dfd"):
        better, worse = claim.cells()
        difference = numbers[claim.dataset, better] - numbers[claim.dataset, worse]
        assert round(difference, 2) == claim.points > 0, claim
        table = claim.source.lower().replace(" ", "")
        assert {better, worse} <= {cell for _, cell in read_numbers("dfd", table)}, claim


def test_tables_that_share_a_number_agree():
    first, second = read_numbers("dfd", "table1"), read_numbers("dfd", "table2")
    shared = first.keys() & second.keys()
    assert len(shared) == 2
    assert all(first[key] == second[key] for key in shared)


@pytest.mark.parametrize(("table", "count"), [("table1", 24), ("table2", 6), ("claims", 19)])
def test_every_number_is_there_once_and_has_its_source(table, count):
    rows = read_csv("dfd", table)
    keys = {
        (row["dataset"], row.get("cell") or (row["network"], row["better"], row["worse"]))
        for row in rows
    }
    assert len(rows) == len(keys) == count
    assert all(row["source"].startswith("Table ") for row in rows)
