"""Streamed moments against scipy's, however the samples come; and the hooks that feed them."""

import functools
import operator

import pytest
import torch
from helpers import images
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from paperlib import networks
from paperlib.errors import UserError
from paperlib.papers.fq.central_moments import (
    BLOCKS,
    CentralMoments,
    chosen,
    convolutions,
    recording,
)
from paperlib.papers.fq.insertion import insert


def skewed(*shape, seed=0, dtype=torch.float64):
    """Samples with skewness 2 and excess kurtosis 6."""
    return torch.empty(shape, dtype=dtype).exponential_(
        generator=torch.Generator().manual_seed(seed)
    )


def check(moments, x, rtol=1e-9):
    """All statistics against scipy's of the same values (n, ...)."""
    x = x.double().numpy()
    expected = {
        "mean": x.mean(0),
        "variance": x.var(0),
        "deviation": x.std(0),
        "skewness": stats.skew(x, axis=0),
        "kurtosis": stats.kurtosis(x, axis=0),
    }
    assert moments.count == len(x)
    for name, values in expected.items():
        # A skewness that happens to be near 0 is a sum of larger terms.
        torch.testing.assert_close(
            getattr(moments, name), torch.as_tensor(values), rtol=rtol, atol=rtol
        )


# Moments of values


@pytest.mark.parametrize("shape", [(400,), (400, 3), (2, 3, 4, 5), (300, 300), (700, 8, 20, 20)])
def test_they_are_scipys(shape):
    x = skewed(*shape)
    check(CentralMoments.of(x), x)


def test_the_block_sizes_of_a_gpu_give_the_same(monkeypatch):
    x = skewed(700, 300)
    monkeypatch.setitem(BLOCKS, "cpu", BLOCKS["gpu"])
    check(CentralMoments.of(x), x)


def test_channels_last_features_give_the_same():
    x = skewed(50, 6, 7, 5)
    a, b = CentralMoments.of(x), CentralMoments.of(x.contiguous(memory_format=torch.channels_last))
    assert a.mean.shape == (6, 7, 5)
    for name in ("mean", "m2", "m3", "m4"):
        torch.testing.assert_close(getattr(b, name), getattr(a, name), rtol=1e-12, atol=0)


@pytest.mark.parametrize("mean", [1e3, -1e6, 1e8])
def test_a_large_mean_costs_no_digits(mean):
    x = skewed(3000, 4) + mean  # raw sums of x^4 in float64 would have no digit left
    parts = [CentralMoments.of(part) for part in x.split(170)]
    check(functools.reduce(operator.add, parts), x, rtol=1e-6)


def test_float32_and_bfloat16_are_summed_in_float64():
    for dtype in (torch.float32, torch.bfloat16):
        x = (skewed(5000, 3) + 100).to(dtype)
        moments = CentralMoments.of(x)
        assert moments.m4.dtype == torch.float64
        check(moments, x)


def test_a_normal_distribution_has_neither_skewness_nor_kurtosis():
    x = torch.randn(5000, 2000, generator=torch.Generator().manual_seed(0))
    moments = CentralMoments.of(x)
    # the docstring's errors
    assert moments.skewness.std().item() == pytest.approx((6 / 5000) ** 0.5, rel=0.06)
    assert moments.kurtosis.std().item() == pytest.approx((24 / 5000) ** 0.5, rel=0.06)
    assert moments.skewness.mean().abs() < 0.003
    assert moments.kurtosis.mean().abs() < 0.006


# Merging


def test_chunks_of_uneven_size_make_the_whole():
    x = skewed(1000, 5)
    parts = [CentralMoments.of(part) for part in x.split([1, 7, 0, 500, 2, 490])]
    check(functools.reduce(operator.add, parts), x)


