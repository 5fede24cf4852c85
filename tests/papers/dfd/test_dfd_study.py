"""DFD's runs: all of them valid, the paper's with its recipe, nothing tuned on test images."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods, papers
from paperlib.errors import UserError
from paperlib.methods import Task
from paperlib.papers.dfd import study as dfd
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


# Tuning


@PROFILES
def test_lambda_is_chosen_on_images_that_no_network_behind_it_has_seen(profile):
    settings = dfd.PROFILES[profile]
    cells = dfd.Study(settings, "synthdigits").fig2()
    for network in settings.networks:
        (base,) = cells[f"{network}/tuned"]
        students = [run for x in dfd.LAMBDAS for run in cells[f"{network}/tuned/{x:g}"]]
        assert base.method == "supervised"
        assert [run.options["lambda_"] for run in students] == list(dfd.LAMBDAS)
        # parents, too
        assert {run.holdout for run in in_order([base, *students])} == {settings.holdout} != {0}


def test_only_the_tuning_holds_images_out(fake):
    items = dfd.study(dfd.PROFILES["smoke"], "synthdigits", fake)
    for item in ("table1", "table2", "fig3", "ablations"):
        runs = [record.run for records in items[item].values() for record in records]
        assert {run.holdout for run in in_order(runs)} == {0}, item


@pytest.mark.parametrize("init", ["scratch", "teacher", "lr"])
def test_a_held_out_student_has_held_out_parents(init):
    run = dfd.Study(dfd.PROFILES["smoke"], "synthdigits").student(
        "alexnet", 8, 0, 1.0, init, holdout=7
    )
    assert {parent.holdout for parent in in_order([run])} == {7}
    assert set(run.uses) == ({"teacher"} if init == "scratch" else {"teacher", "init"})


def test_the_chosen_lambda_trains_the_final_students(fake):
    settings = dfd.PROFILES["smoke"]
    # 10 is the best on validation, 0.1 on the test images
    study = dfd.study(settings, "synthdigits", fake)
    (student,) = study["table1"]["resnet18/dfd/16"]
    assert student.run.options["lambda_"] == 10
    assert student.run.holdout == 0
    assert study["ablations"]["resnet18/dfd/8/reduction=sum"][0].run.options["lambda_"] == 10


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


# Cells


def test_students_are_paired_with_their_base_by_seed_and_start(fake):
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
            for high, student in zip(
                cells[f"{network}/hr"], cells[f"{network}/dfd/{size}"], strict=True
            ):
                assert student.run.uses == {"teacher": high.run}  # of the same seed


def test_classifiers_of_all_seeds_share_a_super_resolver():
    study = dfd.Study(select(dfd.PROFILES, "smoke", seeds=3), "synthdigits")
    drawn = study.fig3()
    for name in ("vdsr", "espcn", "srgan"):
        runs = study.table2()[f"resnet18/{name}/8"]
        assert [run.seed for run in runs] == [0, 1, 2]
        assert [run.uses["frontend"] for run in runs] == drawn[name] * 3
    (srgan,), (srresnet,) = drawn["srgan"], drawn["srresnet"]
    assert srgan.uses["init"] == srresnet  # SRGAN trains this network on
    assert srgan.network == srresnet.network == "srresnet"


def test_a_student_from_trained_weights_has_a_control_from_the_same_weights():
    study = dfd.Study(select(dfd.PROFILES, "smoke", seeds=2), "synthdigits")
    cells = study.ablations(2.0)
    for control, student in zip(
        cells["resnet18/lr/8/init=teacher"], cells["resnet18/dfd/8/init=teacher"], strict=True
    ):
        assert student.uses["init"] == control.uses["init"] == study.high("resnet18", student.seed)
        assert dataclasses.replace(student, method="supervised", options={}, uses=control.uses) == (
            control
        )


def test_unknown_paper():
    for function in (papers.study, papers.tables):
        with pytest.raises(UserError, match="unknown paper 'dff'; choose from: dfd"):
            function("dff")
