"""Self-feature distillation with uncertainty modelling (Yang, Dong, Li, Wu, Li & Shi, ECCV 2022).

One network sees an image clean and degraded; the clean image's feature maps z are what those of the
degraded one, z^, shall become, weighted by a predicted uncertainty theta. Sources are the poster
and the released code (yangzhou321/Distillation_with_UEM, commit 68b2db2), which differ, see
`paperlib.papers.sfd.network`; the paper's text was unavailable. What is inferred is in neither.

Notation: s = log theta^2 is what is predicted, r = z - z^ the residual.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from paperlib.errors import UserError, choose
from paperlib.evaluation import classification
from paperlib.methods.base import Batch, Method, Task
from paperlib.methods.supervised import Supervised, SupervisedOptions
from paperlib.papers.sfd.network import UNCERTAINTIES, VARIANTS, SelfFeature
from paperlib.runs import Run

WEIGHTINGS = ("likelihood", "increasing")


def _squared(clean: Tensor, estimate: Tensor) -> Tensor:
    """r^2, at least in float32: features may come out of autocast."""
    kind = torch.promote_types(clean.dtype, torch.float32)
    return (clean.to(kind) - estimate.to(kind)).square()


def mse(clean: Tensor, estimate: Tensor) -> Tensor:
    """Mean of r^2 over all elements (B, C, h, w): the poster's "w/o UEM"; inferred."""
    return _squared(clean, estimate).mean()


def ulfd(clean: Tensor, estimate: Tensor, log_variance: Tensor) -> Tensor:
    """Uncertainty-driven feature distillation: mean over all elements of r^2 / (1e-6 + 2 e^s) + s,
    as in the code.

    This is the negative of the poster's log p = -r^2 / (2 theta^2) - log theta^2. Its optimum over
    s is e^s = r^2 / 2 (but for the 1e-6), with the value 1 + log(r^2 / 2): theta^2 is half the
    variance, since a Gaussian's logarithm has a factor 1/2 that poster and code leave out. The
    poster's other form, r^2 / theta^2 + log theta^2, is the same up to a constant, for a theta^2
    twice as large.

    Uncertain elements count *less* in the gradient of z^, -r / e^s, though the abstract says that
    "hard-to-recover" regions get more weight: see `increasing`.

    Args:
        clean, estimate: z and z^, (B, C, h, w).
        log_variance: s, of that shape or one that broadcasts to it.
    """
    return (_squared(clean, estimate) / (1e-6 + 2 * log_variance.exp()) + log_variance).mean()


def increasing(clean: Tensor, estimate: Tensor, log_variance: Tensor) -> Tensor:
    """Weights that rise with the uncertainty, as the abstract has it; how is inferred.

    mean(w r^2) with w = theta^2 / mean(theta^2), which is 1 on average over the batch, as in `mse`,
    and passes no gradient. theta itself is learned as in `ulfd`, whose gradient does not reach z
    and z^ here; for that the UEM must read detached features, too (`SelfFeature.estimate(...,
    detach_input=True)`). The value returned is the sum of both.

    Args:
        clean, estimate, log_variance: as of `ulfd`.
    """
    squared = _squared(clean, estimate)
    variance = log_variance.detach().exp()
    likelihood = ulfd(clean.detach(), estimate.detach(), log_variance)
    return (squared * (variance / variance.mean())).mean() + likelihood


