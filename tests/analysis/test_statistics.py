import math

import numpy as np
import pytest
from scipy import stats

from actsearch.analysis.statistics import (
    Interval,
    equivalence_test,
    mean_interval,
    paired_differences,
    pairs_needed,
    power,
    resolution,
    t_test,
)

DIFFERENCES = np.random.default_rng(3).normal(0.4, 1.0, 15)
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]  # Student 1908: hours gained, one drug minus the other
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


def test_interval_and_p_of_students_sleep_data_are_those_that_r_prints():
    found = mean_interval(SLEEP)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)
    assert t_test(SLEEP) == pytest.approx(0.002833, abs=5e-7)


def test_students_interval_is_statsmodels():
    found = mean_interval(DIFFERENCES, level=0.99)
    assert (found.low, found.high) == pytest.approx((-0.9134126440087186, 1.2789961523377908), rel=1e-12)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_t_test_is_scipys(alternative):
    expected = stats.ttest_1samp(DIFFERENCES, 0.2, alternative=alternative).pvalue
    assert t_test(DIFFERENCES, shift=0.2, alternative=alternative) == pytest.approx(expected)


def test_equivalence_is_statsmodels_tost():
    first = np.random.default_rng(0).normal(0, 1, 30)
    second = first + np.random.default_rng(1).normal(0.1, 0.3, 30)
    assert equivalence_test(first - second, 0.3) == pytest.approx(2.412720380319918e-05, rel=1e-12)


@pytest.mark.parametrize(
    ("effect", "pairs", "alpha", "expected"),
    [
        (0.3, 20, 0.05, 0.2470890899680956),
        (0.5, 34, 0.05, 0.8077775012792737),
        (0.8, 10, 0.01, 0.3096979155434131),
        (1.5, 6, 0.05, 0.8325292798668078),
        (-2.0, 5, 0.05 / 30, 0.17576469457365285),
        (0.05, 1000, 0.05, 0.3520450126456206),
    ],
)
def test_power_is_that_of_statsmodels(effect, pairs, alpha, expected):
    assert power(effect, pairs, alpha=alpha) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 30, 1e-5])
@pytest.mark.parametrize("effect", [0.3, 0.5, 0.8, 2.0, -0.8])
def test_pairs_needed_are_the_fewest_with_the_power(effect, alpha):
    needed = pairs_needed(effect, alpha=alpha)
    assert power(effect, needed, alpha=alpha) >= 0.8 > power(effect, needed - 1, alpha=alpha)


def test_fewer_pairs_are_needed_at_a_laxer_level():
    """statsmodels needs 64 at 0.001 and 46 at 0.0001: where a tail is too small to be computed, its power is nan."""
    needed = [pairs_needed(0.8, alpha=alpha) for alpha in (1e-5, 1e-4, 1e-3, 1e-2)]
    assert needed == sorted(needed, reverse=True)
    assert all(0 <= power(effect, 9000, alpha=0.01) <= 1 for effect in (0.0, 0.1, 1.0, 60.0))


def test_no_number_of_pairs_shows_nothing():
    assert pairs_needed(0.0, alpha=0.05) is None
    assert power(0.5, 1, alpha=0.05) == 0.0


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_input_gives_an_answer_without_a_warning(name):
    d = DEGENERATE[name]
    interval = mean_interval(d)
    assert interval.low <= interval.high
    for p in (t_test(d), equivalence_test(d, 0.5)):
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
