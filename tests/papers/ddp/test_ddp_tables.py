"""The numbers in the tables of the deep degradation prior that no record has, by hand."""

import pytest

from paperlib.common_corruptions import metric, seen
from paperlib.papers.ddp import numbers as ddp_numbers
from paperlib.papers.ddp import study as ddp
from paperlib.papers.ddp import tables as ddp_tables
from paperlib.runs import Record

NAMES = seen("cifar10")


@pytest.fixture
def found(tiny):
    """Makes scores of some seeds from what one record of each cell has; seed s has s points
    more."""

    def found(seeds=(0, 1), **items):
        records = {
            item: {
                cell: [
                    Record(tiny(seed=seed), {n: value + seed for n, value in own.items()}, (), {})
                    for seed in seeds
                ]
                for cell, own in cells.items()
            }
            for item, cells in items.items()
        }
        return ddp_tables.scores("cifar10", records)

    return found


def network(severity, **modules):
    """A frozen network with 40 points under everything, and modules with what is given, or 40."""
    cells = {f"resnet18/condition/{name}-{severity}": {"top1": 40.0} for name in NAMES}
    for name, value in modules.items():
        cells[f"resnet18/condition/{name}-{severity}"] = {"top1": value}
    frozen = {metric("cifar10", name, severity): 40.0 for name in NAMES}
    return {"resnet18/frozen": frozen, **cells}


def test_a_module_for_one_corruption_is_compared_under_its_own(found):
    """Gains are 5 points under fog; the mean over all conditions has 0 from the others."""
    scores = found(main=network(3, fog=45.0))
    gains = ddp_numbers.gains("resnet18", "condition", 3, "cifar10", scores)
    assert {name: gain.mean for name, gain in gains.items() if gain.mean} == {"fog": 5.0}
    assert len(gains) == 15
    gain = scores.gain("resnet18/condition-3", "resnet18/frozen-3", "condition")
    assert gain.mean == pytest.approx(5 / 15)
    assert gain.n == 2


def test_severities_are_kept_apart(found):
    scores = found(main={**network(3, fog=45.0), **network(5, snow=30.0)})
    assert ddp_numbers.gains("resnet18", "condition", 5, "cifar10", scores)["fog"].mean == 0
    assert ddp_numbers.gains("resnet18", "condition", 5, "cifar10", scores)["snow"].mean == -10


def test_there_is_no_mean_over_conditions_before_all_have_a_module(found):
    cells = network(3, fog=45.0)
    del cells["resnet18/condition/snow-3"]
    scores = found(main=cells)
    assert scores.values("resnet18/condition-3", "condition") == {}
    gains = ddp_numbers.gains("resnet18", "condition", 3, "cifar10", scores)
    assert gains["fog"].mean == 5.0
    assert "snow" not in gains


def test_jpeg_qualities_are_severities(found):
    metrics = {f"top1@jpeg_compression-{severity}": 90.0 - severity for severity in range(1, 6)}
    cells = {f"resnet18/jpeg/{severity}": {"top1": 95.0 - severity} for severity in range(1, 6)}
    scores = found(jpeg={"resnet18/jpeg/frozen": metrics, **cells})
    for name, best in (("frozen", 89.0), ("ddp", 94.0)):
        values = [scores.values(f"resnet18/jpeg/{name}", f"q{q}")[0] for q in (25, 18, 15, 10, 7)]
        assert values == [best, best - 1, best - 2, best - 3, best - 4]


def test_a_module_for_jpeg_of_imagenet_c_is_none_for_jpeg_of_cifar_c(found):
    scores = found(jpeg={"resnet18/jpeg/5": {"top1": 90.0}})
    assert scores.values("resnet18/jpeg-5", "jpeg_compression") == {}


