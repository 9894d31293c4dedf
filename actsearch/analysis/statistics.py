"""Statistics of paired and unpaired executions, on arrays: intervals, tests, equivalence, power.

Differences are candidate minus baseline, one for each seed that both have. Input without spread does not warn:
`floor`, the smallest standard deviation that is believed, keeps a few equal differences from proving anything
(scores that move in steps, such as accuracy on 100 samples, have a floor of one step: `resolution`).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Array = NDArray[np.float64]
EXACT_PAIRS = 12
RESAMPLES = 9999
MAX_PAIRS = 10_000


@dataclass(frozen=True)
class Interval:
    """A range from `low` to `high`; without bounds where nothing is known."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def within(self, margin: float) -> bool:
        """Whether all of it lies between -margin and +margin."""
        return -margin < self.low and self.high < margin


UNBOUNDED = Interval(-math.inf, math.inf)


def paired_differences(scores: Mapping[int, float], baseline: Mapping[int, float]) -> Array:
    """Differences by seed, over the executions that both have, in their order.

    Example:

    >>> paired_differences({1: 0.9, 2: 0.8, 4: 0.7}, {1: 0.5, 2: 0.5, 3: 0.5}).round(3).tolist()
    [0.4, 0.3]
    """
    return np.array([scores[n] - baseline[n] for n in sorted(scores.keys() & baseline.keys())], dtype=float)


def resolution(scores: ArrayLike) -> float:
    """The step in which scores move: the smallest gap between different ones; 0 where all are equal.

    Gaps below a millionth of the largest score are float noise. Close to 0 for continuous scores.
    """
    values = np.unique(np.asarray(scores, dtype=float))
    gaps = np.diff(values)
    gaps = gaps[gaps > 1e-6 * np.max(np.abs(values), initial=0.0)]
    return float(np.min(gaps)) if gaps.size else 0.0


def mean_and_error(differences: ArrayLike, *, floor: float = 0.0) -> tuple[float, float]:
    """Mean, and its standard error with a standard deviation of at least `floor`; inf for fewer than two."""
    d = np.asarray(differences, dtype=float)
    if d.size == 0:
        return math.nan, math.inf
    if d.size == 1:
        return float(d[0]), math.inf
    sd = 0.0 if np.ptp(d) == 0 else float(d.std(ddof=1))
    return float(d.mean()), max(sd, floor) / math.sqrt(d.size)


def mean_interval(differences: ArrayLike, *, level: float = 0.95, floor: float = 0.0) -> Interval:
    """Student's interval of the mean: mean ± t · sd / √n. Assumes differences close to normal.

    Example:

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(low=-0.48..., high=4.48...)
    """
    mean, error = mean_and_error(differences, floor=floor)
    if math.isinf(error):
        return UNBOUNDED
    reach = error * -float(special.stdtrit(np.size(differences) - 1, (1 - level) / 2))
    return Interval(mean - reach, mean + reach)


def t_test(differences: ArrayLike, *, shift: float = 0.0, alternative: str = "two-sided", floor: float = 0.0) -> float:
    """p of Student's test that the mean is `shift`; 1 for fewer than two values.

    Args:
        differences: One value a seed.
        shift: The mean under the null hypothesis.
        alternative: `"two-sided"`, `"greater"` or `"less"`.
        floor: The smallest standard deviation that is believed.
    """
    mean, error = mean_and_error(differences, floor=floor)
    if math.isinf(error) or math.isnan(mean):
        return 1.0
    distance = mean - shift
    t = distance / error if error > 0 else math.copysign(math.inf, distance) if distance else 0.0
    df = np.size(differences) - 1
    tails = {"greater": (1, -t), "less": (1, t), "two-sided": (2, -abs(t))}
    factor, point = tails[alternative]
    return factor * float(special.stdtr(df, point))


def bootstrap_interval(differences: ArrayLike, *, level: float = 0.95, seed: int = 0) -> Interval:
    """BCa bootstrap interval of the mean (Efron 1987): no normality assumed, but short for fewer than 10 pairs."""
    d = np.asarray(differences, dtype=float)
    if d.size < 2:
        return UNBOUNDED
    if np.ptp(d) == 0:
        return Interval(float(d[0]), float(d[0]))
    rng = np.random.default_rng(seed)
    found = stats.bootstrap((d,), np.mean, confidence_level=level, method="BCa", n_resamples=RESAMPLES, rng=rng)
    return Interval(float(found.confidence_interval.low), float(found.confidence_interval.high))


