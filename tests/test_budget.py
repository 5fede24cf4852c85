"""In which order a reproduction trains, when it ends, and what it says then."""

import dataclasses
import re
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from paperlib import cli, papers, sweep
from paperlib.budget import Reproduction
from paperlib.evidence.claims import BETTER, Claim
from paperlib.evidence.scores import Scores
from paperlib.evidence.spent import Spent, spent
from paperlib.evidence.verdicts import judge_claims
from paperlib.progress import parse_duration
from paperlib.runs import Record, in_order
from paperlib.store import Store
from paperlib.study import Recipe, Settings, collect

NOISE = (0.0, 0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.0, 0.3, -0.3) * 2  # of a cell, by seed
SETTINGS = Settings(
    profile="demo", datasets=("synthdigits",), seeds=20, few_seeds=1, recipes={"resnet18": Recipe()}
)


def claim(better, worse, headline=False):
    return Claim(
        *("synthdigits", "", better, worse, "top1", None, BETTER, 0.05),
        headline=headline,
        room="",
        text=f"{better} beats {worse}",
        source="Table 1",
        quote="",
    )


class Toy:
    """A paper of few cells. `epochs` says what a run costs, `top1` what it scores, but for noise.

    "sure" and "slow" are far above "base", "close" is near it; "picture" is of no claim.
    """

    top1: ClassVar = {"base": 50.0, "sure": 60.0, "close": 50.3, "slow": 58.0, "picture": 40.0}
    epochs: ClassVar = {"base": 2, "sure": 4, "close": 1, "slow": 40, "picture": 1}
    claims = (claim("sure", "base", True), claim("slow", "base"), claim("close", "base"))
    PROFILES: ClassVar = {"demo": SETTINGS, "paper": dataclasses.replace(SETTINGS, profile="paper")}

    def __init__(self, tiny, **changes):
        self.tiny = tiny
        vars(self).update(changes)

    def run(self, cell, seed):
        options = {"dropout": list(self.top1).index(cell) / 10}
        return self.tiny(seed=seed, epochs=self.epochs[cell], options=options)

    def name(self, run):
        """E.g. "sure 3": the cell and the seed."""
        return f"{list(self.top1)[round(10 * run.options['dropout'])]} {run.seed}"

    def plan(self, settings, dataset, results):
        seeds = {"picture": settings.few_seeds}
        cells = {
            cell: [self.run(cell, seed) for seed in range(seeds.get(cell, settings.seeds))]
            for cell in self.top1
        }
        return {"table1": {k: v for k, v in cells.items() if k not in seeds}, "fig1": cells}

    def study(self, settings, dataset, results):
        return collect(results, self.plan(settings, dataset, results))

    def verdicts(self, settings, dataset, items):
        return judge_claims(self.claims, Scores.of(*items.values()), dataset, settings)

    def tables(self, settings, studies):
        return []

    def record(self, run):
        cell, seed = self.name(run).split()
        top1 = self.top1[cell] + NOISE[int(seed)] * (list(self.top1).index(cell) + 1)
        return Record(run, {"top1": top1}, (), {"seconds": 60.0 * run.epochs, "device": "here"})


class InNoTime:
    """A sweep that trains in no time, until `most` runs are trained."""

    root, workers = None, 1
    execution = SimpleNamespace(provenance=lambda: {"device": "here"})

    def __init__(self, store, paper, until=None, most=None):
        self.store, self.paper, self.until, self.most = store, paper, until, most
        self.trained, self.calls = set(), []

    def __call__(self, runs):
        runs, names = list(runs), []
        for run in in_order(runs):
            if self.store.record(run) is None and len(self.trained) != self.most:
                self.store.finish(self.paper.record(run), {"x": torch.zeros(1)}, {})
                self.trained.add(run)
                names.append(self.paper.name(run))
        self.calls += [names] if names else []
        return [record for run in runs if (record := self.store.record(run))]


@pytest.fixture
def toy(tiny):
    return Toy(tiny)


@pytest.fixture
def reproduce(store, toy):
    """Trains the toy; returns what was trained in each call of the sweep, and the reproduction."""

    def reproduce(paper=toy, fixed=False, until=None, most=None, **settings):
        sweeping = InNoTime(store, paper, until, most)
        own = dataclasses.replace(SETTINGS, **settings)
        done = Reproduction(own, paper.plan, paper.verdicts, sweeping)
        done.train(fixed)
        return sweeping.calls, done

    return reproduce


FOREVER = 1e12  # a moment that never comes


def seeds(*cells, first=0, last):
    return {f"{cell} {seed}" for cell in cells for seed in range(first, last)}


def said(done):
    return list(done.ending(lambda **given: " ".join(["again", *map("=".join, given.items())])))


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


