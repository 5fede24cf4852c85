"""What counts as the code that made a run: which modules, and which changes of them."""

import ast
import shutil

import pytest

from paperlib import fingerprint, methods
from paperlib.errors import UserError
from paperlib.fingerprint import changed, code, differences, in_words

HERE = {
    "data": "01",
    "code": {"training": "23"},
    "parents": {},
    "precision": "fp32",
    "threads": 1,
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the package whose sources are read; what is imported stays."""
    copy = tmp_path / "paperlib"
    shutil.copytree(fingerprint.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def forget():
        for cached in ("_reached", "_imported", "_imports", "_digest", "_parsed"):
            getattr(fingerprint, cached).cache_clear()

    def edit(name, old, new):
        forget()
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(text.replace(old, new, 1))

    forget()
    monkeypatch.setattr(fingerprint, "ROOT", copy)
    yield edit
    forget()


def test_a_line_that_decides_numbers_is_noticed_and_a_comment_is_not(sources, tiny):
    before = code(tiny())
    sources("training.py", "progress / 0.2", "progress / 0.3")
    assert changed(before, code(tiny())) == ["training"]
    sources("training.py", "progress / 0.3", "progress / 0.2")
    sources("training.py", "# summed on the device: no step waits", "# no step waits")
    assert code(tiny()) == before
    sources("training.py", '"""One epoch."""', '"""All images, once."""')
    assert code(tiny()) == before
    sources("sweep.py", "timeout=0.2", "timeout=0.3")  # schedules, and decides nothing
    assert code(tiny()) == before


def test_a_module_that_is_imported_anew_counts(sources, tiny):
    before = code(tiny())
    line = "from paperlib.degrade import Degradation, ImageKey\n"
    sources("training.py", line, f"{line}from paperlib.degrade.blur import motion_blur\n")
    assert {"training", "degrade.blur"} <= set(changed(before, code(tiny())))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1  # one"),
        ("x = 1", "\n\nx   =  1"),
        ("def f():\n  return 1", 'def f():\n  """One."""\n  return 1'),
        ("def f(x):\n  return x", "def f(x: int) -> int:\n  return x"),
        ("raise E('a')", "raise F('b') from None"),
    ],
)
def test_what_says_nothing_of_numbers_does_not_count(one, other):
    told = ["".join(fingerprint._told(ast.parse(text))) for text in (one, other)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "y = 1"),
        ("f(a, b)", "f(b, a)"),
        ("def f(x=1):\n  return x", "def f(x=2):\n  return x"),
        ("f('a')", "f('b')"),
        ("if a:\n  f()\ng()", "if a:\n  f()\n  g()"),
    ],
)
def test_what_may_change_a_number_counts(one, other):
    told = ["".join(fingerprint._told(ast.parse(text))) for text in (one, other)]
    assert told[0] != told[1]


def test_the_code_of_a_run_is_what_its_values_need(tiny, tiny_student):
    plain, student = set(code(tiny())), set(code(tiny_student()))
    assert {"prepared", "training", "evaluation", "methods.supervised", "networks.resnet"} <= plain
    assert "networks.vgg" not in plain
    assert plain.isdisjoint({"running", "sweep", "store", "files", "report", "degrade.blur"})
    assert not any(name.startswith("papers.") for name in plain)
    assert {"papers.dfd.method", "degrade.lowres"} <= student
    vgg = tiny_student(uses={"teacher": tiny(network="vgg16")})
    assert set(code(vgg)) - student == {"networks.vgg"}


def test_a_corruption_needs_its_own_module_alone(tiny):
    def of(name):
        spec = {"name": "corruption", "corruption": name, "severity": 1, "table": "cifar-c"}
        return set(code(tiny(evaluate=(spec,))))

    blur, jpeg = of("motion_blur"), of("jpeg_compression")
    assert "degrade.blur" in blur - jpeg
    assert "degrade.jpeg" in jpeg - blur
    spec = {"name": "corruption", "corruption": "standard", "severity": "1,5", "table": "cifar-c"}
    assert blur | jpeg <= set(code(tiny(degrade=spec)))


@pytest.mark.parametrize("name", methods.known())
def test_every_method_has_code(tiny, name):
    assert methods.method(name).__module__.removeprefix("paperlib.") in code(tiny(method=name))


@pytest.mark.parametrize("spec", [{"name": "lowers"}, {"factor": 4}])
def test_an_unknown_degradation_is_one_line(tiny, spec):
    for fields in ({"degrade": spec}, {"evaluate": (spec,)}):
        with pytest.raises(UserError, match=r"unknown degradation '.*'; choose from: none"):
            code(tiny(**fields))


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, {}),
        ({"data": "00"}, {"data": []}),
        ({"code": {"training": "24", "prepared": "00"}}, {"code": ["prepared", "training"]}),
        ({"precision": "bf16", "threads": 2}, {"precision": ["bf16"], "threads": ["2"]}),
    ],
)
def test_what_differs_is_named(there, expected):
    assert differences({**HERE, **there}, HERE) == expected


def test_parents_differ_by_role():
    here = {**HERE, "parents": {"teacher": "45", "init": "67"}}
    there = {**here, "parents": {"teacher": "00", "init": "67"}}
    assert differences(there, here) == {"parents": ["teacher"]}


def test_a_record_from_before_there_were_digests_is_of_other_code():
    assert differences({"precision": "fp32"}, HERE) == {"code": ["not recorded"]}


def test_of_many_names_four_are_said():
    assert in_words("code", ["b", "a", "b"]) == "by other code (a, b)"
    assert in_words("code", "abcd") == "by other code (a, b, c, d)"
    assert in_words("code", "fabcde") == "by other code (a, b, c, d, 2 more)"
    assert in_words("data", []) == "of other data"
