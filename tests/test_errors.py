"""The check behind every "unknown ..., choose from ..."."""

import pytest

from paperlib.errors import UserError, choose


def test_a_valid_name_comes_back():
    assert choose("letter", "b", "abc") == "b"


def test_anything_else_is_one_line_that_names_the_choices():
    with pytest.raises(UserError) as caught:
        choose("letter", "d", iter("abc"))
    assert str(caught.value) == "unknown letter 'd'; choose from: a, b, c"
