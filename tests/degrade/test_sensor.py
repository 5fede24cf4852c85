"""Sensor noise: the moments that the models state, within limits that chance exceeds once in a
million times."""

import pytest
import torch

from paperlib.degrade import sensor
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

FAR = 5.0  # standard errors
SIDE = 400


def flat(level, side=SIDE):
    return torch.full((1, 1, side, side), level, dtype=torch.uint8)


def draws(count=1, *key):
    return Draws(torch.arange(count), "test", *key)


def check_moments(values, mean, variance, kurtosis=3.0):
    """Mean and variance of independent values, against their standard errors."""
    values = values.double().flatten()
    count = len(values)
    assert abs(values.mean() - mean) < FAR * (variance / count) ** 0.5
    assert abs(values.var() - variance) < FAR * variance * ((kurtosis - 1) / count) ** 0.5


@pytest.fixture
def photographs():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, 21, 34), dtype=torch.uint8, generator=generator)


MODELS = {
    "additive_gaussian": (30.0,),
    "poisson_gaussian": (20.0, 5.0),
    "poisson_gaussian, many photons": (5000.0, 0.0),
    "sensor_noise": (3200.0,),
}


@pytest.mark.parametrize("model", MODELS)
def test_an_image_has_the_same_bits_in_any_batch(model, photographs):
    function = getattr(sensor, model.split(",")[0])
    whole = function(photographs, draws(5), *MODELS[model])
    assert whole.shape == photographs.shape
    assert whole.dtype == torch.float32
    part = torch.tensor([3, 1])
    assert torch.equal(
        function(photographs[part], Draws(part, "test"), *MODELS[model]), whole[part]
    )
    other = function(photographs, Draws(torch.arange(5), "other"), *MODELS[model])
    assert not torch.equal(other, whole)


def test_gaussian_noise_is_not_clipped():
    noisy = sensor.additive_gaussian(flat(250), draws(), 45)
    check_moments(noisy, 250, 45**2)
    assert noisy.max() > 350
    assert torch.equal(sensor.additive_gaussian(flat(9), draws(), 0), flat(9).float())


@pytest.mark.parametrize("peak", [0.5, 10, 300, 400, 2500, 40_000])
@pytest.mark.parametrize("level", [255, 51])
def test_poisson_counts_have_their_mean_and_variance(peak, level):
    rate = peak * level / 255
    counts = sensor.poisson_gaussian(flat(level), draws(1, peak), peak) * (peak / 255)
    check_moments(counts, rate, rate, 3 + 1 / rate)


@pytest.mark.parametrize("white", [3, 300, 350, 1400, 6000, 100_000])
def test_the_tables_have_exact_moments(white):
    photons = sensor._photons(float(white), False, torch.device("cpu"))
    entries = photons.alias.view(256, 256)
    keep = (entries >> 8 & 0xFFFFFF).double() / 2**24
    shares = (keep / 256).scatter_add(1, (entries & 255).long(), (1 - keep) / 256)
    assert shares.sum(1).allclose(torch.ones(256).double())
    outcomes, step = torch.arange(256).double(), photons.step.double()
    mean = (shares * outcomes).sum(1)
    variance = ((outcomes - mean[:, None]).square() * shares).sum(1) * step**2 + (step**2 - 1) / 12
    mean = photons.first + step * mean + (step - 1) / 2
    rates = torch.arange(256).double() * white / 255
    assert mean.allclose(rates, rtol=1e-6, atol=1e-4)
    assert variance.allclose(rates, rtol=1e-5, atol=1e-3)


def test_poisson_counts_are_whole_and_follow_the_distribution():
    counts = sensor.poisson_gaussian(flat(255), draws(), 3.0) * (3 / 255)
    whole = counts.round()
    assert (counts - whole).abs().max() < 1e-4
    seen = torch.bincount(whole.long().flatten(), minlength=8)[:8].double() / SIDE**2
    expected = torch.distributions.Poisson(3.0).log_prob(torch.arange(8.0)).exp().double()
    assert ((seen - expected).abs() < FAR * (expected / SIDE**2).sqrt()).all()
    assert not sensor.poisson_gaussian(flat(0), draws(), 3.0).any()


