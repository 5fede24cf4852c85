"""Feature quantization's runs, and the tables and curves that are made of their records."""

import dataclasses

import pytest
import torch

from paperlib import degrade, methods, papers
from paperlib.datasets import load
from paperlib.evidence.claims import read_claims, read_csv
from paperlib.methods import Task
from paperlib.papers.fq import study as fq
from paperlib.papers.fq import tables as fq_tables
from paperlib.runs import Record, in_order
from paperlib.study import select

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
PROFILES = pytest.mark.parametrize("profile", fq.PROFILES)
STRENGTHS = dict.fromkeys(fq.DISTORTIONS, 0.5)


def fake(runs):
    """A record per run: accuracies by non-linearity, seed and distortion, and strengths of 0.5."""
    records = []
    for run in runs:
        better = 1.0 + run.seed / 10 if run.method == "fq" else 0.0
        metrics = {"top1": 50 + better, "map50": 80.0, "map": 40.0}
        metrics |= {f"top1@{degrade.label(spec)}": 30 + 2 * better for spec in run.evaluate}
        if run.method == "calibration":
            metrics |= {
                f"validation_{what}@{n}": 0.5
                for n in fq.DISTORTIONS
                for what in ("strength", "kept")
            }
        if run.method == "moments":
            metrics |= {"conv1_1/skewness_median": 0.25, "conv1_1/constant": 0.0}
        records.append(Record(run, metrics, (), {}))
    return records


def studies(profile, results=fake):
    settings = fq.PROFILES[profile]
    return settings, {name: fq.study(settings, name, results) for name in settings.datasets}


def asked_for(profile):
    asked = []
    studies(profile, lambda runs: asked.extend(runs) or fake(runs))
    return in_order(asked)


@pytest.mark.slow
@PROFILES
def test_every_run_can_be_built(profile):
    for run in {
        (r.method, r.network, *r.uses, *r.options.items()): r for r in asked_for(profile)
    }.values():
        for spec in (run.degrade, *run.evaluate):
            degrade.build(spec)
        if run.method in ("supervised", "fq"):
            with torch.device("meta"):
                methods.build_network(run, TASK)
        else:
            methods.build_network(run, TASK)


@PROFILES
def test_paired_runs_differ_by_the_non_linearity_alone(profile):
    settings = fq.PROFILES[profile]
    runs = fq.Study(settings, settings.datasets[0])
    for cells in (runs.table1(), runs.table3(STRENGTHS)):
        for cell, own in cells.items():
            assert own, cell
            for run, base in zip(own, cells[cell.split("/")[0] + "/base"], strict=False):
                plain = {"method": "supervised", "options": {}, "uses": {}}
                assert dataclasses.replace(run, **plain) == dataclasses.replace(base, **plain), cell


@PROFILES
def test_images_for_the_calibration_are_in_no_training(profile):
    settings = fq.PROFILES[profile]
    runs = fq.Study(settings, settings.datasets[0])
    assert runs.calibration().holdout == settings.holdout > 0
    for own in runs.table3(STRENGTHS).values():
        assert all(
            run.holdout == settings.holdout and run.uses["init"].holdout == settings.holdout
            for run in own
        )


@PROFILES
def test_every_data_set_has_the_images(profile):
    sizes = {"synthdigits": (20_000, 5_000), "scenes": (2_500, 400)}
    for run in asked_for(profile):
        train, test = sizes.get(run.dataset, (50_000, 10_000))
        assert run.train_size + run.holdout <= train, run.label
        assert run.test_size <= test, run.label


@pytest.mark.parametrize(
    ("name", "train", "test"), [("synthdigits", 20_000, 5_000), ("scenes", 2_500, 400)]
)
def test_the_embedded_data_sets_have_these_sizes(name, train, test):
    data = load(name)
    assert (len(data.train), len(data.test)) == (train, test)


def test_the_paper_profile_is_the_papers():
    settings = fq.PROFILES["paper"]
    assert settings.datasets == ("cifar10", "cifar100", "voc2007")
    assert settings.seeds >= 5  # the effects are tenths of a point
    for runs in fq.Study(settings, "cifar10").table1().values():
        assert [run.seed for run in runs] == list(range(settings.seeds))
        assert all(
            (run.width, run.train_size, run.test_size, run.epochs) == (1.0, 0, 0, 100)
            for run in runs
        )


def test_the_share_that_each_distortion_leaves():
    shares = fq.fractions()
    assert shares["motion_blur"] == round(31.0 / 90.3, 3)  # top-5 of top-5
    assert shares["targeted_occlusion"] == round(48.4 / 69.76, 3)  # top-1 of top-1
    assert list(shares) == list(fq.DISTORTIONS)


