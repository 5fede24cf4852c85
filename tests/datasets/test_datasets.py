"""Data sets by name: how they are split, and how the real ones are found, downloaded and
refused."""

import hashlib
import io
import os
import pickle
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from torchvision import datasets as tv

from paperlib import datasets
from paperlib.datasets import Dataset, Split
from paperlib.errors import UserError

CLOSED = "http://127.0.0.1:9/"  # the discard port: nobody answers


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def toy():
    """100 training and 20 test images; every image's pixels and label are its own number."""

    def part(count):
        labels = torch.arange(count)
        return Split(
            labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous(), labels
        )

    return Dataset("toy", part(100), part(20), ("one", "two"))


@pytest.fixture
def classes():
    """100 training and 20 test images of unequal classes: half are 0, a third are 1, the others 2;
    every image's pixels are its own number."""

    def part(count):
        number = torch.arange(count)
        images = number.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()
        return Split(images, torch.tensor([0, 1, 0, 1, 0, 2])[number % 6])

    return Dataset("classes", part(100), part(20), ("zero", "one", "two"))


def numbers(part):
    """Which images of `classes` or `toy` a split has, in its order."""
    return part.images[:, 0, 0, 0].tolist()


@pytest.fixture
def server(tmp_path):
    """Serves a folder on the loopback address. Returns the folder and its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def publish_cifar10(monkeypatch, folder, address):
    """Put a tiny CIFAR-10 of 4 + 2 images into `folder` and make torchvision expect it at
    `address`."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3 * 32 * 32), dtype=np.uint8)
    files = {
        "data_batch_1": {"data": pixels[:4], "labels": [3, 1, 4, 1]},
        "test_batch": {"data": pixels[4:], "labels": [5, 9]},
        "batches.meta": {"label_names": [f"class {i}" for i in range(10)]},
    }
    written = {name: pickle.dumps(content) for name, content in files.items()}
    with tarfile.open(folder / "tiny.tar.gz", "w:gz") as archive:
        for name, content in written.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(tv.CIFAR10, "url", address + "tiny.tar.gz")
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", md5((folder / "tiny.tar.gz").read_bytes()))
    monkeypatch.setattr(tv.CIFAR10, "train_list", [["data_batch_1", md5(written["data_batch_1"])]])
    monkeypatch.setattr(tv.CIFAR10, "test_list", [["test_batch", md5(written["test_batch"])]])
    monkeypatch.setitem(tv.CIFAR10.meta, "md5", md5(written["batches.meta"]))
    return torch.from_numpy(pixels).view(6, 3, 32, 32)


