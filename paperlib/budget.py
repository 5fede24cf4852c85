"""Where a reproduction spends its time: headline claims first, then what is cheapest to decide.

Seeds are added at the looks (`paperlib.evidence.looks`) until a claim is decided. Nothing is kept
here between two calls: what the store holds says where to go on.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any

from paperlib.costs import Costs
from paperlib.evidence.looks import LOOKS
from paperlib.evidence.scores import Items
from paperlib.evidence.verdicts import NOT_TESTED, UNDECIDED, Verdict
from paperlib.progress import Line, duration
from paperlib.report import effect_text
from paperlib.runs import Record, Run, in_order
from paperlib.store import RECORD
from paperlib.study import Collected, Results, RunCells, Settings, collect
from paperlib.sweep import Sweep

OPEN = (UNDECIDED, NOT_TESTED)
Plan = Callable[[Any, str, Results], Mapping[str, RunCells]]  # a paper's `study.plan`
Judge = Callable[[Any, str, Items], list[Verdict]]  # a paper's `tables.verdicts`
Hashes = list[str]  # of runs: to hash a run is slow, and a plan has thousands


class Reproduction:
    """The runs of one paper, trained in the order in which they decide most.

    Args:
        settings: with the data sets, and the most seeds of each cell.
        plan: the runs that there are, by item and cell. What it asks for is trained at once.
        judge: what came of the claims.
        sweep: trains. Its `until` is the end of the budget; None without one.
        line: tells how it goes.

    Attributes:
        plans: data set -> what `plan` gave.
    """

    def __init__(
        self, settings: Settings, plan: Plan, judge: Judge, sweep: Sweep, line: Line | None = None
    ) -> None:
        self.settings, self.sweep, self.line = settings, sweep, line or Line()
        self._judge = judge
        self._costs = Costs(sweep.root, sweep.execution.provenance()["device"])
        self._records: dict[str, Record] = {}
        self._runs: dict[str, Run] = {}
        self._needs: dict[str, Hashes] = {}  # all that a run uses, and the run, in order
        self.plans = {name: plan(settings, name, self._now) for name in settings.datasets}
        self._cells = {name: self._by_cell(name) for name in settings.datasets}
        self._planned = set(self._first())

    # What there is.

    def _by_cell(self, dataset: str) -> dict[str, list[Hashes]]:
        """Cell -> its runs in each item that has it, seed s at position s."""
        out: dict[str, list[Hashes]] = {}
        for cells in self.plans[dataset].values():
            for cell, runs in cells.items():
                out.setdefault(cell, []).append([self._known(run) for run in runs])
        return out

    def _known(self, run: Run) -> str:
        own = run.hash
        if own not in self._needs:
            needed = {used.hash: used for used in in_order([run])}
            self._runs |= needed
            self._needs[own] = list(needed)
        return own

    def _first(self, seeds: int | None = None) -> Hashes:
        """The first seeds, or all, of every cell of the plan, each run once."""
        cells = (lists for own in self._cells.values() for lists in own.values())
        return list(dict.fromkeys(run for lists in cells for runs in lists for run in runs[:seeds]))

    def _of(self, verdict: Verdict, look: int) -> Hashes:
        """A claim's runs that a look needs and that are not finished."""
        cells = self._cells.get(verdict.dataset, {})
        lists = [runs[:look] for cell in verdict.cells for runs in cells.get(cell, [])]
        # seed by seed: claims compare cells of one seed, and the time may end before the work
        runs = dict.fromkeys(filter(None, chain(*zip_longest(*lists))))
        return [run for run in runs if run not in self._records]

    def _next(self, verdict: Verdict) -> Hashes:
        """A claim's runs up to the next look at it; none if it has all its seeds."""
        return next(filter(None, (self._of(verdict, look) for look in LOOKS)), [])

    def _deciding(self, verdict: Verdict) -> Hashes:
        """A claim's runs up to the look that would probably decide it, or else to the next one."""
        return self._of(verdict, verdict.needed or 0) or self._next(verdict)

    def seconds(self, runs: Iterable[str]) -> float:
        """Expected seconds until runs and what they use are finished; shared ones count once."""
        wanted = dict.fromkeys(used for run in runs for used in self._needs[run])
        missing = [self._runs[run] for run in wanted if not self._is_done(run)]
        return sum(map(self._costs.seconds, missing)) / self.sweep.workers

    def _is_done(self, run: str) -> bool:
        # those of the plan were asked for; of what they use it is enough that it is there
        return run in self._records or (run not in self._planned and self._is_there(run))

    def _is_there(self, run: str) -> bool:
        return (self.sweep.store.folder(self._runs[run]) / RECORD).exists()

    # What came of it.

    def records(self, runs: Iterable[Run]) -> list[Record]:
        """The records of those runs that are finished, in their order."""
        return [self._records[h] for run in runs if (h := run.hash) in self._records]

    def items(self) -> dict[str, Collected]:
        """Data set -> the records of all cells of the plan."""
        return {name: collect(self.records, plan) for name, plan in self.plans.items()}

    def verdicts(self) -> list[Verdict]:
        """What came of the claims on all data sets so far."""
        judged = (self._judge(self.settings, *own) for own in self.items().items())
        return [verdict for own in judged for verdict in own]

    def _open(self, headline: bool = False) -> list[Verdict]:
        """Claims that more seeds of the plan might decide, the cheapest to decide first.

        Those that the plan's seeds would probably not decide come last.
        """
        judged = [v for v in self.verdicts() if v.claim.headline or not headline]
        decided = sum(verdict.word not in OPEN for verdict in judged)
        kind = "headline claims" if headline else "claims"
        self.line.about = f"{kind} {decided}/{len(judged)}" if judged else ""

        def price(verdict: Verdict) -> tuple[bool, float]:
            return not _within(verdict), self.seconds(self._deciding(verdict))

        return sorted((v for v in judged if v.word in OPEN and self._next(v)), key=price)

    # The work.

    def train(self, fixed: bool = False) -> None:
        """Train until the time is up, or nothing is left to do.

        Without a budget that is when the headline claims are decided or have all their seeds, and
        everything else has `few_seeds`.

        Args:
            fixed: train all runs of the plan instead.
        """
        everything = self._first()
        claimed = [v for v in self.verdicts() if v.claim.headline]
        headline = dict.fromkeys(run for v in claimed for run in self._of(v, LOOKS[-1]))
        # at once, so that a sweep says once what other code or data made, and makes that again
        there = sorted(filter(self._is_there, everything), key=headline.__contains__, reverse=True)
        self.line.set_description("reading what is finished")
        self._now(self._runs[run] for run in there)
        if fixed:
            self._ask(everything)
            return
        few = self._first(self.settings.few_seeds)
        while claims := self._open(headline=True):
            if not self._ask((run for claim in claims for run in self._next(claim)), few):
                return
        self._ask(few)
        if self.sweep.until is None:
            return
        while claims := self._open():
            if not self._ask(self._next(claims[0])):
                return
        if not self.verdicts():  # no paper claims anything of it: all cells alike
            for look in LOOKS:
                self._ask(self._first(look))

    def _ask(self, wanted: Iterable[str], later: Iterable[str] = ()) -> bool:
        """Train what is not finished, before what comes `later`; whether any of it is, now."""
        runs = [run for run in dict.fromkeys(wanted) if run not in self._records]
        if not runs:
            return False
        self.line.expected, self.line.later = self.seconds(runs), 0.0
        self.line.later = self.seconds([*runs, *later]) - self.line.expected
        self.line.set_description(f"run 1/{len(runs)}")
        return bool(self._now(self._runs[run] for run in runs))

    def _now(self, runs: Iterable[Run]) -> list[Record]:
        """The records of runs, trained if they are missing, as long as there is time."""
        runs, before, started = list(runs), set(self.sweep.trained), time.monotonic()
        found = self.sweep(runs)
        seconds = time.monotonic() - started
        self._records |= {self._known(record.run): record for record in found}
        self._costs.learn(found)
        if len(found) == len(runs):  # else some of the time went into others
            self._costs.took(self.sweep.trained - before, seconds * self.sweep.workers)
        return found

    # What is said at the end.

    def ending(self, again: Callable[..., str]) -> Iterator[str]:
        """What came of the headline claims, a line each, and what deciding the others would take.

        Args:
            again: the command that goes on, with BUDGET or SEEDS as given by name.
        """
        judged = self.verdicts()
        headlines = [verdict for verdict in judged if verdict.claim.headline]
        others = [verdict for verdict in judged if not verdict.claim.headline]
        yield from map(self._said, headlines)
        counts = Counter(verdict.word for verdict in others)
        if counts:
            words = ", ".join(f"{count} {word}" for word, count in counts.items())
            yield f"{'other' if headlines else 'all'} claims: {words}"
        rest = [run for v in headlines if v.word in OPEN for run in self._next(v)]
        rest += (run for run in self._first(self.settings.few_seeds) if run not in self._records)
        if rest:
            yield f"to finish, about {duration(self.seconds(rest))} here: {again()}"
        open_ = [v for v in others if v.word in OPEN and _within(v) and self._next(v)]
        if open_:
            seconds = self.seconds([*rest, *(run for v in open_ for run in self._deciding(v))])
            what = f"{len(open_)} other claim(s), about {duration(seconds)} here"
            yield f"to decide {what}: {again(BUDGET=_rounded(seconds))}"
        beyond = [v.needed for v in headlines if v.word == UNDECIDED and v.needed]
        if max(beyond, default=0) > LOOKS[-1]:
            yield f"for as many seeds as the headline claims need: {again(SEEDS=str(max(beyond)))}"

    def _said(self, verdict: Verdict) -> str:
        """A verdict in a line, with what it would take to decide it."""
        where = ", ".join(filter(None, (verdict.dataset, verdict.condition)))
        text = f"{verdict.word}: {verdict.claim.text}: {effect_text(verdict.measured)}, {where}"
        if verdict.word not in OPEN:
            return text
        if not _within(verdict):
            needed = f"some {verdict.needed}" if verdict.needed else "more than 200"
            return f"{text}; {needed} seeds would probably decide it"
        runs = self._deciding(verdict)
        if not runs:
            return f"{text}; there are no more seeds in profile {self.settings.profile}"
        seeds = {self._runs[run].seed for run in runs}
        return f"{text}; {len(seeds)} seed(s) more, about {duration(self.seconds(runs))} here"


def _within(verdict: Verdict) -> bool:
    """Whether the seeds of a plan would probably decide an open claim."""
    return verdict.needed is not None and verdict.needed <= LOOKS[-1]


def _rounded(seconds: float) -> str:
    """A budget that suffices: a tenth more, in whole minutes, or hours."""
    minutes = math.ceil(1.1 * seconds / 60)
    return f"{minutes}m" if minutes < 100 else f"{math.ceil(minutes / 60)}h"
