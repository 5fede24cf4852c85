"""From a list of runs to their records: missing ones are trained, parents first."""

import multiprocessing
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from paperlib import costs, datasets, degrade, methods
from paperlib.datasets import Dataset, Split
from paperlib.execution import Execution
from paperlib.fingerprint import WORDS, differences, in_words, made_of
from paperlib.progress import progress_bar
from paperlib.running import check_recipe, is_over, train
from paperlib.runs import Record, Run, digest, in_order
from paperlib.store import WEIGHTS, Store


class Sweep:
    """Trains lists of runs, with one progress bar over all that is missing.

    Args:
        store: where runs are kept.
        root: folder of the data sets, see `datasets.load`.
        execution: how to run.
        workers: processes that train at once. Small networks do not fill a machine: on a CPU, one
            thread for each of several runs beats several threads for one; on a GPU, several runs
            share it.
        bar: False never draws a progress bar; None draws one if standard error is a terminal; True
            always.
        until: a moment of `time.monotonic`; after it no run starts, and those in training stop at
            the end of their epoch, with a checkpoint.
        fresh: whether finished runs that were made by other code, on other parents, with other
            threads or in another precision are trained again; else one line on standard error says
            how many there are. Finished runs of other data always are.

    Attributes:
        trained: runs that were missing, or were trained again.
        reused: runs that were finished before this sweep was made.
    """

    def __init__(
        self,
        store: Store,
        root: Path | None,
        execution: Execution,
        workers: int = 1,
        bar: bool | None = None,
        until: float | None = None,
        fresh: bool = False,
    ) -> None:
        self.store, self.root, self.execution = store, root, execution
        self.workers, self.bar, self.until, self.fresh = workers, bar, until, fresh
        self.trained: set[Run] = set()
        self.reused: set[Run] = set()
        self._again: set[Run] = set()  # finished runs that are to be trained again
        self._said: set[str] = set()

    def __call__(self, runs: Iterable[Run]) -> list[Record]:
        """The records of the runs, in their order; without those that `until` left unfinished.

        Methods, options, parents, degradations, recipes and numbers of images are tried before
        anything trains. What a training raises is raised here, after the others have been stopped.

        Raises:
            UserError: a wrong method, option, degradation or other value of a run, two degradations
                of its `evaluate` with one label, or a training that diverges.
        """
        runs = list(runs)
        ordered = in_order(runs)
        for run in ordered:
            methods.check(run)
        finished = {run: self.store.record(run) for run in ordered}
        records = {run: record for run, record in finished.items() if record is not None}
        void = {run: records.pop(run) for run in self._void(records)}
        self._again = set(void)
        missing = [run for run in ordered if run not in records]
        _check(missing, self.root)
        self.reused |= records.keys() - self.trained
        if missing:
            total = sum(costs.of_training(run, self.root) for run in missing)
            with progress_bar(total, self.bar) as bar:
                work = self._one_by_one if self.workers == 1 else self._at_once
                for record in work(missing, bar):
                    run = record.run
                    records[run] = record
                    # the child of a run whose weights came out as they were is not trained again
                    (self.reused if record == void.get(run) else self.trained).add(run)
        return [records[run] for run in runs if run in records]

    def _void(self, records: Mapping[Run, Record]) -> set[Run]:
        """Those of finished runs that are trained again; says what differs of the others.

        The children of such a run are among them: whether its new weights are other than those that
        they have learned from is seen when it is trained.
        """
        differing = {run: self._differences(record, records) for run, record in records.items()}
        void: set[Run] = set()
        for run, differs in differing.items():  # parents first
            fresh = self.fresh and differs
            if fresh or "data" in differs or not void.isdisjoint(run.uses.values()):
                void.add(run)
        kept = {run: differs for run, differs in differing.items() if run not in void}
        self._say((differing[run] for run in void), "trained again")
        self._say(kept.values(), "--fresh trains them again")
        return void

    def _differences(self, record: Record, records: Mapping[Run, Record]) -> dict[str, list[str]]:
        """What a finished run was made of that is other now."""
        run = record.run
        uses = run.uses.items()
        parents = {role: records[used].files[WEIGHTS] for role, used in uses if used in records}
        dataset = datasets.load(run.dataset, self.root)
        here = made_of(run, dataset, parents, self.execution, self._threads)
        return differences(record.provenance, here)

    def _say(self, differing: Iterable[Mapping[str, list[str]]], then: str) -> None:
        """One line on standard error, if there is something that was not said before."""
        found: dict[str, list[list[str]]] = defaultdict(list)
        for differs in differing:
            for name, details in differs.items():
                found[name].append(details)
        words = {name: in_words(name, chain(*found[name])) for name in WORDS if name in found}
        if not self._said.issuperset(words.values()):
            self._said |= set(words.values())
            first, *rest = [(len(found[name]), text) for name, text in words.items()]
            line = f"{first[0]} run{'s were' if first[0] > 1 else ' was'} made {first[1]}"
            line = ", ".join([line, *(f"{count} {text}" for count, text in rest)])
            print(f"paperlib: {line}: {then}", file=sys.stderr)

    @property
    def _threads(self) -> int:
        """Of each process that trains."""
        if self.workers == 1:
            return torch.get_num_threads()
        return max(1, (os.cpu_count() or 1) // self.workers)

    def _one_by_one(self, runs: Sequence[Run], bar: tqdm) -> Iterator[Record]:
        """Train in this process, in the given order."""
        for i, run in enumerate(runs):
            bar.set_description(f"run {i + 1}/{len(runs)}: {run.label}")
            cost = costs.of_image(run, self.root)

            def tick(count: int, cost: float = cost) -> None:
                bar.update(count * cost)

            how = self.store, self.root, self.execution, tick, self.until
            record = train(run, *how, run in self._again)
            if record is None:
                return
            yield record

    def _at_once(self, runs: Sequence[Run], bar: tqdm) -> Iterator[Record]:
        """Train in the worker processes, each run once all that it uses is finished."""
        pool, ticks = self._pool
        waiting = dict.fromkeys(runs)
        running: dict[Future[Record | None], Run] = {}
        finished = 0
        try:
            while waiting or running:
                if is_over(self.until):
                    waiting.clear()
                unfinished = {*waiting, *running.values()}
                for run in [run for run in waiting if unfinished.isdisjoint(run.uses.values())]:
                    del waiting[run]
                    cost = costs.of_image(run, self.root)
                    how = self.store, self.root, self.execution, cost, self.until
                    running[pool.submit(_work, run, *how, run in self._again)] = run
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                while not ticks.empty():
                    bar.update(ticks.get())
                for job in done:
                    run, record = running.pop(job), job.result()
                    if record is not None:
                        finished += 1
                        bar.set_description(f"run {finished}/{len(runs)}: {run.label}")
                        yield record
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        """End the worker processes now: a pool that is shut down still finishes what it began."""
        pool, _ = self._pool
        del self._pool
        for worker in multiprocessing.active_children():
            worker.terminate()
        # The pool's own thread waits for its workers. To wait for them here as well would be a
        # race: of two threads only one hears of the end of a process.
        pool.shutdown(cancel_futures=True)

    @cached_property
    def _pool(self) -> tuple[ProcessPoolExecutor, Any]:
        """The worker processes, started when first needed, and the queue of their ticks."""
        context = multiprocessing.get_context("spawn")
        ticks = context.Queue()
        start = (ticks, self._threads)
        return ProcessPoolExecutor(self.workers, context, _start_worker, start), ticks


def _check(runs: Iterable[Run], root: Path | None) -> None:
    """Try recipes, numbers of images, and each degradation on one image of its data.

    Raises:
        UserError: one that is wrong.
    """
    specs: dict[tuple[str, str], Mapping[str, Any]] = {}
    sizes: set[tuple[str, int, int, int]] = set()
    for run in runs:
        for spec in (run.degrade, *degrade.labelled(run.evaluate).values()):
            specs[run.dataset, digest(dict(spec))] = spec
        check_recipe(run)
        sizes.add((run.dataset, run.train_size, run.holdout, run.test_size))
    for (dataset, _), spec in specs.items():
        degrade.build(spec)(datasets.load(dataset, root).test.images[:1])
    for dataset, *numbers in sorted(sizes):
        _without_pixels(datasets.load(dataset, root)).split(*numbers)


def _without_pixels(dataset: Dataset) -> Dataset:
    """A data set of which a split costs nothing."""
    train, test = (
        Split(part.images[..., :0], part.labels) for part in (dataset.train, dataset.test)
    )
    return Dataset(dataset.name, train, test, dataset.classes)


_ticks: Any = None


def _start_worker(ticks: Any, threads: int) -> None:
    global _ticks
    _ticks = ticks
    torch.set_num_threads(threads)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """Without it, a worker whose parent was killed would train on and then wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(
    run: Run,
    store: Store,
    root: Path | None,
    execution: Execution,
    cost: float,
    until: float | None,
    fresh: bool,
) -> Record | None:
    return train(run, store, root, execution, lambda count: _ticks.put(count * cost), until, fresh)
