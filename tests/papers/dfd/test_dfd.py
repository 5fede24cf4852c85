"""DFD's equations against numbers worked out by hand, and the student between its two networks."""

import math

import pytest
import torch

from paperlib import degrade
from paperlib.degrade.levels import to_float
from paperlib.errors import UserError
from paperlib.evaluation import classification
from paperlib.methods import Batch, Task, build, build_network
from paperlib.papers.dfd.method import (
    distillation_loss,
    probabilities,
    recognition_loss,
    total_loss,
)

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))


@pytest.fixture
def batch():
    clean, degraded = torch.rand(2, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(clean, degraded, torch.arange(6))


@pytest.fixture
def make(tiny):
    """Makes a student with a frozen teacher; keyword arguments are the method's options."""

    def make(network="resnet18", **options):
        torch.manual_seed(0)
        run = tiny(method="dfd", network=network, width=0.125, options=options)
        teacher = (
            build_network(tiny(network=network, width=0.125), TASK).eval().requires_grad_(False)
        )
        return build(run, TASK, {"teacher": teacher})

    return make


# The equations


def test_equation_1():
    student = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    # squared distances 1 + 4 = 5 and 9 + 16 = 25; halves 2.5 and 12.5; mean over the batch 7.5
    assert distillation_loss(student, teacher).item() == 7.5
    assert distillation_loss(student, teacher, "mean").item() == 3.75  # divided by d = 2


def test_equation_1_pulls_the_student_straight_to_the_teacher():
    student, teacher = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    student.requires_grad_()
    distillation_loss(student, teacher).backward()
    torch.testing.assert_close(student.grad, (student.detach() - teacher) / 5)


def test_equation_1_is_summed_in_float32():
    student = torch.full((2, 1000), 0.1, dtype=torch.bfloat16)
    loss = distillation_loss(student, torch.zeros_like(student))
    assert loss.dtype == torch.float32
    # bf16 sums to 1 % at best
    assert loss.item() == pytest.approx(0.5 * 1000 * student[0, 0].item() ** 2, rel=1e-5)


def test_equation_2():
    feature = torch.tensor([[1.0, 2.0]])
    weight = torch.tensor([[math.log(2), 0.0], [0.0, math.log(2)]])
    bias = torch.tensor([0.0, -math.log(4 / 3)])
    # logits log 2 and log 4 - log 4/3 = log 3: probabilities 2/5 and 3/5
    assert probabilities(feature, weight, bias)[0].tolist() == pytest.approx([0.4, 0.6])


def test_equation_3():
    logits = torch.tensor([[math.log(2), math.log(3)]]).expand(2, 2)  # probabilities 0.4 and 0.6
    # -log 0.4
    assert recognition_loss(logits[:1], torch.tensor([0])).item() == pytest.approx(0.9162907)
    assert recognition_loss(logits, torch.tensor([0, 1])).item() == pytest.approx(
        (0.9162907 + 0.5108256) / 2
    )


def test_equation_4():
    assert total_loss(torch.tensor(0.5), torch.tensor(0.25), 2.0).item() == 1.0


def test_equations_2_and_3_are_the_loss_that_trains(make, batch):
    student = make().eval()
    logits, feature = student.network(batch.degraded)
    p = probabilities(feature, student.network.head.weight.T, student.network.head.bias)
    torch.testing.assert_close(
        recognition_loss(logits, batch.labels), -p[range(6), batch.labels].log().mean()
    )


# The student


def test_the_loss_is_equation_4_of_both_networks(make, batch):
    student = make(lambda_=0.5).eval()
    loss = student.loss(batch)
    own, teacher = student.network(batch.degraded), student.parents["teacher"](batch.clean)
    recognition, distillation = (
        recognition_loss(own.logits, batch.labels),
        distillation_loss(own.feature, teacher.feature),
    )
    assert loss["recognition"] == recognition
    assert loss["distillation"] == distillation
    assert loss["loss"] == recognition + 0.5 * distillation


def test_a_student_equal_to_its_teacher_on_clean_images_has_nothing_to_learn_from_it(make, batch):
    student = make().eval()
    student.network.load_state_dict(student.parents["teacher"].state_dict())
    assert student.loss(batch._replace(degraded=batch.clean))["distillation"] == 0
    assert student.loss(batch)["distillation"] > 0


@pytest.mark.parametrize("options", [{"reduction": "mean"}, {"feature": "pre"}])
def test_each_option_changes_the_distillation_alone(make, batch, options):
    default, changed = make().eval().loss(batch), make(**options).eval().loss(batch)
    assert changed["recognition"] == default["recognition"]
    assert changed["distillation"] != default["distillation"]


def test_the_sum_is_the_default_and_d_times_the_mean(make, batch):
    whole, mean = (
        make(**options).eval().loss(batch)["distillation"]
        for options in ({}, {"reduction": "mean"})
    )
    torch.testing.assert_close(whole, 64 * mean)  # d = 512 / 8


def test_pre_is_taken_from_both_networks(make, batch):
    student = make(feature="pre").eval()
    assert student.network(batch.degraded).feature.min() < 0
    assert student.parents["teacher"](batch.clean).feature.min() < 0


def test_a_step_leaves_the_teacher_as_it_was(make, batch):
    student = make().train()
    teacher = student.parents["teacher"]
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student.loss(batch)["loss"].backward()
    assert not teacher.training
    # batch norm, too
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None for p in student.parameters())


