"""The differences of a candidate from the baseline: their interval and tests, for new data or for these data.

The judged score of an execution is a mean of per-sample values over its test part. Over fresh data sets of the same
size, the mean over J executions has the variance

    V = single / J + lasting

- `single` is the variance between executions on one data set. A few executions say little about it; the values within
  their test parts say more, because a score is at least as uncertain as the mean of its samples. So it is estimated in
  units of that variance, together with the other candidates of the search (`pooled`) and a weak prior.
- `lasting` is the covariance of two executions on one data set: more executions do not reduce it, only more data do.
  Its first part comes from samples that several executions tested, and is estimated from them. Its second, smaller part
  comes from samples that several executions were trained on; it cannot be seen in one search, and is assumed.

The degrees of freedom are Satterthwaite's. `docs/design/statistics.md` says why, and what `benchmarks/coverage.py`
measured.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from actsearch.analysis.sample_moments import SampleMoments, TestedSamples
from actsearch.analysis.statistics import UNBOUNDED, Array, Interval, mean_and_error, pairs_needed
from actsearch.records import SampleScores, Scope

Samples = tuple[tuple[NDArray[np.int64], Array], ...]
MAX_SAMPLES = 100_000_000
MANY_EXECUTIONS = 30
REASONABLE_EXECUTIONS = 100  # beyond them, and ten times those so far, a shortage of data is what is told
POWER_OF_DIFFERENCE, POWER_OF_EQUIVALENCE = 0.8, 0.9

# Chosen by `benchmarks/coverage.py`.
PRIOR_RATIO, PRIOR_DF = 1.25, 0.5  # training adds a quarter to the variance of the test samples; a weak belief
POOLED_WEIGHT = 0.4  # what an execution of another candidate says about `single`, relative to one of its own
OUTLYING = 0.95  # quantile beyond which a candidate is not like the others
TRAINING = 0.1  # lasting variance due to training, in units of a sample's variance per training sample
TRAINING_PER_TEST = 3  # training samples per test sample, if unknown: 60/20/20


@dataclass(frozen=True)
class Spread:
    """The variance between executions in units of that within test parts, and its degrees of freedom."""

    ratio: float
    df: float


@dataclass(frozen=True)
class Variance:
    """The components of the variance of the mean over `size` executions.

    Args:
        size: Number of executions, J.
        single: Variance between executions on one data set.
        lasting: Covariance of two executions on one data set, which more executions do not reduce.
        df_single, df_lasting: Degrees of freedom of the two.
    """

    size: int
    single: float
    lasting: float
    df_single: float
    df_lasting: float

    def total(self, size: float) -> float:
        """Returns the variance of the mean over that many executions."""
        return self.single / size + self.lasting

    def df(self, size: float) -> float:
        """Returns Satterthwaite's degrees of freedom with that many executions."""
        part, total = self.single / size, self.total(size)
        if total == 0:
            return size - 1
        grown = self.df_single * (size - 1) / (self.size - 1)
        return total**2 / (part**2 / grown + self.lasting**2 / self.df_lasting)


