"""Verdicts, tables and sentences of the chapter on simple self-distillation, from made-up records:
no sentence can say what its numbers do not."""

import re
from zlib import crc32

import pytest

from paperlib.evidence.claims import read_claims
from paperlib.papers.ssdl import numbers as ssdl_numbers
from paperlib.papers.ssdl import study as ssdl
from paperlib.papers.ssdl import tables as ssdl_tables
from paperlib.papers.ssdl import words
from paperlib.runs import Record

SETTINGS = ssdl.PROFILES["cpu"]
NOISE = SETTINGS.levels[0]
JITTER = (0.0, 0.2, -0.1, 0.1, -0.2)
LAYERS = ("stem", "stage4")


def measured(gains, seeds=5, ckas=None):
    """What `ssdl.study` returns if every cell has 50 % plus its gain, with a little spread."""
    plan = ssdl.plan(SETTINGS, "cifar10", lambda runs: [])
    base = {
        "ceiling/clean": 20.0,
        f"stl/{NOISE}": 5.0,
        "setting/clean/1": 5.0,
        "setting/clean/2": 6,
    }
    shifts = {**base, **gains}

    def record(cell, run):
        value = 50 + shifts.get(cell, 0.0) + JITTER[(run.seed * (1 + crc32(cell.encode()) % 4)) % 5]
        metrics = {"top1": value, "validation_top1": value, "psnr": value / 2, "psnr_noisy": 14.0}
        for name, cka in (ckas or {}).items():
            metrics |= {f"cka@{layer}/{name}": cka + run.seed / 100 for layer in LAYERS}
            metrics[f"cosine@stem/{name}"] = 0.0
        return Record(run, metrics, (), {})

    return {
        item: {cell: [record(cell, run) for run in runs[:seeds]] for cell, runs in cells.items()}
        for item, cells in plan.items()
    }


def words_of(items):
    found = ssdl_tables.verdicts(SETTINGS, "cifar10", items)
    return {v.claim.worse: v.word for v in found if v.claim.better == f"ssdl/{NOISE}"}


def test_four_headline_claims_each_about_one_method():
    claims = [claim for claim in read_claims("ssdl") if claim.headline]
    assert [claim.worse for claim in claims] == [
        f"{name}/{NOISE}" for name in ("noisy", "stl", "joint", "n2n")
    ]
    assert {claim.margin for claim in claims} == {ssdl_tables.MARGIN}
    assert [claim.kind for claim in claims] == ["better", "as good as", "better", "better"]
    assert all(claim.quote for claim in claims)


def test_the_slides_say_what_is_quoted():
    slides = {
        "Leveraging property of feature extractor that naturally removes unnecessary features",
        "Proposed method achieves comparable performance to STL even without clean images",
        "More direct way without denoiser inspired by knowledge distillation",
        "Blurry image (NOT suitable for image classification)",
        "",
    }
    assert {claim.quote for claim in read_claims("ssdl")} == slides


def test_every_kind_of_verdict():
    student = {f"ssdl/{NOISE}": 5.0, f"joint/{NOISE}": 8.0, f"n2n/{NOISE}": 5.1}
    assert words_of(measured(student)) == {
        f"noisy/{NOISE}": "holds",
        f"stl/{NOISE}": "holds",
        f"joint/{NOISE}": "reversed",
        f"n2n/{NOISE}": "no effect",
    }
    assert words_of(measured({f"ssdl/{NOISE}": 2.0}))[f"stl/{NOISE}"] == "reversed"
    assert set(words_of(measured({}, seeds=0)).values()) == {"not tested"}
    assert set(words_of(measured({}, seeds=2)).values()) == {"undecided"}


def test_all_is_as_good_as_a_teacher_that_teaches_nothing():
    """Then equivalence to it says nothing, and is not claimed."""
    items = measured({f"stl/{NOISE}": 0.3, f"ssdl/{NOISE}": 0.2})
    assert words_of(items)[f"stl/{NOISE}"] == "not testable here"


def test_no_claim_is_judged_on_data_for_detection():
    assert ssdl_tables.verdicts(SETTINGS, "scenes", {"main": {}}) == []


def test_the_setting_is_judged_by_twice_the_epochs():
    found = ssdl_numbers.scores(measured({"setting/noisy/2": 4.0}))
    rows = ssdl_tables.setting(SETTINGS, "cifar10", found).rows
    assert [row[-1] for row in rows] == ["yes", "no", "yes", "yes"]


def test_effects_by_number_of_images():
    fewest, fewer = f"scale/{1 / 16:g}/ssdl/{NOISE}", f"scale/0.25/ssdl/{NOISE}"
    gains = {f"ssdl/{NOISE}": 1.0, fewer: 3.0, fewest: 6.0}
    curves = ssdl_tables.scale(SETTINGS, "cifar10", measured(gains))
    own = curves[0]
    assert own.claim.worse == f"noisy/{NOISE}"
    assert [round(own.points[size].mean) for size in (94, 375, 1500)] == [6, 3, 1]
    assert own.trend in ("falls", "vanishes")
    assert len(curves) == 4


@pytest.mark.parametrize(
    ("gain", "says", "ends"),
    [(3.0, "is ahead of", "more than"), (-3.0, "is behind", "had better train the baseline")],
)
def test_sentences_on_compute_turn_with_the_sign(gain, says, ends):
    items = measured({f"ssdl/{NOISE}": gain})
    found = ssdl_numbers.scores(items)
    first = words.compute(SETTINGS, found).splitlines()[0]
    assert f"SSDL {says} the noisy baseline that trains as long: {gain:+.0f}"[:-1] in first
    verdicts = ssdl_tables.verdicts(SETTINGS, "cifar10", items)
    assert ends in words.conclusion(SETTINGS, found, verdicts).splitlines()[-1]


