"""The command line: what it refuses in one line, and one whole reproduction at its smallest."""

import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from paperlib import cli, corrupted_set, datasets
from paperlib.datasets import Dataset, Split
from paperlib.degrade import frost
from paperlib.runs import Record

CLOSED = "http://127.0.0.1:9/"  # the discard port: nobody answers
SMOKE = ("dfd", "--profile", "smoke")
DATA_SETS = (
    "synthdigits, cifar10, cifar100, svhn, scenes, voc2007, "
    "or FOLDER@PIXELS (FOLDER/{train,val}/CLASS/*.jpg in DATA_ROOT)"
)


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


@pytest.mark.parametrize("command", ["reproduce", "record"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dff"], "unknown paper 'dff'; choose from: dfd, fq, ddp, sfd, ssdl, compared"),
        (["dfd", "--profile", "fast"], "unknown profile 'fast'; choose from: smoke, demo, paper"),
        ([*SMOKE, "--dataset", "mnist"], f"unknown data set 'mnist'; choose from: {DATA_SETS}"),
        ([*SMOKE, "--dataset", "svhn,"], f"unknown data set ''; choose from: {DATA_SETS}"),
        (
            [*SMOKE, "--dataset", "scenes"],
            "scenes is a data set for detection, and this paper has no detector",
        ),
        ([*SMOKE, "--seeds", "0"], "seeds is 0; it must be at least 1"),
        ([*SMOKE, "--seeds", "x"], "seeds is 'x'; it must be a whole number, at least 1"),
        ([*SMOKE, "--seeds", "1.5"], "seeds is '1.5'; it must be a whole number, at least 1"),
    ],
)
def test_mistakes_are_one_line(refuse, command, arguments, message):
    assert refuse(command, *arguments) == f"paperlib: {message}\n"


def test_an_unknown_device(refuse):
    assert "device 'cudax' is not available here; choose from: cpu" in refuse(
        "reproduce", *SMOKE, "--device", "cudax"
    )


def test_missing_data_is_said_before_anything_is_trained(refuse, monkeypatch, tmp_path):
    monkeypatch.setattr(tv.CIFAR10, "url", CLOSED)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    line = refuse(
        "reproduce", *SMOKE, "--dataset", "synthdigits,cifar10", "--runs", str(tmp_path / "runs")
    )
    assert f"cifar10: not found in {tmp_path}, and the download failed" in line
    assert "DATA_ROOT=... to a folder that holds cifar-10-batches-py" in line
    assert not (tmp_path / "runs").exists()


def test_an_interrupt_is_no_traceback(capsys, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_settings", interrupt)
    assert cli.main(["reproduce", "dfd"]) == 130
    assert "the same command goes on where this one stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([command, "--help"] for command in ("reproduce", "record", "corrupt"))],
)
def test_help(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert "usage: python -m paperlib" in capsys.readouterr().out


def test_a_command_starts_without_torch():
    code = "import sys, paperlib.cli; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def committed():
    """Every file that a reproduction must leave alone."""
    folders = (cli.ROOT / "book", cli.ROOT / "data")
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_smoke_from_nothing_then_from_what_is_there(capsys, monkeypatch, tmp_path):
    before = committed()
    monkeypatch.setattr(cli, "BUILD", tmp_path / "build")
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    runs = ["--runs", str(tmp_path / "runs")]
    reproduce = ["reproduce", *SMOKE, *runs, "--device", "cpu"]
    assert cli.main(reproduce) == 0
    first = capsys.readouterr().out
    assert "dfd, profile smoke, on synthdigits, 1 seed(s), cpu in " in first
    for title in (
        "Table 1.",
        "Table 2.",
        "Fig. 2.",
        "Super-resolution, ",
        "Claims, ",
        "What the paper leaves open: ",
    ):
        assert f"\n{title}" in first
    tables = first.split("\nClaims about other data sets")[0]
    assert len(re.findall(r"  –\s", tables)) == 1, (
        "every cell is measured but the base network's gain over itself"
    )
    assert "not tested" not in tables
    assert "54 run(s) trained, 0 reused" in first
    assert len(list((tmp_path / "runs").glob("*/record.json"))) == 54

    executed = tmp_path / "build" / "dfd" / "smoke-synthdigits" / "dfd.ipynb"
    assert f"executed notebook: {executed}\n" in first
    notebook = nbformat.read(executed, as_version=4)
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 3, "Fig. 1, Fig. 2, Fig. 3"
    assert not any("No record yet" in out.get("text", "") for out in outputs)
    assert (executed.parent / "site" / "dfd.html").exists()
    assert committed() == before

    assert cli.main([*reproduce, "--no-chapter"]) == 0
    second = capsys.readouterr().out
    assert "0 run(s) trained, 54 reused" in second
    assert second.startswith(first.split("\nrun records: ")[0])

    one = min(path.parent.name for path in (tmp_path / "runs").glob("*/record.json"))
    assert cli.main(["record", "dfd", "--run", one[:12], "--profile", "smoke", *runs]) == 0
    (path,) = (tmp_path / "results" / "dfd").glob("*.json")
    assert Record.from_json(path.read_text()).run.hash == one
    assert (tmp_path / "results" / "cost" / "dfd-smoke-synthdigits.json").exists()
    assert cli.main(["record", "dfd", "--run", "zz", "--profile", "smoke", *runs]) == 2
    assert "unknown run 'zz'; choose from: " in capsys.readouterr().err


def test_a_wrong_number_of_workers(capsys):
    assert cli.main(["reproduce", *SMOKE, "--workers", "-1"]) == 2
    assert (
        capsys.readouterr().err
        == "paperlib: workers is -1; it must be at least 1, or 0 for the default\n"
    )


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


def test_an_interrupted_set_goes_on(capsys, monkeypatch, tmp_path, tiny_digits):
    command = [*CORRUPT, "--corruptions", "contrast", "--out", str(tmp_path)]
    corrupt, calls = corrupted_set.corrupt, []

    def interrupt(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:  # in the third severity
            raise KeyboardInterrupt
        return corrupt(*arguments, **options)

    monkeypatch.setattr(corrupted_set, "corrupt", interrupt)
    assert cli.main(command) == 130
    assert "interrupted; the same command goes on where this one stopped" in capsys.readouterr().err
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
