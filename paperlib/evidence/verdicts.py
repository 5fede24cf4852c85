"""What was measured of the papers' claims, and what it says of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paperlib.evidence.claims import Claim
from paperlib.evidence.estimates import Estimate
from paperlib.evidence.scores import Scores

VERDICTS = ("reproduced", "direction only", "inconclusive", "not reproduced", "not tested")


@dataclass(frozen=True)
class Verdict:
    """A claim and what came of it.

    Attributes:
        claim: the claim.
        dataset: what it was measured on.
        measured: our difference, above 0 in the claimed direction; None where there is none.
        word: one of `VERDICTS`.
        condition: what it was measured under, where one claim is judged under several; else "".
        network: which stood in for the claim's when it was measured; "" where none did.
    """

    claim: Claim
    dataset: str
    measured: Estimate | None
    word: str
    condition: str = ""
    network: str = ""


def judge_claims(
    claims: Iterable[Claim],
    scores: Scores,
    dataset: str,
    paper_setting: bool,
    about: str | None = None,
    stands_for: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """Every claim about a data set, judged by what was measured on it or on another.

    On data that the paper does not use, each claim is judged once, by its direction.

    Args:
        claims: a paper's.
        scores: what was measured on `dataset`.
        dataset: if claims are about another one, only their direction is judged.
        paper_setting: whether the recipe is the paper's.
        about: the data set whose claims are judged; by default `dataset`, or all if none are.
        stands_for: network of a claim -> ours in its place.
    """
    claims = list(claims)
    own = [claim for claim in claims if claim.dataset == (about or dataset)] or _once(claims)
    out = []
    for claim in own:
        network = (stands_for or {}).get(claim.network, claim.network)
        measured = scores.gain(*claim.cells(network), claim.metric)
        instead = network if network != claim.network else ""
        same = paper_setting and claim.dataset == dataset and not instead
        word = judge(measured, claim.points or 0.0, same)
        out.append(Verdict(claim, dataset, measured, word, network=instead))
    return out


def _once(claims: list[Claim]) -> list[Claim]:
    """The first claim of each pair of cells and metric, whatever the data."""
    found: dict[tuple[str, str, str], Claim] = {}
    for claim in claims:
        found.setdefault((*claim.cells(), claim.metric), claim)
    return list(found.values())


def judge(measured: Estimate | None, claimed: float, same_setting: bool) -> str:
    """The verdict on a claimed positive effect.

    Args:
        measured: our effect.
        claimed: the paper's, above 0.
        same_setting: whether data and recipe are the paper's; else sizes are not compared.
    Returns:
        "not tested" without a measurement. If the interval excludes 0 on the claimed side:
        "reproduced" if in the same setting it contains the claimed effect, else "direction only".
        If it excludes 0 on the other side: "not reproduced". If it contains 0: "not reproduced" if
        in the same setting it excludes the claimed effect, else "inconclusive".
    """
    if measured is None:
        return "not tested"
    if not measured.contains(0):
        if measured.mean < 0:
            return "not reproduced"
        return "reproduced" if same_setting and measured.contains(claimed) else "direction only"
    return "not reproduced" if same_setting and not measured.contains(claimed) else "inconclusive"
