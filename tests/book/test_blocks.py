"""README and book say what the records say, and list the papers that there are."""

import ast
import re
import tomllib
from xml.etree import ElementTree

import pytest

import paperlib
from paperlib import cli, papers
from paperlib.book import blocks
from paperlib.evidence.claims import read_csv

README = cli.ROOT / "README.md"


@pytest.fixture(scope="module")
def written():
    """All pages and pictures, as they should be."""
    return cli.written()


def test_pages_and_pictures_are_as_the_records_make_them(written):
    assert written
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, "run `make readme`"


def test_a_typed_number_is_noticed():
    before = blocks.corruptions()
    page = f"<!-- corruptions -->\n{before}\n<!-- end -->"
    changed = re.sub(r"\d(?= ms)", lambda digit: str((int(digit[0]) + 1) % 10), page, count=1)
    assert changed != page
    assert blocks.render(changed, blocks.BLOCKS) == page


def test_a_block_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- one -->\nold\n<!-- end -->\nafter\n")
    found = blocks.rendered([page], {"one": lambda: "new"})
    assert found == {page: "before\n\n<!-- one -->\nnew\n<!-- end -->\nafter\n"}


def test_a_lost_block_is_an_error(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no blocks here")
    with pytest.raises(ValueError, match="on no page: one"):
        blocks.rendered([page], {"one": str})
    with pytest.raises(ValueError, match="nothing writes the block 'two'"):
        blocks.render("<!-- two -->\n<!-- end -->", {})


@pytest.mark.parametrize("slug", papers.published())
def test_every_paper_has_its_row_its_source_its_page_and_its_claims(slug):
    paper = papers.about(slug)
    (row,) = re.findall(rf"^\| \[`{slug}`\].*$", README.read_text(encoding="utf-8"), flags=re.M)
    assert paper.title in row
    assert f"| {paper.source} " in row
    index = (cli.BOOK / "index.md").read_text(encoding="utf-8")
    assert f"[`{slug}`]({slug}.ipynb)" in index
    assert f"\n{slug}\n" in index
    assert paper.title.lower() in (cli.BOOK / f"{slug}.py").read_text(encoding="utf-8").lower()
    assert read_csv(slug, "claims")


def test_the_readme_fits_one_screen():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 70


def test_the_picture_is_small_and_well_formed(written):
    (path,) = (path for path in written if path.suffix == ".svg")
    text = written[path]
    assert len(text) < 100_000
    circles = ElementTree.fromstring(text).findall("{http://www.w3.org/2000/svg}circle")
    assert circles
    assert "prefers-color-scheme: dark" in text, "it is read on dark pages, too"


def test_one_version():
    project = tomllib.loads((cli.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "paperlib.__version__"}
    citation = (cli.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {paperlib.__version__}\n" in citation
    changes = (cli.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d\S*)", changes, flags=re.M)[0] == paperlib.__version__


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if not (cli.ROOT / link).exists()] == []


def test_the_examples_are_python_and_their_imports_are_there():
    text = (cli.BOOK / "library.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    imports = [
        node
        for code in examples
        for node in ast.parse(code).body
        if isinstance(node, ast.ImportFrom)
    ]
    assert len(examples) == 2
    assert len(imports) == 5
    exec(compile(ast.Module(imports, []), "library.md", "exec"), {})
