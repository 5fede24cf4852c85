"""The runs behind feature quantization's tables and figures, and behind what its supplement leaves open."""

from collections.abc import Callable
from typing import Any

from paperlib.experiments.settings import Cells, Settings
from paperlib.runs import Run

SPLITS = (1, 2, 4, 8, 16)  # Table 1
PENALTIES = ("l1", "l2")

SHORT = {"batch_size": 64, "schedule": "onecycle", "lr": 0.1}

PROFILES = {
    "cpu": Settings(
        profile="cpu",
        datasets=("cifar10", "cifar100"),
        seeds=5,
        networks=("smallcnn",),
        recipe={},
        by_network={
            "smallcnn": {**SHORT, "train_size": 25_000, "epochs": 1},
        },
        holdout=5000,
    ),
}


class Study:
    """Every run of the paper on one data set, under one profile.

    A *cell* names what one number of a table was measured on, e.g. "smallcnn/l1/pow-4"; the paper's numbers in
    `data/papers/fq/` and the claims use the same names.
    """

    def __init__(self, settings: Settings, dataset: str) -> None:
        self.settings, self.dataset = settings, dataset

    def base(self, network: str, seed: int) -> Run:
        """The network as it is."""
        return self.settings.run(self.dataset, network, seed)

    def quantized(self, network: str, seed: int, **options: Any) -> Run:
        """The network with non-linearities; `options` are those of `FQ`."""
        return self.settings.run(self.dataset, network, seed, method="fq", options=options)

    def table1(self) -> Cells:
        """Cells "smallcnn/base" and "smallcnn/<penalty>/pow-<k>", a run a seed."""
        cells = {"smallcnn/base": self._seeds(self.base, "smallcnn")}
        for penalty in PENALTIES:
            for k in SPLITS:
                options = {"kind": "pow", "splits": k, "penalty": penalty}
                cells[f"smallcnn/{penalty}/pow-{k}"] = self._seeds(self.quantized, "smallcnn", **options)
        return cells

    def _seeds(self, make: Callable[..., Run], *cell: str | int, **changes: Any) -> list[Run]:
        """The same cell once a seed."""
        return [make(*cell, seed=seed, **changes) for seed in range(self.settings.seeds)]
