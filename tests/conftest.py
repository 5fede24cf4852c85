"""What several files share: a store, runs that train in no time, pictures, corrupted sets; and the
order of tests."""

from functools import partial

import pytest
import torch
from helpers import CLASSES, COUNT, CorruptStub, picture, save
from PIL import Image

from paperlib import cli, corrupted_set, datasets
from paperlib.corrupted_set import CorruptedSet
from paperlib.datasets import Split, scenes
from paperlib.execution import Execution
from paperlib.runs import Run
from paperlib.store import Store


def pytest_collection_modifyitems(items):
    """Slow tests first, so that no process ends long after the others."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def cpu():
    """The execution whose bits do not depend on the machine's abilities."""
    return Execution("cpu", "fp32")


@pytest.fixture
def one_thread():
    """Sums in the order of one thread: for tests that compare bits with those of another
    process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def seeded():
    """Starts the test from the same random numbers, whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return Store(tmp_path / "runs")


@pytest.fixture
def tiny():
    """Makes tiny runs; any field may be changed: `tiny(seed=1)`."""
    return partial(
        Run,
        method="supervised",
        dataset="synthdigits",
        network="resnet18",
        width=0.0625,
        train_size=64,
        test_size=32,
        epochs=2,
        batch_size=32,
        lr=0.05,
    )


@pytest.fixture
def tiny_student(tiny):
    """Makes a tiny student of DFD with its teacher; any field may be changed."""
    return partial(
        tiny, method="dfd", degrade={"name": "lowres", "factor": 4}, uses={"teacher": tiny()}
    )


@pytest.fixture
def close_figures():
    """No figure outlives its test."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def refuse(capsys):
    """Runs a command that must fail in one line; returns the line."""

    def refuse(*arguments):
        assert cli.main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("paperlib: ")
        assert err.count("\n") == 1
        return err

    return refuse


# Scenes


@pytest.fixture
def few(drawn, monkeypatch):
    """The data set that runs get by the name "scenes" is the small one that the file has drawn."""
    small = tuple(x for s in (drawn.train, drawn.test) for x in (s.images, s.labels))
    monkeypatch.setattr(scenes, "load", lambda seed=0: small)
    datasets._load.cache_clear()
    yield drawn
    datasets._load.cache_clear()


# Folders of pictures


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of data sets with "pets": six training and four test images a class, PNGs of several
    sizes, a JPEG."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for label, name in enumerate(CLASSES):
        for part, count in (("train", 6), ("val", 4)):
            for i in range(count):
                pixels = picture(100 * label + 10 * i + len(part), 40 + 8 * i, 56)
                save(
                    tmp_path / "root/pets" / part / name / f"{i}.{'JPEG' if i == 3 else 'png'}",
                    pixels,
                )
    return tmp_path / "root"


@pytest.fixture
def decoded(monkeypatch):
    """The files that are decoded, in no particular order."""
    files, open_ = [], Image.open

    def opened(path, **options):
        files.append(path)
        return open_(path, **options)

    monkeypatch.setattr(Image, "open", opened)
    return files


# Corrupted sets


@pytest.fixture
def clean_split():
    """The test images that sets are made of."""
    images = torch.randint(
        256, (COUNT, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return Split(images, torch.arange(COUNT) % 10)


@pytest.fixture
def make_set(clean_split, tmp_path):
    """Makes a `CorruptedSet` of the tiny test images; any argument may be changed."""

    def make(folder="CIFAR-10-C", **changes):
        arguments = {"dataset": "cifar10", "clean": clean_split, "table": "cifar-c", **changes}
        return CorruptedSet(tmp_path / folder, **arguments)

    return make


@pytest.fixture
def corrupt_stub(monkeypatch):
    """In place of `corrupt`; it is called once per severity."""
    stub = CorruptStub()
    monkeypatch.setattr(corrupted_set, "corrupt", stub)
    return stub
