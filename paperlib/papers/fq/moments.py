"""How distortions shift the distribution of features (Sun et al., CVPR 2018, supplement).

Fig. 1 of the supplement shows the change of skewness and kurtosis of the neurons of six layers of
VGG-16 between 5,000 images and their distorted versions. The argument is that a distortion moves
these as well as mean and variance, and that normalisation, which can undo a change of mean and
variance, cannot undo theirs: an affine map leaves both as they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib import methods
from paperlib.errors import UserError
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Options, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.papers.fq.central_moments import CentralMoments, chosen, recording
from paperlib.runs import Run

LAYERS = "conv1_1,conv1_2,conv2_2,conv3_3,conv4_3,conv5_3"
KEPT = 2048  # values per layer and moment in the samples: six layers make 98 kB


def shifts(clean: CentralMoments, degraded: CentralMoments) -> dict[str, Tensor]:
    """What a distortion changes, in the shape of the variables; NaN for what is constant.

    "skewness" and "kurtosis" are differences, degraded - clean, as on the axes of Fig. 1; "mean"
    and "deviation" are those of means and standard deviations, in clean standard deviations.
    """
    unit = clean.deviation
    both = {
        "skewness": degraded.skewness - clean.skewness,
        "kurtosis": degraded.kurtosis - clean.kurtosis,
        "mean": (degraded.mean - clean.mean) / unit,
        "deviation": (degraded.deviation - clean.deviation) / unit,
    }
    constant = clean.constant | degraded.constant
    return {name: value.masked_fill(constant, torch.nan) for name, value in both.items()}


def renormalised(clean: CentralMoments, degraded: CentralMoments) -> CentralMoments:
    """The degraded features after a batch norm that has adapted to them.

    One affine function per channel gives it the clean mean and deviation. What remains shifted of
    these, in neurons, is what a distortion does to one position and not to another. Skewness and
    kurtosis stay to the digit what they were: their shift cannot be normalised away.
    """
    target, source = clean.pooled(), degraded.pooled()
    positions = (1,) * (clean.mean.ndim - 1)
    scale = target.deviation / source.deviation
    offset = target.mean - source.mean * scale
    return degraded.affine(scale.view(-1, *positions), offset.view(-1, *positions))


def summary(clean: CentralMoments, degraded: CentralMoments) -> dict[str, float]:
    """A layer's shifts as numbers.

    "variables": neurons. "constant": share of them, in [0, 1], that do not vary, clean or degraded;
    they are left out of the rest, which is missing if all are. "<moment>_median" and
    "<moment>_p95": percentiles of the absolute shifts of skewness, kurtosis, mean and deviation,
    see `shifts`. "mean_renormalised" and "deviation_renormalised": the medians that remain after
    `renormalised`. "skewness_over_1": share whose skewness shifts by more than 1; the paper calls
    skewness within (-1, 1) normal.
    """
    shift = {name: values.abs() for name, values in shifts(clean, degraded).items()}
    total, varying = clean.mean.numel(), int((~shift["skewness"].isnan()).sum())
    out = {"variables": float(total), "constant": 1 - varying / total}
    if not varying:
        return out
    for name, values in shift.items():
        out[f"{name}_median"], out[f"{name}_p95"] = (_quantile(values, q) for q in (0.5, 0.95))
    rest = shifts(clean, renormalised(clean, degraded))
    for name in ("mean", "deviation"):
        out[f"{name}_renormalised"] = _quantile(rest[name].abs(), 0.5)
    out["skewness_over_1"] = float((shift["skewness"] > 1).sum()) / varying
    return out


def _quantile(values: Tensor, share: float) -> float:
    return float(values.nanquantile(share, interpolation="lower"))


def thinned(values: Tensor) -> Tensor:
    """The values that are numbers, rising, float32; at most `KEPT`, at equal distances of rank."""
    values = values[~values.isnan()].sort().values
    if len(values) > KEPT:
        ranks = (torch.arange(KEPT, device=values.device) + 0.5) * (len(values) / KEPT)
        values = values[ranks.long()]
    return values.float()


@dataclass(frozen=True)
class MomentsOptions(Options):
    """Which features are measured.

    Attributes:
        layers: names of convolutions with commas between, see `central_moments.convolutions`:
            what they put out, W*X, is what the paper's non-linearities act on. The default, the
            first one and the last one of each resolution, is ours: the paper says "6 different
            layers".
    """

    layers: str = LAYERS


class Moments(Method):
    """Measures the features of the trained network of the run "init"; trains nothing (`epochs=0`).

    The network is that run's, non-linearities of feature quantization included. The distortion is
    the run's `degrade`.
    """

    options_type = MomentsOptions
    options: MomentsOptions
    precision = "fp32"  # the 8 bits of bfloat16 are too few for a neuron with a large mean
    required_parents = ("init",)
    reads_clean = False  # there is no loss

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: MomentsOptions
    ) -> None:
        if run.epochs:
            raise UserError(f"moments trains nothing: epochs=0, not {run.epochs}")
        if run.evaluate or run.holdout:
            raise UserError("moments takes one distortion, degrade=...: no evaluate, no holdout")
        super().__init__(run, task, parents, options)
        self.layers = chosen(self.network, options.layers)
        self.clean: dict[str, CentralMoments] = {}  # by layer
        self.degraded: dict[str, CentralMoments] = {}

    @staticmethod
    def build(run: Run, task: Task, options: MomentsOptions) -> nn.Module:
        """The network of the run "init", which must be what this run names too; plain without."""
        init = run.uses.get("init")
        if init is None:
            return Supervised.build(run, task, SupervisedOptions())
        if (init.network, init.width) != (run.network, run.width):
            own = f"{init.network} of width {init.width}"
            raise UserError(f"init is a {own}; name the same network and width here")
        return methods.build_network(init, task)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Those of the degraded images, and "clean_top1"; records the layers' outputs meanwhile."""
        with recording(self.layers, self.clean):
            clean = classification(self.network(batch.clean_images).logits, batch.labels)
        with recording(self.layers, self.degraded):
            degraded = classification(self.network(batch.degraded).logits, batch.labels)
        return {**degraded, "clean_top1": clean["top1"]}

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The scores' means, and the numbers of `summary` as "<layer>/<number>"."""
        self.clean, self.degraded = {}, {}
        metrics = super().measure(batches)
        for layer, clean in self.clean.items():
            numbers = summary(clean, self.degraded[layer])
            metrics |= {f"{layer}/{name}": number for name, number in numbers.items()}
        return metrics

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """The shifts from `measure`, "<layer>/skewness" and "<layer>/kurtosis", see `thinned`."""
        out: dict[str, Tensor] = {}
        for layer, clean in self.clean.items():
            shift = shifts(clean, self.degraded[layer])
            out |= {f"{layer}/{name}": thinned(shift[name]) for name in ("skewness", "kurtosis")}
        return out
