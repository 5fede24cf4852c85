"""Claims: which are judged on which data, by which cells, and what an interval says of them."""

import math

import pytest

from paperlib.evidence.claims import Claim
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.verdicts import judge, judge_claims

CLAIMS = [  # one pair of cells on two data sets, another on the first alone
    Claim("cifar10", "", "a", "b", "top1", 2.0, "a beats b", "Table 1"),
    Claim("svhn", "", "a", "b", "top1", 1.0, "a beats b", "Table 1"),
    Claim("cifar10", "", "b", "c", "top1", 3.0, "b beats c", "Table 2"),
]
GAIN = Estimate.of([2.0, 2.1])


def scores(*prefixes, metric="top1"):
    """Cells "a" and "b" behind each prefix; "a" is better by `GAIN`."""
    values = {"a": (72.0, 72.1), "b": (70.0, 70.0)}
    return Scores(
        Score(prefix + cell, seed, metric, value)
        for prefix in prefixes or ("",)
        for cell, by_seed in values.items()
        for seed, value in enumerate(by_seed)
    )


@pytest.mark.parametrize(
    ("measured", "same", "verdict"),
    [  # of a claim of +2
        (None, True, "not tested"),
        (None, False, "not tested"),
        (Estimate(2.5, 1.0, 3), True, "reproduced"),  # [1.5, 3.5] excludes 0 and contains 2
        (Estimate(2.5, 1.0, 3), False, "direction only"),  # the same, on other data
        (Estimate(5.0, 1.0, 3), True, "direction only"),  # [4, 6]: larger than claimed
        (Estimate(1.0, 0.5, 3), True, "direction only"),  # [0.5, 1.5]: smaller than claimed
        (Estimate(-2.0, 1.0, 3), True, "not reproduced"),  # [-3, -1]: the other way round
        (Estimate(-2.0, 1.0, 3), False, "not reproduced"),
        (Estimate(0.2, 0.5, 3), True, "not reproduced"),  # [-0.3, 0.7]: nothing, and surely not 2
        (Estimate(0.2, 0.5, 3), False, "inconclusive"),  # other data may have another effect
        (Estimate(1.0, 2.0, 3), True, "inconclusive"),  # [-1, 3]: 0 or 2
        (Estimate(9.0, math.inf, 1), True, "inconclusive"),  # one seed decides nothing
        (Estimate(-9.0, math.inf, 1), False, "inconclusive"),
    ],
)
def test_what_an_interval_says(measured, same, verdict):
    assert judge(measured, 2.0, same) == verdict


def test_claims_on_the_papers_data():
    first, second = judge_claims(CLAIMS, scores(), "cifar10", paper_setting=True)
    assert (first.claim, first.dataset, first.word) == (CLAIMS[0], "cifar10", "reproduced")
    assert first.measured.mean == pytest.approx(GAIN.mean)
    assert (second.claim, second.measured, second.word) == (CLAIMS[2], None, "not tested")


def test_claims_in_a_reduced_setting_have_a_direction_only():
    found = judge_claims(CLAIMS, scores(), "cifar10", paper_setting=False)
    assert [verdict.word for verdict in found] == ["direction only", "not tested"]


def test_claims_on_other_data_are_judged_once_a_pair():
    found = judge_claims(CLAIMS, scores(), "synthdigits", paper_setting=True)
    assert [(v.claim, v.word) for v in found] == [
        (CLAIMS[0], "direction only"),
        (CLAIMS[2], "not tested"),
    ]


def test_claims_about_a_data_set_can_be_judged_by_another():
    (found,) = judge_claims(CLAIMS, scores(), "cifar10", paper_setting=True, about="svhn")
    assert (found.claim, found.dataset, found.word) == (CLAIMS[1], "cifar10", "direction only")


def test_a_claim_is_judged_in_its_metric():
    less = Claim("cifar10", "", "b", "a", "mce", 2.0, "b has less mCE than a", "Table 1")
    (found,) = judge_claims([less], scores(metric="mce"), "cifar10", paper_setting=True)
    assert found.word == "reproduced"  # b is lower than a, hence better


def test_another_network_can_stand_in_and_decides_on_the_direction_alone():
    """Only for the network that it stands for, and by its own cells alone."""
    claims = [
        Claim("cifar10", network, "a", "b", "top1", 2.0, f"a beats b, {network}", "Table 1")
        for network in ("resnet50", "vgg16")
    ]
    found = scores("resnet18/", "vgg16/")
    stood_in, own = judge_claims(
        claims, found, "cifar10", paper_setting=True, stands_for={"resnet50": "resnet18"}
    )
    assert (stood_in.word, own.word) == ("direction only", "reproduced")
    assert (stood_in.network, own.network) == ("resnet18", "")
    untested, _ = judge_claims(claims, found, "cifar10", paper_setting=True)
    assert untested.word == "not tested"
