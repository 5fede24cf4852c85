"""DFD's runs under every profile: all of them valid, the paper's with the paper's recipe, nothing
tuned on the test."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods, papers
from paperlib.errors import UserError
from paperlib.evidence.claims import read_claims, read_numbers
from paperlib.methods import Task
from paperlib.papers.dfd import study as dfd
from paperlib.papers.dfd.tables import describe
from paperlib.runs import Record, in_order
from paperlib.study import select
from paperlib.training import learning_rate, make_optimizer

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", dfd.PROFILES)


def asked_for(profile):
    """The runs that a study asks for, without any of their results."""
    runs = []
    settings = dfd.PROFILES[profile]
    dfd.study(settings, settings.datasets[0], lambda asked: runs.extend(asked) or [])
    return runs


def fake(runs):
    """A record for every run; the validation accuracy grows with lambda, the test accuracy
    falls."""
    records = []
    for run in runs:
        lambda_ = float(run.options.get("lambda_", 0))
        names = ("top1@lowres", "psnr", "ssim", "bicubic_psnr", "bicubic_ssim")
        metrics = {
            "top1": 50 - lambda_,
            "validation_top1": 40 + lambda_,
            **dict.fromkeys(names, 1.0),
        }
        records.append(Record(run, metrics, (), {}))
    return records


@pytest.mark.parametrize(
    ("profile", "count"),
    # 27 to tune lambda, 4 for super-resolution, 3 silences; per seed 15 in Table 1, 3 in Table 2, 2
    # silences
    [
        ("smoke", 34 + 20),
        ("demo", 34 + 3 * 20),
        ("paper", 34 + 3 * 20),
    ],
)
def test_how_much_a_profile_trains(profile, count):
    assert len(in_order(asked_for(profile))) == count


@pytest.mark.slow
@PROFILES
def test_every_run_can_be_built(profile):
    distinct = {
        (r.method, r.network, r.width, *r.uses, *r.options.items()): r
        for r in in_order(asked_for(profile))
    }
    for run in distinct.values():
        degrade.build(run.degrade)
        for spec in run.evaluate:
            degrade.build(spec)
        with torch.device("meta"):  # no memory, no arithmetic
            parents = {
                role: methods.build_network(parent, TASK) for role, parent in run.uses.items()
            }
            method = methods.build(dataclasses.replace(run, uses={}), TASK, parents)
        make_optimizer(run, list(method.parameters()))
        assert 0 <= learning_rate(run, 0.1) <= run.lr


@PROFILES
def test_every_training_leaves_room_for_the_holdout(profile):
    sizes = {"synthdigits": 20_000, "cifar10": 50_000}
    for run in in_order(asked_for(profile)):
        assert run.train_size + run.holdout <= sizes[run.dataset]
        assert run.batch_size <= (run.train_size or sizes[run.dataset])


def test_the_paper_profile_has_the_papers_recipe():
    runs = [run for run in in_order(asked_for("paper")) if run.method in ("supervised", "dfd")]
    for field, value in {
        "epochs": 100,
        "batch_size": 128,
        "optimizer": "sgd",
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "width": 1.0,
        "train_size": 0,
        "test_size": 0,
    }.items():
        assert {getattr(run, field) for run in runs} == {value}, field
    assert {run.degrade.get("factor") for run in runs} == {None, 2, 4}
    assert {run.network for run in runs} == {"alexnet", "vgg16", "resnet18"}
    tuned = [
        run.options["lambda_"]
        for run in runs
        if run.method == "dfd" and run.holdout and run.network == "vgg16"
    ]
    assert tuned == [0.1, 0.2, 0.5, 1, 2, 5, 10]
    assert dfd.PROFILES["paper"].seeds >= 3
    assert dfd.PROFILES["paper"].datasets == ("cifar10", "svhn")


@pytest.mark.parametrize(
    ("dataset", "flipped"), [("cifar10", True), ("svhn", False), ("synthdigits", False)]
)
def test_only_photographs_are_mirrored(dataset, flipped):
    assert dfd.PROFILES["paper"].run(dataset, "alexnet", 0).flip == flipped


# Tuning


@PROFILES
def test_lambda_is_chosen_on_images_that_no_network_behind_it_has_seen(profile):
    cells = dfd.Study(dfd.PROFILES[profile], "synthdigits").fig2()
    tuned = [run for runs in cells.values() for run in runs]
    assert len(tuned) == 3 * 8
    # parents, too
    assert {run.holdout for run in in_order(tuned)} == {dfd.PROFILES[profile].holdout} != {0}


@pytest.mark.parametrize("init", ["scratch", "teacher", "lr"])
def test_a_held_out_student_has_held_out_parents(init):
    run = dfd.Study(dfd.PROFILES["smoke"], "synthdigits").student(
        "alexnet", 8, 0, 1.0, init, holdout=7
    )
    assert {parent.holdout for parent in in_order([run])} == {7}
    assert set(run.uses) == ({"teacher"} if init == "scratch" else {"teacher", "init"})


def test_the_chosen_lambda_trains_the_final_students():
    settings = dfd.PROFILES["smoke"]
    # 10 is the best on validation, 0.1 on the test images
    study = dfd.study(settings, "synthdigits", fake)
    (student,) = study["table1"]["resnet18/dfd/16"]
    assert student.run.options["lambda_"] == 10
    assert student.run.holdout == 0
    assert study["silences"]["resnet18/dfd/8/reduction=sum"][0].run.options["lambda_"] == 10


def scored(tiny, by_lambda):
    return [
        Record(tiny(method="dfd", options={"lambda_": value}), {"validation_top1": score}, (), {})
        for value, score in by_lambda.items()
    ]


def test_the_best_lambda(tiny):
    base = Record(tiny(), {"validation_top1": 99.0}, (), {})
    assert dfd.best_lambda([base, *scored(tiny, {0.1: 50.0, 2.0: 60.0, 10.0: 55.0})]) == 2.0
    # of equals, the smaller one
    assert dfd.best_lambda(scored(tiny, {10.0: 60.0, 0.5: 60.0, 0.1: 50.0})) == 0.5
    assert dfd.best_lambda([base]) == 2.0  # the paper's, where nothing was tuned


# Cells and tables


def test_students_are_paired_with_their_base_by_seed_and_start():
    """A student and the base network that it is compared with differ by the method alone."""
    cells = dfd.study(select(dfd.PROFILES, "smoke", seeds=3), "synthdigits", fake)["table1"]
    for network in ("alexnet", "vgg16", "resnet18"):
        for size in (8, 16):
            for base, student in zip(
                cells[f"{network}/lr/{size}"], cells[f"{network}/dfd/{size}"], strict=True
            ):
                options = {
                    name: value for name, value in student.run.options.items() if name != "lambda_"
                }
                plain = dataclasses.replace(
                    student.run, method="supervised", options=options, uses={}
                )
                assert plain == base.run


def test_every_cell_of_the_paper_is_measured():
    items = dfd.study(dfd.PROFILES["smoke"], "cifar10", fake)
    cells = {**items["table1"], **items["table2"]}
    wanted = {cell for _, cell in read_numbers("dfd", "table1", "table2")}
    wanted |= {cell for claim in read_claims("dfd") for cell in (claim.better, claim.worse)}
    assert wanted <= cells.keys()
    assert all(len(records) == 1 for records in cells.values())


def test_all_tables_are_made_even_of_nothing():
    settings = select(dfd.PROFILES, "smoke", ["cifar10", "synthdigits"])
    for results in (fake, lambda runs: []):
        studies = {name: dfd.study(settings, name, results) for name in settings.datasets}
        tables = papers.tables("dfd").tables(settings, studies)
        assert len({table.title for table in tables}) == len(tables)
        assert all(len(row) == len(table.headers) for table in tables for row in table.rows)


def test_a_reduced_setting_is_called_reduced():
    assert "REDUCED setting `smoke`: 256 training images, 1 epoch(s)" in describe(
        dfd.PROFILES["smoke"]
    )
    assert "REDUCED" not in describe(dfd.PROFILES["paper"])


# Choices


def test_a_profile_with_choices_of_ones_own():
    settings = select(dfd.PROFILES, "smoke", ["svhn", "cifar10"], 5)
    assert (settings.datasets, settings.seeds) == (("svhn", "cifar10"), 5)
    assert select(dfd.PROFILES, "smoke") is dfd.PROFILES["smoke"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fast",), "unknown profile 'fast'; choose from: smoke, demo, paper"),
        (
            ("smoke", ["mnist"]),
            "unknown data set 'mnist'; choose from: synthdigits, cifar10, cifar100, svhn, scenes, voc2007, "
            "or FOLDER@PIXELS (FOLDER/{train,val}/CLASS/*.jpg in DATA_ROOT)",
        ),
        (
            ("smoke", ["voc2007"]),
            "voc2007 is a data set for detection, and this paper has no detector",
        ),
        (("smoke", None, 0), "seeds is 0; it must be at least 1"),
    ],
)
def test_wrong_choices(arguments, message):
    with pytest.raises(UserError) as caught:
        select(dfd.PROFILES, *arguments)
    assert str(caught.value) == message


def test_unknown_paper():
    for function in (papers.study, papers.tables):
        with pytest.raises(UserError, match="unknown paper 'dff'; choose from: dfd"):
            function("dff")
