"""Training batches: shuffles, crops and flips, and degraded images that go through the same."""

import pytest
import torch
from torch.nn import functional as F

from paperlib import degrade
from paperlib.datasets import Split
from paperlib.degrade import ImageKey
from paperlib.training import Batches, degrade_all


def shuffled(run, split, epochs=1, seed=0):
    """All images and labels of some epochs, in the order in which they come."""
    batches = Batches(split, run, torch.Generator().manual_seed(seed))
    steps = [step for _ in range(epochs) for step in batches]
    return torch.cat([step.clean for step in steps]), torch.cat([step.labels for step in steps])


def numbered(count, size=8):
    """Images whose labels are their numbers."""
    generator = torch.Generator().manual_seed(0)
    return Split(
        torch.randint(256, (count, 3, size, size), generator=generator, dtype=torch.uint8),
        torch.arange(count),
    )


def test_an_epoch_shows_every_image_at_most_once(tiny):
    split = numbered(20)
    run = tiny(batch_size=6, crop=0, flip=False)
    images, labels = shuffled(run, split)
    assert len(labels) == 18  # three whole batches
    assert Batches(split, run, torch.Generator()).count == 18
    assert len(labels.unique()) == 18
    assert labels.tolist() != sorted(labels.tolist())
    assert torch.equal(images, split.images[labels])  # neither cropped nor flipped


def test_every_epoch_has_its_own_order(tiny):
    _, labels = shuffled(tiny(batch_size=20), numbered(20), epochs=2)
    assert sorted(labels[:20].tolist()) == sorted(labels[20:].tolist())
    assert labels[:20].tolist() != labels[20:].tolist()


def test_the_seed_decides_everything(tiny):
    run, split = tiny(batch_size=10), numbered(20)
    first, again, other = (shuffled(run, split, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("flip", [False, True])
def test_augmented_images_are_crops_of_the_padded_image(tiny, flip):
    """Compared with every crop there is; in 200 images, each of the 9 (flipped: 18) must have come
    up."""
    split = numbered(200)
    images, labels = shuffled(tiny(batch_size=50, crop=1, flip=flip), split)
    padded = F.pad(split.images, (1, 1, 1, 1))
    crops = torch.stack(
        [padded[:, :, y : y + 8, x : x + 8] for y in range(3) for x in range(3)], dim=1
    )
    if flip:
        crops = torch.cat([crops, crops.flip(-1)], dim=1)
    hits = (crops[labels] == images[:, None]).flatten(2).all(2)
    assert (hits.sum(1) == 1).all()
    assert hits.any(0).all()


def test_images_come_channels_last_and_in_range(tiny):
    images, _ = shuffled(tiny(batch_size=20), numbered(20))
    first = next(iter(Batches(numbered(20), tiny(batch_size=20), torch.Generator()))).clean
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert images.min() == 0
    assert images.max() == 255
    assert images.dtype == torch.uint8


def test_fewer_images_than_a_batch_are_one_batch(tiny):
    assert len(shuffled(tiny(batch_size=128), numbered(20))[0]) == 20


def test_a_number_says_which_image_each_is(tiny):
    for step in Batches(numbered(20), tiny(batch_size=5), torch.Generator()):
        assert torch.equal(step.number, step.labels)


def test_images_degraded_beforehand_get_the_same_crop_and_flip(tiny):
    split = numbered(30)
    for step in Batches(
        split, tiny(batch_size=10), torch.Generator(), degraded=[255 - split.images]
    ):
        inside = F.pad(torch.ones(1, 1, 8, 8), (4,) * 4).sum()  # zero padding is zero in both
        both = (step.clean.float() + step.degraded[0]).sum(1) / 3 / 255
        assert set(both.mul(255).round().unique().tolist()) <= {0.0, 255.0}
        assert both.sum() <= inside * len(both)
        assert both.mean() > 0.3


def test_without_degraded_images_there_are_none(tiny):
    assert next(iter(Batches(numbered(20), tiny(), torch.Generator()))).degraded == ()


def test_clean_images_are_left_out_where_nobody_reads_them(tiny):
    split = numbered(30)
    run = tiny(batch_size=10, crop=0, flip=False)
    copies = [255 - split.images, split.images // 2]
    batches = Batches(split, run, torch.Generator().manual_seed(0), copies, clean=False)
    assert batches.images.shape[-1] == 6
    for step in batches:
        assert step.clean is None
        for degraded, copy in zip(step.degraded, copies, strict=True):
            assert torch.equal(degraded, copy[step.number])


def test_all_images_are_degraded_as_one_by_one():
    split = numbered(7, size=16)
    degradation = degrade.build(
        {"name": "corruption", "corruption": "gaussian_noise", "severity": 3, "table": "cifar-c"}
    )
    together = degrade_all(degradation, split, seed=5, batch_size=3)
    assert together.dtype == torch.uint8
    for i in range(7):
        alone = degradation(split.images[i : i + 1], ImageKey(torch.tensor([i]), ("train", 5)))
        assert torch.equal(together[i], alone[0])