def test_what_several_claims_share_counts_once(reproduce, toy):
    _, done = reproduce(most=0)
    base, sure, slow = (
        [toy.run(name, s).hash for s in range(3)] for name in ("base", "sure", "slow")
    )
    assert done.seconds([*base, *sure, *base, *slow]) == pytest.approx(
        sum(map(done.seconds, (base, sure, slow)))
    )


def test_parents_are_part_of_the_cost_until_they_are_there(reproduce, tiny, tiny_student):
    class Students(Toy):
        def run(self, cell, seed):
            teacher = tiny(epochs=7, options={"dropout": 0.4})
            return dataclasses.replace(super().run(cell, seed), uses={"teacher": teacher})

    paper = Students(tiny)
    _, done = reproduce(paper, most=0)
    one, two = (paper.run("base", seed).hash for seed in (0, 1))
    alone = done.seconds([one, two]) - done.seconds([one])
    assert done.seconds([one]) > 2 * alone, "with the teacher, which both share"
    done.sweep.most = 2
    done.sweep([paper.run("sure", 0)])
    assert done.seconds([one]) == pytest.approx(alone)


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


def test_seeds_that_are_there_count_before_any_is_added(reproduce, toy, store):
    """As the chapter will show them: a claim that three seeds decide may be undecided with ten."""
    for cell in ("close", "base"):
        for seed in range(7):
            store.finish(toy.record(toy.run(cell, seed)), {"x": torch.zeros(1)}, {})
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


def test_fixed_seeds_train_all_of_the_plan(reproduce):
    calls, _ = reproduce(fixed=True, seeds=2)
    (names,) = calls
    assert set(names) == seeds("base", "sure", "close", "slow", last=2) | {"picture 0"}


def test_a_profile_of_one_seed_trains_everything_once_and_asks_for_no_more(reproduce):
    calls, done = reproduce(seeds=1, until=FOREVER)
    trained = {name for names in calls for name in names}
    assert trained == seeds("base", "sure", "close", "slow", "picture", last=1)
    headline, others = said(done)
    assert headline.startswith("undecided: sure beats base: +10.0 (1), synthdigits; ")
    assert headline.endswith("there are no more seeds in profile demo")
    assert others == "other claims: 2 undecided"


def test_without_claims_all_cells_get_more_seeds_in_a_budget(reproduce, tiny):
    paper = Toy(tiny, claims=())
    calls, done = reproduce(paper)
    assert [set(names) for names in calls] == [set(seeds(*paper.top1, last=1))]
    assert said(done) == []
    calls, done = reproduce(paper, until=FOREVER)
    cells = ("base", "sure", "close", "slow")
    expected = [(1, 3), (3, 5), (5, 10), (10, 20)]
    assert [set(names) for names in calls] == [seeds(*cells, first=a, last=b) for a, b in expected]


def test_a_claim_whose_cells_are_not_in_the_plan_trains_nothing(reproduce, tiny):
    paper = Toy(tiny, claims=(claim("elsewhere", "nowhere", True),))
    calls, done = reproduce(paper, until=FOREVER)
    assert [set(names) for names in calls] == [seeds(*paper.top1, last=1)]
    (line,) = said(done)
    assert line.startswith("not tested: elsewhere beats nowhere: –, synthdigits; ")


def test_it_ends_with_the_verdicts_and_what_more_would_take(reproduce):
    _, done = reproduce()
    headline, others, more = said(done)
    assert headline == "holds: sure beats base: +10.0 [+8.6, +11.4] (3), synthdigits"
    assert others == "other claims: 2 undecided"
    found = re.fullmatch(
        r"to decide 2 other claim\(s\), about (\w+) here: again BUDGET=(\w+)", more
    )
    here, budget = (parse_duration(text, "time") for text in found.groups())
    # two seeds more of each and two more of the base: 2 (40 + 1) minutes
    assert here == pytest.approx(82 * 60, rel=0.02)
    assert here < budget < 1.2 * here
    _, done = reproduce(until=FOREVER)
    assert said(done)[0] == headline


def test_a_stopped_one_says_what_is_left_to_do(reproduce):
    _, done = reproduce(until=FOREVER, most=4)
    headline, others, rest, more = said(done)
    assert headline.startswith("undecided: sure beats base: ")
    assert re.search(r"; 1 seed\(s\) more, about \w+ here$", headline)
    assert others == "other claims: 2 not tested"
    assert re.fullmatch(r"to finish, about \w+ here: again", rest)
    assert more.startswith("to decide 2 other claim(s), ")


