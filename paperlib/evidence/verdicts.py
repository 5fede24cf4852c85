"""What an interval says of a claim."""

from paperlib.evidence.estimates import Estimate


def judge(measured: Estimate | None, claimed: float, same_setting: bool) -> str:
    """The verdict on a claimed positive effect.

    Args:
        measured: our effect.
        claimed: the paper's, above 0.
        same_setting: whether data and recipe are the paper's; if not, effects are not compared in
            size.
    Returns:
        "not tested" without a measurement; "reproduced" if the interval excludes 0 on the claimed
        side and, in the same setting, contains the claimed effect; "direction only" if it excludes
        0 on the claimed side otherwise; "not reproduced" if it excludes 0 on the other side, or in
        the same setting contains 0 and not the claimed effect; "inconclusive" if it contains 0 and
        leaves the claimed effect possible.
    """
    if measured is None:
        return "not tested"
    if not measured.contains(0):
        if measured.mean < 0:
            return "not reproduced"
        return "reproduced" if same_setting and measured.contains(claimed) else "direction only"
    return "not reproduced" if same_setting and not measured.contains(claimed) else "inconclusive"