@dataclass(frozen=True)
class SFDOptions(SupervisedOptions):
    """Options of SFD, and those of a classifier.

    Attributes:
        lambda_: weight of the distillation, at least 0. 0 trains on clean and degraded images with
            cross-entropy alone, without a UEM and without the distillation's cost: the baseline on
            equal terms, which the poster's table lacks.
        variant: "poster" or "code".
        uncertainty: "element", "image", "channel" or "none" (mean squared error: "w/o UEM"). See
            `SelfFeature`.
        weighting: "likelihood" (`ulfd`) or "increasing", which needs an uncertainty.
        detach: the distillation does not move the clean features. In the released code it does.
    """

    lambda_: float = 0.01  # in the released code
    variant: str = "poster"
    uncertainty: str = "element"
    weighting: str = "likelihood"
    detach: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("variant", self.variant, VARIANTS)
        choose("uncertainty", self.uncertainty, UNCERTAINTIES)
        choose("weighting", self.weighting, WEIGHTINGS)
        if self.lambda_ < 0:
            raise UserError(f"lambda_ is {self.lambda_}; it must be at least 0")
        if self.weighting == "increasing" and self.uncertainty == "none":
            raise UserError("weighting 'increasing' needs an uncertainty, not 'none'")


class SFD(Method):
    """Trains one network on pairs of clean and degraded images.

    The loss is CE(clean) + CE(degraded) + lambda * distillation. As in the released code, the pair
    goes through the network in two forwards, the degraded images first: batch statistics are of one
    kind of image, running ones of both, and nothing is frozen. Its scores are those of the degraded
    images; `evaluate` with "none" gives the clean ones.

    A parent "init" gives the initial weights: a classifier, or the network of a run of this method.
    """

    options_type = SFDOptions
    options: SFDOptions
    network: SelfFeature

    @staticmethod
    def build(run: Run, task: Task, options: SFDOptions) -> SelfFeature:
        """The classifier that the run names, which starts as it would alone, in a `SelfFeature`."""
        classifier = Supervised.build(run, task, options)
        uncertainty = options.uncertainty if options.lambda_ else "none"
        return SelfFeature(classifier, options.variant, uncertainty)

    def start_from(self, network: nn.Module) -> None:
        """Take the weights of a classifier, or what another `SelfFeature` has in common."""
        if not isinstance(network, SelfFeature):
            self.network.classifier.load_state_dict(network.state_dict())
            return
        for name, own in self.network.named_children():
            given = getattr(network, name)
            if type(given) is type(own):  # two kinds of UEM have nothing in common
                own.load_state_dict(given.state_dict())

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The sum, and its terms "clean", "degraded" and "distillation" (before lambda).

        With lambda 0 there is no distillation.

        Raises:
            UserError: degraded images of another size than the clean ones.
        """
        detach_input = self.options.weighting == "increasing"
        maps, log_variance = self.network.estimate(batch.degraded, detach_input)
        clean_maps = self.network.classifier.maps(batch.clean_images)
        degraded = F.cross_entropy(self.network.classify(maps).logits.float(), batch.labels)
        clean = F.cross_entropy(self.network.classify(clean_maps).logits.float(), batch.labels)
        terms = {"loss": clean + degraded, "clean": clean, "degraded": degraded}
        if not self.options.lambda_:
            return terms
        if maps.shape != clean_maps.shape:
            what = "degraded images must have the size of the clean ones"
            raise UserError(f"sfd compares feature maps: {what}")
        distillation = self._distillation(clean_maps.relu(), maps.relu(), log_variance)
        loss = terms["loss"] + self.options.lambda_ * distillation
        return {**terms, "loss": loss, "distillation": distillation}

    def _distillation(self, clean: Tensor, estimate: Tensor, log_variance: Tensor | None) -> Tensor:
        clean = clean.detach() if self.options.detach else clean
        if log_variance is None:
            return mse(clean, estimate)
        weigh = increasing if self.options.weighting == "increasing" else ulfd
        return weigh(clean, estimate, log_variance)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """Top-1 and top-5 hits (0 or 100) and the cross-entropy of every degraded image."""
        return classification(self.network(batch.degraded).logits, batch.labels)

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """The UEM's: the loss has a penalty of its own for them, s. The released code decays all.

        The gradient of one channel's s is of the order of lambda / C, 2e-5 for 512 channels: a
        weight decay of 5e-4 would outweigh it.
        """
        uncertainty = self.network.uncertainty
        return [] if uncertainty is None else list(uncertainty.parameters())
