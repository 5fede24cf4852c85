"""Sentences of the chapter on the deep degradation prior: they say what their numbers say."""

from functools import lru_cache
from itertools import product

import pytest

from paperlib.common_corruptions import metric, seen
from paperlib.degrade.tables import EXTRA, SEVERITIES
from paperlib.papers.ddp import study as ddp
from paperlib.papers.ddp import tables as ddp_tables
from paperlib.papers.ddp import words
from paperlib.papers.ddp.numbers import scores
from paperlib.runs import Record

SETTINGS = ddp.PROFILES["cpu"]
NAMES = seen("cifar10")
TESTS = [metric("cifar10", *under) for under in product((*NAMES, *EXTRA), SEVERITIES)]
JITTER = (0.0, 0.3, -0.2, 0.1, -0.1)


@lru_cache(maxsize=1)
def plan():
    return ddp.plan(SETTINGS, "cifar10", lambda runs: [])


def measured(gains, seeds=3, only=None):
    """What `ddp.study` returns if frozen networks have 50 % under all, 80 % on clean images.

    Args:
        gains: of modules and of other networks, by the cell or by its start; the longest that fits.
        seeds: of each cell.
        only: items; all by default.
    """

    def shift(cell):
        fitting = [start for start in gains if cell.startswith(start)]
        return gains[max(fitting, key=len)] if fitting else 0.0

    def record(cell, run):
        value = 50 + shift(cell) + JITTER[(run.seed + len(cell)) % 5]
        tests = dict.fromkeys(TESTS, value) if "frozen" in cell or run.evaluate else {}
        left = {"drift": 1.0, "drift_left": 0.5}
        cosine = shift(cell) / 100 + run.seed / 1000
        drift = dict.fromkeys(ddp_tables.DRIFT, cosine)
        return Record(run, {"top1": value, "top1@none": 80.0, **tests, **left, **drift}, (), {})

    return {
        item: {
            cell: [record(cell, run) for run in runs[: seeds * (only is None or item in only)]]
            for cell, runs in cells.items()
        }
        for item, cells in plan().items()
    }


GOOD = {f"{network}/condition/": 20.0 for network in ("resnet18", "vgg16")}
LOST = {
    **GOOD,
    **{f"{network}/condition/elastic_transform": -15.0 for network in ("resnet18", "vgg16")},
}


def told(function, gains, seeds=3, only=None):
    return function(SETTINGS, "cifar10", scores("cifar10", measured(gains, seeds, only)))


def test_the_recipe_is_the_settings():
    text = words.recipe(SETTINGS, "cifar10")
    assert "20,000 training images of cifar10, 12 epochs" in text
    assert "10 images of cifar100, 600 steps of 10 of them" in text
    assert "Tests: 2,000 test images" in text
    demo = words.recipe(ddp.PROFILES["demo"], "synthdigits")
    assert "10 images of scenes, 150 steps of 2 of them" in demo
    paper = words.recipe(ddp.PROFILES["paper"], "imagenet@224")
    assert "10 images of cub@224" in paper
    assert "Tests: all test images." in paper


def test_conditions_that_lose_are_named():
    first, *rest = told(words.conditions, LOST).splitlines()
    assert first.startswith("- ResNet-18, severity 3: 14 of 15 conditions gain, the most under")
    assert "**elastic_transform loses (-1" in first
    assert "not told" not in first
    assert len(rest) == 3


def test_without_a_loss_none_is_spoken_of():
    text = told(words.conditions, GOOD)
    assert text.count("15 of 15 conditions gain") == 4
    assert "lose" not in text
    assert "no module that lowers" in told(words.drift_left, GOOD).lower()


def test_what_is_within_its_interval_neither_gains_nor_loses():
    text = told(words.conditions, {}).splitlines()[0]
    assert "0 of 15 conditions gain" in text
    assert "15 are not told from 0" in text


def test_one_seed_has_signs_only():
    text = told(words.conditions, LOST, seeds=1).splitlines()[0]
    assert "14 of 15 conditions gain in the one seed that there is" in text
    assert "**" not in text
    assert told(words.drift_left, LOST, seeds=1) == words.NOTHING_YET


def test_less_drift_and_less_accuracy():
    text = told(words.drift_left, LOST)
    assert text.startswith("**Less drift is not yet more accuracy**: under elastic_transform 50.0 ")
    assert "fog" not in text


@pytest.mark.parametrize(("sign", "says"), [(1, "tells where"), (-1, "does **not** tell where")])
def test_whether_the_prior_tells_where_modules_gain(sign, says):
    own = {f"resnet18/drift/{name}": 1.0 + i for i, name in enumerate(NAMES)}
    own |= {f"resnet18/condition/{name}": sign * 2.0 * i for i, name in enumerate(NAMES)}
    text = told(words.prior, own)
    assert f"largest under {NAMES[-1]} (0.15) and smallest under {NAMES[0]} (0.01)" in text
    assert f"Uniform drift {says} a module gains" in text
    assert f"is {sign:+.2f}." in text


