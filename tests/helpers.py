"""What several test files share and is no fixture; `from helpers import ...`."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from paperlib import methods
from paperlib.datasets import Dataset, Split, decoding, scenes

COUNT = 12  # test images of the corrupted sets that `make_set` makes


def images(count=4, seed=0):
    """Uniform noise for a network: float32 (count, 3, 32, 32) in [0, 1)."""
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def built(run, task):
    """The method of a run; its parents are random networks, in eval mode and frozen."""
    torch.manual_seed(0)
    uses = run.uses.items()
    parents = {
        role: methods.build_network(parent, task).eval().requires_grad_(False)
        for role, parent in uses
    }
    return methods.build(run, task, parents)


def perturbed(module):
    """The module, with noise on all its parameters: nothing starts as the identity any more."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return module


def batch_normed(kernel, channels, out):
    """Parameters of a square convolution without a bias and of the batch norm behind it."""
    return kernel * kernel * channels * out + 2 * out


def legend(figure):
    """The texts of a figure's legend above its axes."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


# Pictures on the disk

CLASSES = ("cat", "dog")  # of the data set "pets" that the fixture `root` makes


def picture(seed, height=40, width=56):
    """Noise, uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, pixels, **options):
    """Writes a picture, and makes its folder; the options are Pillow's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def one(path, pixels=16):
    """One file, decoded: uint8 (3, pixels, pixels)."""
    return decoding.decode([str(path)], pixels)[0]


def caches(root):
    """What is kept of the folders in `root` (see the fixture of this name), decoded."""
    return sorted((root.parent / "cache/paperlib").glob("folder-*.safetensors"))


# Corrupted sets


class CorruptStub:
    """Stands for `corrupt`: quick, as deterministic, counts its calls, and fails at the one that is
    asked for."""

    def __init__(self):
        self.calls, self.fail_at, self.error = 0, None, KeyboardInterrupt

    def __call__(self, images, name, severity, *, table, seed, index, textures):
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error()
        number = torch.arange(index, index + len(images)).view(-1, 1, 1, 1)
        shift = int.from_bytes(
            hashlib.sha256(f"{name} {severity} {table} {seed}".encode()).digest()[:2], "big"
        )
        return ((images.int() + shift + number) % 256).to(torch.uint8)


def contents(folder):
    """The files of a set that others see."""
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def said(line):
    """The only line that a set says while it is written."""
    assert "bytes needed" in line


def same(left, right):
    return left.keys() == right.keys() and all(
        torch.equal(left[name], right[name]) for name in left
    )


# Notebooks


def nbval(notebook):
    """Executes a notebook and compares each output: the finished process."""
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    root = Path(__file__).parents[1]
    env["PYTHONPATH"] = str(root)
    sanitize = Path(__file__).parent / "book" / "nbval.cfg"
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(sanitize)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, str(notebook)], cwd=root, env=env, capture_output=True, text=True
    )


# Scenes


def small_scenes(train, test):
    """The data set "scenes" with few images."""
    train_images, train_labels, test_images, test_labels = scenes.make(0, train, test)
    splits = Split(train_images, train_labels), Split(test_images, test_labels)
    return Dataset("scenes", *splits, tuple("0123456789"))
