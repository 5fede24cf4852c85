"""Reading corrupted sets: the files of CIFAR-10-C, also those of others, and the folder tree of
ImageNet-C."""

import threading
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from paperlib.datasets.corrupted import cifar_c, imagenet_c
from paperlib.errors import UserError

COUNT = 20


@pytest.fixture
def official(tmp_path):
    """A set as others write it, without a manifest; every pixel of an image is its number in the
    file."""
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    numbers = np.arange(5 * COUNT, dtype=np.uint8)
    images = np.broadcast_to(numbers.reshape(-1, 1, 1, 1), (5 * COUNT, 32, 32, 3)).copy()
    images[:, 0, 1, 2] = 255 - numbers  # row 0, column 1, blue
    np.save(folder / "fog.npy", images)
    np.save(folder / "labels.npy", np.tile(np.arange(COUNT, dtype=np.uint8) % 10, 5))
    return folder


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_one_severity(official, severity):
    split = cifar_c(official, "fog", severity)
    first = (severity - 1) * COUNT
    assert (split.images.dtype, split.images.shape) == (torch.uint8, (COUNT, 3, 32, 32))
    assert split.images.is_contiguous()
    assert split.images[:, 0, 5, 5].tolist() == list(range(first, first + COUNT))
    assert split.images[:, 2, 0, 1].tolist() == [255 - i for i in range(first, first + COUNT)]
    assert split.labels.dtype == torch.int64
    assert split.labels.tolist() == [i % 10 for i in range(COUNT)]


def test_all_severities(official):
    split = cifar_c(str(official), "fog")
    assert split.images[:, 1, 5, 5].tolist() == list(range(5 * COUNT))
    assert split.labels.tolist() == [i % 10 for i in range(COUNT)] * 5


def test_the_file_is_left_alone(official):
    before = (official / "fog.npy").read_bytes()
    cifar_c(official, "fog", 1).images.zero_()
    assert (official / "fog.npy").read_bytes() == before


def test_one_severity_is_all_that_is_read(tmp_path):
    count = 2000
    np.save(tmp_path / "fog.npy", np.zeros((5 * count, 32, 32, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.zeros(5 * count, np.uint8))
    tracemalloc.start()
    cifar_c(tmp_path, "fog", 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * count * 32 * 32 * 3


@pytest.mark.parametrize("severity", [0, 6, -1, True, "1", 1.5])
def test_an_unknown_severity(official, severity):
    with pytest.raises(UserError, match=r"severity is .*; .*CIFAR-10-C holds 1, 2, 3, 4, 5"):
        cifar_c(official, "fog", severity)


def test_what_is_missing_and_what_is_there(official, tmp_path):
    with pytest.raises(UserError, match=r"CIFAR-10-C: no snow\.npy; there is: fog, labels"):
        cifar_c(official, "snow")
    with pytest.raises(UserError, match=r"nowhere: no fog\.npy; there is: no \.npy file"):
        cifar_c(tmp_path / "nowhere", "fog")
    (official / "labels.npy").unlink()
    with pytest.raises(UserError, match=r"CIFAR-10-C: no labels\.npy; there is: fog$"):
        cifar_c(official, "fog")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "fog",
            np.zeros((100, 32, 32, 3), np.float32),
            r"fog\.npy holds float32 \(100, 32, 32, 3\); it must be uint8",
        ),
        (
            "fog",
            np.zeros((100, 3, 32, 32), np.uint8),
            r"holds uint8 \(100, 3, 32, 32\); it must be uint8 \(N, H, W, 3\)",
        ),
        (
            "fog",
            np.zeros((99, 32, 32, 3), np.uint8),
            r"fog\.npy holds 99 images and labels\.npy 100 labels",
        ),
        (
            "labels",
            np.zeros((100, 10), np.uint8),
            r"labels\.npy holds uint8 \(100, 10\); it must be integers \(N,\)",
        ),
        ("labels", np.zeros(100), r"labels\.npy holds float64 \(100,\); it must be integers"),
        ("labels", np.zeros(20, np.uint8), r"fog\.npy holds 100 images and labels\.npy 20 labels"),
    ],
)
def test_arrays_that_are_not_the_layout(official, name, array, message):
    np.save(official / f"{name}.npy", array)
    with pytest.raises(UserError, match=message):
        cifar_c(official, "fog", 1)


def test_images_that_are_not_five_severities(official):
    np.save(official / "fog.npy", np.zeros((12, 32, 32, 3), np.uint8))
    np.save(official / "labels.npy", np.zeros(12, np.uint8))
    with pytest.raises(UserError, match="a multiple of 5 severities"):
        cifar_c(official, "fog")


def test_damaged_files(official):
    path = official / "fog.npy"
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:20], b"", b"no array", b"PK\x03\x04 an archive"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"fog\.npy is not a whole \.npy file") as caught:
            cifar_c(official, "fog")
        assert "\n" not in str(caught.value)


