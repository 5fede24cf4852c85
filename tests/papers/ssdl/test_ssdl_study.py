"""SSDL's runs: no clean image behind what needs none, everything tuned and trained alike."""

import dataclasses

import pytest
import torch
from helpers import built

from paperlib import methods
from paperlib.evidence.claims import read_claims
from paperlib.methods import Task
from paperlib.papers.ssdl import numbers as ssdl_numbers
from paperlib.papers.ssdl import study as ssdl
from paperlib.papers.ssdl import tables as ssdl_tables
from paperlib.runs import Record, in_order

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", ssdl.PROFILES)


def make(profile):
    settings = ssdl.PROFILES[profile]
    return settings, ssdl.Study(settings, settings.datasets[0])


def reads_clean(run):
    """Whether a run's training reads clean images: asked of the method itself, built with its
    parents."""
    return built(run, TASK).reads_clean


@PROFILES
@pytest.mark.parametrize("name", [name for name in ssdl.METHODS if name not in ssdl.NEEDS_CLEAN])
def test_no_clean_image_anywhere_in_what_needs_none(profile, name):
    """Neither in its own training nor in that of anything it uses; and every image has one draw of
    the noise."""
    _, study = make(profile)
    small = dataclasses.replace(study.model(name, study.level, 0), width=0.0625)
    for run in in_order([small]):
        assert run.degrade["name"] == "noise"
        assert run.degrade["draw"] == "fixed"
        assert not reads_clean(dataclasses.replace(run, width=0.0625, uses=narrow(run))), run.label


def narrow(run):
    return {role: dataclasses.replace(parent, width=0.0625) for role, parent in run.uses.items()}


@PROFILES
@pytest.mark.parametrize("name", ssdl.NEEDS_CLEAN)
def test_what_needs_clean_images_is_named(profile, name):
    _, study = make(profile)
    run = study.model(name, study.level, 0)
    assert any(parent.degrade == {"name": "none"} for parent in in_order([run]))


@PROFILES
def test_one_recipe_and_budget(profile):
    _, study = make(profile)
    noisy = study.model("noisy", study.level, 0)
    for name in ("stl", "ssdl", "ssdl-independent", "n2n"):
        run = study.model(name, study.level, 0)
        plain = {"method": "supervised", "uses": {}, "options": {}}
        assert dataclasses.replace(run, **plain) == noisy, name
    long = study.model("noisy-long", study.level, 0)
    assert long.epochs == max(1, round(7 / 3 * noisy.epochs))
    assert dataclasses.replace(long, epochs=noisy.epochs) == noisy


def test_stl_and_ssdl_are_tuned_alike_on_images_kept_out():
    settings, study = make("cpu")
    cells = study.tuning()
    grids = {
        name: {cell.partition("/")[2] for cell in cells if cell.startswith(f"{name}/")}
        for name in ssdl.TUNED
    }
    assert grids["stl"] == grids["ssdl"]
    assert len(grids["ssdl"]) == len(ssdl.TAPS) * len(settings.lambdas)
    for runs in cells.values():
        assert [run.seed for run in runs] == [0, 1, 2]
        for run in in_order(runs):
            assert run.holdout == settings.holdout > 0


@PROFILES
def test_what_is_tuned_is_on_the_grid_and_in_every_table(profile):
    settings, study = make(profile)
    grid, cells = study.tuning(), study.main()
    assert bool(grid) == (profile != "demo")  # where it would cost more than all else
    for name in ssdl.TUNED:
        own = settings.distilled[name]
        (shown, *_) = cells[f"{name}/{study.level}"]
        assert shown.options == own
        if grid:
            (tuned, *_) = grid[f"{name}/{own['taps']}/{own['lambda_']:g}"]
            assert tuned.options == own
    (apart, *_) = cells[f"ssdl-independent/{study.level}"]
    assert apart.options == {**settings.distilled["ssdl"], "draw": "independent"}


def test_levels():
    assert ssdl.noise("gaussian-45") == {
        "name": "noise",
        "noise": "gaussian",
        "sigma": 45,
        "draw": "fixed",
    }
    assert ssdl.noise("poisson_gaussian")["noise"] == "poisson_gaussian"
    assert {"gaussian-15", "gaussian-30", "gaussian-45", "gaussian-60", "poisson_gaussian"} == set(
        ssdl.PROFILES["paper"].levels
    )
    assert {settings.levels[0] for settings in ssdl.PROFILES.values()} == {"gaussian-60"}


@pytest.mark.slow
def test_networks_can_be_built():
    _, study = make("paper")
    for cells in (study.tuning(), study.main(), study.teachers(), study.similarity()):
        for runs in cells.values():
            for run in in_order(runs[:1]):
                with torch.device("meta"):
                    methods.build_network(run, TASK)


