"""Sentences of DFD's chapter, from made-up records: no sentence can say what its numbers do not."""

import re

import pytest

from paperlib.papers.dfd import study as dfd
from paperlib.papers.dfd import tables as dfd_tables
from paperlib.papers.dfd import words

CPU = dfd.PROFILES["cpu"]
BASE, STUDENT = "resnet18/lr/8", "resnet18/dfd/8"


def conclusion(items):
    found, judged = dfd_tables.scores(items), dfd_tables.verdicts(CPU, "cifar10", items)
    return words.conclusion(CPU, found, judged, dfd_tables.scale(CPU, "cifar10", items))


def test_of_nothing_nothing_is_said(measured):
    items = measured(seeds=0)
    found = dfd_tables.scores(items)
    judged = dfd_tables.verdicts(CPU, "cifar10", items)
    for text in (
        conclusion(items),
        words.choices(CPU, found),
        words.sweep(found, judged),
        words.earned(dfd_tables.setting(CPU, "cifar10", found)),
    ):
        assert text == words.NOTHING_YET


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        (3.0, "**The teacher's feature helps**"),
        (-3.0, "**does not help everywhere**"),
        (0.05, "**The teacher's feature does nothing**"),
    ],
)
def test_the_conclusion_follows_the_headline_claims(measured, gain, says):
    text = conclusion(measured({STUDENT: gain, "vgg16/dfd/8": gain}))
    assert text.startswith(says) or says in text.partition(".")[0]


@pytest.mark.parametrize("seeds", [0, 2])
def test_the_conclusion_is_open_where_one_headline_claim_is(measured, seeds):
    undecided = measured({STUDENT: 3.0, "vgg16/dfd/8": 3.0})
    for cell in ("hr", "lr/8", "dfd/8"):
        del undecided["table1"][f"vgg16/{cell}"][seeds:]
    assert "**not decided**" in conclusion(undecided).partition(".")[0]


def test_the_conclusion_counts_all_comparisons_with_a_base_network(measured):
    text = conclusion(measured({STUDENT: 3.0, "vgg16/dfd/8": 2.0, "alexnet/dfd/8": -2.0}))
    assert "Of 6 comparisons with a base network: 2 “holds”, 1 “reversed”, 3 “no effect”" in text
    assert re.search(r"with means from -[12]\.\d to \+[23]\.\d points", text)
    assert "Of 1 comparison with" in conclusion(
        {"table1": {c: r for c, r in measured()["table1"].items() if c in (BASE, STUDENT)}}
    )


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        (3.0, "A teacher is worth more than a better image"),
        (-3.0, "A better image is worth more than a teacher"),
        (0.02, "are equally good"),
    ],
)
def test_the_conclusion_on_super_resolution(measured, gain, says):
    assert says in conclusion(measured({STUDENT: gain}))


@pytest.mark.parametrize(
    ("vdsr", "says"),
    [
        (0.1, "As the paper says, VDSR changes little"),
        (4.0, "Other than the paper says, VDSR makes a difference"),
        (0.63, "Whether VDSR changes anything for a classifier behind it: undecided"),
    ],
)
def test_whether_a_better_image_helps_is_said_as_judged(measured, vdsr, says):
    assert says in conclusion(measured({"resnet18/vdsr/8": vdsr}))


@pytest.mark.parametrize(
    ("longer", "how"), [(0.0, "is ahead of"), (6.0, "is behind"), (3.0, "cannot be told from")]
)
def test_distillation_stands_beside_training_twice_as_long(measured, longer, how):
    text = conclusion(measured({STUDENT: 3.0, f"{BASE}/init=lr": longer}))
    assert f"The student {how} the base network that is trained twice as long" in text


def test_the_conclusion_says_what_becomes_of_the_effect(measured):
    gains = {STUDENT: 3.0, "scale/0.25/resnet18/dfd/8": 6.0, "scale/4/resnet18/dfd/8": 3.0}
    assert "from 375 to 6,000 training images the effect falls" in conclusion(measured(gains))
    assert "With more images" not in conclusion(measured(gains, missing=("scale",)))


def test_every_choice_has_its_sentence_and_sign(measured):
    gains = {STUDENT: 3.0, f"{STUDENT}/feature=pre": 5.0, f"{STUDENT}/reduction=mean": 1.0}
    gains |= {f"{BASE}/init=teacher": 3.0, f"{STUDENT}/init=teacher": 3.0}
    lines = words.choices(CPU, dfd_tables.scores(measured(gains))).splitlines()
    starts = [
        "- The sum in equation (1) is ahead of the mean with the same λ: +2",
        "- The sum with λ = 2 is ahead of the mean with λ = 20: +3",
        "- The feature behind the ReLU is behind that before it: -2",
        "- A base network that is trained on from the base network's weights cannot be told",
        "- DFD from the base network's weights cannot be told from that control",
        "- A base network that is trained on from the teacher's weights is ahead of one",
        "- DFD from the teacher's weights cannot be told from that control",
    ]
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start[:-2]), line


def test_the_sweep_names_the_best_lambda_and_the_verdicts(measured):
    items = measured({f"resnet18/tuned/{x:g}": 4.0 - abs(x - 5) / 10 for x in dfd.LAMBDAS})
    text = words.sweep(dfd_tables.scores(items), dfd_tables.verdicts(CPU, "cifar10", items))
    assert "ResNet-18: of 7 values of λ, 5 has the highest mean, 5" in text
    assert "**holds**: “DFD always outperforms the corresponding backbone networks”" in text
    assert "On these images ResNet-18 gains +3." in text


def test_a_condition_that_is_not_met_is_named(measured):
    def said(**gains):
        found = dfd_tables.scores(measured({c.replace("_", "/"): g for c, g in gains.items()}))
        return words.earned(dfd_tables.setting(CPU, "cifar10", found))

    assert said() == "All conditions that were measured are met."
    one = said(setting_vgg16_2=3.0)
    assert one.startswith("One condition is **not** met")
    assert "- VGG-16 on 32×32" in one
    assert said(setting_vgg16_2=3.0, resnet18_hr=-19.0).startswith("2 conditions are **not** met")
