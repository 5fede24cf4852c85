"""Distortions one after the other."""

import pytest
import torch

from paperlib.degrade import ImageKey
from paperlib.degrade.chain import DistortionChain
from paperlib.degrade.distortions import DISTORTIONS
from paperlib.degrade.draws import Draws
from paperlib.errors import UserError

HEAVY = {
    "inpainting": 0.3,
    "ngrn_noise": 0.1,
    "salt_and_pepper": 0.05,
    "motion_blur": 0.1,
    "jpeg_compression": 0.5,
}


@pytest.fixture
def images():
    levels = torch.randint(
        0, 256, (6, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return levels.contiguous(memory_format=torch.channels_last)


def image_key(*key, count=6):
    return ImageKey(torch.arange(count), key)


def by_hand(images, names, strengths, key):
    """The chain written out: 8 bits between steps, draws named after the distortion."""
    for name in names:
        draws = Draws(torch.arange(len(images)), "distortion chain", name, *key)
        distorted = DISTORTIONS[name](images.contiguous(), draws, strengths[name])
        images = distorted.float().round().clamp(0, 255).to(torch.uint8)
    return images


def test_the_order_is_the_captions_whatever_the_order_of_the_strengths(images):
    expected = by_hand(images, list(HEAVY), HEAVY, ("test", 0))
    backwards = dict(reversed(HEAVY.items()))
    for strengths in (HEAVY, backwards):
        assert torch.equal(DistortionChain(**strengths)(images, image_key("test")), expected)


def test_another_order_gives_another_picture(images):
    strengths = {"ngrn_noise": 0.2, "motion_blur": 0.3}
    seen = DistortionChain(order="motion_blur,ngrn_noise", **strengths)(images, image_key("test"))
    assert torch.equal(seen, by_hand(images, ["motion_blur", "ngrn_noise"], strengths, ("test", 0)))
    assert not torch.equal(seen, DistortionChain(**strengths)(images, image_key("test")))


def test_shape_levels_and_memory_format_stay(images):
    seen = DistortionChain(**HEAVY)(images, image_key("test"))
    assert seen.shape == images.shape
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert seen.dtype == torch.uint8


def test_the_key_and_the_image_decide_the_bits(images):
    degradation = DistortionChain(**HEAVY)
    first = degradation(images, image_key("train", 0, 0))
    assert torch.equal(degradation(images, image_key("train", 0, 0)), first)
    assert not torch.equal(degradation(images, image_key("train", 0, 1)), first)
    assert not torch.equal(
        DistortionChain(seed=1, **HEAVY)(images, image_key("train", 0, 0)), first
    )
    order = torch.tensor([4, 0, 3])
    assert torch.equal(degradation(images[order], ImageKey(order, ("train", 0, 0))), first[order])


def test_a_longer_chain_removes_the_same_strokes_and_more():
    """In an image of noise nearly every filled pixel changes, so the strokes can be seen."""
    images = (
        torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(1))
        .mul(255)
        .round()
        .to(torch.uint8)
    )
    minor = DistortionChain(inpainting=0.1)(images, image_key("test", count=4)) != images
    more = (
        DistortionChain(inpainting=0.4, jpeg_compression=0.0)(images, image_key("test", count=4))
        != images
    )
    touched, reached = minor.any(1), more.any(1)
    assert touched.any()
    # a filled value may by chance be what it was
    assert (touched <= reached).float().mean() > 0.995
    assert reached.sum() > 2 * touched.sum()


def test_a_chain_of_one_step_at_strength_zero_changes_nothing(images):
    assert torch.equal(
        DistortionChain(inpainting=0.0, ngrn_noise=0.0)(images, image_key("test")), images
    )


def test_fixed_and_fresh():
    assert DistortionChain(draw="fixed", inpainting=0.1).fixed
    assert not DistortionChain(inpainting=0.1).fixed


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "name at least one distortion"),
        ({"inpaint": 0.1}, "unknown distortion 'inpaint'"),
        ({"inpainting": 1.5}, "strength is 1.5"),
        ({"order": "inpainting,inpainting", "inpainting": 0.1}, "may be named once"),
        ({"order": "inpaint", "inpainting": 0.1}, "unknown distortion 'inpaint'"),
        (
            {"order": "ngrn_noise", "inpainting": 0.1},
            "unknown distortion in the order 'inpainting'",
        ),
        ({"draw": "often", "inpainting": 0.1}, "unknown draw 'often'"),
    ],
)
def test_mistakes_are_said_when_the_chain_is_made(parameters, message):
    with pytest.raises(UserError, match=message):
        DistortionChain(**parameters)
