"""Lists of runs: what is trained, in which order, how often, and in which process."""

import dataclasses
import multiprocessing
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from helpers import same

from paperlib import degrade, running, sweep, training
from paperlib.errors import UserError
from paperlib.execution import Execution
from paperlib.papers.dfd.networks import build
from paperlib.restored import restored
from paperlib.store import CHECKPOINT, WEIGHTS, Store
from paperlib.sweep import Sweep


@pytest.fixture
def trained(monkeypatch):
    """The runs that this process is asked to train, in order."""
    runs, train = [], sweep.train
    monkeypatch.setattr(sweep, "train", lambda run, *rest: runs.append(run) or train(run, *rest))
    return runs


def test_parents_are_trained_first_once_and_never_again(store, cpu, tiny, tiny_student, trained):
    students = [tiny_student(options={"lambda_": value}) for value in (0.5, 2.0)]
    first = Sweep(store, None, cpu)
    records = first(students)
    assert trained == [tiny(), *students]
    assert [record.run for record in records] == students
    assert (first.trained, first.reused) == ({tiny(), *students}, set())

    del trained[:]
    second = Sweep(store, None, cpu)
    assert second([students[1], students[0], students[1]]) == [records[1], records[0], records[1]]
    assert trained == []
    assert (second.trained, second.reused) == (set(), {tiny(), *students})


def test_a_sweep_does_not_call_its_own_runs_reused(store, cpu, tiny):
    sweeping = Sweep(store, None, cpu)
    sweeping([tiny()])
    sweeping([tiny(), tiny(seed=1)])
    assert (sweeping.trained, sweeping.reused) == ({tiny(), tiny(seed=1)}, set())


def test_an_interrupted_sweep_resumes_where_it_stopped(store, cpu, tiny, trained):
    diverges = tiny(seed=1, lr=1e30)
    with pytest.raises(UserError, match="the loss is not finite"):
        Sweep(store, None, cpu)([tiny(), diverges, tiny(seed=2)])
    Sweep(store, None, cpu)([tiny(), tiny(seed=2)])
    assert trained == [tiny(), diverges, tiny(seed=2)]


def test_a_student_without_distillation_is_its_base_network(store, cpu, tiny_student):
    """Equation (4) with lambda 0: the same weights, bit for bit, so the two differ by distillation
    alone."""
    student = tiny_student(options={"lambda_": 0.0})
    base = dataclasses.replace(student, method="supervised", options={}, uses={})
    Sweep(store, None, cpu)([student, base])
    assert same(store.weights(student), store.weights(base))


def test_an_unknown_method_is_a_mistake_and_no_crash(store, cpu, tiny):
    with pytest.raises(UserError, match="unknown method 'sdg'"):
        Sweep(store, None, cpu)([tiny(method="sdg")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lamda_": 2.0}, "unknown option of method 'dfd' 'lamda_'; choose from: "),
        ({"lambda_": "2"}, "dfd: lambda_ is '2'; it must be of type float"),
        ({"reduction": "max"}, "dfd: unknown reduction 'max'; choose from: sum, mean"),
    ],
)
def test_a_wrong_option_is_said_before_anything_trains(
    store, cpu, tiny, tiny_student, trained, options, message
):
    wrong = tiny_student(options=options)
    child = tiny_student(uses={"teacher": wrong})
    for last in (wrong, child):  # of the run itself, and of one that it uses
        with pytest.raises(UserError, match=message):
            Sweep(store, None, cpu)([tiny(), tiny(seed=1), last])
    assert trained == []


def test_a_missing_parent_is_said_before_anything_trains(store, cpu, tiny, tiny_student, trained):
    with pytest.raises(UserError, match="dfd needs a parent 'teacher'"):
        Sweep(store, None, cpu)([tiny(), tiny_student(uses={})])
    assert trained == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"degrade": {"name": "lowres", "facter": 4}}, "facter"),
        ({"degrade": {"name": "lowers"}}, "unknown degradation 'lowers'; choose from: none"),
        ({"degrade": {"name": "lowres", "factor": 5}}, "32 pixels cannot be reduced"),
        ({"degrade": {"factor": 4}}, "unknown degradation ''; choose from: none"),
        ({"evaluate": ({"name": "corruption", "corruption": "fgo", "severity": 1},)}, "fgo"),
        ({"evaluate": ({"name": "corruption", "corruption": 7, "severity": 1},)}, "corruption '7'"),
        ({"evaluate": ({"name": "lowres", "factor": 4}, {"name": "lowres"})}, r"4.*'lowres-4'"),
        ({"optimizer": "sdg"}, "unknown optimizer 'sdg'; choose from: sgd, adam"),
        ({"schedule": "cos"}, "unknown schedule 'cos'; choose from: step, cosine"),
        ({"network": "resnt"}, "unknown network 'resnt'; choose from: alexnet"),
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),
        ({"epochs": -1}, "epochs is -1; it must be at least 0"),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"crop": -1}, "crop is -1; it must be at least 0"),
        ({"train_size": 30_000}, "has 20000 training images: cannot train on 30000"),
        ({"holdout": 19_937}, "cannot train on 64 and hold out 19937"),
        ({"test_size": 30_000}, "has 5000 test images: cannot test on 30000"),
    ],
)
def test_a_wrong_value_is_said_in_one_line_before_anything_trains(
    store, cpu, tiny, tiny_student, trained, fields, message
):
    """By a list of runs, and by the training of one."""
    wrong = tiny_student(**fields)
    with pytest.raises(UserError, match=message):
        Sweep(store, None, cpu)([tiny(), wrong])
    assert trained == []
    running.train(tiny(), store, None, cpu)
    with pytest.raises(UserError, match=message) as said:
        running.train(wrong, store, None, cpu, trained.append)
    assert trained == []
    assert "\n" not in str(said.value)


