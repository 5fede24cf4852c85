"""The runs of ddp, sfd, ssdl and the comparison, and the tables made of their records."""

import dataclasses

import pytest
import torch
from PIL import Image

from paperlib import degrade, methods, papers
from paperlib.degrade.tables import EXTRA
from paperlib.evidence.claims import read_claims
from paperlib.methods import Task
from paperlib.papers.compared import study as compared
from paperlib.papers.ddp import study as ddp
from paperlib.papers.ddp import tables as ddp_tables
from paperlib.papers.sfd import study as sfd
from paperlib.papers.sfd import tables as sfd_tables
from paperlib.papers.ssdl import study as ssdl
from paperlib.runs import Record, in_order

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
EXPERIMENTS = {"ddp": ddp, "sfd": sfd, "ssdl": ssdl, "compared": compared}
ALL = pytest.mark.parametrize(
    ("slug", "profile"),
    [(slug, profile) for slug, module in EXPERIMENTS.items() for profile in module.PROFILES],
)
# Tables with cells that nothing is to stand in: what the sources do not print, what no module was
# trained for, theta of networks that have none, claims about networks that a profile lacks, a test
# of equivalence with one seed.
PARTLY = ("poster:", "Gain over the frozen", "Features", "Claims", "SSDL against STL")
DRIFT = (*ddp_tables.DRIFT, "alignment_clusters")


def fake(runs):
    """A record per run: what learns from degraded images has 10 points more under corruptions."""
    records = []
    for run in runs:
        better = 10.0 if run.method in ("sfd", "ddp", "vid", "qualnet", "urie") else 0.0
        metrics = {"top1": 50 + better + run.seed, "validation_top1": 40.0, "map50": 60.0}
        if run.method in ("denoising", "joint"):
            metrics |= {"psnr": 25.0, "psnr_noisy": 18.0}
        for spec in degrade.each(run.evaluate):
            name = degrade.label(spec)
            metrics[f"top1@{name}"] = 80.0 if name == "none" else 70 - 8.0 * int(name[-1]) + better
        if run.method == "ddp":
            metrics |= {"drift": 0.5, "drift_left": 0.25}
        if run.method == "drift":
            metrics |= dict.fromkeys(DRIFT, 0.25)
        if run.method == "features":
            metrics |= dict.fromkeys(sfd_tables.FEATURES, 0.5)
        records.append(Record(run, metrics, (), {"seconds": 12.0, "images_per_second": 300.0}))
    return records


def studies(slug, profile, results=fake):
    settings = EXPERIMENTS[slug].PROFILES[profile]
    return settings, {
        name: EXPERIMENTS[slug].study(settings, name, results) for name in settings.datasets
    }


def asked_for(slug, profile):
    asked = []
    studies(slug, profile, lambda runs: asked.extend(runs) or fake(runs))
    return in_order(asked)


@pytest.fixture(autouse=True)
def photographs(monkeypatch, tmp_path):
    """Frost is only built here, not drawn."""
    monkeypatch.setattr(degrade.specs, "find_textures", lambda folder=None: tmp_path)


@ALL
def test_every_run_can_be_built(slug, profile):
    for run in {
        (r.method, r.network, *r.uses, *r.options.items()): r for r in asked_for(slug, profile)
    }.values():
        for spec in (run.degrade, *degrade.each(run.evaluate)):
            degrade.build(spec)
        with torch.device("meta"):
            methods.build_network(run, TASK)


@ALL
def test_unseen_corruptions_are_in_no_training(slug, profile):
    """Nor in that of any run that another one uses."""
    trained = [run for run in asked_for(slug, profile) if run.epochs]
    assert len(trained) > 5
    for run in trained:
        view = run.degrade
        shown = str(view.get("corruptions", view.get("corruption", ""))).split(",")
        assert not set(shown) & {*EXTRA, "extra", "all"}, run.label


@ALL
def test_nothing_is_chosen_on_test_images(slug, profile):
    """Runs with a parameter that is tuned keep out training images; those that the tables show
    train on all."""
    for run in asked_for(slug, profile):
        assert not (run.holdout and run.evaluate), run.label


@pytest.mark.parametrize("profile", sfd.PROFILES)
def test_lambda_is_tuned_on_images_that_no_network_behind_it_has_seen(profile):
    settings = sfd.PROFILES[profile]
    study = sfd.Study(settings, settings.datasets[0])
    cells = study.lambdas()
    assert list(cells) == [f"{name}/{v:g}" for name in ("wo-uem", "sfd") for v in sfd.LAMBDAS]
    tuned = [run for runs in cells.values() for run in runs]
    assert {run.holdout for run in in_order(tuned)} == {settings.holdout} != {0}
    shown = [
        run
        for cells in (study.main(), study.ablations())
        for runs in cells.values()
        for run in runs
    ]
    assert {run.holdout for run in in_order(shown)} == {0}


@pytest.mark.parametrize("slug", ["ddp", "sfd", "compared"])
def test_what_a_run_uses_is_of_its_seed(slug):
    """A student's teacher, a module's frozen network: pairs differ by seed together."""
    for run in asked_for(slug, "demo"):
        assert all(parent.seed == run.seed for parent in run.uses.values()), run.label


