"""DDP's runs: what learns from what, how wide, on which images; and the tables of their records."""

import dataclasses

import pytest
import torch
from PIL import Image

from paperlib import degrade, methods
from paperlib.common_corruptions import seen
from paperlib.evidence.claims import read_claims
from paperlib.methods import Task
from paperlib.papers.ddp import study as ddp
from paperlib.papers.ddp import tables as ddp_tables
from paperlib.runs import Record, in_order

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", ddp.PROFILES)


def fake(runs):
    """A record per run: modules have 10 points more under corruptions than frozen networks."""
    records = []
    for run in runs:
        better = 10.0 if run.method == "ddp" else 0.0
        metrics = {"top1": 50 + better + run.seed / 10, "validation_top1": 40.0}
        for spec in degrade.each(run.evaluate):
            name = degrade.label(spec)
            value = 80.0 - better if name == "none" else 70 - 8.0 * int(name[-1]) + better
            metrics[f"top1@{name}"] = value + run.seed / 10
        if run.method == "ddp":
            metrics |= {"drift": 0.5, "drift_left": 0.25}
        if run.method == "drift":
            metrics |= dict.fromkeys(ddp_tables.DRIFT, 0.25)
        records.append(Record(run, metrics, (), {"seconds": 12.0, "images_per_second": 300.0}))
    return records


def asked_for(profile, dataset=None):
    """All runs of a profile, and those that they use."""
    settings = ddp.PROFILES[profile]
    plan = ddp.plan(settings, dataset or settings.datasets[0], fake)
    return in_order([run for cells in plan.values() for runs in cells.values() for run in runs])


def studied(profile, results=fake):
    settings = ddp.PROFILES[profile]
    return settings, {name: ddp.study(settings, name, results) for name in settings.datasets}


@pytest.fixture(autouse=True)
def photographs(monkeypatch, tmp_path):
    """Frost is only built here, not drawn."""
    monkeypatch.setattr(degrade.specs, "find_textures", lambda folder=None: tmp_path)


@PROFILES
def test_every_run_can_be_built(profile):
    runs = {(r.method, r.network, *r.uses, *r.options.items()): r for r in asked_for(profile)}
    for run in runs.values():
        for spec in (run.degrade, *degrade.each(run.evaluate)):
            degrade.build(spec)
        with torch.device("meta"):
            methods.build_network(run, TASK)


@PROFILES
def test_only_what_judges_the_setting_keeps_images_out(profile):
    """And it is tested on those alone, under nothing else."""
    for run in asked_for(profile):
        assert not (run.holdout and run.evaluate), run.label
        assert not run.holdout or run.method == "supervised", run.label


def test_what_a_run_uses_is_of_its_seed():
    """A module's frozen network: pairs differ by seed together. Only retests keep the first's."""
    plan = ddp.plan(ddp.PROFILES["cpu"], "cifar10", fake)
    for item, cells in plan.items():
        for run in (run for runs in cells.values() for run in runs):
            used = {parent.seed for parent in run.uses.values()}
            assert used <= ({0} if item == "retest" else {run.seed}), run.label


@PROFILES
def test_seed_s_stands_at_position_s(profile):
    settings = ddp.PROFILES[profile]
    for cells in ddp.plan(settings, settings.datasets[0], fake).values():
        for runs in cells.values():
            assert [run.seed for run in runs] == list(range(len(runs)))


def test_cells_of_claims_have_all_seeds_and_the_others_few():
    settings = ddp.PROFILES["cpu"]
    plan = ddp.plan(settings, "cifar10", fake)
    items = {item: dict.fromkeys(cells, ()) for item, cells in plan.items()}
    claimed = {c for v in ddp_tables.verdicts(settings, "cifar10", items) for c in v.cells}
    counts = {cell: len(runs) for cells in plan.values() for cell, runs in cells.items()}
    assert claimed
    assert {counts[cell] for cell in claimed} == {settings.seeds}
    few = [cell for cell in counts if cell.split("/")[0] in ("scale", "setting", "retest")]
    assert {counts[cell] for cell in (*few, "resnet18/ten")} == {settings.few_seeds}


