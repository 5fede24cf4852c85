"""Verdicts, tables, curves and sentences of the chapter on feature quantization, from made-up
records. The runs: test_fq_study.py."""

import pytest

from paperlib import degrade, report
from paperlib.evidence.claims import SHAPE, read_claims, read_csv
from paperlib.papers.fq import numbers, words
from paperlib.papers.fq import study as fq
from paperlib.papers.fq import tables as fq_tables
from paperlib.papers.fq.moments import LAYERS
from paperlib.runs import Record
from paperlib.study import select

PROFILES = pytest.mark.parametrize("profile", fq.PROFILES)
JITTER = (0.0, 0.2, -0.1, 0.1, -0.2)
SCORES = ("top1", "top5", "validation_top1", "map50", "map")
NAMES = dict.fromkeys(fq.DISTORTIONS, 0.5)


def results(gain=1.0, strengths=NAMES, kept=None, seeds=5, spread=1.0):
    """Makes results: what has a non-linearity is better by `gain`, and a little by its seed.

    Args:
        gain: in points; of what has none it is 0.
        strengths: that the calibration finds.
        kept: the shares that they leave; by default those that were asked for.
        seeds: of which there are records.
        spread: of what has a non-linearity over seeds, times `JITTER`.
    """

    def metrics(run):
        if run.method == "calibration":
            shares = {**fq.fractions(), **(kept or {})}
            found = {f"validation_strength@{name}": value for name, value in strengths.items()}
            return found | {f"validation_kept@{name}": value for name, value in shares.items()}
        if run.method == "moments":
            ends = ("median", "renormalised")
            shifts = {f"{n}_{end}": 0.25 for n in ("mean", "deviation") for end in ends}
            shifts |= {"mean_renormalised": 0.05, "skewness_median": 0.5, "kurtosis_median": 2.0}
            own = {**shifts, "constant": 0.0}
            return {
                f"{layer}/{n}": value for layer in LAYERS.split(",") for n, value in own.items()
            }
        plain = run.options.get("kind", "none") == "none"
        better = 0.0 if plain else gain + spread * JITTER[run.seed % 5]
        at = {f"{n}@{degrade.label(spec)}": 30 for spec in run.evaluate for n in SCORES}
        return {n: value + better for n, value in {**dict.fromkeys(SCORES, 50.0), **at}.items()}

    def made(runs):
        return [Record(run, metrics(run), (), {}) for run in runs if run.seed < seeds]

    return made


def studies(profile="cpu", made=None, names=None):
    settings = select(fq.PROFILES, profile, names)
    made = made or results()
    return settings, {name: fq.study(settings, name, made) for name in settings.datasets}


def judged(made=None, dataset="cifar10", names=None):
    settings, measured = studies(made=made, names=names)
    return fq_tables.verdicts(settings, dataset, measured[dataset])


# The claims


def test_four_headline_claims_are_about_noise():
    claims = [claim for claim in read_claims("fq") if claim.headline]
    assert {(c.network, c.better, c.metric) for c in claims} == {
        (network, model, f"top5@{noise}")
        for network, model in (("resnet18", "sf-10"), ("plain10", "pow-1"))
        for noise in ("ngrn_noise", "salt_and_pepper")
    }
    assert all(claim.margin == claim.points / 2 and claim.room == "clean" for claim in claims)


def printed():
    """(data set, cell) -> metric -> the paper's number, as `numbers.scores` names them."""
    found = {}
    for row in read_csv("fq", "table1"):
        error = float(row["error"])
        found[row["dataset"], row["cell"]] = {"top1": 100 - error, "error": error}
    for dataset in ("cifar10", "cifar100"):
        for penalty in fq.PENALTIES:
            own = [found[dataset, cell]["top1"] for cell in numbers.DERIVED[f"smallcnn/{penalty}"]]
            found[dataset, f"smallcnn/{penalty}"] = {"top1": sum(own) / len(own)}
    for row in read_csv("fq", "table3"):
        own = {numbers.metric(name): float(row[name]) for name in fq.DISTORTIONS}
        own |= {f"top5_error@{name}": 100 - float(row[name]) for name in fq.DISTORTIONS}
        found["imagenet", row["cell"]] = own
    return found


