"""What was rendered is kept as long as nothing that it is made of has changed."""

import numpy as np
import pytest

from paperlib.book import fresh
from paperlib.errors import UserError


@pytest.fixture
def made(tmp_path):
    """A folder of sources, an output, and its stamp."""
    (tmp_path / "code" / "deep").mkdir(parents=True)
    (tmp_path / "code" / "deep" / "a.py").write_text("a = 1\n")
    (tmp_path / "page.py").write_text("# page\n")
    (tmp_path / "out.html").write_text("rendered")
    return tmp_path


def sources(folder):
    return fresh.fingerprint("parameters", folder / "code", folder / "page.py")


def test_nothing_changed(made):
    stamp, out = made / "stamp", [made / "out.html"]
    assert not fresh.unchanged(stamp, sources(made), out)
    fresh.write(stamp, sources(made), out)
    assert fresh.unchanged(stamp, sources(made), out)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "code" / "deep" / "a.py").write_text("a = 2\n"),
        lambda folder: (folder / "code" / "b.py").write_text(""),
        lambda folder: (folder / "code" / "deep" / "a.py").rename(
            folder / "code" / "deep" / "b.py"
        ),
        lambda folder: (folder / "page.py").write_text("# another page\n"),
        lambda folder: (folder / "page.py").unlink(),
        lambda folder: (folder / "out.html").write_text("edited"),
        lambda folder: (folder / "out.html").unlink(),
        lambda folder: (folder / "stamp").write_text("damaged"),
    ],
    ids=["code", "new file", "renamed", "page", "no page", "output", "no output", "stamp"],
)
def test_any_change_is_noticed(made, change):
    fresh.write(made / "stamp", sources(made), [made / "out.html"])
    change(made)
    assert not fresh.unchanged(made / "stamp", sources(made), [made / "out.html"])


def test_what_python_leaves_behind_is_no_change(made):
    before = sources(made)
    (made / "code" / "__pycache__").mkdir()
    (made / "code" / "__pycache__" / "a.pyc").write_bytes(b"")
    assert sources(made) == before


def test_parts_do_not_run_into_each_other():
    assert fresh.fingerprint("ab", "c") != fresh.fingerprint("a", "bc")
    assert fresh.fingerprint("") != fresh.fingerprint()
    pixels = np.arange(6, dtype=np.uint8)
    assert fresh.fingerprint(memoryview(pixels)) == fresh.fingerprint(pixels.tobytes())


def test_the_installed_packages_are_named():
    assert "torch-" in fresh.installed()


def test_an_unwritable_stamp_is_one_line(made):
    with pytest.raises(UserError, match="stamp"):
        fresh.write(made / "nowhere" / "stamp", "", [])