def test_what_bounds_a_gain_is_the_frozen_network_on_clean_images(found):
    frozen = {name: 40.0 for severity in range(1, 6) for name in _metrics(severity)}
    scores = found(main={"resnet18/frozen": {**frozen, "top1@none": 70.0}})
    for name in ("condition", "seen", "unseen", "q7"):
        assert scores.values("resnet18/clean", name) == {0: 70.0, 1: 71.0}


def _metrics(severity):
    from paperlib.degrade.tables import EXTRA

    return [metric("cifar10", name, severity) for name in (*NAMES, *EXTRA)]


def test_cosines_are_means_over_corruptions_in_hundredths(found):
    own = {name: {"cosine_clusters": 0.1, "cosine_clusters_control": 0.05} for name in NAMES}
    own["fog"] = {"cosine_clusters": 0.7, "cosine_clusters_control": 0.05}
    cells = {f"resnet18/drift/{name}": values for name, values in own.items()}
    scores = found(seeds=(0,), drift=cells)
    assert scores.values("resnet18/drift-own", "cosine")[0] == pytest.approx(100 * 2.1 / 15)
    assert scores.values("resnet18/drift-mixed", "cosine")[0] == pytest.approx(5)
    scores = found(seeds=(0,), drift={c: v for c, v in cells.items() if not c.endswith("/snow")})
    assert scores.values("resnet18/drift-own", "cosine") == {}


def test_the_share_of_drift_that_is_left(found):
    cell = "resnet18/condition/fog-5"
    scores = found(main={cell: {"top1": 1.0, "drift": 4.0, "drift_left": 1.0}})
    # 1 of 4, and 2 of 5
    assert scores.values(cell, "drift_left_share") == {0: 0.25, 1: 0.4}
    # without drift there is no share: of seed 0
    still = found(main={cell: {"top1": 1.0, "drift": 0.0, "drift_left": 1.0}})
    assert still.values(cell, "drift_left_share") == {1: 2.0}


def test_rows_without_a_number_are_left_out(found):
    settings = ddp.PROFILES["cpu"]
    scores = found(main=network(3, fog=45.0))
    first, second = ddp_tables.main(settings, "cifar10", scores)
    assert [row[0] for row in first.rows] == [*NAMES, "**mean**"]
    assert second.rows == []
    assert ddp_tables.measured([first, second]) == [first]
    # the network without a module alone is no comparison, and the default no choice
    for part in (ddp_tables.blind, ddp_tables.blind_gains, ddp_tables.ablations):
        assert part(settings, "cifar10", scores).rows == [], part


def test_spreads_are_variances_of_gains(found, tiny):
    """Of seeds 0 and 1 the gain is 0 and 2 under fog: a variance of 2 there, and 0 elsewhere."""
    cells = network(5, fog=40.0)
    records = {cell: [Record(tiny(), own, (), {})] for cell, own in cells.items()}
    for cell, (first,) in records.items():
        more = {name: v + (2 if cell.endswith("fog-5") else 0) for name, v in first.metrics.items()}
        records[cell].append(Record(tiny(seed=1), more, (), {}))
    again = {f"retest/{cell}": own for cell, own in records.items()}
    scores = ddp_tables.scores("cifar10", {"main": records, "retest": again})
    spreads = ddp_numbers.spreads("resnet18", "cifar10", scores)
    assert spreads["one condition"] == pytest.approx((2 / 15, 2 / 15))
    assert spreads["mean over conditions"] == pytest.approx((2 / 225, 2 / 225))
    once = ddp_tables.scores("cifar10", {"main": records})
    assert ddp_numbers.spreads("resnet18", "cifar10", once) == {}


def test_the_first_network_stands_in_for_a_missing_resnet50():
    for profile, instead in (("demo", "resnet18"), ("paper", "")):
        settings = ddp.PROFILES[profile]
        items = ddp.study(settings, settings.datasets[0], lambda runs: [])
        found = ddp_tables.verdicts(settings, settings.datasets[0], items)
        assert {v.network for v in found if v.claim.network == "resnet50"} == {instead}
        assert {v.network for v in found if v.claim.network == "vgg16"} == {""}