def test_claims_follow_from_the_papers_tables():
    paper, checked = printed(), 0
    for claim in read_claims("fq"):
        if "Table" not in claim.source:
            continue
        cells = [paper[claim.dataset, cell][claim.metric] for cell in claim.cells()]
        differences = [cells[0] - other for other in cells[1:]]
        if claim.kind == SHAPE:
            assert claim.points is None
            assert claim.margin == pytest.approx(min(differences) / 2), claim
        else:
            assert [claim.points] == pytest.approx(differences), claim
        checked += 1
    assert checked == 23


def test_every_claim_has_its_cells_and_every_number_its_cell():
    _, measured = studies()
    found = {name: numbers.scores(items) for name, items in measured.items()}
    homes = {"imagenet": "cifar10", "voc2007": "scenes"}
    left_out = [f"{n}" for n in fq.PROFILES["cpu"].left_out]
    for claim in read_claims("fq"):
        own = found[homes.get(claim.dataset, claim.dataset)]
        if not set(claim.cells()) & set(left_out):
            assert all(own.values(cell, claim.metric) for cell in claim.cells()), claim
    for dataset, cell in printed():
        assert found[homes.get(dataset, dataset)].values(cell), cell


# Scores


def test_top_5_counts_but_under_the_occlusion():
    run = fq.Study(fq.PROFILES["cpu"], "cifar10").classifier("resnet18", 0)
    specs = {name: fq.distorted(name, 0.5) for name in fq.DISTORTIONS}
    own = {f"top5@{degrade.label(spec)}": 70.0 for spec in specs.values()}
    own |= {f"top1@{degrade.label(spec)}": 20.0 for spec in specs.values()}
    (calibrated,) = results()([fq.Study(fq.PROFILES["cpu"], "cifar10").calibration()])
    items = {item: {} for item in fq.ITEMS} | {
        "calibration": {"strengths": [calibrated]},
        "table3": {"resnet18/base": [Record(run, {"top5": 90.0, "top1": 60.0, **own}, (), {})]},
    }
    found = numbers.scores(items)
    values = {name: found.values("resnet18/base", numbers.metric(name)) for name in specs}
    assert values.pop("targeted_occlusion") == {0: 20.0}
    assert all(value == {0: 70.0} for value in values.values())
    assert found.values("resnet18/clean", "top5@ngrn_noise") == {0: 90.0}
    assert found.values("resnet18/clean", "top1@targeted_occlusion") == {0: 60.0}
    assert found.values("resnet18/base", "top5_error@ngrn_noise") == {0: 30.0}


def test_derived_cells_are_made_of_planned_ones():
    _, measured = studies()
    there = {cell for items in measured.values() for own in items.values() for cell in own}
    assert {part for parts in numbers.DERIVED.values() for part in parts} <= there
    for verdict in judged():
        assert set(verdict.cells) <= there | {"resnet50/hpow"}, verdict.claim


# Verdicts


@pytest.mark.parametrize(
    ("gain", "word"), [(2.0, "holds"), (-2.0, "reversed"), (0.0, "no effect"), (0.1, "no effect")]
)
def test_headline_claims_are_decided(gain, word):
    own = [verdict for verdict in judged(results(gain)) if verdict.claim.headline]
    assert [verdict.word for verdict in own] == [word] * 4
    assert {v.n for v in own} == {5}


def test_claims_about_a_strength_that_is_not_reached_cannot_be_tested():
    at_most = {**NAMES, "jpeg_compression": 1.0, "ngrn_noise": 1.0}
    shares = {"jpeg_compression": 0.6, "ngrn_noise": 0.1}  # at its strongest, noise costs more
    words_of = {}
    for verdict in judged(results(2.0, at_most, shares)):
        _, _, name = verdict.claim.metric.partition("@")
        words_of.setdefault(name, set()).add(verdict.word)
        if name == "jpeg_compression":
            assert "leaves 0.60 of the accuracy, not 0.42" in verdict.why
    assert words_of["jpeg_compression"] == words_of[fq.MIXED] == {"not testable here"}
    assert "not testable here" not in words_of["ngrn_noise"] | words_of["motion_blur"]


def test_a_claim_is_about_what_distortions_leave_room_for():
    """Nothing is better on distorted images than the base network on clean ones."""
    own = next(verdict for verdict in judged() if verdict.claim.headline)
    assert own.room == 50 - 30


def test_each_data_set_judges_its_part_of_the_paper():
    settings, measured = studies()
    about = {
        name: {v.claim.dataset for v in fq_tables.verdicts(settings, name, items)}
        for name, items in measured.items()
    }
    assert about == {
        "cifar10": {"cifar10", "imagenet"},
        "cifar100": {"cifar100"},
        "scenes": {"voc2007"},
    }