def test_the_teacher_is_no_part_of_what_is_trained_and_saved(make):
    student = make()
    assert {id(p) for p in student.parameters()} == {id(p) for p in student.network.parameters()}
    assert all(name.startswith("network.") for name in student.state_dict())
    student.train()
    assert not student.parents["teacher"].training


def test_scores_are_those_of_the_student_on_degraded_images(make, batch):
    student = make().eval()
    expected = classification(student.network(batch.degraded).logits, batch.labels)
    assert all(torch.equal(score, expected[name]) for name, score in student.scores(batch).items())


def test_init_gives_the_first_weights(make, tiny):
    teacher = make().parents["teacher"]
    torch.manual_seed(1)
    student = build(tiny(method="dfd", width=0.125), TASK, {"teacher": teacher, "init": teacher})
    expected = teacher.state_dict()
    assert all(
        torch.equal(tensor, expected[name]) for name, tensor in student.network.state_dict().items()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "max"}, "unknown reduction 'max'; choose from: sum, mean"),
        ({"feature": "last"}, "unknown feature 'last'; choose from: post, pre"),
        ({"temperature": 4}, "unknown option of method 'dfd' 'temperature'; choose from: feature"),
    ],
)
def test_wrong_options(make, options, message):
    with pytest.raises(UserError, match=message):
        make(**options)


def test_a_student_needs_a_teacher(tiny):
    with pytest.raises(UserError, match="dfd needs a parent 'teacher'"):
        build(tiny(method="dfd"), TASK, {})


def test_unknown_method(tiny):
    with pytest.raises(
        UserError,
        match=r"unknown method 'sgd'; choose from: .*\bdfd\b",
    ):
        build(tiny(method="sgd"), TASK, {})


@pytest.mark.slow
def test_the_compiled_loss_is_the_loss(tiny_student):
    """Traced as on a GPU, without the compiler's last stage; the teacher has run eagerly before."""
    run, task = tiny_student(), Task(10, (0.5,) * 3, (0.25,) * 3)
    torch.manual_seed(0)
    teacher = build_network(run.uses["teacher"], task).eval().requires_grad_(False)
    method = build(run, task, {"teacher": teacher}).train()
    clean = torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8)
    batch = Batch(to_float(clean), to_float(degrade.build(run.degrade)(clean)), torch.arange(8))
    eager = method.loss(batch)
    compiled = torch.compile(method.loss, backend="aot_eager")(batch)
    assert compiled.keys() == eager.keys()
    for name in eager:
        torch.testing.assert_close(compiled[name], eager[name])
    compiled["loss"].backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None for p in method.parameters())
