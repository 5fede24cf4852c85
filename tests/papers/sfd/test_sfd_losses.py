"""The equations of self-feature distillation."""

import pytest
import torch

from paperlib.papers.sfd.method import increasing, mse, ulfd


@pytest.fixture
def triple():
    """z, z^ and s in float64, with gradients."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, 3, 2, 2, generator=generator, dtype=torch.float64).requires_grad_()
        for _ in range(3)
    ]


def test_ulfd_by_hand():
    clean, estimate = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 2.0]])
    s = torch.tensor([[0.0, -1.0]])
    assert ulfd(clean, estimate, s).item() == pytest.approx((1 / (1e-6 + 2) + 0 + 0 - 1) / 2)
    assert mse(clean, estimate).item() == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (2, 1, 1, 1), (1, 3, 1, 1)])
def test_gradients_are_finite_differences(triple, shape):
    clean, estimate, s = triple
    s = s.detach()[tuple(slice(n) for n in shape)].clone().requires_grad_()
    assert torch.autograd.gradcheck(ulfd, (clean, estimate, s))


def test_the_gradient_of_the_estimate_falls_with_the_uncertainty(triple):
    """-r / e^s an element, but for the 1e-6 and the mean."""
    clean, estimate, s = triple
    ulfd(clean, estimate, s).backward()
    expected = -(clean - estimate) / s.exp() / s.numel()
    torch.testing.assert_close(estimate.grad, expected, rtol=1e-4, atol=0)


def test_the_optimum_is_half_the_squared_residual(triple):
    clean, estimate, _ = (t.detach() for t in triple)
    best = ((clean - estimate).square() / 2).log().requires_grad_()
    lowest = ulfd(clean, estimate, best)
    lowest.backward()
    squared = (clean - estimate).square()
    remains = (1 - squared.square() / (squared + 1e-6).square()) / best.numel()  # of the 1e-6 alone
    assert remains.max() < 1e-4
    torch.testing.assert_close(best.grad, remains)
    torch.testing.assert_close(lowest, 1 + best.mean(), rtol=1e-4, atol=0)
    for shift in (-0.1, 0.1):
        assert ulfd(clean, estimate, best.detach() + shift) > lowest


def test_increasing_weights(triple):
    clean, estimate, s = triple
    loss = increasing(clean, estimate, s)
    weight = s.detach().exp() / s.detach().exp().mean()
    expected = (weight * (clean - estimate).square()).mean() + ulfd(clean, estimate, s)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    torch.testing.assert_close(estimate.grad, -2 * weight * (clean - estimate).detach() / s.numel())
    learned = s.detach().clone().requires_grad_()
    ulfd(clean.detach(), estimate.detach(), learned).backward()
    torch.testing.assert_close(s.grad, learned.grad)


def test_equal_uncertainty_weighs_as_the_mean_squared_error(triple):
    clean, estimate, s = triple
    increasing(clean, estimate, torch.full_like(s, -2.0)).backward()
    found = estimate.grad.clone()
    estimate.grad = None
    mse(clean, estimate).backward()
    torch.testing.assert_close(found, estimate.grad)


def test_losses_are_computed_in_float32():
    clean, estimate = torch.full((1, 1), 1.0).bfloat16(), torch.full((1, 1), 300.0).bfloat16()
    for loss in (mse(clean, estimate), ulfd(clean, estimate, torch.zeros(1, 1))):
        assert loss.dtype == torch.float32