@PROFILES
def test_a_distorted_detector_is_the_clean_one(profile):
    """Distortions are for tests alone, and both kinds of detectors are trained alike."""
    settings = fq.PROFILES[profile]
    cells = fq.Study(settings, settings.datasets[-1]).fig4()
    for kind in ("base", "pow-1"):
        clean = cells[f"detector/{kind}/clean"]
        assert [run.seed for run in clean] == list(range(settings.detector_seeds))
        for chain in ("minor", "heavy"):
            runs = cells[f"detector/{kind}/{chain}"]
            assert [run.uses for run in runs] == [{"init": run} for run in clean]
            assert all(run.epochs == 0 for run in runs)
    for base, ours in zip(cells["detector/base/clean"], cells["detector/pow-1/clean"], strict=True):
        assert dataclasses.replace(ours, options=base.options) == base
        assert ours.options.items() >= base.options.items()


def test_strengths_beyond_the_strongest():
    assert fq.distorted("inpainting", 1.4)["strength"] == 1.0
    study = fq.Study(fq.PROFILES["smoke"], "synthdigits")
    run = study.classifier("resnet50", 0)
    tested = study.under(run, {"inpainting": 0.8}, fq.STRENGTHS)
    strengths = [spec["strength"] for spec in tested.evaluate if spec["name"] == "distortion"]
    assert strengths == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_items_by_data_set():
    _, measured = studies("cpu")
    first, second, scenes = measured.values()
    assert all(first[item] for item in fq.ITEMS if item != "fig4")
    assert not first["fig4"]
    assert second["table1"]
    assert not any(second[item] for item in fq.ITEMS if item != "table1")
    assert scenes["fig4"]
    assert not any(scenes[item] for item in fq.ITEMS if item != "fig4")


def test_without_a_calibration_the_rest_is_asked_for():
    """A reader of committed records may have Table 1 and nothing else."""
    asked = []
    items = fq.study(fq.PROFILES["cpu"], "cifar10", lambda runs: asked.extend(runs) or [])
    assert not items["table3"]
    study = fq.Study(fq.PROFILES["cpu"], "cifar10")
    for cells in (study.table1(), study.ablations()):
        assert all(set(runs) <= set(asked) for runs in cells.values())


@PROFILES
def test_all_tables_are_made_of_records_and_even_of_nothing(profile):
    for results in (fake, lambda runs: []):
        settings, measured = studies(profile, results)
        tables = fq_tables.tables(settings, measured)
        assert tables
        for table in tables:
            assert table._repr_markdown_()
            assert all(len(row) == len(table.headers) for row in table.rows), table.title


@PROFILES
def test_titles_say_what_a_profile_reduces(profile):
    settings, measured = studies(profile)
    titles = [table.title for table in fq_tables.tables(settings, measured)]
    ours = (
        "Table 1. Classification",
        f"Table 3, ours: {settings.datasets[0]}",
        "What the supplement",
    )
    for start in ours:
        (title,) = (title for title in titles if title.startswith(start))
        assert (f"REDUCED setting `{profile}`: " in title) == (profile != "paper")
    assert profile != "paper" or not any("REDUCED" in title for title in titles)


def test_every_number_of_the_paper_has_its_cell():
    _, measured = studies("cpu")
    table1 = {row["cell"] for row in read_csv("fq", "table1")}
    assert table1 == set(measured["cifar10"]["table1"])
    found = fq_tables.scores({**measured["cifar10"], "fig4": measured["scenes"]["fig4"]})
    for row in read_csv("fq", "table3"):
        assert all(found.values(row["cell"], name) for name in ("clean", *fq.DISTORTIONS))
    for claim in read_claims("fq"):
        assert all(found.values(cell, claim.metric) for cell in claim.cells()), claim
        assert claim.points > 0
        assert claim.dataset in fq_tables.PARTS


def test_claims_follow_from_the_papers_tables():
    """Effects in claims.csv are differences of the numbers in table1.csv and table3.csv."""
    errors = {
        (row["dataset"], row["cell"]): float(row["error"]) for row in read_csv("fq", "table1")
    }
    table3 = {row["cell"]: row for row in read_csv("fq", "table3")}
    checked = 0
    for claim in read_claims("fq"):
        better, worse = claim.cells()
        if claim.dataset.startswith("cifar"):
            difference = errors[claim.dataset, worse] - errors[claim.dataset, better]
        elif "Table 3" in claim.source:
            difference = float(table3[better][claim.metric]) - float(table3[worse][claim.metric])
        else:
            continue
        checked += 1
        assert claim.points == pytest.approx(difference, abs=1e-6), claim
    assert checked >= 50


