"""The loop: its schedules, its steps, and that a training which is interrupted ends with the same
bits."""

import dataclasses
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from helpers import same
from PIL import Image
from torch.nn import functional as F

from paperlib import datasets, degrade, methods, running
from paperlib.datasets import Split
from paperlib.errors import UserError
from paperlib.files import pack, unpack
from paperlib.methods import Task
from paperlib.store import CHECKPOINT, Store
from paperlib.training import Trainer, evaluate, learning_rate, make_optimizer

TASK = Task(10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def make_split(count=96, size=32):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(count) % 10)


def make_trainer(run, cpu, seed=0):
    """A trainer whose method starts from `seed`, with a teacher that is always the same."""
    torch.manual_seed(99)
    parents = {
        role: methods.build_network(parent, TASK).eval() for role, parent in run.uses.items()
    }
    torch.manual_seed(seed)
    method = cpu.place(methods.build(run, TASK, parents))
    return Trainer(run, method, make_split(), degrade.build(run.degrade), cpu)


# Schedules and steps


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        ("constant", {0: 2.0, 0.5: 2.0, 0.99: 2.0}),
        ("step", {0: 2.0, 0.499: 2.0, 0.5: 0.2, 0.749: 0.2, 0.75: 0.02, 0.99: 0.02}),
        ("cosine", {0: 2.0, 1 / 3: 1.5, 0.5: 1.0, 2 / 3: 0.5, 1: 0.0}),
        ("onecycle", {0: 0.0, 0.1: 1.0, 0.2: 2.0, 0.6: 1.0, 0.8: 0.5, 1: 0.0}),
    ],
)
def test_schedules(tiny, schedule, points):
    run = tiny(schedule=schedule, lr=2.0)
    assert {x: learning_rate(run, x) for x in points} == pytest.approx(points)


def test_the_schedule_runs_over_all_steps_and_not_over_each_epoch(tiny, cpu):
    trainer = make_trainer(tiny(epochs=4, schedule="step", lr=0.1), cpu)
    while not trainer.done:
        trainer.epoch()
    assert [epoch["lr"] for epoch in trainer.progress.history] == pytest.approx(
        [0.1, 0.1, 0.01, 0.001]
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"schedule": "poly"},
            "unknown schedule 'poly'; choose from: step, cosine, onecycle, constant",
        ),
        ({"optimizer": "lamb"}, "unknown optimizer 'lamb'; choose from: sgd, adam"),
    ],
)
def test_wrong_recipes(tiny, cpu, fields, message):
    with pytest.raises(UserError, match=message):
        make_trainer(tiny(**fields), cpu).epoch()


def test_clipping_bounds_a_step(tiny, cpu):
    def change(clip):
        run = tiny(
            batch_size=96, schedule="constant", momentum=0.0, weight_decay=0.0, lr=1.0, clip=clip
        )
        trainer = make_trainer(run, cpu)
        before = torch.cat([p.detach().flatten() for p in trainer.parameters])
        trainer.epoch()
        return (
            (torch.cat([p.detach().flatten() for p in trainer.parameters]) - before).norm().item()
        )

    assert change(0.0) > 0.1
    assert change(0.01) == pytest.approx(0.01, rel=1e-3)  # differences of float32 weights about 1


def test_a_diverged_training_is_said_and_not_recorded(tiny, cpu, store):
    run = tiny(lr=1e30, epochs=3)
    with pytest.raises(
        UserError,
        match=r"synthdigits resnet18 supervised seed=0: .*not finite in epoch 1",
    ):
        running.train(run, store, None, cpu)
    assert store.record(run) is None


def test_history_holds_the_means_of_the_losses(tiny_student, cpu):
    trainer = make_trainer(tiny_student(epochs=1, options={"lambda_": 0.5}), cpu)
    steps = []
    step = trainer.step
    trainer.step = lambda images: steps.append(step(images)) or steps[-1]
    trainer.epoch()
    (means,) = trainer.progress.history
    for name in ("loss", "recognition", "distillation"):
        assert means[name] == pytest.approx(sum(losses[name].item() for losses in steps) / 3)
    assert means["loss"] == pytest.approx(means["recognition"] + 0.5 * means["distillation"])


