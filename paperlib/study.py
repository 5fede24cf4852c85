"""What a profile decides, for every paper: data, recipes, seeds; and the runs that follow."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

from paperlib import datasets
from paperlib.errors import UserError, choose
from paperlib.runs import Plain, Record, Run

# Runs -> their records, in the same order. A sweep trains what is missing; a reader of committed
# records leaves out what was never measured.
Results = Callable[[Iterable[Run]], list[Record]]

RunCells = dict[str, list[Run]]  # what one number of a table is measured on -> its runs
Collected = dict[str, dict[str, list[Record]]]  # records by table or figure, and by cell

# A mirrored digit is no digit, and the boxes of objects are not mirrored with their image.
UNMIRRORED = ("synthdigits", "svhn", *datasets.DETECTION)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained: the fields of `Run` that a profile decides, explained there.

    The defaults are those of `Run`, which are the papers' own for classifiers.
    """

    width: float = Run.width
    options: Mapping[str, Plain] = field(default_factory=dict)
    train_size: int = Run.train_size
    test_size: int = Run.test_size
    epochs: int = Run.epochs
    batch_size: int = Run.batch_size
    optimizer: str = Run.optimizer
    lr: float = Run.lr
    momentum: float = Run.momentum
    weight_decay: float = Run.weight_decay
    schedule: str = Run.schedule
    clip: float = Run.clip
    crop: int = Run.crop

    def but(self, **changes: Any) -> "Recipe":
        """The same recipe with other values. Raises TypeError for a name that is no field."""
        return dataclasses.replace(self, **changes)

    def scaled(self, factor: float) -> "Recipe":
        """The same with `factor` times the training images. All images cannot be multiplied."""
        if not self.train_size:
            raise UserError("a recipe for all training images has no other scale")
        return self.but(train_size=round(factor * self.train_size))


