"""In which order a reproduction trains, when it ends, and what it says then."""

import dataclasses
import re
import time

import pytest
import torch
from toy_paper import SETTINGS, InNoTime, Toy, claim

from paperlib.budget import Reproduction
from paperlib.progress import parse_duration
from paperlib.store import Store

FOREVER = 1e12  # a moment that never comes


@pytest.fixture
def toy(tiny):
    return Toy(tiny)


@pytest.fixture
def reproduce(store, toy):
    """Trains the toy; returns what was trained in each call of the sweep, and the reproduction."""

    def reproduce(paper=toy, fixed=False, until=None, most=None, **settings):
        sweeping = InNoTime(store, paper, until, most)
        own = dataclasses.replace(SETTINGS, **settings)
        done = Reproduction(own, paper.plan, paper.verdicts, sweeping, fixed=fixed)
        done.train()
        return sweeping.calls, done

    return reproduce


@pytest.fixture
def keep(store):
    """Finishes runs of a paper as if they had been trained before."""

    def keep(paper, cell, seeds):
        for seed in seeds:
            store.finish(paper.record(paper.run(cell, seed)), {"x": torch.zeros(1)}, {})

    return keep


def seeds(*cells, first=0, last):
    return {f"{cell} {seed}" for cell in cells for seed in range(first, last)}


def said(done):
    return list(done.ending(lambda **given: " ".join(["again", *map("=".join, given.items())])))


# The order


def test_without_a_budget_headline_claims_are_decided_and_the_rest_is_shown(reproduce):
    calls, done = reproduce()
    assert set(calls[0]) == seeds("sure", "base", last=3), "the first look at the headline claim"
    assert set(calls[1]) == seeds("close", "slow", "picture", last=1), "then one seed of the others"
    assert len(calls) == 2
    assert [verdict.word for verdict in done.verdicts()] == ["holds", "undecided", "undecided"]


def test_seeds_are_added_at_the_looks_until_a_headline_claim_is_decided(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("sure", "base", True), claim("close", "base", True)))
    calls, _ = reproduce(paper)
    # the cheaper one comes first, what they share with it
    assert set(calls[0][:6]) == seeds("close", "base", last=3)
    assert set(calls[0][6:]) == seeds("sure", last=3)
    looks = (3, 5), (5, 10), (10, 20)
    for names, (first, last) in zip(calls[1:4], looks, strict=True):
        assert set(names) == seeds("close", "base", first=first, last=last)
    assert set(calls[4]) == seeds("slow", "picture", last=1)
    assert len(calls) == 5


def test_seeds_come_one_after_the_other(reproduce):
    """If the time ends within a look, the cells have as many seeds in common as can be."""
    calls, _ = reproduce(few_seeds=2)
    assert [name[-1] for name in calls[0]] == list("001122")
    assert [name[-1] for name in calls[1]] == list("000111")


def test_a_budget_goes_on_with_what_is_cheapest_to_decide(reproduce):
    calls, done = reproduce(until=FOREVER)
    assert [set(names) for names in calls[2:]] == [
        seeds("close", first=1, last=3),
        seeds("slow", first=1, last=3),  # dear, but it is decided; of "close" 20 seeds may not do
        seeds("close", "base", first=3, last=5),
        seeds("close", "base", first=5, last=10),
        seeds("close", "base", first=10, last=20),
    ]
    assert [verdict.word for verdict in done.verdicts()][:2] == ["holds", "holds"]


def test_seeds_that_are_there_count_before_any_is_added(reproduce, toy, keep):
    """As the chapter will show them: a claim that three seeds decide may be undecided with ten."""
    for cell in ("close", "base"):
        keep(toy, cell, range(7))
    calls, done = reproduce(Toy(toy.tiny, claims=(claim("close", "base", True),)))
    assert set(calls[0]) == seeds("close", "base", first=7, last=10)
    assert done.verdicts()[0].n == 20


def test_what_is_there_is_asked_for_at_once_with_headline_claims_first(reproduce, toy, monkeypatch):
    """So that a sweep that trains again what other code made begins with what matters."""
    reproduce()
    asked, call = [], InNoTime.__call__

    def note(self, runs):
        runs = list(runs)
        asked.append([toy.name(run) for run in runs])
        return call(self, runs)

    monkeypatch.setattr(InNoTime, "__call__", note)
    reproduce()
    assert set(asked[0][:6]) == seeds("sure", "base", last=3)
    assert set(asked[0][6:]) == seeds("close", "slow", "picture", last=1)
    assert len(asked) == 1


