"""Corruptions with their own random numbers: mean, variance and spectrum as the reference's.

`reference.moments` states the tests and their power; the reference's side is a golden array. The
numbers are seeded: what passes once passes always. A larger comparison, and the smallest changes it
finds, is `data/results/parity`.
"""

from pathlib import Path

import numpy as np
import pytest
from reference import inputs, moments, versions

from paperlib.degrade.tables import SEVERITIES

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "statistics.npz"
TESTS = len(inputs.RANDOM) * len(SEVERITIES) * len(moments.NAMES)
WRONG_SEVERITY = 3


@pytest.fixture(scope="module")
def theirs():
    """The pictures, and `moments.describe` of the reference's: {(name, severity): (N, 11)}."""
    arrays = dict(np.load(GOLDEN))
    pictures = {name: arrays[f"{name}/input"] for name in inputs.RANDOM}
    numbers = {
        name: arrays[name] * arrays[f"{name}/scale"] + arrays[f"{name}/centre"]
        for name in inputs.RANDOM
    }
    return pictures, {(name, s): numbers[name][s - 1] for name in inputs.RANDOM for s in SEVERITIES}


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    """The frost textures that the golden arrays were made with."""
    return inputs.write_textures(tmp_path_factory.mktemp("frost"))


@pytest.fixture(scope="module")
def measure(theirs, textures):
    """Ours, or a wrong version of it, as `moments.describe` describes it."""

    def described(name, severity, wrong=None):
        pictures, numbers = theirs
        count = len(numbers[name, severity])
        made = versions.free_running(
            pictures[name], name, severity, "cifar-c", count, textures, wrong
        )
        return moments.describe(made, pictures[name])

    return described


@pytest.mark.slow
def test_mean_variance_and_spectrum_are_the_reference_s(theirs, measure):
    found = {
        (*cell, test): p
        for cell, numbers in theirs[1].items()
        for test, p in moments.compare(numbers, measure(*cell)).items()
    }
    assert len(found) == TESTS
    rejected = moments.holm(list(found.values()))
    assert not any(rejected), {
        key: p for (key, p), no in zip(found.items(), rejected, strict=True) if no
    }


@pytest.mark.parametrize("name", inputs.RANDOM)
def test_a_wrong_version_is_noticed(theirs, measure, name):
    wrong = versions.WRONG[name]
    p_values = moments.compare(
        theirs[1][name, WRONG_SEVERITY], measure(name, WRONG_SEVERITY, wrong)
    )
    assert min(p_values.values()) < moments.ALPHA / TESTS, (wrong.what, p_values)


def test_the_reference_does_not_differ_from_itself(theirs):
    halves = [moments.compare(numbers[::2], numbers[1::2]) for numbers in theirs[1].values()]
    # the mean has its allowance
    p_values = np.array([[half[test] for test in moments.NAMES[1:]] for half in halves])
    assert not any(moments.holm(list(p_values.ravel())))
    assert 0.01 < (p_values < 0.05).mean() < 0.12  # 0.05 if the p-values mean what they say


def test_detectable_changes_are_what_simulation_finds():
    # Normal numbers with a known shift: the formula's step is noticed nine times in ten.
    generator = np.random.default_rng(0)
    theirs, ours = generator.normal(size=(2, 200, 11))
    step = np.log1p(moments.detectable(theirs, ours, 1.0, TESTS)["variance"])
    noticed = []
    for _ in range(400):
        first, second = generator.normal(size=(2, 200, 11))
        noticed.append(moments.welch(first[:, 1], second[:, 1] + step) < moments.ALPHA / TESTS)
    assert 0.8 < np.mean(noticed) < 0.97
