"""Folders of class folders: what is read, how it is decoded and kept, what is refused, and what runs train on them."""

import dataclasses
import io
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib import datasets, methods, networks, sweep
from paperlib.corrupting import corrupt_dataset
from paperlib.datasets import decoding, folder
from paperlib.errors import UserError
from paperlib.experiments.settings import Settings, select
from paperlib.methods import Batch, Task
from paperlib.sweep import Sweep

CLASSES = ("cat", "dog")
NETWORKS = ("alexnet", "vgg16", "smallcnn", "plain10", "resnet18", "resnet50")


def picture(seed, height=40, width=56, channels=3):
    """Noise, uint8 (height, width, channels); (height, width) for one channel."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of data sets with "pets": six training and four test images a class, PNGs of several sizes, a JPEG."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for label, name in enumerate(CLASSES):
        for part, count in (("train", 6), ("val", 4)):
            for i in range(count):
                pixels = picture(100 * label + 10 * i + len(part), 40 + 8 * i, 56)
                save(tmp_path / "root/pets" / part / name / f"{i}.{'JPEG' if i == 3 else 'png'}", pixels)
    return tmp_path / "root"


@pytest.fixture
def decoded(monkeypatch):
    """The files that are decoded, in no particular order."""
    files, decode = [], decoding._decode
    monkeypatch.setattr(decoding, "_decode", lambda path, pixels: files.append(path) or decode(path, pixels))
    return files


def caches(root):
    return sorted((root.parent / "cache/paperlib").glob("folder-*.safetensors"))


def one(path, pixels=16):
    """One file, decoded: uint8 (3, pixels, pixels)."""
    return decoding.decode([str(path)], pixels)[0]


def colour(image):
    """The colour of a plain image."""
    (only,) = image.flatten(1).T.unique(dim=0)
    return tuple(only.tolist())


def test_what_is_loaded(root):
    data = datasets.load("pets@32", root)
    assert data.name == "pets@32"
    assert data.classes == CLASSES
    assert data.train.images.shape == (12, 3, 32, 32)
    assert data.test.images.shape == (8, 3, 32, 32)
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.is_contiguous()
    assert data.train.labels.tolist() == [0] * 6 + [1] * 6
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4
    assert data.train.labels.dtype == torch.int64
    for label, name in enumerate(CLASSES):
        files = sorted((root / "pets/train" / name).iterdir())
        assert torch.equal(data.train.images[6 * label : 6 * label + 6], torch.stack([one(f, 32) for f in files]))
    assert datasets.load("pets@32", root) is data


def test_the_middle_of_the_image_resized_by_its_shorter_side(tmp_path):
    save(tmp_path / "wide.png", picture(0, 64, 96))
    save(tmp_path / "high.png", picture(1, 96, 64))
    for name, size, crop in (("wide", (48, 32), (8, 0, 40, 32)), ("high", (32, 48), (0, 8, 32, 40))):
        with Image.open(tmp_path / f"{name}.png") as image:
            expected = np.asarray(image.resize(size, Image.Resampling.BILINEAR).crop(crop))
        assert np.array_equal(one(tmp_path / f"{name}.png", 32).permute(1, 2, 0), expected)


def test_an_image_of_the_right_size_is_left_alone_and_a_smaller_one_enlarged(tmp_path):
    pixels = picture(0, 32, 32)
    save(tmp_path / "image.png", pixels)
    assert np.array_equal(one(tmp_path / "image.png", 32).permute(1, 2, 0), pixels)
    assert one(tmp_path / "image.png", 48).shape == (3, 48, 48)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("LA", (77, 10), (77, 77, 77)),
        ("RGBA", (10, 20, 30, 0), (10, 20, 30)),
        ("P", 0, (200, 100, 50)),
    ],
)
def test_modes_become_rgb(tmp_path, mode, value, expected):
    image = Image.new(mode, (20, 20), value)
    if mode == "P":
        image.putpalette([200, 100, 50])
        image.info["transparency"] = b"\x00"
    image.save(tmp_path / "image.png")
    assert colour(one(tmp_path / "image.png")) == expected


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "image.jpg", quality=100)
    red, green, blue = colour(one(tmp_path / "image.jpg"))
    assert red > 250
    assert green < 5
    assert blue < 5


@pytest.mark.parametrize("ending", ["webp", "bmp", "gif", "tiff", "ppm"])
def test_other_formats(root, ending):
    Image.new("RGB", (24, 24), (0, 0, 255)).save(root / f"pets/val/dog/z.{ending}", lossless=True)
    blue = datasets.load("pets@16", root).test.images[-1]
    assert blue[2].min() >= 254
    assert blue[:2].max() <= 1


def test_the_format_is_told_by_the_content(tmp_path):
    Image.new("RGB", (24, 24), (1, 2, 3)).save(tmp_path / "image.JPEG", format="PNG")
    assert colour(one(tmp_path / "image.JPEG")) == (1, 2, 3)


def test_only_pictures_are_opened(tmp_path):
    """Pillow hands some formats to other programs, EPS to Ghostscript: nothing of the kind is done here."""
    Image.new("RGB", (24, 24)).save(tmp_path / "image.png", format="EPS")
    with pytest.raises(UserError, match="it is none of JPEG"):
        one(tmp_path / "image.png")


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_is_turned_upright(tmp_path, orientation, format_):
    """The eight values of the EXIF tag by what they say: on which sides the first row and column are seen."""
    upright = picture(0, 32, 32)
    rows_are_columns, down, right = {
        1: (False, 1, 1),
        2: (False, 1, -1),
        3: (False, -1, -1),
        4: (False, -1, 1),
        5: (True, 1, 1),
        6: (True, 1, -1),
        7: (True, -1, -1),
        8: (True, -1, 1),
    }[orientation]
    seen = upright[::down, ::right]
    stored = seen.transpose(1, 0, 2) if rows_are_columns else seen
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    save(tmp_path / "image", np.ascontiguousarray(stored), format=format_, exif=exif)
    assert np.array_equal(one(tmp_path / "image", 32).permute(1, 2, 0), upright)


@pytest.mark.parametrize(
    "damaged",
    [
        b"not what it should be",
        b"II*\0\x08\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0?\0\0\0\0\0\0\0",  # the orientation is a question mark
    ],
)
def test_damaged_exif_data_are_no_damage_to_the_image(tmp_path, damaged):
    Image.new("RGB", (24, 24), (255, 255, 255)).save(tmp_path / "image.jpg", exif=b"Exif\0\0" + damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert colour(one(tmp_path / "image.jpg")) == (255, 255, 255)


def test_the_second_load_decodes_nothing(root, decoded):
    first = folder.load("pets@32", root)
    assert len(decoded) == 20
    (cache,) = caches(root)
    again = folder.load("pets@32", root)
    assert len(decoded) == 20
    assert caches(root) == [cache]
    assert torch.equal(again.train.images, first.train.images)
    assert torch.equal(again.test.images, first.test.images)
    assert torch.equal(again.train.labels, first.train.labels)
    folder.load("pets@16", root)
    assert len(decoded) == 40
    assert len(caches(root)) == 2


def resize_only(path):
    """Another size in the listing, at the same time."""
    status = path.stat()
    save(path, picture(999, 60, 60))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        resize_only,
        lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
        lambda path: path.rename(path.with_name("zzz.png")),
        lambda path: path.unlink(),
        lambda path: shutil.copy2(path, path.with_name("copy.png")),
    ],
    ids=["size", "time", "renamed", "removed", "added"],
)
def test_what_changes_in_the_folder_is_decoded_anew(root, decoded, change):
    for name in ("pets@32", "pets@16"):
        folder.load(name, root)
    (small,) = (path for path in caches(root) if "-16-" in path.name)
    old = set(caches(root))
    del decoded[:]
    path = root / "pets/train/dog/0.png"
    change(path)
    data = folder.load("pets@32", root)
    files = sorted((root / "pets/train").glob("*/*"))
    assert len(decoded) == len(files) + 8
    assert torch.equal(data.train.images, torch.stack([one(file, 32) for file in files]))
    assert set(caches(root)) & old == {small}  # what was kept of the older state at 32 pixels is gone
    assert len(caches(root)) == 2


def test_hidden_and_other_files_are_left_alone(root, decoded):
    data = folder.load("pets@16", root)
    (root / "pets/train/cat/.0.png").write_bytes(b"no image")
    (root / "pets/train/cat/labels.txt").touch()
    (root / "pets/train/cat/more.png").mkdir()
    (root / "pets/train/.ipynb_checkpoints").mkdir()
    (root / "pets/train/README").touch()
    again = folder.load("pets@16", root)
    assert again.classes == data.classes
    assert len(again.train) == len(data.train)
    assert len(decoded) == 20


def test_links_and_odd_names(root):
    outside = root.parent / "elsewhere"
    shutil.move(root / "pets", outside)
    (root / "linked").mkdir()
    (root / "linked/train").symlink_to(outside / "train")
    (root / "linked/val").mkdir()
    for name in CLASSES:
        (root / "linked/val" / name).symlink_to(outside / "val" / name)
    shutil.copy(outside / "train/cat/0.png", outside / "train/cat/ä \n'\"{}%s.PNG")
    shutil.copy(outside / "train/cat/0.png", os.fsdecode(bytes(outside / "train/cat") + b"/\xff.png"))
    for part in ("train", "val"):
        Path(os.fsdecode(bytes(root / "linked" / part) + b"/odd\xff name")).mkdir()
        save(Path(os.fsdecode(bytes(root / "linked" / part) + b"/odd\xff name/0.png")), picture(0))
    data = folder.load("linked@16", root)
    assert len(data.train) == 15
    assert data.classes == ("cat", "dog", "'odd\\udcff name'")
    assert data.classes[2].encode()


@pytest.mark.parametrize("part", ["test", "validation"])
def test_other_names_of_the_test_part(root, part):
    expected = folder.load("pets@16", root).test.images
    (root / "pets/val").rename(root / "pets" / part)
    assert datasets.found("pets@16", root)
    assert torch.equal(folder.load("pets@16", root).test.images, expected)


def test_of_several_test_parts_val_is_taken(root):
    (root / "pets/test").mkdir()
    assert len(folder.load("pets@16", root).test) == 8


def message(root, name="pets@16"):
    """What the user reads."""
    with pytest.raises(UserError) as caught:
        datasets.load(name, root)
    text = str(caught.value)
    assert "\n" not in text
    assert text.encode()  # what has surrogates in it cannot be printed
    return text


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "16 bits"])
def test_a_broken_image_is_named(root, damage):
    path = root / "pets/val/dog/2.png"
    content = path.read_bytes()
    path.write_bytes({"truncated": content[: len(content) // 2], "text": b"no image"}.get(damage, b""))
    if damage == "16 bits":
        save(path, np.zeros((20, 20), dtype=np.uint16))
    reason = {
        "truncated": "image file is truncated",
        "text": "it is none of JPEG, PNG, WEBP",
        "empty": "it is none of JPEG, PNG, WEBP",
        "16 bits": "its pixels have more than 8 bits",
    }[damage]
    assert message(root).startswith(f"{path} cannot be read as an image: {reason}")
    assert caches(root) == []
    save(path, picture(0))
    assert len(datasets.load("pets@16", root).test) == 8


def test_a_broken_image_with_an_odd_name_is_one_line(root):
    (root / "pets/val/dog/a\nb.png").write_bytes(b"")
    assert "val/dog/a\\nb.png' cannot be read as an image" in message(root)


def test_a_link_that_leads_nowhere_is_named(root):
    (root / "pets/val/dog/9.png").symlink_to(root / "nothing.png")
    assert message(root) == f"{root}/pets/val/dog/9.png is a link that leads nowhere"


def test_classes_that_only_one_part_has_are_named(root):
    (root / "pets/val/dog").rename(root / "pets/val/wolf")
    text = "pets@16: both parts must hold the same classes, but val lacks dog and train lacks wolf"
    assert message(root) == text
    for i in range(8):
        save(root / f"pets/train/{i}/0.png", picture(i))
    assert "but val lacks 0, 1, 2, 3, 4 and 4 more and train lacks wolf" in message(root)


def test_a_class_without_images(root):
    shutil.rmtree(root / "pets/val/dog")
    (root / "pets/val/dog/deeper").mkdir(parents=True)
    assert message(root).startswith(f"{root}/pets/val/dog holds no images (.jpg, .jpeg, .png")


def test_a_part_without_class_folders(root):
    shutil.rmtree(root / "pets/val")
    save(root / "pets/val/0.png", picture(0))
    assert message(root) == f"{root}/pets/val holds no class folders"


@pytest.mark.parametrize(("gone", "missing"), [("train", "train"), ("val", "val or test or validation")])
def test_a_missing_part(root, gone, missing):
    shutil.rmtree(root / "pets" / gone)
    assert not datasets.found("pets@16", root)
    assert message(root) == f"pets@16: no folder {missing} in {root}/pets"


def test_an_unknown_folder(root, tmp_path):
    (root / "other").mkdir()
    assert message(root, "pest@16") == f"pest@16: no folder pest in {root}; choose from: pets, or set DATA_ROOT=..."
    nothing = "no folder there holds train and val, or set DATA_ROOT=..."
    assert message(tmp_path / "no", "pets@16") == f"pets@16: no folder pets in {tmp_path}/no; {nothing}"


def test_found(root, monkeypatch):
    assert datasets.found("pets@999", root)
    assert not datasets.found("pest@32", root)
    monkeypatch.setenv("DATA_ROOT", str(root))
    assert datasets.found("pets@16")
    assert len(datasets.load("pets@16").train) == 12


def test_known_names():
    assert datasets.known("cifar10") == "cifar10"
    assert datasets.known("my images, all@64") == "my images, all@64"
    assert folder.parse("a@b@224") == ("a@b", 224)
    with pytest.raises(UserError, match=r"unknown data set 'imagenet'; choose from: synthdigits,.* or FOLDER@PIXELS"):
        datasets.known("imagenet")
    for name in ("pets@", "pets@15", "pets@064", "pets@1e2", "pets@-32", "pets@12345", "pets@٣٢", "pets@32 "):
        with pytest.raises(UserError, match=r"after the @ come the height and width in pixels, one number from 16"):
            datasets.known(name)
    for name in ("@32", "..@32", ".@32", "a/b@32", "/root@32", "a\\b@32"):
        with pytest.raises(UserError, match="before the @ comes the name of a folder in DATA_ROOT"):
            datasets.known(name)


def test_a_profile_takes_a_folder(root, tmp_path):
    profiles = {"demo": Settings("demo", ("synthdigits",), 1, ("alexnet",), {}, {"alexnet": {}}, 0)}
    assert select(profiles, "demo", ["pets@32", "cifar10"]).datasets == ("pets@32", "cifar10")
    with pytest.raises(UserError, match="or FOLDER@PIXELS"):
        select(profiles, "demo", ["pets"])


def test_more_images_than_memory_are_refused_before_decoding(root, decoded, monkeypatch):
    monkeypatch.setattr(folder, "available_memory", lambda: 20 * 3 * 100**2)
    text = "pets@999: 20 images take 0.06 GB of memory, and 0.00 GB are available; "
    assert (
        message(root, "pets@999") == text + "take fewer pixels (pets@100 fits) or a folder with fewer images or classes"
    )
    assert decoded == []
    assert datasets.load("pets@100", root).train.images.shape == (12, 3, 100, 100)
    monkeypatch.setattr(folder, "available_memory", lambda: 1000)
    assert message(root).endswith("available; take a folder with fewer images or classes")
    monkeypatch.setattr(folder, "available_memory", lambda: None)
    assert len(folder.load("pets@16", root).train) == 12


def test_memory_of_this_machine():
    available = folder.available_memory()
    assert 1e7 < available <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_pillow_is_imported_only_where_it_decodes():
    assert not {"PIL", "Image"} & (vars(folder).keys() | vars(decoding).keys())


def test_the_bar_is_drawn_only_on_a_terminal(root, monkeypatch):
    class Screen(io.StringIO):
        terminal = False

        def isatty(self):
            return self.terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    folder.load("pets@16", root)
    assert screen.getvalue() == ""
    screen.terminal = True
    folder.load("pets@32", root)
    assert re.findall(r"pets@32 (train|test): 100%.* (12/12|8/8) ", screen.getvalue()) == [
        ("train", "12/12"),
        ("test", "8/8"),
    ]


@pytest.mark.parametrize("pixels", [64, 96])
def test_resnets_take_their_stem_by_the_size_of_the_images(root, tiny, pixels):
    task = sweep.task(datasets.load(f"pets@{pixels}", root))
    assert (task.classes, task.size) == (2, pixels)
    network = methods.build_network(tiny(dataset=f"pets@{pixels}"), task)
    first = network.body.stem[0]
    assert (first.kernel_size, first.stride) == (((3, 3), (1, 1)) if pixels <= 64 else ((7, 7), (2, 2)))
    expected = networks.build("resnet18", 2, 0.0625, size=pixels)
    assert str(network.body) == str(expected.body)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_at_32_pixels_are_what_they_were(network, tiny):
    statistics = (0.5, 0.4, 0.3), (0.2, 0.2, 0.3)
    torch.manual_seed(0)
    built = methods.build_network(tiny(network=network), Task(10, *statistics, size=32))
    torch.manual_seed(0)
    expected = networks.build(network, 10, 0.0625)
    expected.normalise_with(*statistics)
    states = built.state_dict(), expected.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("pixels", [folder.SMALLEST, 64, 224])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_a_step_at_any_size(network, pixels, tiny):
    torch.manual_seed(0)
    method = methods.build(tiny(network=network), Task(3, (0.5,) * 3, (0.25,) * 3, pixels), {})
    images = torch.rand(2, 3, pixels, pixels)
    loss = method.loss(Batch(images, images, torch.tensor([0, 2])))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    for name, weight in method.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    assert method.network.head.weight.grad.abs().max() > 0


def test_costs_grow_with_the_images(root, store, cpu, tiny):
    sweeping = Sweep(store, root, cpu)
    small, large = (sweeping._cost_of_image(tiny(dataset=f"pets@{n}", network="alexnet")) for n in (64, 128))
    assert small == 3 * sweep.flops("alexnet", 0.0625, "supervised", 64)
    assert large == 3 * sweep.flops("alexnet", 0.0625, "supervised", 128)
    assert large > 3 * small
    lowres = {"name": "lowres", "factor": 4, "up": "none"}
    run = tiny(dataset="pets@64", network="espcn", method="super_resolution", degrade=lowres)
    assert sweeping._cost_of_image(run) == 3 * sweep.flops("espcn", 0.0625, "super_resolution", 16)


def test_the_stem_in_the_count_is_that_of_the_size(tiny):
    """At 65 pixels and more the larger stem reduces by 4, so a ResNet costs less than a quarter of the other's."""
    assert sweep.flops("resnet18", 0.25, "supervised", 68) < sweep.flops("resnet18", 0.25, "supervised", 64) / 4


