"""The page on verdicts: its blocks are up to date, and bear out what the text between them says."""

import re

import pytest

from paperlib.book import blocks, verdict_blocks
from paperlib.book.notebooks import BOOK
from paperlib.evidence.verdicts import VERDICTS

PAGE = BOOK / "verdicts.md"


@pytest.fixture(scope="module")
def rendered():
    return blocks.rendered([PAGE], verdict_blocks.BLOCKS)[PAGE]


@pytest.fixture(scope="module")
def rows(rendered):
    """Name of a block -> the rows of its table, below the head."""

    def cells(body):
        lines = [line for line in body.split("\n") if line.startswith("|")][2:]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end -->", rendered, flags=re.S)
    return {name: cells(body) for name, body in found}


def ends(text):
    return [float(end) for end in re.search(r"\[(.*), (.*)\]", text).groups()]


def test_the_page_is_as_its_blocks_are_written(rendered):
    assert PAGE.read_text(encoding="utf-8") == rendered, "run `make readme`"


def test_every_word_is_explained(rendered):
    for word in VERDICTS:
        assert f"**{word}**" in rendered or f"\n{word}\n: " in rendered, word


def test_the_error_grows_to_five_per_cent_over_the_looks(rows):
    shares = [float(row[3].removesuffix(" %")) for row in rows["looks"]]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(5, abs=0.2)
    assert [row[1] for row in rows["looks"]] == ["2.48", "1.24", "0.72", "0.47"]
    assert rows["looks"][-1][4:] == ["40 %", "96 %", "> 99 %", "> 99 %"]


def test_the_ordinary_interval_of_the_example_is_fooled_after_three_seeds(rows):
    one, three, five, ten = rows["example"]
    for row in (three, five):
        assert ends(row[1])[0] > 0 > ends(row[2])[0]
        assert row[3].startswith("undecided: ")
    assert one[3] == "undecided: 1 of at least 3 seeds"
    assert ends(ten[2])[0] > 0
    assert ten[3] == "holds"


def test_one_interval_of_four_excludes_0_and_is_not_allowed_by_holm(rows):
    first, second, third, fourth = rows["holm"]
    assert [row[-1] for row in rows["holm"]] == ["holds", "undecided", "no effect", "undecided"]
    assert ends(first[1])[0] > 0
    assert ends(second[1])[0] > 0
    assert float(second[2]) < 0.05 < float(second[3])
    low, high = ends(third[1])
    assert -verdict_blocks.PAPER / 2 < low < 0 < high < verdict_blocks.PAPER / 2
    means = [float(row[1].split()[0]) for row in (third, fourth)]
    assert abs(means[0] - means[1]) < 0.2


def test_what_is_said_in_words():
    assert "has the level 0.0147." in verdict_blocks.level()
    assert "errs in 6 % of null effects" in verdict_blocks.level()
    low, high = ends(verdict_blocks.prediction())
    assert low < verdict_blocks.PAPER < high
    assert '"holds, reproduced in size"' in verdict_blocks.prediction()