def test_verdicts_say_which_part_of_the_paper_they_are_about():
    settings, measured = studies("cpu")
    found = {name: fq_tables.verdicts(settings, name, own) for name, own in measured.items()}
    parts = {
        name: {fq_tables.PARTS[verdict.claim.dataset] for verdict in own}
        for name, own in found.items()
    }
    assert parts == {
        "cifar10": {"Table 1", "Table 3 and abstract"},
        "cifar100": {"Table 1"},
        "scenes": {"Detection"},
    }
    claimed = {verdict.claim.dataset for verdict in found["cifar100"]}
    assert claimed == {"cifar100"}
    words = {}
    for verdict in found["cifar10"]:
        words.setdefault((verdict.claim.cells(), verdict.claim.metric), set()).add(verdict.word)
    # what is better by 1.2 points, in a reduced setting
    assert words[("smallcnn/l1/pow-1", "smallcnn/base"), "top1"] == {"direction only"}
    assert words[("smallcnn/base", "smallcnn/l1/pow-2"), "top1"] == {"not reproduced"}
    assert words[("resnet18/base", "resnet18/sf-10"), "jpeg_compression"] == {"not reproduced"}
    titles = [table.title for table in fq_tables.claims(settings, "scenes", measured["scenes"])]
    kind = "reduced setting: only the direction can be judged"
    assert titles == [f"Detection. Claims, measured on scenes ({kind})"]


def test_on_other_data_the_claims_about_cifar10_are_judged():
    settings = select(fq.PROFILES, "cpu", ["svhn"])
    items = {**fq.study(settings, "svhn", fake), "table3": {}}
    claims = {verdict.claim for verdict in fq_tables.verdicts(settings, "svhn", items)}
    assert claims == {claim for claim in read_claims("fq") if claim.dataset == "cifar10"}


def test_gains_are_paired_and_marked():
    settings, measured = studies("cpu")
    table = fq_tables.gains("cifar10", fq_tables.scores(measured["cifar10"]))
    row = next(row for row in table.rows if row[0] == "Plain-10 +POW-1")
    assert row[1] == "**+1.10 ± 0.25**"  # seeds 0 to 2: 1.0, 1.1, 1.2
    assert row[2] == "**+2.20 ± 0.50**"
    assert settings.seeds > fq.SEEDS == 3


def test_errors_have_standard_deviations():
    _, measured = studies("cpu")
    found = {name: fq_tables.scores(measured[name]) for name in ("cifar10", "scenes")}
    table = fq_tables.table1(fq.PROFILES["cpu"], found)
    assert table.headers == ["", "cifar10: paper", "cifar10: ours"]
    assert table.rows[0] == ["Base", "18.31 ± 0.15", "50.00 ± 0.00 (5)"]
    assert table.rows[1] == ["+POW-1, L1", "18.03 ± 0.19", "48.80 ± 0.16 (5)"]  # 50 - 1 - seed / 10


def test_curves_of_fig_3():
    _, measured = studies("cpu")
    curves = fq_tables.curves(fq_tables.scores(measured["cifar10"]))
    assert list(curves) == list(fq.DISTORTIONS.values())
    assert list(curves["JPEG"]) == ["ResNet-50", "+SF-10", "+SF-100", "+POW-1", "+HPOW"]
    curve = curves["JPEG"]["+SF-10"]
    assert list(curve) == [0.0, 0.125, 0.25, 0.375, 0.5, 0.75]
    assert curve[0.0].mean == pytest.approx(51.1)
    assert curve[0.25].mean == pytest.approx(32.2)


def test_networks_as_tables():
    table = fq_tables.layers("Table 2", "smallcnn", 10, 32)
    assert "62,250 parameters" in table.title
    assert [row[0] for row in table.rows][:3] == ["conv 3×3, 32", "max-pool 2×2", "conv 3×3, 64"]
    table = fq_tables.layers("Table 4", "plain10", 1000, 224)
    assert "5,244,968 parameters" in table.title
    assert sum(row[0].startswith("conv") for row in table.rows) == 9


def test_a_profile_with_data_sets_of_ones_own():
    settings = select(fq.PROFILES, "cpu", ["cifar100"], 2)
    items = fq.study(settings, "cifar100", fake)
    assert items["table3"]  # the first data set for classification has all
    assert len(items["table1"]["smallcnn/base"]) == 2
    assert papers.study("fq") is fq