def test_fixed_seeds_train_all_of_the_plan_headline_claims_first(reproduce):
    calls, _ = reproduce(fixed=True, seeds=2)
    (names,) = calls
    assert set(names[:4]) == seeds("base", "sure", last=2)
    assert set(names) == seeds("base", "sure", "close", "slow", last=2) | {"picture 0"}


def test_without_claims_all_cells_get_more_seeds_in_a_budget(reproduce, tiny):
    paper = Toy(tiny, claims=())
    calls, done = reproduce(paper)
    assert [set(names) for names in calls] == [set(seeds(*paper.top1, last=1))]
    assert said(done) == []
    calls, done = reproduce(paper, until=FOREVER)
    cells = ("base", "sure", "close", "slow")
    expected = [(1, 3), (3, 5), (5, 10), (10, 20)]
    assert [set(names) for names in calls] == [seeds(*cells, first=a, last=b) for a, b in expected]


def test_what_a_plan_asks_for_is_trained_at_once_and_its_plan_follows_from_it(reproduce, tiny):
    class Calibrated(Toy):
        def plan(self, settings, dataset, results):
            measured = results([self.run("picture", 0)])
            return super().plan(settings, dataset, results) if measured else {}

    calls, _ = reproduce(Calibrated(tiny))
    assert calls[0] == ["picture 0"]
    assert set(calls[1]) == seeds("sure", "base", last=3)
    assert set(calls[2]) == seeds("close", "slow", last=1)


# The end of the time


@pytest.mark.parametrize("most", [0, 1, 4, 7])
def test_stopped_and_called_again_it_trains_what_one_call_would(reproduce, toy, tmp_path, most):
    first, done = reproduce(until=FOREVER, most=most)
    assert sum(map(len, first)) == most
    second, done = reproduce(until=FOREVER)
    other = InNoTime(Store(tmp_path / "other"), toy, FOREVER)
    Reproduction(SETTINGS, toy.plan, toy.verdicts, other).train()
    assert [n for c in (*first, *second) for n in c] == [n for names in other.calls for n in names]
    third, again = reproduce(until=FOREVER)
    assert third == []
    assert said(again) == said(done)


def test_when_the_time_is_up_nothing_more_is_asked_for(reproduce, toy, monkeypatch):
    asked, call = [], InNoTime.__call__

    def late(self, runs):
        runs = list(runs)
        asked.append([toy.name(run) for run in runs])
        if runs:
            self.until = time.monotonic()  # it has passed when the runs are finished
        return call(self, runs)

    monkeypatch.setattr(InNoTime, "__call__", late)
    _, done = reproduce(until=FOREVER)
    assert [len(names) for names in asked] == [0, 6]
    assert done.verdicts()[0].word == "holds"


# What it takes


def minutes(text):
    """What a line says that something takes, in minutes."""
    return parse_duration(re.search(r"about (\w+) (?:more )?here", text)[1], "time") / 60


def test_what_several_claims_share_counts_once(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("sure", "base", True), claim("slow", "base", True)))
    _, done = reproduce(paper, most=1)  # one seed of "sure", which tells what an epoch takes
    sure, slow, rest = said(done)
    assert minutes(sure) == 2 * 4 + 3 * 2
    assert minutes(slow) == 3 * 40 + 3 * 2
    assert minutes(rest) == 2 * 4 + 3 * 40 + 3 * 2 + 1 + 1, "with a seed of two other cells"


def test_parents_are_part_of_the_cost_until_they_are_there(reproduce, keep, tiny):
    class Students(Toy):
        def run(self, cell, seed):
            own = super().run(cell, seed)
            return own if cell == "picture" else dataclasses.replace(own, uses={"init": teacher})

    teacher = Toy(tiny, epochs={"picture": 12}).run("picture", 7)
    paper = Students(tiny)
    keep(paper, "picture", [0])
    _, done = reproduce(paper, most=0)
    # of six runs, a third dearer than without a parent, which all share
    assert minutes(said(done)[0]) == 4 / 3 * 3 * (4 + 2) + 12
    _, done = reproduce(paper, most=1)
    assert minutes(said(done)[0]) == 4 / 3 * 3 * (4 + 2)


def test_it_ends_with_the_verdicts_and_what_more_would_take(reproduce):
    _, done = reproduce()
    headline, others, more = said(done)
    assert headline == "holds: sure beats base: +10.0 [+8.6, +11.4] (3), synthdigits"
    assert others == "other claims: 2 undecided"
    assert more == "to decide 2 other claim(s), about 82m here: again BUDGET=91m"
    _, done = reproduce(until=FOREVER)
    assert said(done)[0] == headline