def test_coarse_steps_leave_no_gaps():
    counts = (sensor.poisson_gaussian(flat(255), draws(), 2000) * (2000 / 255)).flatten().double()
    middle = counts[(counts - 2000).abs() < 10]
    # Single counts near the mean all occur about equally often, though the table knows groups of
    # several.
    seen = torch.bincount((middle - middle.min()).round().long())
    assert seen.min() > 0.8 * seen.max()


def test_read_noise_adds_to_the_variance_of_the_photons():
    check_moments(sensor.poisson_gaussian(flat(100), draws(), 50, 20), 100, 255 / 50 * 100 + 20**2)


def linear(levels):
    """The inverse of the sRGB curve, written independently of the module's."""
    x = levels.double() / 255
    return torch.where(x > 0.04045, ((x + 0.055) / 1.055).pow(2.4), x / 12.92)


@pytest.mark.parametrize("iso", [200, 1600])
def test_a_sensor_has_the_variance_of_its_electrons(iso):
    white = sensor.NEXUS_WHITE * 100 / iso
    seen = linear(sensor.sensor_noise(flat(150), draws(), iso, bits=16)) * white
    rate = float(linear(torch.tensor(150.0)) * white)
    check_moments(seen, rate, rate + sensor.NEXUS_READ_NOISE**2, 3 + 1 / rate)


def test_a_sensor_without_noise_changes_nothing():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    seen = sensor.sensor_noise(levels, draws(), 100, white=1e7, read_noise=0, bits=16)
    assert (seen - levels).abs().max() < 0.5
    coarse = sensor.sensor_noise(levels, draws(), 100, white=1e7, read_noise=0, bits=5)
    assert len(coarse.unique()) == 32


def test_a_sensor_clips_at_black_and_white():
    seen = sensor.sensor_noise(torch.cat([flat(0), flat(255)]), draws(2), 6400)
    assert seen.min() == 0
    assert seen.max() == 255
    assert 0.3 < (seen[0] == 0).float().mean() < 0.7
    assert 0.3 < (seen[1] == 255).float().mean() < 0.7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, d: sensor.additive_gaussian(x, d, -1), "sigma is -1"),
        (lambda x, d: sensor.additive_gaussian(x, d, float("nan")), "sigma is nan"),
        (
            lambda x, d: sensor.poisson_gaussian(x, d, 0),
            "peak is 0; it must be a finite number above 0",
        ),
        (lambda x, d: sensor.poisson_gaussian(x, d, float("inf")), "peak is inf"),
        (lambda x, d: sensor.poisson_gaussian(x, d, 9, -2), "sigma is -2"),
        (lambda x, d: sensor.sensor_noise(x, d, 0), "iso is 0"),
        (lambda x, d: sensor.sensor_noise(x, d, white=-1), "white is -1"),
        (lambda x, d: sensor.sensor_noise(x, d, bits=17), "bits is 17"),
        (lambda x, d: sensor.sensor_noise(x, d, bits=10.5), "bits is 10.5"),
    ],
)
def test_parameters_out_of_range_are_refused(call, message):
    with pytest.raises(UserError, match=message):
        call(flat(9, 16), draws())


def test_no_images_are_no_mistake():
    none = torch.zeros(0, 3, 16, 16, dtype=torch.uint8)
    for name in ("additive_gaussian", "poisson_gaussian", "sensor_noise"):
        assert getattr(sensor, name)(none, draws(0), 500).shape == none.shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", MODELS)
def test_cuda_gives_the_bits_of_the_cpu(model, photographs):
    function = getattr(sensor, model.split(",")[0])
    there = function(
        photographs.cuda(), Draws(torch.arange(5, device="cuda"), "test"), *MODELS[model]
    )
    assert torch.equal(there.cpu(), function(photographs, draws(5), *MODELS[model]))
