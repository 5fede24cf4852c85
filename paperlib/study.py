"""What a profile decides, for every paper: data, sizes, schedule, seeds."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from paperlib import datasets
from paperlib.errors import UserError, choose
from paperlib.runs import Record, Run

# Runs -> their records, in the same order. A sweep trains what is missing; a reader of committed
# records leaves out what was never measured.
Results = Callable[[Iterable[Run]], list[Record]]

# A mirrored digit is no digit, and the boxes of objects are not mirrored with their image.
UNMIRRORED = ("synthdigits", "svhn", *datasets.DETECTION)

DETECTOR = {
    "width": 0.25,
    "batch_size": 8,
    "optimizer": "adam",
    "lr": 2e-3,
    "weight_decay": 1e-4,
    "clip": 5.0,
    "crop": 0,
}

# what one number of a table is measured on, and the runs that measure it
Cells = dict[str, list[Run]]


@dataclass(frozen=True)
class Settings:
    """One profile of one paper on chosen data.

    Attributes:
        profile: its name.
        datasets: data sets by name; tables have a column for each, figures show the first.
        seeds: how many; they count from 0.
        networks: classifiers by name.
        recipe: fields of `Run` that all classifiers share.
        by_network: fields of `Run` that differ by network, those of further networks of the paper
            (super-resolution) among them.
        holdout: training images kept out while a hyper-parameter is tuned; the final runs train on
            all.
    """

    profile: str
    datasets: tuple[str, ...]
    seeds: int
    networks: tuple[str, ...]
    recipe: Mapping[str, Any]
    by_network: Mapping[str, Mapping[str, Any]]
    holdout: int

    def run(
        self, dataset: str, network: str, seed: int, method: str = "supervised", **fields: Any
    ) -> Run:
        """A run under this profile; `fields` win over `by_network`, and that over `recipe`; options
        are joined."""
        flip = dataset not in UNMIRRORED
        own = self.by_network[network]
        options = {**own.get("options", {}), **fields.pop("options", {})}
        return Run(
            method,
            dataset,
            network,
            seed,
            **{"flip": flip, **self.recipe, **own, "options": options, **fields},
        )

    def narrowed(
        self, names: Mapping[str, str], networks: Iterable[str] | None = None
    ) -> list[str]:
        """Each network, or each of `networks`, in words, by `names`, with the share of its width
        that it has."""
        chosen = self.networks if networks is None else networks
        return [
            f"{names[n]} at {self.by_network[n].get('width', 1):g} of its width" for n in chosen
        ]

    def images(self, network: str = "") -> str:
        """How many training images there are, of `network` where it has its own number: "3,000", or
        "all"."""
        size = {**self.recipe, **self.by_network.get(network, {})}.get("train_size")
        return f"{size:,}" if size else "all"

    def schedule(self, network: str = "") -> str:
        """How long training is, of `network` where it has its own number: "40 epochs"."""
        epochs = {**self.recipe, **self.by_network.get(network, {})}["epochs"]
        return f"{epochs} epoch{'s' if epochs > 1 else ''}"

    def described(self, reduced: Iterable[str], means: str = "mean ± 95 % interval (seeds)") -> str:
        """The setting in words, for titles: what a profile below "paper" reduces, and what numbers
        are."""
        return (
            means
            if self.profile == "paper"
            else f"REDUCED setting `{self.profile}`: {', '.join(reduced)}; {means}"
        )


class BaseStudy:
    """Every run of one paper on one data set, under one profile."""

    def __init__(self, settings: Settings, dataset: str) -> None:
        self.settings, self.dataset = settings, dataset

    def _seeds(
        self, make: Callable[..., Run], *cell: Any, most: int | None = None, **changes: Any
    ) -> list[Run]:
        """The same cell once a seed, for `most` seeds at most."""
        seeds = self.settings.seeds if most is None else min(most, self.settings.seeds)
        return [make(*cell, seed=seed, **changes) for seed in range(seeds)]


def select(
    profiles: Mapping[str, Settings],
    profile: str,
    names: Iterable[str] | None = None,
    seeds: int | None = None,
) -> Settings:
    """A profile's settings with data sets and number of seeds of one's own.

    Raises:
        UserError: unknown profile or data set, a data set for detection without a detector, fewer
        than one seed.
    """
    settings = profiles[choose("profile", profile, profiles)]
    if names is not None:
        names = tuple(map(datasets.known, names))
        for name in set(names) & set(datasets.DETECTION):
            if "detector" not in settings.by_network:
                raise UserError(
                    f"{name} is a data set for detection, and this paper has no detector"
                )
        settings = dataclasses.replace(settings, datasets=names)
    if seeds is not None:
        if seeds < 1:
            raise UserError(f"seeds is {seeds}; it must be at least 1")
        settings = dataclasses.replace(settings, seeds=seeds)
    return settings


def collect(results: Results, items: Mapping[str, Cells]) -> dict[str, dict[str, list[Record]]]:
    """The records of all cells of some tables and figures, by item and cell.

    All runs are asked for at once: a sweep then keeps its workers busy to the end.
    """
    wanted = [run for cells in items.values() for runs in cells.values() for run in runs]
    records = {record.run: record for record in results(wanted)}
    return {
        item: {
            cell: [records[run] for run in runs if run in records] for cell, runs in cells.items()
        }
        for item, cells in items.items()
    }
