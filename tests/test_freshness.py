"""Finished runs that were made under other conditions: what is said of them, and what is trained
again."""

import dataclasses

import pytest
import torch
from helpers import picture, save

from paperlib import datasets
from paperlib.files import write_atomically
from paperlib.store import CHECKPOINT, RECORD, SAMPLES, WEIGHTS
from paperlib.sweep import Sweep

CODE = "paperlib: 1 run was made by other code (training): --fresh trains them again\n"


@pytest.fixture
def age(store):
    """Makes a finished run one of other conditions: `age(run, threads=99)`; "training" stands for
    the digests of that module, None for no digests at all."""

    def age(run, **changes):
        record = store.record(run)
        provenance = dict(record.provenance)
        if changes.get("code") == "training":
            changes["code"] = {**provenance["code"], "training": "0123"}
        provenance |= changes
        if provenance["code"] is None:
            for name in ("data", "code", "parents"):
                del provenance[name]
        aged = dataclasses.replace(record, provenance=provenance)
        write_atomically(store.folder(run) / RECORD, aged.to_json().encode())
        return aged

    return age


@pytest.fixture
def sweep(store, cpu):
    """Makes a sweep: `sweep(fresh=True)`."""
    return lambda **arguments: Sweep(store, None, cpu, bar=False, **arguments)


def test_what_was_made_as_it_would_be_now_is_reused_without_a_word(sweep, tiny_student, capsys):
    sweep()([tiny_student()])
    for fresh in (False, True):
        again = sweep(fresh=fresh)
        again([tiny_student()])
        assert again.trained == set()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": "training"}, "by other code (training)"),
        ({"code": None}, "by other code (not recorded)"),
        ({"threads": 99}, "with other threads (99)"),
        ({"precision": "bf16"}, "in another precision (bf16)"),
    ],
)
def test_other_conditions_are_said_and_trained_again_only_on_demand(
    sweep, tiny, age, capsys, changes, said
):
    (first,) = sweep()([tiny()])
    aged = age(tiny(), **changes)
    lazy = sweep()
    assert lazy([tiny()]) == [aged]
    assert (lazy.trained, lazy.reused) == (set(), {tiny()})
    line = f"paperlib: 1 run was made {said}: "
    assert capsys.readouterr().err == line + "--fresh trains them again\n"

    fresh = sweep(fresh=True)
    (record,) = fresh([tiny()])
    assert (fresh.trained, fresh.reused) == ({tiny()}, set())
    assert capsys.readouterr().err == line + "trained again\n"
    assert record.metrics == first.metrics
    assert record.provenance["code"] == first.provenance["code"]
    assert sweep()([tiny()]) == [record]
    assert capsys.readouterr().err == ""


def test_other_data_are_always_trained_again(sweep, tiny, age, capsys, store):
    (first,) = sweep()([tiny()])
    age(tiny(), data="0123")
    again = sweep()
    (record,) = again([tiny()])
    assert again.trained == {tiny()}
    assert record.provenance["data"] == first.provenance["data"]
    said = "paperlib: 1 run was made of other data: trained again\n"
    assert capsys.readouterr().err == said


def test_a_picture_that_changed_is_other_data(root, tiny, store, cpu, capsys):
    sizes = {"train_size": 0, "test_size": 0, "batch_size": 4, "crop": 0}
    run = tiny(dataset="pets@32", network="smallcnn", width=0.25, **sizes)
    (first,) = Sweep(store, root, cpu, bar=False)([run])
    save(root / "pets" / "train" / "cat" / "0.png", picture(7, 40, 56))
    datasets._load.cache_clear()  # as in another process
    again = Sweep(store, root, cpu, bar=False)
    (record,) = again([run])
    assert again.trained == {run}
    assert record.provenance["data"] != first.provenance["data"]
    assert capsys.readouterr().err == "paperlib: 1 run was made of other data: trained again\n"


def test_what_differs_is_said_in_one_line_with_numbers(sweep, tiny, age, capsys):
    runs = [tiny(seed=seed) for seed in range(3)]
    sweep()(runs)
    age(runs[0], code="training", threads=99)
    age(runs[1], code="training")
    sweep()(runs)
    said = "paperlib: 2 runs were made by other code (training), 1 with other threads (99): "
    assert capsys.readouterr().err == f"{said}--fresh trains them again\n"


