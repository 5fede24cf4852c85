"""SFD's tables and verdicts, made of the records of its study."""

import dataclasses

import pytest

from paperlib.evidence.claims import read_claims
from paperlib.papers.sfd import numbers, words
from paperlib.papers.sfd import study as sfd
from paperlib.papers.sfd import tables as sfd_tables
from paperlib.report import NOTHING

CPU = sfd.PROFILES["cpu"]


def verdicts(items, settings=CPU, dataset="cifar10"):
    """Cells of a claim and its metric -> its verdict, of those about ResNet-50."""
    return {
        (v.claim.better, v.claim.worse, v.claim.metric): v
        for v in sfd_tables.verdicts(settings, dataset, items)
        if v.claim.network == "resnet50"
    }


def rows(table):
    """Label of a row -> its cells by header."""
    return {row[0]: dict(zip(table.headers[1:], row[1:], strict=True)) for row in table.rows}


# Verdicts


def test_three_headline_claims_about_the_poster_s_first_network():
    headlines = [claim for claim in read_claims("sfd") if claim.headline]
    assert [(*claim.cells(), claim.metric) for claim in headlines] == [
        ("resnet50/sfd", "resnet50/wo-uem", "seen"),
        ("resnet50/sfd", "resnet50/wo-uem", "unseen"),
        ("resnet50/sfd", "resnet50/vanilla", "seen"),
    ]


def test_claims_are_judged_by_what_was_measured(measured):
    found = verdicts(measured())
    assert found["sfd", "vanilla", "seen"].word == "holds"
    assert found["sfd", "wo-uem", "seen"].word == "no effect"
    assert found["vanilla", "sfd", "hq"].word == "reversed"
    assert verdicts(measured({"sfd": 2.6}))["sfd", "wo-uem", "seen"].word == "holds"
    assert verdicts(measured({"sfd": -3.0}))["sfd", "wo-uem", "unseen"].word == "reversed"
    assert verdicts(measured(seeds=2))["sfd", "wo-uem", "seen"].word == "undecided"
    assert {v.network for v in found.values()} == {"resnet18"}
    assert not any(v.own_setting for v in found.values())


@pytest.mark.parametrize(
    ("left", "about"),
    [
        ({"sfd": 0.185}, {"sfd"}),  # 7.5 % taken away
        ({"sfd": 0.21}, {"sfd"}),  # adds to the error
        ({"wo-uem": 0.185}, {"wo-uem"}),
        ({"sfd": 0.175, "wo-uem": 0.175}, set()),
    ],
)
def test_a_claim_about_an_inert_distillation_is_not_testable(measured, left, about):
    for cells, verdict in verdicts(measured({"sfd": 5.0}, left)).items():
        inert = about & set(cells[:2])
        assert (verdict.word == "not testable here") == bool(inert), cells
        if inert:
            assert f"distillation of {sfd.MODELS[inert.pop()]} is inert: it " in verdict.why


def test_what_an_inert_distillation_does_is_said_in_per_cent(measured):
    for error, says in ((0.185, "takes away 8 % of"), (0.21, "adds 5 % to")):
        verdict = verdicts(measured(left={"sfd": error}))["sfd", "vanilla", "seen"]
        assert f"it {says} the features' error that cross-entropy alone leaves" in verdict.why


def test_of_another_network_nothing_is_known_of_its_features(measured):
    paper = dataclasses.replace(sfd.PROFILES["paper"], seeds=5)
    items = measured(left={"sfd": 0.2}, settings=paper)
    words_of = {"resnet50": set(), "resnext101": set()}
    for verdict in sfd_tables.verdicts(paper, "cifar10", items):
        words_of[verdict.claim.network].add(verdict.word)
    assert words_of["resnet50"] == {"not testable here"}
    assert "not testable here" not in words_of["resnext101"]


def test_the_arms_features_are_trained_with_their_claims(measured):
    found = verdicts(measured())
    assert set(found["sfd", "wo-uem", "seen"].cells) == {
        *("resnet18/sfd", "resnet18/wo-uem", "features/sfd/5"),
        *("features/wo-uem/5", "features/ce/5"),
    }


def test_claims_about_a_network_that_is_not_there_are_not_tested(measured):
    found = sfd_tables.verdicts(CPU, "cifar10", measured())
    assert {v.word for v in found if v.claim.network == "resnext101"} == {"not tested"}
    table = sfd_tables.claims(found)
    assert len(table.rows) == sum(v.claim.network == "resnet50" for v in found)
    assert "ResNet-18 in place of ResNet-50" in table.title
    assert words.untested(found) == "Not measured, and so not in this table: 9 about ResNeXt-101."
    assert "All of the poster's claims" in words.untested([v for v in found if v.measured])


# Tables


