"""The picture of the headline claims: what is drawn of each, and where."""

import math
import re

import pytest

from paperlib.evidence.claims import BETTER, Claim
from paperlib.evidence.verdicts import VERDICTS, Verdict
from paperlib.papers import headlines


def verdict(word="holds", headline=True, points=1.5, **measured):
    own = ("cifar10", "r", "a", "b", "top1", points, BETTER, 1.0, headline, "")
    return Verdict(Claim(*own, "a < b & c", "Table 1"), "cifar10", "cpu", word=word, **measured)


FOUND = {"effect": 2.0, "low": 1.0, "high": 3.0, "n": 3}


def places(text, tag, name):
    return [float(x) for x in re.findall(rf'<{tag} class="\w+"[^>]* {name}="([-.\d]+)"', text)]


def test_headline_claims_alone_are_drawn_with_their_text():
    text = headlines.svg([("p", verdict(**FOUND)), ("q", verdict(headline=False, **FOUND))])
    assert text.count("<circle") == 1
    assert ">p<" in text
    assert ">q<" not in text
    assert "a &lt; b &amp; c" in text


def test_effects_are_at_their_points():
    text = headlines.svg([("p", verdict(**FOUND))])
    (dot,) = places(text, "circle", "cx")
    points = headlines.LOWEST + (dot - headlines.LABELS) / headlines.PANEL * (
        headlines.HIGHEST - headlines.LOWEST
    )
    assert points == pytest.approx(2.0, abs=0.05)


def test_an_interval_without_ends_reaches_over_the_panel():
    own = {"effect": 2.0, "low": -math.inf, "high": math.inf, "n": 2}
    text = headlines.svg([("p", verdict("undecided", **own))])
    (first,), (last,) = places(text, "line", "x1")[1:], places(text, "line", "x2")[1:]
    assert (first, last) == (headlines.LABELS, headlines.LABELS + headlines.PANEL)


@pytest.mark.parametrize("word", VERDICTS)
def test_a_verdict_is_said_in_words_too(word):
    assert f">{word}</text>" in headlines.svg([("p", verdict(word, **FOUND))])


def test_what_was_not_measured_has_the_papers_number_alone():
    text = headlines.svg([("p", verdict("not tested")), ("p", verdict("not tested", points=None))])
    assert "<circle" not in text
    assert text.count('class="paper"') == 1
