"""What becomes of an effect with more training images."""

from types import SimpleNamespace

import pytest

from paperlib.evidence.claims import BETTER, SHAPE, Claim
from paperlib.evidence.looks import interval
from paperlib.evidence.scale import curves
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.verdicts import judge_claims

CPU = SimpleNamespace(profile="cpu", deviates="")
IMAGES = {4.0: 8000, 0.25: 500, 1.0: 2000}
NOISE = [0.1, -0.2, 0.15, 0.0, -0.05]


def claim(worse="b", kind=BETTER, network="r", headline=True, margin=1.0):
    own = ("cifar10", network, "a", worse, "top1", 2.0, kind, margin, headline, "", "a > b", "")
    return Claim(*own)


def scores(cells, network="r", seeds=5):
    """From means by cell; only "a" has a spread over seeds."""
    return Scores(
        Score(cell, seed, "top1", mean + NOISE[seed] * cell.endswith("a"))
        for cell, mean in cells.items()
        for seed in range(seeds)
    )


def by_scale(few, main, many, network="r"):
    """Scores in which "a" is so much above "b" at each scale."""
    cells = {}
    for prefix, effect in (("scale/0.25/", few), ("", main), ("scale/4/", many)):
        cells |= {f"{prefix}{network}/a": 50 + effect, f"{prefix}{network}/b": 50.0}
    return scores(cells)


def curve(found, own=None, **options):
    (one,) = curves(judge_claims([own or claim()], found, "cifar10", CPU, **options), found, IMAGES)
    return one


def test_effects_at_every_scale_by_the_number_of_images():
    found = curve(by_scale(4, 2, 1))
    assert list(found.points) == [500, 2000, 8000]  # few to many
    assert [own.mean for own in found.points.values()] == pytest.approx([4, 2, 1])
    assert found.points[500].half == pytest.approx(interval(NOISE).half)
    # the spread of "a" is of the seed, so that in the change of the effect it falls out
    assert (found.change.mean, found.change.n) == (pytest.approx(-3), 5)
    assert found.change.half < 1e-6


@pytest.mark.parametrize(
    ("few", "many", "trend", "text"),
    [
        (4, 2, "falls", "from 500 to 8,000 training images the effect falls: -2.00"),
        (4, 0.1, "vanishes", "images the effect vanishes (within ±1.00): -3.90"),
        (2, 4, "rises", "from 500 to 8,000 training images the effect rises: +2.00"),
        (-4, -2, "rises", "images the effect rises: +2.00"),
        (2, 2, "stays", "images the effect stays (within ±1.00): 0.00"),
    ],
)
def test_what_becomes_of_an_effect(few, many, trend, text):
    found = curve(by_scale(few, 3, many))
    assert found.trend == trend
    assert text in found.text()


def test_a_change_that_three_seeds_do_not_show_is_not_known():
    cells = {f"{at}r/{cell}": 50.0 for at in ("scale/0.25/", "scale/4/") for cell in "ab"}
    found = scores(cells, seeds=3).plus(
        Score("scale/4/r/a", seed, "top1", value) for seed, value in enumerate((50, 54, 53.0))
    )
    one = curve(found)
    assert one.trend == "not known"
    assert "whether it rises or falls is not known" in one.text()
    assert list(one.points) == [500, 8000]  # the main cells were not measured


def test_one_scale_has_no_trend():
    found = curve(scores({"r/a": 52.0, "r/b": 50.0}))
    assert (list(found.points), found.change) == ([2000], None)
    assert (found.trend, found.text()) == ("not known", "not measured at two scales")
    assert curve(scores({})).points == {}


def test_the_network_that_stands_in_and_only_headline_claims():
    found = by_scale(4, 2, 1, "r18")
    one = curve(found, claim(network="r50"), stands_for={"r50": "r18"})
    assert [own.mean for own in one.points.values()] == pytest.approx([4, 2, 1])
    judged = judge_claims([claim(headline=False)], found, "cifar10", CPU)
    assert curves(judged, found, IMAGES) == []


def test_of_a_shape_the_smallest_difference_in_the_main_setting_is_followed():
    found = scores(
        {"r/a": 55.0, "r/b": 50.0, "r/c": 54.0, "scale/4/r/a": 55.0, "scale/4/r/b": 54.9}
        | {"scale/4/r/c": 52.0}
    )
    one = curve(found, claim("b;c", SHAPE))
    assert [own.mean for own in one.points.values()] == pytest.approx([1, 3])
