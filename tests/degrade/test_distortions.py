"""The six distortions: nothing at strength 0, more with more strength, each as its description
says; and their mix."""

import math

import pytest
import torch
from torch.nn import functional as F

from paperlib.degrade import distortions, jpeg
from paperlib.degrade.distortions import DISTORTIONS, mix
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

STRENGTHS = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)


def draws(count=1, *key):
    return Draws(torch.arange(count), "test", *key)


@pytest.fixture(scope="module")
def images():
    """Smooth fields with edges, of an odd size: (6, 3, 33, 50) uint8."""
    noise = torch.rand(6, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    fields = F.interpolate(noise, (33, 50), mode="bicubic").clamp(0, 1)
    return (fields * 200 + (fields > 0.6) * 55).to(torch.uint8)


def test_the_paper_names_six():
    assert list(DISTORTIONS) == [
        "motion_blur",
        "jpeg_compression",
        "salt_and_pepper",
        "ngrn_noise",
        "inpainting",
        "targeted_occlusion",
    ]


@pytest.mark.parametrize("name", DISTORTIONS)
def test_strength_zero_changes_nothing(name, images):
    assert torch.equal(DISTORTIONS[name](images, draws(6), 0), images)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_more_strength_is_further_away(name, images):
    errors = []
    for strength in STRENGTHS:
        out = DISTORTIONS[name](images, draws(6), strength)
        assert out.shape == images.shape
        errors.append(float((out.float() - images).square().mean()))
    assert errors[0] >= 0
    assert errors == sorted(errors)
    assert errors[-1] > 100


@pytest.mark.parametrize("name", DISTORTIONS)
def test_an_image_has_the_same_bits_in_any_batch(name, images):
    whole = DISTORTIONS[name](images, draws(6), 0.4)
    part = torch.tensor([4, 1, 2])
    assert torch.equal(DISTORTIONS[name](images[part], Draws(part, "test"), 0.4), whole[part])
    assert torch.equal(
        DISTORTIONS[name](images[1:2], Draws(torch.tensor([1]), "test"), 0.4), whole[1:2]
    )


@pytest.mark.parametrize("name", DISTORTIONS)
@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (2, 1, 16, 16), (1, 3, 17, 40), (2, 3, 224, 16)])
def test_any_size_grey_and_none(name, shape):
    images = torch.full(shape, 90, dtype=torch.uint8)
    assert DISTORTIONS[name](images, draws(shape[0]), 0.7).shape == shape


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_other_strengths_are_refused(strength, images):
    for distort in DISTORTIONS.values():
        with pytest.raises(UserError, match=r"must lie in \[0, 1\]"):
            distort(images, draws(6), strength)


def test_motion_blur_spreads_a_point_evenly_about_itself():
    points = torch.zeros(40, 1, 65, 65, dtype=torch.uint8)
    points[:, :, 32, 32] = 255
    spread = distortions.motion_blur(points, draws(40), 0.6).double() / 255
    length = 0.6 * 65 / 2
    assert spread.sum((1, 2, 3)).allclose(torch.ones(40).double(), atol=1e-5)
    offset = torch.arange(65).double() - 32
    row, column = ((spread[:, 0] * o).sum((1, 2)) for o in (offset[:, None], offset))
    assert torch.stack([row, column]).abs().max() < 0.01  # it does not shift
    rows, columns = ((spread[:, 0] * o.square()).sum((1, 2)) for o in (offset[:, None], offset))
    expected = length**2 / 12  # the variance of an even line
    assert (rows + columns).allclose(torch.tensor(expected).double(), rtol=0.15)
    assert rows.min() < 0.1 * expected  # some run across, some run down
    assert columns.min() < 0.1 * expected


def test_motion_blur_keeps_flat_images_flat():
    flat = torch.full((3, 3, 32, 48), 255, dtype=torch.uint8)
    assert (distortions.motion_blur(flat, draws(3), 1.0) - 255).abs().max() < 1e-3


@pytest.mark.parametrize(
    ("strength", "quality"), [(1e-9, 100), (0.5, 10), (0.65051499, 5), (1.0, 1)]
)
def test_jpeg_quality_falls_by_factors(strength, quality, images):
    out = distortions.jpeg_compression(images, draws(6), strength)
    assert torch.equal(out, jpeg.compress(images, quality))


def test_between_two_jpeg_qualities_a_share_of_the_images_has_each(monkeypatch):
    images = torch.zeros(4000, 1, 16, 16, dtype=torch.uint8)
    asked = []
    monkeypatch.setattr(jpeg, "compress", lambda x, quality: asked.append(quality) or x)
    for quality in (5.7, 5.3):
        distortions.jpeg_compression(images, draws(4000), 1 - math.log(quality, 100))
        assert set(asked[-1].tolist()) == {5, 6}
        assert float(asked[-1].float().mean()) == pytest.approx(quality, abs=0.04)
    assert (asked[1] <= asked[0]).all()


def test_jpeg_quality_is_never_above_100(monkeypatch, images):
    class Highest:
        def uniform(self):
            return torch.full((6,), 1 - 2.0**-24)

    monkeypatch.setattr(jpeg, "compress", lambda x, quality: quality)
    assert distortions.jpeg_compression(images, Highest(), 1e-9).tolist() == [100] * 6


def test_salt_stays_salt():
    grey = torch.full((1, 3, 200, 200), 99, dtype=torch.uint8)
    before = grey
    for strength in (0.1, 0.3, 0.8, 1.0):
        after = distortions.salt_and_pepper(grey, draws(), strength)
        assert after.dtype == torch.uint8
        for value in (0, 255):
            assert float((after == value).float().mean()) == pytest.approx(strength / 2, abs=0.01)
            assert ((after == value) | (before != value)).all()
        before = after
    assert not (before == 99).any()


