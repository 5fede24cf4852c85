"""A run is plain values; its record is what came of it.

`Run` says everything that decides the numbers of one training; its canonical JSON is hashed, and
the hash names the folder in which `paperlib.store` keeps weights and record. How the work is
executed (device, precision, compilation) is not part of the run: it goes into the record's
provenance.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paperlib.errors import Corrupt

Plain = bool | int | float | str


@dataclass(frozen=True)
class Run:
    """One training, as plain values; equal values make equal hashes.

    `dataclasses.replace` makes variants.

    Attributes:
        method: a name that `paperlib.methods.known` gives.
        dataset: a name that `paperlib.datasets.check_name` takes.
        network: name of the network that is trained.
        seed: fixes initial weights, shuffles, augmentation, dropout and random degradations.
        width: factor on every channel count of the network; 1 is the published network.
        degrade: what the images go through, `{"name": ..., parameters}`, see
            `paperlib.degrade.build`.
        evaluate: further degradations under which the network is also tested, see
            `paperlib.degrade.each`; names of metrics get `@` and what `paperlib.degrade.label` says
            appended.
        options: the method's own parameters, fields of its class of `methods.Options`.
        uses: runs that must be finished first, by role ("teacher", "init", "frontend", ...).
        train_size: number of training images; 0 takes all that the holdout leaves.
        holdout: number of training images kept out for validation.
        test_size: number of test images; 0 takes all.
        epochs, batch_size: passes over the training images; images per step.
        optimizer: "sgd" (Nesterov off, as in the papers) or "adam".
        lr: peak learning rate.
        momentum: of SGD.
        weight_decay: L2 coefficient, on all parameters.
        schedule: "step" (a tenth at 50 % and at 75 % of the steps), "cosine" (to 0), "onecycle"
            (linear up over the first fifth, linear down to 0) or "constant".
        clip: largest norm of the whole gradient; 0 leaves it alone.
        crop: pixels of zero padding around an image before a random crop; 0 turns cropping off.
        flip: mirror images left to right with probability 1/2.
    """

    method: str
    dataset: str
    network: str
    seed: int = 0
    width: float = 1.0
    degrade: Mapping[str, Plain] = field(default_factory=lambda: {"name": "none"})
    evaluate: tuple[Mapping[str, Plain], ...] = ()
    options: Mapping[str, Plain] = field(default_factory=dict)
    uses: Mapping[str, "Run"] = field(default_factory=dict)
    train_size: int = 0
    holdout: int = 0
    test_size: int = 0
    epochs: int = 100
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "step"
    clip: float = 0.0
    crop: int = 4
    flip: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The values that differ from the defaults, parents nested.

        So a new field with a default keeps the hashes of old runs.
        """
        out: dict[str, Any] = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            default = (
                f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
            )
            if value == default:
                continue
            if f.name == "uses":
                value = {role: run.to_dict() for role, run in value.items()}
            elif isinstance(value, tuple):
                value = [_canonical(item) for item in value]
            elif isinstance(value, Mapping):
                value = _canonical(value)
            elif f.type in (float, "float"):
                value = float(value)  # 1 and 1.0 are the same run
            out[f.name] = value
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Run":
        """The inverse of `to_dict`. Raises TypeError for a name that is no field."""
        values = dict(values)
        if "uses" in values:
            values["uses"] = {role: cls.from_dict(run) for role, run in values["uses"].items()}
        if "evaluate" in values:
            values["evaluate"] = tuple(values["evaluate"])
        return cls(**values)

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that name the run."""
        return digest(self.to_dict())[:16]

    @property
    def label(self) -> str:
        """A short name for people: not unique, the hash is."""
        parts = [self.dataset, self.network, self.method]
        if self.degrade["name"] != "none":
            parts.append("-".join(str(v) for v in self.degrade.values()))
        parts += [f"{key}={value}" for key, value in self.options.items()]
        return " ".join([*parts, f"seed={self.seed}"])

    def __hash__(self) -> int:
        return hash(self.hash)


def _canonical(values: Mapping[str, Plain]) -> dict[str, Plain]:
    """Plain values in which equal numbers look alike: 2.0 becomes 2."""
    return {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in values.items()}


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of plain values: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """What came of a run: plain values, checksummed, never edited by hand.

    Attributes:
        run: the run itself.
        metrics: final numbers by name; accuracies are percentages, from the weights after the last
            epoch. Validation metrics start with `validation_`; metrics under a further degradation
            end with `@name`.
        history: one mapping per epoch: mean training losses, learning rate. Committed records
            leave some out, see `paperlib.archive.thinned`.
        provenance: device, precision, threads, versions, commit, date, seconds, images/s, peak
            memory; "data", "code" and "parents", see `paperlib.fingerprint.made_of`.
        files: SHA-256 of the files beside the record in the run's folder.
    """

    run: Run
    metrics: Mapping[str, float]
    history: tuple[Mapping[str, float], ...]
    provenance: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as JSON text that ends with the SHA-256 of its content."""
        body: dict[str, Any] = {
            "hash": self.run.hash,
            "run": self.run.to_dict(),
            "metrics": dict(self.metrics),
            "provenance": dict(self.provenance),
            "files": dict(self.files),
            "history": list(self.history),
        }
        return json.dumps({**body, "sha256": digest(body)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Record":
        """Read and verify. Raises `Corrupt` for anything that `to_json` did not write."""
        try:
            body = json.loads(text)
            expected = body.pop("sha256")
            if digest(body) != expected:
                raise Corrupt("checksum does not match")
            record = cls(
                Run.from_dict(body["run"]),
                body["metrics"],
                tuple(body["history"]),
                body["provenance"],
                body["files"],
            )
            if record.run.hash != body["hash"]:
                raise Corrupt("hash does not match the run")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Corrupt(str(error)) from error
        return record


def in_order(runs: list[Run]) -> list[Run]:
    """The runs and all that they use, each once, every run behind those that it uses."""
    ordered: dict[Run, None] = {}

    def add(run: Run) -> None:
        for parent in run.uses.values():
            add(parent)
        ordered.setdefault(run)

    for run in runs:
        add(run)
    return list(ordered)
