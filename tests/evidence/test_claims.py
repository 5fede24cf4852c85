"""Claims files: what a row says, and what is said of a row that says nothing testable."""

import re

import pytest

from paperlib.errors import UserError
from paperlib.evidence import claims
from paperlib.evidence.claims import COLUMNS, Claim, read_claims

ROW = dict.fromkeys(COLUMNS, "") | {
    "dataset": "cifar10",
    "network": "resnet18",
    "better": "dfd/8",
    "worse": "lr/8",
    "metric": "top1",
    "points": "1.40",
    "kind": "better",
    "claim": "DFD beats its base network",
    "source": "Table 1",
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the claims of paper "p", a row per change of ROW: `written({"kind": "shape"})`."""
    monkeypatch.setattr(claims, "DATA", tmp_path)

    def write(*changes, columns=COLUMNS):
        rows = [columns, *([{**ROW, **change}[name] for name in columns] for change in changes)]
        folder = tmp_path / "papers" / "p"
        folder.mkdir(parents=True)
        (folder / "claims.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")

    return write


def test_a_row_is_a_claim(written):
    written({"headline": "yes", "room": "hr", "quote": "we achieve state of the art"})
    own = ("cifar10", "resnet18", "dfd/8", "lr/8", "top1", 1.4, "better")
    ends = ("DFD beats its base network", "Table 1", "we achieve state of the art")
    # half of what the paper claims counts as none where the row does not say it
    assert read_claims("p") == [Claim(*own, 0.7, True, "hr", *ends)]


def test_a_margin_of_its_own_and_no_points(written):
    written({"points": "", "margin": "0.5"}, {"worse": "x", "margin": "2"})
    first, second = read_claims("p")
    assert (first.points, first.margin, first.headline) == (None, 0.5, False)
    assert (second.points, second.margin) == (1.4, 2)


def test_the_cells_have_the_claims_network_or_another(written):
    written({"kind": "shape", "worse": "a;b"}, {"network": ""})
    shape, bare = read_claims("p")
    assert shape.cells() == ("resnet18/dfd/8", "resnet18/a", "resnet18/b")
    assert shape.cells("vgg16") == ("vgg16/dfd/8", "vgg16/a", "vgg16/b")
    assert bare.cells() == ("dfd/8", "lr/8")


def test_a_number_or_a_cell_bounds_an_effect(written):
    written({"room": "100"}, {"room": "hr", "better": "x"}, {"better": "y"})
    assert [claim.limit for claim in read_claims("p")] == [100, None, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "best"}, "kind is 'best'; choose from: better, as good as, shape"),
        ({"kind": ""}, "kind is ''; choose"),
        ({"headline": "no"}, "headline is 'no'; choose from: yes, nothing"),
        ({"better": ""}, "better is empty"),
        ({"worse": ""}, "worse is empty"),
        ({"metric": ""}, "metric is empty"),
        ({"claim": ""}, "claim is empty"),
        ({"source": ""}, "source is empty"),
        ({"worse": "a;b"}, "worse is 'a;b'; it must be one cell besides better"),
        ({"worse": "dfd/8"}, "worse is 'dfd/8'; it must be one cell besides better"),
        ({"kind": "shape", "worse": "a;"}, "it must be cells separated by ';' besides better"),
        ({"kind": "shape", "worse": "a;a"}, "it must be cells separated by ';' besides better"),
        ({"points": "much"}, "points is 'much'; it must be a number, or nothing"),
        ({"points": "-1"}, "points is -1; it must be above 0, or nothing"),
        ({"points": ""}, "margin is empty and points is empty; it must be a number above 0"),
        ({"kind": "as good as"}, "margin is empty and kind is as good as; it must be a number"),
        ({"margin": "0"}, "margin is 0; it must be above 0"),
        ({}, "the same claim as in line 2"),
    ],
)
def test_a_row_that_cannot_be_tested_is_named_with_what_it_must_be(written, change, message):
    written({}, change)
    with pytest.raises(UserError, match=rf"p/claims\.csv, line 3: .*{re.escape(message)}"):
        read_claims("p")


def test_a_missing_column_is_named(written):
    written({}, columns=tuple(name for name in COLUMNS if name not in ("kind", "margin")))
    with pytest.raises(UserError, match=r"claims\.csv has no column kind, margin; needed: dataset"):
        read_claims("p")


def test_two_methods_as_good_as_each_other_may_differ_either_way_in_the_paper(written):
    written({"kind": "as good as", "points": "-0.2", "margin": "0.5"})
    assert read_claims("p")[0].points == -0.2
