"""VID: the likelihood by hand, the learned variance, and the student beside its frozen teacher."""

import math

import pytest
import torch

from paperlib import methods, networks, running
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.methods import Task, build_network
from paperlib.networks.classifier import map_shape
from paperlib.papers.sfd.baselines.vid import variational_loss

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))


@pytest.fixture
def make(tiny):
    """Makes a student with a frozen teacher; keyword arguments are the method's options."""

    def make(network="resnet18", teacher="resnet18", **options):
        torch.manual_seed(0)
        parent = (
            build_network(tiny(network=teacher, width=0.125), TASK).eval().requires_grad_(False)
        )
        torch.manual_seed(1)
        run = tiny(method="vid", network=network, width=0.0625, options=options)
        return methods.build(run, TASK, {"teacher": parent})

    return make


# The loss


def test_the_likelihood_by_hand():
    mean = torch.tensor([[1.0, 2.0], [0.0, 0.0]]).view(2, 2, 1, 1)
    target = torch.tensor([[0.0, 2.0], [2.0, 4.0]]).view(2, 2, 1, 1)
    # channel 0, variance 1: squares 1 and 4; channel 1, variance 4: squares 0 and 16, logarithms
    # log 4 each
    expected = 0.5 * (1 + 4 + 0 / 4 + 16 / 4 + 2 * math.log(4)) / 4
    assert variational_loss(mean, target, torch.tensor([1.0, 4.0])).item() == pytest.approx(
        expected
    )


def test_the_likelihood_is_highest_where_the_variance_is_the_mean_square():
    mean, target = torch.randn(2, 16, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    target = target * torch.tensor([0.5, 1.0, 3.0]).view(3, 1, 1)
    best = (mean - target).square().mean((0, 2, 3))
    lowest = variational_loss(mean, target, best)
    for factor in (0.8, 1.25):
        for channel in range(3):
            changed = best.clone()
            changed[channel] *= factor
            assert variational_loss(mean, target, changed) > lowest


def test_the_likelihood_is_computed_in_float32():
    mean = torch.full((2, 4, 8, 8), 0.1, dtype=torch.bfloat16)
    assert variational_loss(mean, torch.zeros_like(mean), torch.ones(4)).dtype == torch.float32


def test_the_variance_starts_at_5_and_stays_positive(make):
    method = make()
    torch.testing.assert_close(method.variance, torch.full((64,), 5.0))
    torch.nn.init.constant_(method.scale, -1000.0)
    torch.testing.assert_close(method.variance, torch.full((64,), 1e-5))


# The student


def test_the_loss_is_the_sum_of_its_terms(make, batch):
    method = make(lambda_=0.25).eval()
    losses = method.loss(batch)
    teacher = method.parents["teacher"].maps(batch.clean).relu()
    maps = method.network.maps(batch.degraded).relu()
    logits = method.network(batch.degraded).logits
    torch.testing.assert_close(
        losses["recognition"], torch.nn.functional.cross_entropy(logits, batch.labels)
    )
    expected = variational_loss(method.regressor(maps), teacher, method.variance)
    torch.testing.assert_close(losses["distillation"], expected)
    torch.testing.assert_close(
        losses["loss"], losses["recognition"] + 0.25 * losses["distillation"]
    )


class Fixed(torch.nn.Module):
    """A classifier whose last maps are given."""

    def __init__(self, network, maps):
        super().__init__()
        self.network, self.given = network, maps

    def maps(self, images):
        return self.given.clone()

    def classify(self, maps):
        return self.network.classify(maps)


def test_maps_are_taken_behind_the_relu(make, batch):
    """Negative values before the ReLU do not change the loss, positive ones do, on both sides."""
    torch.manual_seed(2)
    method = make().eval()
    own, target = torch.randn(6, 32, 4, 4), torch.randn(6, 64, 4, 4)

    def distillation(own, target):
        method.parents = {"teacher": Fixed(teacher, target)}
        method.network = Fixed(student, own)
        return method.loss(batch)["distillation"].item()

    student, teacher = method.network, method.parents["teacher"]
    reference = distillation(own, target)
    assert distillation(torch.where(own < 0, 7 * own, own), target) == reference
    assert distillation(own, torch.where(target < 0, 7 * target, target)) == reference
    assert distillation(torch.where(own > 0, 7 * own, own), target) != reference
    assert distillation(own, torch.where(target > 0, 7 * target, target)) != reference


def test_the_teacher_sees_the_clean_image_and_the_student_the_degraded_one(make, batch):
    method = make().eval()
    both = method.loss(batch)
    clean = method.loss(batch._replace(clean=batch.clean.flip(-1)))
    assert clean["recognition"] == both["recognition"]
    assert clean["distillation"] != both["distillation"]
    assert method.loss(batch._replace(degraded=batch.clean))["recognition"] != both["recognition"]


def test_gradients_reach_all_but_the_teacher(make, batch):
    method = make()
    method.loss(batch)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.parameters())
    assert all(p.grad is None for p in method.parents["teacher"].parameters())
    assert method.no_decay_parameters() == [method.scale]
    names = {name.split(".")[0] for name in method.state_dict()}
    assert names == {"network", "regressor", "scale"}


def test_the_student_starts_as_the_baseline_of_its_seed(make, tiny):
    torch.manual_seed(1)
    baseline = build_network(tiny(), TASK).state_dict()
    student = make().network.state_dict()
    assert all(torch.equal(value, student[name]) for name, value in baseline.items())


@pytest.mark.parametrize(
    ("network", "teacher"), [("resnet18", "vgg16"), ("vgg16", "resnet18"), ("smallcnn", "alexnet")]
)
def test_networks_whose_maps_have_other_sizes(make, batch, network, teacher):
    method = make(network, teacher)
    losses = method.loss(batch)
    losses["distillation"].backward()
    assert losses["loss"].isfinite()
    assert next(method.network.parameters()).grad.abs().max() > 0


def test_map_shape_gathers_no_statistics():
    network = networks.build("vgg16", 10, 0.125)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert map_shape(network, 32) == (64, 2, 2)
    assert map_shape(network, 64) == (64, 4, 4)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_without_a_teacher(tiny):
    with pytest.raises(
        UserError, match=r"vid needs a parent 'teacher': uses=\{'teacher': Run\(...\)\}"
    ):
        methods.build(tiny(method="vid"), TASK, {})


@pytest.mark.slow
def test_a_run_learns_the_variances_and_is_reproduced(tiny, cpu, store, tmp_path):
    noise = {
        "name": "corruption",
        "corruption": "gaussian_noise",
        "severity": 2,
        "table": "cifar-c",
    }
    run = tiny(
        method="vid", degrade=noise, uses={"teacher": tiny()}, optimizer="adam", lr=0.01, epochs=4
    )
    again = type(store)(tmp_path / "again")
    for place in (store, again):
        running.train(tiny(), place, None, cpu)
        record = running.train(run, place, None, cpu)
    assert set(record.history[0]) == {"lr", "loss", "recognition", "distillation"}
    assert record.history[-1]["distillation"] < record.history[0]["distillation"]
    variance = store.samples(run)["variance"]
    assert variance.shape == (32,)
    assert (variance != 5).all()
    weights = store.weights(run)
    assert all(torch.equal(value, again.weights(run)[name]) for name, value in weights.items())
    network = running.load_network(run, store, load(run.dataset), cpu).state_dict()
    assert all(torch.equal(value, weights[f"network.{name}"]) for name, value in network.items())
