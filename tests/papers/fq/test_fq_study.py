"""Feature quantization's runs. Their tables: test_fq_tables.py."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods, papers
from paperlib.datasets import load
from paperlib.methods import Task
from paperlib.papers.fq import study as fq
from paperlib.runs import Record, in_order
from paperlib.study import select

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", fq.PROFILES)
STRENGTHS = dict.fromkeys(fq.DISTORTIONS, 0.5)


def fake(runs):
    """A record per run; the calibration's says 0.5 for every strength."""
    return [Record(run, metrics(run), (), {}) for run in runs]


def metrics(run):
    if run.method != "calibration":
        return {"top1": 50.0}
    names = [f"validation_{what}@{n}" for n in fq.DISTORTIONS for what in ("strength", "kept")]
    return dict.fromkeys(names, 0.5)


def studies(profile, results=fake):
    settings = fq.PROFILES[profile]
    return settings, {name: fq.study(settings, name, results) for name in settings.datasets}


def asked_for(profile):
    asked = []
    studies(profile, lambda runs: asked.extend(runs) or fake(runs))
    return in_order(asked)


@pytest.mark.slow
@PROFILES
def test_every_run_can_be_built(profile):
    for run in {
        (r.method, r.network, *r.uses, *r.options.items()): r for r in asked_for(profile)
    }.values():
        for spec in (run.degrade, *run.evaluate):
            degrade.build(spec)
        on = "meta" if run.method == "fq" else "cpu"
        with torch.device(on):
            methods.build_network(run, TASK)


@PROFILES
def test_paired_runs_differ_by_the_non_linearity_alone(profile):
    settings = fq.PROFILES[profile]
    runs = fq.Study(settings, settings.datasets[0])
    for cells in (runs.table1(), runs.table3(STRENGTHS)):
        for cell, own in cells.items():
            assert own, cell
            for run, base in zip(own, cells[cell.split("/")[0] + "/base"], strict=False):
                plain = {"method": "supervised", "options": {}, "uses": {}}
                assert dataclasses.replace(run, **plain) == dataclasses.replace(base, **plain), cell


@PROFILES
def test_images_for_the_calibration_are_in_no_training(profile):
    settings = fq.PROFILES[profile]
    runs = fq.Study(settings, settings.datasets[0])
    assert runs.calibration().holdout == settings.holdout > 0
    for own in runs.table3(STRENGTHS).values():
        assert all(
            run.holdout == settings.holdout and run.uses["init"].holdout == settings.holdout
            for run in own
        )


@PROFILES
def test_every_data_set_has_the_images(profile):
    sizes = {"synthdigits": (20_000, 5_000), "scenes": (2_500, 400)}
    for run in asked_for(profile):
        train, test = sizes.get(run.dataset, (50_000, 10_000))
        assert run.train_size + run.holdout <= train, run.label
        assert run.test_size <= test, run.label


@pytest.mark.parametrize(
    ("name", "train", "test"), [("synthdigits", 20_000, 5_000), ("scenes", 2_500, 400)]
)
def test_the_embedded_data_sets_have_these_sizes(name, train, test):
    data = load(name)
    assert (len(data.train), len(data.test)) == (train, test)


def test_the_paper_profile_is_the_papers():
    settings = fq.PROFILES["paper"]
    assert settings.datasets == ("cifar10", "cifar100", "voc2007")
    assert settings.seeds >= 5  # the effects are tenths of a point
    for runs in fq.Study(settings, "cifar10").table1().values():
        assert [run.seed for run in runs] == list(range(settings.seeds))
        assert all(
            (run.width, run.train_size, run.test_size, run.epochs) == (1.0, 0, 0, 100)
            for run in runs
        )


def test_the_share_that_each_distortion_leaves():
    shares = fq.fractions()
    assert shares["motion_blur"] == round(31.0 / 90.3, 3)  # top-5 of top-5
    assert shares["targeted_occlusion"] == round(48.4 / 69.76, 3)  # top-1 of top-1
    assert list(shares) == list(fq.DISTORTIONS)


@PROFILES
def test_a_distorted_detector_is_the_clean_one(profile):
    """Distortions are for tests alone, and both kinds of detectors are trained alike."""
    settings = fq.PROFILES[profile]
    cells = fq.Study(settings, settings.datasets[-1]).fig4()
    for kind in ("base", "pow-1"):
        clean = cells[f"detector/{kind}/clean"]
        assert [run.seed for run in clean] == list(range(settings.few_seeds))
        for chain in ("minor", "heavy"):
            runs = cells[f"detector/{kind}/{chain}"]
            assert [run.uses for run in runs] == [{"init": run} for run in clean]
            assert all(run.epochs == 0 for run in runs)
    for base, ours in zip(cells["detector/base/clean"], cells["detector/pow-1/clean"], strict=True):
        assert dataclasses.replace(ours, options=base.options) == base
        assert ours.options.items() >= base.options.items()


def test_strengths_beyond_the_strongest():
    assert fq.distorted("inpainting", 1.4)["strength"] == 1.0
    study = fq.Study(fq.PROFILES["smoke"], "synthdigits")
    run = study.classifier("resnet50", 0)
    tested = study.under(run, {"inpainting": 0.8}, fq.STRENGTHS)
    strengths = [spec["strength"] for spec in tested.evaluate if spec["name"] == "distortion"]
    assert strengths == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_items_by_data_set():
    _, measured = studies("cpu")
    first, second, scenes = measured.values()
    assert all(first[item] for item in fq.ITEMS if item != "fig4")
    assert not first["fig4"]
    assert second["table1"]
    assert not any(second[item] for item in fq.ITEMS if item != "table1")
    assert scenes["fig4"]
    assert not any(scenes[item] for item in fq.ITEMS if item != "fig4")


def test_without_a_calibration_the_rest_is_asked_for():
    """A reader of committed records may have Table 1 and nothing else."""
    asked = []
    items = fq.study(fq.PROFILES["cpu"], "cifar10", lambda runs: asked.extend(runs) or [])
    assert not items["table3"]
    study = fq.Study(fq.PROFILES["cpu"], "cifar10")
    for cells in (study.table1(), study.ablations()):
        assert all(set(runs) <= set(asked) for runs in cells.values())


def test_a_profile_with_data_sets_of_ones_own():
    settings = select(fq.PROFILES, "cpu", ["cifar100"], 2)
    items = fq.study(settings, "cifar100", fake)
    assert items["table3"]  # the first data set for classification has all
    assert len(items["table1"]["smallcnn/base"]) == 2
    assert papers.study("fq") is fq
