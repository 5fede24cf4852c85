"""The numbers in the tables of the deep degradation prior that no record has, by hand."""

import pytest

from paperlib.common_corruptions import metric, seen
from paperlib.papers.ddp import study as ddp
from paperlib.papers.ddp import tables as ddp_tables
from paperlib.runs import Record

FOG = metric("cifar10", "fog", 3)


@pytest.fixture
def found(tiny):
    """Makes scores of two seeds from what one record of each cell has; seed 1 has a point more."""

    def found(**items):
        records = {
            item: {
                cell: [
                    Record(
                        tiny(seed=seed), {name: value + seed for name, value in own.items()}, (), {}
                    )
                    for seed in (0, 1)
                ]
                for cell, own in cells.items()
            }
            for item, cells in items.items()
        }
        return ddp_tables.scores("cifar10", records)

    return found


def test_a_module_for_one_corruption_is_compared_under_its_own(found):
    """Gains are 5 points under fog; the mean over all conditions has 0 from the others."""
    frozen = {metric("cifar10", name, 3): 40.0 for name in seen("cifar10")}
    single = {f"resnet18/condition/{name}": {"top1": 40.0} for name in seen("cifar10")}
    single["resnet18/condition/fog"] = {"top1": 45.0}
    scores = found(main={"resnet18/frozen": frozen}, conditions=single)
    gains = ddp_tables.single_gains("resnet18", "cifar10", scores)
    assert {name: gain.mean for name, gain in gains.items() if gain.mean} == {"fog": 5.0}
    assert len(gains) == 15
    gain = scores.gain("resnet18/condition", "resnet18/frozen", "condition")
    assert gain.mean == pytest.approx(5 / 15)
    assert gain.n == 2


def test_there_is_no_mean_over_conditions_before_all_have_a_module(found):
    scores = found(
        main={"resnet18/frozen": {FOG: 40.0}},
        conditions={"resnet18/condition/fog": {"top1": 45.0}},
    )
    assert scores.values("resnet18/condition", "condition") == {}
    assert ddp_tables.single_gains("resnet18", "cifar10", scores)["fog"].mean == 5.0


def test_jpeg_qualities_are_severities(found):
    metrics = {f"top1@jpeg_compression-{severity}": 90.0 - severity for severity in range(1, 6)}
    scores = found(jpeg={"resnet18/jpeg/ddp": metrics})
    values = {q: scores.values("resnet18/jpeg/ddp", f"q{q}")[0] for q in (25, 18, 15, 10, 7)}
    assert values == {25: 89.0, 18: 88.0, 15: 87.0, 10: 86.0, 7: 85.0}


def test_the_share_of_drift_that_is_left(found):
    cell = "resnet18/condition/fog"
    scores = found(conditions={cell: {"top1": 1.0, "drift": 4.0, "drift_left": 1.0}})
    # 1 of 4, and 2 of 5
    assert scores.values(cell, "drift_left_share") == {0: 0.25, 1: 0.4}
    # without drift there is no share: of seed 0
    still = found(main={cell: {"top1": 1.0, "drift": 0.0, "drift_left": 1.0}})
    assert still.values(cell, "drift_left_share") == {1: 2.0}


def test_the_first_network_stands_in_for_a_missing_resnet50():
    for profile, instead in (("demo", "resnet18"), ("paper", "")):
        settings = ddp.PROFILES[profile]
        items = ddp.study(settings, settings.datasets[0], lambda runs: [])
        found = ddp_tables.verdicts(settings, settings.datasets[0], items)
        assert {v.network for v in found if v.claim.network == "resnet50"} == {instead}
        assert {v.network for v in found if v.claim.network == "vgg16"} == {""}
