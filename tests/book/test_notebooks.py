"""The chapters' machinery, on a toy chapter."""

import json
import shutil
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from helpers import nbval

from paperlib.book import notebooks
from paperlib.errors import UserError

TOY = r"""
# %% [markdown]
# # Toy

# %% tags=["parameters"]
mode = "records"
seeds = 3
rate = 0.5
dataset: str | None = None

# %% tags=["remove-input"]
import sys

import paperlib


class Table:
    def __repr__(self):
        return f"seeds {seeds}"

    def _repr_markdown_(self):
        return f"| network | $\\lambda = 2$ |\n| :-- | --: |\n| {mode} {seeds} | **{rate:.2f}** |"


Table()

# %% tags=["hide-input"]
import matplotlib.pyplot as plt

for i in range(3):
    print("out", i, flush=True)
    print("err", i, file=sys.stderr, flush=True)
_ = plt.figure(figsize=(1, 1)).add_subplot().plot([1, 2])
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    source = tmp_path / "book" / "toy.py"
    source.parent.mkdir()
    source.write_text(TOY)
    return source


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of one chapter, not executed, with the real book's configuration."""
    small = tmp_path / "small"
    shutil.copytree(notebooks.BOOK / "_static", small / "_static")
    shutil.copy(notebooks.BOOK / "conf.py", small)
    (small / "index.md").write_text("# Book\n\n```{toctree}\ntoy\n```\n")
    nbformat.write(notebooks.normalise(jupytext.reads(TOY, fmt="py:percent")), small / "toy.ipynb")
    return small


@pytest.mark.slow
def test_same_run_gives_same_bytes(toy, tmp_path):
    committed = notebooks.refresh(toy)
    again = notebooks.execute(toy, tmp_path / "again.ipynb", {})
    assert committed == toy.with_suffix(".ipynb")
    assert committed.read_bytes() == again.read_bytes()
    assert sorted(path.name for path in toy.parent.iterdir()) == ["toy.ipynb", "toy.py"]


@pytest.mark.slow
def test_a_run_leaves_the_committed_notebook_alone(toy, tmp_path):
    committed = toy.with_suffix(".ipynb")
    committed.write_text("untouched")
    target = notebooks.execute(
        toy, tmp_path / "build" / "toy.ipynb", {"mode": "run", "seeds": 5, "rate": 1}
    )
    assert committed.read_text() == "untouched"
    assert list(target.parent.iterdir()) == [target]
    assert "| run 5 | **1.00** |" in target.read_text()


def test_the_kernel_is_this_interpreter(tmp_path, monkeypatch):
    spec = tmp_path / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(
        json.dumps({"argv": ["false"], "display_name": "a stranger", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    source = tmp_path / "who.py"
    source.write_text("# %%\nimport sys, os, paperlib\nprint(sys.executable)\nprint(os.getcwd())\n")
    executed = nbformat.read(
        notebooks.execute(source, tmp_path / "out" / "who.ipynb", {}), as_version=4
    )
    assert executed.cells[0].outputs[0].text.split() == [sys.executable, str(tmp_path)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"seed": 1},
            "unknown parameter of chapter toy 'seed'; choose from: mode, seeds, rate, dataset",
        ),
        ({"seeds": "3"}, "parameter 'seeds' of chapter toy must be of type int, not '3'"),
        ({"seeds": True}, "parameter 'seeds' of chapter toy must be of type int, not True"),
    ],
)
def test_wrong_parameters_are_refused(toy, tmp_path, parameters, message):
    with pytest.raises(UserError) as caught:
        notebooks.execute(toy, tmp_path / "toy.ipynb", parameters)
    assert str(caught.value) == message
    assert not (tmp_path / "toy.ipynb").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise OSError('no\\nway')", ", cell [2]: OSError: no ("),
        ("import os; os._exit(1)", ": its process died"),
    ],
)
def test_a_failing_chapter_is_one_line_and_kept(tmp_path, code, message):
    source = tmp_path / "bad.py"
    source.write_text(f"# %%\nprint('before')\n\n# %%\n{code}\n\n# %%\nprint('after')\n")
    with pytest.raises(notebooks.ChapterFailed) as caught:
        notebooks.execute(source, tmp_path / "out" / "bad.ipynb", {})
    kept = tmp_path / "out" / "bad.partial.ipynb"
    assert str(caught.value).startswith(f"chapter bad{message}")
    assert str(caught.value).endswith(f"(kept: {kept})")
    assert "\n" not in str(caught.value)
    assert "before" in kept.read_text()
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.slow
def test_the_site_builds_and_shows_a_given_notebook(toy, book, tmp_path):
    before = (book / "toy.ipynb").read_bytes()
    executed = notebooks.execute(toy, tmp_path / "build" / "toy.ipynb", {"mode": "run", "seeds": 7})
    index = notebooks.build_site(tmp_path / "site", {"toy": executed}, book=book)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book", "build", "site", "small"]
    page = (index.parent / "toy.html").read_text()
    assert "<strong>0.50</strong>" in page, "Markdown outputs are rendered"
    assert r'<span class="math notranslate nohighlight">\(\lambda = 2\)</span>' in page, (
        "and so is their mathematics"
    )
    assert "run 7" in page
    assert "_repr_markdown_" not in page, "remove-input hides the code"
    assert (book / "toy.ipynb").read_bytes() == before


@pytest.mark.slow
def test_a_warning_fails_the_build(book, tmp_path):
    with (book / "index.md").open("a") as index:
        index.write("\n[nowhere](nowhere.md)\n")
    with pytest.raises(UserError, match=r"small/index\.md:7: .*nowhere"):
        notebooks.build_site(tmp_path / "site", book=book)
    assert notebooks.build_site(tmp_path / "lenient", book=book, strict=False).exists()


def test_an_unknown_chapter_is_refused(book, tmp_path):
    with pytest.raises(UserError, match="unknown chapter 'tow'; choose from: toy"):
        notebooks.build_site(tmp_path / "site", {"tow": tmp_path / "toy.ipynb"}, book=book)


@pytest.mark.slow
def test_nbval_notices_a_changed_number(toy):
    committed = notebooks.refresh(toy)
    assert nbval(committed).returncode == 0
    text = committed.read_text()
    assert text.count("**0.50**") == 1
    committed.write_text(text.replace("**0.50**", "**0.51**"))
    done = nbval(committed)
    assert done.returncode == 1
    assert "0.51" in done.stdout