@PROFILES
def test_modules_are_as_wide_as_their_networks_and_trained_alike(profile):
    settings = ddp.PROFILES[profile]
    study = ddp.Study(settings, settings.datasets[0])
    modules = [study.blind(network, 0) for network in settings.networks]
    for run in modules:
        assert run.uses == {"frozen": study.frozen(run.network, 0)}
        assert run.width == run.uses["frozen"].width
    same = {"network": "", "width": 1.0, "uses": {}}
    assert len({dataclasses.replace(run, **same) for run in modules}) == 1


def test_ten_images_come_from_another_data_set():
    study = ddp.Study(ddp.PROFILES["cpu"], "cifar10")
    run, own = (study.single("vgg16", 0, "fog", 5, elsewhere=flag) for flag in (True, False))
    frozen = study.frozen("vgg16", 0)
    assert (run.epochs, run.dataset, run.test_size) == (0, "cifar10", frozen.test_size)
    learned = run.uses["init"]
    assert (learned.dataset, learned.train_size, learned.degrade) == ("cifar100", 10, run.degrade)
    assert (own.uses["init"].dataset, own.uses["init"].train_size) == ("cifar10", 10)
    assert run.uses["frozen"] == learned.uses["frozen"] == frozen
    folder = ddp.Study(ddp.PROFILES["paper"], "imagenet@224").single("vgg16", 0, "fog", 5)
    assert folder.uses["init"].dataset == "cub@224"


def test_a_module_learns_one_condition_and_is_tested_under_it():
    study = ddp.Study(ddp.PROFILES["cpu"], "cifar10")
    for severity in (3, 5):
        cells = study.conditions("vgg16", "condition", severity, range(1))
        assert len(cells) == 15
        for cell, (run,) in cells.items():
            name = cell.rpartition("/")[2].partition("-")[0]
            assert (run.degrade["corruption"], run.degrade["severity"]) == (name, severity)
            assert run.uses["init"].degrade == run.degrade


def test_a_longer_module_has_the_same_images_and_more_steps():
    study = ddp.Study(ddp.PROFILES["cpu"], "cifar10")
    short, long = (study.blind_from_ten("resnet18", 0, factor).uses["init"] for factor in (1, 5))
    assert long.epochs == 5 * short.epochs
    assert dataclasses.replace(long, epochs=short.epochs) == short


def test_scales_have_networks_of_their_own_and_the_same_ten_images():
    settings = ddp.PROFILES["cpu"]
    cells = ddp.plan(settings, "cifar10", fake)["scale"]
    for factor in settings.scales:
        (run, *_) = cells[f"scale/{factor:g}/resnet18/condition/fog-5"]
        frozen = run.uses["frozen"]
        assert frozen.train_size == factor * settings.recipes["resnet18"].train_size
        assert run.uses["init"].train_size == 10
        assert cells[f"scale/{factor:g}/resnet18/frozen"][0] == frozen