def test_ngrn_noise_is_uniform():
    grey = torch.full((1, 3, 200, 200), 99, dtype=torch.uint8)
    noise = distortions.ngrn_noise(grey, draws(), 0.2) - 99
    assert noise.abs().max() <= 51
    share = torch.histc(noise, 10, -51, 51) / noise.numel()
    assert (share - 0.1).abs().max() < 0.006


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("size", [(32, 32), (51, 90)])
def test_inpainting_removes_its_share_of_the_area(strength, size):
    # A checkerboard: every filled value is far from what was there, or is next to what was not
    # removed.
    board = (torch.arange(size[0])[:, None] + torch.arange(size[1])) % 2 * 255
    images = board.to(torch.uint8).expand(4, 3, -1, -1).contiguous()
    changed = (distortions.inpainting(images, draws(4), strength) - images.float()).abs().amax(
        1
    ) > 0
    assert changed.float().mean((1, 2)).allclose(torch.tensor(0.9 * strength), atol=2e-3)
    assert not torch.equal(changed[0], changed[1])


def test_inpainting_removes_more_of_the_same(images):
    weak, strong = (distortions.inpainting(images, draws(6), s) != images for s in (0.3, 0.6))
    assert (strong | ~weak.any(1, keepdim=True)).float().mean() > 0.99


def test_strokes_are_painted_one_after_another():
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    images = board.to(torch.uint8).expand(20, 1, -1, -1).contiguous()
    changed = (distortions.inpainting(images, draws(20), 0.02) != images)[:, 0]
    for image in changed:  # 74 pixels: the first part of the first stroke, 11 pixels wide
        rows, columns = (image.any(axis).nonzero() for axis in (1, 0))
        assert rows.max() - rows.min() < 24
        assert columns.max() - columns.min() < 24


def test_what_is_filled_is_nearly_harmonic():
    size, hole = 64, slice(9, 50)
    ramp = (torch.arange(size)[:, None] + 2.0 * torch.arange(size)).expand(1, 1, -1, -1)
    gaps = torch.zeros(1, 1, size, size, dtype=torch.bool)
    gaps[..., hole, hole] = True
    # What the image holds in the gaps is not looked at.
    filled = distortions.fill(torch.where(gaps, 255.0, ramp), gaps)
    assert (filled - ramp).abs().max() < 3  # a linear function is harmonic; its range is 190
    assert torch.equal(filled[~gaps], ramp[~gaps])


def test_filled_values_stay_within_the_known_ones(images):
    gaps = torch.rand(6, 1, 33, 50, generator=torch.Generator().manual_seed(1)) < 0.95
    filled = distortions.fill(images, gaps)
    for image, hidden, result in zip(images, gaps, filled, strict=True):
        for channel, out in zip(image, result, strict=True):
            known = channel[~hidden[0]]
            assert known.min() - 1e-3 <= out.min()
            assert out.max() <= known.max() + 1e-3
    assert not distortions.fill(images, torch.ones_like(gaps)).any()


def test_occlusion_is_a_square_in_the_middle():
    images = torch.full((1, 3, 40, 60), 200, dtype=torch.uint8)
    out = distortions.targeted_occlusion(images, draws(), 0.5)
    changed = (out != 200)[0, 0]
    assert changed[10:30, 20:40].all()
    assert changed.sum() == 400
    assert (out[..., 10:30, 20:40] == 127.5).all()


@pytest.mark.parametrize("size", [32, 33])
@pytest.mark.parametrize("strength", [0.01, 0.111, 0.5, 0.97])
def test_occlusion_covers_its_area_to_a_part_of_a_pixel(size, strength):
    images = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    covered = distortions.targeted_occlusion(images, draws(), strength).sum() / 127.5
    assert float(covered) == pytest.approx((strength * size) ** 2, rel=1e-3)


def test_a_mix_gives_each_image_one_distortion_of_its_own():
    many = torch.full((120, 1, 16, 16), 200, dtype=torch.uint8)
    strengths = {"targeted_occlusion": 0.5, "salt_and_pepper": 0.2, "ngrn_noise": 0.1}
    out = mix(many, draws(120), strengths)
    signs = [(out == 127.5), (out == 0), (out > 174) & (out < 226) & (out != 200)]
    kinds = torch.stack([sign.flatten(1).any(1) for sign in signs])
    assert (kinds.sum(0) == 1).all()
    assert kinds.sum(1).min() > 20


def test_a_mix_does_not_depend_on_the_batch(images):
    strengths = dict.fromkeys(DISTORTIONS, 0.5)
    many = images.repeat(4, 1, 1, 1)
    whole = mix(many, draws(24), strengths)
    part = torch.tensor([17, 3, 8, 4])
    assert torch.equal(mix(many[part], Draws(part, "test"), strengths), whole[part])
    assert torch.equal(mix(many, draws(24), dict(reversed(strengths.items()))), whole)
    assert not torch.equal(whole[:6], whole[6:12])  # the same images with other numbers
    assert torch.equal(mix(many, draws(24), dict.fromkeys(DISTORTIONS, 0.0)), many.float())
    assert mix(many[:0], draws(0), strengths).shape == (0, 3, 33, 50)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", DISTORTIONS)
def test_cuda_agrees_with_the_cpu(name, images):
    there = (
        DISTORTIONS[name](images.cuda(), Draws(torch.arange(6, device="cuda"), "test"), 0.4)
        .float()
        .cpu()
    )
    off = (there - DISTORTIONS[name](images, draws(6), 0.4)).abs()
    assert (
        off.max() == 0
        if name in ("salt_and_pepper", "ngrn_noise")
        else (off > 0.01).float().mean() < 0.01
    )