@dataclass(frozen=True, eq=False)
class Differences:
    """Oriented differences of the judged score, and of the judged values of the samples where they are known.

    Args:
        means: Difference of the judged score for each execution, shape (J,); larger is better.
        samples: For each execution, the indices of its tested samples, shape (m_j,), and the oriented differences of
            their judged values, shape (m_j,), whose mean is the difference of the judged score; or the moments of all.
            None where unknown.
        floor: Lower bound of the standard deviation of `means`, for scores that move in steps.
        scope: What the interval is for. Without `samples`, and with fewer than two executions, it is Student's over
            executions for either scope.
        num_samples: Number of samples that the test parts are drawn from; None to estimate it from their overlap.
        num_training: Number of training samples of an execution; None if unknown: three for each test sample.
        spread: What the other candidates say about the variance between executions; see `pooled`.

    Example:

    >>> tested, values = np.arange(4), np.array([1.0, 0.0, 0.0, 1.0])
    >>> found = Differences(np.array([0.5, 0.5, 0.5]), ((tested, values),) * 3)
    >>> found.interval(0.95).low < 0 < found.share_of_samples
    True
    """

    means: Array
    samples: Samples | SampleMoments | None = None
    floor: float = 0.0
    scope: Scope = Scope.NEW_DATA
    num_samples: int | None = None
    num_training: int | None = None
    spread: Spread = Spread(1.0, 0.0)

    @property
    def size(self) -> int:
        """Number of executions, J."""
        return int(np.size(self.means))

    @cached_property
    def mean(self) -> float:
        """Mean difference; nan without executions."""
        return mean_and_error(self.means)[0]

    @cached_property
    def standard_error(self) -> float:
        """Standard error of the mean for the scope; inf for fewer than two executions."""
        variance = self._variance
        return math.inf if variance is None else math.sqrt(variance.total(self.size))

    @cached_property
    def df(self) -> float:
        """Degrees of freedom of the standard error; 0 for fewer than two executions."""
        variance = self._variance
        return 0.0 if variance is None else variance.df(self.size)

    @property
    def share_of_samples(self) -> float:
        """Part of the variance that more executions would not reduce, only more data, from 0 to 1."""
        variance = self._variance
        if variance is None or variance.lasting == 0:
            return 0.0
        return variance.lasting / variance.total(self.size)

    def interval(self, level: float) -> Interval:
        """Computes the interval of the mean difference at a confidence level."""
        if self._variance is None:
            return UNBOUNDED
        reach = self.standard_error * -float(special.stdtrit(self.df, (1 - level) / 2))
        return Interval(self.mean - reach, self.mean + reach)

    def p_value(self, *, shift: float = 0.0, alternative: str = "two-sided") -> float:
        """Computes p of the test that the mean difference is `shift`; 1 for fewer than two executions.

        Args:
            shift: Mean difference under the null hypothesis.
            alternative: `"two-sided"`, `"greater"` or `"less"`.
        """
        if self._variance is None:
            return 1.0
        distance, error = self.mean - shift, self.standard_error
        t = distance / error if error > 0 else math.copysign(math.inf, distance) if distance else 0.0
        tails = {"greater": (1, -t), "less": (1, t), "two-sided": (2, -abs(t))}
        factor, point = tails[alternative]
        return factor * float(special.stdtr(self.df, point))

    def equivalence_p_value(self, margin: float) -> float:
        """Computes p of two one-sided tests that the mean difference is within ±margin (Schuirmann 1987)."""
        above = self.p_value(shift=-margin, alternative="greater")
        below = self.p_value(shift=margin, alternative="less")
        return max(above, below)

    def executions_needed(self, *, margin: float, alpha: float) -> int | None:
        """Estimates how many executions in total would decide, if mean and variances do not change.

        Args:
            margin: Difference that does not matter; 0 to consider no equivalence.
            alpha: Level of the two-sided test.

        Returns:
            The smallest number with a power of 0.8 for the difference or 0.9 for equivalence; None if none has, or if
            it takes so many that more data is the better advice.
        """
        variance = self._variance
        if variance is None or variance.total(self.size) == 0:
            return None
        if variance.lasting == 0:
            sd = math.sqrt(variance.single)
            needed = [pairs_needed(self.mean / sd, alpha=alpha)]
            if abs(self.mean) < margin:
                needed.append(pairs_needed((margin - abs(self.mean)) / sd, alpha=alpha, chance=POWER_OF_EQUIVALENCE))
            return min((n for n in needed if n is not None), default=None)
        most = max(REASONABLE_EXECUTIONS, 10 * self.size)
        return _smallest(
            lambda size: self._decides(variance.total(size), variance.df(size), margin, alpha), self.size, most
        )

    def samples_needed(self, *, margin: float, alpha: float) -> int | None:
        """Estimates how many samples to draw test parts from would decide, with 30 executions or those so far.

        Args:
            margin: Difference that does not matter; 0 to consider no equivalence.
            alpha: Level of the two-sided test.

        Returns:
            The smallest number, from those of now; None if none does, or if they are not known.
        """
        variance = self._variance
        if variance is None or variance.lasting == 0:
            return None
        tested, size = self.num_drawn, max(self.size, MANY_EXECUTIONS)
        total, df = variance.total(size) * tested, variance.df(size) / tested
        return _smallest(lambda n: self._decides(total / n, df * n, margin, alpha), tested, MAX_SAMPLES)

    def _decides(self, variance: float, df: float, margin: float, alpha: float) -> bool:
        """Returns whether a mean like this one would probably be shown to be different, or equivalent."""
        error, critical = math.sqrt(variance), -special.stdtrit(df, alpha / 2)
        if abs(self.mean) >= error * (critical + special.stdtrit(df, POWER_OF_DIFFERENCE)):
            return True
        room = margin - abs(self.mean)
        return room > 0 and bool(room >= error * (critical + special.stdtrit(df, POWER_OF_EQUIVALENCE)))

    @property
    def num_tested(self) -> int:
        """Number of different samples that were tested; 0 if they are not known."""
        return 0 if self.moments is None else self.moments.num_tested

    @cached_property
    def num_drawn(self) -> int:
        """Number of samples that the test parts are drawn from."""
        return self.num_samples or (0 if self.moments is None else self.moments.num_samples)

    @cached_property
    def moments(self) -> SampleMoments | None:
        if self.samples is None or self.scope is Scope.THESE_DATA or self.size < 2:
            return None
        return self.samples if isinstance(self.samples, SampleMoments) else _moments(self.samples)

    @cached_property
    def _between(self) -> float:
        """Variance between executions as observed, whatever the floor."""
        return mean_and_error(self.means)[1] ** 2 * self.size

    @cached_property
    def ratio(self) -> float | None:
        """Variance between executions in units of that within test parts; None if nothing varies within them."""
        return self._between / self.moments.within if self.moments and self.moments.within > 0 else None

    @cached_property
    def _variance(self) -> Variance | None:
        if self.size < 2:
            return None
        own, single = self.size - 1, max(self._between, self.floor**2)
        if self.moments is None:
            return Variance(self.size, single, 0.0, own, math.inf)
        found, df = self.moments, float(own)
        if self.ratio is not None:
            prior = PRIOR_DF + self.spread.df
            ratio = (PRIOR_DF * PRIOR_RATIO + self.spread.df * self.spread.ratio) / prior
            if self.ratio <= ratio * special.fdtri(own, prior, OUTLYING):
                df = own + prior
                single = found.within * (own * self.ratio + prior * ratio) / df
            single = max(single, found.within, self.floor**2)
        training = TRAINING * found.variance / (self.num_training or TRAINING_PER_TEST * found.num_test)
        return Variance(self.size, single, found.shared + training, df, max(found.num_tested - 1, 1))


