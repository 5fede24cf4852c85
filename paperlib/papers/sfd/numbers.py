"""What the tables and verdicts of self-feature distillation are made of."""

from collections.abc import Callable, Mapping

from paperlib.common_corruptions import with_summaries
from paperlib.evidence.claims import Claim
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Items, Scores
from paperlib.papers.sfd.profiles import Settings
from paperlib.papers.sfd.study import ARMS, MODELS, SEVERITIES, seen_at

CLAIMED = ("resnet50", "resnext101")  # the poster's networks
SEVEREST = max(SEVERITIES)
ERROR = "relative_mse"  # of degraded features, over the power of the clean ones
# The part of the features' error that a distillation must take away, not to be called inert. On
# held-out images those that took away less changed the accuracy by 0.2 points at most.
ACTIVE = 0.1


def scores(dataset: str, items: Items) -> Scores:
    """All numbers, and the summaries of those tested under all corruptions."""
    return with_summaries(Scores.of(*items.values()), "vanilla", dataset)


def stand_ins(settings: Settings) -> Mapping[str, str]:
    """The poster's networks -> those of the profile in their places."""
    return dict(zip(CLAIMED, settings.networks, strict=False))


def taken(found: Scores, model: str) -> Estimate | None:
    """The part of the features' error under the severest corruptions that distillation takes away.

    1 - e / e_ce, by seed, where e_ce is the error that cross-entropy alone leaves on the same
    images; below 0 if it adds to it, and None where the two were not measured.
    """
    own, entropy = (found.values(seen_at(name, SEVEREST), ERROR) for name in (model, "ce"))
    parts = [1 - own[seed] / entropy[seed] for seed in sorted(own.keys() & entropy.keys())]
    return Estimate.of(parts) if parts else None


def is_inert(part: Estimate | None) -> bool:
    """Whether a distillation that takes away this part of the error does as good as nothing."""
    return part is not None and part.mean < ACTIVE


def cannot(settings: Settings, found: Scores) -> Callable[[Claim], str]:
    """Why a claim cannot be tested: the distillation that it is about is inert; else "".

    Two networks that are trained alike differ by nothing that the claim could be about. It is
    measured on the first network, and said of claims that this one is measured for.
    """
    inert = {arm: part for arm in ARMS if (part := taken(found, arm)) and is_inert(part)}

    def why(claim: Claim) -> str:
        if stand_ins(settings).get(claim.network, claim.network) != settings.networks[0]:
            return ""
        for arm in (claim.better, claim.worse):
            if arm in inert:
                return f"distillation of {MODELS[arm]} is inert: it {takes(inert[arm])}"
        return ""

    return why


def takes(part: Estimate) -> str:
    """What a distillation does to the features' error, in words."""
    percent = f"{100 * abs(part.mean):.0f} %"
    does = f"takes away {percent} of" if part.mean >= 0 else f"adds {percent} to"
    return f"{does} the features' error that cross-entropy alone leaves"


def measured_on(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    """Cell of a claim -> what has to be trained for it: with the arms what `cannot` reads."""
    network = settings.networks[0]
    return {
        f"{network}/{arm}": (f"{network}/{arm}", seen_at(arm, SEVEREST), seen_at("ce", SEVEREST))
        for arm in ARMS
    }
