"""Seen and unseen corruptions, and the summaries of what was tested under all of them."""

import statistics

import pytest

from paperlib import common_corruptions as shared
from paperlib import degrade
from paperlib.degrade.tables import EXTRA, SEVERITIES, STANDARD
from paperlib.evidence.scores import Scores
from paperlib.runs import Record, Run

DATASETS = pytest.mark.parametrize("dataset", ["synthdigits", "cifar10", "imagenet@224"])


def record(seed=0, clean=90.0, lost=10.0):
    """Severity s of a corruption costs s times `lost` points; of an unseen one, a point more."""
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


def summarised(**networks):
    """Scores with summaries of cells "net/<name>" from records."""
    cells = {f"net/{name}": records for name, records in networks.items()}
    return shared.with_summaries(Scores.of(cells), "vanilla", "cifar10")


def test_summary_by_hand():
    found = summarised(sfd=[record(lost=10.0)])
    values = {name: found.values("net/sfd", name) for name in ("hq", "seen", "unseen", "fog")}
    assert values == {"hq": {0: 90.0}, "seen": {0: 60.0}, "unseen": {0: 59.0}, "fog": {0: 60.0}}
    assert found.values("net/sfd", shared.metric("cifar10", "fog", 2)) == {0: 70.0}
    assert found.values("net/sfd", "mce") == {}  # relative to nothing


def test_mce_is_a_ratio_to_the_vanilla_networks_errors():
    vanilla = [record(seed, lost=10.0) for seed in range(3)]
    found = summarised(vanilla=vanilla, sfd=[record(lost=5.0)], urie=[])
    assert found.estimate("net/vanilla", "mce").mean == pytest.approx(100)
    errors = [[10 + lost * s for s in SEVERITIES] for lost in (5.0, 10.0)]
    expected = 100 * sum(errors[0]) / sum(errors[1])
    assert found.values("net/sfd", "mce") == {0: pytest.approx(expected)}
    assert found.gain("net/sfd", "net/vanilla", "mce").mean == pytest.approx(100 - expected)
    assert "net/urie" not in found.cells


def test_mce_is_relative_to_a_network_of_the_same_kind():
    cells = {
        f"{network}/{name}": [record(lost=lost)]
        for network, lost in (("resnet18", 10.0), ("vgg16", 5.0))
        for name in ("vanilla", "sfd")
    }
    found = shared.with_summaries(Scores.of(cells), "vanilla", "cifar10")
    for network in ("resnet18", "vgg16"):
        assert found.values(f"{network}/sfd", "mce") == {0: pytest.approx(100)}


def test_what_was_not_tested_under_all_corruptions_has_no_summary():
    own = record()
    del own.metrics[shared.metric("cifar10", "fog", 2)]
    found = summarised(sfd=[own])
    assert found.values("net/sfd", "top1@none") == {0: 90.0}
    assert found.values("net/sfd", "seen") == {}


def test_means_are_over_seeds():
    lost = (4.0, 5.0, 6.0)
    fog = summarised(sfd=[record(i, lost=own) for i, own in enumerate(lost)])
    fog = fog.estimate("net/sfd", "fog")
    assert fog.n == 3
    assert fog.mean == pytest.approx(statistics.fmean(90 - 3 * own for own in lost))