def test_what_was_said_is_not_said_again_by_the_same_sweep(sweep, tiny, age, capsys):
    runs = [tiny(seed=seed) for seed in range(3)]
    sweep()(runs)
    for run in runs[:2]:
        age(run, code="training")
    age(runs[2], threads=99)
    one = sweep()
    one(runs[:1])
    assert capsys.readouterr().err == CODE
    one(runs[:2])
    assert capsys.readouterr().err == ""
    one(runs)  # something new
    assert "1 with other threads (99)" in capsys.readouterr().err


def test_a_child_of_a_run_that_came_out_alike_stays(sweep, tiny, tiny_student, age, store):
    """The teacher's code has changed and its weights have not."""
    (student,) = sweep()([tiny_student()])
    age(tiny(), code="training")
    fresh = sweep(fresh=True)
    assert fresh([tiny_student()]) == [student]
    assert (fresh.trained, fresh.reused) == ({tiny()}, {tiny_student()})


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_child_of_a_run_that_came_out_otherwise_is_trained_again(
    sweep, tiny, tiny_student, age, store, workers
):
    sweep()([tiny_student()])
    # as if it had been trained otherwise: other weights, and the student has learned from them
    record = age(tiny(), data="0123")
    old = store.finish(record, {k: v + 1 for k, v in store.weights(tiny()).items()}, {})
    age(tiny_student(), parents={"teacher": old.files[WEIGHTS]})
    again = sweep(workers=workers)
    (student,) = again([tiny_student()])
    assert again.trained == {tiny(), tiny_student()}
    assert student.provenance["parents"] == {"teacher": store.record(tiny()).files[WEIGHTS]}


def test_a_child_of_other_weights_is_said(sweep, tiny, tiny_student, store, capsys):
    sweep()([tiny_student()])
    record = store.record(tiny())
    store.finish(record, {k: v + 1 for k, v in store.weights(tiny()).items()}, {})
    lazy = sweep()
    lazy([tiny_student()])
    assert lazy.trained == set()
    said = "paperlib: 1 run was made on other parents (teacher): --fresh trains them again\n"
    assert capsys.readouterr().err == said


def test_the_old_record_stays_until_the_new_one_is_there(sweep, tiny, age, store, monkeypatch):
    """An interruption leaves a finished run and a checkpoint of the new one, which goes on."""
    sweep()([tiny()])
    aged = age(tiny(), code="training")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr("paperlib.running.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(fresh=True)([tiny()])
    assert store.record(tiny()) == aged
    assert (store.folder(tiny()) / CHECKPOINT).exists()
    (record,) = sweep(fresh=True)([tiny()])
    assert record.provenance["code"] != aged.provenance["code"]
    assert not (store.folder(tiny()) / CHECKPOINT).exists()


def test_what_is_to_be_trained_again_and_was_not_in_time_is_left_out(sweep, tiny, age):
    sweep()([tiny(), tiny(seed=1)])
    age(tiny(), data="0123")
    (record,) = sweep(until=0.0)([tiny(), tiny(seed=1)])
    assert record.run == tiny(seed=1)


def test_workers_are_compared_by_their_own_number_of_threads(
    sweep, tiny, capsys, one_thread, monkeypatch
):
    sweep()([tiny()])
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    sweep(workers=6)([tiny()])
    assert capsys.readouterr().err == ""
    sweep(workers=2)([tiny()])
    said = "paperlib: 1 run was made with other threads (1): --fresh trains them again\n"
    assert capsys.readouterr().err == said


def test_a_method_that_needs_float32_is_not_called_stale_on_a_bf16_machine(tiny, store, capsys):
    """Its runs are in float32 whatever the machine can."""
    from paperlib.execution import Execution

    run = tiny(method="fq", network="smallcnn", width=0.25, options={"kind": "none"})
    Sweep(store, None, Execution("cpu", "fp32"), bar=False)([run, tiny()])
    Sweep(store, None, Execution("cpu", "bf16"), bar=False)([run])
    assert capsys.readouterr().err == ""
    Sweep(store, None, Execution("cpu", "bf16"), bar=False)([run, tiny()])
    assert "1 run was made in another precision (fp32)" in capsys.readouterr().err


def test_samples_of_a_run_that_is_made_again_without_them_are_gone(store, tiny, sweep):
    (record,) = sweep()([tiny()])
    store.finish(record, {"w": torch.zeros(1)}, {"input": torch.zeros(1)})
    assert (store.folder(tiny()) / SAMPLES).exists()
    store.finish(record, {"w": torch.zeros(1)}, {})
    assert store.samples(tiny()) == {}