def test_a_run_on_a_folder(root, store, cpu, tiny):
    for name, value in (("cat", 40), ("dog", 215)):  # so that there is something to learn
        for part in ("train", "val"):
            for path in (root / "pets" / part / name).iterdir():
                save(path, np.full((40, 40, 3), value, dtype=np.uint8))
    sizes = {"train_size": 0, "test_size": 0, "epochs": 1, "batch_size": 4, "crop": 0}
    run = tiny(dataset="pets@64", network="smallcnn", width=0.25, **sizes)
    before = sweep.train(run, store, root, cpu)
    assert before.metrics["top5"] == 100  # there are two classes
    assert len(before.history) == 1
    after = sweep.train(dataclasses.replace(run, epochs=10), store, root, cpu)
    assert after.metrics["top1"] == 100


def test_a_large_image_run_can_be_read_back(root, store, cpu, tiny):
    """The network that weights are loaded into has the stem it was trained with.

    Sixteen channels: with fewer, oneDNN 3.13 writes beyond its memory in the gradient of a strided 1x1 convolution of
    large channels-last maps (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    run = tiny(dataset="pets@72", width=0.25, train_size=8, test_size=4, epochs=1, batch_size=4)
    (record,) = Sweep(store, root, cpu)([run])
    assert sweep.load_network(run, store, datasets.load("pets@72", root), cpu).body.stem[0].kernel_size == (7, 7)
    assert store.record(run) == record


def test_a_folder_can_be_corrupted(root, tmp_path):
    out = corrupt_dataset("pets@32", tmp_path / "out", "brightness", "1", root=root, device="cpu")
    assert out == tmp_path / "out/pets@32-C"
    assert np.load(out / "brightness.npy").shape == (8, 32, 32, 3)
    with pytest.raises(UserError, match="or FOLDER@PIXELS"):
        corrupt_dataset("pets", tmp_path / "out", "no corruption", "1")  # of two mistakes the first is said
    with pytest.raises(UserError, match="scenes: the layout of CIFAR-10-C holds a label for every image"):
        corrupt_dataset("scenes", tmp_path / "out", "brightness", "1")


def test_imagenette_where_it_is(tmp_path, monkeypatch):
    source = Path(os.environ.get("DATA_ROOT") or "~/paperlib-data").expanduser() / "imagenette2-224-sample"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for part in ("train", "val"):
        (tmp_path / "two" / part).mkdir(parents=True)
        for name in ("n01440764", "n03417042"):  # a fish and a lorry
            (tmp_path / "two" / part / name).symlink_to(source / part / name)
    data = datasets.load("two@32", tmp_path)
    assert data.classes == ("n01440764", "n03417042")
    assert data.test.images.shape == (len(data.test), 3, 32, 32)
    assert data.test.labels.bincount().tolist() == [
        len(list((source / "val" / name).iterdir())) for name in data.classes
    ]
    assert all(0.35 < mean < 0.6 for mean in data.mean)
