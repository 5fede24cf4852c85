"""Claims: which are judged on which data, by which cells, and what an interval says of them."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from paperlib.evidence import verdicts
from paperlib.evidence.claims import AS_GOOD_AS, BETTER, SHAPE, Claim
from paperlib.evidence.looks import LEVEL, interval
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.verdicts import VERDICTS, holm, judge, judge_claims

CPU, PAPER = (SimpleNamespace(profile=name, deviates="") for name in ("cpu", "paper"))
ASSUMED = SimpleNamespace(profile="paper", deviates="its rate")
FIVE = np.array([-1.0, 0.5, 0.0, 0.7, -0.2])  # their interval is 0 +- 1.22
HALF = interval(FIVE.tolist()).half


def claim(better="a", worse="b", kind=BETTER, points=2.0, margin=1.0, **fields):
    own = {"dataset": "cifar10", "network": "", "metric": "top1", "headline": False, "room": ""}
    own |= {"text": f"{better} {kind} {worse}", "source": "Table 1"} | fields
    return Claim(better=better, worse=worse, kind=kind, points=points, margin=margin, **own)


def scores(metric="top1", **cells):
    """From values by cell, the first one of seed 0; "__" in a name stands for "/"."""
    return Scores(
        Score(cell.replace("__", "/"), seed, metric, float(value))
        for cell, values in cells.items()
        for seed, value in enumerate(values)
    )


def words(found):
    return [verdict.word for verdict in found]


def test_the_spread_of_five():
    assert pytest.approx(1.22, abs=0.01) == HALF


# What an interval says


@pytest.mark.parametrize(
    ("kind", "margin", "effect", "word", "why"),
    [
        (BETTER, 1.0, 1.3, "holds", "the interval is above 0"),
        (BETTER, 5.0, 1.3, "holds", "the interval is above 0"),  # and small
        (BETTER, 1.0, -1.3, "reversed", "the interval is below 0"),
        (BETTER, 1.0, 1.1, "undecided", "the interval holds 0 and ends beyond ±1.00"),
        (BETTER, 1.25, 0.0, "no effect", "the interval lies within ±1.25"),
        (BETTER, 1.25, 0.1, "undecided", "the interval holds 0 and ends beyond ±1.25"),
        (BETTER, 1.25, -0.1, "undecided", "the interval holds 0 and ends beyond ±1.25"),
        (AS_GOOD_AS, 1.0, 0.0, "undecided", "the interval reaches across ±1.00"),
        (AS_GOOD_AS, 1.25, 0.0, "holds", "the interval lies within ±1.25"),
        (AS_GOOD_AS, 5.0, 2.0, "holds", "the interval lies within ±5.00"),  # surely not 0, and near
        (AS_GOOD_AS, 1.0, 2.1, "undecided", "the interval reaches across ±1.00"),
        (AS_GOOD_AS, 1.0, 2.3, "reversed", "the interval lies beyond ±1.00"),
        (AS_GOOD_AS, 1.0, -2.3, "reversed", "the interval lies beyond ±1.00"),
    ],
)
def test_what_an_interval_says(kind, margin, effect, word, why):
    found = judge(
        claim(kind=kind, margin=margin), scores(a=FIVE + effect, b=[0] * 5), "cifar10", PAPER
    )
    assert found.word == word
    assert found.reason.partition(";")[0] == why
    assert (found.effect, found.n) == (pytest.approx(effect), 5)
    assert (found.low, found.high) == pytest.approx((effect - HALF, effect + HALF))
    assert (found.p < LEVEL) == (word != "undecided")
    assert word in VERDICTS


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_seeds_than_the_first_look_decide_nothing(n):
    found = judge(claim(), scores(a=[9.0] * n, b=[0.0] * n), "cifar10", PAPER)
    assert (found.word, found.n, found.effect, found.p) == ("undecided", n, 9, 1)
    assert (found.low, found.high, found.needed) == (-math.inf, math.inf, 3)
    assert found.reason == f"{n} of at least 3 seeds"


def test_four_seeds_are_three():
    found = judge(claim(), scores(a=[1.0, 2.0, 3.0, 99.0], b=[0.0] * 4), "cifar10", PAPER)
    assert (found.n, found.effect) == (3, 2)


def test_seeds_that_one_side_lacks_are_left_out():
    """Also one that is missing in between: pairs are by seed."""
    rows = [Score("a", s, "top1", 5.0 + s) for s in (4, 3, 2, 0)]
    rows += [Score("b", s, "top1", 2.0 * s) for s in (0, 1, 3, 4)]
    found = judge(claim(), Scores(rows), "cifar10", PAPER)
    assert (found.n, found.effect) == (3, pytest.approx((5 + 2 + 1) / 3))


def test_less_is_better_in_mce():
    found = judge(claim(metric="mce"), scores("mce", a=FIVE, b=FIVE + 3), "cifar10", PAPER)
    assert (found.word, found.effect) == ("holds", pytest.approx(3))


# Shapes

TOP = claim("a", "b;c;d", SHAPE)


def test_a_shape_holds_if_all_differences_are_above_0():
    found = judge(TOP, scores(a=FIVE + 9, b=[0] * 5, c=[7] * 5, d=[2] * 5), "cifar10", PAPER)
    # shown is the difference that decides, the smallest one
    assert (found.word, found.effect) == ("holds", pytest.approx(2))
    assert found.reason == "every difference is above 0"
    assert found.p == pytest.approx(interval((FIVE + 2).tolist()).p())


def test_a_shape_with_one_doubtful_difference_is_undecided():
    found = judge(TOP, scores(a=FIVE + 9, b=[0] * 5, c=[8.5] * 5, d=[2] * 5), "cifar10", PAPER)
    assert (found.word, found.effect) == ("undecided", pytest.approx(0.5))
    assert found.needed == 32


def test_a_shape_is_reversed_if_a_difference_is_below_0_at_a_level_that_counts_them():
    below = judge(TOP, scores(a=FIVE, b=[3] * 5, c=[-5] * 5, d=[-9] * 5), "cifar10", PAPER)
    assert (below.word, below.effect) == ("reversed", pytest.approx(-3))
    assert below.p == pytest.approx(3 * interval((FIVE - 3).tolist()).p())
    just = {"a": FIVE, "b": [1.3] * 5, "c": [-5] * 5, "d": [-9] * 5}
    assert judge(replace(TOP, worse="b"), scores(**just), "cifar10", PAPER).word == "reversed"
    assert judge(TOP, scores(**just), "cifar10", PAPER).word == "undecided"


def test_a_shape_without_one_of_its_cells_is_not_tested():
    found = judge(TOP, scores(a=FIVE, b=FIVE, c=FIVE), "cifar10", PAPER)
    assert (found.word, found.effect, found.n) == ("not tested", None, 0)


# Room


@pytest.mark.parametrize(
    ("room", "top", "word", "left"),
    [
        ("hr", 0.9, "not testable here", 0.9),
        ("hr", -2, "not testable here", -2),
        ("hr", 1.1, "undecided", 1.1),
        ("0.9", 50, "not testable here", 0.9),
        ("100", 50, "undecided", 100),
        ("", 0.9, "undecided", None),
        ("elsewhere", 50, "undecided", None),  # not measured: nothing is known
    ],
)
def test_without_room_for_the_effect_a_claim_is_not_tested_here(room, top, word, left):
    found = judge(claim(room=room), scores(a=FIVE, b=[0] * 5, hr=[top] * 5), "cifar10", PAPER)
    assert (found.word, found.room) == (word, left and pytest.approx(left))
    if word == "not testable here":
        assert found.reason == f"the room is {left:.2f} points, below the margin of 1.00"
        assert found.needed is None


def test_nothing_is_held_against_a_claim_without_room_but_what_it_shows_counts():
    own = {"b": [0] * 5, "hr": [0.5] * 5}
    worse = judge(claim(room="hr"), scores(a=FIVE - 3, **own), "cifar10", PAPER)
    better = judge(claim(room="hr"), scores(a=FIVE + 3, **own), "cifar10", PAPER)
    assert (worse.word, better.word) == ("not testable here", "holds")


def test_where_all_is_alike_nothing_is_as_good_as_anything():
    """Whichever of both cells is the better one."""
    same = claim(kind=AS_GOOD_AS, margin=2.0, room="floor")
    for floor in (0.5, -0.5):
        cells = scores(a=FIVE, b=[0] * 5, floor=[floor] * 5)
        assert judge(same, cells, "cifar10", PAPER).word == "not testable here"
    assert judge(same, scores(a=FIVE, b=[0] * 5, floor=[-9] * 5), "cifar10", PAPER).word == "holds"


def test_the_room_of_mce_is_below():
    own = claim(metric="mce", room="0")
    found = judge(own, scores("mce", a=FIVE + 60, b=[60] * 5), "cifar10", PAPER)
    assert found.room == 60


def test_a_setting_can_be_unable_to_test_a_claim():
    first, second = judge_claims(
        [claim(), claim("b", "c")],
        scores(a=FIVE + 9, b=[0] * 5),
        "cifar10",
        CPU,
        cannot=lambda own: "its strength is not reached" if own.better == "a" else "",
    )
    assert (first.word, first.effect) == ("not testable here", pytest.approx(9))
    assert first.reason == "its strength is not reached, in the reduced setting `cpu` on cifar10"
    assert second.word == "not tested"


# Holm


def effects(**by_cell):
    """Claims that each cell beats "b", all headlines, and scores with these effects."""
    claims = [claim(cell, headline=True) for cell in by_cell]
    return claims, scores(b=[0] * 5, **{cell: FIVE + value for cell, value in by_cell.items()})


def test_p_values_of_headline_claims_are_by_holm():
    claims, found = effects(a=2.5, c=1.4, d=4.0)
    alone = [judge(own, found, "cifar10", PAPER) for own in claims]
    together = judge_claims(claims, found, "cifar10", PAPER)
    assert [v.p for v in together] == pytest.approx(
        [2 * alone[0].p, max(2 * alone[0].p, alone[1].p), 3 * alone[2].p]
    )
    assert words(together) == ["holds"] * 3


def test_what_holm_does_not_allow_is_undecided_and_says_so():
    claims, found = effects(a=1.4, c=1.3)
    assert words(judge(own, found, "cifar10", PAPER) for own in claims) == ["holds"] * 2
    first, second = judge_claims(claims, found, "cifar10", PAPER)
    assert words([first, second]) == ["undecided"] * 2
    assert first.low > 0
    assert first.p == second.p > LEVEL
    assert first.reason == (
        f"the interval is above 0, but p = {first.p:.3f} by Holm, of 2 headline claims; "
        "10 seeds would probably decide"
    )
    assert first.needed == 10


def test_that_there_is_no_effect_leaves_the_others_no_more_of_the_five_per_cent():
    """A claim with no effect that is found to have none must not make room for a wrong one."""
    claims, found = effects(a=1.4, c=0.0)
    precise = [replace(claims[1], margin=4.0)]
    assert judge(precise[0], found, "cifar10", PAPER).word == "no effect"
    other, nothing = judge_claims([claims[0], *precise], found, "cifar10", PAPER)
    assert words([other, nothing]) == ["undecided", "no effect"]
    assert other.p == pytest.approx(2 * judge(claims[0], found, "cifar10", PAPER).p)


def test_claims_that_are_no_headline_do_not_count_and_are_not_counted():
    claims, found = effects(a=1.4, c=1.3)
    alone, other = judge_claims(
        [claims[0], replace(claims[1], headline=False)], found, "cifar10", PAPER
    )
    assert words([alone, other]) == ["holds"] * 2
    assert alone.p == judge(claims[0], found, "cifar10", PAPER).p


def test_claims_that_nothing_is_measured_of_do_not_count():
    claims, found = effects(a=1.4)
    more = [
        *claims,
        claim("z", headline=True),
        claim("a", "b", AS_GOOD_AS, headline=True, room="b"),
    ]
    first, untested, untestable = judge_claims(more, found, "cifar10", PAPER)
    assert words([first, untested, untestable]) == ["holds", "not tested", "not testable here"]
    assert first.p == judge(claims[0], found, "cifar10", PAPER).p


def test_holm_errs_in_five_per_cent_of_all_papers():
    """Four headline claims, none of them true: at least one is decided in 5 % or less."""
    draws, wrong = np.random.default_rng(3), 0
    claims = [claim(cell, margin=1e-6, headline=True) for cell in "acde"]
    for _ in range(300):
        cells = {cell: draws.normal(size=5) for cell in "acde"}
        found = judge_claims(claims, scores(b=[0] * 5, **cells), "cifar10", PAPER)
        wrong += any(verdict.word in ("holds", "reversed") for verdict in found)
    # at one look of four it is 1 to 2 %; without Holm it would be 6 %
    assert wrong <= 9


# Size


@pytest.mark.parametrize(
    ("effect", "points", "word", "size"),
    [  # a prediction interval of 5 seeds and 1 more: +- 2.78 sd sqrt(1/5 + 1) = 2.02
        (1.5, 2.0, "holds", "reproduced in size"),
        (1.5, 3.4, "holds", "reproduced in size"),
        (1.5, 3.6, "holds", "differs in size"),
        (5.0, 2.0, "holds", "differs in size"),
        (-1.5, 2.0, "reversed", "differs in size"),
        (-1.5, 0.4, "reversed", ""),  # not far away, and surely not reproduced
        (0.5, 2.0, "undecided", ""),
        (0.5, 2.6, "undecided", "differs in size"),
    ],
)
def test_sizes_are_compared_with_a_prediction_interval(effect, points, word, size):
    sd = np.std(FIVE, ddof=1)
    assert stats.t.isf(0.025, 4) * sd * math.sqrt(1.2) == pytest.approx(2.02, abs=0.01)
    own = claim(points=points)
    found = scores(a=FIVE + effect, b=[0] * 5)
    verdict = judge(own, found, "cifar10", PAPER)
    assert (verdict.word, verdict.size) == (word, size)


def test_sizes_are_compared_in_the_papers_own_setting_alone():
    own, found = claim(network="resnet50"), scores(resnet50__a=FIVE + 2, resnet50__b=[0] * 5)
    assert judge(own, found, "cifar10", PAPER).size == "reproduced in size"
    assert judge(own, found, "cifar10", CPU).size == ""
    assert judge(own, found, "svhn", PAPER).size == ""
    stood_in = scores(resnet18__a=FIVE + 2, resnet18__b=[0] * 5)
    assert judge(own, stood_in, "cifar10", PAPER, "resnet18").size == ""
    assert judge(replace(own, points=None), found, "cifar10", PAPER).size == ""
    assert judge(own, found, "cifar10", ASSUMED).size == ""


@pytest.mark.parametrize(
    ("settings", "dataset", "network", "where"),
    [
        (CPU, "cifar10", None, "in the reduced setting `cpu` on cifar10"),
        (CPU, "svhn", "n", "in the reduced setting `cpu` on svhn with n for "),
        (PAPER, "svhn", None, "by the paper's recipe on svhn"),
        (PAPER, "cifar10", "n", "by the paper's recipe on cifar10 with n for "),
        (ASSUMED, "cifar10", None, "by the paper's recipe but for its rate on cifar10"),
    ],
)
def test_a_reason_names_a_setting_that_is_not_the_papers(settings, dataset, network, where):
    found = judge(claim(), scores(a=FIVE + 9, b=[0] * 5), dataset, settings)
    stood_in = judge(claim(), scores(n__a=FIVE + 9, n__b=[0] * 5), dataset, settings, network)
    verdict = stood_in if network else found
    assert (verdict.word, verdict.reason) == ("holds", f"the interval is above 0, {where}")
    assert verdict.why == "the interval is above 0"


def test_in_the_papers_setting_the_reason_needs_no_setting():
    found = judge(claim(), scores(a=FIVE + 9, b=[0] * 5), "cifar10", PAPER)
    assert (found.reason, found.where) == ("the interval is above 0", "in the paper's setting")


# Seeds needed


def test_seeds_needed_are_said_of_what_is_undecided():
    found = judge(claim(), scores(a=FIVE + 1, b=[0] * 5), "cifar10", PAPER)
    assert (found.needed, found.reason) == (
        10,
        "the interval holds 0 and ends beyond ±1.00; 10 seeds would probably decide",
    )
    never = judge(claim(margin=0.04), scores(a=FIVE + 0.04, b=[0] * 5), "cifar10", PAPER)
    assert never.needed is None
    assert never.reason.endswith("; no 200 seeds would probably decide")


def test_what_is_decided_needs_no_more():
    assert judge(claim(), scores(a=FIVE + 9, b=[0] * 5), "cifar10", PAPER).needed is None


# Which claims, which cells

CLAIMS = [  # one pair of cells on two data sets, another on the first alone
    claim(),
    claim(dataset="svhn"),
    claim("b", "c"),
]
GOOD = scores(a=FIVE + 9, b=[0] * 5)


def test_claims_on_the_papers_data():
    found = judge_claims(CLAIMS, GOOD, "cifar10", PAPER)
    assert [(v.claim, v.word) for v in found] == [(CLAIMS[0], "holds"), (CLAIMS[2], "not tested")]
    assert {(v.dataset, v.setting) for v in found} == {("cifar10", "paper")}


def test_claims_on_other_data_are_judged_once_a_pair():
    found = judge_claims(CLAIMS, GOOD, "synthdigits", PAPER)
    assert [(v.claim, v.word) for v in found] == [(CLAIMS[0], "holds"), (CLAIMS[2], "not tested")]


def test_claims_about_other_data_sets_can_be_judged_by_one():
    (found,) = judge_claims(CLAIMS, GOOD, "cifar10", PAPER, about="svhn")
    assert (found.claim, found.dataset, found.word) == (CLAIMS[1], "cifar10", "holds")
    both = judge_claims(CLAIMS, GOOD, "cifar10", PAPER, about=("svhn", "cifar10"))
    assert [v.claim for v in both] == CLAIMS


def test_claims_that_name_no_data_are_judged_on_any():
    bare = claim("a", "d", dataset="")
    found = judge_claims([*CLAIMS, bare], GOOD, "svhn", PAPER)
    assert [v.claim for v in found] == [CLAIMS[1], bare]
    assert judge_claims([bare], GOOD, "svhn", PAPER)[0].claim == bare


def test_another_network_can_stand_in():
    """Only for the network that it stands for, and by its own cells alone."""
    claims = [claim(network=network) for network in ("resnet50", "vgg16")]
    cells = {
        f"{n}__{cell}": FIVE + 9 * (cell == "a") for n in ("resnet18", "vgg16") for cell in "ab"
    }
    found = scores(**cells)
    stood_in, own = judge_claims(
        claims, found, "cifar10", PAPER, stands_for={"resnet50": "resnet18"}
    )
    assert words([stood_in, own]) == ["holds", "holds"]
    assert (stood_in.network, own.network) == ("resnet18", "")
    assert stood_in.cells == ("resnet18/a", "resnet18/b")
    assert words(judge_claims(claims, found, "cifar10", PAPER)) == ["not tested", "holds"]


def test_the_cells_are_those_of_the_study():
    """Derived ones by what they are made of, each once, with the one that bounds the effect."""
    own = claim("condition", "frozen", network="r", room="clean")
    made_of = {"r/condition": ("r/condition/fog", "r/condition/snow", "r/frozen")}
    (found,) = judge_claims([own], scores(), "cifar10", CPU, cells=made_of)
    assert found.cells == ("r/condition/fog", "r/condition/snow", "r/frozen", "r/clean")
    (number,) = judge_claims([replace(own, room="100")], scores(), "cifar10", CPU)
    assert number.cells == ("r/condition", "r/frozen")


def test_a_verdict_gives_its_interval_back():
    values = (FIVE + 2).tolist()
    found = judge(claim(), scores(a=values, b=[0] * 5), "cifar10", CPU)
    assert found.measured.sd == pytest.approx(interval(values).sd)
    assert replace(found.measured, sd=0) == replace(interval(values), sd=0)
    assert judge(claim(), scores(), "cifar10", CPU).measured is None


def test_holm_of_nothing_is_nothing():
    assert holm([]) == []
    assert set(verdicts.DECIDED) < set(VERDICTS)
