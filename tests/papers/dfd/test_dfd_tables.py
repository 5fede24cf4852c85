"""DFD's tables and verdicts, made of the records of its study; and the paper's own numbers, as
typed."""

import pytest

from paperlib.evidence.claims import SHAPE, read_claims, read_csv, read_numbers
from paperlib.papers.dfd import study as dfd
from paperlib.papers.dfd import tables as dfd_tables
from paperlib.report import NOTHING
from paperlib.study import select

CPU, PAPER = dfd.PROFILES["cpu"], dfd.PROFILES["paper"]
GAINS = {"resnet18/dfd/8": 3.0, "vgg16/dfd/8": 2.0}


def verdicts(items, settings=CPU, dataset="cifar10"):
    """Cells of a claim -> its verdict."""
    found = dfd_tables.verdicts(settings, dataset, items)
    return {(v.claim.cell(v.claim.better), v.claim.worse): v for v in found}


def test_every_cell_of_the_paper_is_measured(fake):
    found = dfd_tables.scores(dfd.study(PAPER, "cifar10", fake))
    wanted = {cell for _, cell in read_numbers("dfd", "table1", "table2")}
    for claim in read_claims("dfd"):
        for cell in (*claim.cells(), *filter(None, [claim.room and claim.cell(claim.room)])):
            wanted.add(cell)
            assert found.values(cell, claim.metric), cell
    seeds = {cell: len(found.values(cell)) for cell in wanted}
    assert set(seeds.values()) <= {PAPER.seeds, PAPER.few_seeds}
    assert seeds["resnet18/dfd/8"] == seeds["resnet18/vdsr/8"] == PAPER.seeds
    assert seeds["resnet18/srgan/8"] == PAPER.few_seeds


def test_the_curves_of_fig_2_are_held_out_accuracies(fake):
    found = dfd_tables.scores(dfd.study(PAPER, "cifar10", fake))
    bases, curves = dfd_tables.lambda_curves(found)
    names = ["ResNet-18", "VGG-16", "AlexNet"]
    assert [(name, base.mean) for name, base in bases.items()] == [(name, 40) for name in names]
    for name in names:
        assert {x: top1.mean for x, top1 in curves[name].items()} == {
            x: 40 + x for x in dfd.LAMBDAS
        }
    table = dfd_tables.lambdas("cifar10", found)
    assert table.headers[1:3] == ("ResNet-18", "ResNet-18, gain")
    assert table.rows[0] == ["base network", *["40.00 ± 0.00 (3)", NOTHING] * 3]
    assert table.rows[-1] == ["λ = 10", *["50.00 ± 0.00 (3)", "+10.00 ± 0.00 (3)"] * 3]


def test_the_error_on_held_out_images_is_what_accuracy_leaves(fake):
    found = dfd_tables.scores(dfd.study(PAPER, "cifar10", fake))
    assert set(found.values("vgg16/tuned/2", "validation_error").values()) == {58.0}


def test_teachers_are_also_tested_on_images_that_they_have_not_seen_the_like_of(fake):
    study = dfd.study(CPU, "cifar10", fake)
    rows = dfd_tables.teachers(CPU, {"cifar10": dfd_tables.scores(study)}).rows
    assert rows[0] == ["ResNet-18", "50.00 ± 0.00 (20)", "30.00 ± 0.00 (20)"]


def test_all_tables_have_a_title_of_their_own_and_full_rows(fake):
    settings = select(dfd.PROFILES, "smoke", ["cifar10", "synthdigits"])
    studies = {name: dfd.study(settings, name, fake) for name in settings.datasets}
    tables = dfd_tables.tables(settings, studies)
    assert len({table.title for table in tables}) == len(tables)
    assert all(len(row) == len(table.headers) for table in tables for row in table.rows)


@pytest.mark.parametrize("profile", dfd.PROFILES)
def test_what_was_not_measured_has_no_table(profile):
    """But for the paper's own numbers, and the claims, which are not tested."""
    study = dfd.study(dfd.PROFILES[profile], "cifar10", lambda runs: [])
    titles = [table.title for table in dfd_tables.tables(dfd.PROFILES[profile], {"cifar10": study})]
    assert [title.partition(",")[0] for title in titles if not title.startswith("Claims")] == [
        "Table 1. Top-1 accuracy (%)",
        "Table 2. Top-1 accuracy (%)",
    ]
    words = {v.word for v in dfd_tables.verdicts(dfd.PROFILES[profile], "cifar10", study)}
    assert words == {"not tested"}