def test_features_are_compared_between_networks_of_different_starts():
    _, study = make("demo")
    for runs in study.similarity().values():
        for run in runs:
            assert run.uses["network"].seed == run.seed
            assert {run.uses[role].seed for role in ("other", "again")} == {run.seed + 1}
            assert run.uses["other"].degrade == run.degrade
            assert run.uses["again"].degrade == {"name": "none"}


def recorded(cells, top1):
    """A record of each run; `top1` says its accuracy by cell and seed."""
    return {
        cell: [Record(run, {"top1": float(top1(cell, run.seed))}, (), {}) for run in runs]
        for cell, runs in cells.items()
    }


def test_a_student_with_its_teacher_is_compared_with_the_baseline_of_that_compute():
    settings, study = make("cpu")
    cells = study.schedules()
    main = study.main()
    items = {item: {} for item in ssdl.ITEMS}
    epochs = {}
    items |= {
        "schedules": recorded(cells, lambda cell, seed: 50),
        "main": recorded(main, lambda cell, seed: 50),
    }
    found = ssdl_numbers.scores(items)
    for name, own in ssdl_numbers.by_compute(settings, found).items():
        for compute, cell in own.items():
            records = items["schedules"].get(cell) or items["main"][cell]
            (run,) = {dataclasses.replace(record.run, seed=0, uses={}) for record in records}
            teachers = {parent.epochs for record in records for parent in record.run.uses.values()}
            assert teachers <= {run.epochs}
            epochs[name, compute] = run.epochs
    whole = study.noisy(study.level, 0).epochs
    assert epochs == {
        (ssdl_numbers.BASELINE, 0.43): round(whole * 3 / 7),
        (ssdl_numbers.BASELINE, 1): whole,
        (ssdl_numbers.BASELINE, 2.33): round(whole * 7 / 3),
        (ssdl_numbers.BASELINE, 5.44): round(whole * 49 / 9),
        (ssdl_numbers.STUDENT, 1): round(whole * 3 / 7),
        (ssdl_numbers.STUDENT, 2.33): whole,
        (ssdl_numbers.STUDENT, 5.44): round(whole * 7 / 3),
    }
    rows = ssdl_tables.schedules(settings, "cifar10", found).rows
    assert [row[0] for row in rows] == ["1", "2.3", "5.4"]


def test_seeds_go_to_what_claims_are_about():
    """Every cell of a headline claim can have all seeds, all else but what those use has few."""
    settings, study = make("cpu")
    plan = ssdl.plan(settings, "cifar10", lambda runs: [])
    counts = {cell: len(runs) for cells in plan.values() for cell, runs in cells.items()}
    decided = {
        name
        for claim in read_claims("ssdl")
        if claim.headline
        for name in (*claim.cells(), claim.room)
    }
    assert {counts[cell] for cell in decided} == {20}
    used = {f"noisy-long/{study.level}", f"denoiser/{study.level}"}
    others = {cell: count for cell, count in counts.items() if cell not in decided | used}
    assert set(others.values()) == {3}
    for cells in plan.values():
        for runs in cells.values():
            assert [run.seed for run in runs] == list(range(len(runs)))


@PROFILES
def test_claims_are_about_cells_of_the_plan(profile):
    _, study = make(profile)
    cells = study.main()
    for claim in read_claims("ssdl"):
        if claim.headline:
            assert {*claim.cells(), claim.room} <= set(cells), claim.text
    if profile in ("cpu", "paper"):
        assert all(set(claim.cells()) <= set(cells) for claim in read_claims("ssdl"))


def test_the_setting_is_checked_with_twice_the_epochs_on_images_kept_out():
    settings, study = make("cpu")
    cells = study.setting()
    assert list(cells) == [f"setting/{name}/{n}" for n in (1, 2) for name in ("clean", "noisy")]
    for name in ("clean", "noisy"):
        once, twice = (cells[f"setting/{name}/{times}"] for times in (1, 2))
        for short, long in zip(once, twice, strict=True):
            assert long == dataclasses.replace(short, epochs=2 * short.epochs)
            assert short.holdout == settings.holdout > 0
            assert (short.degrade == {"name": "none"}) == (name == "clean")
    assert make("demo")[1].setting() == {}


def test_claims_are_tried_with_other_numbers_of_images():
    """All that they are about, and everything behind it, has a sixteenth and a quarter of them."""
    settings, study = make("cpu")
    assert settings.scales == (1 / 16, 1 / 4)
    cells, whole = study.scale(), study.noisy(study.level, 0).train_size
    for factor in settings.scales:
        for claim in read_claims("ssdl"):
            if claim.headline:
                for cell in claim.cells():
                    runs = cells[f"scale/{factor:g}/{cell}"]
                    assert {run.train_size for run in in_order(runs)} == {round(factor * whole)}
    main = study.main()
    for cell, runs in cells.items():
        own, (_, _, name) = runs[0], cell.split("/", 2)
        plain = {"uses": {}, "train_size": 0}
        same = dataclasses.replace(main[name][0], **plain)
        assert dataclasses.replace(own, **plain) == same


