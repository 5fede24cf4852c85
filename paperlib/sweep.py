"""From a list of runs to their records: what is finished is read, what is missing is trained,
parents first."""

import functools
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from paperlib import datasets, degrade, methods
from paperlib.degrade import Degradation, ImageKey
from paperlib.degrade.levels import to_float, to_levels
from paperlib.degrade.lowres import resize
from paperlib.errors import UserError
from paperlib.execution import Execution, peak_memory
from paperlib.methods import Batch, Task
from paperlib.networks.frozen_parts import frozen
from paperlib.runs import Record, Run, in_order
from paperlib.store import Store
from paperlib.training import Tick, Trainer, evaluate

CHECKPOINT_SECONDS = 30.0  # the most work that a kill may cost, to the next end of an epoch


def task(dataset: datasets.Dataset) -> Task:
    """What a method must know of a data set."""
    return Task(len(dataset.classes), dataset.mean, dataset.std, dataset.train.images.shape[-1])


def load_network(
    run: Run, store: Store, dataset: datasets.Dataset, execution: Execution
) -> nn.Module:
    """The trained network of a finished run: eval mode, no gradients, on the device. `dataset` is
    that run's."""
    network = methods.build_network(run, task(dataset))
    prefix = "network."
    tensors = store.weights(run)
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    )
    return execution.place(network).eval().requires_grad_(False)


class Restored:
    """A degradation and the restoration of a "frontend" before the classifier sees the image.

    A restored image that is smaller than the original goes back to its size with the bicubic
    kernel, as the low-resolution images do.
    """

    def __init__(self, degradation: Degradation, frontend: nn.Module, execution: Execution) -> None:
        self.degradation, self.frontend, self.execution = degradation, frontend, execution
        self.fixed = degradation.fixed

    def __call__(self, images: Tensor, key: ImageKey | None = None) -> Tensor:
        """(B, 3, H, W) uint8 -> the same."""
        with self.execution.autocast():
            restored = frozen(self.frontend, to_float(self.degradation(images, key)))
        restored = to_levels(restored.float())
        return to_levels(resize(to_float(restored), images.shape[-1]))


def make_view(
    spec: Mapping[str, Any], parents: Mapping[str, nn.Module], execution: Execution
) -> Degradation:
    """What the network sees of clean images: the degradation, restored where a run uses a
    "frontend"."""
    degradation = degrade.build(spec)
    return (
        Restored(degradation, parents["frontend"], execution)
        if "frontend" in parents
        else degradation
    )


def train(
    run: Run, store: Store, root: Path | None, execution: Execution, tick: Tick = lambda count: None
) -> Record:
    """The run's record: read if the run is finished, else trained, from its checkpoint if there is
    one.

    The parents must be finished. Whoever comes second to a run that is being trained waits and then
    reads.
    """
    with store.lock(run), torch.random.fork_rng():
        record = store.record(run)
        if record is not None:
            return record
        dataset = datasets.load(run.dataset, root, execution.device)
        training, validation, test = dataset.split(run.train_size, run.holdout, run.test_size)
        parents = {}
        # a parent may have learned from other images, with other classes
        for role, parent in run.uses.items():
            own = (
                dataset
                if parent.dataset == run.dataset
                else datasets.load(parent.dataset, root, execution.device)
            )
            parents[role] = load_network(parent, store, own, execution)
        # after the parents: runs of one seed start alike, whatever they use
        torch.manual_seed(run.seed)
        method = execution.place(methods.build(run, task(dataset), parents))
        view = make_view(run.degrade, parents, execution)
        again = (
            make_view(degrade.another(run.degrade), parents, execution) if method.pairs else None
        )
        trainer = Trainer(run, method, training, view, execution, again)
        saved = store.checkpoint(run)
        if (
            saved is not None
            and saved[1].pop("device", None) == torch.device(execution.device).type
        ):
            trainer.restore(*saved)
            tick(trainer.progress.epoch * trainer.batches.steps * trainer.batches.batch_size)
        last_save = time.monotonic()
        while not trainer.done:
            trainer.epoch(tick)
            if not trainer.done and time.monotonic() - last_save > CHECKPOINT_SECONDS:
                tensors, values = trainer.state()
                store.save_checkpoint(
                    run, tensors, **values, device=torch.device(execution.device).type
                )
                last_save = time.monotonic()
        metrics = evaluate(method, test, view, execution)
        if run.holdout:
            scores = evaluate(method, validation, view, execution, "validation")
            metrics |= {f"validation_{name}": value for name, value in scores.items()}
        for spec in degrade.each(run.evaluate):
            scores = evaluate(method, test, make_view(spec, parents, execution), execution)
            metrics |= {f"{name}@{degrade.label(spec)}": value for name, value in scores.items()}
        if not all(map(math.isfinite, metrics.values())):
            raise UserError(f"{run.label}: the trained network's scores are not finite; lower lr?")
        record = Record(
            run, metrics, tuple(trainer.progress.history), _provenance(trainer, execution)
        )
        return store.finish(record, method.state_dict(), _samples(method, test, view))


