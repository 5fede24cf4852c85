"""The README says what the records say."""

import ast
import re

import pytest

from paperlib.book import readme


def test_the_readme_is_as_the_records_make_it():
    text = readme.PATH.read_text(encoding="utf-8")
    assert readme.render(text) == text, "run `make readme`"


def test_a_typed_number_is_noticed():
    text = readme.PATH.read_text(encoding="utf-8")
    changed = re.sub(
        r"(<!-- speed -->\n.*?\d)(\d)", lambda m: m[1] + str((int(m[2]) + 1) % 10), text, flags=re.S
    )
    assert changed != text
    assert readme.render(changed) == text


def test_a_lost_block_is_an_error():
    with pytest.raises(ValueError, match="not enough values"):
        readme.render("no blocks here")


def test_the_examples_are_python_and_their_imports_are_there():
    examples = re.findall(
        r"```python\n(.*?)```", readme.PATH.read_text(encoding="utf-8"), flags=re.S
    )
    imports = [
        node
        for code in examples
        for node in ast.parse(code).body
        if isinstance(node, ast.ImportFrom)
    ]
    assert len(examples) == 2
    assert len(imports) == 5
    exec(compile(ast.Module(imports, []), "README.md", "exec"), {})