def test_what_is_not_told_apart_is_not_called_ahead():
    found = ssdl_numbers.scores(measured({}))
    for text in (
        words.compute(SETTINGS, found).splitlines()[0],
        words.schedules(SETTINGS, found),
        words.teachers(SETTINGS, found),
        words.draws(SETTINGS, found),
        words.restored(SETTINGS, found),
    ):
        assert "cannot be told from" in text
        assert not re.search("ahead|behind ", text.replace("Behind", "")), text


def test_a_stronger_teacher_is_better_only_if_its_student_is():
    found = ssdl_numbers.scores(measured({"student/2.3": 4.0}))
    text = words.teachers(SETTINGS, found)
    assert text.startswith("The student of the teacher with 2.3 times the epochs is ahead of that")
    assert "0.43 times: +" in text


def test_features_stand_between_their_controls():
    own = {"other_noisy": 0.7, "network_noisy": 0.5, "again_clean": 0.9}
    found = ssdl_numbers.scores(measured({}, ckas=own))
    text = words.features(SETTINGS, found)
    assert "is above that of the clean teacher, noisy images" in text
    assert "is below that of the second clean teacher, clean images (-0.20" in text


def test_the_conclusion_says_what_the_verdicts_mean():
    items = measured({f"ssdl/{NOISE}": 2.0, f"joint/{NOISE}": 2.0, f"n2n/{NOISE}": -2.0})
    verdicts = ssdl_tables.verdicts(SETTINGS, "cifar10", items)
    lines = words.conclusion(SETTINGS, ssdl_numbers.scores(items), verdicts).splitlines()
    texts = [line.removeprefix("- ") for line in lines[:4]]
    assert texts == [
        words.MEANS["noisy"]["holds"],
        words.MEANS["stl"]["reversed"],
        words.MEANS["joint"]["no effect"],
        words.MEANS["n2n"]["holds"],
    ]


def test_without_records_nothing_is_said():
    items = measured({}, seeds=0)
    found = ssdl_numbers.scores(items)
    for function in (
        words.compute,
        words.schedules,
        words.teachers,
        words.draws,
        words.restored,
        words.features,
    ):
        assert function(SETTINGS, found) == ""
    assert words.detected(found) == ""
    verdicts = ssdl_tables.verdicts(SETTINGS, "cifar10", items)
    lines = words.conclusion(SETTINGS, found, verdicts).splitlines()
    assert len(lines) == 4
    assert all("not tested" in line for line in lines)


def test_tables_show_what_was_measured_alone():
    items = measured({f"ssdl/{NOISE}": 3.0})
    for item in items:
        kept = (f"noisy/{NOISE}", f"ssdl/{NOISE}", f"stl/{NOISE}") if item == "main" else ()
        items[item] = {cell: rows if cell in kept else [] for cell, rows in items[item].items()}
    claims, *tables = ssdl_tables.tables(SETTINGS, {"cifar10": items})
    assert "not tested" in str(claims)
    setting, main, gains = tables[:3]
    assert len(setting.rows) == 1
    assert list(main.headers) == ["method", "clean images", "Gaussian, σ = 60"]
    assert len(main.rows) == 3
    assert len(gains.rows) == 2
    for table in tables:
        assert table.rows, table.title
        assert not [row for row in table.rows if set(row[2:]) == {"–"}], table.title
    nothing = ssdl_tables.tables(SETTINGS, {"cifar10": {item: {} for item in items}})
    assert [table.title[:6] for table in nothing] == ["Claims"]
    assert words.if_any(main) is main
    assert words.if_any(ssdl_tables.tuning(SETTINGS, "cifar10", ssdl_numbers.scores(items))) == (
        "*Not measured in this setting.*"
    )


def test_gains_have_the_intervals_of_the_verdicts():
    """Seeds are added until a claim is decided, so that ordinary intervals would be too narrow."""
    items = measured({f"ssdl/{NOISE}": 3.0})
    found = ssdl_numbers.scores(items)
    rows = {row[0]: row[1] for row in ssdl_tables.gains(SETTINGS, "cifar10", found)[0].rows}
    (verdict,) = [
        v
        for v in ssdl_tables.verdicts(SETTINGS, "cifar10", items)
        if (v.claim.better, v.claim.worse) == (f"ssdl/{NOISE}", f"noisy/{NOISE}")
    ]
    assert rows["SSDL"] == f"**{verdict.measured.text()}**"
    assert "**" not in rows[ssdl.METHODS["n2n"]]


def test_detectors_are_compared_with_the_one_without_a_teacher():
    plan = ssdl.plan(SETTINGS, "scenes", lambda runs: [])
    shift = {"detector/ssdl": 5.0, "detector/stl": 0.0, "detector/noisy": 0.0}
    items = {
        item: {
            cell: [Record(run, {"map50": 60 + shift[cell] + run.seed / 10}, (), {}) for run in runs]
            for cell, runs in cells.items()
        }
        for item, cells in plan.items()
    }
    first, second = words.detected(ssdl_numbers.scores(items)).splitlines()
    assert "noisy teacher is ahead of" in first
    assert "clean teacher cannot be told from" in second