def _samples(method: methods.Method, test: datasets.Split, view: Degradation) -> dict[str, Tensor]:
    method.eval()
    images = test.images[:8]
    with torch.inference_mode():
        key = ImageKey(torch.arange(len(images), device=images.device), ("test",))
        degraded = view(images, key)
        return method.samples(Batch(to_float(images), to_float(degraded), test.labels[:8]))


def _provenance(trainer: Trainer, execution: Execution) -> dict[str, Any]:
    batches, seconds = trainer.batches, trainer.progress.seconds
    if torch.device(execution.device).type == "cuda":
        memory = torch.cuda.max_memory_allocated(execution.device)
    else:
        memory = peak_memory()
    return {
        **execution.provenance(),
        "seconds": round(seconds, 2),
        "images_per_second": round(
            trainer.run.epochs * batches.steps * batches.batch_size / (seconds or 1), 1
        ),
        "peak_memory_bytes": memory,
    }


@functools.lru_cache(maxsize=256)
def flops(network: str, width: float, method: str, size: int) -> int:
    """Floating-point operations of one forward pass over one image of `size` x `size` pixels."""
    run = Run(method=method, dataset="", network=network, width=width)
    seen = Task(10, (0.5,) * 3, (0.5,) * 3, size)
    with torch.random.fork_rng(), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        methods.build_network(run, seen).eval()(*methods.method(method).example(run, seen))
    return counter.get_total_flops()


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
    """

    def __init__(
        self,
        store: Store,
        root: Path | None,
        execution: Execution,
        workers: int = 1,
        bar: bool | None = None,
    ) -> None:
        self.store, self.root, self.execution, self.workers, self.bar = (
            store,
            root,
            execution,
            workers,
            bar,
        )
        self.trained: set[Run] = set()
        self.reused: set[Run] = set()  # finished before this sweep was made

    def __call__(self, runs: Iterable[Run]) -> list[Record]:
        """The records of the runs, in their order. Raises what a training raises, after stopping
        the others."""
        runs = list(runs)
        found = {run: self.store.record(run) for run in in_order(runs)}
        missing = [run for run, record in found.items() if record is None]
        self.reused |= set(found) - set(missing) - self.trained
        self.trained |= set(missing)
        if missing:
            disable = None if self.bar is None else not self.bar
            with tqdm(total=sum(map(self._cost, missing)), disable=disable, bar_format=BAR) as bar:
                if self.workers == 1:
                    self._one_by_one(missing, bar)
                else:
                    self._at_once(missing, bar)
        records = [found[run] or self.store.record(run) for run in runs]
        assert all(record is not None for record in records)
        return records  # type: ignore[return-value]

    def _cost(self, run: Run) -> float:
        """Expected work: images times floating-point operations, forward and backward; enough for a
        time left."""
        dataset = datasets.load(run.dataset, self.root)
        count = run.train_size or len(dataset.train.labels) - run.holdout
        return count * run.epochs * self._cost_of_image(run)

    def _cost_of_image(self, run: Run) -> float:
        full = datasets.load(run.dataset, self.root).train.images.shape[-1]
        small = run.degrade.get("up") == "none" and run.method != "supervised"
        size = full // int(run.degrade.get("factor", 4)) if small else full
        work = 3 * flops(run.network, run.width, run.method, size)
        return work + sum(flops(p.network, p.width, p.method, full) for p in run.uses.values())

    def _one_by_one(self, runs: list[Run], bar: tqdm) -> None:
        for i, run in enumerate(runs):
            bar.set_description(f"run {i + 1}/{len(runs)}: {run.label}")
            cost = self._cost_of_image(run)

            def tick(count: int, cost: float = cost) -> None:
                bar.update(count * cost)

            train(run, self.store, self.root, self.execution, tick)

    def _at_once(self, runs: list[Run], bar: tqdm) -> None:
        pool, ticks = self._pool
        waiting, finished = dict.fromkeys(runs), 0
        running: dict[Future[Run], Run] = {}
        try:
            while waiting or running:
                unfinished = {*waiting, *running.values()}
                for run in [run for run in waiting if unfinished.isdisjoint(run.uses.values())]:
                    del waiting[run]
                    job = pool.submit(
                        _work, run, self.store, self.root, self.execution, self._cost_of_image(run)
                    )
                    running[job] = run
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                while not ticks.empty():
                    bar.update(ticks.get())
                for job in done:
                    del running[job]
                    finished += 1
                    bar.set_description(f"run {finished}/{len(runs)}: {job.result().label}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            del self._pool
            # a shut-down pool still finishes what it has begun
            workers = multiprocessing.active_children()
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join()
            raise

    @cached_property
    def _pool(self) -> tuple[ProcessPoolExecutor, Any]:
        """The worker processes, started when first needed and kept, and the queue of their
        ticks."""
        context = multiprocessing.get_context("spawn")
        ticks = context.Queue()
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        return ProcessPoolExecutor(self.workers, context, _start_worker, (ticks, threads)), ticks


BAR = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed} done, {remaining} left"
_ticks: Any = None


def _start_worker(ticks: Any, threads: int) -> None:
    global _ticks
    _ticks = ticks
    torch.set_num_threads(threads)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker whose parent was killed would otherwise train on, and then wait for work for
    ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(run: Run, store: Store, root: Path | None, execution: Execution, cost: float) -> Run:
    train(run, store, root, execution, lambda count: _ticks.put(count * cost))
    return run
