"""Where the time of training went."""

import pytest

from paperlib.evidence.claims import BETTER, Claim
from paperlib.evidence.spent import Spent, spent
from paperlib.evidence.verdicts import HOLDS, UNDECIDED, Verdict
from paperlib.runs import Record


def verdict(word, better, headline=False):
    own = ("synthdigits", "", better, "base", "top1", None, BETTER, 1.0, headline, "")
    claim = Claim(*own, "a claim", "Table 1")
    return Verdict(claim, "synthdigits", "demo", word=word, cells=(better, "base"))


@pytest.fixture
def items(tiny):
    """Two tables of one data set: the students of "first" share a teacher that is in no cell."""
    teacher = tiny(seed=9)
    runs = {
        "base": tiny(),
        "first": tiny(method="dfd", uses={"teacher": teacher}),
        "second": tiny(epochs=3),
        "teacher": teacher,
    }
    seconds = {"base": 1.0, "first": 10.0, "second": 100.0, "teacher": 1000.0}
    cells = {cell: [Record(run, {}, (), {"seconds": seconds[cell]})] for cell, run in runs.items()}
    return {"synthdigits": {"table1": cells, "table2": {"base": cells["base"]}}}


def test_what_decided_a_claim_counts_with_its_parents_and_once(items):
    judged = [verdict(HOLDS, "first", headline=True), verdict(HOLDS, "second")]
    assert spent(items, judged) == Spent(headline=1011, decided=1111, total=1111)
    judged = [verdict(HOLDS, "second", headline=True), verdict(UNDECIDED, "first")]
    own = spent(items, judged)
    assert own == Spent(headline=101, decided=101, total=1111)
    assert own.text() == "9 % of 1,111 core-seconds of training decided claims, 9 % headline ones"


def test_a_claim_on_other_data_took_nothing(items):
    assert spent({"svhn": items["synthdigits"]}, [verdict(HOLDS, "first")]).decided == 0


def test_threads_count_on_a_cpu(tiny):
    made = {"seconds": 10.0, "threads": 2}
    items = {"x": {"table": {"cell": [Record(tiny(), {}, (), made)]}}}
    assert spent(items, []).total == 20
    made["cuda"] = "12.8"
    assert spent(items, []).total == 10


def test_nothing_was_trained():
    assert spent({}, []).text() == "no training"