def sign_flip_test(differences: ArrayLike, *, alternative: str = "two-sided", seed: int = 0) -> float:
    """p of the permutation test that flips the signs of differences; exact up to 12 pairs.

    Assumes nothing but that under the null hypothesis each difference is as likely as its negative. Two-sided it
    cannot fall below 2 / 2^n: fewer than 6 pairs never reach 0.05.

    Example:

    >>> sign_flip_test([0.1, 0.2, 0.3, 0.4, 0.5])
    0.0625
    """
    d = np.asarray(differences, dtype=float)
    if d.size < 2 or not d.any():
        return 1.0
    found = stats.permutation_test(
        (d,),
        np.mean,
        permutation_type="samples",
        n_resamples=2**EXACT_PAIRS if d.size <= EXACT_PAIRS else RESAMPLES,
        alternative=alternative,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def wilcoxon_test(differences: ArrayLike, *, alternative: str = "two-sided") -> float:
    """p of Wilcoxon's signed-rank test; exact up to 12 pairs also with ties; zero differences are left out."""
    d = np.asarray(differences, dtype=float)
    d = d[d != 0]
    if d.size < 2:
        return 1.0
    exact = stats.PermutationMethod(n_resamples=2**EXACT_PAIRS)
    method = exact if d.size <= EXACT_PAIRS else "auto"
    return float(stats.wilcoxon(d, alternative=alternative, method=method).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given (Holm 1979).

    Example:

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if len(p_values) else []


def equivalence_test(differences: ArrayLike, margin: float, *, floor: float = 0.0) -> float:
    """p of two one-sided t tests that the mean lies within ±margin (Schuirmann 1987); 1 for too few values.

    Example:

    >>> equivalence_test([0.001, -0.002, 0.001, 0.0], margin=0.005) < 0.01
    True
    """
    above = t_test(differences, shift=-margin, alternative="greater", floor=floor)
    below = t_test(differences, shift=margin, alternative="less", floor=floor)
    return max(above, below)


def probability_of_improvement(scores: ArrayLike, baseline: ArrayLike) -> float:
    """Chance that one run beats one run of the baseline, ties as a half (Agarwal et al. 2021, arXiv 2108.13264).

    Example:

    >>> probability_of_improvement([0.8, 0.9], [0.7, 0.8])
    0.875
    """
    a, b = np.asarray(scores, dtype=float), np.asarray(baseline, dtype=float)
    return float(stats.mannwhitneyu(a, b).statistic / (a.size * b.size))


def power(effect: float, pairs: int, *, alpha: float = 0.05) -> float:
    """Chance that a two-sided paired t test finds a mean of `effect` standard deviations of the differences."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().power(abs(effect), pairs, alpha, alternative="two-sided")) if pairs > 1 else 0.0


def pairs_needed(effect: float, *, alpha: float = 0.05, chance: float = 0.8) -> int | None:
    """The fewest pairs with which that t test finds it; None beyond 10,000.

    Args:
        effect: Mean of the differences in their standard deviations.
        alpha: Level of the test.
        chance: Power that is wanted.

    Example:

    >>> pairs_needed(0.5), pairs_needed(1.5), pairs_needed(0.0)
    (34, 6, None)
    """
    return _fewest(lambda n: power(effect, n, alpha=alpha), chance)


def runs_needed(effect: float, *, alpha: float = 0.05, chance: float = 0.8) -> int | None:
    """The fewest runs in each of two unpaired groups; `effect` in standard deviations of a run."""
    from statsmodels.stats.power import TTestIndPower

    return _fewest(lambda n: float(TTestIndPower().power(abs(effect), n, alpha)), chance)


def unpaired_interval(
    scores: tuple[float, float, int], baseline: tuple[float, float, int], *, level: float = 0.95, pooled: bool = False
) -> Interval:
    """t interval of the difference between two groups of runs with different seeds, from their summaries.

    Args:
        scores, baseline: Mean, standard deviation and number of runs of each.
        level: Coverage.
        pooled: One standard deviation for both (Student), instead of one each (Welch).
    """
    (m1, s1, n1), (m2, s2, n2) = scores, baseline
    if min(n1, n2) < 2:
        return UNBOUNDED
    v1, v2 = s1**2 / n1, s2**2 / n2
    if pooled:
        df: float = n1 + n2 - 2
        error = math.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / df * (1 / n1 + 1 / n2))
    else:
        error = math.sqrt(v1 + v2)
        df = (v1 + v2) ** 2 / (v1**2 / (n1 - 1) + v2**2 / (n2 - 1)) if error else n1 + n2 - 2
    reach = error * float(stats.t.isf((1 - level) / 2, df))
    return Interval(m1 - m2 - reach, m1 - m2 + reach)


def summary(scores: Iterable[float]) -> tuple[float, float, int]:
    """Mean, standard deviation and number of values."""
    values = np.fromiter(scores, dtype=float)
    return float(values.mean()), float(values.std(ddof=1)) if values.size > 1 else 0.0, values.size


def _fewest(chance_at: Callable[[int], float], chance: float) -> int | None:
    """The smallest number from 2 on at which a rising chance is reached."""
    high = 2
    while chance_at(high) < chance:
        high *= 2
        if high > MAX_PAIRS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance_at(middle) >= chance else (middle, high)
    return high
