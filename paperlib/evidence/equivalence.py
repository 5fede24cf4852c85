"""Whether two methods are as good as each other.

Equivalence has to be shown; a difference that was not found does not show it.

Two one-sided t tests (TOST; Schuirmann, J. Pharmacokin. Biopharm. 1987) of differences that are
paired by seed. The two null hypotheses are that the true difference is at least the margin, and
that it is at most minus the margin; both must fall. With few seeds and a large spread nothing
falls, and the verdict is "undecided", not "equal".
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# scipy.stats has the same and takes a second to import
from scipy.special import stdtr, stdtrit

from paperlib.errors import UserError

LEVEL = 0.05  # of each one-sided test, and of the two-sided one
EQUIVALENT, DIFFERENT, UNDECIDED = "equivalent", "different", "undecided"


@dataclass(frozen=True)
class Equivalence:
    """What paired differences say about a margin, in the units of the differences.

    Attributes:
        mean, n: of the differences.
        margin: the largest difference that counts as none, fixed beforehand.
        p: of TOST, the larger one of the two one-sided tests; 1 for a single difference.
        half90, half: half the widths of the 90 % and 95 % t-interval; infinite for one difference.
    """

    mean: float
    n: int
    margin: float
    p: float
    half90: float
    half: float

    @property
    def interval90(self) -> tuple[float, float]:
        """The 90 % interval."""
        return self.mean - self.half90, self.mean + self.half90

    @property
    def verdict(self) -> str:
        """One of "equivalent", "different" and "undecided".

        Equivalent if p < 0.05: the 90 % interval lies within (-margin, margin), even where it
        excludes 0. Else different if the 95 % interval excludes 0, by however little.
        """
        if self.p < LEVEL:
            return EQUIVALENT
        return DIFFERENT if abs(self.mean) > self.half else UNDECIDED

    def text(self) -> str:
        """For a table: "+0.12 [-0.20, +0.44] (5)": mean, 90 % interval and number of seeds."""
        low, high = self.interval90
        interval = "" if math.isinf(self.half90) else f" [{low:+.2f}, {high:+.2f}]"
        return f"{self.mean:+.2f}{interval} ({self.n})"


def tost(differences: Sequence[float], margin: float) -> Equivalence:
    """Test whether the mean of independent, about normal differences lies within +-margin.

    Args:
        differences: one per seed, each of two runs with all else alike; at least one. Equal ones
            have intervals of no width, and p is 0 or 1.
        margin: above 0.
    Raises:
        UserError: no difference, or a margin that is not above 0.
    """
    n = len(differences)
    if n < 1 or not margin > 0:
        wanted = "a difference and a margin above 0"
        raise UserError(f"equivalence needs {wanted}: not {n} and {margin:g}")
    mean = statistics.fmean(differences)
    if n == 1:
        return Equivalence(mean, n, margin, 1.0, math.inf, math.inf)
    error = statistics.stdev(differences) / math.sqrt(n)
    # the distance to the nearer end of the margin, whose test has the larger p-value
    nearer = margin - abs(mean)
    p = float(stdtr(n - 1, -nearer / error)) if error else float(nearer <= 0)
    half90, half = (float(stdtrit(n - 1, 1 - tail)) * error for tail in (LEVEL, LEVEL / 2))
    return Equivalence(mean, n, margin, p, half90, half)
