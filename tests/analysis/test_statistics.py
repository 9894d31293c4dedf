import math

import numpy as np
import pytest

from actsearch.analysis.statistics import Interval, mean_interval, pairs_needed, power, resolution

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


def test_the_interval_of_students_sleep_data_is_that_which_r_prints():
    found = mean_interval(SLEEP)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


def test_students_interval_is_statsmodels():
    found = mean_interval(DIFFERENCES, level=0.99)
    assert (found.low, found.high) == pytest.approx((-0.9134126440087186, 1.2789961523377908), rel=1e-12)


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


def test_few_values_prove_nothing():
    assert mean_interval([0.3]) == Interval(-math.inf, math.inf)


def test_equal_differences_prove_nothing_below_the_step_of_the_scores():
    assert mean_interval([0.1] * 3, floor=0.1).low < 0


def test_resolution_is_the_step_and_ignores_float_noise():
    assert resolution([0.90, 0.9025, 0.9075, 0.9025]) == pytest.approx(0.0025)
    assert resolution([0.9, np.float32(0.9), 0.91]) == pytest.approx(0.01)
    assert resolution([0.5, 0.5]) == resolution([]) == resolution([0.0]) == 0.0
