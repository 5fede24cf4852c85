"""The command line: what it refuses in one line, and one whole reproduction at its smallest."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from paperlib import cli, corrupted_set, datasets, papers
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
        (["dff"], f"unknown paper 'dff'; choose from: {', '.join(papers.PAPERS)}"),
        (
            ["dfd", "--profile", "fast"],
            "unknown profile 'fast'; choose from: smoke, demo, cpu, paper",
        ),
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


@pytest.mark.parametrize("budget", ["30", "half an hour", "-5m", "0m", "2h30"])
def test_a_wrong_budget_is_one_line_that_names_the_forms(refuse, budget):
    line = refuse("reproduce", *SMOKE, f"--budget={budget}")
    wanted = "it must be a time such as 90s, 30m, 2h or 1h30m"
    assert line == f"paperlib: budget is {budget!r}; {wanted}\n"


def test_the_verdicts_of_an_unknown_paper(refuse):
    assert "unknown paper 'dff'; choose from: dfd" in refuse("verdicts", "--paper", "dfd,dff")


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
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("paperlib.datasets.load", interrupt)
    assert cli.main(["reproduce", *SMOKE]) == 130
    assert "the same command resumes where this one stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([command, "--help"] for command in ("reproduce", "record", "verdicts", "corrupt")),
    ],
)
def test_help(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert "usage: python -m paperlib" in capsys.readouterr().out


def test_the_help_lists_the_papers(capsys):
    with pytest.raises(SystemExit):
        cli.main(["reproduce", "--help"])
    text = capsys.readouterr().out
    assert [slug for slug in papers.PAPERS if f"{slug}:" not in text] == []


def test_a_command_starts_without_torch():
    code = """
import contextlib, sys
from paperlib import cli
with contextlib.suppress(SystemExit):
    cli.main(["reproduce", "--help"])