DETECTOR = Recipe(
    width=0.25,
    batch_size=8,
    optimizer="adam",
    lr=2e-3,
    weight_decay=1e-4,
    schedule="onecycle",
    clip=5.0,
    crop=0,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One profile of one paper on chosen data. A paper that decides more has a subclass.

    Attributes:
        detection: whether the paper has runs on data sets for detection.
        profile: its name.
        datasets: data sets by name; tables have a column for each, figures show the first.
        seeds: how many the cells of claims may have; they count from 0.
        few_seeds: how many everything else has: illustrations, ablations, scales.
        recipes: how each network that the tables compare is trained, by name.
        holdout: training images kept out while a hyper-parameter is tuned, and only then.
        scales: factors on the training images at which headline claims are tried beside 1.
        checked: whether it is shown that longer training would change little.
        deviates: what the profile "paper" does otherwise than printed, or had to assume, in words:
            "the learning rates, which are not printed". Then it is not the paper's own setting.
    """

    detection: ClassVar[bool] = False
    profile: str
    datasets: tuple[str, ...]
    seeds: int
    recipes: Mapping[str, Recipe]
    holdout: int = 0
    few_seeds: int = 1
    scales: tuple[float, ...] = ()
    checked: bool = False
    deviates: str = ""

    def scaled(self, factor: float) -> Self:
        """The same with `factor` times the training images, of `recipes` alone."""
        recipes = {name: recipe.scaled(factor) for name, recipe in self.recipes.items()}
        return dataclasses.replace(self, recipes=recipes)

    def images_at_scales(self, recipe: Recipe) -> dict[float, int]:
        """Factor -> number of training images by a recipe, 1 first; see `evidence.scale`."""
        scaled = {factor: recipe.scaled(factor).train_size for factor in self.scales}
        return {1.0: recipe.train_size, **scaled}

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks that the tables compare; figures show the first."""
        return tuple(self.recipes)

    def width_text(
        self, names: Mapping[str, str], networks: Iterable[str] | None = None
    ) -> list[str]:
        """Each network, or each of `networks`, as `names` says it, with its share of the width."""
        chosen = self.networks if networks is None else networks
        return [f"{names[n]} at {self.recipes[n].width:g} of its width" for n in chosen]

    def images(self, recipe: Recipe | None = None) -> str:
        """How many training images a recipe, or the first network's, has: "3,000", or "all"."""
        return f"{size:,}" if (size := self._or_first(recipe).train_size) else "all"

    def schedule(self, recipe: Recipe | None = None) -> str:
        """How long training by a recipe, or by the first network's, is: "40 epochs"."""
        epochs = self._or_first(recipe).epochs
        return f"{epochs} epoch{'s' if epochs > 1 else ''}"

    def _or_first(self, recipe: Recipe | None) -> Recipe:
        return recipe or self.recipes[self.networks[0]]

    def caption(self, reduced: Iterable[str], means: str = "mean ± 95 % interval (seeds)") -> str:
        """For titles: what a profile below "paper" reduces, and what the numbers are."""
        if self.profile == "paper":
            return means
        return f"REDUCED setting `{self.profile}`: {', '.join(reduced)}; {means}"


AnySettings = TypeVar("AnySettings", bound=Settings)


class BaseStudy(Generic[AnySettings]):
    """Every run of one paper on one data set, under one profile."""

    def __init__(self, settings: AnySettings, dataset: str) -> None:
        self.settings, self.dataset = settings, dataset
        self.seeds = range(settings.seeds)
        self.few = self.seeds[: settings.few_seeds]

    def run(
        self,
        network: str,
        seed: int,
        recipe: Recipe | None = None,
        method: str = "supervised",
        options: Mapping[str, Plain] | None = None,
        **fields: Any,
    ) -> Run:
        """A run on this data set, by the recipe of one of the tables' networks or by another one.

        Args:
            network, seed, method: as in `Run`.
            recipe: None stands for that of the network.
            options: of the method; they join those of the recipe.
            **fields: of `Run`, none of them one of the recipe's.
        """
        recipe = recipe or self.settings.recipes[network]
        own = {**vars(recipe), "options": {**recipe.options, **(options or {})}}
        flip = self.dataset not in UNMIRRORED
        return Run(method, self.dataset, network, seed, flip=flip, **own, **fields)


def as_trained(run: Run, **fields: Any) -> Run:
    """A trained network as it is, under other conditions: `fields` are those of `Run`."""
    return dataclasses.replace(run, epochs=0, uses={"init": run}, **fields)


def select(
    profiles: Mapping[str, AnySettings],
    profile: str,
    names: Iterable[str] | None = None,
    seeds: int | None = None,
) -> AnySettings:
    """A profile's settings with data sets and number of seeds of one's own.

    Raises:
        UserError: unknown profile or data set, a data set for detection without a detector, fewer
            than one seed.
    """
    settings = profiles[choose("profile", profile, profiles)]
    if names is not None:
        names = tuple(map(datasets.check_name, names))
        boxes = [name for name in names if name in datasets.DETECTION]
        if boxes and not settings.detection:
            what = "is a data set for detection, and this paper has no detector"
            raise UserError(f"{boxes[0]} {what}")
        settings = dataclasses.replace(settings, datasets=names)
    if seeds is not None:
        if seeds < 1:
            raise UserError(f"seeds is {seeds}; it must be at least 1")
        few = min(settings.few_seeds, seeds)
        settings = dataclasses.replace(settings, seeds=seeds, few_seeds=few)
    return settings


def collect(results: Results, items: Mapping[str, RunCells]) -> Collected:
    """The records of all cells of some tables and figures, by item and cell.

    All runs are asked for at once: a sweep then keeps its workers busy to the end.
    """
    wanted = [run for cells in items.values() for runs in cells.values() for run in runs]
    records = {record.run: record for record in results(wanted)}
    out: Collected = {}
    for item, cells in items.items():
        out[item] = {
            cell: [records[r] for r in runs if r in records] for cell, runs in cells.items()
        }
    return out
