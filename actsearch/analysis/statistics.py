"""Statistics of paired executions: intervals and power; for tests, see `differences`.

Differences are candidate minus baseline, one for each seed that both have. Differences without spread raise no warning:
`floor`, a lower bound of the standard deviation, keeps a few equal differences from proving anything (scores that move
in steps, such as accuracy on 100 samples, have a floor of one step: `resolution`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]
MAX_PAIRS = 10_000


@dataclass(frozen=True)
class Interval:
    """A range from `low` to `high`; infinite if nothing is known.

    Args:
        low, high: Its ends, which belong to it, in the units of what it is an interval of.

    Example:

    >>> gain = Interval(-0.002, 0.004)
    >>> 0 in gain, gain.within(0.005), gain.within(0.003)
    (True, True, False)
    """

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def within(self, margin: float) -> bool:
        """Returns whether the whole interval is between -margin and +margin."""
        return -margin < self.low and self.high < margin


UNBOUNDED = Interval(-math.inf, math.inf)


def resolution(scores: ArrayLike) -> float:
    """Returns the step in which scores move: the smallest gap between different ones; 0 if all are equal.

    Gaps below a millionth of the largest score count as rounding errors. It is close to 0 for continuous scores.
    """
    values = np.unique(np.asarray(scores, dtype=float))
    gaps = np.diff(values)
    gaps = gaps[gaps > 1e-6 * np.max(np.abs(values), initial=0.0)]
    return float(np.min(gaps)) if gaps.size else 0.0


def mean_and_error(differences: ArrayLike, *, floor: float = 0.0) -> tuple[float, float]:
    """Returns the mean and its standard error, with an SD of at least `floor`; inf for fewer than two."""
    d = np.asarray(differences, dtype=float)
    if d.size == 0:
        return math.nan, math.inf
    if d.size == 1:
        return float(d[0]), math.inf
    sd = 0.0 if np.ptp(d) == 0 else float(d.std(ddof=1))
    return float(d.mean()), max(sd, floor) / math.sqrt(d.size)


def mean_interval(differences: ArrayLike, *, level: float = 0.95, floor: float = 0.0) -> Interval:
    """Computes Student's interval of the mean: mean ± t · sd / √n. Assumes differences close to normal.

    Example:

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(low=-0.48..., high=4.48...)
    """
    mean, error = mean_and_error(differences, floor=floor)
    if math.isinf(error):
        return UNBOUNDED
    reach = error * -float(special.stdtrit(np.size(differences) - 1, (1 - level) / 2))
    return Interval(mean - reach, mean + reach)


def power(effect: float, pairs: int, *, alpha: float) -> float:
    """Computes the power of a two-sided paired t test for a mean of `effect` standard deviations of the differences.

    Under that mean, t has the noncentral t distribution with noncentrality |effect| · √pairs.

    Args:
        effect: Mean of the differences in units of their standard deviation.
        pairs: Number of differences.
        alpha: Level of the test.

    Example:

    >>> round(power(0.5, 34, alpha=0.05), 4)
    0.8078
    """
    if pairs < 2:
        return 0.0
    df = pairs - 1
    noncentrality = abs(effect) * math.sqrt(pairs)
    critical = -special.stdtrit(df, alpha / 2)
    below, beyond = np.nan_to_num(special.nctdtr(df, noncentrality, [critical, -critical]), nan=0.0)  # nan: far below
    return float(1 - below + beyond)


def pairs_needed(effect: float, *, alpha: float, chance: float = 0.8) -> int | None:
    """Returns the smallest number of pairs with which that t test has the wanted power; None above 10,000.

    Args:
        effect: Mean of the differences in units of their standard deviation.
        alpha: Level of the test.
        chance: Wanted power.

    Example:

    >>> pairs_needed(0.5, alpha=0.05), pairs_needed(1.5, alpha=0.05), pairs_needed(0.0, alpha=0.05)
    (34, 6, None)
    """
    high = 2
    while power(effect, high, alpha=alpha) < chance:
        high *= 2
        if high > MAX_PAIRS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if power(effect, middle, alpha=alpha) >= chance:
            high = middle
        else:
            low = middle
    return high
