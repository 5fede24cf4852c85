"""The non-linearities of feature quantization: values and gradients."""

import pytest
import torch
from helpers import perturbed
from torch import nn
from torch.autograd import gradcheck

from paperlib.errors import UserError
from paperlib.papers.fq import quantization
from paperlib.papers.fq.quantization import (
    EXPONENTS,
    HPOW,
    POW,
    SF,
    SFPOW,
    SPLITS,
    exponent,
    floor,
    power,
)

pytestmark = pytest.mark.usefixtures("seeded")

EDGES = (0.0, -0.0, 1e-30, -1e-30, 1e-4, -1e-3, 1.0, -1.0, 1e4, -1e4)


def features(*shape, dtype=torch.float64):
    """Random features of both signs, with exact zeros and values about the size of epsilon."""
    u = torch.randn(*shape, dtype=dtype)
    u.view(-1)[:6] = torch.tensor([0.0, 1e-3, -1e-3, 5e-4, -2e-3, 1e-2], dtype=dtype)
    return u


# --- SF


def test_floor_rounds_down_to_the_grid():
    u = torch.tensor([-1.0, -0.25, -0.001, -0.0, 0.0, 0.099, 0.1, 0.35, 7.77])
    expected = torch.tensor([-1.0, -0.3, -0.1, 0.0, 0.0, 0.0, 0.1, 0.3, 7.7])
    assert torch.equal(floor(u, 10), expected)
    torch.testing.assert_close(floor(u, 10, rescale=False), 10 * expected)


@pytest.mark.parametrize("beta", [1, 10, 100])
def test_floor_loses_less_than_a_step(beta):
    u = features(1000)
    loss = u - floor(u, beta)
    assert loss.min() >= 0
    assert loss.max() < 1 / beta
    assert loss.max() > 0.9 / beta


@pytest.mark.parametrize(("rescale", "slope"), [(True, 1.0), (False, 10.0)])
def test_the_gradient_of_floor_is_that_of_the_function_without_its_floor(rescale, slope):
    u = features(50).requires_grad_()
    gradient = torch.randn_like(u)
    floor(u, 10, rescale).backward(gradient)
    torch.testing.assert_close(u.grad, slope * gradient, rtol=0, atol=0)


def test_resolution_is_positive():
    with pytest.raises(UserError, match="beta is 0; it must be positive"):
        SF(0)


# --- the power function


@pytest.mark.parametrize("p", [0.05, 0.5, 1.5, 4.0])
def test_power_is_the_papers_away_from_zero(p):
    u = torch.cat([-torch.logspace(-2, 2, 101), torch.logspace(-2, 2, 101)])
    expected = u.sign() * u.abs() ** p
    ratio = power(u, torch.tensor(p)) / expected
    assert (ratio - 1).abs().max() < 0.02
    assert (ratio - 1)[u.abs() > 0.1].abs().max() < 2e-4


def test_an_exponent_of_1_is_the_identity_to_the_bit():
    u = torch.cat([torch.tensor(EDGES), torch.randn(1000)])
    assert torch.equal(power(u, torch.ones(1)), u)


def test_power_is_odd_and_leaves_zero_alone():
    u, p = features(4, 5, 3, 3), torch.rand(1, 5, 1, 1, dtype=torch.float64) + 0.05
    assert torch.equal(power(-u, p), -power(u, p))
    assert (power(u, p) == 0).equal(u == 0)
    assert (power(u, p).sign() == u.sign()).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.05, 1.0, 4.0])
def test_no_value_and_no_gradient_overflows(dtype, p):
    u = torch.tensor(EDGES, dtype=dtype, requires_grad=True)
    exponents = torch.tensor(p, requires_grad=True)
    y = power(u, exponents)
    y.float().sum().backward()
    assert y.isfinite().all()
    assert u.grad.isfinite().all()
    assert exponents.grad.isfinite()
    zeros = torch.zeros(3, requires_grad=True)
    power(zeros, torch.tensor(p), epsilon=1e-3).sum().backward()
    torch.testing.assert_close(zeros.grad, torch.full((3,), 1e-3 ** (p - 1)), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    "shape", [(1, 3, 1, 1), (2, 3, 1, 1), (1, 3, 4, 4), ()], ids=["channel", "image", "cell", "one"]
)
def test_gradients_of_power(shape):
    u = features(2, 3, 4, 4).requires_grad_()
    p = (2 * torch.rand(shape, dtype=torch.float64) + 0.3).requires_grad_()
    # Away from 0 with steps of 1e-6, about 0 with steps well under epsilon.
    assert gradcheck(lambda u, p: power(u, p, 0.1), (u, p))
    assert gradcheck(power, (u, p), eps=1e-8, atol=1e-4, rtol=1e-3)