def test_what_was_not_measured_has_no_row(measured):
    few = measured(missing=("fig2", "ablations", "setting", "scale"))
    del few["table1"]["alexnet/hr"]
    found = dfd_tables.scores(few)
    assert [row[0] for row in dfd_tables.teachers(CPU, {"x": found}).rows] == [
        "ResNet-18",
        "VGG-16",
    ]
    assert not dfd_tables.lambdas("x", found).rows
    names = [row[0] for row in dfd_tables.ablations(CPU, "x", found).rows]
    assert names == [
        "base network",
        "DFD with our defaults, from the base network's random weights",
    ]
    rows = dfd_tables.setting(CPU, "x", found).rows
    assert [(row[0], row[-1]) for row in rows] == [
        ("teacher over base network, ResNet-18, 8×8", "yes"),
        ("teacher over base network, VGG-16, 8×8", "yes"),
    ]


def test_the_setting_is_judged_by_twice_the_epochs_and_the_teachers_lead(measured):
    gains = {"setting/vgg16/2": 3.0, "resnet18/hr": -19.0}
    rows = dfd_tables.setting(CPU, "x", dfd_tables.scores(measured(gains))).rows
    assert [row[-1] for row in rows] == ["yes", "no", "yes", "no", "yes"]


def test_a_reduced_setting_is_called_reduced():
    text = dfd_tables.describe(dfd.PROFILES["smoke"])
    assert text.startswith(
        "REDUCED setting `smoke`: ResNet-18 at 0.0625 of its width, 256 images for 1 epoch; "
    )
    assert "REDUCED" not in dfd_tables.describe(PAPER)


# Verdicts


def test_three_headline_claims_each_of_cells_that_may_have_all_seeds():
    headlines = [claim for claim in read_claims("dfd") if claim.headline]
    assert [claim.cells() for claim in headlines] == [
        ("resnet18/dfd/8", "resnet18/lr/8"),
        ("vgg16/dfd/8", "vgg16/lr/8"),
        ("resnet18/dfd/8", "resnet18/vdsr/8"),
    ]
    assert all(claim.room == "hr" for claim in headlines)


def test_every_kind_of_verdict(measured):
    gains = {**GAINS, "resnet18/dfd/16": -2.0, "resnet18/vdsr/8": 0.1, "alexnet/hr": -19.8}
    found = verdicts(measured(gains))
    assert found["resnet18/dfd/8", "lr/8"].word == "holds"
    assert found["resnet18/vdsr/8", "lr/8"].word == "holds"  # as good as none
    assert found["resnet18/dfd/16", "lr/16"].word == "reversed"
    assert found["vgg16/dfd/16", "lr/16"].word == "no effect"
    assert found["alexnet/dfd/8", "lr/8"].word == "not testable here"
    assert "the room is" in found["alexnet/dfd/8", "lr/8"].reason
    assert {v.word for v in verdicts(measured(GAINS, seeds=2)).values()} <= {
        "undecided",
        "not tested",
    }


def test_fig_2s_claims_are_of_every_lambda(measured):
    swept = [f"resnet18/tuned/{x:g}" for x in dfd.LAMBDAS]
    everywhere, best = ("resnet18/tuned", "resnet18/tuned/2")

    def words(gains):
        found = verdicts(measured(gains)).items()
        return {cells[0]: v.word for cells, v in found if v.claim.metric.startswith("validation")}

    gains = dict.fromkeys(swept, 4.0) | {"resnet18/tuned/2": 8.0}
    assert words(gains)[everywhere] == words(gains)[best] == "holds"
    one_below = words(gains | {"resnet18/tuned/0.1": -4.0})
    assert one_below[everywhere] == "reversed"
    assert words(gains | {"resnet18/tuned/10": 12.0})[best] == "reversed"


def test_claims_of_other_data_are_judged_by_what_stands_in():
    """The embedded digits are no data of the paper's: each claim once, whatever its data."""
    claims = read_claims("dfd")
    for name, count in (("svhn", 6), ("cifar10", 19), ("synthdigits", 19)):
        found = dfd_tables.verdicts(PAPER, name, dfd.study(PAPER, name, lambda runs: []))
        assert len(found) == count
    assert len(claims) == 6 + 19


