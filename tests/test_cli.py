"""The command line: what it refuses in one line, and one whole reproduction at its smallest."""

import re
import subprocess
import sys

import nbformat
import pytest
from torchvision import datasets as tv

from paperlib import cli
from paperlib.runs import Record

CLOSED = "http://127.0.0.1:9/"  # the discard port: nobody answers
SMOKE = ("dfd", "--profile", "smoke")


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
        (["dff"], "unknown paper 'dff'; choose from: dfd"),
        (["dfd", "--profile", "fast"], "unknown profile 'fast'; choose from: smoke, demo, paper"),
        ([*SMOKE, "--dataset", "mnist"], "unknown data set 'mnist'; choose from: synthdigits, cifar10, cifar100, svhn"),
        ([*SMOKE, "--dataset", "svhn,"], "unknown data set ''; choose from: synthdigits, cifar10, cifar100, svhn"),
        ([*SMOKE, "--seeds", "0"], "seeds is 0; it must be at least 1"),
        ([*SMOKE, "--seeds", "x"], "seeds is 'x'; it must be a whole number, at least 1"),
        ([*SMOKE, "--seeds", "1.5"], "seeds is '1.5'; it must be a whole number, at least 1"),
    ],
)
def test_mistakes_are_one_line(refuse, command, arguments, message):
    assert refuse(command, *arguments) == f"paperlib: {message}\n"


def test_an_unknown_device(refuse):
    assert "device 'cudax' is not available here; choose from: cpu" in refuse("reproduce", *SMOKE, "--device", "cudax")


def test_missing_data_is_said_before_anything_is_trained(refuse, monkeypatch, tmp_path):
    monkeypatch.setattr(tv.CIFAR10, "url", CLOSED)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    line = refuse("reproduce", *SMOKE, "--dataset", "synthdigits,cifar10", "--runs", str(tmp_path / "runs"))
    assert f"cifar10: not found in {tmp_path}, and the download failed" in line
    assert "DATA_ROOT=... to a folder that holds cifar-10-batches-py" in line
    assert not (tmp_path / "runs").exists()


def test_an_interrupt_is_no_traceback(capsys, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_settings", interrupt)
    assert cli.main(["reproduce", "dfd"]) == 130
    assert "the same command goes on where this one stopped" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["reproduce", "--help"], ["record", "--help"]])
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
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_smoke_from_nothing_then_from_what_is_there(capsys, monkeypatch, tmp_path):
    before = committed()
    monkeypatch.setattr(cli, "BUILD", tmp_path / "build")
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    runs = ["--runs", str(tmp_path / "runs")]
    reproduce = ["reproduce", *SMOKE, *runs, "--device", "cpu"]
    assert cli.main(reproduce) == 0
    first = capsys.readouterr().out
    assert "dfd, profile smoke, on synthdigits, 1 seed(s), cpu in " in first
    for title in ("Table 1.", "Table 2.", "Fig. 2.", "Super-resolution, ", "Claims, ", "What the paper leaves open: "):
        assert f"\n{title}" in first
    tables = first.split("\nClaims about other data sets")[0]
    assert len(re.findall(r"  –\s", tables)) == 1, "every cell is measured but the base network's gain over itself"
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
    assert capsys.readouterr().err == "paperlib: workers is -1; it must be at least 1, or 0 for the default\n"
