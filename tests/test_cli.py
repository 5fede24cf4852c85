"""The command line: what it refuses in one line, and one whole reproduction at its smallest."""

import re
import subprocess
import sys

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


def test_smoke_from_nothing_then_from_what_is_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setattr(cli, "COSTS", tmp_path / "costs")
    runs = ["--runs", str(tmp_path / "runs")]
    reproduce = ["reproduce", *SMOKE, *runs, "--device", "cpu", "--workers", "1", "--no-chapter"]
    assert cli.main(reproduce) == 0
    first = capsys.readouterr().out
    assert "dfd, profile smoke, on synthdigits, 1 seed(s), cpu in " in first
    for title in ("Table 1.", "Table 2.", "Fig. 2.", "Super-resolution, ", "Claims, ", "What the paper leaves open: "):
        assert f"\n{title}" in first
    assert "54 run(s) trained, 0 reused" in first
    assert len(list((tmp_path / "runs").glob("*/record.json"))) == 54

    assert cli.main(reproduce) == 0
    second = capsys.readouterr().out
    assert "0 run(s) trained, 54 reused" in second
    tables = [re.split(r"\n.*run\(s\) trained", out)[0] for out in (first, second)]
    assert tables[0] == tables[1]

    one = min(path.parent.name for path in (tmp_path / "runs").glob("*/record.json"))
    assert cli.main(["record", "dfd", one[:12], "--profile", "smoke", *runs]) == 0
    (path,) = (tmp_path / "data" / "results" / "dfd").glob("*.json")
    assert Record.from_json(path.read_text()).run.hash == one
    assert cli.main(["record", "dfd", "zz", "--profile", "smoke", *runs]) == 2
    assert "unknown run 'zz'; choose from: " in capsys.readouterr().err