def test_each_record_is_verified_once(store, cpu, tiny, tiny_student, monkeypatch):
    read, record = [], store.record
    Sweep(store, None, cpu)([tiny_student()])
    monkeypatch.setattr(store, "record", lambda run: read.append(run) or record(run))
    Sweep(store, None, cpu)([tiny_student(), tiny(), tiny_student()])
    assert read == [tiny(), tiny_student()]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_student_waits_for_its_teacher(store, cpu, tiny, tiny_student, workers):
    """A student does not train a missing teacher itself, and the second worker is free at once."""
    teacher = tiny(epochs=40)  # seconds, so that a student that did not wait would find nothing
    student = tiny_student(epochs=1, uses={"teacher": teacher})
    (record,) = Sweep(store, None, cpu, workers)([student])
    assert record.run == student
    assert store.record(teacher) is not None


# A time limit


def test_after_the_moment_no_run_starts(store, cpu, tiny, trained):
    sweeping = Sweep(store, None, cpu, until=time.monotonic() - 1)
    assert sweeping([tiny(), tiny(seed=1)]) == []
    assert trained == [tiny()]  # asked for, and given back at once
    assert not (store.folder(tiny()) / CHECKPOINT).exists()
    assert sweeping.trained == set()


def test_what_is_finished_is_given_back_after_the_moment_in_its_order(store, cpu, tiny):
    records = Sweep(store, None, cpu)([tiny(seed=1), tiny(seed=2)])
    runs = [tiny(seed=2), tiny(), tiny(seed=1)]
    late = Sweep(store, None, cpu, until=time.monotonic() - 1)
    assert late(runs) == [records[1], records[0]]
    assert late.reused == {tiny(seed=1), tiny(seed=2)}


def stopping_after(epochs, monkeypatch):
    """The clock of trainings stands until so many epochs are trained here, and then is past 10."""
    count, epoch = [0], training.Trainer.epoch

    def counted(self, tick=lambda count: None):
        epoch(self, tick)
        count[0] += 1

    monkeypatch.setattr(training.Trainer, "epoch", counted)
    monkeypatch.setattr(time, "monotonic", lambda: 11.0 if count[0] >= epochs else 0.0)
    return 10.0


def test_a_run_in_training_stops_at_the_end_of_its_epoch_and_resumes(
    store, cpu, tiny, tmp_path, monkeypatch
):
    run = tiny(epochs=4)
    with monkeypatch.context() as clock:
        until = stopping_after(3, clock)
        assert Sweep(store, None, cpu, until=until)([run, tiny(seed=1)]) == []
    assert (store.folder(run) / CHECKPOINT).exists()
    assert not (store.folder(tiny(seed=1)) / CHECKPOINT).exists()
    ticks = []
    record = running.train(run, store, None, cpu, ticks.append)
    assert ticks == [3 * 64, 32, 32]
    whole = Store(tmp_path / "whole")
    assert running.train(run, whole, None, cpu).metrics == record.metrics
    assert same(store.weights(run), whole.weights(run))


def test_a_run_whose_last_epoch_ends_after_the_moment_is_finished(store, cpu, tiny, monkeypatch):
    until = stopping_after(2, monkeypatch)
    (record,) = Sweep(store, None, cpu, until=until)([tiny(epochs=2), tiny(seed=1)])
    assert record.run == tiny(epochs=2)


def test_who_waits_for_the_run_of_another_process_waits_until_the_moment(store, cpu, tiny):
    with store.lock(tiny()):  # of another object: as good as of another process
        start = time.monotonic()
        assert running.train(tiny(), store, None, cpu, until=start + 0.2) is None
        assert time.monotonic() - start < 10


@pytest.mark.slow
def test_workers_stop_in_time_too(store, cpu, tiny, tiny_student):
    sweeping = Sweep(store, None, cpu, workers=2)
    sweeping([tiny(seed=8), tiny(seed=9)])  # both workers have started
    runs = [tiny(seed=seed, epochs=100_000) for seed in range(3)]
    child = tiny_student(uses={"teacher": runs[0]})
    sweeping.until = time.monotonic() + 4
    assert [record.run for record in sweeping([*runs, child, tiny(seed=9)])] == [tiny(seed=9)]
    assert time.monotonic() - sweeping.until < 60
    stopped = [(store.folder(run) / CHECKPOINT).exists() for run in [*runs, child]]
    assert stopped == [True, True, False, False]
    sweeping.until = None
    (record,) = sweeping([tiny(seed=10)])  # the workers are still there
    assert record.run == tiny(seed=10)


