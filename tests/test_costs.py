"""What runs are expected to cost."""

import dataclasses

import pytest

from paperlib import running
from paperlib.costs import RATE, Costs, of_tests, of_training
from paperlib.runs import Record


def record(run, seconds, device="here"):
    return Record(run, {}, (), {"seconds": seconds, "device": device})


def test_work_is_that_of_all_images_forward_and_backward(tiny, tiny_student):
    forward = running.flops("resnet18", 0.0625, "supervised", 32)
    assert of_training(tiny(), None) == 64 * 2 * 3 * forward
    student = running.flops("resnet18", 0.0625, "dfd", 32)
    assert of_training(tiny_student(), None) == 64 * 2 * (3 * student + forward)


def test_tests_are_counted_for_each_degradation(tiny):
    forward = running.flops("resnet18", 0.0625, "supervised", 32)
    specs = {"name": "corruption", "corruption": "fog,contrast", "severity": "1,5"}
    run = tiny(evaluate=(specs,), holdout=10, test_size=20)
    assert of_tests(run, None) == (5 * 20 + 10) * forward


def test_before_anything_was_trained_operations_tell(tiny):
    run = tiny()
    assert Costs(None, "here").seconds(run) == pytest.approx(
        (of_training(run, None) + of_tests(run, None)) / RATE
    )


def test_the_closest_runs_tell_what_another_takes(tiny):
    costs, run = Costs(None, "here"), tiny(test_size=1)
    costs.learn([record(run, 10.0), record(tiny(network="vgg16"), 1000.0)])
    assert costs.seconds(tiny(seed=1, test_size=1)) == pytest.approx(10, rel=0.01)
    assert costs.seconds(tiny(epochs=4, test_size=1)) == pytest.approx(20, rel=0.01)


def test_runs_on_another_device_and_without_training_tell_nothing(tiny):
    costs, run = Costs(None, "here"), tiny()
    before = costs.seconds(run)
    costs.learn([record(run, 10.0, "elsewhere"), record(dataclasses.replace(run, epochs=0), 10.0)])
    assert costs.seconds(run) == before


def test_what_a_run_takes_beside_its_training_is_counted(tiny):
    costs, run = Costs(None, "here"), tiny(test_size=1)
    costs.learn([record(run, 10.0)])
    costs.took([run], 20.0)
    assert costs.seconds(run) == pytest.approx(20, rel=0.01)
