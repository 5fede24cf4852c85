"""The command line: what it refuses in one line, and one whole reproduction at its smallest."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from torchvision import datasets as tv

from paperlib import cli, papers
from paperlib.archive import Archive
from paperlib.execution import Execution
from paperlib.runs import Record, Run
from paperlib.store import Store
from paperlib.sweep import Sweep

CLOSED = "http://127.0.0.1:9/"  # the discard port: nobody answers
SMOKE = ("dfd", "--profile", "smoke")
DATA_SETS = (
    "synthdigits, cifar10, cifar100, svhn, scenes, voc2007, "
    "or FOLDER@PIXELS (FOLDER/{train,val}/CLASS/*.jpg in DATA_ROOT)"
)


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


def test_a_wrong_number_of_workers(refuse):
    line = refuse("reproduce", *SMOKE, "--workers", "-1")
    assert line == "paperlib: workers is -1; it must be at least 1, or 0 for the default\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--paper", "dfd,dff"], "unknown paper 'dff'; choose from: dfd, "),
        # it claims nothing
        (["--paper", "compared"], "unknown paper 'compared'; choose from: dfd, "),
        (["--profile", "fast"], "unknown profile 'fast'; choose from: smoke, demo, cpu, paper"),
        (["--dataset", "mnist"], f"unknown data set 'mnist'; choose from: {DATA_SETS}"),
        (["--runs", "/no/where"], "/no/where: there is no such folder of runs"),
    ],
)
def test_mistakes_in_what_verdicts_to_print(refuse, arguments, message):
    assert refuse("verdicts", "--paper", "dfd", *arguments).startswith(f"paperlib: {message}")


def test_a_reader_that_has_enough_is_no_mistake():
    """As in `python -m paperlib verdicts | head -1`."""
    command = [sys.executable, "-m", "paperlib", "verdicts", "--paper", "dfd"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


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
    for title in ("Table 1.", "Table 2."):
        table = smoke.said.split(f"\n{title}")[1].split("\n\n")[0]
        assert "–" not in table, "every cell is measured"
    assert "\n0 % of " in smoke.said, "one seed decides no claim"
    assert f"{len(finished(smoke))} run(s) trained, 0 reused" in smoke.said

    executed = smoke.built / "dfd.ipynb"
    assert f"executed notebook: {executed}\n" in smoke.said
    notebook = nbformat.read(executed, as_version=4)
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 3, "Fig. 1, Fig. 2, Fig. 3"
    assert (smoke.built / "site" / "dfd.html").exists()
    assert not smoke.changed, "a reproduction leaves book and data alone"


@pytest.mark.slow
def test_a_second_call_trains_and_renders_nothing(smoke, capsys):
    before = {path: path.stat().st_mtime_ns for path in smoke.built.rglob("*")}
    assert cli.main(smoke.command) == 0
    said = capsys.readouterr().out
    assert f"0 run(s) trained, {len(finished(smoke))} reused" in said
    first, second = (re.sub(r"about \w+|BUDGET=\w+", "", text) for text in (smoke.said, said))
    assert second.rsplit("\n", 2)[0] == first.rsplit("\n", 2)[0]
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


def test_what_no_plan_names_any_more_leaves_the_committed_records(smoke, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    archive = Archive(tmp_path / "results" / "dfd")
    stray = Store(smoke.folder / "stray")
    run = Run("supervised", "synthdigits", "smallcnn", epochs=1, train_size=32, test_size=32)
    Sweep(stray, None, Execution.on("cpu"), bar=False)([run])
    left = archive.promote(run, stray)
    assert cli.main(["record", *SMOKE, *smoke.runs, "--run", finished(smoke)[0].parent.name]) == 0
    assert left.exists()
    assert cli.main(["record", *SMOKE, *smoke.runs]) == 0
    assert not left.exists()
    assert run.hash not in (archive.folder / "manifest.csv").read_text()