def test_a_run_whose_teacher_is_missing_is_not_trained(store, cpu, tiny_student):
    with pytest.raises(FileNotFoundError):
        running.train(tiny_student(), store, None, cpu)
    assert store.record(tiny_student()) is None


def test_the_bar_reaches_its_end(store, cpu, tiny, tiny_student, capsys):
    """What is expected of all runs together is what their steps add up to."""
    Sweep(store, None, cpu, bar=True)([tiny_student(), tiny(network="alexnet", width=0.125)])
    assert "run 3/3: synthdigits alexnet supervised seed=0:  100%|" in capsys.readouterr().err
    Sweep(store, None, cpu, bar=True)([tiny_student()])
    assert capsys.readouterr().err == ""  # nothing to do, nothing to show


def test_a_teacher_whose_weights_are_corrupt_is_made_again(store, cpu, tiny, tiny_student):
    (record,) = Sweep(store, None, cpu)([tiny_student()])
    expected, path = store.weights(tiny()), store.folder(tiny()) / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # `expected` is mapped from this file
    path.write_bytes(content)
    again = Sweep(store, None, cpu)
    with pytest.warns(UserWarning, match="does not match its checksum; set aside"):
        assert again([tiny_student()]) == [record]
    assert again.trained == {tiny()}
    assert same(store.weights(tiny()), expected)


@pytest.mark.slow
def test_several_workers_give_the_same_bits_as_one(
    tmp_path, cpu, tiny, tiny_student, one_thread, monkeypatch
):
    monkeypatch.setattr("os.cpu_count", lambda: 2)  # one thread for each of two workers
    runs = [tiny_student(), tiny(network="vgg16"), tiny(seed=1)]
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    expected, records = Sweep(one, None, cpu)(runs), Sweep(two, None, cpu, workers=2)(runs)
    assert [record.metrics for record in records] == [record.metrics for record in expected]
    assert all(same(one.weights(run), two.weights(run)) for run in [tiny(), *runs])


@pytest.mark.slow
def test_a_mistake_in_a_worker_is_the_users_one_line(store, cpu, tiny):
    runs = [tiny(lr=1e30), tiny(seed=1, epochs=1_000_000)]
    with pytest.raises(UserError, match="the loss is not finite in epoch 1; lower lr"):
        Sweep(store, None, cpu, workers=2)(runs)
    assert not multiprocessing.active_children()  # the other run keeps no process from ending


CHILD = """
    import sys, time
    from pathlib import Path
    from paperlib import running
    from paperlib.execution import Execution
    from paperlib.runs import Run
    from paperlib.store import Store

    mine, theirs = Path(sys.argv[2], "child"), Path(sys.argv[2], "parent")

    run = Run.from_dict(eval(sys.argv[3]))

    def tick(count):  # holds the run until the other process has asked for it
        mine.touch()
        while not theirs.exists():
            time.sleep(0.01)

    running.train(run, Store(sys.argv[1]), None, Execution(), tick)
"""


@pytest.mark.slow
def test_of_two_processes_that_want_a_run_one_trains_it(store, cpu, tiny, tmp_path):
    run, ticks = tiny(), []
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(CHILD),
        store.root,
        tmp_path,
        repr(run.to_dict()),
    ]
    with subprocess.Popen(command) as child:
        while not (tmp_path / "child").exists() and child.poll() is None:
            time.sleep(0.01)
        (tmp_path / "parent").touch()
        record = running.train(run, store, None, cpu, ticks.append)
    assert child.returncode == 0
    assert ticks == []  # nothing was trained here
    assert store.record(run) == record


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_frontend_restores_what_the_classifier_sees(precision):
    execution = Execution("cpu", precision)
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    torch.manual_seed(0)
    frontend = build("espcn", 0.25).eval()
    small = degrade.build({"name": "lowres", "factor": 4, "up": "none"})
    seen = restored(small, frontend, execution)(images)
    assert seen.shape == images.shape
    assert seen.dtype == torch.uint8
    torch.manual_seed(1)
    other = restored(small, build("espcn", 0.25).eval(), execution)
    assert not torch.equal(other(images), seen)


def test_without_a_frontend_the_degradation_is_all(cpu):
    degradation = degrade.build({"name": "none"})
    assert restored(degradation, None, cpu) is degradation


def test_costs_are_those_of_the_convolutions():
    # AlexNet at 1/16: 4, 12, 24, 16 and 16 channels on maps of 8x8, 4x4 and 2x2; a multiplication
    # and an addition each.
    multiplications = (
        64 * 4 * 3 * 121 + 16 * 12 * 4 * 25 + 4 * 9 * (24 * 12 + 16 * 24 + 16 * 16) + 16 * 10
    )
    assert running.flops("alexnet", 1 / 16, "supervised", 32) == 2 * multiplications
