"""Runs as plain values, the hashes that name them, and records that notice what was done to
them."""

import dataclasses
import json

import pytest

from paperlib.runs import Corrupt, Record, Run, digest, in_order

TEACHER = Run(
    "supervised",
    "cifar10",
    "resnet18",
    1,
    evaluate=({"name": "lowres", "factor": 4},),
    holdout=5000,
)
STUDENT = Run(
    "dfd",
    "cifar10",
    "resnet18",
    1,
    width=0.5,
    degrade={"name": "lowres", "factor": 4, "up": "bicubic"},
    options={"lambda_": 2.0, "reduction": "sum"},
    uses={"teacher": TEACHER, "init": TEACHER},
    lr=0.05,
    flip=False,
)
OTHER = {
    "method": "dfd",
    "dataset": "svhn",
    "network": "vgg16",
    "seed": 2,
    "width": 0.5,
    "degrade": {"name": "lowres"},
    "evaluate": (),
    "options": {"feature": "pre"},
    "uses": {"init": Run("supervised", "cifar10", "resnet18")},
    "train_size": 1,
    "holdout": 1,
    "test_size": 1,
    "epochs": 1,
    "batch_size": 1,
    "optimizer": "adam",
    "lr": 0.2,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "clip": 1.0,
    "crop": 0,
    "flip": False,
}


@pytest.fixture
def record():
    history = ({"lr": 0.1, "loss": 2.5}, {"lr": 0.01, "loss": 1 / 3})
    return Record(
        STUDENT, {"top1": 81.26}, history, {"device": "CPU"}, {"weights.safetensors": "0" * 64}
    )


# Runs


@pytest.mark.parametrize("run", [TEACHER, STUDENT])
def test_a_run_survives_json(run):
    again = Run.from_dict(json.loads(json.dumps(run.to_dict())))
    assert again == run
    assert again.hash == run.hash
    assert all(
        type(getattr(again, f.name)) is type(getattr(run, f.name)) for f in dataclasses.fields(Run)
    )


def test_hashes_stay_what_they_are():
    """Finished runs and committed records are found by these hashes. A field that is added, with a
    default that means what was done before it existed, changes none of them; whoever has to change
    this test orphans them all.
    """
    assert TEACHER.hash == "1be07ab0e0eb1db1"
    assert STUDENT.hash == "63be5e18b2fa0bc7"


def test_only_what_differs_from_the_defaults_is_written():
    assert Run("supervised", "svhn", "vgg16", lr=0.1, flip=True).to_dict() == {
        "method": "supervised",
        "dataset": "svhn",
        "network": "vgg16",
    }


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Run)])
def test_every_field_counts(field):
    changed = dataclasses.replace(TEACHER, **{field: OTHER[field]})
    assert changed.hash != TEACHER.hash
    assert changed != TEACHER


def test_a_change_in_a_parent_counts():
    teacher = dataclasses.replace(TEACHER, epochs=99)
    assert (
        dataclasses.replace(STUDENT, uses={**STUDENT.uses, "teacher": teacher}).hash != STUDENT.hash
    )


def test_one_and_one_point_zero_are_the_same():
    whole = Run("supervised", "svhn", "vgg16", width=2, lr=1, clip=3)
    assert whole.hash == Run("supervised", "svhn", "vgg16", width=2.0, lr=1.0, clip=3.0).hash


def test_the_order_of_names_does_not_count():
    shuffled = dataclasses.replace(
        STUDENT,
        degrade=dict(reversed(STUDENT.degrade.items())),
        options=dict(reversed(STUDENT.options.items())),
        uses=dict(reversed(STUDENT.uses.items())),
    )
    assert shuffled.hash == STUDENT.hash
    assert len({shuffled, STUDENT}) == 1


def test_an_unknown_field_is_no_run():
    with pytest.raises(TypeError):
        Run.from_dict({**TEACHER.to_dict(), "dropout": 0.5})


def test_nan_has_no_canonical_form():
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"lr": float("nan")})


def test_labels_are_for_people():
    assert TEACHER.label == "cifar10 resnet18 supervised seed=1"
    assert STUDENT.label == "cifar10 resnet18 dfd lowres-4-bicubic lambda_=2.0 reduction=sum seed=1"


def test_parents_come_first_and_once():
    base = Run("supervised", "cifar10", "alexnet")
    child = dataclasses.replace(STUDENT, uses={"teacher": STUDENT, "init": TEACHER})
    equal = Run.from_dict(TEACHER.to_dict())
    assert in_order([child, base, equal, STUDENT, base]) == [TEACHER, STUDENT, child, base]


# Records


def test_a_record_survives_json(record):
    again = Record.from_json(record.to_json())
    assert again == record
    assert again.to_json() == record.to_json()


@pytest.mark.parametrize(
    ("old", "new"), [("81.26", "91.26"), ('"seed": 1', '"seed": 2'), ("CPU", "GPU"), ("0.1", "1.0")]
)
def test_an_edit_is_noticed(record, old, new):
    text = record.to_json()
    assert old in text
    with pytest.raises(Corrupt, match="checksum does not match"):
        Record.from_json(text.replace(old, new, 1))


def test_a_record_of_another_run_under_this_hash_is_noticed(record):
    body = json.loads(record.to_json())
    del body["sha256"]
    body["hash"] = TEACHER.hash
    with pytest.raises(Corrupt, match="hash does not match the run"):
        Record.from_json(json.dumps({**body, "sha256": digest(body)}))


def test_a_record_with_a_field_of_the_future_is_refused(record):
    body = json.loads(record.to_json())
    del body["sha256"]
    body["run"]["dropout"] = 0.5
    with pytest.raises(Corrupt, match="dropout"):
        Record.from_json(json.dumps({**body, "sha256": digest(body)}))


def test_a_record_without_its_hash_is_corrupt(record):
    body = json.loads(record.to_json())
    del body["sha256"], body["hash"]
    with pytest.raises(Corrupt):
        Record.from_json(json.dumps({**body, "sha256": digest(body)}))


@pytest.mark.parametrize("text", [b"\xff", "", "{}", "[]", "null", "not JSON", '{"sha256": "0"}'])
def test_what_is_no_record_is_corrupt(text):
    with pytest.raises(Corrupt):
        Record.from_json(text)


def test_every_truncation_is_noticed(record):
    text = record.to_json().rstrip()
    for length in range(len(text)):
        with pytest.raises(Corrupt):
            Record.from_json(text[:length])


def test_infinities_are_not_recorded(record):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(record, metrics={"top1": float("inf")}).to_json()


def test_equal_options_make_equal_runs_and_hashes():
    one, other = (
        Run("supervised", "synthdigits", "vgg16", options={"dropout": value}) for value in (1, 1.0)
    )
    assert one == other
    assert one.hash == other.hash
    assert hash(one) == hash(other)