@pytest.mark.parametrize("profile", ddp.PROFILES)
def test_modules_are_as_wide_as_their_networks_and_trained_alike(profile):
    settings = ddp.PROFILES[profile]
    study = ddp.Study(settings, settings.datasets[0])
    modules = [study.blind(network, 0) for network in settings.networks]
    for run in modules:
        assert run.uses == {"frozen": study.frozen(run.network, 0)}
        assert run.width == run.uses["frozen"].width
    same = {"network": "", "width": 1.0, "uses": {}}
    assert len({dataclasses.replace(run, **same) for run in modules}) == 1


@pytest.mark.parametrize("profile", sfd.PROFILES)
def test_models_have_the_same_images_epochs_and_start(profile):
    settings = sfd.PROFILES[profile]
    study = sfd.Study(settings, settings.datasets[0])
    network = settings.networks[0]
    vanilla = study.vanilla(network, 0)
    same = (
        "dataset",
        "network",
        "width",
        "degrade",
        "evaluate",
        "train_size",
        "epochs",
        "batch_size",
        "flip",
        "crop",
    )
    runs = {name: study.model(network, 0, name) for name in sfd.MODELS}
    assert runs.pop("vanilla") == vanilla
    for name, run in runs.items():
        # an enhancer's
        theirs = [field for field in same if name != "urie" or field not in ("network", "width")]
        assert all(getattr(run, field) == getattr(runs["sfd"], field) for field in theirs), name
        assert vanilla in run.uses.values(), name
    for name in ("ce", "wo-uem", "sfd-code"):
        assert dataclasses.replace(runs[name], options={}) == dataclasses.replace(
            runs["sfd"], options={}
        )


def test_ten_images_come_from_another_data_set():
    study = ddp.Study(ddp.PROFILES["demo"], "cifar10")
    run, own = (study.from_ten("vgg16", 0, elsewhere) for elsewhere in (True, False))
    assert (run.epochs, run.dataset, run.uses["init"].dataset, run.uses["init"].train_size) == (
        0,
        "cifar10",
        "cifar100",
        10,
    )
    assert (own.uses["init"].dataset, own.uses["init"].train_size) == ("cifar10", 10)
    assert run.uses["frozen"] == run.uses["init"].uses["frozen"] == study.frozen("vgg16", 0)
    assert (
        ddp.Study(ddp.PROFILES["paper"], "imagenet@224").from_ten("vgg16", 0).uses["init"].dataset
        == "cub@224"
    )


def test_cub_is_asked_for_where_a_user_has_it(monkeypatch, tmp_path):
    """The paper's pair of data sets, CUB and ImageNet, as folders of photographs."""
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    study = ddp.Study(ddp.PROFILES["paper"], "imagenet@224")
    assert study.ten()["vgg16/ten"] == []
    for part in ("train", "val"):
        (tmp_path / "cub" / part / "albatross").mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "cub" / part / "albatross" / "one.jpg")
    runs = study.ten()["vgg16/ten"]
    assert [run.uses["init"].dataset for run in runs] == ["cub@224"] * study.settings.seeds


@ALL
def test_tables_are_whole(slug, profile):
    settings, found = studies(slug, profile)
    tables = papers.tables(slug).tables(settings, found)
    assert tables
    for table in tables:
        assert table.rows, table.title
        assert all(len(row) == len(table.headers) for row in table.rows), table.title
        if not any(part in table.title for part in PARTLY):
            assert not [row for row in table.rows if "–" in row], table.title


@ALL
def test_tables_without_records_say_so(slug, profile):
    settings, found = studies(slug, profile, lambda runs: [])
    tables = papers.tables(slug).tables(settings, found)
    assert tables
    for table in tables:
        assert all(len(row) == len(table.headers) for row in table.rows), table.title


@pytest.mark.parametrize("slug", ["ddp", "sfd"])
def test_every_claim_has_its_cells(slug):
    settings, found = studies(slug, "paper")
    (study,) = found.values()
    table = papers.tables(slug).claims(settings, settings.datasets[0], study)
    assert len(table.rows) == len(read_claims(slug))
    assert not [row for row in table.rows if row[-1] == "not tested"]


def test_claims_are_judged_by_the_sign_of_the_effect():
    settings, found = studies("sfd", "demo")
    table = sfd_tables.claims(settings, "synthdigits", found["synthdigits"])
    verdicts = {row[0]: row[-1] for row in table.rows}
    assert (
        verdicts["SFD beats the clean-trained network under seen corruptions, ResNet-50"]
        == "direction only"
    )
    assert verdicts["SFD beats SFD without UEM under seen corruptions, ResNet-50"] == "inconclusive"
    assert verdicts["SFD beats QualNet under seen corruptions, ResNeXt-101"] == "not tested"
    assert "ResNet-18 in place of ResNet-50" in table.title


def test_costs_count_what_is_used_at_test_time():
    settings, found = studies("sfd", "demo")
    scores = sfd_tables.scores("synthdigits", found["synthdigits"])
    rows = {row[0]: row[1:] for row in sfd_tables.costs(settings, "cifar10", scores).rows}
    vanilla, ours, code = (rows[sfd.MODELS[name]] for name in ("vanilla", "sfd", "sfd-code"))
    assert ours[0] == vanilla[0]
    assert ours[2] == vanilla[2]
    assert int(ours[1].replace(",", "")) > 0
    assert float(code[2].replace(",", "")) > float(vanilla[2].replace(",", ""))
    assert int(rows[sfd.MODELS["ddp"]][0].replace(",", "")) > int(vanilla[0].replace(",", ""))
