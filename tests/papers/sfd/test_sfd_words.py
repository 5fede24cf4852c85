"""What the chapter on SFD says of its own numbers."""

import dataclasses

import pytest

from paperlib.papers.sfd import numbers, words
from paperlib.papers.sfd import study as sfd
from paperlib.papers.sfd import tables as sfd_tables

CPU = sfd.PROFILES["cpu"]


def test_nothing_is_said_of_what_was_not_measured(measured):
    nothing = numbers.scores("cifar10", measured(seeds=0))
    for say in (words.theta, words.inert, words.features):
        assert say(nothing) == words.NOTHING_YET
    assert words.tuning(CPU, nothing) == words.NOTHING_YET
    assert words.conclusion(CPU, nothing, []) == words.NOTHING_YET


def test_the_weights_are_named():
    says = words.weights(CPU)
    assert "The released code has λ = 0.01. Here each arm has **its own**" in says
    assert "kept out: 5 for SFD without UEM and 0.3 for SFD (poster)." in says
    as_printed = "Here λ is 0.01 in all arms, as in the released code."
    assert words.weights(sfd.PROFILES["paper"]) == as_printed


def test_a_weight_that_is_better_than_the_chosen_one_is_named(measured):
    items = measured()
    for own in items["lambdas"].values():
        for i, one in enumerate(own):
            gain = {0.03: 1.0, 5.0: 1.0}.get(one.run.options["lambda_"], 0.0)
            own[i] = dataclasses.replace(one, metrics={"validation_top1": 50 + gain})
    says = words.tuning(CPU, numbers.scores("cifar10", items))
    assert "for SFD without UEM no λ did better than 5" in says
    assert "for SFD (poster) λ = 0.03 did better in the mean than 0.3" in says


def test_an_inert_distillation_is_called_so(measured):
    says = words.inert(numbers.scores("cifar10", measured(left={"wo-uem": 0.19})))
    first, second = says.splitlines()[-2:]
    assert first.startswith("- SFD without UEM takes away 5 % of")
    assert "**inert**" in first
    assert second.startswith("- SFD (poster) takes away 50 % of")
    assert "inert" not in second


@pytest.mark.parametrize(
    ("theta", "says"),
    [
        ((0.1, 0.6, 2.0), ("moves to the right", "tells large errors", "the size of the errors")),
        ((0.0, 0.1, 9.0), ("**not** move", "hardly ranks errors", "too sure of itself")),
        ((-0.1, 0.4, 0.3), ("**not** move", "tells large errors", "larger than the errors are")),
    ],
)
def test_what_is_said_of_theta_follows_its_numbers(measured, theta, says):
    text = words.theta(numbers.scores("cifar10", measured(theta=theta)))
    assert all(part in text for part in says), text


def test_features_are_compared_by_name(measured):
    says = words.features(numbers.scores("cifar10", measured()))
    assert says.startswith("The least error has SFD (poster) (0.100)")


def conclude(items):
    return words.conclusion(
        CPU,
        numbers.scores("cifar10", items),
        sfd_tables.verdicts(CPU, "cifar10", items),
        sfd_tables.scale(CPU, "cifar10", items),
    )


@pytest.mark.parametrize(
    ("gains", "seeds", "says"),
    [
        ({}, 5, "The uncertainty adds nothing to the plain squared error**, within half"),
        ({"sfd": 3.0}, 5, "The uncertainty earns its place"),
        ({"sfd": -3.0}, 5, "The uncertainty costs accuracy"),
        ({}, 2, "is **not decided** here"),
    ],
)
def test_the_conclusion_says_what_the_uncertainty_is_worth(measured, gains, seeds, says):
    text = conclude(measured(gains, seeds=seeds))
    assert says in text
    assert ("Training on corruptions works" in text) == (seeds > 2)
    assert "from 312 to 5,000 training images" in text


def test_the_conclusion_says_why_it_cannot_speak_of_an_inert_distillation(measured):
    text = conclude(measured(left={"wo-uem": 0.2}))
    assert "**cannot be tested here**: distillation of SFD without UEM is inert" in text


@pytest.mark.parametrize(
    ("gain", "says"), [(1.0, "**helps**"), (-1.0, "**harms**"), (0.0, "is **not told from 0**")]
)
def test_the_conclusion_says_what_each_distillation_adds_to_cross_entropy(measured, gain, says):
    text = conclude(measured({"sfd": gain, "wo-uem": 1.0}))
    assert "under seen corruptions SFD without UEM **helps** (+" in text
    assert f"and SFD (poster) {says} (" in text
