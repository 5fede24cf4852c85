"""Interrupted trainings: they end with the same bits, or are begun anew where something changed."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from helpers import same
from test_training import make_trainer

from paperlib import running
from paperlib.errors import UserError
from paperlib.files import pack, unpack
from paperlib.store import CHECKPOINT, WEIGHTS, Store

RUNS = pytest.mark.parametrize(
    "fields",
    [
        {},
        {"network": "vgg16"},  # dropout draws from the global generator
        {"optimizer": "adam", "lr": 1e-3, "clip": 1.0, "schedule": "onecycle"},
        {"network": "alexnet", "width": 0.125, "momentum": 0.0},  # an optimizer without any state
    ],
    ids=["resnet18", "vgg16", "adam", "plain-sgd"],
)


def check_resume(run, cpu, tmp_path):
    """Train `run` at one go, and again from its state before and after every epoch; all must end
    alike."""
    whole, saved = make_trainer(run, cpu), []
    while not whole.done:
        saved.append(pack(whole.state()[0], **whole.state()[1]))
        whole.epoch()
    saved.append(pack(whole.state()[0], **whole.state()[1]))
    expected, values = whole.state()

    undisturbed = make_trainer(run, cpu)  # whoever asks for the state must not change what follows
    while not undisturbed.done:
        undisturbed.epoch()
    assert same(undisturbed.state()[0], expected)

    for epoch, data in enumerate(saved):
        (tmp_path / "state").write_bytes(data)
        resumed = make_trainer(run, cpu, seed=epoch + 1)  # other weights, other generators
        resumed.restore(*unpack(tmp_path / "state"))
        assert resumed.progress.epoch == epoch
        while not resumed.done:
            resumed.epoch()
        assert same(resumed.state()[0], expected)
        assert resumed.progress.history == values["history"]


@pytest.mark.slow
@RUNS
def test_resumed_after_any_epoch_is_uninterrupted(tiny, cpu, tmp_path, fields):
    check_resume(tiny(epochs=3, **fields), cpu, tmp_path)


@pytest.mark.slow
def test_a_student_resumes_too(tiny_student, cpu, tmp_path):
    check_resume(tiny_student(epochs=3), cpu, tmp_path)


def test_a_state_holds_everything_that_moves(tiny, cpu):
    trainer = make_trainer(tiny(optimizer="adam", lr=1e-3), cpu)
    trainer.epoch()
    names = trainer.state()[0].keys()
    count = len(trainer.parameters)
    for slot in ("step", "exp_avg", "exp_avg_sq"):
        assert {f"optimizer.{i}.{slot}" for i in range(count)} <= names
    assert {"generator.batches", "generator.cpu", "method.network.head.weight"} <= names
    assert "method.network.body.stem.1.running_mean" in names


CHILD = """
    import sys, time
    from pathlib import Path
    import torch
    from paperlib import running
    from paperlib.execution import Execution
    from paperlib.runs import Run
    from paperlib.store import Store

    torch.set_num_threads(1)
    running.CHECKPOINT_SECONDS = -1.0  # after every epoch
    checkpoint = Path(sys.argv[2])

    run = Run.from_dict(eval(sys.argv[3]))

    def tick(count):  # once there is something to go on from, this never comes to an end
        while checkpoint.exists():
            time.sleep(1)

    running.train(run, Store(sys.argv[1]), None, Execution(), tick)