raise SystemExit("torch" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def make(tmp_path):
    """Runs `make` with an environment whose python prints its arguments; returns those."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done\n')
    python.chmod(0o755)
    (tmp_path / "env" / ".stamp").touch()

    def make(*arguments, **variables):
        command = ["make", f"VENV={tmp_path / 'env'}", *arguments]
        # as from a terminal, also where `make test` runs the tests: it hands its own on
        handed = {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS", "VENV"}
        env = {k: v for k, v in os.environ.items() if k not in handed} | variables
        done = subprocess.run(
            command, cwd=cli.ROOT, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return make


def test_make_lists_the_papers(make):
    assert f"  PAPER={'|'.join(papers.PAPERS)}" in make("help")


ODD = "/my da\"ta's $HOME `touch {0}` $(shell touch {0}) $$(touch {0}) # ; x"


@pytest.mark.parametrize("where", ["on the command line", "in the environment"])
def test_make_hands_over_what_it_is_given(make, tmp_path, where):
    odd = ODD.format(tmp_path / "executed")
    given = {"PAPER": "dfd; x", "PROFILE": "", "DATASET": "a b,c", "DATA_ROOT": odd}
    if where == "in the environment":
        found = make("reproduce", **given)
    else:
        found = make("reproduce", *(f"{name}={value}" for name, value in given.items()))
    assert found == [
        *("-m", "paperlib", "reproduce", "dfd; x"),
        *("--dataset=a b,c", f"--data-root={odd}"),
    ]
    assert not (tmp_path / "executed").exists()


def test_make_gives_every_variable(make):
    given = ["PROFILE=smoke", "SEEDS=2", "BUDGET=30m", "FRESH=1", "DEVICE=cpu", "WORKERS=3"]
    assert make("reproduce", *given)[3:] == [
        *("dfd", "--profile=smoke", "--seeds=2", "--budget=30m", "--fresh"),
        *("--device=cpu", "--workers=3"),
    ]


def test_make_gives_the_verdicts_of_all_papers_or_of_some(make):
    assert make("verdicts") == ["-m", "paperlib", "verdicts"]
    assert make("verdicts", "PAPER=dfd,fq", "JSON=1")[3:] == ["--paper=dfd,fq", "--json"]
    assert make("verdicts", PAPER="dfd")[3:] == ["--paper=dfd"]


def committed():
    """Every file that a reproduction must leave alone."""
    folders = (cli.ROOT / "book", cli.ROOT / "data")
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A whole reproduction from nothing, in folders of its own, and what it said."""
    folder = tmp_path_factory.mktemp("smoke")
    runs = ("--runs", str(folder / "runs"))
    command = ["reproduce", *SMOKE, *runs, "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setattr(cli, "BUILD", folder / "build")
        patch.setattr(cli, "RESULTS", folder / "results")
        before = committed()
        assert cli.main(command) == 0
        yield SimpleNamespace(
            folder=folder,
            runs=runs,
            command=command,
            said=out.getvalue(),
            changed=committed() != before,
            built=folder / "build" / "dfd" / "smoke-synthdigits",
        )


def finished(smoke):
    """The records of the runs that are there."""
    return list((smoke.folder / "runs").glob("*/record.json"))


@pytest.mark.slow
def test_smoke_from_nothing(smoke):
    assert "dfd, profile smoke, on synthdigits, 1 seed(s), cpu in " in smoke.said
    for title in (
        "Table 1.",
        "Table 2.",
        "Fig. 2.",
        "Super-resolution, ",
        "Claims, ",
        "What the paper leaves open: ",
    ):
        assert f"\n{title}" in smoke.said
    tables = smoke.said.split("\nClaims about other data sets")[0]
    assert len(re.findall(r"  –\s", tables)) == 1, (
        "every cell is measured but the base network's gain over itself"
    )
    assert "not tested" not in tables
    assert f"{len(finished(smoke))} run(s) trained, 0 reused" in smoke.said

    executed = smoke.built / "dfd.ipynb"
    assert f"executed notebook: {executed}\n" in smoke.said
    notebook = nbformat.read(executed, as_version=4)
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 3, "Fig. 1, Fig. 2, Fig. 3"
    assert not any("No record yet" in out.get("text", "") for out in outputs)
    assert (smoke.built / "site" / "dfd.html").exists()
    assert not smoke.changed, "a reproduction leaves book and data alone"


@pytest.mark.slow
def test_a_second_call_trains_and_renders_nothing(smoke, capsys):
    before = {path: path.stat().st_mtime_ns for path in smoke.built.rglob("*")}
    assert cli.main(smoke.command) == 0
    said = capsys.readouterr().out
    assert f"0 run(s) trained, {len(finished(smoke))} reused" in said
    assert said.rsplit("\n", 2)[0] == smoke.said.rsplit("\n", 2)[0]
    assert {path: path.stat().st_mtime_ns for path in smoke.built.rglob("*")} == before


TOY = """# %%
# # Toy
# %% tags=["parameters"]
mode = profile = datasets = runs = data_root = ""
seeds = 1
# %%
from pathlib import Path

print("page one")
print(sum(path.stat().st_mtime_ns for path in Path(runs).glob("*/record.json")))
"""


@pytest.mark.slow
def test_a_changed_page_record_or_code_is_rendered_anew(smoke, monkeypatch, tmp_path, capsys):
    book, code = tmp_path / "book", tmp_path / "code"
    shutil.copytree(cli.BOOK / "_static", book / "_static")
    shutil.copy(cli.BOOK / "conf.py", book)
    shutil.copy(cli.BOOK / "dfd.ipynb", book)
    (book / "index.md").write_text("# Book\n\n```{toctree}\ndfd\n```\n")
    page = book / "dfd.py"
    page.write_text(TOY.replace("# %%\n# # Toy", "# %% [markdown]\n# # Toy", 1))
    code.mkdir()
    for name, value in {"BOOK": book, "CODE": code, "BUILD": tmp_path / "build"}.items():
        monkeypatch.setattr(cli, name, value)
    monkeypatch.setattr("paperlib.book.notebooks.BOOK", book)
    html = tmp_path / "build" / "dfd" / "smoke-synthdigits" / "site" / "dfd.html"

    def rendered():
        """Whether a call wrote the page anew, and the page."""
        before = html.stat().st_mtime_ns if html.exists() else None
        assert cli.main(smoke.command) == 0
        return html.stat().st_mtime_ns != before, html.read_text()

    new, first = rendered()
    assert new
    assert "page one" in first
    assert rendered() == (False, first)

    page.write_text(page.read_text().replace("page one", "page two"))
    new, second = rendered()
    assert new
    assert "page two" in second

    # a run that is trained again has another record
    shutil.rmtree(min(finished(smoke)).parent)
    new, third = rendered()
    assert new
    assert third != second

    (code / "new.py").write_text("changed = True\n")
    notebook = html.parents[1] / "dfd.ipynb"
    before = notebook.stat().st_mtime_ns
    rendered()
    assert notebook.stat().st_mtime_ns != before
    assert rendered() == (False, third)


@pytest.mark.slow
def test_finished_runs_are_recorded(smoke, capsys):
    paths = finished(smoke)
    one = min(path.parent.name for path in paths)
    record = ["record", *SMOKE, *smoke.runs]
    assert cli.main([*record, "--run", one[:12]]) == 0
    (path,) = (smoke.folder / "results" / "dfd").glob("*.json")
    assert Record.from_json(path.read_text()).run.hash == one
    assert (smoke.folder / "results" / "cost" / "dfd-smoke-synthdigits.json").exists()
    assert cli.main([*record, "--run", "zz"]) == 2
    assert "unknown run 'zz'; choose from: " in capsys.readouterr().err


@pytest.mark.slow
def test_only_finished_runs_are_recorded_and_none_is_trained(smoke, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    runs = tmp_path / "runs"
    for path in sorted(finished(smoke))[:5]:
        shutil.copytree(path.parent, runs / path.parent.name)
    assert cli.main(["record", *SMOKE, "--runs", str(runs)]) == 0
    assert len(list(runs.iterdir())) == 5
    kept = {path.stem[-16:] for path in (tmp_path / "results" / "dfd").glob("*.json")}
    assert kept
    assert kept <= {path.name for path in runs.iterdir()}


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
