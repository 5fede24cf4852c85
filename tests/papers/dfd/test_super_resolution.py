"""Super-resolution networks, their pixel loss, and the two players of SRGAN."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib import degrade, methods
from paperlib.degrade.levels import to_float, to_levels
from paperlib.errors import UserError
from paperlib.methods.base import Batch, Task
from paperlib.networks import build as build_classifier
from paperlib.papers.dfd import super_resolution as sr
from paperlib.papers.dfd.networks import SUPER_RESOLVERS, Discriminator, build
from paperlib.runs import Run

TASK = Task(10, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26))
RUN = Run(
    "super_resolution", "cifar10", "espcn", degrade={"name": "lowres", "factor": 4, "up": "none"}
)
SMALL = {"vdsr": (0.25, 4), "espcn": (0.5, 3), "srresnet": (0.125, 2)}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(channels: int, out: int, size: int = 3, bias: bool = True) -> int:
    """Parameters of one convolution."""
    return channels * out * size**2 + bias * out


def make_batch(count: int = 16) -> Batch:
    """Smooth colour patterns with an edge each: something that can be enlarged better than by
    bicubic."""
    generator = torch.Generator().manual_seed(0)
    clean = F.interpolate(torch.rand(count, 3, 4, 4, generator=generator), 32, mode="bilinear")
    clean[..., 13:] = 1 - clean[..., 13:]
    clean = clean.contiguous(memory_format=torch.channels_last)
    degraded = to_float(degrade.build(RUN.degrade)(to_levels(clean)))
    return Batch(to_float(to_levels(clean)), degraded, torch.zeros(count, dtype=torch.int64))


def make_run(name: str, method: str = "super_resolution", **options: float) -> Run:
    width, depth = SMALL[name]
    return Run(
        method,
        "cifar10",
        name,
        width=width,
        degrade=RUN.degrade,
        options={"depth": depth, **options},
    )


def make_pixel(name: str = "espcn") -> sr.SuperResolution:
    torch.manual_seed(0)
    method = methods.build(make_run(name), TASK, {})
    assert isinstance(method, sr.SuperResolution)
    return method


def make_gan(**options: float) -> sr.SRGAN:
    torch.manual_seed(0)
    content = build_classifier("vgg16", 10, width=0.125).requires_grad_(False)
    content.normalise_with(TASK.mean, TASK.std)
    for module in content.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # one pass sets the statistics; without them its features vanish
    content.train()(make_batch(64).clean)
    content.eval()
    gan = methods.build(make_run("srresnet", "srgan", **options), TASK, {"content": content})
    assert isinstance(gan, sr.SRGAN)
    return gan


def gradients(module: nn.Module) -> list[Tensor]:
    return [p.grad for p in module.parameters() if p.grad is not None]


# Networks


def test_parameter_counts_at_full_width() -> None:
    block = 2 * (conv(64, 64, bias=False) + 2 * 64) + 1
    expected = {
        "vdsr": conv(3, 64) + 18 * conv(64, 64) + conv(64, 3),
        "espcn": conv(3, 64, 5) + conv(64, 32) + conv(32, 12),
        "srresnet": (conv(3, 64, 9) + 1 + 16 * block + conv(64, 64, bias=False) + 2 * 64)
        + (conv(64, 256) + 1 + conv(64, 3, 9)),
    }
    assert expected == {"vdsr": 668_227, "espcn": 26_796, "srresnet": 1_399_637}  # as documented
    assert {name: parameters(build(name)) for name in SUPER_RESOLVERS} == expected


def test_parameter_count_of_the_discriminator() -> None:
    widths = (64, 64, 128, 128, 256, 256, 512, 512)
    convolutions = conv(3, 64) + sum(
        conv(a, b, bias=False) + 2 * b for a, b in itertools.pairwise(widths)
    )
    assert parameters(Discriminator()) == convolutions + 512 * 1024 + 1024 + 1024 + 1 == 5_213_569


def test_published_depths_are_the_defaults() -> None:
    def convolutions(network: nn.Module) -> int:
        return sum(isinstance(m, nn.Conv2d) for m in network.modules())

    assert [convolutions(build(name)) for name in ("vdsr", "espcn", "srresnet")] == [
        20,
        3,
        1 + 2 * 16 + 1 + 1 + 1,
    ]
    assert [convolutions(build(name, 0.25, 5)) for name in ("vdsr", "espcn")] == [5, 5]


@pytest.mark.parametrize("name", SUPER_RESOLVERS)
@pytest.mark.parametrize("size", [8, 16])
def test_output_has_twice_the_size(name: str, size: int) -> None:
    network = build(name, *SMALL[name])
    images = torch.rand(2, 3, size, size).contiguous(memory_format=torch.channels_last)
    assert network(images).shape == (2, 3, 2 * size, 2 * size)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(images).shape == (2, 3, 2 * size, 2 * size)


@pytest.mark.parametrize("size", [16, 32])
def test_discriminator_gives_one_logit_an_image(size: int) -> None:
    assert Discriminator(0.125)(torch.rand(4, 3, size, size)).shape == (4,)


def test_vdsr_learns_a_residual_of_bicubic() -> None:
    network = build("vdsr", 0.25, 4)
    nn.init.zeros_(network.residual[-1].weight)  # type: ignore[union-attr,index]
    images = torch.rand(2, 3, 8, 8)
    expected = F.interpolate(images, 16, mode="bicubic", antialias=True)
    torch.testing.assert_close(network(images), expected, rtol=0, atol=1e-5)


def test_the_input_is_as_large_as_the_degradation_leaves_it() -> None:
    assert sr.SuperResolution.input_size(RUN, TASK) == 8
    assert (
        sr.SuperResolution.input_size(dataclasses.replace(RUN, degrade={"name": "lowres"}), TASK)
        == 32
    )
    (image,) = methods.example(make_run("espcn"), TASK)
    assert image.shape == (1, 3, 8, 8)


def test_mistakes_are_one_line() -> None:
    with pytest.raises(
        UserError,
        match="unknown super-resolution network 'edsr'; choose from: vdsr, espcn, srresnet",
    ):
        build("edsr")
    with pytest.raises(UserError, match="depth is 1; it must be at least 2"):
        methods.parse(make_run("vdsr", depth=1))
    with pytest.raises(UserError, match="srgan needs a parent 'content'"):
        methods.build(make_run("srresnet", "srgan"), TASK, {})


# Losses


def test_losses_by_hand() -> None:
    # D = 1/2 and D = 3/4
    zero, logits = torch.zeros(2), torch.tensor([math.log(3.0), math.log(3.0)])
    assert sr.pixel_loss(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)).item() == 0.25
    assert sr.adversarial_loss(zero).item() == pytest.approx(math.log(2))
    assert sr.discriminator_loss(logits, zero).item() == pytest.approx(
        -math.log(0.75) - math.log(0.5)
    )


def test_target_is_what_the_degradation_gives_at_half_its_factor() -> None:
    batch = make_batch(4)
    expected = degrade.build({"name": "lowres", "factor": 2, "up": "none"})(to_levels(batch.clean))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(make_pixel().target(batch), to_float(expected))


def test_content_loss_is_zero_for_equal_images_only() -> None:
    content, images = make_gan().parents["content"], make_batch(4).degraded

    def loss(other: Tensor) -> float:
        features = [sr.content_features(content, x, 32) for x in (images, other)]  # type: ignore[arg-type]
        return sr.content_loss(*features).item()

    assert loss(images.clone()) == 0.0
    assert loss(images.flip(3)) > 1e-4


def test_content_features_are_what_the_classifier_pools() -> None:
    content, images = make_gan().parents["content"], make_batch(4).clean
    maps = sr.content_features(content, images, 32)  # type: ignore[arg-type]
    torch.testing.assert_close(maps.amax((2, 3)), content(images).feature, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SUPER_RESOLVERS)
def test_pixel_loss_decreases(name: str) -> None:
    method, batch = make_pixel(name), make_batch()
    optimizer = torch.optim.Adam(method.parameters(), 1e-3)
    losses = []
    for _ in range(30):
        losses.append(method.loss(batch)["loss"])
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.7 * losses[0]


# The two players


def test_generator_terms_leave_no_gradient_on_the_discriminator() -> None:
    for term in ("adversarial", "content", "pixel"):
        gan = make_gan()
        gan.players(make_batch())[0][term].backward()
        assert not gradients(gan.discriminator)
        assert not gradients(gan.parents["content"])
        assert sum(g.abs().sum() for g in gradients(gan.network)) > 0


def test_discriminator_loss_leaves_no_gradient_on_the_generator() -> None:
    gan = make_gan()
    gan.players(make_batch())[1].backward()
    assert not gradients(gan.network)
    assert len(gradients(gan.discriminator)) == len(list(gan.discriminator.parameters()))


def test_one_backward_pass_gives_each_player_its_own_gradient() -> None:
    batch, both, apart = make_batch(), make_gan(pixel=0.5), make_gan(pixel=0.5)
    both.loss(batch)["loss"].backward()
    generator, discriminator = apart.players(batch)
    sum(getattr(apart.options, name) * term for name, term in generator.items()).backward()  # type: ignore[union-attr]
    discriminator.backward()
    for a, b in zip(both.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.slow
def test_each_player_learns_against_a_fixed_other() -> None:
    for player, term in (("discriminator", "discriminator"), ("network", "adversarial")):
        gan, batch = make_gan(adversarial=1.0, content=0.0), make_batch()
        optimizer = torch.optim.Adam(getattr(gan, player).parameters(), 1e-3)
        history = []
        for _ in range(15):
            losses = gan.loss(batch)
            losses["loss"].backward()
            optimizer.step()
            gan.zero_grad()
            history.append(losses[term].item())
        assert history[-1] < history[0]


def test_what_srgan_saves_and_hands_on() -> None:
    gan = make_gan()
    assert {name.split(".")[0] for name in gan.state_dict()} == {"network", "discriminator"}
    before = {name: value.clone() for name, value in gan.discriminator.state_dict().items()}
    gan.loss(make_batch())
    assert all(
        torch.equal(value, before[name]) for name, value in gan.discriminator.state_dict().items()
    )


def test_srgan_starts_from_its_parent() -> None:
    gan, parent = make_gan(), build("srresnet", *SMALL["srresnet"])
    parents = {**gan.parents, "init": parent}
    again = methods.build(make_run("srresnet", "srgan"), TASK, parents)
    assert all(
        torch.equal(a, b)
        for a, b in zip(again.network.parameters(), parent.parameters(), strict=True)
    )


# Running


@pytest.mark.parametrize("make", [make_pixel, make_gan])
def test_losses_are_float32_under_autocast_and_survive_an_evaluation(make: type) -> None:
    method, batch = make(), make_batch()
    with torch.inference_mode():
        method.eval().scores(batch)
    with torch.autocast("cpu", torch.bfloat16):
        losses = method.train().loss(batch)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    losses["loss"].backward()
    assert all(g.isfinite().all() for g in gradients(method))


def test_scores_of_bicubic_do_not_depend_on_the_network() -> None:
    batch = make_batch()
    a, b = (make_pixel(name).eval().scores(batch) for name in ("vdsr", "espcn"))
    assert {name: value.shape for name, value in a.items()} == dict.fromkeys(
        ("psnr", "ssim", "bicubic_psnr", "bicubic_ssim"), (16,)
    )
    assert torch.equal(a["bicubic_psnr"], b["bicubic_psnr"])
    assert not torch.equal(a["psnr"], b["psnr"])


def test_samples_are_eight_images_in_8_bits() -> None:
    batch = make_batch()
    samples = make_pixel().eval().samples(batch)
    assert {name: (tuple(t.shape), t.dtype) for name, t in samples.items()} == {
        "input": ((8, 3, 8, 8), torch.uint8),
        "output": ((8, 3, 16, 16), torch.uint8),
        "target": ((8, 3, 16, 16), torch.uint8),
    }
    assert torch.equal(samples["input"].float() / 255, batch.degraded[:8])
