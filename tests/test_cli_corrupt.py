"""The command `corrupt`: what it refuses in one line, and a set from nothing."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib import cli, corrupted_set, datasets
from paperlib.datasets import Dataset, Split
from paperlib.degrade import frost


@pytest.fixture
def tiny_digits(monkeypatch):
    """20 test images under the name synthdigits."""
    images = torch.randint(
        256, (20, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    split = Split(images, torch.arange(20) % 10)
    dataset = Dataset("synthdigits", split, split, tuple("0123456789"))
    monkeypatch.setattr(datasets, "load", lambda name, root, device: dataset.to(device))
    return split


CORRUPT = ("corrupt", "--dataset", "synthdigits", "--device", "cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dataset", "mnist"],
            "unknown data set 'mnist'; choose from: synthdigits, cifar10, cifar100, svhn",
        ),
        (
            ["--corruptions", "fog,rain"],
            "unknown corruption 'rain'; choose from: standard, extra, all, ",
        ),
        (["--corruptions", "fog,fog"], "corruptions 'fog,fog': each may be named once"),
        (["--severities", "1,6"], "unknown severity '6'; choose from: 1, 2, 3, 4, 5"),
        (["--severities", ""], "unknown severity ''; choose from: 1, 2, 3, 4, 5"),
        (
            ["--table", "cifar"],
            "unknown severity table 'cifar'; choose from: imagenet-c, cifar-c, imagecorruptions",
        ),
        (["--seed", "x"], "seed is 'x'; it must be a whole number"),
        (["--device", "cudax"], "device 'cudax' is not available here; choose from: cpu"),
    ],
)
def test_mistakes_in_what_to_corrupt(refuse, tmp_path, arguments, message):
    line = refuse(*CORRUPT, "--corruptions", "fog", "--out", str(tmp_path / "out"), *arguments)
    assert line.startswith(f"paperlib: {message}")
    assert not (tmp_path / "out").exists()


def test_missing_textures_are_said_before_any_work(refuse, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "load", None)
    line = refuse(*CORRUPT, "--out", str(tmp_path / "out"), "--frost", str(tmp_path / "nowhere"))
    assert f"looked in: {tmp_path / 'nowhere'}; " in line
    assert "--frost DIR" in line
    assert "procedural_frost" in line
    assert not (tmp_path / "out").exists()


def test_a_corrupted_set_from_nothing_then_from_what_is_there(capsys, tmp_path, tiny_digits):
    command = [*CORRUPT, "--corruptions", "contrast,gaussian_noise", "--out", str(tmp_path)]
    folder = tmp_path / "synthdigits-C"
    assert cli.main(command) == 0
    out, err = capsys.readouterr()
    assert out.startswith(
        f"{folder}: 20 test images of synthdigits, 2 corruption(s) at severities 1, 2, 3, 4, 5, "
    )
    assert "table cifar-c, seed 0, on cpu\n" in out
    assert re.search(
        r"\n[\d,]+ bytes needed, [\d,]+ free\n2 file\(s\) written, 0 verified, \d+ s in all\n$", out
    )
    assert err == "", "a progress bar is drawn on terminals alone"
    assert sorted(path.name for path in folder.glob("*.npy")) == [
        "contrast.npy",
        "gaussian_noise.npy",
        "labels.npy",
    ]
    assert np.load(folder / "contrast.npy").shape == (100, 32, 32, 3)

    assert cli.main([*command[:-1], str(folder)]) == 0, "the folder itself may be named"
    assert "\n0 file(s) written, 2 verified, " in capsys.readouterr().out
    assert cli.main([*command, "--seed", "1"]) == 2
    assert (
        capsys.readouterr().err
        == f"paperlib: {folder} holds another set, with seed 0; choose another folder\n"
    )
    assert cli.main([*command, "--severities", "5,2"]) == 2
    assert "other loaders take the first severity of a file for 1" in capsys.readouterr().out


def test_frost_textures_beside_the_data_sets(capsys, monkeypatch, tmp_path, tiny_digits):
    for name in ("FROST_TEXTURES", "DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(frost.importlib.util, "find_spec", lambda name: None)
    folder = tmp_path / "data" / "frost"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    for file in frost.FILES:
        Image.fromarray(pixels).save(folder / file)
    command = [*CORRUPT, "--corruptions", "frost", "--severities", "1", "--out"]
    assert cli.main([*command, str(tmp_path / "a"), "--data-root", str(tmp_path / "data")]) == 0
    assert cli.main([*command, str(tmp_path / "b"), "--frost", str(folder)]) == 0
    one, other = (tmp_path / out / "synthdigits-C" / "frost.npy" for out in "ab")
    assert one.read_bytes() == other.read_bytes()
    assert cli.main([*command, str(tmp_path / "c"), "--data-root", str(tmp_path)]) == 2
    assert "--frost DIR" in capsys.readouterr().err


def test_an_interrupted_set_resumes(capsys, monkeypatch, tmp_path, tiny_digits):
    command = [*CORRUPT, "--corruptions", "contrast", "--out", str(tmp_path)]
    corrupt, calls = corrupted_set.corrupt, []

    def interrupt(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:  # in the third severity
            raise KeyboardInterrupt
        return corrupt(*arguments, **options)

    monkeypatch.setattr(corrupted_set, "corrupt", interrupt)
    assert cli.main(command) == 130
    assert "interrupted; the same command resumes where this one stopped" in capsys.readouterr().err
    assert cli.main(command) == 0
    assert len(calls) == 3 + 3
    assert "1 file(s) written" in capsys.readouterr().out


def test_a_full_disk_is_one_line(capsys, monkeypatch, tmp_path, tiny_digits):
    usage = type("Usage", (), {"free": 1})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert cli.main([*CORRUPT, "--corruptions", "contrast", "--out", str(tmp_path)]) == 2
    assert re.fullmatch(
        r"paperlib: .*: [\d,]+ bytes are needed and 1 are free\n", capsys.readouterr().err
    )