def test_on_other_data_the_claims_about_cifar10_and_imagenet_are_judged():
    about = {v.claim.dataset for v in judged(dataset="svhn", names=["svhn"])}
    assert about == {"cifar10", "imagenet"}


def test_without_a_calibration_claims_under_distortions_are_not_tested():
    def none(runs):
        return [record for record in results()(runs) if record.run.method != "calibration"]

    own = judged(none)
    assert {v.word for v in own if v.claim.headline} == {"not tested"}
    assert {v.word for v in own if v.claim.dataset == "cifar10"} != {"not tested"}


# Tables


@PROFILES
def test_all_tables_are_made_of_records_and_even_of_nothing(profile):
    for made in (results(), lambda runs: []):
        settings, measured = studies(profile, made)
        tables = fq_tables.tables(settings, measured)
        assert tables
        for table in tables:
            assert table._repr_markdown_()
            assert all(len(row) == len(table.headers) for row in table.rows), table.title
            # no line of nothing but dashes, in tables of measurements
            if "Claims" not in table.title and "can show" not in table.title:
                assert all(set(row[1:]) != {report.NOTHING} for row in table.rows), table.title


@PROFILES
def test_titles_say_what_a_profile_reduces(profile):
    settings, measured = studies(profile)
    titles = [table.title for table in fq_tables.tables(settings, measured)]
    for start in ("Table 1. ", f"Table 3, ours: {settings.datasets[0]}", "What the supplement"):
        (title,) = (title for title in titles if title.startswith(start))
        assert (f"REDUCED setting `{profile}`: " in title) == (profile != "paper")
    assert profile != "paper" or not any("REDUCED" in title for title in titles)


def test_table_3_has_networks_and_what_is_added_to_them():
    settings, measured = studies()
    table = fq_tables.table3(settings, "cifar10", numbers.scores(measured["cifar10"]))
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Plain-10"][:2] == ("50.0", "30.0")
    assert rows["+POW-1"][:2] == ("**+1.0**", "**+1.0**")
    unsure = numbers.scores(studies(made=results(0.1))[1]["cifar10"])
    rows = {row[0]: row[1:] for row in fq_tables.table3(settings, "cifar10", unsure).rows}
    assert rows["+POW-1"][1] == "+0.1"  # 0.1 ± 0.2
    only = {"table3": {"plain10/base": measured["cifar10"]["table3"]["plain10/base"]}}
    items = {item: {} for item in fq.ITEMS} | only
    table = fq_tables.table3(settings, "cifar10", numbers.scores(items))
    assert [row[0] for row in table.rows] == ["Plain-10"]


def test_errors_have_standard_deviations():
    settings, measured = studies(made=results(seeds=3))
    found = {name: numbers.scores(items) for name, items in measured.items()}
    table = fq_tables.table1(settings, found)
    heads = ["", "cifar10: paper", "cifar10: ours", "cifar100: paper", "cifar100: ours"]
    assert table.headers == heads
    assert table.rows[0][1:3] == ["18.31 ± 0.15", "50.00 ± 0.00 (3)"]
    assert table.rows[1][1:3] == ["18.03 ± 0.19", "48.97 ± 0.15 (3)"]


def test_the_table_of_strengths_says_what_was_not_reached():
    made = results(strengths={**NAMES, "jpeg_compression": 1.0}, kept={"jpeg_compression": 0.47})
    found = numbers.scores(studies(made=made)[1]["cifar10"])
    rows = {row[0]: row[1:] for row in fq_tables.strengths("cifar10", found).rows}
    assert rows["JPEG"] == ("1.000", "0.421", "0.470", "**no**: the strongest there is")
    assert rows["NGRN noise"][-1] == "yes"
    said = words.calibration(found)
    assert "5 cost our base network" in said
    assert "**JPEG does not**: at its strongest it leaves 0.47 of" in said


def test_the_setting_asks_for_more_than_each_headline_claim():
    settings, measured = studies()
    table = fq_tables.setting(settings, "cifar10", numbers.scores(measured["cifar10"]))
    assert [row[-1] for row in table.rows] == ["yes"] * 6
    asked = {row[-2] for row in table.rows}
    assert asked == {"less than ±2", *(f"more than +{x:.2f}" for x in (6.8, 7.0, 5.4, 5.8))}


