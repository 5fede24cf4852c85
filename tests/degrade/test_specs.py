"""The degradations as a run names them: keys of draws, fixed and fresh, kinds by image."""

import collections

import pytest
import torch
from scipy import stats

from paperlib import degrade
from paperlib.degrade import ImageKey, specs
from paperlib.degrade.corruptions import corrupt
from paperlib.degrade.specs import parse_corruptions, parse_severities
from paperlib.degrade.tables import CORRUPTIONS, EXTRA, STANDARD
from paperlib.errors import UserError

NOISE = {"name": "corruption", "corruption": "gaussian_noise", "severity": 3, "table": "cifar-c"}
MIX = {
    "name": "random_corruption",
    "table": "cifar-c",
    "corruptions": "gaussian_noise,contrast,fog",
}


@pytest.fixture
def images():
    levels = torch.randint(
        0, 256, (12, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return levels.contiguous(memory_format=torch.channels_last)


OTHERS = [
    {"name": "noise", "noise": "gaussian", "sigma": 30},
    {"name": "noise", "noise": "poisson_gaussian", "peak": 30, "sigma": 5},
    {"name": "noise", "noise": "sensor", "iso": 6400},
    {"name": "distortion", "distortion": "inpainting", "strength": 0.3},
    {"name": "distortion_mix", "ngrn_noise": 0.3, "motion_blur": 0.5, "salt_and_pepper": 0.2},
]


def image_key(*key, count=12):
    return ImageKey(torch.arange(count), key)


def test_a_degradation_keeps_shape_range_levels_and_memory_format(images):
    for spec in (NOISE, MIX, *OTHERS):
        seen = degrade.build(spec)(images, image_key("train", 0, 0))
        assert seen.shape == images.shape
        assert seen.is_contiguous(memory_format=torch.channels_last)
        assert seen.dtype == torch.uint8


def test_the_key_and_the_image_decide_the_bits(images):
    for spec in (NOISE, MIX, *OTHERS):
        degradation = degrade.build(spec)
        first = degradation(images, image_key("train", 0, 0))
        assert torch.equal(degradation(images, image_key("train", 0, 0)), first)
        for other in (("train", 0, 1), ("train", 1, 0), ("test",)):
            assert not torch.equal(degradation(images, image_key(*other)), first)
        assert not torch.equal(
            degrade.build({**spec, "seed": 1})(images, image_key("train", 0, 0)), first
        )
        order = torch.tensor([7, 2, 11])
        assert torch.equal(
            degradation(images[order], ImageKey(order, ("train", 0, 0))), first[order]
        )


def test_without_a_key_images_are_counted(images):
    degradation = degrade.build(NOISE)
    assert torch.equal(degradation(images)[3], degradation(images[:5])[3])
    assert not torch.equal(degradation(images[3:4])[0], degradation(images)[3])


def test_fixed_and_fresh():
    assert degrade.build({**NOISE, "draw": "fixed"}).fixed
    assert not degrade.build(NOISE).fixed
    assert not degrade.build({"name": "lowres"}).fixed
    assert not degrade.build({"name": "none"}).fixed


def test_each_image_is_corrupted_as_its_kind_alone_would(images):
    """Whatever the mixture makes of an image is what one of its kinds, by itself, makes of it."""
    degradation = degrade.build({**MIX, "severities": "1,5"})
    seen = degradation(images, image_key("k"))
    levels = images.contiguous()
    kinds = []
    for i in range(12):
        alone = {
            kind: specs.apply(levels[i : i + 1], *kind, "cifar-c", torch.tensor([i]), ("k", 0))
            for kind in degradation.kinds
        }
        kinds += [kind for kind, image in alone.items() if torch.equal(image[0], seen[i])]
    assert len(kinds) == 12
    assert len(set(kinds)) > 3


def test_kinds_are_equally_likely(monkeypatch):
    seen = collections.Counter()

    def count(levels, name, severity, table, index, key):
        seen[name, severity] += len(levels)
        return levels

    monkeypatch.setattr(specs, "apply", count)
    small = torch.zeros(3000, 3, 16, 16, dtype=torch.uint8)
    degrade.build({**MIX, "clean": 0.25})(small, image_key("x", count=3000))
    assert set(seen) == {
        (name, s) for name in ("gaussian_noise", "contrast", "fog") for s in range(1, 6)
    }
    assert stats.chisquare(list(seen.values())).pvalue > 1e-6
    assert stats.binomtest(sum(seen.values()), 3000, 0.75).pvalue > 1e-6


def test_a_corruption_is_the_public_function(images):
    degradation = degrade.build({**NOISE, "corruption": "contrast"})
    assert torch.equal(degradation(images), corrupt(images, "contrast", 3, table="cifar-c"))


def test_groups_of_corruptions():
    assert tuple(parse_corruptions("standard")) == STANDARD
    assert tuple(parse_corruptions("extra")) == EXTRA
    assert tuple(parse_corruptions("all")) == CORRUPTIONS
    assert parse_corruptions("fog, snow") == ["fog", "snow"]
    assert parse_severities("5, 1,1") == [1, 5]
    assert len(STANDARD) == 15
    assert len(EXTRA) == 4
    assert not set(STANDARD) & set(EXTRA)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {**NOISE, "corruption": "rain"},
            "unknown corruption 'rain'; choose from: gaussian_noise, ",
        ),
        ({**NOISE, "severity": 6}, "severity is 6; it must be one of 1, 2, 3, 4, 5"),
        ({**NOISE, "severity": True}, "severity is True"),
        (
            {**NOISE, "table": "cifar"},
            "unknown severity table 'cifar'; choose from: imagenet-c, cifar-c, imagecorr",
        ),
        ({**NOISE, "draw": "once"}, "unknown draw 'once'; choose from: fresh, fixed"),
        (
            {"name": "corruption", "corruption": "fog", "severity": 1},
            "missing 1 required positional argument: 'table'",
        ),
        (
            {**MIX, "corruptions": "fog,rain"},
            "unknown corruption 'rain'; choose from: standard, extra, all, gaussian",
        ),
        ({**MIX, "corruptions": "fog,fog"}, "each may be named once"),
        ({**MIX, "corruptions": "standard,fog"}, "each may be named once"),
        ({**MIX, "corruptions": ""}, "unknown corruption ''"),
        ({**MIX, "severities": "0"}, "unknown severity '0'; choose from: 1, 2, 3, 4, 5"),
        ({**MIX, "severities": ""}, "unknown severity ''"),
        (
            {"name": "noise", "noise": "rain"},
            "unknown noise 'rain'; choose from: gaussian, poisson_gaussian, sensor",
        ),
        ({"name": "noise", "noise": "gaussian"}, "missing 1 required positional argument: 'sigma'"),
        (
            {"name": "noise", "noise": "gaussian", "sigma": -1},
            "sigma is -1; it must be a finite number",
        ),
        (
            {"name": "distortion", "distortion": "rain", "strength": 1},
            "unknown distortion 'rain'; choose from: motion",
        ),
        (
            {"name": "distortion", "distortion": "inpainting", "strength": 1.5},
            "strength is 1.5; it must be at least 0",
        ),
        (
            {"name": "distortion_mix"},
            "name at least one distortion and its strength: motion_blur, jpeg",
        ),
        ({"name": "distortion_mix", "rain": 0.1}, "unknown distortion 'rain'"),
        ({**MIX, "clean": 1.0}, "clean is 1.0; it must be at least 0 and less than 1"),
    ],
)
def test_wrong_specs(spec, message):
    with pytest.raises(UserError, match=message):
        degrade.build(spec)


