"""Where a reproduction spends its time: headline claims first, then what is cheapest to decide.

Seeds are added at the looks (`paperlib.evidence.looks`) until a claim is decided. Nothing is kept
here between two calls: what the store holds says where to go on.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from paperlib.costs import Costs
from paperlib.evidence.looks import LOOKS, MOST
from paperlib.evidence.scores import Items
from paperlib.evidence.verdicts import NOT_TESTABLE, NOT_TESTED, UNDECIDED, Verdict
from paperlib.progress import Line, duration
from paperlib.report import effect_text
from paperlib.running import is_over
from paperlib.runs import Record, Run
from paperlib.store import RECORD
from paperlib.study import Collected, Results, RunCells, Settings
from paperlib.sweep import Sweep

OPEN = (UNDECIDED, NOT_TESTED)
Plan = Callable[[Any, str, Results], Mapping[str, RunCells]]  # a paper's `study.plan`
Judge = Callable[[Any, str, Items], list[Verdict]]  # a paper's `tables.verdicts`


@dataclass(eq=False)
class Job:
    """A run and its record, once it has one. To hash a run is slow, and a plan has thousands.

    Attributes:
        needs: what the run uses, directly or not, and the job itself, in order.
        planned: whether the run is of the plan; else another one uses it.
    """

    run: Run
    needs: list["Job"] = field(default_factory=list)
    planned: bool = False
    record: Record | None = None


class Reproduction:
    """The runs of one paper, trained in the order in which they decide most.

    Args:
        settings: with the data sets, and the most seeds of each cell.
        plan: the runs that there are, by item and cell. What it asks for is trained at once.
        judge: what came of the claims.
        sweep: trains. Its `until` is the end of the budget; None without one.
        line: tells how it goes.
        fixed: whether all seeds of the plan are trained, not as many as it takes.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        judge: Judge,
        sweep: Sweep,
        line: Line | None = None,
        fixed: bool = False,
    ) -> None:
        self.settings, self.sweep, self.line, self.fixed = settings, sweep, line or Line(), fixed
        self._judge = judge
        self._costs = Costs(sweep.root, sweep.execution.provenance()["device"])
        self._jobs: dict[str, Job] = {}  # by hash of the run
        self._plans: dict[str, dict[str, dict[str, list[Job]]]] = {}  # by data set, item and cell
        for name in settings.datasets:
            items = plan(settings, name, self._now)
            self._plans[name] = {
                item: {cell: list(map(self._job, runs)) for cell, runs in cells.items()}
                for item, cells in items.items()
            }
        for job in self._everything():
            job.planned = True

    # The work.

    def train(self) -> None:
        """Train until the time is up, or nothing is left to do.

        Without a budget that is when the headline claims are decided or have all their seeds, and
        everything else has `few_seeds`.
        """
        self._read()
        if self.fixed:
            self._ask([*self._of(self._headlines()), *self._everything()])
            return
        few = self._everything(self.settings.few_seeds)
        while claims := self._open(headline=True):
            if not self._ask(chain.from_iterable(map(self._next, claims)), few):
                return
        self._ask(few)
        if self.sweep.until is None:
            return
        while claims := self._open():
            if not self._ask(self._next(claims[0])):
                return
        if not self.verdicts():  # no paper claims anything of it: all cells alike
            for look in LOOKS:
                self._ask(self._everything(look))

    def _read(self) -> None:
        """Take what is finished. At once: a sweep then says once what other code or data made.

        What is to be trained again is, headline claims first.
        """
        self.line.set_description("reading what is finished")
        wanted = dict.fromkeys([*self._of(self._headlines()), *self._everything()])
        self._now(job.run for job in wanted if self._is_there(job))

    def _ask(self, wanted: Iterable[Job], later: Iterable[Job] = ()) -> bool:
        """Train what is not finished, before what comes `later`; whether any of it is, now."""
        jobs = [job for job in dict.fromkeys(wanted) if job.record is None]
        if not jobs or is_over(self.sweep.until):
            return False
        self.line.expected, self.line.later = self._seconds(jobs), 0.0
        self.line.later = self._seconds([*jobs, *later]) - self.line.expected
        self.line.set_description(f"run 1/{len(jobs)}")
        return bool(self._now(job.run for job in jobs))

    def _now(self, runs: Iterable[Run]) -> list[Record]:
        """The records of runs, trained if they are missing, as long as there is time."""
        runs, before, started = list(runs), set(self.sweep.trained), time.monotonic()
        found = self.sweep(runs)
        seconds = time.monotonic() - started
        for record in found:
            self._job(record.run).record = record
        self._costs.learn(found)
        if len(found) == len(runs):  # else some of the time went into others
            self._costs.took(self.sweep.trained - before, seconds * self.sweep.workers)
        return found

    # What came of it.

    def items(self) -> dict[str, Collected]:
        """Data set -> the records of all cells of the plan, by item and cell."""
        return {
            name: {
                item: {
                    cell: [job.record for job in jobs if job.record] for cell, jobs in of.items()
                }
                for item, of in items.items()
            }
            for name, items in self._plans.items()
        }

    def verdicts(self) -> list[Verdict]:
        """What came of the claims on all data sets so far."""
        judged = (self._judge(self.settings, *own) for own in self.items().items())
        return list(chain.from_iterable(judged))

    def _headlines(self) -> list[Verdict]:
        """Those on headline claims, the open ones first."""
        own = (verdict for verdict in self.verdicts() if verdict.claim.headline)
        return sorted(own, key=lambda verdict: verdict.word not in OPEN)

    def _open(self, headline: bool = False) -> list[Verdict]:
        """Claims that more seeds of the plan might decide, the cheapest to decide first.

        Those that the plan's seeds would probably not decide come last.
        """
        judged = [v for v in self.verdicts() if v.claim.headline or not headline]
        decided = sum(verdict.word not in OPEN for verdict in judged)
        kind = "headline claims" if headline else "claims"
        self.line.about = f"{kind} {decided}/{len(judged)}" if judged else ""

        def price(verdict: Verdict) -> tuple[bool, float]:
            # up to the look that would probably decide it, or else to the next one
            jobs = self._of([verdict], verdict.needed or 0) or self._next(verdict)
            return not self._within(verdict), self._seconds(jobs)

        return sorted((v for v in judged if v.word in OPEN and self._next(v)), key=price)

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
        if self.fixed:
            left, given = self._everything(), {"SEEDS": str(self.settings.seeds)}
        else:
            # as many seeds as would probably decide them, or all
            claimed = (self._of([v], v.needed) for v in headlines if v.word in OPEN)
            left, given = [*chain(*claimed), *self._everything(self.settings.few_seeds)], {}
        left = [job for job in left if job.record is None]
        if left:
            yield f"to finish, about {duration(self._seconds(left))} here: {again(**given)}"
        open_ = [v for v in others if v.word in OPEN and self._within(v) and self._next(v)]
        if open_ and not self.fixed:
            seconds = self._until(open_, left)
            what = f"{len(open_)} other claim(s), about {duration(seconds)} here"
            yield f"to decide {what}: {again(BUDGET=_rounded(seconds))}"
        open_ = [v for v in headlines if v.word in OPEN and v.needed and not self._within(v)]
        if open_ := [verdict for verdict in open_ if all(self._lists(verdict))]:
            seeds, seconds = max(verdict.needed or 0 for verdict in open_), self._until(open_)
            what = f"the headline claims, about {duration(seconds)} here"
            yield f"to decide {what}: {again(SEEDS=f'{seeds}', BUDGET=_rounded(seconds))}"

    def _said(self, verdict: Verdict) -> str:
        """A verdict in a line, with what it would take to decide it."""
        where = ", ".join(filter(None, (verdict.dataset, verdict.condition)))
        measured = f": {effect_text(verdict.measured)}" if verdict.measured else ""
        text = f"{verdict.word}: {verdict.claim.text}{measured}, {where}"
        if verdict.word == NOT_TESTABLE:
            return f"{text}; {verdict.why}"
        if verdict.word not in OPEN:
            return text
        if not all(self._lists(verdict)):
            return f"{text}; profile {self.settings.profile} has no run for it"
        if verdict.needed is None:
            return f"{text}; it would take more than {MOST} seeds"
        seconds = duration(self._until([verdict]))
        return f"{text}; {verdict.needed} seeds would probably decide it, about {seconds} more here"

    # What there is, and what it costs.

    def _job(self, run: Run) -> Job:
        own = run.hash
        if own not in self._jobs:
            used = [self._job(parent).needs for parent in run.uses.values()]
            self._jobs[own] = job = Job(run)
            job.needs = [*dict.fromkeys(chain(*used)), job]
        return self._jobs[own]

    def _everything(self, seeds: int | None = None) -> list[Job]:
        """The first seeds, or all, of every cell of the plan."""
        items = chain.from_iterable(items.values() for items in self._plans.values())
        return _seed_by_seed([jobs for cells in items for jobs in cells.values()], seeds)

    def _lists(self, verdict: Verdict) -> list[list[Job]]:
        """A claim's runs: a list for each of its cells, the longest that the plan has."""
        items = self._plans.get(verdict.dataset, {}).values()
        lists = ([cells.get(cell, []) for cells in items] for cell in verdict.cells)
        return [max(own, key=len, default=[]) for own in lists]

    def _of(self, verdicts: Iterable[Verdict], seeds: int | None = None) -> list[Job]:
        """The first seeds, or all, of what claims are measured on, without what is finished."""
        jobs = (_seed_by_seed(self._lists(verdict), seeds) for verdict in verdicts)
        return [job for job in dict.fromkeys(chain(*jobs)) if job.record is None]

    def _next(self, verdict: Verdict) -> list[Job]:
        """A claim's runs up to the next look at it; none if it has all its seeds."""
        return next(filter(None, (self._of([verdict], look) for look in LOOKS)), [])

    def _within(self, verdict: Verdict) -> bool:
        """Whether the seeds of the plan would probably decide an open claim."""
        planned = min(map(len, self._lists(verdict)), default=0)
        return verdict.needed is not None and verdict.needed <= planned

    def _seconds(self, jobs: Iterable[Job]) -> float:
        """Expected seconds until runs and what they use are finished; shared ones count once."""
        wanted = dict.fromkeys(used for job in jobs for used in job.needs)
        missing = (job.run for job in wanted if not self._is_done(job))
        return sum(map(self._costs.seconds, missing)) / self.sweep.workers

    def _until(self, verdicts: Sequence[Verdict], besides: Iterable[Job] = ()) -> float:
        """Expected seconds until open claims have the seeds they need, and `besides` is finished.

        Each seed beyond the plan's takes as long as the last one of the plan.
        """
        beyond: dict[Job, int] = {}
        for verdict in verdicts:
            for jobs in filter(None, self._lists(verdict)):
                more = max(0, (verdict.needed or 0) - len(jobs))
                for job in jobs[-1].needs:
                    if job.run.seed == jobs[-1].run.seed:
                        beyond[job] = max(more, beyond.get(job, 0))
        seconds = sum(more * self._costs.seconds(job.run) for job, more in beyond.items())
        planned = chain(besides, *(self._of([v], v.needed) for v in verdicts))
        return self._seconds(planned) + seconds / self.sweep.workers

    def _is_done(self, job: Job) -> bool:
        # what is planned was asked for; of what it uses it is enough that it is there
        return job.record is not None or (not job.planned and self._is_there(job))

    def _is_there(self, job: Job) -> bool:
        return (self.sweep.store.folder(job.run) / RECORD).exists()


def _seed_by_seed(lists: Iterable[Sequence[Job]], seeds: int | None = None) -> list[Job]:
    """The first seeds of all before the second ones, and so on, each job once.

    If the time ends before the work, the seeds that all have are then as many as can be.
    """
    rows = zip_longest(*(jobs[:seeds] for jobs in lists))
    return list(dict.fromkeys(filter(None, chain(*rows))))


def _rounded(seconds: float) -> str:
    """A budget that suffices: a tenth more, in whole minutes, or hours."""
    minutes = math.ceil(1.1 * seconds / 60)
    return f"{minutes}m" if minutes < 100 else f"{math.ceil(minutes / 60)}h"