def test_one_module_for_all_is_compared_with_those_for_each():
    gains = {**GOOD, "resnet18/blind": 3.0, "resnet18/ten": -4.0, "vgg16/blind": 25.0}
    lines = told(words.one_for_all, gains).splitlines()
    assert len(lines) == 8
    assert "from 1,000 images, is ahead of the frozen network under seen" in lines[0]
    assert "from ten images elsewhere, is behind the frozen network" in lines[1]
    assert "for each condition, from ten images, is ahead of one for all" in lines[3]
    assert "for each condition, from ten images, is behind one for all" in lines[7]


def test_choices_are_compared_with_the_default():
    gains = {**GOOD, "resnet18/residual=False/": 10.0, "resnet18/own/": 30.0}
    gains |= {f"resnet18/{name}/": 20.0 for name in ddp.VARIANTS if name != "residual=False"}
    found = scores("cifar10", measured(gains))
    lines = words.choices(SETTINGS, found).splitlines()
    assert lines[0].startswith("- Ten images of the data set itself is ahead of the default: +9.9")
    assert lines[1].startswith("- `residual=False` is behind the default: -")
    assert all("is not told from the default" in line for line in lines[2:])
    assert len(lines) == 1 + len(ddp.VARIANTS)


@pytest.mark.parametrize(("worst", "says"), [(16.0, "grows"), (0.0, "falls"), (6.0, "is not told")])
def test_jpeg_gains_by_quality(worst, says):
    gains = {"resnet18/jpeg/": 6.0, "resnet18/jpeg/5": worst, "resnet18/jpeg/frozen": 0.0}
    found = scores("cifar10", measured(gains))
    text = words.jpeg(SETTINGS, found)
    assert f"from quality 25 to 7 the gain {says}" in text
    assert text.startswith(f"Here {4 + (worst > 0)} of 5 qualities gain")


def concluded(gains, seeds=3, only=None):
    items = measured(gains, seeds, only)
    verdicts = ddp_tables.verdicts(SETTINGS, "cifar10", items)
    curves = ddp_tables.scale(SETTINGS, "cifar10", items)
    return words.conclusion(SETTINGS, "cifar10", scores("cifar10", items), verdicts, curves)


def test_the_conclusion_turns_with_the_verdicts():
    assert concluded(GOOD).startswith("**Ten images of another data set are enough**")
    assert concluded({}).startswith("**Ten images of another data set do nothing**")
    harm = dict.fromkeys(GOOD, -20.0)
    assert concluded(harm).startswith("**Modules learned from ten images do harm**")
    assert concluded(GOOD, seeds=2).startswith("Whether ten images are enough is **not decided**")
    mixed = {**GOOD, "vgg16/condition/": -20.0}
    assert "has no one answer" in concluded(mixed).splitlines()[0]


def test_the_conclusion_says_what_is_lost_and_what_is_won_back():
    text = concluded(LOST)
    assert "of 4 pairs of network and severity, elastic_transform loses 1" in text
    assert "points in 4." in text
    assert "**Most of the loss is won back**: of what the corruptions cost, 5" in text
    assert "A part of the loss" in concluded(dict.fromkeys(GOOD, 12.0))
    assert "Under no condition" in concluded(GOOD)


@pytest.mark.parametrize(
    ("more", "says"), [(9.0, "The prior shows"), (0.0, "does not show"), (-9.0, "Against")]
)
def test_the_conclusion_says_whether_the_prior_shows(more, says):
    drift = dict.fromkeys(ddp_tables.DRIFT, 0.2)
    items = measured(GOOD, only=("main", "drift"))
    for records in items["drift"].values():
        for i, record in enumerate(records):
            own = {**drift, "cosine_clusters": 0.2 + more / 100 + record.run.seed / 1000}
            records[i] = Record(record.run, own, (), {})
    verdicts = ddp_tables.verdicts(SETTINGS, "cifar10", items)
    text = words.conclusion(SETTINGS, "cifar10", scores("cifar10", items), verdicts)
    assert says in text.splitlines()[-1]
    assert "hundredths of a cosine" in text.splitlines()[-1]


def test_the_conclusion_has_only_what_was_measured():
    text = concluded(GOOD, only=("main",))
    assert "One module for all" not in text
    assert "With more images" not in text
    whole = concluded({**GOOD, "resnet18/blind": 3.0})
    assert "**One module for all conditions** gains" in whole
    assert whole.count("**With more images**") == 2


def test_without_records_nothing_is_said():
    found = scores("cifar10", measured({}, seeds=0))
    for function in (words.conditions, words.drift_left, words.prior, words.one_for_all):
        assert function(SETTINGS, "cifar10", found) == words.NOTHING_YET
    for function in (words.choices, words.jpeg):
        assert function(SETTINGS, found) == words.NOTHING_YET
    assert concluded({}, seeds=0) == words.NOTHING_YET
