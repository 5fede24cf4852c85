"""A made-up paper of few cells, and a sweep that trains its runs in no time."""

import dataclasses
from types import SimpleNamespace
from typing import ClassVar

import torch

from paperlib.evidence.claims import BETTER, Claim
from paperlib.evidence.scores import Scores
from paperlib.evidence.verdicts import judge_claims
from paperlib.runs import Record, in_order
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
        return self.tiny(seed=seed, epochs=self.epochs[cell], test_size=1, options=options)

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