def test_cub_is_asked_for_where_a_user_has_it(monkeypatch, tmp_path):
    """The paper's pair of data sets, CUB and ImageNet, as folders of photographs."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    settings, cell = ddp.PROFILES["paper"], "vgg16/condition/fog-5"
    plan = ddp.plan(settings, "imagenet@224", fake)
    assert cell not in plan["main"]
    assert "vgg16/frozen" in plan["main"]
    for part in ("train", "val"):
        (tmp_path / "cub" / part / "albatross").mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "cub" / part / "albatross" / "one.jpg")
    runs = ddp.plan(settings, "imagenet@224", fake)["main"][cell]
    assert [run.uses["init"].dataset for run in runs] == ["cub@224"] * settings.seeds


@PROFILES
def test_tables_are_whole(profile):
    settings, found = studied(profile)
    tables = ddp_tables.tables(settings, found)
    assert len(tables) >= 8
    for table in tables:
        assert table.rows, table.title
        assert all(len(row) == len(table.headers) for row in table.rows), table.title
        whole = [row for row in table.rows if "–" not in row]
        assert whole or "Claims" in table.title, table.title


@PROFILES
def test_tables_of_what_was_not_measured_are_left_out(profile):
    settings, found = studied(profile, lambda runs: [])
    titles = [table.title for table in ddp_tables.tables(settings, found)]
    assert [title.split()[0].strip(",") for title in titles] == ["Printed", "JPEG", "Claims"]
    jpeg = ddp_tables.tables(settings, found)[1]
    assert all("printed" in row[0] for row in jpeg.rows)


def test_every_claim_has_its_cells():
    settings, found = studied("paper")
    table = ddp_tables.claims(settings, "cifar10", found["cifar10"])
    assert len(table.rows) == len(read_claims("ddp"))
    assert not [row for row in table.rows if row[-1] == "not tested"]


def test_claims_are_judged_by_the_sign_of_the_effect():
    settings, found = studied("cpu")
    verdicts = ddp_tables.verdicts(settings, "cifar10", found["cifar10"])
    by_cells = {(v.claim.better, v.claim.worse, v.claim.metric): v for v in verdicts}
    gain = by_cells["condition-5", "frozen-5", "condition"]
    assert gain.network == "resnet18"
    # 60 points of every module, 30 of the network without
    assert (gain.word, round(gain.effect)) == ("holds", 30)
    clean = by_cells["frozen", "blind", "hq"]
    assert (clean.word, round(clean.effect)) == ("holds", 10)


def test_a_profile_without_the_claims_severity_judges_at_the_severest():
    settings, found = studied("demo")
    assert settings.severities == (5,)
    verdicts = ddp_tables.verdicts(settings, "synthdigits", found["synthdigits"])
    own = [v for v in verdicts if v.claim.headline]
    assert [v.claim.worse for v in own] == ["frozen-5", "frozen-5"]
    assert {v.condition for v in own} == {"severity 5"}
    assert {v.word for v in own} == {"holds"}
    settings, found = studied("cpu")
    verdicts = ddp_tables.verdicts(settings, "cifar10", found["cifar10"])
    conditions = {v.claim.network: v.condition for v in verdicts if v.claim.headline}
    assert conditions == {"resnet50": "severity 5", "vgg16": "severity 3"}


def test_headline_claims_alone_are_tried_at_other_scales():
    settings, found = studied("cpu")
    curves = ddp_tables.scale(settings, "cifar10", found["cifar10"])
    assert len(curves) == 2
    assert all(list(curve.points) == [1250, 5000, 20_000] for curve in curves)
    assert ddp.plan(ddp.PROFILES["demo"], "synthdigits", fake)["scale"] == {}


def test_the_setting_is_judged_by_twice_the_epochs_and_by_the_room():
    settings, found = studied("cpu")
    scores = ddp_tables.scores("cifar10", found["cifar10"])
    rows = ddp_tables.setting(settings, "cifar10", scores).rows
    # 80 % on clean images, 30 % at severity 5, 46 % at severity 3; 20 and 18 points are claimed
    assert [row[-1] for row in rows] == ["yes", "yes", "yes", "yes"]
    assert [row[1].split()[0] for row in rows[2:]] == ["+50.00", "+34.00"]


def test_a_claim_is_measured_on_the_studys_cells():
    settings, found = studied("cpu")
    verdicts = ddp_tables.verdicts(settings, "cifar10", found["cifar10"])
    headline = next(v for v in verdicts if v.claim.worse == "frozen-3")
    modules = [f"vgg16/condition/{name}-3" for name in seen("cifar10")]
    assert headline.cells == (*modules, "vgg16/frozen")
    cells = {cell for cells in found["cifar10"].values() for cell in cells}
    for verdict in verdicts:
        assert set(verdict.cells) <= cells, verdict.claim.text
