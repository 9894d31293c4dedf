import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from actsearch.analysis.statistics import (
    Interval,
    bootstrap_interval,
    equivalence_test,
    holm,
    mean_interval,
    paired_differences,
    pairs_needed,
    power,
    probability_of_improvement,
    resolution,
    sign_flip_test,
    summary,
    t_test,
    unpaired_interval,
    wilcoxon_test,
)

DIFFERENCES = np.random.default_rng(3).normal(0.4, 1.0, 15)
DEGENERATE = {
    "none": [],
    "one": [0.3],
    "equal": [0.1, 0.1, 0.1, 0.1],
    "zeros": [0.0, 0.0, 0.0],
    "ties": [0.1, -0.1, 0.1, 0.0, 0.2, 0.2],
    "two": [0.1, 0.2],
}


def test_differences_pair_the_seeds_that_both_have():
    assert paired_differences({3: 3.0, 1: 1.0, 2: 5.0}, {1: 0.5, 3: 1.0, 9: 0.0}).tolist() == [0.5, 2.0]


def test_students_interval_is_statsmodels():
    low, high = DescrStatsW(DIFFERENCES).tconfint_mean(alpha=0.01)
    found = mean_interval(DIFFERENCES, level=0.99)
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_t_test_is_scipys(alternative):
    expected = stats.ttest_1samp(DIFFERENCES, 0.2, alternative=alternative).pvalue
    assert t_test(DIFFERENCES, shift=0.2, alternative=alternative) == pytest.approx(expected)


def test_bootstrap_interval_is_close_to_students_for_many_normal_values():
    values = np.random.default_rng(0).normal(2, 1, 400)
    student, bca = mean_interval(values), bootstrap_interval(values)
    assert (bca.low, bca.high) == pytest.approx((student.low, student.high), abs=0.01)


def test_bootstrap_interval_follows_the_skew():
    values = np.random.default_rng(1).exponential(1, 40)
    found = bootstrap_interval(values)
    assert found.high - values.mean() > values.mean() - found.low


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
@pytest.mark.parametrize("pairs", [3, 8, 12])
def test_sign_flips_are_exact_up_to_12_pairs(pairs, alternative):
    d = DIFFERENCES[:pairs].round(1)
    means = np.array([np.dot(d, signs) / pairs for signs in itertools.product((1, -1), repeat=pairs)])
    above = (means >= d.mean() - 1e-12).mean()
    below = (means <= d.mean() + 1e-12).mean()
    expected = above if alternative == "greater" else min(1.0, 2 * min(above, below))
    assert sign_flip_test(d, alternative=alternative) == pytest.approx(expected)


def test_five_pairs_never_reach_five_percent():
    assert sign_flip_test([1, 2, 3, 4, 5]) > 0.05 > sign_flip_test([1, 2, 3, 4, 5, 6])


def test_wilcoxon_is_scipys_without_ties_and_exact_with_them():
    assert wilcoxon_test(DIFFERENCES) == pytest.approx(stats.wilcoxon(DIFFERENCES).pvalue)
    assert wilcoxon_test([1.0, 1.0, 1.0, 1.0]) == pytest.approx(2 / 16)


@pytest.mark.parametrize("p_values", [[0.3], [0.01, 0.04, 0.03], [0.5, 0.0, 1.0, 0.02, 0.02]])
def test_holm_adjusts_in_order(p_values):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert sorted(adjusted) == [adjusted[i] for i in np.argsort(p_values, kind="stable")]
    assert min(adjusted) == pytest.approx(min(1.0, min(p_values) * len(p_values)))


def test_equivalence_is_statsmodels_tost():
    first = np.random.default_rng(0).normal(0, 1, 30)
    second = first + np.random.default_rng(1).normal(0.1, 0.3, 30)
    expected = ttost_paired(first, second, -0.3, 0.3)[0]
    assert equivalence_test(first - second, 0.3) == pytest.approx(expected)


def test_probability_of_improvement_counts_ties_as_half():
    pairs = [(a > b) + 0.5 * (a == b) for a in (1, 2, 3) for b in (2, 2, 4)]
    assert probability_of_improvement([1, 2, 3], [2, 2, 4]) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("effect", [0.3, 0.8, 2.0, -0.8])
def test_pairs_needed_are_the_fewest_with_the_power(effect):
    needed = pairs_needed(effect)
    assert power(effect, needed) >= 0.8 > power(effect, needed - 1)


def test_no_number_of_pairs_shows_nothing():
    assert pairs_needed(0.0) is None
    assert power(0.5, 1) == 0.0


def test_unpaired_intervals_are_scipys():
    a, b = DIFFERENCES[:9], DIFFERENCES[9:] * 3
    for pooled in (True, False):
        expected = stats.ttest_ind(a, b, equal_var=pooled).confidence_interval(0.9)
        found = unpaired_interval(summary(a), summary(b), level=0.9, pooled=pooled)
        assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert math.isinf(unpaired_interval((1.0, 0.1, 1), (2.0, 0.1, 9)).high)
    assert unpaired_interval((1.0, 0.0, 4), (2.0, 0.0, 4)) == Interval(-1.0, -1.0)


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_input_gives_an_answer_without_a_warning(name):
    d = DEGENERATE[name]
    interval = mean_interval(d)
    assert interval.low <= interval.high
    assert bootstrap_interval(d).low <= bootstrap_interval(d).high
    for p in (t_test(d), sign_flip_test(d), wilcoxon_test(d), equivalence_test(d, 0.5)):
        assert 0 <= p <= 1


def test_few_values_prove_nothing():
    assert mean_interval([0.3]) == Interval(-math.inf, math.inf)
    assert t_test([0.3]) == t_test([]) == equivalence_test([0.0], 1.0) == 1.0


def test_equal_differences_prove_nothing_below_the_step_of_the_scores():
    assert t_test([0.1] * 3) == 0.0
    assert t_test([0.1] * 3, floor=0.1) > 0.05
    assert mean_interval([0.1] * 3, floor=0.1).low < 0


def test_resolution_is_the_step_and_ignores_float_noise():
    assert resolution([0.90, 0.9025, 0.9075, 0.9025]) == pytest.approx(0.0025)
    assert resolution([0.9, np.float32(0.9), 0.91]) == pytest.approx(0.01)
    assert resolution([0.5, 0.5]) == resolution([]) == resolution([0.0]) == 0.0
