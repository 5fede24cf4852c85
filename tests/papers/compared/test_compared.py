"""The comparison: one protocol for all, baselines with no less compute, advice from the numbers."""

import dataclasses

import pytest
from helpers import built

from paperlib.methods import Task
from paperlib.papers.compared import page, words
from paperlib.papers.compared import study as compared
from paperlib.papers.compared import tables as compared_tables
from paperlib.papers.dfd import study as dfd
from paperlib.papers.fq import study as fq
from paperlib.papers.ssdl import study as ssdl
from paperlib.runs import Record, in_order

PROFILES = pytest.mark.parametrize("profile", compared.PROFILES)
DEGRADED = [name for name in compared.METHODS if name not in compared.CLEAN_ONLY]


def make(profile="cpu"):
    settings = compared.PROFILES[profile]
    return settings, compared.Study(settings, settings.datasets[0])


def scores(gains, seeds=3, only=""):
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
        if cell.endswith(only)
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
def test_all_have_as_many_images_and_no_more_compute_than_the_baseline(profile, degraded):
    _, study = make(profile)
    own = study.trained("degraded", degraded, 0)
    for name in DEGRADED:
        run = study.trained(name, degraded, 0)
        for field in ("network", "width", "degrade", "train_size", "batch_size"):
            assert getattr(run, field) == getattr(own, field), (name, field)
        if profile != "smoke":  # whose one epoch cannot be halved; epochs are whole numbers
            assert 1 <= study.cost(name, degraded) < study.cost("longer", degraded) + 0.01
    long = study.trained("longer", degraded, 0)
    assert dataclasses.replace(long, epochs=own.epochs) == own


@PROFILES
def test_costs_count_answers_and_steps(profile):
    """A teacher's answer is a third of a step, and its own training comes to it."""
    _, study = make(profile)
    assert study.cost("vanilla", "noise") == study.cost("fq", "noise") == 1
    assert study.cost("dfd", "noise") == study.cost("ssdl", "noise") == pytest.approx(7 / 3)
    if profile != "smoke":
        assert study.cost("both", "noise") == 2


@PROFILES
@pytest.mark.parametrize("degraded", compared.DEGRADATIONS)
@pytest.mark.parametrize("name", compared.METHODS)
def test_what_is_tested_is_what_was_trained(profile, degraded, name):
    """Under its degradation and on clean images; it can be built from what it starts from."""
    _, study = make(profile)
    run = study.tested(name, degraded, 0)
    assert run.epochs == 0
    assert run.uses["init"] == study.trained(name, degraded, 0)
    assert run.degrade == compared.degradation(degraded, study.dataset)
    assert run.evaluate[0] == {"name": "none"}
    assert (len(run.evaluate) == 2) == (degraded == "corruptions")
    small = dataclasses.replace(run, width=0.0625, uses=narrow(run.uses))
    built(small, Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))


def narrow(uses):
    return {
        role: dataclasses.replace(run, width=0.0625, uses=narrow(run.uses))
        for role, run in uses.items()
    }


@PROFILES
def test_fq_is_beside_its_own_network(profile):
    """Both by the method that trains in float32; they differ by the non-linearity alone."""
    _, study = make(profile)
    base, pow1 = (study.trained(name, "noise", 0) for name in ("fq-base", "fq"))
    assert base.method == pow1.method == "fq"
    assert base.options["kind"] == "none"
    assert dataclasses.replace(base, options=pow1.options) == pow1


@PROFILES
def test_self_distillation_sees_no_clean_image(profile):
    _, study = make(profile)
    for run in in_order([study.trained("ssdl", "noise", 0)]):
        assert run.degrade["name"] == "noise"


def test_what_the_chapters_train_is_not_trained_again():
    _, study = make()
    own = dfd.Study(dfd.PROFILES["cpu"], "cifar10")
    assert study.trained("vanilla", "lowres", 1) == own.high("resnet18", 1)
    assert study.trained("degraded", "lowres", 1) == own.base("resnet18", 8, 1)
    assert study.trained("dfd", "lowres", 1) == own.student("resnet18", 8, 1)
    noisy = ssdl.Study(ssdl.PROFILES["cpu"], "cifar10")
    for name, theirs in {"degraded": "noisy", "longer": "noisy-long", "ssdl": "ssdl"}.items():
        assert study.trained(name, "noise", 1) == noisy.model(theirs, noisy.level, 1)
    quantized = fq.Study(fq.PROFILES["cpu"], "cifar10")
    for name, options in compared.QUANTIZED.items():
        assert study.trained(name, "noise", 1) == quantized.classifier("resnet18", 1, options)