def test_what_is_not_measured_as_printed_is_not_said_to_be_in_the_papers_setting(measured):
    found = verdicts(measured(GAINS, profile="paper"), PAPER)
    own = {cells for cells, v in found.items() if v.own_setting}
    assert own == {
        (f"{network}/dfd/{size}", f"lr/{size}") for network in dfd.NAMES for size in dfd.SIZES
    } | {("resnet18/hr", "lr/8")}
    for cells, verdict in found.items():
        elsewhere = cells not in own
        assert verdict.where.startswith("by the paper's recipe") is elsewhere
        assert verdict.reason.endswith(f", {verdict.where}") is elsewhere
        assert verdict.why not in ("", verdict.reason if elsewhere else "")
        assert not (elsewhere and verdict.size)
    assert found["resnet18/dfd/8", "lr/8"].size == "differs in size"  # +3.0, printed +1.40
    assert found["resnet18/dfd/8", "vdsr/8"].word == "holds"


def test_claims_have_a_table_for_all_that_stands_in_for_the_papers_networks(measured):
    reduced = dfd_tables.claims(dfd_tables.verdicts(CPU, "cifar10", measured()))
    assert [table.title for table in reduced] == [
        "Claims, measured on cifar10 (in the reduced setting `cpu`: sizes are not compared)"
    ]
    items = measured(profile="paper")
    tables = dfd_tables.claims(dfd_tables.verdicts(PAPER, "cifar10", items))
    assert [table.title.partition(",")[2].split(" (")[1][:-1] for table in tables] == [
        "in the paper's setting",
        *["by the paper's recipe: sizes are not compared"] * 2,
    ]
    assert sum(len(table.rows) for table in tables) == 19


def test_effects_by_number_of_images(measured):
    gains = {**GAINS, "scale/0.25/resnet18/dfd/8": 6.0, "scale/4/resnet18/dfd/8": 0.1}
    gains |= {"scale/0.25/vgg16/dfd/8": 6.0, "scale/4/vgg16/dfd/8": 2.0}
    curves = dfd_tables.scale(CPU, "cifar10", measured(gains))
    assert [curve.claim for curve in curves] == [c for c in read_claims("dfd") if c.headline]
    own = curves[0]
    assert [round(own.points[size].mean) for size in (375, 1500, 6000)] == [6, 3, 0]
    assert [curve.trend for curve in curves][:2] == ["vanishes", "falls"]


# The numbers of the paper


def test_every_claim_about_accuracy_is_a_difference_of_two_numbers_of_the_paper():
    numbers = read_numbers("dfd", "table1", "table2")
    for claim in read_claims("dfd"):
        if claim.kind == SHAPE:
            assert claim.points is None
            assert "Fig. 2" in claim.source
            continue
        better, worse = claim.cells()
        difference = numbers[claim.dataset, better] - numbers[claim.dataset, worse]
        assert round(difference, 2) == claim.points > 0, claim
        table = claim.source.partition(",")[0].lower().replace(" ", "")
        assert {better, worse} <= {cell for _, cell in read_numbers("dfd", table)}, claim


def test_margins_are_half_of_what_the_paper_gains():
    """Fig. 2's are those of Table 1 for the same network; VDSR's that of DFD over VDSR."""
    claims = read_claims("dfd")
    gains = {(c.dataset, *c.cells()): c.points for c in claims if c.kind != SHAPE}
    for claim in claims:
        name = f"{claim.network}/dfd/8"
        if claim.kind == SHAPE:
            points = gains["cifar10", name, f"{claim.network}/lr/8"]
        elif claim.better == "vdsr/8":
            points = gains["cifar10", name, "resnet18/vdsr/8"]
        else:
            points = claim.points
        assert claim.margin == pytest.approx(points / 2), claim


def test_tables_that_share_a_number_agree():
    first, second = read_numbers("dfd", "table1"), read_numbers("dfd", "table2")
    shared = first.keys() & second.keys()
    assert len(shared) == 2
    assert all(first[key] == second[key] for key in shared)


@pytest.mark.parametrize(("table", "count"), [("table1", 24), ("table2", 6)])
def test_every_number_is_there_once_and_has_its_source(table, count):
    rows = read_csv("dfd", table)
    assert len(rows) == len({(row["dataset"], row["cell"]) for row in rows}) == count
    assert {row["source"] for row in rows} == {f"Table {table[-1]}"}