@pytest.mark.parametrize("profile", sfd.PROFILES)
def test_tables_have_titles_of_their_own_full_rows_and_no_row_or_column_of_dashes(
    measured, profile
):
    settings = sfd.PROFILES[profile]
    (dataset,) = settings.datasets
    tables = sfd_tables.tables(settings, {dataset: measured(settings=settings, dataset=dataset)})
    assert len({table.title for table in tables}) == len(tables) > 8
    for table in tables:
        assert table.rows
        assert all(len(row) == len(table.headers) for row in table.rows), table.title
        for line in (*table.rows, *zip(*table.rows, strict=True)):
            assert any(part != NOTHING for part in line[1:]), table.title


@pytest.mark.parametrize("profile", sfd.PROFILES)
def test_what_was_not_measured_has_no_table(measured, profile):
    settings = sfd.PROFILES[profile]
    (dataset,) = settings.datasets
    nothing = measured(seeds=0, settings=settings, dataset=dataset)
    titles = [table.title for table in sfd_tables.tables(settings, {dataset: nothing})]
    assert [title.partition(" of the poster")[0] for title in titles] == [
        "First table",
        "Second table",
    ]
    assert {v.word for v in verdicts(nothing, settings, dataset).values()} == {"not tested"}


def test_what_was_not_measured_has_no_row_and_no_column(measured):
    items = measured(only=("resnet18/ce", "resnet18/sfd", "features/sfd/5"))
    found = numbers.scores("cifar10", items)
    main = sfd_tables.main(CPU, "cifar10", found)
    assert [row[0] for row in main.rows] == [
        "ResNet-18, cross-entropy, clean + corrupted",
        "ResNet-18, SFD (poster)",
    ]
    assert main.headers == ["", "HQ", "seen", "unseen"]  # mCE lacks its reference
    terms = sfd_tables.terms(CPU, "cifar10", items)
    assert terms.headers[1:] == [
        *("λ", "both cross-entropies", "λ × distillation"),
        "error of z over its power, severity 5",
    ]
    assert [row[0] for row in sfd_tables.theta(CPU, "cifar10", found).rows] == ["severity 5"]
    assert [row[0] for row in sfd_tables.setting(CPU, "cifar10", found).rows] == []


def test_the_terms_say_what_the_distillation_does(measured):
    table = sfd_tables.terms(CPU, "cifar10", measured())
    found = rows(table)
    assert table.rows[0][1:4] == ["0", "1.25", NOTHING]
    assert found["SFD without UEM"]["λ × distillation"] == "+2.500"
    assert found["SFD (poster)"]["λ × distillation"] == "-0.600"
    taken = {label: row["taken away, severity 5"] for label, row in found.items()}
    assert list(taken.values()) == [NOTHING, "25 %", "50 %"]


def test_the_chosen_weights_are_bold(measured):
    table = sfd_tables.lambdas(CPU, "cifar10", numbers.scores("cifar10", measured()))
    assert [row[1] for row in table.rows] == ["0.5", "**5**", "50", "0.03", "**0.3**", "3"]
    assert "2,000 images" in table.title


def test_the_setting_is_judged_by_twice_the_epochs_and_by_what_corruptions_cost(measured):
    items = measured()
    table = sfd_tables.setting(CPU, "cifar10", numbers.scores("cifar10", items))
    assert [row[-1] for row in table.rows] == ["yes", "yes", "no", "no"]  # clean is no better here


def test_captions_say_what_is_reduced():
    text = sfd_tables.describe(CPU)
    assert text.startswith(
        "REDUCED setting `cpu`: 5,000 clean images for 24 epochs, 5,000 corrupted ones for 24 "
        "epochs, ResNet-18 at 0.125 of its width"
    )
    assert "REDUCED" not in sfd_tables.describe(sfd.PROFILES["paper"])


def test_the_scale_has_the_numbers_of_images_of_the_profile(measured):
    curves = sfd_tables.scale(CPU, "cifar10", measured())
    assert [list(curve.points) for curve in curves] == [[312, 1250, 5000]] * 3
    assert sfd_tables.scale(CPU, "cifar10", measured(only=("main",))) == []


def test_costs_count_what_is_used_at_test_time():
    found = {row[0]: row[1:] for row in sfd_tables.costs(CPU, "cifar10").rows}
    vanilla, ours, code, ddp = (
        found[sfd.MODELS[name]] for name in ("vanilla", "sfd", "sfd-code", "ddp")
    )
    assert (ours[0], ours[2]) == (vanilla[0], vanilla[2])
    assert [int(own[1].replace(",", "")) > 0 for own in (vanilla, ours)] == [False, True]
    assert float(code[2]) > float(vanilla[2])
    assert int(ddp[0].replace(",", "")) > int(vanilla[0].replace(",", ""))


def test_small_numbers_of_one_seed_keep_three_digits(measured):
    items = measured(left={"sfd": 0.0987}, seeds=1)
    table = sfd_tables.features(CPU, "cifar10", numbers.scores("cifar10", items))
    assert rows(table)["SFD (poster)"]["error of z over its power"] == "0.0987 (1)"
    items = measured(left={"sfd": 0.0987}, seeds=2)
    table = sfd_tables.features(CPU, "cifar10", numbers.scores("cifar10", items))
    assert rows(table)["SFD (poster)"]["error of z over its power"] == "0.10 ± 0.00 (2)"