def test_ddp_has_six_hundred_steps_at_least():
    _, study = make()
    run = study.trained("ddp", "noise", 0)
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
    assert gains["dfd"]["noise"].told == 1
    assert gains["sfd"]["noise"].told == -1
    rows = {row[0]: row for row in compared_tables.gain_table("cifar10", found).rows}
    assert rows[compared.METHODS["dfd"]][1].startswith("**+")
    assert compared.METHODS["longer"] not in rows


def test_advice_follows_the_numbers():
    found = scores(
        {
            **{f"fq/{name}": 4.0 for name in compared.DEGRADATIONS},
            "dfd/noise": 3.0,
            "ssdl/lowres": -3.0,
            "ddp/noise": 5.0,
            "ddp/lowres": -5.0,
        }
    )
    lines = dict(
        zip(("fq", "ddp", "ssdl", "dfd", "sfd"), words.advice(found).splitlines(), strict=True)
    )
    assert "Use fq." in lines["fq"]
    assert "Use dfd against Gaussian noise, σ = 60, else cross-entropy" in lines["dfd"]
    assert "ahead under Gaussian noise, σ = 60 (+" in lines["dfd"]
    assert "Use cross-entropy, degraded images, the most compute. " in lines["ssdl"]
    assert "behind under 8 × 8 pixels (-" in lines["ssdl"]
    assert "Use ddp against Gaussian noise, σ = 60, else the network as it is." in lines["ddp"]
    assert "these seeds do not show that more is worth it" in lines["sfd"]


@pytest.mark.parametrize(
    ("seeds", "said"), [(0, "Not measured: "), (2, "Measured with too few seeds: ")]
)
def test_too_few_seeds_give_no_advice(seeds, said):
    found = scores({"dfd/noise": 9.0}, seeds=seeds)
    for line in words.advice(found).splitlines():
        assert said in line
        assert "Use" not in line
    assert words.findings(found) == "Not measured in this setting."


def test_findings_name_the_best_and_its_price():
    found = scores({"dfd/noise": 3.0, "longer/lowres": 2.0})
    noise, lowres, corruptions = words.findings(found).splitlines()
    assert f"of 10 means the highest is that of {compared.METHODS['dfd']}, which is ahead" in noise
    assert "it gains +2.90 ± 0.25 on those" in noise
    assert "8 × 8 pixels: nothing has a higher mean than" in lowres
    assert "is not told from" in corruptions


def test_tables_show_what_was_measured_alone():
    assert compared_tables.accuracy("", scores({}, seeds=0)).rows == []
    assert compared_tables.gain_table("cifar10", scores({}, seeds=0)).rows == []
    found = scores({}, only="noise")
    assert list(compared_tables.accuracy("", found).headers) == ["", "Gaussian noise, σ = 60"]
    assert compared_tables.elsewhere("", found).rows == []


def test_what_no_degradation_decides_is_said_once():
    found = scores({})
    table = compared_tables.accuracy("", found, "top1@none")
    rows = {row[0]: row[1:] for row in table.rows}
    assert set(rows[compared.METHODS["fq"]][1:]) == {"the same"}
    assert "the same" not in rows[compared.METHODS["dfd"]]
    assert not [row for row in compared_tables.accuracy("", found).rows if "the same" in row]


def test_unseen_is_the_mean_over_what_nobody_saw():
    found = scores({"dfd/corruptions": 3.0})
    own = found.values("dfd/corruptions", "unseen")
    assert own == found.values("dfd/corruptions", "top1@none")
    assert not found.values("dfd/noise", "unseen")
    rows = {row[0]: row for row in compared_tables.elsewhere("", found).rows}
    assert rows[compared.METHODS["dfd"]][2].startswith("**+")


def test_the_page_has_a_row_for_every_method(monkeypatch):
    found = scores({"dfd/noise": 3.0, "sfd/noise": -2.0})
    monkeypatch.setattr(page, "_scores", lambda: found)
    assert all(name in page.block() for name in (compared.METHODS["dfd"], compared.METHODS["sfd"]))


def test_the_page_says_that_nothing_was_measured(monkeypatch):
    monkeypatch.setattr(page, "_scores", lambda: scores({}, seeds=0))
    assert page.block().endswith("Not measured yet.")
