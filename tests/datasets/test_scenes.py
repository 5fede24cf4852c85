"""The scenes that are drawn here, with their boxes."""

import pytest
import torch

from paperlib import datasets
from paperlib.datasets import scenes
from paperlib.datasets.boxes import Objects, pack, unpack


@pytest.fixture(scope="module")
def drawn():
    """200 training and 50 test scenes with their labels."""
    return scenes.make(0, 200, 50)


def test_shapes_types_and_layout(drawn):
    train_images, train_labels, test_images, test_labels = drawn
    assert (train_images.shape, test_images.shape) == ((200, 3, 96, 96), (50, 3, 96, 96))
    assert (train_labels.shape, test_labels.shape) == ((200, 5, 6), (50, 5, 6))
    assert train_images.dtype == torch.uint8
    assert train_labels.dtype == torch.float32
    assert train_images.is_contiguous()
    there = train_labels[:, :, 0] >= 0
    assert (there[:, :-1] >= there[:, 1:]).all()  # empty places come last
    assert train_labels[~there].eq(torch.tensor([-1.0, 0, 0, 0, 0, 0])).all()
    assert train_labels[there][:, 5].eq(0).all()


def test_two_to_five_digits_of_all_classes_and_sizes(drawn):
    labels = drawn[1]
    counts = (labels[:, :, 0] >= 0).sum(1)
    assert counts.unique().tolist() == [2, 3, 4, 5]
    objects = labels[labels[:, :, 0] >= 0]
    assert objects[:, 0].unique().tolist() == list(range(10))
    heights = objects[:, 4] - objects[:, 2]
    assert heights.min() >= 13  # a stroke of a digit of 16 pixels may fade at its end
    assert 36 < heights.max() <= 48
    assert heights.quantile(0.25) < 21
    assert heights.quantile(0.75) > 27


def test_boxes_lie_in_the_picture_and_apart(drawn):
    for objects in unpack(drawn[1]):
        boxes = objects.boxes
        assert boxes.min() >= 0
        assert boxes.max() <= 96
        low, high = (
            torch.maximum(boxes[:, None, :2], boxes[None, :, :2]),
            torch.minimum(boxes[:, None, 2:], boxes[:, 2:]),
        )
        overlap = (high - low).clamp_min(0).prod(-1)
        assert overlap.fill_diagonal_(0).max() == 0


def test_boxes_are_tight_around_the_paint():
    """A pixel that is painted by half or more is in the box, others do not enlarge it; empty places
    move back."""
    ink = torch.zeros(scenes.CHUNK, scenes.MOST, 96, 96, dtype=torch.float64)
    ink[0, 1, 20:31, 40:47] = 1
    ink[0, 1, 19, 40] = 0.49
    ink[0, 3, 95, 0] = 0.5
    present = torch.zeros(scenes.CHUNK, scenes.MOST, dtype=torch.bool)
    present[0, [1, 3]] = True
    digits = torch.arange(scenes.MOST).expand(scenes.CHUNK, -1)
    labels = scenes._labels(ink, digits, present)
    assert labels[0, 0].tolist() == [1, 40, 20, 47, 31, 0]
    assert labels[0, 1].tolist() == [3, 0, 95, 1, 96, 0]
    assert labels[0, 2:, 0].tolist() == [-1, -1, -1]
    assert labels[1:, :, 0].eq(-1).all()


def test_the_paint_is_in_the_boxes(drawn):
    """Digits are lighter than the wall: nearly all of a scene's brightest 3 % of pixels lie in its
    boxes."""
    images, labels = drawn[0].float().mean(1), drawn[1]
    rows = torch.arange(96)
    inside = torch.zeros(200, 96, 96, dtype=torch.bool)
    for image, objects in zip(inside, unpack(labels), strict=True):
        for x0, y0, x1, y1 in objects.boxes:
            image |= ((rows >= y0) & (rows < y1))[:, None] & ((rows >= x0) & (rows < x1))
    bright = images >= images.flatten(1).quantile(0.97, dim=1)[:, None, None]
    assert inside[bright].float().mean() > 0.95
    assert inside.float().mean() < 0.3


def test_the_same_seed_gives_the_same_bits(drawn):
    again = scenes.make(0, 60, 0)
    assert torch.equal(again[0], drawn[0][:60])
    assert torch.equal(again[1], drawn[1][:60])
    assert again[2].shape == (0, 3, 96, 96)
    assert again[3].shape == (0, 5, 6)
    other = scenes.make(1, 10, 0)
    assert not torch.equal(other[0], drawn[0][:10])
    assert not torch.equal(drawn[0][:50], drawn[2])


def test_load_by_name_and_from_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(scenes, "TRAIN", 20)
    monkeypatch.setattr(scenes, "TEST", 10)
    make, calls = scenes.make, []
    monkeypatch.setattr(scenes, "make", lambda seed: calls.append(seed) or make(seed, 20, 10))
    datasets._load.cache_clear()
    data = datasets.load("scenes")
    datasets._load.cache_clear()
    again = datasets.load("scenes")
    datasets._load.cache_clear()
    assert calls == [0]
    assert torch.equal(again.train.labels, data.train.labels)
    assert (len(data.train), len(data.test), data.classes) == (20, 10, tuple("0123456789"))
    assert datasets.is_available("scenes")
    train, validation, test = data.split(train_size=12, holdout=8, test_size=5)
    assert (len(train), len(validation), len(test)) == (12, 8, 5)
    assert train.labels.shape == (12, 5, 6)


def test_packing_and_unpacking():
    first = Objects(
        torch.tensor([3, 7]),
        torch.tensor([[0.0, 1, 2, 3], [4, 5, 6, 7]]),
        torch.tensor([False, True]),
    )
    none = Objects(
        torch.empty(0, dtype=torch.int64), torch.empty(0, 4), torch.empty(0, dtype=torch.bool)
    )
    labels = pack([first, none])
    assert labels.tolist() == [
        [[3, 0, 1, 2, 3, 0], [7, 4, 5, 6, 7, 1]],
        [[-1, 0, 0, 0, 0, 0], [-1, 0, 0, 0, 0, 0]],
    ]
    assert pack([none], places=3).shape == (1, 3, 6)
    for before, after in zip([first, none], unpack(labels), strict=True):
        assert all(
            torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(before, after, strict=True)
        )
