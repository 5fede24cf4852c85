"""The committed notebooks and the book as they are."""

import jupytext
import nbformat
import pytest
from helpers import nbval

from paperlib.book import notebooks

COMMITTED = sorted(notebooks.BOOK.glob("*.ipynb"))


def test_every_chapter_is_executed():
    chapters = {path.stem for path in notebooks.BOOK.glob("*.py")} - {"conf"}
    assert chapters == {path.stem for path in COMMITTED}


@pytest.mark.slow
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_notebook_passes_strict_nbval(path):
    done = nbval(path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_notebooks_follow_their_sources(path):
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    source = notebooks.normalise(jupytext.read(path.with_suffix(".py")))
    assert [(c.cell_type, c.source) for c in notebook.cells] == [
        (c.cell_type, c.source) for c in source.cells
    ]
    assert nbformat.writes(notebooks.normalise(notebook)) + "\n" == text, (
        "not as `refresh` writes it"
    )
    assert str(notebooks.ROOT) not in text, "holds a path of this machine"


@pytest.mark.slow
def test_the_book_builds():
    assert notebooks.build_site(notebooks.ROOT / "build" / "site").exists()