def test_second_derivatives_are_refused():
    u = torch.randn(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated"):
        torch.autograd.grad(power(u, torch.tensor(0.5)).sum(), u, create_graph=True)


def test_frozen_exponents_get_no_gradient():
    u = features(2, 3, 4, 4).requires_grad_()
    assert gradcheck(lambda u: power(u, torch.full((3, 1, 1), 1.7, dtype=torch.float64), 0.1), (u,))


def test_what_is_kept_for_the_backward_pass():
    """The two slopes, and neither features nor exponents; of SF, nothing."""
    u, p = torch.randn(2, 3, 4, 4, requires_grad=True), torch.ones(3, 1, 1, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        power(u, p)
        floor(u, 10)
    square = u.detach().square() + 1e-6
    torch.testing.assert_close(kept[0], torch.ones_like(u))
    torch.testing.assert_close(kept[1], square.log2() * u.detach())
    assert len(kept) == 2


def test_pieces_and_the_whole_give_the_same(monkeypatch):
    u, p = torch.randn(7, 3, 4, 4), torch.rand(7, 3, 1, 1) + 0.5
    u = u.to(memory_format=torch.channels_last)

    def outcome(exponents):
        x, own = u.clone().requires_grad_(), exponents.clone().requires_grad_()
        y = power(x, own)
        return y, *torch.autograd.grad(y, (x, own), torch.ones_like(y))

    for exponents in (p, p[:1]):
        whole = outcome(exponents)
        with monkeypatch.context() as patch:
            patch.setattr(quantization, "CACHED", 3 * u[0].numel())
            parts = outcome(exponents)
        torch.testing.assert_close(parts, whole)
        assert parts[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", EXPONENTS)
def test_exponent_maps(kind):
    start = EXPONENTS[kind][1]
    assert exponent(torch.tensor(start), kind) == 1
    alpha = torch.linspace(-5, 5, 101, dtype=torch.float64)
    p = exponent(alpha, kind)
    assert p.min() == 0.05
    assert p.max() == 4
    assert (p.diff() >= 0).all()
    inside = (start + torch.tensor([-0.4, 0.0, 0.7], dtype=torch.float64)).requires_grad_()
    assert gradcheck(lambda alpha: exponent(alpha, kind), (inside,))


def test_opposite_alphas_are_inverse_functions():
    u, alpha = (
        torch.cat([torch.linspace(-3, -0.1, 30), torch.linspace(0.1, 3, 30)]),
        torch.tensor(0.7),
    )
    back = power(power(u, exponent(alpha), 1e-6), exponent(-alpha), 1e-6)
    torch.testing.assert_close(back, u, rtol=1e-4, atol=1e-5)


def test_linear_and_exponential_maps_agree_near_zero():
    alpha = torch.linspace(-0.02, 0.02, 9)
    assert (exponent(alpha, "exp") - exponent(alpha, "linear")).abs().max() < 2.1e-4


# --- the modules


@pytest.mark.parametrize("kind", EXPONENTS)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("splits", [1, 4])
def test_pow_starts_as_the_identity_and_its_gradient_is_right(kind, split, splits):
    module, part = POW(8, splits, split, kind, epsilon=0.1).double(), splits - 1
    u = features(2, 8, 4, 4).requires_grad_()
    assert torch.equal(module(u, part=part), u)

    def apply(u, alpha):
        return torch.func.functional_call(module, {"alpha": alpha}, u, {"part": part})

    alpha = (module.alpha + 0.3 * torch.randn_like(module.alpha)).detach().requires_grad_()
    assert gradcheck(apply, (u, alpha), fast_mode=True)


def test_input_parts_have_their_own_exponents():
    module, u = POW(3, splits=2), torch.randn(2, 3, 5, 5)
    with torch.no_grad():
        module.alpha.uniform_(-1, 1)
    for part in (0, 1):
        torch.testing.assert_close(
            module(u, part=part), power(u, module.alpha[part].exp()[:, None, None])
        )


@pytest.mark.parametrize(
    ("splits", "grid"), [(2, (1, 2)), (4, (2, 2)), (8, (2, 4)), (16, (4, 4)), (3, (1, 3))]
)
def test_cells_have_their_own_exponents(splits, grid):
    module = POW(5, splits, "cells")
    with torch.no_grad():
        module.alpha.copy_(torch.rand(splits, 5))
    u = torch.full((1, 5, 12, 12), 2.0)
    cells = (module(u)[0] / 2).log2().add(1).log()  # back from 2^exp(alpha)
    rows, columns = grid
    expected = module.alpha.t().reshape(5, rows, columns)
    expected = expected.repeat_interleave(12 // rows, 1).repeat_interleave(12 // columns, 2)
    torch.testing.assert_close(cells, expected)
    assert module(torch.rand(1, 5, 1, 1)).shape == (1, 5, 1, 1)  # maps smaller than the grid


def test_groups_of_channels_share_an_exponent():
    module = POW(6, 3, "channels")
    with torch.no_grad():
        module.alpha.copy_(torch.tensor([-0.5, 0.0, 0.5]))
    found = module(torch.full((1, 6, 2, 2), 2.0))[0, :, 0, 0].log2().log()
    torch.testing.assert_close(
        found, torch.tensor([-0.5, -0.5, 0.0, 0.0, 0.5, 0.5]), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("kind", EXPONENTS)
def test_hpow_starts_as_the_identity_and_its_gradient_is_right(kind):
    module = HPOW(5, 3, hidden=4, exponent=kind, epsilon=0.1).double()
    x, u = features(2, 3, 4, 4).requires_grad_(), features(2, 5, 4, 4).requires_grad_()
    assert torch.equal(module(u, x), u)
    names = [name for name, _ in module.named_parameters()]
    values = [
        (p + 0.3 * torch.randn_like(p)).detach().requires_grad_() for p in module.parameters()
    ]

    def apply(u, x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (u, x))

    assert gradcheck(apply, (u, x, *values))


def test_hpow_reads_mean_and_deviation_of_every_image_by_itself():
    module = HPOW(5, 3)
    nn.init.normal_(module.hyper[-1].weight)
    x = torch.rand(4, 3, 6, 6)
    alpha = module.alpha(x)
    assert alpha.shape == (4, 5)
    u = torch.randn(4, 5, 6, 6)
    # the batch does not matter
    torch.testing.assert_close(module(u[1:2], x[1:2]), module(u, x)[1:2])
    shuffled = x.flatten(2)[:, :, torch.randperm(36)].view_as(x)
    torch.testing.assert_close(module.alpha(shuffled), alpha)  # nor do positions
    same_mean = x.mean((2, 3), keepdim=True) + 2 * (x - x.mean((2, 3), keepdim=True))
    assert not torch.allclose(module.alpha(same_mean), alpha)  # the deviation does
    assert not torch.allclose(module.alpha(x + 0.5), alpha)  # and the mean


def test_hpow_of_flat_maps_has_a_gradient():
    module = HPOW(3, 3)
    nn.init.normal_(module.hyper[-1].weight)
    # no deviation: a square root would have an infinite slope
    x = torch.zeros(2, 3, 1, 1, requires_grad=True)
    module(x, x).sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("first", ["floor", "power"])
def test_sfpow_is_one_behind_the_other(first):
    module = SFPOW(4, beta=10, first=first)
    with torch.no_grad():
        module.power.alpha.uniform_(-1, 1)
    p = module.power.alpha.exp().view(1, 4, 1, 1)
    u = torch.randn(2, 4, 5, 5, requires_grad=True)
    y = module(u)
    # rounded to 0, features are as steep as at half a step
    epsilon = 0.05 if first == "floor" else 1e-3
    expected = (
        power(floor(u, 10), p, epsilon) if first == "floor" else floor(power(u, p, epsilon), 10)
    )
    assert torch.equal(y, expected)
    # Straight through the floor: the slope of the power function at the rounded feature, or at the
    # feature.
    inner = (floor(u, 10) if first == "floor" else u).detach().requires_grad_()
    power(inner, p, epsilon).sum().backward()
    y.sum().backward()
    torch.testing.assert_close(u.grad, inner.grad)
    assert module.power.alpha.grad.abs().min() > 0


def test_sfpow_has_the_options_of_pow():
    module = SFPOW(4, beta=100, splits=2, exponent="linear", epsilon=0.2)
    assert (module.power.splits, module.power.exponent, module.power.epsilon) == (2, "linear", 0.2)
    assert SFPOW(4, beta=100, rescale=False).power.epsilon == 0.5


@pytest.mark.parametrize(
    "make", [lambda: SF(10), lambda: POW(4), lambda: HPOW(4, 4), lambda: SFPOW(4, 10)]
)
def test_float32_inside_autocast(make):
    module, u = perturbed(make()), torch.randn(2, 4, 5, 5)
    expected = module(u, u)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(u, u), expected)
        half = u.bfloat16()
        found = module(half, half)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, module(half.float(), half.float()).bfloat16())


@pytest.mark.parametrize(
    "make", [lambda: SF(10), lambda: POW(4, 4, "cells"), lambda: HPOW(4, 4), lambda: SFPOW(4, 10)]
)
def test_memory_stays_channels_last(make):
    u = torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last)
    assert make()(u, u).is_contiguous(memory_format=torch.channels_last)
