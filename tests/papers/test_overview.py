"""What README, book and ledger say of all papers: of one that is made up, with known records."""

import json
import math
import sys
from types import SimpleNamespace

import pytest

from paperlib import papers
from paperlib.archive import Origin
from paperlib.evidence.claims import BETTER, Claim
from paperlib.evidence.scores import Score, Scores
from paperlib.evidence.verdicts import VERDICTS, judge_claims
from paperlib.papers import overview
from paperlib.study import Recipe, Settings

FIVE = [-1.0, 0.5, 0.0, 0.7, -0.2]
EFFECTS = {"a": 3.0, "c": 0.0, "d": -3.0}  # over "b", with these five seeds


def claim(better, headline, dataset="cifar10", points=2.0):
    text = f"{better} beats its base network by a margin that is worth a long sentence"
    own = (dataset, "r", better, "b", "top1", points, BETTER, 1.0, headline, "", text, "Table 1")
    return Claim(*own)


CLAIMS = [
    claim("d", False, points=None),
    claim("a", True),
    claim("c", True),
    claim("a", False, "svhn"),
]


@pytest.fixture(autouse=True)
def one_paper(monkeypatch):
    """A paper with the profile "cpu" on cifar10; what was measured is in its records."""
    about = papers.Paper("A paper", "an idea", "cpu", ("cifar10",), "N. N.", "ABC 2020", "all")
    settings = Settings(profile="cpu", datasets=("svhn",), seeds=20, recipes={"r": Recipe()})
    study = SimpleNamespace(PROFILES={"cpu": settings}, study=lambda settings, name, archive: {})

    def verdicts(settings, dataset, items):
        rows = [Score("r/b", seed, "top1", 0.0) for seed in range(len(FIVE))]
        for cell, effect in EFFECTS.items():
            rows += [Score(f"r/{cell}", seed, "top1", v + effect) for seed, v in enumerate(FIVE)]
        return judge_claims(CLAIMS, Scores(rows), dataset, settings)

    monkeypatch.setattr(papers, "PAPERS", ("p",))
    monkeypatch.setattr(papers, "about", lambda slug: about)
    monkeypatch.setattr(papers, "study", lambda slug: study)
    monkeypatch.setattr(papers, "tables", lambda slug: SimpleNamespace(verdicts=verdicts))
    monkeypatch.setattr(overview, "read_claims", lambda slug: CLAIMS)


def cells(table):
    """The rows of a table in Markdown, below its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")[2:]]


def test_every_claim_has_a_verdict_those_about_other_data_too():
    found = {(v.claim.better, v.dataset): v for v in overview.verdicts("p")}
    words = {key: verdict.word for key, verdict in found.items()}
    assert words == {
        ("d", "cifar10"): "reversed",
        ("a", "cifar10"): "holds",
        ("c", "cifar10"): "undecided",
        ("a", "svhn"): "not tested",
    }
    why = "there is no record on this data, in the reduced setting `cpu`"
    assert found["a", "svhn"].reason == why


def test_findings_count_headline_claims_and_the_others_beside_them():
    (row,) = cells(overview.findings())
    counts = dict(zip(VERDICTS, row[3:], strict=True))
    assert row[:3] == ["[`p`](book/p.py)", "A paper (ABC 2020): an idea", "all"]
    assert counts == {
        "holds": "1 + 0",
        "reversed": "0 + 1",
        "no effect": "–",
        "undecided": "1 + 0",
        "not testable here": "–",
        "not tested": "0 + 1",
    }


def test_claims_are_counted_by_their_source():
    (row,) = cells(overview.claims())
    assert row == ["p", "Table 1", "4", "1 + 0", "0 + 1", "–", "1 + 0", "–", "0 + 1"]


def test_results_have_a_table_for_each_data_set_headline_claims_first():
    text = overview.results()
    assert text.count("**Claims, measured on") == 2
    assert "measured on cifar10 (in the reduced setting `cpu`: sizes are not compared)" in text
    assert text.index("**a beats") < text.index("**c beats") < text.index("d beats")


def test_the_ledger_is_plain_values():
    rows = overview.ledger(["p"])
    assert [row["headline"] for row in rows] == [True, True, False, False]
    first = rows[0]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert (first["paper"], first["dataset"], first["setting"], first["network"]) == (
        *("p", "cifar10", "cpu", "r"),
    )
    assert (first["kind"], first["metric"], first["n"], first["verdict"]) == (
        *("better", "top1", 5, "holds"),
    )
    assert (first["effect"], first["margin"], first["paper_points"]) == (pytest.approx(3), 1, 2)
    assert first["low"] < first["effect"] < first["high"]
    assert (rows[1]["verdict"], rows[1]["needed"]) == ("undecided", 10)
    untested = rows[3]
    assert [untested[name] for name in ("effect", "low", "high", "p", "needed")] == [None] * 5


def test_an_end_without_a_number_is_none_in_the_ledger(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "FIVE", [1.0, 2.0])
    assert overview.verdicts("p")[1].low == -math.inf
    row = overview.ledger(["p"])[0]
    assert (row["n"], row["low"], row["high"]) == (2, None, None)
    assert row["effect"] == pytest.approx(4.5)


def test_the_ledger_as_text_fits_a_terminal():
    text = overview.ledger_text(["p"])
    assert all(len(line) <= 100 for line in text.split("\n"))
    assert text.startswith("Headline claims: 1 holds, 1 undecided\n")
    assert "\n\nOther claims: 1 reversed, 1 not tested\n" in text
    assert text.count("\n\np, in the reduced setting `cpu` on cifar10\n") == 2
    holds, undecided = (line for line in text.split("\n")[4:8] if " [" in line)
    assert holds.split("  ", 1)[1].split() == ["+3.0", "[+1.8,", "+4.2]", "5", "+2.00", "holds"]
    assert undecided.split()[-3:] == ["5/10", "+2.00", "undecided"]
    assert overview.ledger_text([]) == "No claim."


def test_the_page_on_verdicts_is_in_the_contents():
    assert "\nverdicts\n" in overview.contents()


def test_where_the_records_come_from_is_said(monkeypatch):
    class Committed:
        def __init__(self, folder):
            pass

        def origins(self):
            return [Origin("abc", 2, "2026-11-24T10:00", "2026-11-25T09:00")]

        def stale(self):
            return "1 of 2 records were made by other code (training)"

    monkeypatch.setattr(overview, "Archive", Committed)
    text = overview.origins()
    assert cells(text.partition("\n\n")[0]) == [["p", "`abc`", "2", "2026-11-24 to 2026-11-25"]]
    assert text.endswith("- p: 1 of 2 records were made by other code (training).")
