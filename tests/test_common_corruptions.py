"""Seen and unseen corruptions, and what accuracies and mCE are made of a record."""

import dataclasses
import statistics

import pytest

from paperlib import common_corruptions as shared
from paperlib import degrade
from paperlib.degrade.tables import EXTRA, SEVERITIES, STANDARD
from paperlib.runs import Record, Run

DATASETS = pytest.mark.parametrize("dataset", ["synthdigits", "cifar10", "imagenet@224"])


def record(seed=0, clean=90.0, lost=10.0):
    """Under severity s every corruption costs s times `lost` points; the unseen ones one point
    more."""
    run = Run("supervised", "cifar10", "resnet18", seed, evaluate=shared.tested_on("cifar10"))
    names = [degrade.label(spec) for spec in degrade.each(run.evaluate)[1:]]
    cost = {name: lost * int(name[-1]) + (name.split("-")[0] in EXTRA) for name in names}
    metrics = {"top1": clean, "top1@none": clean} | {
        f"top1@{name}": clean - cost[name] for name in names
    }
    return Record(run, metrics, (), {})


@DATASETS
def test_training_shows_the_fifteen_and_no_other(dataset):
    view = shared.trained_on(dataset)
    names = view["corruptions"].split(",")
    assert len(set(names)) == len(STANDARD)
    assert not set(names) & set(EXTRA)
    assert [a for a, b in zip(names, STANDARD, strict=True) if a != b] == ["procedural_frost"] * (
        dataset == "synthdigits"
    )


@DATASETS
def test_tested_are_clean_images_and_nineteen_corruptions(dataset):
    specs = degrade.each(shared.tested_on(dataset))
    assert specs[0] == {"name": "none"}
    assert {(s["corruption"], s["severity"]) for s in specs[1:]} == {
        (name, severity) for name in (*shared.seen(dataset), *EXTRA) for severity in SEVERITIES
    }
    assert {s["table"] for s in specs[1:]} == {"imagenet-c" if "@" in dataset else "cifar-c"}


def test_summary_by_hand():
    own = record(lost=10.0)
    summary = shared.summary(own, None, "cifar10")
    assert summary == pytest.approx({"hq": 90.0, "seen": 60.0, "unseen": 59.0})
    assert shared.accuracies(own)["fog", 2] == 70.0
    assert shared.by_corruption([own])["fog"].mean == pytest.approx(60.0)


def test_mce_is_a_ratio_to_the_vanilla_networks_errors():
    vanilla, better = [record(seed, lost=10.0) for seed in range(3)], record(lost=5.0)
    baseline = shared.reference(vanilla, "cifar10")
    assert shared.summary(vanilla[0], baseline, "cifar10")["mce"] == pytest.approx(100)
    errors = [[10 + lost * s for s in SEVERITIES] for lost in (5.0, 10.0)]
    expected = 100 * sum(errors[0]) / sum(errors[1])
    assert shared.summary(better, baseline, "cifar10")["mce"] == pytest.approx(expected)
    assert shared.reference([], "cifar10") is None


def test_summarised_cells_count_more_as_better():
    cells = {"net/vanilla": [record(lost=10.0)], "net/sfd": [record(lost=5.0)], "net/urie": []}
    found = shared.summarised(cells, "net/vanilla", "cifar10")
    for what in ("seen", "unseen", "-mce", "fog", "saturate"):
        better, worse = (
            found[f"net/{name}/{what}"][0].metrics["top1"] for name in ("sfd", "vanilla")
        )
        assert better > worse, what
    assert found["net/vanilla/-mce"][0].metrics["top1"] == pytest.approx(-100)
    assert not any(cell.startswith("net/urie") for cell in found)
    alone = shared.summarised({"net/sfd": cells["net/sfd"]}, "net/vanilla", "cifar10")
    assert "net/sfd/seen" in alone
    assert "net/sfd/-mce" not in alone  # relative to nothing


def test_means_are_over_seeds():
    records = [dataclasses.replace(record(lost=lost)) for lost in (4.0, 5.0, 6.0)]
    fog = shared.by_corruption(records)["fog"]
    assert fog.n == 3
    assert fog.mean == pytest.approx(statistics.fmean(90 - 3 * lost for lost in (4.0, 5.0, 6.0)))