def publish_svhn(monkeypatch, folder, address):
    """The same for an SVHN of 3 + 3 images."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    parts = {"train": (pixels[:3], [1, 10, 9]), "test": (pixels[3:], [10, 2, 3])}
    for part, (images, labels) in parts.items():
        path = folder / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": np.array(labels)[:, None]})
        expected = [address + path.name, path.name, md5(path.read_bytes())]
        monkeypatch.setitem(tv.SVHN.split_list, part, expected)
    return torch.from_numpy(pixels)


@pytest.mark.parametrize(("train_size", "holdout"), [(0, 0), (0, 30), (50, 0), (50, 30), (70, 30)])
def test_train_and_validation_never_overlap(toy, train_size, holdout):
    train, validation, test = toy.split(train_size, holdout)
    assert len(train) == (train_size or 100 - holdout)
    assert len(validation) == holdout
    assert not set(train.labels.tolist()) & set(validation.labels.tolist())
    assert len(set(train.labels.tolist())) == len(train)
    assert torch.equal(test.labels, toy.test.labels)


def test_images_keep_their_labels(toy):
    for part in toy.split(50, 30, 10):
        assert torch.equal(part.images[:, 0, 0, 0].long(), part.labels)


def test_the_split_depends_on_nothing_but_sizes_and_seed(toy):
    torch.manual_seed(1)
    parts = toy.split(50, 30, 10, seed=4)
    torch.manual_seed(2)
    again = toy.split(50, 30, 10, seed=4)
    assert [numbers(part) for part in parts] == [numbers(part) for part in again]
    assert parts[1].labels[:4].tolist() == [44, 19, 93, 90]  # the same on every machine


def test_a_larger_subset_of_one_seed_has_all_images_of_a_smaller_one(classes):
    train, _, test = classes.split(40, 30, 12, seed=1)
    for size in (1, 5, 17, 39):
        assert numbers(classes.split(size, 30, seed=1)[0]) == numbers(train)[:size]
    for size in (1, 5, 11):
        assert numbers(classes.split(40, 30, size, seed=1)[2]) == numbers(test)[:size]


def test_seeds_draw_other_training_and_test_images_and_hold_out_the_same(classes):
    parts = [classes.split(20, 30, 10, seed) for seed in range(8)]
    for drawn in ([part[0] for part in parts], [part[2] for part in parts]):
        assert len({frozenset(numbers(part)) for part in drawn}) == 8
    # also where no other size is asked for
    held = {
        tuple(numbers(classes.split(size, 30, seed=seed)[1])) for size in (0, 9) for seed in (0, 5)
    }
    assert held == {tuple(numbers(parts[0][1]))}


def test_no_seed_ever_trains_on_the_holdout(classes):
    held = set(numbers(classes.split(holdout=30)[1]))
    for seed in range(20):
        for size in (1, 20, 70):
            train = numbers(classes.split(size, 30, seed=seed)[0])
            assert len(set(train)) == size
            assert held.isdisjoint(train)


def test_every_seed_may_draw_every_image(classes):
    """In 200 draws of ten of seventy images, none is left out (by chance: one in 10^13 each)."""
    drawn = [numbers(classes.split(10, 30, seed=seed)[0]) for seed in range(200)]
    assert len(set().union(*drawn)) == 70


@pytest.mark.parametrize("size", [4, 10, 23, 50])
def test_a_subset_has_of_each_class_its_share(classes, size):
    """Of each class as many as its share of the images, to one image more or less."""
    rest = classes.split(holdout=30)[0].labels.bincount() / 70
    all_tests = classes.test.labels.bincount() / 20
    for seed in range(5):
        train, _, test = classes.split(size, 30, min(size, 15), seed)
        for part, shares in ((train, rest), (test, all_tests)):
            counts = part.labels.bincount(minlength=3)
            assert (counts - shares * len(part)).abs().max() <= 1


def test_images_with_boxes_are_drawn_with_equal_chances(toy):
    boxes = toy.train.labels.view(-1, 1, 1).expand(-1, 2, 6).float()
    data = Dataset("boxes", Split(toy.train.images, boxes), toy.test, ("one",))
    drawn = [numbers(data.split(10, 30, seed=seed)[0]) for seed in range(200)]
    assert len(set().union(*drawn)) == 70
    assert all(len(set(one)) == 10 for one in drawn)


def test_all_test_images_keep_their_order_for_every_seed(toy):
    assert numbers(toy.split(10, seed=3)[2]) == list(range(20))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((80, 30, 0), "toy has 100 training images: cannot train on 80 and hold out 30"),
        ((0, 100, 0), "toy has 100 training images: cannot train on 0 and hold out 100"),
        ((-1, 0, 0), "toy has 100 training images"),
        ((0, -1, 0), "toy has 100 training images"),
        ((0, 0, 21), "toy has 20 test images: cannot test on 21"),
        ((0, 0, -1), "toy has 20 test images: cannot test on -1"),
    ],
)
def test_asking_for_more_than_there_is(toy, sizes, message):
    with pytest.raises(UserError, match=message):
        toy.split(*sizes)


def test_mean_and_std_are_those_of_all_training_pixels(toy):
    pixels = toy.train.images.double() / 255
    assert toy.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert toy.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())


def test_a_fingerprint_changes_with_any_pixel_or_label(toy):
    def changed(part, values):
        splits = {"train": toy.train, "test": toy.test}
        own = {name: getattr(splits[part], name).clone() for name in ("images", "labels")}
        own[values].view(-1)[-1] += 1
        return Dataset("toy", **{**splits, part: Split(**own)}, classes=toy.classes)

    others = [changed(p, v).fingerprint for p in ("train", "test") for v in ("images", "labels")]
    swapped = Dataset("toy", toy.test, toy.train, toy.classes).fingerprint
    assert len({toy.fingerprint, swapped, *others}) == 6
    assert Dataset("name", toy.train, toy.test, ("a", "b")).fingerprint == toy.fingerprint
    assert len(toy.fingerprint) == 16


def test_moving_to_the_device_it_is_on_copies_nothing(toy):
    moved = toy.to("cpu")
    assert moved.train.images is toy.train.images
    assert (moved.name, moved.classes) == (toy.name, toy.classes)


def test_unknown_name():
    with pytest.raises(
        UserError,
        match=r"unknown data set 'mnist'; choose from: .*synthdigits.*svhn",
    ):
        datasets.load("mnist")


def test_cifar10_is_downloaded_once(monkeypatch, tmp_path, server):
    pixels = publish_cifar10(monkeypatch, *server)
    data = datasets.load("cifar10", tmp_path / "root")
    assert torch.equal(data.train.images, pixels[:4])
    assert torch.equal(data.test.images, pixels[4:])
    assert data.train.images.is_contiguous()
    assert data.train.labels.tolist() == [3, 1, 4, 1]
    assert data.test.labels.tolist() == [5, 9]
    assert data.train.labels.dtype == torch.int64
    assert data.classes[9] == "class 9"

    monkeypatch.setattr(tv.CIFAR10, "url", CLOSED)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "root"))
    datasets._load.cache_clear()
    assert torch.equal(datasets.load("cifar10").train.images, pixels[:4])
    assert datasets.load("cifar10") is datasets.load("cifar10")


def test_svhn_is_downloaded_and_ten_is_zero(monkeypatch, tmp_path, server):
    pixels = publish_svhn(monkeypatch, *server)
    data = datasets.load("svhn", tmp_path / "root")
    assert torch.equal(data.train.images, pixels[:3])
    assert torch.equal(data.test.images, pixels[3:])
    assert data.train.images.is_contiguous()
    assert data.train.labels.tolist() == [1, 0, 9]
    assert data.test.labels.tolist() == [0, 2, 3]
    assert data.classes == tuple("0123456789")


def test_a_download_with_a_wrong_checksum_is_refused(monkeypatch, tmp_path, server):
    publish_cifar10(monkeypatch, *server)
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", md5(b"something else"))
    with pytest.raises(
        UserError, match=r"not found in .*download failed \(what came has a wrong MD5\)"
    ):
        datasets.load("cifar10", tmp_path / "root")


def test_missing_and_no_download(monkeypatch, tmp_path):
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tv.CIFAR100, "url", CLOSED)
    with pytest.raises(UserError) as caught:
        datasets.load("cifar100")
    message = str(caught.value)
    assert message.startswith(
        f"cifar100: not found in {tmp_path / 'paperlib'}, and the download failed ("
    )
    assert "Connection refused" in message
    assert "DATA_ROOT=... to a folder that holds cifar-100-python" in message
    assert "synthdigits" in message
    assert "\n" not in message


def test_damaged_files_and_no_download(monkeypatch, tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"not what it should be")
    monkeypatch.setattr(tv.CIFAR10, "url", CLOSED)
    with pytest.raises(
        UserError, match=f"cifar10: incomplete or damaged in {tmp_path}, and the download failed"
    ):
        datasets.load("cifar10", tmp_path)


def test_a_damaged_file_is_never_unpickled(monkeypatch, tmp_path, server):
    """A pickle can run anything: what fails its MD5 must be replaced, not opened."""
    publish_cifar10(monkeypatch, *server)
    datasets.load("cifar10", tmp_path)
    victim = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    victim.write_bytes(b"cos\nmkdir\n(S'" + bytes(tmp_path / "ran") + b"'\ntR.")
    datasets._load.cache_clear()
    assert datasets.load("cifar10", tmp_path).train.labels.tolist() == [3, 1, 4, 1]
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"svhn: not found in .*Not a directory"):
        datasets.load("svhn", tmp_path / "file" / "root")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder", "classes", "mean"),
    [
        ("cifar10", "cifar-10-batches-py", 10, (0.4914, 0.4822, 0.4465)),
        ("cifar100", "cifar-100-python", 100, (0.5071, 0.4865, 0.4409)),
    ],
)
def test_the_real_data_where_they_are(name, folder, classes, mean):
    root = Path(os.environ.get("DATA_ROOT") or "~/paperlib-data").expanduser()
    if not (root / folder).is_dir():
        pytest.skip(f"no {folder} in {root}")
    data = datasets.load(name, root)
    assert data.train.images.shape == (50_000, 3, 32, 32)
    assert data.test.images.shape == (10_000, 3, 32, 32)
    assert data.train.images.is_contiguous()
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.bincount().tolist() == [50_000 // classes] * classes
    assert len(data.classes) == classes
    assert data.mean == pytest.approx(mean, abs=1e-4)