@PROFILES
def test_what_a_run_uses_is_of_its_seed(profile):
    """A student and its teacher, a classifier and its denoiser: pairs differ by seed together."""
    _, study = make(profile)
    for cells in (study.main(), study.tuning(), study.scale(), study.detection()):
        for runs in cells.values():
            for run in runs:
                assert {parent.seed for parent in in_order([run])} == {run.seed}, run.label


@PROFILES
def test_detectors_of_all_methods_are_trained_alike(profile):
    _, study = make(profile)
    noisy, stl, ssdl_ = (study.detector(name, 1) for name in ("noisy", "stl", "ssdl"))
    plain = {"method": "detection", "options": noisy.options, "uses": {}}
    assert dataclasses.replace(stl, **plain) == dataclasses.replace(ssdl_, **plain) == noisy
    assert stl.uses["teacher"] == dataclasses.replace(noisy, degrade={"name": "none"})
    assert ssdl_.uses["teacher"] == noisy


def test_curves_of_the_figures():
    settings, study = make("cpu")
    items = {item: {} for item in ssdl.ITEMS}
    items["main"] = recorded(
        study.main(),
        lambda cell, seed: 40 + 10 * cell.endswith("30") + cell.startswith("stl"),
    )
    accuracy, gains = ssdl_numbers.curves(settings, ssdl_numbers.scores(items))
    assert {
        line: {at: value.mean for at, value in curve.items()} for line, curve in accuracy.items()
    } == {
        text: {30: 50 + (name == "stl"), 60: 40 + (name == "stl")}
        for name, text in ssdl.METHODS.items()
    }
    assert set(gains) == set(accuracy) - {ssdl.METHODS["noisy"], ssdl.METHODS["floor"]}
    assert gains[ssdl.METHODS["stl"]][60].mean == 1
    tuning = study.tuning()
    items["tuning"] = {
        cell: [Record(runs[0], {"validation_top1": 30.0 + len(cell)}, (), {})]
        for cell, runs in tuning.items()
    }
    (collapsed,) = items["tuning"]["stl/last/100"]
    collapsed.metrics["validation_top1"] = 10.0
    panels = ssdl_numbers.tuned(settings, ssdl_numbers.scores(items))
    # what has collapsed is left out: beside it the others would look alike
    assert list(panels["λ, taps: last"][ssdl.METHODS["stl"]]) == [0.1, 1, 10]
    assert list(panels) == ["λ, taps: last", "λ, taps: stages"]
    assert panels["λ, taps: last"][ssdl.METHODS["ssdl"]][0.1].mean == 30 + len("ssdl/last/0.1")
    assert list(panels["λ, taps: stages"][ssdl.METHODS["stl"]]) == list(settings.lambdas)


def test_knobs_of_the_figure():
    settings, study = make("cpu")
    items = {item: {} for item in ssdl.ITEMS}
    items["main"] = recorded(study.main(), lambda cell, seed: 50)
    items["teachers"] = recorded(
        study.teachers(), lambda cell, seed: 60 if cell.startswith("student") else 40
    )
    (panel,) = ssdl_numbers.knobs(settings, ssdl_numbers.scores(items)).values()
    assert {at: value.mean for at, value in panel["student"].items()} == {0.43: 60, 1: 50, 2.33: 60}
    assert {at: value.mean for at, value in panel["teacher"].items()} == {0.43: 40, 1: 50, 2.33: 40}
    items["schedules"] = recorded(study.schedules(), lambda cell, seed: 50)
    assert len(ssdl_numbers.knobs(settings, ssdl_numbers.scores(items))) == 2


def test_teachers_of_the_ablation():
    _, study = make("cpu")
    cells = study.teachers()
    own = study.noisy(study.level, 0)
    for share, epochs in (("0.43", 17), ("2.3", 93)):
        for teacher, student in zip(
            cells[f"teacher/{share}"], cells[f"student/{share}"], strict=True
        ):
            assert student.uses == {"teacher": teacher}
            assert (teacher.seed, teacher.epochs, student.epochs) == (
                student.seed,
                epochs,
                own.epochs,
            )


def test_joint_training_begins_with_a_denoiser():
    """The authors' order: restore first; the classifier behind it has seen clean images only."""
    _, study = make("cpu")
    run = study.model("joint", study.level, 1)
    before = run.uses["init"]
    assert (before.method, before.options, before.seed) == ("denoising", {"target": "clean"}, 1)
    assert dataclasses.replace(before, method="joint", options={}, uses=run.uses) == run
    assert run.uses["frozen"] == study.clean(1)
