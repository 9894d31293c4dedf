"""What the values of tested samples say about the variance of a mean over executions.

The mean of each test part is subtracted first, so that the product of one sample's values in two executions has the
covariance that is due to the sample. Each part is then scaled such that its squares add up to the variance of its mean.
Only sums over executions are kept, so another execution costs the same however many there were.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actsearch.analysis.statistics import Array


@dataclass(frozen=True)
class SampleMoments:
    """What the values of the samples say.

    Args:
        variance: Variance of the values of one test part.
        within: The least that the variance between executions can be: that of a mean over one test part, without what
            executions share.
        shared: Covariance of two executions due to samples that both tested.
        num_test: Mean number of samples in a test part.
        num_tested: Number of samples that were tested at all.
        num_samples: Number of samples that the test parts are drawn from, judged by their overlap.
    """

    variance: float
    within: float
    shared: float
    num_test: float
    num_tested: int
    num_samples: int


class TestedSamples:
    """Sums over executions of the values of each sample.

    Example:

    >>> tested = TestedSamples()
    >>> for values in ([1.0, 0.0, 0.0], [1.0, 0.0, 1.0]):
    ...     tested.add(np.arange(3), np.array(values))
    >>> tested.moments().num_tested
    3
    """

    __test__ = False  # pytest takes a name like this for a test

    def __init__(self) -> None:
        self._sizes: list[float] = []
        self._squares: list[float] = []
        self._sums, self._times = np.zeros(0), np.zeros(0)

    def add(self, ids: NDArray[np.int64], values: Array) -> None:
        """Takes in an execution: the numbers of its tested samples and their values, both of shape (m,)."""
        size = len(values)
        scaled = (values - np.mean(values)) / math.sqrt(max(size * (size - 1), 1))
        self._sizes.append(float(size))
        self._squares.append(float(np.sum(scaled**2)))
        missing = int(ids.max(initial=-1)) + 1 - self._sums.size
        if missing > 0:
            self._sums, self._times = (np.pad(each, (0, missing)) for each in (self._sums, self._times))
        self._sums += np.bincount(ids, scaled, minlength=self._sums.size)
        self._times += np.bincount(ids, minlength=self._times.size)

    def moments(self) -> SampleMoments:
        """Returns the moments of the executions so far, of which there must be one."""
        times = self._times[self._times > 0]
        sizes, squares = np.array(self._sizes), np.array(self._squares)
        pairs = max(len(sizes) * (len(sizes) - 1), 1)
        shared = max(float(np.sum(self._sums[self._times > 0] ** 2) - np.sum(squares)) / pairs, 0.0)
        overlap = float(np.sum(times**2) - np.sum(times))
        drawn = (np.sum(sizes) ** 2 - np.sum(sizes**2)) / overlap if overlap else times.size
        mean = float(np.mean(squares))
        return SampleMoments(
            variance=float(np.mean(squares * sizes)),
            within=max(mean - shared, 0.1 * mean),
            shared=shared,
            num_test=float(np.mean(sizes)),
            num_tested=times.size,
            num_samples=max(round(drawn), times.size),
        )
