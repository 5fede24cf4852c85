"""CKA and class-activation maps: against their definitions, and what must not change them."""

import itertools

import pytest
import torch

from paperlib import networks
from paperlib.errors import UserError
from paperlib.papers.ssdl.cka import (
    CKA,
    averages,
    class_activation_maps,
    gram,
    hsic,
)

# their pooling is the mean over positions
AVERAGED = ("resnet18", "resnet50", "resnext101", "plain10", "invertible")


def cka(x, y):
    """Of features (n, ...) and (n, ...) of the same images."""
    both = CKA([("x", "y")])
    both.add({"x": gram(x), "y": gram(y)})
    return both.values()["x", "y"]


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def related():
    """Features (400, 6) and (400, 9) that share three factors."""
    factors = normal(400, 3)
    return tuple(
        factors @ normal(3, d, seed=d) + 0.7 * normal(400, d, seed=10 + d) + normal(d, seed=20 + d)
        for d in (6, 9)
    )


def by_definition(k, l):
    """The U-statistic: the mean over all ordered choices of four different images."""
    choices = list(itertools.permutations(range(len(k)), 4))
    values = [
        k[i, j] * l[i, j] + k[i, j] * l[q, r] - 2 * k[i, j] * l[i, q] for i, j, q, r in choices
    ]
    return sum(values) / len(choices)


# HSIC and CKA


@pytest.mark.parametrize("n", [4, 7])
def test_hsic_is_the_u_statistic(n):
    x, y = normal(n, 3) + 5, normal(n, 4, seed=1)
    expected = by_definition(x @ x.T, y @ y.T)  # not centred, and its diagonal is not read
    torch.testing.assert_close(hsic(gram(x), gram(y)), expected, rtol=1e-10, atol=1e-12)


def test_cka_is_the_normalised_hsic():
    x, y = normal(8, 5), normal(8, 2, seed=1)
    k, l = x @ x.T, y @ y.T
    expected = by_definition(k, l) / (by_definition(k, k) * by_definition(l, l)).sqrt()
    assert cka(x, y) == pytest.approx(expected.item(), rel=1e-10)


def test_the_unbiased_hsic_is_right_on_average():
    mixing = normal(3, 4)
    values = []
    for seed in range(1000):  # six images at a time, whose plain estimate would be far off
        x = normal(6, 3, seed=seed)
        values.append(hsic(gram(x), gram(x @ mixing)))
    values = torch.stack(values)
    assert values.mean().item() == pytest.approx(
        mixing.square().sum().item(), abs=4 * values.std().item() / 1000**0.5
    )


def test_of_many_images_cka_is_that_of_their_distribution():
    sds = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    x = normal(1500, 3) * sds
    # |Sxy|^2 / (|Sx| |Sy|)
    expected = sds.square().sum() / (3**0.5 * sds.square().square().sum().sqrt())
    assert cka(x, x / sds) == pytest.approx(expected.item(), abs=0.03)


def test_what_does_not_change_cka(related):
    x, y = related
    value = cka(x, y)
    rotation, _ = torch.linalg.qr(normal(6, 6))
    assert 0.2 < value < 0.95
    for changed in (x @ rotation, x[:, torch.randperm(6)], -0.01 * x, x + 100):
        assert cka(changed, y) == pytest.approx(value, rel=1e-9)
    assert cka(x @ rotation, x) == pytest.approx(1, rel=1e-9)
    assert cka(y, x) == pytest.approx(value, rel=1e-9)
    together = torch.randperm(400)
    assert cka(x[together], y[together]) == pytest.approx(value, rel=1e-9)


def test_what_does_change_cka(related):
    x, y = related
    stretched = x * torch.tensor([100.0, 1, 1, 1, 1, 1])
    assert abs(cka(stretched, y) - cka(x, y)) > 0.01
    assert abs(cka(x, y[torch.randperm(400)])) < 0.1


def test_independent_features_with_many_dimensions_are_not_similar():
    x, y = normal(40, 2000), normal(40, 2000, seed=1)
    k, l = ((z - z.mean(0)) @ (z - z.mean(0)).T for z in (x, y))
    # the plain estimate, in which they look the same
    assert (k * l).sum() / (k.norm() * l.norm()) > 0.9
    assert abs(cka(x, y)) < 0.1


def test_features_that_do_not_vary_have_no_cka(related):
    assert cka(torch.ones(10, 3), normal(10, 3)) == 0


def test_fewer_than_four_images_are_no_sample(related):
    x, y = related
    gathered = CKA([("x", "y")])
    for part in (slice(0, 50), slice(50, 53)):
        gathered.add({"x": gram(x[part]), "y": gram(y[part])})
    assert gathered.values()["x", "y"] == cka(x[:50], y[:50])
    with pytest.raises(UserError, match="at least 4 images"):
        cka(x[:3], y[:3])
    with pytest.raises(ValueError, match="at least 4 images, not 3"):
        hsic(gram(x[:3]), gram(y[:3]))


def test_batches_have_the_mean_of_their_hsic(related):
    x, y = related
    gathered = CKA([("x", "y"), ("y", "y")])
    sums = torch.zeros(3, dtype=torch.float64)
    for start, end in ((0, 250), (250, 400)):
        k, l = gram(x[start:end]), gram(y[start:end])
        gathered.add({"x": k, "y": l})
        sums += (end - start) * torch.stack([hsic(k, l), hsic(k, k), hsic(l, l)])
    values = gathered.values()
    assert values["x", "y"] == pytest.approx(
        (sums[0] / (sums[1] * sums[2]).sqrt()).item(), rel=1e-10
    )
    assert values["y", "y"] == pytest.approx(1, rel=1e-12)


def test_small_batches_estimate_the_same_as_one(related):
    x, y = related
    gathered = CKA([("x", "y")])
    for part in range(0, 400, 8):
        gathered.add({"x": gram(x[part : part + 8]), "y": gram(y[part : part + 8])})
    assert gathered.values()["x", "y"] == pytest.approx(cka(x, y), abs=0.05)
    assert gathered.values()["x", "y"] != pytest.approx(cka(x, y), abs=1e-6)


def test_half_precision_features_are_multiplied_in_float32(related):
    x, y = (z.view(400, -1, 1, 3) for z in related)
    assert cka(x.half(), y.bfloat16()) == pytest.approx(
        cka(x.half().double(), y.bfloat16().double()), rel=1e-5
    )


def test_a_permuted_network_has_the_same_cka():
    x = normal(50, 30).relu()
    permuted = x[:, torch.randperm(30)]
    assert cka(x, permuted) == pytest.approx(1)


# Class-activation maps


@pytest.mark.parametrize("name", AVERAGED)
def test_a_class_activation_map_adds_up_to_the_logit(name, seeded):
    network = networks.build(name, 7, 0.0625, size=64).eval()
    images, labels = torch.rand(3, 3, 64, 64), torch.tensor([6, 0, 3])
    with torch.inference_mode():
        maps = network.maps(images)
        activation = class_activation_maps(network, maps, labels)
        logits = network.classify(maps).logits[torch.arange(3), labels]
    assert activation.shape == (3, *maps.shape[-2:])
    torch.testing.assert_close(
        activation.mean((1, 2)) + network.head.bias[labels], logits, rtol=1e-4, atol=1e-4
    )
    one = sum(network.head.weight[6, c] * maps[0, c].relu() for c in range(maps.shape[1]))
    torch.testing.assert_close(activation[0], one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", networks.known())
def test_who_has_class_activation_maps(name):
    assert averages(networks.build(name, 10, 0.125)) == (name in AVERAGED)
