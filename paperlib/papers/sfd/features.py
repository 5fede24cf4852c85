"""A network's features under a corruption, and how uncertain it says they are.

The poster of SFD (Yang et al., ECCV 2022) shows t-SNE of clean and degraded features, feature maps
with error maps, and histograms of theta, the learned deviation of a feature, by severity. Here are
the samples that such pictures are drawn from, and numbers for them, which are ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from paperlib.degrade.levels import to_levels
from paperlib.errors import UserError, choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Options, Task, shrunk
from paperlib.networks import Output
from paperlib.networks.frozen_parts import FrozenParts
from paperlib.papers.sfd import feature_statistics as statistics
from paperlib.runs import Run

CLASSES, PER_CLASS = 5, 40  # whose points are kept for t-SNE: the first classes, as many each
DIMENSIONS = 64  # of the kept points: t-SNE is usually given 30 to 50 principal components anyway
EDGE = 96  # pixels: kept pictures of larger images are averaged down


class Seen(NamedTuple):
    """What a network makes of a batch, in float32."""

    clean: Tensor  # z, (B, C, h, w)
    degraded: Tensor  # z^, the same shape, as used at test time
    logits: Tensor  # (B, classes), of the degraded images
    log_variance: Tensor | None  # s as z, where the network predicts it; theta = exp(s / 2)


class Plugged(nn.Module):
    """A frozen classifier with the module in it that a run of DDP has trained."""

    def __init__(self, classifier: Any, module: nn.Module, run: Run) -> None:
        super().__init__()
        self.classifier, self.module = classifier, module
        self.parts = FrozenParts(classifier, run.network, str(run.options.get("at", "")))

    def maps(self, images: Tensor) -> Tensor:
        """The last maps (N, C, h, w), before their ReLU, of images (N, 3, H, W) in [0, 1]."""
        normalised = self.parts.normalised(images)
        return self.parts.after(self.module(self.parts.maps(normalised), normalised))

    def classify(self, maps: Tensor) -> Output:
        """What the classifier makes of `maps`."""
        return self.classifier.classify(maps)


@dataclass(frozen=True)
class FeaturesOptions(Options):
    """Options of the measurement.

    Attributes:
        layer: a module of the classifier whose output is the feature, e.g. "body.stage1"; by
            default the last feature maps behind their ReLU (z on the poster), the only ones with
            theta. The poster's feature maps of a bus are of some earlier layer, not named.
    """

    layer: str = ""


class Features(Method):
    """Measures a trained network's features; trains nothing.

    Needs epochs=0 and uses={"network": Run(...)}: a `Classifier`, a `SelfFeature`, or any network
    with their `maps` and `classify`; beside the run "plug" of DDP it is the frozen classifier with
    DDP's module in it. The corruption is the run's `degrade`. The clean feature z is that of the
    classifier, without FE_Net or the module, as in the methods' losses. All is computed in float32.
    """

    options_type = FeaturesOptions
    options: FeaturesOptions

    def __init__(
        self, run: Run, task: Task, parents: Mapping[str, nn.Module], options: FeaturesOptions
    ) -> None:
        if run.epochs or run.evaluate or run.holdout or "network" not in parents:
            raise UserError(
                "features trains nothing and takes one corruption, as degrade=..., and test images:"
                " epochs=0, uses={'network': Run(...)}, no evaluate, no holdout"
            )
        super().__init__(run, task, parents, options)
        network = parents["network"]
        if "plug" in parents:
            self.parents["network"] = Plugged(network, parents["plug"], run.uses["plug"])
        if options.layer:
            names = [name for name, _ in _classifier(network).named_modules()]
            choose("layer", options.layer, (n for n in names if n and n.count(".") <= 2))
        self.kept: dict[str, Tensor] = {}

    @staticmethod
    def build(run: Run, task: Task, options: FeaturesOptions) -> nn.Module:
        """Nothing: there is no network to hand on."""
        return nn.Identity()

    def see(self, batch: Batch) -> Seen:
        """Features, logits and, of the degraded images, the log-variance."""
        layer = self.options.layer
        with torch.autocast(batch.degraded.device.type, enabled=False):
            network = self.parents["network"]
            clean, _, _ = _look(_classifier(network), batch.clean_images, layer)
            return Seen(clean, *_look(network, batch.degraded, layer))

    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Means over the test images, and what the pictures of `samples` need of all of them.

        "top1", "top5", "cross_entropy": of the degraded images. "mse": the mean over all elements
        of (z - z^)^2; "relative_mse": the same over the mean of z^2. "scatter_ratio": see there, of
        the degraded features' means over positions; "at_own": percentage of them whose nearest mean
        of clean ones is that of their class. From a network that predicts uncertainty also the
        numbers of `Uncertainty.metrics`.
        """
        sums: dict[str, Tensor] = {}
        pooled: list[tuple[Tensor, Tensor, Tensor]] = []
        theta = statistics.Uncertainty()
        for batch in batches:
            seen = self.see(batch)
            for name, score in self._scores(seen, batch.labels).items():
                sums[name] = sums.get(name, 0) + score.double().sum()
            pooled.append((seen.clean.mean((2, 3)), seen.degraded.mean((2, 3)), batch.labels))
            if seen.log_variance is not None:
                dead = (seen.clean == 0) & (seen.degraded == 0)
                theta.add(seen.clean - seen.degraded, seen.log_variance, dead)
        clean, degraded, labels = (torch.cat(parts).cpu() for parts in zip(*pooled, strict=True))
        means = {name: float(value) / len(labels) for name, value in sums.items()}
        means["relative_mse"] = means["mse"] / max(means.pop("power"), 1e-12)
        means["scatter_ratio"] = statistics.scatter_ratio(degraded, labels)
        means["at_own"] = statistics.at_own_centroid(
            degraded, labels, statistics.centroids(clean, labels)
        )
        self.kept = self._points(clean, degraded, labels) | theta.histogram()
        return means | theta.metrics()

    @staticmethod
    def _scores(seen: Seen, labels: Tensor) -> dict[str, Tensor]:
        """What is a mean over images, (B,) by name; "power" is the mean of z^2."""
        clean, degraded = seen.clean.flatten(1), seen.degraded.flatten(1)
        return {
            **classification(seen.logits, labels),
            "mse": (clean - degraded).square().mean(1),
            "power": clean.square().mean(1),
        }

    def _points(self, clean: Tensor, degraded: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The samples "points.*" of the features' means (N, C) over positions."""
        first = [(labels == label).nonzero()[:PER_CLASS, 0] for label in range(CLASSES)]
        chosen = torch.cat(first)
        both = statistics.principal(torch.cat([clean[chosen], degraded[chosen]]), DIMENSIONS)
        points = {"points.labels": labels[chosen].short()}
        for name, part in zip(("clean", "degraded"), both.half().chunk(2), strict=True):
            points[f"points.{name}"] = part.clone()
        return points

    def samples(self, batch: Batch) -> dict[str, Tensor]:
        """What the pictures are drawn from, as `measure` has left it, and the first test images.

        "points.clean", "points.degraded" (n, d) float16: means over positions of the features of
        the first classes, on at most 64 principal axes; "points.labels" (n,) int16. "theta.counts"
        and "theta.edges": see `Uncertainty.histogram`. Of the first 8 test images, or 4 of more
        than 48 pixels, "images.clean" and "images.degraded" (n, 3, H, W) uint8, and means over
        channels (n, h, w) float16: "maps.clean" of z, "maps.degraded" of z^, "maps.error" of
        (z - z^)^2 over the image's mean of z^2, "maps.theta".
        """
        batch = batch.part(slice(8 if batch.clean_images.shape[-1] <= 48 else 4))
        seen = self.see(batch)
        power = seen.clean.square().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
        maps = {
            "clean": seen.clean,
            "degraded": seen.degraded,
            "error": (seen.clean - seen.degraded).square() / power,
        }
        if seen.log_variance is not None:
            maps["theta"] = (seen.log_variance / 2).exp()
        out = {
            f"maps.{name}": shrunk(values.mean(1, keepdim=True), EDGE)[:, 0].half()
            for name, values in maps.items()
        }
        images = {"images.clean": batch.clean_images, "images.degraded": batch.degraded}
        for name, values in images.items():
            out[name] = to_levels(shrunk(values, EDGE))
        return self.kept | out


def _classifier(network: Any) -> Any:
    """The classifier around which a network is built, or the network itself."""
    return getattr(network, "classifier", network)


def _look(network: Any, images: Tensor, layer: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Features (B, C, h, w), logits (B, classes) and, where it is predicted, s as the features."""
    if layer:
        return *_look_at(network, images, layer), None
    maps, log_variance = (
        network.estimate(images) if hasattr(network, "estimate") else (network.maps(images), None)
    )
    logits = network.classify(maps).logits.float()
    features = maps.relu().float()
    if log_variance is not None:
        log_variance = log_variance.float().expand_as(features)
    return features, logits, log_variance


def _look_at(network: Any, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """What a layer of the classifier puts out (B, C, h, w), and the logits (B, classes)."""
    caught: list[Tensor] = []
    module = _classifier(network).get_submodule(layer)
    # cloned, as a ReLU behind may overwrite what a module puts out
    hook = module.register_forward_hook(lambda module, args, out: caught.append(out.clone()))
    try:
        logits = network.classify(network.maps(images)).logits
    finally:
        hook.remove()
    return caught[-1].float(), logits.float()