def test_a_stopped_one_says_what_is_left_to_do(reproduce):
    _, done = reproduce(until=FOREVER, most=4)
    headline, others, rest, more = said(done)
    assert headline.startswith("undecided: sure beats base: ")
    assert headline.endswith("; 3 seeds would probably decide it, about 6m more here")
    assert others == "other claims: 2 not tested"
    assert rest == "to finish, about 48m here: again"
    assert more == "to decide 2 other claim(s), about 2h10m here: again BUDGET=3h"


def test_what_is_left_has_the_seeds_that_a_headline_claim_will_probably_get(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("close", "base", True),), top1={**Toy.top1, "close": 50.15})
    _, done = reproduce(paper, most=6)
    assert done.verdicts()[0].needed is None, "more than 200"
    rest = next(line for line in said(done) if line.startswith("to finish, "))
    assert minutes(rest) == 17 * (1 + 2) + 4 + 40 + 1


def test_a_claim_that_wants_more_seeds_than_the_plan_has_says_so(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("close", "base", True),), top1={**Toy.top1, "close": 50.15})
    _, done = reproduce(paper)
    needed = done.verdicts()[0].needed
    assert 20 < needed < 200
    line, more = said(done)
    took = (needed - 20) * (1 + 2)  # minutes
    assert f"; {needed} seeds would probably decide it, about " in line
    assert minutes(line) == pytest.approx(took, rel=0.01)
    found = re.fullmatch(
        rf"to decide the headline claims, .*: again SEEDS={needed} BUDGET=(\w+)", more
    )
    assert minutes(more) == minutes(line)
    assert 1.1 * took < parse_duration(found[1], "budget") / 60 < 1.1 * took + 60


def test_a_claim_that_no_number_of_seeds_decides_says_so(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("close", "base", True),), top1={**Toy.top1, "close": 50.04})
    _, done = reproduce(paper)
    (line,) = said(done)
    assert line.startswith("undecided: close beats base: ")
    assert line.endswith("; it would take more than 200 seeds")


def test_fixed_seeds_that_are_too_few_say_how_many_would_do(reproduce):
    _, done = reproduce(fixed=True, seeds=2, most=2)
    headline, _, rest, more = said(done)
    assert headline.endswith("; 3 seeds would probably decide it, about 12m more here")
    assert rest == "to finish, about 89m here: again SEEDS=2"
    assert more == "to decide the headline claims, about 12m here: again SEEDS=3 BUDGET=14m"


def test_a_profile_of_one_seed_trains_everything_once(reproduce):
    calls, done = reproduce(seeds=1, until=FOREVER)
    trained = {name for names in calls for name in names}
    assert trained == seeds("base", "sure", "close", "slow", "picture", last=1)
    headline, others, more = said(done)
    assert headline.startswith("undecided: sure beats base: +10.0 (1), synthdigits; 3 seeds would ")
    assert others == "other claims: 2 undecided"
    assert more.startswith("to decide the headline claims, about 12m here: again SEEDS=3 ")


def test_a_claim_whose_cells_are_not_in_the_plan_trains_nothing(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("elsewhere", "nowhere", True),))
    calls, done = reproduce(paper, until=FOREVER)
    assert [set(names) for names in calls] == [seeds(*paper.top1, last=1)]
    (line,) = said(done)
    where = "synthdigits; profile demo has no run for it"
    assert line == f"not tested: elsewhere beats nowhere, {where}"


def test_what_cannot_be_tested_says_why_and_gets_no_more_seeds(reproduce, tiny):
    own = dataclasses.replace(claim("close", "base", True), room="50.31", margin=1.0)
    calls, done = reproduce(Toy(tiny, claims=(own,)), until=FOREVER)
    assert set(calls[0]) == seeds("close", "base", last=3)
    assert set(calls[1]) == seeds("sure", "slow", "picture", last=1)
    assert len(calls) == 2
    (line,) = said(done)
    assert line.startswith("not testable here: close beats base: ")
    assert "; the room is 0.31 points, below the margin of 1.00" in line


def test_the_line_counts_claims_and_what_comes_later(reproduce, monkeypatch):
    lines, train = [], Reproduction._now

    def note(self, runs):
        lines.append((self.line.about, self.line.expected > 0, self.line.later > 0))
        return train(self, runs)

    monkeypatch.setattr(Reproduction, "_now", note)
    reproduce(until=FOREVER)
    assert lines[:4] == [
        ("", False, False),  # what is there
        ("headline claims 0/1", True, True),
        ("headline claims 1/1", True, False),  # one seed of the others
        ("claims 1/3", True, False),
    ]