def test_pickles_are_never_loaded(official, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    np.save(official / "fog.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"fog\.npy is not a whole \.npy file"):
        cifar_c(official, "fog")
    assert not (tmp_path / "ran").exists()


def picture(path, level, size=(32, 32), mode="RGB"):
    """One plain grey JPEG of height and width `size`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (level,) * len(mode)
    Image.new(mode, size[::-1], colour if len(mode) > 1 else level).save(path, "JPEG", quality=95)


@pytest.fixture
def tree(tmp_path):
    """An ImageNet-C of three classes with 2, 3 and 2 images, grey levels 10, 20, ... 70 in the
    order of their names."""
    folder = tmp_path / "ImageNet-C"
    files = ["n01/a", "n01/b", "n02/c", "n02/d", "n02/e", "n10/f", "n10/g"]
    for i, name in reversed(list(enumerate(files))):
        picture(folder / "fog" / "3" / f"{name}.JPEG", 10 * (i + 1), mode="L" if i == 1 else "RGB")
    return folder


def levels(batches):
    return [
        round(float(level)) for images, _ in batches for level in images.float().mean((1, 2, 3))
    ]


def test_the_order_of_files_and_classes(tree):
    batches = list(imagenet_c(tree, "fog", 3, size=32, batch=3))
    assert [tuple(images.shape) for images, _ in batches] == [
        (3, 3, 32, 32),
        (3, 3, 32, 32),
        (1, 3, 32, 32),
    ]
    assert batches[0][0].dtype == torch.uint8
    assert levels(batches) == [10, 20, 30, 40, 50, 60, 70]
    assert torch.cat([labels for _, labels in batches]).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert batches[0][1].dtype == torch.int64


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("batch", [1, 2, 7, 100])
def test_batches_and_threads_change_nothing(tree, batch, workers):
    batches = list(imagenet_c(tree, "fog", 3, size=32, batch=batch, workers=workers))
    assert levels(batches) == [10, 20, 30, 40, 50, 60, 70]


@pytest.mark.parametrize("group", ["blur", "digital", "extra", "noise", "weather"])
def test_the_folders_of_the_archives(tree, group):
    (tree / group).mkdir()
    (tree / "fog").rename(tree / group / "fog")
    assert len(levels(imagenet_c(tree, "fog", 3, size=32))) == 7


def test_a_part_of_the_classes(tree):
    classes = ["n99", "n10", "n02", "n00", "n01"]
    batches = imagenet_c(tree, "fog", 3, size=32, classes=classes)
    assert torch.cat([labels for _, labels in batches]).tolist() == [4, 4, 2, 2, 2, 1, 1]
    with pytest.raises(UserError, match="holds classes that the list has not: n01, n10"):
        imagenet_c(tree, "fog", 3, size=32, classes=["n02"])


def test_what_is_no_picture_is_passed_over(tree):
    (tree / "fog" / "3" / "n01" / "._a.JPEG").write_bytes(b"what a file manager leaves")
    (tree / "fog" / "3" / "n01" / "notes.txt").touch()
    (tree / "fog" / "3" / ".cache").mkdir()
    (tree / "fog" / "3" / "list.csv").touch()
    batches = list(imagenet_c(tree, "fog", 3, size=32))
    assert len(levels(batches)) == 7
    assert batches[0][1].tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_missing_folders_are_said_at_once(tree):
    with pytest.raises(UserError, match=r"ImageNet-C: no snow/3; there is: fog/3$"):
        imagenet_c(tree, "snow", 3)
    with pytest.raises(UserError, match=r"ImageNet-C: no fog/2; there is: fog/3$"):
        imagenet_c(tree, "fog", 2)
    with pytest.raises(UserError, match="nowhere: no fog/3; there is: nothing of ImageNet-C"):
        imagenet_c(tree.parent / "nowhere", "fog", 3)
    (tree / "snow" / "1" / "n01").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no JPEG files in class folders"):
        imagenet_c(tree, "snow", 1)
    with pytest.raises(UserError, match="batch is 0; it must be at least 1"):
        imagenet_c(tree, "fog", 3, batch=0)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_broken_file_is_named(tree, keep):
    path = tree / "fog" / "3" / "n02" / "d.JPEG"
    picture(path, 200, (64, 64))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"n02/d\.JPEG cannot be read as a JPEG image: ") as caught:
        list(imagenet_c(tree, "fog", 3, size=32, resize=True))
    assert "\n" not in str(caught.value)


def test_another_format_is_refused(tree):
    """A PNG under the name of a JPEG: no set of this layout holds one, and other decoders need not
    be trusted."""
    Image.new("RGB", (32, 32)).save(tree / "fog" / "3" / "n02" / "d.JPEG", "PNG")
    with pytest.raises(UserError, match=r"n02/d\.JPEG cannot be read as a JPEG image: "):
        list(imagenet_c(tree, "fog", 3, size=32))


def test_another_size(tree):
    path = tree / "fog" / "3" / "n02" / "d.JPEG"
    picture(path, 200, (40, 90))
    with pytest.raises(
        UserError, match=r"n02/d\.JPEG is 40x90; it must be 32x32, or resize must be set"
    ):
        list(imagenet_c(tree, "fog", 3, size=32))
    batches = list(imagenet_c(tree, "fog", 3, size=32, resize=True))
    assert levels(batches) == [10, 20, 30, 200, 50, 60, 70]


@pytest.mark.parametrize(
    ("size", "wide"), [((64, 193), 56), ((131, 67), 32), ((300, 301), 56), ((33, 20), 56)]
)
def test_resized_as_everyone_resizes_imagenet(tmp_path, size, wide):
    path = tmp_path / "fog" / "1" / "n01" / "a.JPEG"
    path.parent.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG", quality=95)
    ((images, _),) = imagenet_c(tmp_path, "fog", 1, size=wide, resize=True)
    image = transforms.CenterCrop(wide)(transforms.Resize(wide * 256 // 224)(Image.open(path)))
    assert torch.equal(images[0], transforms.PILToTensor()(image))


def test_threads_end_when_the_reader_stops_early(tree):
    before = threading.active_count()
    batches = imagenet_c(tree, "fog", 3, size=32, batch=1, workers=2)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before
