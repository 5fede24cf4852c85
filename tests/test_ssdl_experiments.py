"""SSDL's runs: nothing clean behind what claims to need nothing clean, everything tuned and trained alike."""

import dataclasses

import pytest
import torch

from paperlib import methods
from paperlib.experiments import ssdl, ssdl_tables
from paperlib.methods import Task
from paperlib.runs import Record, in_order

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", ssdl.PROFILES)
CHOSEN = {"stl": {"taps": "last", "lambda_": 1.0}, "ssdl": {"taps": "stages", "lambda_": 10.0}}


def make(profile):
    settings = ssdl.PROFILES[profile]
    return settings, ssdl.Study(settings, settings.datasets[0])


def reads_clean(run):
    """Whether a run's training reads clean images: asked of the method itself, built with its parents."""
    parents = {role: methods.build_network(parent, TASK).eval() for role, parent in run.uses.items()}
    return methods.build(run, TASK, parents).reads_clean


@PROFILES
@pytest.mark.parametrize("name", [name for name in ssdl.METHODS if name not in ssdl.NEEDS_CLEAN])
def test_no_clean_image_anywhere_in_what_needs_none(profile, name):
    """Neither in its own training nor in that of anything it uses; and every image has one draw of the noise."""
    _, study = make(profile)
    options = CHOSEN["ssdl"] if name.startswith("ssdl") else {}
    small = dataclasses.replace(study.model(name, study.level, 0, **options), width=0.0625)
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
    run = study.model(name, study.level, 0, **CHOSEN.get(name, {}))
    assert any(parent.degrade == {"name": "none"} for parent in in_order([run]))


@PROFILES
def test_one_recipe_and_budget(profile):
    _, study = make(profile)
    noisy = study.model("noisy", study.level, 0)
    for name in (*ssdl.DISTILLED, "n2n"):
        run = study.model(name, study.level, 0, **CHOSEN.get(name.split("-")[0], {}))
        plain = {"method": "supervised", "uses": {}, "options": {}}
        assert dataclasses.replace(run, **plain) == noisy, name
    long = study.model("noisy-long", study.level, 0)
    assert long.epochs == max(1, round(7 / 3 * noisy.epochs))
    assert dataclasses.replace(long, epochs=noisy.epochs) == noisy


def test_stl_and_ssdl_are_tuned_alike_on_images_kept_out():
    settings, study = make("demo")
    cells = study.tuning()
    grids = {name: {cell.partition("/")[2] for cell in cells if cell.startswith(f"{name}/")} for name in ssdl.TUNED}
    assert grids["stl"] == grids["ssdl"]
    assert len(grids["ssdl"]) == len(ssdl.TAPS) * len(ssdl.LAMBDAS)
    for (run,) in cells.values():
        assert run.holdout == settings.holdout > 0
        assert all(parent.holdout == settings.holdout for parent in run.uses.values())


def test_the_best_on_held_out_images_is_chosen():
    _, study = make("demo")
    records = {}
    for cell, (run,) in study.tuning().items():
        best = cell in ("stl/last/10", "ssdl/stages/0.1")
        records[cell] = [Record(run, {"top1": 10.0 if best else 90.0, "validation_top1": 60.0 + best}, (), {})]
    assert ssdl.choose_options(records) == {
        "stl": {"taps": "last", "lambda_": 10.0},
        "ssdl": {"taps": "stages", "lambda_": 0.1},
    }
    assert ssdl.choose_options({}) == {}
    cells = study.main(ssdl.choose_options(records))
    assert cells[f"ssdl-independent/{study.level}"][0].options == {
        "taps": "stages",
        "lambda_": 0.1,
        "draw": "independent",
    }


def test_levels():
    assert ssdl.noise("gaussian-45") == {"name": "noise", "noise": "gaussian", "sigma": 45, "draw": "fixed"}
    assert ssdl.noise("poisson_gaussian")["noise"] == "poisson_gaussian"
    assert {"gaussian-15", "gaussian-30", "gaussian-45", "gaussian-60", "poisson_gaussian"} == set(ssdl.LEVELS["paper"])
    assert ssdl.PROFILES["paper"].seeds >= 5


def test_equivalence_is_no_failed_difference():
    """Differences near 0 with a small spread are equivalent, with a large one undecided."""
    settings, study = make("demo")
    items = {item: {} for item in ssdl.ITEMS}
    for spread, verdict in ((0.1, "equivalent"), (5.0, "undecided")):
        cells = {}
        for name, shift in (("stl", 0.0), ("ssdl", spread)):
            runs = [study.model(name, study.level, seed, **CHOSEN[name]) for seed in range(3)]
            cells[f"{name}/{study.level}"] = [
                Record(run, {"top1": 60 + shift * (run.seed - 1)}, (), {}) for run in runs
            ]
        table = ssdl_tables.equivalent(settings, "synthdigits", {**items, "main": cells})
        assert table.rows[0][-1] == verdict
    assert ssdl_tables.equivalent(settings, "synthdigits", items).rows[0][-1] == "not tested"


def test_networks_can_be_built():
    _, study = make("paper")
    for cells in (study.tuning(), study.main(CHOSEN), study.teachers(CHOSEN), study.similarity()):
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
