"""The loop: its schedules, its steps, its tests, and what a record says of them."""

import dataclasses

import pytest
import torch
from helpers import same
from PIL import Image
from torch.nn import functional as F

from paperlib import datasets, degrade, methods, running
from paperlib.datasets import Split
from paperlib.errors import UserError
from paperlib.methods import Task
from paperlib.prepared import prepare
from paperlib.store import Store
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


def test_test_images_and_validation_images_have_draws_of_their_own(tiny, cpu):
    drawn = []

    def seen(images, key):
        drawn.append(key.draw)
        return images

    run = tiny(seed=3, holdout=32, epochs=0)
    ready = prepare(run, datasets.load(run.dataset), {}, cpu)
    running.evaluate(dataclasses.replace(ready, degradation=seen, others={"other": seen}))
    assert drawn == [("test", 3), ("validation", 3), ("test", 3)]


def test_every_seed_has_its_own_test_noise_and_runs_of_one_seed_share_it(tiny, cpu):
    """Two networks of one seed are compared on the same noisy images."""

    def noisy(**fields):
        run = tiny(epochs=0, degrade={"name": "noise", "noise": "gaussian", "sigma": 40}, **fields)
        data, seen = datasets.load(run.dataset), []
        ready = prepare(run, data, {}, cpu)

        def spy(images, key):
            seen.append(ready.degradation(images, key))
            return seen[-1]

        # the same images for all seeds: what differs is noise
        test = data.split(test_size=32)[2]
        running.evaluate(dataclasses.replace(ready, degradation=spy, test=test))
        return seen[0]

    first = noisy()
    assert torch.equal(first, noisy(network="alexnet", width=0.125))
    assert bool((first != noisy(seed=1)).flatten(1).any(1).all())


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
    assert record.metrics.keys() == names | {f"{score}@lowres-4" for score in scores}
    data = datasets.load(run.dataset)
    _, validation, test = data.split(run.train_size, run.holdout, run.test_size)
    network, lowres = running.load_network(run, store, data, cpu), degrade.build({"name": "lowres"})
    assert not any(p.requires_grad for p in network.parameters())
    for name, part, degradation in (
        ("cross_entropy", test, lambda images: images),
        ("cross_entropy@lowres-4", test, lowres),
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


def test_weights_that_diverge_in_the_last_step_are_not_recorded(tiny, cpu, store):
    run = tiny(lr=1e30, epochs=1, batch_size=64)  # the only loss is that of the first weights
    with pytest.raises(UserError, match="scores are not finite; lower lr"):
        running.train(run, store, None, cpu)
    assert store.record(run) is None


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
