"""SFD's runs: all of them valid, trained alike and paired by seed, nothing tuned on test images."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods
from paperlib.evidence.claims import read_claims
from paperlib.methods import Task
from paperlib.papers.sfd import study as sfd
from paperlib.papers.sfd.numbers import measured_on
from paperlib.runs import in_order

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", sfd.PROFILES)


def plan(profile):
    """A profile's runs by item and cell."""
    settings = sfd.PROFILES[profile]
    return sfd.plan(settings, settings.datasets[0], lambda runs: [])


def runs_of(profile, *items):
    """All runs of a profile, or of some items, each before those that use it."""
    found = plan(profile)
    cells = [found[item] for item in items or found]
    return in_order(run for own in cells for runs in own.values() for run in runs)


def make(profile):
    settings = sfd.PROFILES[profile]
    return settings, sfd.Study(settings, settings.datasets[0])


@pytest.fixture(autouse=True)
def photographs(monkeypatch, tmp_path):
    """Frost is only built here, not drawn."""
    monkeypatch.setattr(degrade.specs, "find_textures", lambda folder=None: tmp_path)


@pytest.mark.slow
@PROFILES
def test_every_run_can_be_built(profile):
    for run in {
        (r.method, r.network, *r.uses, *r.options.items()): r for r in runs_of(profile)
    }.values():
        for spec in (run.degrade, *degrade.each(run.evaluate)):
            degrade.build(spec)
        with torch.device("meta"):
            methods.build_network(run, TASK)


@PROFILES
def test_every_training_leaves_room_for_the_holdout(profile):
    sizes = {"synthdigits": 20_000, "cifar10": 50_000}
    for run in runs_of(profile):
        assert run.train_size + run.holdout <= sizes[run.dataset]


@PROFILES
def test_only_what_is_judged_on_held_out_images_holds_them_out(profile):
    """No network behind such a run has seen them, and none of those runs is tested otherwise."""
    settings = sfd.PROFILES[profile]
    for item in plan(profile):
        tuned = item in ("lambdas", "setting")
        for run in runs_of(profile, item):
            assert run.holdout == (settings.holdout if tuned else 0), item
            assert not (tuned and run.evaluate)
    assert settings.holdout > 0


@pytest.mark.parametrize("profile", ["cpu", "paper"])
def test_the_weights_that_were_chosen_are_tried_between_others(profile):
    settings = sfd.PROFILES[profile]
    assert set(settings.tried) == set(sfd.ARMS)
    for model, values in settings.tried.items():
        chosen = settings.weight(model)
        assert min(values) < chosen < max(values)
        assert chosen in values


def test_each_arm_has_its_own_weight_and_the_papers_is_that_of_the_released_code():
    _, study = make("cpu")
    weights = {n: study.model("resnet18", 0, n).options["lambda_"] for n in sfd.SFD}
    assert weights == {"ce": 0, "wo-uem": 5.0, "sfd": 0.3, "sfd-code": 0.3}
    _, study = make("paper")
    weights = {n: study.model("resnet50", 0, n).options["lambda_"] for n in sfd.SFD}
    assert weights == {"ce": 0, "wo-uem": 0.01, "sfd": 0.01, "sfd-code": 0.01}


@PROFILES
def test_what_a_run_uses_is_of_its_seed(profile):
    for run in runs_of(profile):
        assert all(parent.seed == run.seed for parent in run.uses.values()), run.label


@PROFILES
def test_models_have_the_same_images_epochs_and_start(profile):
    settings, study = make(profile)
    network = settings.networks[0]
    vanilla = study.vanilla(network, 0)
    same = [
        *("dataset", "network", "width", "degrade", "evaluate", "train_size", "epochs"),
        *("batch_size", "flip", "crop"),
    ]
    runs = {name: study.model(network, 0, name) for name in sfd.MODELS}
    assert runs.pop("vanilla") == vanilla
    for name, run in runs.items():
        # an enhancer's
        theirs = [field for field in same if name != "urie" or field not in ("network", "width")]
        assert all(getattr(run, field) == getattr(runs["sfd"], field) for field in theirs), name
        assert vanilla in run.uses.values(), name
    for name in ("ce", "wo-uem", "sfd-code"):
        assert dataclasses.replace(runs[name], options={}) == dataclasses.replace(
            runs["sfd"], options={}
        )


# Cells


@PROFILES
def test_claims_and_what_they_are_judged_with_are_cells_of_the_plan(profile):
    settings = sfd.PROFILES[profile]
    cells = {cell for own in plan(profile).values() for cell in own}
    network = settings.networks[0]
    for claim in read_claims("sfd"):
        if claim.network == "resnet50":
            assert set(claim.cells(network)) <= cells
    assert {cell for own in measured_on(settings).values() for cell in own} <= cells


@pytest.mark.parametrize(("profile", "few"), [("demo", 1), ("cpu", 3), ("paper", 3)])
def test_the_cells_of_claims_may_have_twenty_seeds_and_all_else_few(profile, few):
    names = {name for claim in read_claims("sfd") for name in (claim.better, claim.worse)}
    for item, cells in plan(profile).items():
        for cell, runs in cells.items():
            claimed = item == "main" and cell.partition("/")[2] in {*names, "ce"}
            most = 1 if item == "maps" else 20 if claimed else few
            assert [run.seed for run in runs] == list(range(most)), cell


def test_other_numbers_of_images_change_nothing_else():
    cells = plan("cpu")
    for factor, images in ((0.0625, 312), (0.25, 1250)):
        for name in sfd.HEADLINE:
            scaled = cells["scale"][f"scale/{factor:g}/resnet18/{name}"]
            for own, other in zip(scaled, cells["main"][f"resnet18/{name}"], strict=False):
                assert own == resized(other, images)


def resized(run, images):
    uses = {role: resized(parent, images) for role, parent in run.uses.items()}
    return dataclasses.replace(run, train_size=images, uses=uses)


def test_the_setting_is_checked_with_twice_the_epochs_in_cpu_alone():
    cells = plan("cpu")["setting"]
    settings = sfd.PROFILES["cpu"]
    for times in (1, 2):
        clean, both = (cells[f"setting/resnet18{kind}/{times}"] for kind in ("", " ce"))
        assert {run.epochs for run in clean} == {times * settings.recipes["resnet18"].epochs}
        assert {run.epochs for run in both} == {times * settings.adapted.epochs}
        starts = {run.uses["init"].epochs for run in both}
        assert starts == {settings.recipes["resnet18"].epochs}
    assert not any(plan(profile)["setting"] for profile in ("smoke", "demo", "paper"))


def test_features_are_those_of_the_models_in_the_tables():
    settings, study = make("cpu")
    main = study.main()
    for name in sfd.SHOWN:
        for severity in sfd.SEVERITIES:
            for run in study.pictures()[sfd.seen_at(name, severity)]:
                shown = run.uses.get("plug", run.uses["network"])
                assert shown == main[f"{settings.networks[0]}/{name}"][run.seed]
                assert run.degrade["severities"] == str(severity)