@given(
    st.lists(st.lists(st.floats(-1e3, 1e3, width=32), max_size=8), min_size=1, max_size=6),
    st.floats(-1e5, 1e5, width=32),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_neither_order_nor_grouping_of_the_chunks_matters(chunks, shift, random):
    values = [[value + shift for value in chunk] for chunk in chunks]
    parts = [CentralMoments.of(torch.tensor(chunk, dtype=torch.float64)) for chunk in values]
    whole = CentralMoments.of(
        torch.tensor([x for chunk in values for x in chunk], dtype=torch.float64)
    )
    random.shuffle(parts)
    while len(parts) > 1:
        parts.append(
            parts.pop(random.randrange(len(parts))) + parts.pop(random.randrange(len(parts)))
        )
    (merged,) = parts
    assert merged.count == whole.count
    if not whole.count:
        return
    spread = max(
        abs(value - whole.mean.item()) for chunk in values for value in chunk
    ) + 1e-9 * abs(shift)
    assert merged.mean.item() == pytest.approx(whole.mean.item(), abs=1e-10 * (spread + abs(shift)))
    for p, name in ((2, "m2"), (3, "m3"), (4, "m4")):
        error = 1e-8 * whole.count * spread**p + 1e-300
        assert getattr(merged, name).item() == pytest.approx(
            getattr(whole, name).item(), rel=0, abs=error
        )


def test_a_single_image_has_a_mean_and_no_shape():
    one = CentralMoments.of(torch.tensor([[3.0, -1.0]]))
    assert one.mean.tolist() == [3, -1]
    assert one.variance.tolist() == [0, 0]
    assert one.constant.all()
    assert one.skewness.isnan().all()
    assert one.kurtosis.isnan().all()
    two = one + CentralMoments.of(torch.tensor([[5.0, -1.0]]))
    assert two.mean.tolist() == [4, -1]
    assert two.kurtosis[0].item() == pytest.approx(-2)  # of two values, the least there is
    assert two.constant.tolist() == [False, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_is_constant_whatever_its_value(dtype):
    x = torch.full((999, 3), 0.1, dtype=dtype) * torch.tensor([1.0, 1e-3, 1e7], dtype=dtype)
    moments = functools.reduce(operator.add, map(CentralMoments.of, x.split(100)))
    assert moments.constant.all()
    assert moments.skewness.isnan().all()
    x[500] *= 1.001
    changed = CentralMoments.of(x)
    assert not changed.constant.any()
    # one in 999
    assert changed.skewness.tolist() == pytest.approx([998**0.5 - 998**-0.5] * 3, rel=1e-3)


def test_a_constant_has_no_variance_at_all_before_it_is_merged():
    assert (CentralMoments.of(torch.full((400, 3), 0.3, dtype=torch.float64)).m2 == 0).all()


def test_what_varies_by_a_rounding_error_is_constant():
    x = torch.full((50, 1), 1e8, dtype=torch.float64)
    x[::3] += 1e8 * torch.finfo(torch.float64).eps
    moments = CentralMoments.of(x)
    assert moments.variance > 0
    assert moments.constant
    assert moments.skewness.isnan()
    assert moments.kurtosis.isnan()


def test_no_samples_at_all():
    nothing = CentralMoments.of(torch.empty(0, 2))
    assert nothing.count == 0
    assert nothing.skewness.isnan().all()
    assert (nothing + nothing).count == 0


# Neurons, channels, affine maps


def test_channels_are_the_neurons_pooled():
    x = skewed(40, 3, 6, 4) + torch.arange(24.0).view(6, 4)
    neurons = CentralMoments.of(x)
    assert neurons.mean.shape == (3, 6, 4)
    channels = neurons.pooled()
    assert channels.count == 40 * 24
    check(channels, x.permute(0, 2, 3, 1).reshape(-1, 3))
    assert channels.pooled() is channels


def test_an_affine_map_is_one_of_the_values():
    x = skewed(200, 3, 4)
    scale, offset = (
        torch.tensor([2.0, -3.0, 0.5]).view(3, 1),
        torch.tensor([1.0, 2.0, -7.0]).view(3, 1),
    )
    mapped = CentralMoments.of(x).affine(scale, offset)
    check(mapped, x * scale + offset)
    before = CentralMoments.of(x)
    torch.testing.assert_close(mapped.skewness, before.skewness * scale.sign())
    torch.testing.assert_close(mapped.kurtosis, before.kurtosis)


# Layers and what they put out


@pytest.fixture
def vgg():
    torch.manual_seed(0)
    return networks.build("vgg16", 10, width=0.0625).eval()


def hooks(network):
    return sum(len(module._forward_hooks) for module in network.modules())


def test_vggs_layers_have_the_names_of_its_paper(vgg):
    layers = convolutions(vgg)
    expected = [
        f"conv{block}_{i}" for block, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)
    ]
    assert list(layers) == expected
    assert all(isinstance(layer, nn.Conv2d) for layer in layers.values())


def test_other_networks_have_the_names_of_their_modules():
    assert "stage3.1.conv2" in convolutions(networks.build("resnet18", 10, width=0.0625))


def test_an_unknown_layer_names_the_valid_ones(vgg):
    with pytest.raises(
        UserError, match=r"unknown layer 'conv6_1'; choose from: conv1_1, conv1_2, .*conv5_3"
    ):
        chosen(vgg, "conv1_1, conv6_1")
    assert list(chosen(vgg, "conv4_3, conv1_1")) == ["conv4_3", "conv1_1"]


@torch.inference_mode()
def test_what_layers_put_out_is_streamed(vgg):
    names, batches = "conv1_1,conv3_2,conv5_3", [images(5), images(3, seed=1), images(1, seed=2)]
    layers, moments = chosen(vgg, names), {}
    for batch in batches:
        with recording(layers, moments):
            vgg(batch)
        vgg(1 - batch)  # not recorded
    assert hooks(vgg) == 0
    x = (torch.cat(batches) - vgg.mean.view(3, 1, 1)) / vgg.std.view(3, 1, 1)
    convs = 0
    for module in vgg.body:
        x = module(x)
        convs += isinstance(module, nn.Conv2d)
        name = {1: "conv1_1", 6: "conv3_2", 13: "conv5_3"}.get(convs)
        if isinstance(module, nn.Conv2d) and name:
            torch.testing.assert_close(moments[name].mean, x.double().mean(0), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(
                moments[name].m2, 9 * x.double().var(0, correction=0), rtol=1e-3, atol=1e-5
            )
    assert convs == 13
    assert moments["conv5_3"].mean.shape == (32, 2, 2)
    assert list(moments) == names.split(",")


def test_the_hooks_are_gone_after_an_error_too(vgg):
    layers = chosen(vgg, "conv1_1,conv2_1")
    with recording(layers, {}):
        assert hooks(vgg) == 2
    with pytest.raises(RuntimeError, match="size of tensor"), recording(layers, {}):
        vgg(torch.rand(1, 4, 32, 32))
    assert hooks(vgg) == 0


@torch.inference_mode()
def test_a_network_with_power_functions_shows_what_they_put_out(vgg):
    before, after = {}, {}
    with recording(chosen(vgg, "conv2_1"), before):
        vgg(images(20))
    insert(vgg, "sf", beta=1.0)
    with recording(chosen(vgg, "conv2_1"), after):
        vgg(images(1))
    assert (after["conv2_1"].mean % 1 == 0).all()  # multiples of 1 / beta
    assert (before["conv2_1"].mean % 1 != 0).any()
