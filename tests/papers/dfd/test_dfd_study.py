"""DFD's runs: all of them valid, the paper's with its recipe, nothing tuned on test images."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods, papers
from paperlib.errors import UserError
from paperlib.evidence.claims import read_claims
from paperlib.methods import Task
from paperlib.papers.dfd import study as dfd
from paperlib.runs import in_order
from paperlib.study import select
from paperlib.training import learning_rate, make_optimizer

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", dfd.PROFILES)


def plan(profile, dataset=None):
    """A profile's runs by item and cell, on its first data set or on another."""
    settings = dfd.PROFILES[profile]
    return dfd.plan(settings, dataset or settings.datasets[0], lambda runs: [])


def runs_of(profile):
    """All runs of a profile."""
    cells = (cells for cells in plan(profile).values())
    return [run for own in cells for runs in own.values() for run in runs]


@pytest.mark.slow
@PROFILES
def test_every_run_can_be_built(profile):
    distinct = {
        (r.method, r.network, r.width, *r.uses, *r.options.items()): r
        for r in in_order(runs_of(profile))
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
    for run in in_order(runs_of(profile)):
        assert run.train_size + run.holdout <= sizes[run.dataset]
        assert run.batch_size <= (run.train_size or sizes[run.dataset])


def test_the_paper_profile_has_the_papers_recipe():
    runs = [run for run in in_order(runs_of("paper")) if run.method in ("supervised", "dfd")]
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
    assert {run.options["reduction"] for run in runs if "reduction" in run.options} == {"mean"}
    assert dfd.PROFILES["paper"].few_seeds >= 3
    assert dfd.PROFILES["paper"].datasets == ("cifar10", "svhn")


def test_the_papers_students_are_fine_tuned_by_the_sum_with_lambda_2():
    for cell, students in plan("paper")["table1"].items():
        for run in students if "/dfd/" in cell else ():
            options = methods.parse(run)
            assert (options.lambda_, options.reduction) == (2.0, "sum")
            assert run.uses["init"].degrade == run.degrade  # the base network
            assert run.uses["teacher"].degrade == {"name": "none"}
            assert run.flip


@pytest.mark.parametrize(("profile", "flips"), [("paper", {True}), ("cpu", {False})])
def test_digits_are_mirrored_as_the_text_has_it_in_the_profile_paper_alone(profile, flips):
    cells = plan(profile, "svhn")["table1"]
    assert {run.flip for runs in cells.values() for run in runs} == flips


# Tuning


@PROFILES
def test_lambda_is_judged_on_images_that_no_network_behind_it_has_seen(profile):
    settings = dfd.PROFILES[profile]
    cells = plan(profile)["fig2"]
    for network in settings.swept:
        bases = cells[f"{network}/tuned"]
        assert len(bases) == settings.few_seeds
        for i, base in enumerate(bases):
            students = [cells[f"{network}/tuned/{x:g}"][i] for x in dfd.LAMBDAS]
            assert base.method == "supervised"
            assert [run.options["lambda_"] for run in students] == list(dfd.LAMBDAS)
            # parents, too
            assert {run.holdout for run in in_order([base, *students])} == {settings.holdout} != {0}


def test_only_what_is_judged_on_held_out_images_holds_them_out():
    for item, cells in plan("cpu").items():
        runs = in_order(run for own in cells.values() for run in own)
        expected = dfd.PROFILES["cpu"].holdout if item in ("fig2", "setting") else 0
        assert {run.holdout for run in runs} == {expected}, item


@pytest.mark.parametrize("init", ["scratch", "teacher", "lr"])
def test_a_held_out_student_has_held_out_parents(init):
    run = dfd.Study(dfd.PROFILES["smoke"], "synthdigits").student(
        "alexnet", 8, 0, 1.0, init, holdout=7
    )
    assert {parent.holdout for parent in in_order([run])} == {7}
    assert set(run.uses) == ({"teacher"} if init == "scratch" else {"teacher", "init"})


def test_nothing_that_is_measured_on_test_images_is_tuned():
    """The paper's lambda, whatever Fig. 2 says of it."""
    for item in ("table1", "scale"):
        students = [run for runs in plan("cpu")[item].values() for run in runs]
        lambdas = {run.options["lambda_"] for run in students if run.method == "dfd"}
        assert lambdas == {dfd.LAMBDA} == {2.0}


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


def test_each_classifier_has_a_super_resolver_of_its_own_seed():
    study = dfd.Study(select(dfd.PROFILES, "cpu", seeds=3), "cifar10")
    drawn = study.fig3()
    for name in ("vdsr", "espcn", "srgan"):
        runs = study.table2()[f"resnet18/{name}/8"]
        assert [run.seed for run in runs] == [0, 1, 2]
        assert [run.uses["frontend"] for run in runs] == drawn[name]
    for srgan, srresnet in zip(drawn["srgan"], drawn["srresnet"], strict=True):
        assert srgan.uses["init"] == srresnet  # SRGAN trains this network on
        assert srgan.network == srresnet.network == "srresnet"
        assert srgan.seed == srresnet.seed == srgan.uses["content"].seed


@pytest.mark.parametrize("init", ["lr", "teacher"])
def test_a_student_from_trained_weights_has_a_control_from_the_same_weights(init):
    study = dfd.Study(select(dfd.PROFILES, "cpu", seeds=2), "cifar10")
    cells = study.ablations()
    start = {"lr": lambda seed: study.base("resnet18", 8, seed)}
    start["teacher"] = lambda seed: study.high("resnet18", seed)
    for control, student in zip(
        cells[f"resnet18/lr/8/init={init}"], cells[f"resnet18/dfd/8/init={init}"], strict=True
    ):
        assert student.uses["init"] == control.uses["init"] == start[init](student.seed)
        assert dataclasses.replace(student, method="supervised", options={}, uses=control.uses) == (
            control
        )


def test_the_cells_of_headline_claims_may_have_twenty_seeds_and_all_else_few():
    claimed = {
        cell
        for claim in read_claims("dfd")
        if claim.headline
        for cell in (*claim.cells(), claim.cell(claim.room))
    }
    for item, cells in plan("cpu").items():
        for cell, runs in cells.items():
            most = 20 if item == "table1" or cell in claimed else 3
            assert [run.seed for run in runs] == list(range(most)), cell


def test_other_numbers_of_images_change_nothing_else():
    cells = plan("cpu")
    for factor, images in ((0.25, 375), (4.0, 6000)):
        scaled = {
            cell.removeprefix(f"scale/{factor:g}/"): runs
            for cell, runs in cells["scale"].items()
            if cell.startswith(f"scale/{factor:g}/")
        }
        assert scaled.keys() == {
            *(f"{network}/{name}" for network in dfd.CLAIMED for name in ("hr", "lr/8", "dfd/8")),
            "resnet18/vdsr/8",
        }
        for cell, runs in scaled.items():
            for own, other in zip(runs, (cells["table1"] | cells["table2"])[cell], strict=False):
                used = {role: resized(run, images) for role, run in other.uses.items()}
                assert own == dataclasses.replace(resized(other, images), uses=used)


def resized(run, images):
    return dataclasses.replace(run, train_size=images)


def test_the_setting_is_checked_with_twice_the_epochs_in_cpu_alone():
    cells = plan("cpu")["setting"]
    for network, recipe in dfd.PROFILES["cpu"].recipes.items():
        for times in (1, 2):
            epochs = {run.epochs for run in cells[f"setting/{network}/{times}"]}
            assert epochs == {times * recipe.epochs}
    assert all("setting" not in plan(profile) for profile in ("smoke", "demo", "paper"))


def test_unknown_paper():
    for function in (papers.study, papers.tables):
        with pytest.raises(UserError, match="unknown paper 'dff'; choose from: dfd"):
            function("dff")