"""


@pytest.mark.slow
def test_killed_and_made_again_is_uninterrupted(tiny, cpu, store, tmp_path, one_thread):
    run = tiny(network="vgg16", epochs=3)
    expected = running.train(run, Store(tmp_path / "whole"), None, cpu)
    checkpoint = store.folder(run) / CHECKPOINT
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(CHILD),
        store.root,
        checkpoint,
        repr(run.to_dict()),
    ]
    with subprocess.Popen(command) as child:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert store.record(run) is None

    ticks = []
    record = running.train(run, store, None, cpu, ticks.append)
    assert ticks == [64, *[32] * 4]  # the first epoch was there already, in one piece
    assert record.metrics == expected.metrics
    assert record.history == expected.history
    assert same(store.weights(run), Store(tmp_path / "whole").weights(run))
    assert not checkpoint.exists()


def test_a_corrupt_checkpoint_costs_the_epochs_and_nothing_else(
    tiny, cpu, store, tmp_path, monkeypatch
):
    run, finish = tiny(), store.finish
    monkeypatch.setattr(running, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(store, "finish", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        running.train(run, store, None, cpu)
    monkeypatch.setattr(store, "finish", finish)
    checkpoint = store.folder(run) / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="set aside"):
        record = running.train(run, store, None, cpu)
    expected = running.train(run, Store(tmp_path / "whole"), None, cpu)
    assert record.metrics == expected.metrics
    assert same(store.weights(run), Store(tmp_path / "whole").weights(run))


# What is kept of a training whose tests fail


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_if_the_tests_fail_the_same_command_only_tests_again(
    tiny, cpu, store, tmp_path, monkeypatch, error
):
    def fails(ready):
        raise error

    run, ticks = tiny(), []
    with monkeypatch.context() as context:
        context.setattr(running, "evaluate", fails)
        with pytest.raises(error):
            running.train(run, store, None, cpu)
    record = running.train(run, store, None, cpu, ticks.append)
    assert ticks == [2 * 64]  # both epochs were there already
    whole = Store(tmp_path / "whole")
    assert record.metrics == running.train(run, whole, None, cpu).metrics
    assert same(store.weights(run), whole.weights(run))
    assert not (store.folder(run) / CHECKPOINT).exists()


def test_a_run_that_only_tests_keeps_nothing_if_its_tests_fail(tiny, cpu, store, monkeypatch):
    monkeypatch.setattr(running, "evaluate", lambda ready: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        running.train(tiny(epochs=0), store, None, cpu)
    assert [path.name for path in store.folder(tiny(epochs=0)).iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"evaluate": ({"name": "lowres", "factor": 5},)}, "32 pixels cannot be reduced"),
        ({"evaluate": ({"name": "lowers"},)}, "unknown degradation 'lowers'"),
        ({"evaluate": ({"name": "corruption", "corruption": "fog"},)}, "unknown severity ''"),
        ({"evaluate": ({"name": "noise", "noise": "gaussian"},)}, "argument: 'sigma'"),
        ({"evaluate": ({"name": "lowres"}, {"name": "lowres", "factor": 4})}, "'lowres-4'"),
        ({"degrade": {"name": "lowres", "factor": 5}}, "32 pixels cannot be reduced"),
    ],
)
def test_a_slip_in_a_degradation_is_said_before_the_training(tiny, cpu, store, fields, message):
    ticks = []
    with pytest.raises(UserError, match=message):
        running.train(tiny(**fields), store, None, cpu, ticks.append)
    assert ticks == []


# Checkpoints made under other conditions


@pytest.fixture
def interrupted(store, cpu, monkeypatch):
    """Trains one epoch of a run and stops; returns what its checkpoint holds: tensors, values."""

    def interrupted(run):
        for parent in run.uses.values():
            running.train(parent, store, None, cpu)
        with monkeypatch.context() as context:
            ended = running.Trainer.epoch

            def epoch(trainer, tick):
                ended(trainer, tick)
                context.setattr(running, "is_over", lambda until: True)

            context.setattr(running.Trainer, "epoch", epoch)
            assert running.train(run, store, None, cpu) is None
        return store.checkpoint(run)

    return interrupted


def test_a_checkpoint_says_what_the_training_is_made_of(interrupted, tiny_student, store, cpu):
    _, values = interrupted(tiny_student())
    made = values["made_of"]
    assert made["parents"] == {
        "teacher": store.record(tiny_student().uses["teacher"]).files[WEIGHTS]
    }
    assert made["torch"] == torch.__version__
    assert (made["device"], made["precision"]) == ("cpu", "fp32")
    assert made["threads"] == torch.get_num_threads()
    record = running.train(tiny_student(), store, None, cpu)
    assert {name: record.provenance[name] for name in ("data", "code", "parents")} == {
        name: made[name] for name in ("data", "code", "parents")
    }


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"data": "0123"}, "made of other data"),
        ({"code": {}}, r"made by other code \(datasets.base, degrade.base, .*, 9 more\)"),
        ({"parents": {"teacher": "0123"}}, r"made on other parents \(teacher\)"),
        ({"threads": 99}, r"made with other threads \(99\)"),
        ({"precision": "bf16"}, r"made in another precision \(bf16\)"),
        ({"device": "cuda"}, r"made on another device \(cuda\)"),
        ({"torch": "1.0"}, r"made by another torch \(1\.0\)"),
        (None, r"made by other code \(not recorded\)"),
    ],
)
def test_a_checkpoint_of_other_conditions_is_set_aside_and_the_run_begun_anew(
    interrupted, tiny_student, store, cpu, other, message
):
    run, ticks = tiny_student(), []
    tensors, values = interrupted(run)
    made = values.pop("made_of")
    known = {} if other is None else {"made_of": {**made, **other}}
    store.save_checkpoint(run, tensors, **values, **known)
    with pytest.warns(UserWarning, match=f"{message}; set aside as .*, the run is made again$"):
        running.train(run, store, None, cpu, ticks.append)
    assert ticks == [32] * 4
    assert (store.folder(run) / f"{CHECKPOINT}.corrupt").exists()


def renamed(tensors):
    return {name.replace("head", "top"): tensor for name, tensor in tensors.items()}


def reshaped(tensors):
    return {
        k: v[:5].clone() if k == "method.network.head.weight" else v for k, v in tensors.items()
    }


def without_generators(tensors):
    return {k: v for k, v in tensors.items() if not k.startswith("generator")}


def too_many(tensors):
    return {**tensors, "optimizer.999.momentum_buffer": torch.zeros(1)}


@pytest.mark.parametrize("change", [renamed, reshaped, without_generators, too_many])
def test_a_checkpoint_that_does_not_fit_is_set_aside_and_leaves_no_trace(
    interrupted, tiny, store, cpu, tmp_path, change
):
    tensors, values = interrupted(tiny())
    store.save_checkpoint(tiny(), change(tensors), **values)
    with pytest.warns(UserWarning, match="does not fit the method: .*; set aside as ") as said:
        record = running.train(tiny(), store, None, cpu)
    assert all("\n" not in str(warning.message) for warning in said)
    whole = Store(tmp_path / "whole")
    assert record.metrics == running.train(tiny(), whole, None, cpu).metrics
    assert same(store.weights(tiny()), whole.weights(tiny()))


def test_weights_of_a_parent_that_do_not_fit_are_one_line(tiny, tiny_student, store, cpu):
    teacher = tiny()
    record = running.train(teacher, store, None, cpu)
    store.finish(record, {"network.other": torch.zeros(3)}, {})
    with pytest.raises(UserError, match=r"weights of .* do not fit .*; remove .* again") as caught:
        running.train(tiny_student(), store, None, cpu)
    assert "\n" not in str(caught.value)


def test_a_network_of_another_width_to_start_from_is_one_line(tiny, store, cpu):
    wide = tiny(width=0.125)
    running.train(wide, store, None, cpu)
    with pytest.raises(UserError, match=r"a parent does not fit it: .*size mismatch") as caught:
        running.train(tiny(uses={"init": wide}), store, None, cpu)
    assert "\n" not in str(caught.value)
