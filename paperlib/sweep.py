"""From a list of runs to their records: missing ones are trained, parents first."""

import multiprocessing
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from paperlib import datasets, degrade, methods
from paperlib.execution import Execution
from paperlib.methods import Task
from paperlib.progress import progress_bar
from paperlib.running import flops, task, train
from paperlib.runs import Record, Run, digest, in_order
from paperlib.store import Store


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

    Attributes:
        trained: runs that were missing.
        reused: runs that were finished before this sweep was made.
    """

    def __init__(
        self,
        store: Store,
        root: Path | None,
        execution: Execution,
        workers: int = 1,
        bar: bool | None = None,
    ) -> None:
        self.store, self.root, self.execution = store, root, execution
        self.workers, self.bar = workers, bar
        self.trained: set[Run] = set()
        self.reused: set[Run] = set()

    def __call__(self, runs: Iterable[Run]) -> list[Record]:
        """The records of the runs, in their order.

        Methods, options, parents and degradations are tried before anything trains. What a
        training raises is raised here, after the others have been stopped.

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
        missing = [run for run in ordered if run not in records]
        _check_degradations(missing, self.root)
        self.reused |= records.keys() - self.trained
        self.trained |= set(missing)
        if missing:
            with progress_bar(sum(map(self._cost, missing)), self.bar) as bar:
                work = self._one_by_one if self.workers == 1 else self._at_once
                records |= {record.run: record for record in work(missing, bar)}
        return [records[run] for run in runs]

    def _cost(self, run: Run) -> float:
        """Expected work: images times their operations; enough to estimate the time left."""
        dataset = datasets.load(run.dataset, self.root)
        count = run.train_size or len(dataset.train.labels) - run.holdout
        return count * run.epochs * self._cost_of_image(run)

    def _cost_of_image(self, run: Run) -> float:
        """Floating-point operations: forward and backward, and forward through the parents."""
        seen = task(datasets.load(run.dataset, self.root))
        return 3 * _forward(run, seen) + sum(_forward(used, seen) for used in run.uses.values())

    def _one_by_one(self, runs: Sequence[Run], bar: tqdm) -> list[Record]:
        """Train in this process, in the given order."""
        records = []
        for i, run in enumerate(runs):
            bar.set_description(f"run {i + 1}/{len(runs)}: {run.label}")
            cost = self._cost_of_image(run)

            def tick(count: int, cost: float = cost) -> None:
                bar.update(count * cost)

            records.append(train(run, self.store, self.root, self.execution, tick))
        return records

    def _at_once(self, runs: Sequence[Run], bar: tqdm) -> list[Record]:
        """Train in the worker processes, each run once all that it uses is finished."""
        pool, ticks = self._pool
        waiting = dict.fromkeys(runs)
        running: dict[Future[Record], Run] = {}
        records: list[Record] = []
        try:
            while waiting or running:
                unfinished = {*waiting, *running.values()}
                for run in [run for run in waiting if unfinished.isdisjoint(run.uses.values())]:
                    del waiting[run]
                    cost = self._cost_of_image(run)
                    job = pool.submit(_work, run, self.store, self.root, self.execution, cost)
                    running[job] = run
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                while not ticks.empty():
                    bar.update(ticks.get())
                for job in done:
                    records.append(job.result())
                    bar.set_description(f"run {len(records)}/{len(runs)}: {running.pop(job).label}")
        except BaseException:
            self._stop()
            raise
        return records

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
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        return ProcessPoolExecutor(self.workers, context, _start_worker, (ticks, threads)), ticks


def _check_degradations(runs: Iterable[Run], root: Path | None) -> None:
    """Try each degradation on one image of its data. Raises `UserError` for one that is wrong."""
    specs = {}
    for run in runs:
        for spec in (run.degrade, *degrade.labelled(run.evaluate).values()):
            specs[run.dataset, digest(dict(spec))] = spec
    for (dataset, _), spec in specs.items():
        degrade.build(spec)(datasets.load(dataset, root).test.images[:1])


def _forward(run: Run, seen: Task) -> int:
    """Floating-point operations of the run's network for one image of the data that is seen."""
    size = methods.method(run.method).input_size(run, seen)
    return flops(run.network, run.width, run.method, size)


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


def _work(run: Run, store: Store, root: Path | None, execution: Execution, cost: float) -> Record:
    return train(run, store, root, execution, lambda count: _ticks.put(count * cost))
