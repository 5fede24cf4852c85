"""The comparison: one protocol for all, baselines with no less compute, advice from the numbers."""

import dataclasses

import pytest

from paperlib.papers.compared import picture
from paperlib.papers.compared import study as compared
from paperlib.papers.compared import tables as compared_tables
from paperlib.papers.ssdl.profiles import TUNED
from paperlib.runs import Record, in_order

PROFILES = pytest.mark.parametrize("profile", compared.PROFILES)
ADAPTED = [name for name in compared.METHODS if name not in compared.CLEAN_ONLY]


def make(profile="cpu"):
    settings = compared.PROFILES[profile]
    return settings, compared.Study(settings, settings.datasets[0])


def scores(gains, seeds=3):
    """Scores of the profile `cpu`: each run's top-1 is 50 plus what `gains` says of its cell."""
    settings, study = make()
    cells = {
        cell: [
            Record(
                run, dict.fromkeys(metrics(settings, study), value(gains, cell, run.seed)), (), {}
            )
            for run in runs[:seeds]
        ]
        for cell, runs in study.cells().items()
    }
    return compared_tables.scores(settings, study.dataset, {"compared": cells})


def metrics(settings, study):
    unseen = [
        f"top1@{name}-{severity}"
        for name in ("speckle_noise", "gaussian_blur", "spatter", "saturate")
        for severity in settings.severities
    ]
    return ("top1", "top1@none", *unseen)


def value(gains, cell, seed):
    return 50.0 + gains.get(cell, 0) + 0.1 * seed * (1 + len(cell) % 3)


@PROFILES
@pytest.mark.parametrize("degraded", compared.DEGRADATIONS)
def test_all_that_see_degraded_images_see_the_same_ones(profile, degraded):
    settings, study = make(profile)
    runs = {name: study.model(name, degraded, 0) for name in ADAPTED}
    longest = round(7 / 3 * settings.adapted.epochs)
    for name, run in runs.items():
        for field in ("network", "width", "degrade", "evaluate", "train_size", "batch_size"):
            assert getattr(run, field) == getattr(runs["both"], field), (name, field)
        assert run.epochs == (longest if name == "longer" else settings.adapted.epochs)
        assert study.run(study.network, 0) in run.uses.values()
    same = dataclasses.replace(runs["longer"], epochs=runs["degraded"].epochs)
    assert same == runs["degraded"]
    for name in compared.CLEAN_ONLY:
        run = study.model(name, degraded, 0)
        assert (run.epochs, run.degrade) == (0, runs["both"].degrade)


@PROFILES
def test_fq_is_beside_its_own_network(profile):
    """Both by the method that trains in float32; they differ by the non-linearity alone."""
    _, study = make(profile)
    base, pow1 = (study.model(name, "noise", 0).uses["init"] for name in ("fq-base", "fq"))
    assert base.method == pow1.method == "fq"
    assert base.options["kind"] == "none"
    assert dataclasses.replace(base, options=pow1.options) == pow1


def test_ssdl_has_the_weight_of_its_chapter_and_the_degraded_network_as_its_teacher():
    _, study = make()
    run = study.model("ssdl", "noise", 0)
    assert run.options == TUNED["ssdl"]
    assert run.uses["teacher"] == study.model("degraded", "noise", 0)


def test_ddp_has_six_hundred_steps_at_least():
    _, study = make()
    run = study.model("ddp", "noise", 0)
    assert run.epochs * (run.train_size // run.batch_size) >= 600


@PROFILES
def test_the_plan_has_a_run_per_seed(profile):
    settings, study = make(profile)
    (cells,) = compared.plan(settings, study.dataset, lambda runs: []).values()
    assert len(cells) == len(compared.METHODS) * len(compared.DEGRADATIONS)
    for runs in cells.values():
        assert [run.seed for run in runs] == list(range(settings.seeds))
        for run in runs:
            assert {parent.seed for parent in in_order([run])} == {run.seed}


def test_gains_are_over_the_baseline_with_the_most_compute():
    found = scores({"dfd/noise": 3.0, "sfd/noise": -2.0})
    gains = compared_tables.gains(found)
    assert "longer" not in gains
    assert gains["dfd"]["noise"].mean == pytest.approx(3.0, abs=0.3)
    assert compared_tables.told(gains["dfd"]["noise"]) == 1
    assert compared_tables.told(gains["sfd"]["noise"]) == -1
    assert compared_tables.gain_text(gains["dfd"]["noise"]).startswith("**+")
    assert compared_tables.gain_text(None) == "–"


def test_too_few_seeds_tell_nothing():
    found = scores({"dfd/noise": 9.0}, seeds=2)
    gain = compared_tables.gains(found)["dfd"]["noise"]
    assert compared_tables.told(gain) == 0
    assert compared_tables.gain_text(gain) == "+9.0"


def test_advice_follows_the_numbers():
    found = scores(
        {
            "dfd/noise": 3.0,
            "ssdl/lowres": -3.0,
            "ddp/noise": 5.0,
            "ddp/lowres": -5.0,
            "sfd/noise": 0.0,
        }
    )
    rows = {row[1]: row for row in compared_tables.advice("cifar10", found).rows}
    assert rows["dfd"][3] == "Gaussian noise, σ = 30"
    assert rows["dfd"][-1] == "dfd"
    assert rows["ssdl"][-1] == "the simple one"
    assert rows["ddp"][-1] == "either, by the degradation"
    assert rows["sfd"][-1] == "the simple one, until more seeds say otherwise"
    empty = compared_tables.advice("cifar10", scores({}, seeds=0))
    assert {row[-1] for row in empty.rows} == {"–"}


def test_what_no_degradation_decides_is_said_once():
    found = scores({})
    table = compared_tables.accuracy("", found, "top1@none")
    rows = {row[0]: row[1:] for row in table.rows}
    assert set(rows[compared.METHODS["fq"]][1:]) == {"the same"}
    assert "the same" not in rows[compared.METHODS["dfd"]]
    assert not [row for row in compared_tables.accuracy("", found).rows if "the same" in row]


def test_unseen_is_the_mean_over_what_nobody_saw():
    found = scores({"dfd/noise": 3.0})
    assert found.values("dfd/noise", "unseen") == found.values("dfd/noise", "top1@none")


def test_the_picture_has_a_dot_for_every_gain(monkeypatch):
    found = scores({"dfd/noise": 3.0, "sfd/noise": -2.0})
    monkeypatch.setattr(picture, "_scores", lambda: found)
    drawn = picture.svg()
    assert drawn.count("<circle") == (len(compared.METHODS) - 1) * len(compared.DEGRADATIONS)
    assert drawn.count('<circle class="better"') == 1
    assert drawn.count('<circle class="worse"') == 1
    assert "cifar10" in drawn
    assert compared.METHODS["dfd"] in picture.block()
