"""Recipes, profiles and the runs that they give, without any paper."""

import pytest

from paperlib.errors import UserError
from paperlib.runs import Record, Run, in_order
from paperlib.study import BaseStudy, Recipe, Settings, as_trained, collect, select

SMALL = Settings(
    profile="small",
    datasets=("synthdigits",),
    seeds=2,
    recipes={
        "vgg16": Recipe(width=0.5, train_size=3000, epochs=40, options={"dropout": 0.1}),
        "alexnet": Recipe(epochs=1),
    },
)
PROFILES = {"small": SMALL}


class Detection(Settings):
    """Settings of a paper with runs on data sets for detection."""

    detection = True


def study(dataset="cifar10"):
    return BaseStudy(SMALL, dataset)


# Recipes


def test_a_recipe_of_defaults_gives_the_defaults_of_a_run():
    assert study().run("resnet18", 3, Recipe()) == Run("supervised", "cifar10", "resnet18", 3)


def test_a_changed_recipe_leaves_the_first_as_it_is():
    first = Recipe(lr=0.02, epochs=3)
    assert first.but(lr=0.1) == Recipe(lr=0.1, epochs=3)
    assert first.lr == 0.02


def test_a_typo_is_an_error():
    with pytest.raises(TypeError, match="epoch"):
        Recipe().but(epoch=3)


# Runs


def test_a_run_has_its_networks_recipe_unless_another_is_given():
    assert study().run("vgg16", 0).width == 0.5
    assert study().run("vgg16", 0, Recipe(width=0.25)).width == 0.25


def test_options_of_a_method_join_those_of_the_recipe():
    run = study().run("vgg16", 0, method="dfd", options={"lambda_": 2.0})
    assert run.options == {"dropout": 0.1, "lambda_": 2.0}
    assert study().run("vgg16", 0).options == {"dropout": 0.1}


def test_what_a_recipe_decides_is_said_by_a_recipe_alone():
    with pytest.raises(TypeError, match="epochs"):
        study().run("vgg16", 0, epochs=0)


@pytest.mark.parametrize(
    ("dataset", "flipped"),
    [("cifar10", True), ("svhn", False), ("synthdigits", False), ("scenes", False)],
)
def test_only_photographs_are_mirrored(dataset, flipped):
    assert study(dataset).run("alexnet", 0).flip == flipped


def test_a_network_is_tested_as_it_was_trained():
    trained = study().run("vgg16", 1)
    run = as_trained(trained, degrade={"name": "lowres", "factor": 4})
    assert (run.epochs, run.uses) == (0, {"init": trained})
    assert (run.network, run.width, run.seed) == ("vgg16", 0.5, 1)
    assert in_order([run]) == [trained, run]


def test_records_are_collected_in_one_go():
    """A sweep is asked once for all runs; what it knows nothing of leaves its cell empty."""
    first, second, unknown = (study().run("vgg16", seed) for seed in range(3))
    asked = []

    def results(runs):
        asked.append(list(runs))
        return [Record(run, {}, (), {}) for run in asked[-1] if run != unknown]

    items = {"table": {"a": [first], "b": [unknown]}, "figure": {"c": [second, first]}}
    found = collect(results, items)
    assert asked == [[first, unknown, second, first]]
    assert {cell: [r.run for r in records] for cell, records in found["table"].items()} == {
        "a": [first],
        "b": [],
    }
    assert [record.run for record in found["figure"]["c"]] == [second, first]


# Settings


def test_a_setting_in_words():
    assert SMALL.networks == ("vgg16", "alexnet")
    assert SMALL.width_text({"vgg16": "VGG-16"}, ["vgg16"]) == ["VGG-16 at 0.5 of its width"]
    assert (SMALL.images(), SMALL.images(SMALL.recipes["alexnet"])) == ("3,000", "all")
    assert (SMALL.schedule(), SMALL.schedule(Recipe(epochs=1))) == ("40 epochs", "1 epoch")
    assert SMALL.caption(["few images", "thin"], "mean") == (
        "REDUCED setting `small`: few images, thin; mean"
    )
    whole = Settings(profile="paper", datasets=(), seeds=1, recipes={})
    assert whole.caption(["few images"], "mean") == "mean"


def test_a_profile_with_choices_of_ones_own():
    settings = select(PROFILES, "small", ["svhn", "cifar10"], 5)
    assert (settings.datasets, settings.seeds) == (("svhn", "cifar10"), 5)
    assert settings.recipes == SMALL.recipes
    assert select(PROFILES, "small") is SMALL


def test_scenes_are_for_papers_with_detectors():
    fields = {"profile": "small", "datasets": (), "seeds": 1, "recipes": {}}
    settings = select({"small": Detection(**fields)}, "small", ["scenes", "voc2007"])
    assert settings.datasets == ("scenes", "voc2007")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fast",), "unknown profile 'fast'; choose from: small"),
        (
            ("small", ["mnist"]),
            "unknown data set 'mnist'; choose from: synthdigits, cifar10, cifar100, svhn, scenes, "
            "voc2007, or FOLDER@PIXELS (FOLDER/{train,val}/CLASS/*.jpg in DATA_ROOT)",
        ),
        (
            ("small", ["cifar10", "voc2007"]),
            "voc2007 is a data set for detection, and this paper has no detector",
        ),
        (("small", None, 0), "seeds is 0; it must be at least 1"),
    ],
)
def test_wrong_choices(arguments, message):
    with pytest.raises(UserError) as caught:
        select(PROFILES, *arguments)
    assert str(caught.value) == message