class Pairs:
    """The executions that a trial and another both completed; only sums of their sample scores are kept.

    Args:
        sign: 1 if larger scores are better, else -1.

    Attributes:
        means: Oriented difference of the scores of each pair.

    Example:

    >>> pairs = Pairs(1)
    >>> pairs.add(0.25); pairs.add(0.75)
    >>> pairs.differences(floor=0.0, scope=Scope.NEW_DATA).mean
    0.5
    """

    def __init__(self, sign: int) -> None:
        self.means: list[float] = []
        self._sign = sign
        self._tested: TestedSamples | None = TestedSamples()

    def add(self, difference: float, own: SampleScores | None = None, other: SampleScores | None = None) -> None:
        """Takes in an execution: the difference of the scores and, where they are known, the sample scores of both."""
        self.means.append(self._sign * difference)
        if own is None or other is None or not np.array_equal(own.ids, other.ids):
            self._tested = None
        elif self._tested is not None:
            self._tested.add(own.ids, self._sign * (own.values.astype(float) - other.values.astype(float)))

    def differences(
        self, *, floor: float, scope: Scope, num_samples: int | None = None, num_training: int | None = None
    ) -> Differences:
        """Returns the differences so far; arguments as for `Differences`."""
        means = np.array(self.means, dtype=float)
        if self._tested is None or not self.means:
            return Differences(means, None, floor, scope)
        return Differences(means, self._tested.moments(), floor, scope, num_samples, num_training)


def _moments(samples: Samples) -> SampleMoments:
    tested = TestedSamples()
    for ids, values in samples:
        tested.add(ids, values)
    return tested.moments()


def pooled(differences: Sequence[Differences]) -> tuple[Differences, ...]:
    """Returns the differences of all candidates of a search, each with what the others say about `single`.

    Candidates differ in it less than a few executions can tell. One whose training is far less stable says nothing
    about the others.

    Example:

    >>> tested, values = np.arange(4), np.array([1.0, 0.0, 0.0, 1.0])
    >>> one = Differences(np.array([0.5, 0.6, 0.4]), tuple((tested, values + step) for step in (0.0, 0.1, -0.1)))
    >>> [round(found.spread.df, 1) for found in pooled([one, one, one])]
    [1.6, 1.6, 1.6]
    """
    known = {i: d.ratio for i, d in enumerate(differences) if d.ratio is not None}
    usual = sorted(known.values())[(len(known) - 1) // 2] if known else 0.0
    weights = {i: POOLED_WEIGHT * (differences[i].size - 1) for i in known}
    alike = {i for i in known if known[i] <= usual * special.fdtri(*[differences[i].size - 1] * 2, OUTLYING)}
    total, product = sum(weights[i] for i in alike), sum(known[i] * weights[i] for i in alike)
    found = []
    for i, own in enumerate(differences):
        others = len(alike) - (i in alike)
        df = total - (weights[i] if i in alike else 0.0) if others else 0.0
        ratio = (product - (known[i] * weights[i] if i in alike else 0.0)) / df if df else 1.0
        found.append(replace(own, spread=Spread(ratio, df)))
        vars(found[-1])["moments"] = own.moments  # the costly part
    return tuple(found)


def _smallest(decides: Callable[[int], bool], low: int, high: int) -> int | None:
    """Returns the smallest number in the range that decides; None if the largest does not."""
    if not decides(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return low
