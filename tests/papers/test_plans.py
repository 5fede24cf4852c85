"""The plans of all papers and profiles: what must hold of every run that they list."""

from itertools import chain

import pytest
from PIL import Image

from paperlib import degrade, methods, papers
from paperlib.degrade.frost import FILES
from paperlib.degrade.tables import EXTRA
from paperlib.runs import in_order

PROFILES = ("smoke", "demo", "cpu", "paper")


def plans(slug, profile):
    """Items of the plan, for each data set of a profile; of what asks for records, without them."""
    study = papers.study(slug)
    settings = study.PROFILES.get(profile)
    if settings is None:
        pytest.skip(f"{slug} has no profile {profile}")
    return settings, [study.plan(settings, name, lambda runs: []) for name in settings.datasets]


@pytest.fixture(autouse=True)
def textures(tmp_path, monkeypatch):
    """Frost has photographs, if only grey ones: the real ones are not in the repository."""
    for name in FILES:
        Image.new("RGB", (64, 64), "grey").save(tmp_path / name)
    monkeypatch.setenv("FROST_TEXTURES", str(tmp_path))


@pytest.fixture(params=PROFILES)
def profile(request):
    return request.param


@pytest.fixture(params=papers.PAPERS)
def planned(request, profile):
    settings, found = plans(request.param, profile)
    cells = list(chain.from_iterable(own.items() for items in found for own in items.values()))
    return settings, [(cell, runs) for cell, runs in cells if runs]


def test_every_run_can_be_built(planned):
    _, cells = planned
    for run in in_order(chain.from_iterable(runs for _, runs in cells)):
        methods.check(run)
        degrade.build(run.degrade)
        degrade.labelled(run.evaluate)


def test_seeds_stand_in_order_and_none_is_left_out(planned):
    settings, cells = planned
    for cell, runs in cells:
        assert [run.seed for run in runs] == list(range(len(runs))), cell
        assert len(runs) <= settings.seeds, cell


def test_no_training_sees_an_unseen_corruption(planned):
    """Nor does that of any run that another one uses."""
    _, cells = planned
    trained = [run for run in in_order(chain.from_iterable(own for _, own in cells)) if run.epochs]
    assert len(trained) > 5
    for run in trained:
        if run.degrade["name"] in ("corruption", "random_corruption"):
            text = run.degrade.get("corruption") or run.degrade.get("corruptions", "standard")
            assert not set(EXTRA).intersection(degrade.parse_corruptions(str(text))), run.label


def test_whether_a_setting_can_tell_is_seen_on_held_out_images(planned):
    _, cells = planned
    for cell, runs in cells:
        if cell.startswith("setting/"):
            assert all(run.holdout for run in runs), cell