def test_headline_claims_at_three_numbers_of_images():
    settings, measured = studies()
    curves = fq_tables.scale(settings, "cifar10", measured["cifar10"])
    assert len(curves) == 4
    assert all(list(curve.points) == [375, 1500, 6000] for curve in curves)
    assert fq_tables.scale(*small("smoke")) == []


def small(profile):
    settings, measured = studies(profile)
    return settings, settings.main, measured[settings.main]


def test_curves_of_fig_3():
    curves = numbers.curves(numbers.scores(studies()[1]["cifar10"]))
    assert list(curves) == list(fq.DISTORTIONS.values())
    names = ["ResNet-18", "+SF-10", "+POW-1", "+HPOW"]
    assert list(curves["JPEG"]) == names
    curve = curves["JPEG"]["+SF-10"]
    assert list(curve) == [0.0, 0.125, 0.25, 0.375, 0.5, 0.75]
    assert curve[0.0].mean == pytest.approx(51 + 0.1 / 3)
    assert curve[0.25].mean == pytest.approx(31 + 0.1 / 3)


def test_networks_in_a_sentence():
    small_cnn = fq_tables.layers("Table 2", "smallcnn", 10, 32)
    assert "62,250 parameters: conv 3×3, 32; max-pool 2×2; conv 3×3, 64;" in small_cnn
    plain = fq_tables.layers("Table 4", "plain10", 1000, 224)
    assert "5,244,968 parameters" in plain
    assert plain.count("conv ") == 9
    assert plain.count(", stride 2") == 4


# Sentences


def test_sentences_of_nothing_say_so():
    items = {item: {} for item in fq.ITEMS}
    found = numbers.scores(items)
    for said in (words.calibration, words.moments, words.ablations, words.detected):
        assert said(found) == words.NOTHING_YET
    assert words.conclusion([]) == words.spread([]) == words.NOTHING_YET


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (2.0, "**POW-1 on Plain-10 helps against noise**, as the paper says: NGRN noise +2.00"),
        (0.0, "**SF-10 on ResNet-18 does nothing against noise** here: "),
        (-2.0, "**POW-1 on Plain-10 costs accuracy under noise** here: "),
    ],
)
def test_the_conclusion_follows_the_verdicts(gain, said):
    settings, measured = studies(made=results(gain))
    items = measured["cifar10"]
    verdicts = fq_tables.verdicts(settings, "cifar10", items)
    told = words.conclusion(verdicts, fq_tables.scale(settings, "cifar10", items))
    assert said in told
    assert "**Of the 20 other claims**: " in told
    assert "**From few images to many**, of 4 effects: 4 “stays”." in told


def test_the_conclusion_of_few_seeds_decides_nothing():
    told = words.conclusion(judged(results(2.0, seeds=2)))
    assert (
        "Whether SF-10 on ResNet-18 helps against noise is **not decided** for both kinds" in told
    )
    assert "helps against noise**, as the paper says" not in told


def test_what_the_spread_leaves_open():
    said = words.spread(judged(results(2.0, seeds=5, spread=60)))
    assert said.count("the gain varies by 9.5 points, so 20 seeds leave ±5.7; ") == 4
    assert "the paper's gain is +5.8, and the margin ±2.9." in said
    assert words.spread(judged(results(2.0, seeds=2))) == words.NOTHING_YET


def test_what_is_told_of_variants_and_detectors():
    _, measured = studies(made=results(2.0, seeds=3))
    told = words.ablations(numbers.scores(measured["cifar10"]))
    assert told.startswith("Of 12 variants, 3 are told from what they are compared with: ")
    assert "“HPOW” (+2.03 [+1.31, +2.75] points over 3 seeds)" in told
    said = words.detected(numbers.scores(measured["scenes"]))
    assert said.startswith("With POW-1, on clean scenes it is ahead of the one without (+2.03 [")
    _, measured = studies(made=results(0.0, seeds=3))
    assert "None of 12" in words.ablations(numbers.scores(measured["cifar10"]))
    assert "is not told from" in words.detected(numbers.scores(measured["scenes"]))


def test_what_renormalising_leaves():
    said = words.moments(numbers.scores(studies()[1]["cifar10"]))
    assert "smaller in 6 of 6 layers, and leaves 0.05 to 0.05 of a deviation" in said
    assert "0.50 to 0.50 in the median" in said