def test_an_epoch_trains_whatever_mode_the_method_is_in(tiny, cpu):
    trainer = make_trainer(tiny(), cpu)
    trainer.method.eval()
    trainer.epoch()
    # of the batch norm, which stands still in eval
    assert trainer.method.network.body.stem[1].num_batches_tracked == 3


def test_ticks_count_the_images(tiny, cpu):
    ticks = []
    make_trainer(tiny(batch_size=40), cpu).epoch(ticks.append)
    assert ticks == [40, 40]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_two_steps_of_sgd_by_hand(tiny, momentum):
    run = tiny(momentum=momentum, weight_decay=0.1, lr=0.2)
    decayed, plain = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = make_optimizer(run, [decayed], [plain])
    for gradient in (2.0, -1.0):
        decayed.grad, plain.grad = torch.tensor([gradient]), torch.tensor([gradient])
        optimizer.step()
    after = 1 - 0.2 * 2.1  # velocity 2 + 0.1 * 1
    assert decayed.item() == pytest.approx(after - 0.2 * (2.1 * momentum - 1 + 0.1 * after))
    assert plain.item() == pytest.approx(1 - 0.2 * 2 - 0.2 * (2 * momentum - 1))


def test_a_run_that_only_tests_degrades_no_training_images(tiny, cpu):
    class Fixed:
        fixed = True

        def __call__(self, images, key=None):
            pytest.fail("nothing is trained on these images")

    Trainer(tiny(epochs=0), methods.build(tiny(), TASK, {}), make_split(), Fixed(), cpu)


# Evaluation


def test_evaluation_by_brute_force(tiny, cpu):
    trainer, split = make_trainer(tiny(degrade={"name": "lowres"}), cpu), make_split(50)
    trainer.epoch()  # leaves the method in train mode
    metrics = evaluate(trainer.method, split, trainer.degradations[0], cpu, ("test", 0), 7)
    network, hits, best_five, losses = trainer.method.network.eval(), 0, 0, 0.0
    for image, label in zip(split.images, split.labels.tolist(), strict=True):
        log_p = (
            network(trainer.degradations[0](image[None]) / 255).logits[0].log_softmax(0).tolist()
        )
        rank = sum(value > log_p[label] for value in log_p)
        hits, best_five, losses = hits + (rank == 0), best_five + (rank < 5), losses - log_p[label]
    assert 0 < hits < best_five < 50
    assert metrics["top1"] == 100 * hits / 50
    assert metrics["top5"] == 100 * best_five / 50
    assert metrics["cross_entropy"] == pytest.approx(losses / 50, rel=1e-5)  # float32 logits


def test_scores_do_not_depend_on_the_batch_size(tiny, cpu):
    trainer, split = make_trainer(tiny(), cpu), make_split(50)
    trainer.epoch()
    one, other = (
        evaluate(trainer.method, split, trainer.degradations[0], cpu, ("test", 0), size)
        for size in (1, 512)
    )
    # convolutions may sum in another order for other batch sizes
    assert one == pytest.approx(other, rel=1e-5)


def test_test_images_and_validation_images_have_draws_of_their_own(tiny, cpu, store):
    drawn = []

    def seen(images, key):
        drawn.append(key.draw)
        return images

    prepared = running.prepare(tiny(seed=3, holdout=32, epochs=0), store, None, cpu)
    prepared = dataclasses.replace(prepared, degradation=seen, others={"other": seen})
    running.evaluate(prepared)
    assert drawn == [("test", 3), ("validation", 3), ("test", 3)]


def test_every_seed_has_its_own_test_noise_and_runs_of_one_seed_share_it(tiny, cpu, store):
    """Two networks of one seed are compared on the same noisy images."""

    def noisy(**fields):
        run = tiny(epochs=0, degrade={"name": "noise", "noise": "gaussian", "sigma": 40}, **fields)
        prepared, seen = running.prepare(run, store, None, cpu), []
        degradation = prepared.degradation
        spy = lambda images, key: seen.append(degradation(images, key)) or seen[-1]  # noqa: E731
        # the same images for all seeds: what differs is noise
        test = datasets.load("synthdigits").split(test_size=32)[2]
        running.evaluate(dataclasses.replace(prepared, degradation=spy, test=test))
        return seen[0]

    first = noisy()
    assert torch.equal(first, noisy(network="alexnet", width=0.125))
    assert bool((first != noisy(seed=1)).flatten(1).any(1).all())