def test_a_claim_that_wants_more_seeds_than_the_plan_has_says_so(reproduce, tiny):
    top1 = {**Toy.top1, "close": 50.02}
    paper = Toy(tiny, claims=(claim("close", "base", True),), top1=top1)
    _, done = reproduce(paper)
    line, *more = said(done)
    needed = done.verdicts()[0].needed
    assert needed is None or needed > 20
    assert line.endswith(
        f"; {f'some {needed}' if needed else 'more than 200'} seeds would probably decide it"
    )
    assert more == (
        [f"for as many seeds as the headline claims need: again SEEDS={needed}"] if needed else []
    )


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


# Where the time went


def test_the_share_of_the_time_that_decided_a_claim(reproduce):
    _, done = reproduce()
    # minutes: 3 (2 + 4) for the headline claim; one seed of the others is 1, 40, 1
    own = spent(done.items(), done.verdicts())
    assert own == Spent(18 * 60, 18 * 60, 60 * 60)
    assert own.text() == "30 % of 3,600 core-seconds of training decided claims, 30 % headline ones"
    _, done = reproduce(until=FOREVER)
    own = spent(done.items(), done.verdicts())
    assert own.headline == 60 * (3 * 4 + 20 * 2), "all seeds of the base, with which it is compared"
    assert own.decided == own.headline + 60 * (3 * 40 + 20 * 1)


def test_threads_count_on_a_cpu(tiny):
    made = {"seconds": 10.0, "threads": 2}
    items = {"x": {"table": {"cell": [Record(tiny(), {}, (), made)]}}}
    assert spent(items, []).total == 20
    made["cuda"] = "12.8"
    assert spent(items, []).total == 10
    assert spent({}, []).text() == "no training"


# From the command line, with networks that train


@pytest.fixture
def command(toy, monkeypatch, tmp_path):
    """Reproduces the toy from the command line; returns the status."""
    monkeypatch.setattr(papers, "study", lambda slug: toy)
    monkeypatch.setattr(papers, "tables", lambda slug: toy)
    monkeypatch.setattr(cli, "BUILD", tmp_path / "build")
    runs = ("--runs", str(tmp_path / "runs"))
    common = ["reproduce", "dfd", "--profile", "demo", *runs, "--device", "cpu", "--workers", "1"]
    return lambda *more: cli.main([*common, "--no-chapter", *more])


def test_an_interrupt_in_training_resumes(command, monkeypatch, capsys):
    calls, train = [], sweep.train

    def interrupt(run, *rest):
        calls.append(run)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(run, *rest)

    monkeypatch.setattr(sweep, "train", interrupt)
    assert command("--seeds", "1") == 130
    assert "the same command resumes where this one stopped" in capsys.readouterr().err
    assert command("--seeds", "1") == 0
    assert len(set(calls)) == 5
    assert "3 run(s) trained, 2 reused" in capsys.readouterr().out


def test_a_budget_ends_in_the_midst_of_a_run_which_goes_on_later(command, toy, tmp_path, capsys):
    toy.epochs, toy.claims = {**Toy.epochs, "base": 100_000}, (claim("sure", "base", True),)
    started = time.monotonic()
    assert command("--budget", "4s") == 0
    assert time.monotonic() - started < 20
    said = capsys.readouterr().out
    assert "dfd, profile demo, on synthdigits, at most 20 seed(s), cpu in " in said
    assert re.search(r"1 run\(s\) at once, within \ds\n", said)
    assert re.search(r"\nnot tested: sure beats base: .*; 3 seed\(s\) more, about \w+ here\n", said)
    flags = f"--profile=demo --device=cpu --workers=1 --runs={tmp_path}/runs --no-chapter"
    again = re.escape(f"python -m paperlib reproduce dfd {flags}")
    assert re.search(rf"\nto finish, about \w+ here: {again}\n", said)
    store, run = Store(tmp_path / "runs"), toy.run("base", 0)
    _, before = store.checkpoint(run)
    assert not list((tmp_path / "build").rglob("cost.json")), "it tells not what the profile costs"

    assert command("--budget", "4s") == 0
    _, after = store.checkpoint(run)
    assert after["epoch"] > before["epoch"]


def test_the_command_that_goes_on_is_that_of_make_where_make_can(tmp_path):
    def again(*more, **given):
        options = cli._parser().parse_args(["reproduce", "dfd", *more])
        return cli._again(options, **given)

    assert again() == "make reproduce PAPER=dfd"
    assert again("--profile", "cpu", "--seeds", "3", "--budget", "1m", BUDGET="2h") == (
        "make reproduce PAPER=dfd PROFILE=cpu BUDGET=2h"
    )
    assert again("--data-root", "my data") == "make reproduce PAPER=dfd DATA_ROOT='my data'"
    assert again("--no-chapter", SEEDS="40") == (
        "python -m paperlib reproduce dfd --seeds=40 --no-chapter"
    )