def test_missing_textures_are_said_before_the_training(monkeypatch, tmp_path):
    monkeypatch.setenv("FROST_TEXTURES", str(tmp_path))
    monkeypatch.delenv("DATA_ROOT", raising=False)
    with pytest.raises(UserError, match="procedural_frost"):
        degrade.build({**NOISE, "corruption": "frost"})
    degrade.build({**NOISE, "corruption": "procedural_frost"})


def test_one_description_of_several_corruptions():
    several = {
        "name": "corruption",
        "corruption": "extra,fog",
        "severity": "1,3",
        "table": "cifar-c",
    }
    found = degrade.each([{"name": "none"}, several])
    assert found[0] == {"name": "none"}
    assert [(spec["corruption"], spec["severity"]) for spec in found[1:]] == [
        (name, severity) for name in (*EXTRA, "fog") for severity in (1, 3)
    ]
    assert degrade.each([found[1]]) == [found[1]]  # one stands for itself
    assert {spec["table"] for spec in found[1:]} == {"cifar-c"}
    with pytest.raises(UserError, match="blur"):
        degrade.each([{**several, "corruption": "blur"}])


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ({"name": "none"}, "none"),
        ({"name": "lowres"}, "lowres-4"),
        ({"name": "lowres", "factor": 2, "up": "bicubic"}, "lowres-2"),
        ({"name": "lowres", "factor": 4, "up": "none"}, "lowres-4-up=none"),
        ({"name": "noise", "noise": "gaussian", "sigma": 30}, "noise-gaussian-30"),
        ({"name": "noise", "noise": "gaussian", "sigma": 30.0}, "noise-gaussian-30"),
        (
            {"name": "noise", "noise": "gaussian", "sigma": 2.5, "seed": 1},
            "noise-gaussian-2.5-seed=1",
        ),
        ({"name": "noise", "noise": "sensor", "iso": 3200}, "noise-sensor-iso=3200"),
        (
            {"name": "noise", "noise": "poisson_gaussian", "sigma": 5, "peak": 30},
            "noise-poisson_gaussian-peak=30-sigma=5",
        ),
        (
            {"name": "corruption", "corruption": "fog", "severity": 3, "table": "cifar-c"},
            "fog-3",
        ),
        (
            {"name": "distortion", "distortion": "inpainting", "strength": 0.25},
            "inpainting=0.25",
        ),
        (
            {"name": "distortion_mix", "ngrn_noise": 0.1, "inpainting": 0.2},
            "distortion_mix-inpainting=0.2-ngrn_noise=0.1",
        ),
    ],
)
def test_a_label_says_all_that_decides_what_is_measured(spec, label):
    assert degrade.label(spec) == label
    assert degrade.labelled([spec]) == {label: spec}
    # test images have one draw, whatever training images have
    assert spec["name"] in ("none", "lowres") or degrade.label({**spec, "draw": "fixed"}) == label


def test_noises_of_one_kind_have_labels_of_their_own():
    noises = [{"name": "noise", "noise": "gaussian", "sigma": sigma} for sigma in (10, 20, 30)]
    assert list(degrade.labelled(noises)) == [f"noise-gaussian-{sigma}" for sigma in (10, 20, 30)]


def test_two_degradations_with_one_label_are_refused():
    same = [{"name": "lowres", "factor": 4}, {"name": "lowres"}]
    with pytest.raises(UserError, match=r"'factor': 4.* would both be measured as 'lowres-4'"):
        degrade.labelled(same)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "unknown degradation ''"),
        ({"name": "corruption", "corruption": "fog"}, "unknown severity ''"),
        ({"name": "corruption", "severity": 1}, "unknown corruption ''"),
        ({"name": "corruption", "corruption": "fog", "severity": 1}, "argument: 'table'"),
        ({"name": "noise", "noise": "gaussian"}, "argument: 'sigma'"),
        ({"name": "distortion"}, "'distortion' and 'strength'"),
    ],
)
def test_what_a_description_lacks_is_said(spec, message):
    with pytest.raises(UserError, match=message):
        degrade.labelled([spec])