# Resume

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


def test_weights_that_diverge_in_the_last_step_are_not_recorded(tiny, cpu, store):
    run = tiny(lr=1e30, epochs=1, batch_size=64)  # the only loss is that of the first weights
    with pytest.raises(UserError, match="scores are not finite; lower lr"):
        running.train(run, store, None, cpu)
    assert store.record(run) is None


def test_a_checkpoint_of_another_kind_of_device_is_left(tiny, cpu, store):
    """Its random generators mean nothing here, and a record can name one device only."""
    store.save_checkpoint(
        tiny(), {"generator.batches": torch.zeros(16, dtype=torch.uint8)}, device="cuda"
    )
    ticks = []
    running.train(tiny(), store, None, cpu, ticks.append)
    assert ticks == [32] * 4


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


# What a run says of itself


def test_training_leaves_the_global_generator_alone(tiny, cpu, store):
    before = torch.get_rng_state()
    running.train(tiny(), store, None, cpu)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_generator_leaves_training_alone(tiny, cpu, store, tmp_path):
    torch.manual_seed(1)
    first = running.train(tiny(), store, None, cpu)
    torch.manual_seed(2)
    assert running.train(tiny(), Store(tmp_path / "again"), None, cpu).metrics == first.metrics


def test_other_seed_other_weights(tiny, cpu, store):
    records = [running.train(tiny(seed=seed), store, None, cpu) for seed in (0, 1)]
    assert not same(*(store.weights(record.run) for record in records))


def test_a_record_says_what_was_measured(tiny, cpu, store):
    run = dataclasses.replace(tiny(holdout=32), evaluate=({"name": "lowres"},))
    record = running.train(run, store, None, cpu)
    scores = ("top1", "top5", "cross_entropy")
    names = {
        f"{before}{score}{behind}"
        for score in scores
        for before, behind in (("", ""), ("validation_", ""))
    }
    assert record.metrics.keys() == names | {f"{score}@lowres" for score in scores}
    data = datasets.load(run.dataset)
    _, validation, test = data.split(run.train_size, run.holdout, run.test_size)
    network, lowres = running.load_network(run, store, data, cpu), degrade.build({"name": "lowres"})
    assert not any(p.requires_grad for p in network.parameters())
    for name, part, degradation in (
        ("cross_entropy", test, lambda images: images),
        ("cross_entropy@lowres", test, lowres),
        ("validation_cross_entropy", validation, lambda images: images),
    ):
        loss = F.cross_entropy(network(degradation(part.images) / 255).logits, part.labels)
        # float32, summed in another order
        assert record.metrics[name] == pytest.approx(loss.item(), rel=1e-5), name
    assert [set(epoch) for epoch in record.history] == [{"lr", "loss"}] * 2
    assert {
        "device",
        "precision",
        "torch",
        "commit",
        "date",
        "seconds",
        "images_per_second",
    } <= set(record.provenance)


def test_a_teacher_from_another_data_set(tiny, cpu, store, tmp_path):
    """A run's parents keep the classes of the images that they learned from."""
    for part in ("train", "val"):
        for number, name in enumerate(("cat", "dog", "owl")):
            folder = tmp_path / "pets" / part / name
            folder.mkdir(parents=True)
            Image.new("RGB", (32, 32), (80 * number,) * 3).save(folder / "one.png")
    teacher = tiny(dataset="pets@32", train_size=0, test_size=0, epochs=1)
    student = tiny(method="dfd", uses={"teacher": teacher}, epochs=1)
    running.train(teacher, store, tmp_path, cpu)
    running.train(student, store, tmp_path, cpu)
    assert [len(store.weights(run)["network.head.bias"]) for run in (teacher, student)] == [3, 10]
