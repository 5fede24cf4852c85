"""The invertible classifier: exact inverses, its size, and that it learns."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib import networks, running
from paperlib.datasets import load
from paperlib.errors import UserError
from paperlib.papers.sfd.baselines.qualnet import (
    Coupling,
    Invertible,
    SpaceToDepth,
    Standardise,
)


def disturbed(width=0.0625, size=32, dtype=torch.float32):
    """A network whose parameters and statistics are no longer those of the start, in eval mode."""
    torch.manual_seed(0)
    network = Invertible(10, width, size=size).to(dtype)
    network.normalise_with((0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
    for module in network.modules():
        if isinstance(module, Coupling):
            torch.nn.init.normal_(module.last.weight, std=0.05)
    network.train()
    for _ in range(3):  # batch norm's statistics
        network.maps(torch.rand(4, 3, size, size, dtype=dtype))
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
@pytest.mark.parametrize("size", [32, 224])
def test_the_image_comes_back(size, dtype, tolerance):
    network = disturbed(size=size, dtype=dtype)
    images = torch.rand(2, 3, size, size, dtype=dtype, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        maps = network.maps(images)
        assert (network.inverse(maps) - images).abs().max() < tolerance
        assert maps[0].numel() == images[0].numel()
        # It is a bijection: maps that no forward pass has made come back as well.
        maps = maps + 0.1 * torch.randn_like(maps)
        assert (network.maps(network.inverse(maps)) - maps).abs().max() < 20 * tolerance


def test_the_body_does_more_than_move_pixels():
    """The inverse of an idle network would be exact for nothing."""
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    network = disturbed()
    maps = network.maps(images)
    for module in network.modules():
        if isinstance(module, Coupling):
            torch.nn.init.zeros_(module.last.weight)
    assert (network.maps(images) - maps).abs().mean() > 0.1
    assert (network.inverse(maps) - images).abs().mean() > 0.1


@pytest.mark.parametrize(
    "module", [Coupling(6, 8), Coupling(6, 8, first=True), SpaceToDepth(2), Standardise(6)]
)
def test_every_module_has_its_inverse(module):
    module = module.double()
    torch.manual_seed(0)
    for _ in range(3):
        module(1 + 2 * torch.randn(8, 6, 4, 4).double())
    module.eval()
    x = torch.randn(3, 6, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(module.inverse(module(x)), x, rtol=0, atol=1e-12)


def test_a_pixel_reaches_every_channel():
    """Couplings that always changed the same half would leave the other one as it is."""
    network = disturbed()
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    changed = images.clone()
    changed[..., 13, 17] += 0.1
    assert ((network.maps(images) - network.maps(changed)).abs().amax((0, 2, 3)) > 0).all()


def test_it_starts_as_a_permutation_of_pixels():
    torch.manual_seed(0)
    network = Invertible(10, 0.0625).eval()
    images = torch.rand(2, 3, 32, 32)
    sort = [values.flatten(1).sort().values for values in (network.maps(images), images)]
    # up to the eps of batch norm
    torch.testing.assert_close(sort[0], sort[1], rtol=1e-4, atol=1e-5)


def test_gradients_pass_through_the_inverse():
    network = disturbed(dtype=torch.float64)
    maps = torch.randn(1, 192, 4, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((network.inverse(maps) * weights).sum(), maps)
    direction = torch.randn_like(maps)
    with torch.no_grad():
        ends = [
            (network.inverse(maps + step * direction) * weights).sum() for step in (1e-6, -1e-6)
        ]
    torch.testing.assert_close(
        (gradient * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-6
    )


def test_the_inverse_is_computed_in_float32_under_autocast():
    network = disturbed()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    maps = network.maps(images)
    with torch.autocast("cpu", torch.bfloat16):
        back = network.inverse(maps)
    assert back.dtype == torch.float32
    assert (back - images).abs().max() < 2e-4


@pytest.mark.parametrize(
    ("size", "shape"), [(32, (192, 4, 4)), (64, (192, 8, 8)), (224, (3072, 7, 7))]
)
@pytest.mark.parametrize("width", [0.0625, 0.125])
def test_the_shape_of_the_maps_is_the_images_alone(size, shape, width):
    with torch.device("meta"):
        network = Invertible(7, width, feature="pre", size=size)
        images = torch.empty(2, 3, size, size)
        maps = network.maps(images)
        out = network(images)
    assert maps.shape == (2, *shape)
    assert out.logits.shape == (2, 7)
    assert out.feature.shape == (2, shape[0])


def test_its_size():
    def count(width, size):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            network = Invertible(10, width, size=size)
            network.eval()(torch.empty(1, 3, size, size))
        return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2

    by_hand = 192 * 10 + 10
    for i, (half, hidden) in enumerate([(6, 64), (24, 128), (96, 256)]):
        coupling = 9 * (2 * half * hidden + hidden**2) + half + 4 * hidden + 2 * half
        by_hand += 3 * coupling - (12 if i == 0 else 0)  # the first has no batch norm in front
    assert count(1, 32)[0] == by_hand
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        networks.build("resnet18", 10, 0.25).eval()(torch.empty(1, 3, 32, 32))
    assert count(0.25, 32)[1] < counter.get_total_flops() // 2


def test_images_of_a_wrong_size():
    with pytest.raises(UserError, match="multiples of 8 pixels, not 32x30"):
        Invertible(10, 0.0625)(torch.rand(1, 3, 32, 30))
    with pytest.raises(UserError, match="multiples of 32 pixels, not 200x200"):
        Invertible(10, 0.0625, size=200)(torch.rand(1, 3, 200, 200))


@pytest.mark.slow
def test_a_run_learns_and_is_still_invertible(tiny, cpu, store):
    fields = {
        "train_size": 512,
        "test_size": 256,
        "lr": 0.1,
        "schedule": "onecycle",
        "crop": 0,
        "flip": False,
    }
    run = tiny(network="invertible", width=0.0625, epochs=8, **fields)
    assert running.train(run, store, None, cpu).metrics["top1"] > 40  # chance is 10
    dataset = load(run.dataset)
    network = running.load_network(run, store, dataset, cpu)
    assert isinstance(network, Invertible)
    images = dataset.test.images[:16].float() / 255
    assert (network.inverse(network.maps(images)) - images).abs().max() < 1e-4
