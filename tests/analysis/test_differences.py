import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from actsearch.analysis.differences import Differences, pooled
from actsearch.analysis.statistics import UNBOUNDED, mean_interval, pairs_needed
from actsearch.records import Scope

MEANS = np.array([0.02, 0.05, -0.01, 0.03, 0.04])


def search(rng, *, splits, executions, size=120, sample=1.0, training=0.1, noise=1.0, candidates=1):
    """Differences of candidates that are equal to the baseline: effects of samples, of trainings, and noise."""
    num = size // 5
    first = rng.permutation(size)[:num]
    tested = [first if splits == "one" else rng.permutation(size)[:num] for _ in range(executions)]
    found = []
    for _ in range(candidates):
        of_samples = rng.normal(0, sample, size)
        of_trainings = rng.normal(0, training, executions)
        values = [
            of_samples[index] + effect + rng.normal(0, noise, num)
            for index, effect in zip(tested, of_trainings, strict=True)
        ]
        found.append(Differences(np.array([v.mean() for v in values]), tuple(zip(tested, values, strict=True))))
    return pooled(found)


def one(seed=1, **options):
    return search(np.random.default_rng(seed), **{"splits": "each", "executions": 4, **options})[0]


@pytest.mark.parametrize("found", [replace(one(), scope=Scope.THESE_DATA), Differences(MEANS, floor=0.01)])
def test_for_these_data_or_without_samples_it_is_students_interval(found):
    d, floor = found.means, found.floor
    assert (found.size, found.df, found.share_of_samples) == (len(d), len(d) - 1, 0.0)
    interval, expected = found.interval(0.9), mean_interval(d, level=0.9, floor=floor)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    for alternative in ("two-sided", "greater", "less"):
        expected_p = stats.ttest_1samp(d, 0.02, alternative=alternative).pvalue
        assert found.p_value(shift=0.02, alternative=alternative) == pytest.approx(expected_p, rel=1e-9)
    above, below = (stats.ttest_1samp(d, s, alternative=a).pvalue for s, a in ((-0.1, "greater"), (0.1, "less")))
    assert found.equivalence_p_value(0.1) == pytest.approx(max(above, below), rel=1e-9)
    assert found.executions_needed(margin=0.0, alpha=0.01) == pairs_needed(d.mean() / d.std(ddof=1), alpha=0.01)
    assert found.samples_needed(margin=0.0, alpha=1e-9) is None


def test_without_samples_the_tests_are_those_that_r_and_statsmodels_print():
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]  # Student 1908: hours gained, one drug minus the other
    assert Differences(np.array(sleep)).p_value() == pytest.approx(0.002833, abs=5e-7)
    first = np.random.default_rng(0).normal(0, 1, 30)
    second = first + np.random.default_rng(1).normal(0.1, 0.3, 30)
    expected = 2.412720380319918e-05  # statsmodels' TOST
    assert Differences(first - second).equivalence_p_value(0.3) == pytest.approx(expected, rel=1e-9)


def test_variance_of_two_overlapping_test_parts_is_that_computed_by_hand():
    samples = (np.array([0, 1]), np.array([1.0, 0.0])), (np.array([0, 1, 2]), np.array([1.0, 0.0, 0.5]))
    found = Differences(np.array([0.5, 0.5]), samples)
    shared = 0.5 / math.sqrt(12)  # each part scaled to ±1/√8 and ±1/√24: 2 · 1/√8 · 1/√24
    within = (0.25 + 1 / 12) / 2 - shared
    training = 0.1 * (0.5 + 0.25) / 2 / (3 * 2.5)
    assert found.standard_error**2 == pytest.approx(within / 2 + shared + training, rel=1e-12)
    assert found.share_of_samples == pytest.approx((shared + training) / found.standard_error**2, rel=1e-12)


@given(seed=st.integers(0, 10_000), splits=st.sampled_from(["each", "one"]), executions=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_interval_depends_on_neither_the_order_nor_the_labels_nor_the_unit(seed, splits, executions):
    found = one(seed, splits=splits, executions=executions, size=60)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(index)) for index, _ in found.samples]
    mixed = tuple((999 - index[o], -7 * v[o]) for o, (index, v) in zip(orders, found.samples, strict=True))
    other = replace(found, means=-7 * found.means[::-1], samples=mixed[::-1])
    interval, mirrored = found.interval(0.95), other.interval(0.95)
    assert (-7 * interval.high, -7 * interval.low) == pytest.approx((mirrored.low, mirrored.high), rel=1e-9)
    assert other.p_value() == pytest.approx(found.p_value(), rel=1e-6)


@given(seed=st.integers(0, 10_000), levels=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)))
@settings(max_examples=40, deadline=None)
def test_interval_widens_with_the_level_and_agrees_with_the_p_value(seed, levels):
    found, (low, high) = one(seed, executions=3, size=60), sorted(levels)
    narrow, wide = found.interval(low), found.interval(high)
    assert wide.low <= narrow.low <= found.mean <= narrow.high <= wide.high
    assert found.p_value(shift=narrow.high) == pytest.approx(1 - low, rel=1e-6)


@pytest.mark.parametrize("executions", [3, 10, 30])
def test_a_sample_that_is_tested_again_and_again_counts_once(executions):
    index, value = np.arange(40), np.random.default_rng(2).normal(0.2, 1.0, 40)
    found = Differences(np.full(executions, value.mean()), ((index, value),) * executions)
    of_samples = value.std(ddof=1) / math.sqrt(40)
    assert of_samples < found.standard_error < 1.05 * of_samples
    assert found.share_of_samples > 0.95
    assert found.df > 35


def test_with_one_test_part_few_executions_still_have_many_degrees_of_freedom():
    found = one(splits="one", executions=3, sample=3.0, noise=0.3, training=0.01)
    assert found.df > 15
    assert found.share_of_samples > 0.9


def test_disjoint_test_parts_share_no_samples():
    values = np.random.default_rng(3).normal(size=(5, 20))
    parts = np.arange(100).reshape(5, 20)
    found = Differences(values.mean(1), tuple(zip(parts, values, strict=True)))
    training = 0.1 * values.var(1, ddof=1).mean() / 60
    assert found.share_of_samples * found.standard_error**2 == pytest.approx(training)
    halved = replace(found, num_training=30)
    assert halved.share_of_samples * halved.standard_error**2 == pytest.approx(2 * training)


def test_equal_models_prove_nothing_below_the_step_of_the_scores():
    index, equal = np.arange(50), np.zeros(50)
    found = Differences(np.zeros(3), ((index, equal),) * 3, floor=0.02)
    assert found.interval(0.95).low < -0.02
    assert found.p_value() == 1.0
    assert found.equivalence_p_value(0.005) > 0.2
    assert Differences(np.zeros(3), ((index, equal),) * 3).interval(0.95).within(1e-12)
    step = np.where(index == 0, 1.0, 0.0)
    assert Differences(np.full(3, 0.02), ((index, step),) * 3, floor=0.02).p_value() > 0.2


@pytest.mark.parametrize("num", [0, 1])
def test_fewer_than_two_executions_prove_nothing(num):
    found = Differences(np.zeros(num), ((np.arange(9), np.zeros(9)),) * num)
    assert found.interval(0.95) == UNBOUNDED
    assert found.p_value() == found.equivalence_p_value(1.0) == 1.0
    assert found.standard_error == math.inf
    assert found.executions_needed(margin=0.1, alpha=0.05) is found.samples_needed(margin=0.1, alpha=0.05) is None


def test_candidates_whose_spread_is_unknown_are_left_as_they_are():
    index, equal = np.arange(50), np.zeros(50)
    unknown = [
        Differences(MEANS),
        Differences(np.zeros(3), ((index, equal),) * 3, floor=0.02),
        Differences(np.array([])),
    ]
    found = pooled([*unknown, one()])
    assert [f.spread.df for f in found] == pytest.approx([1.2, 1.2, 1.2, 0.0])
    assert [f.standard_error for f in found[:3]] == [f.standard_error for f in unknown]
    assert pooled([]) == ()


def test_samples_that_are_tested_alone_leave_the_spread_between_executions():
    found = Differences(MEANS, tuple((np.array([i]), MEANS[i : i + 1]) for i in range(5)))
    assert found.standard_error == pytest.approx(MEANS.std(ddof=1) / math.sqrt(5))
    assert pooled([found, found])[0].spread.df == 0


def test_candidates_alike_narrow_each_other_and_one_that_is_not_alike_keeps_its_own_spread():
    alike = search(np.random.default_rng(5), splits="each", executions=3, candidates=4)
    alone = [replace(found, spread=one().spread.__class__(1.0, 0.0)) for found in alike]
    width = [np.mean([f.interval(0.95).high - f.mean for f in family]) for family in (alike, alone)]
    assert width[0] < 0.9 * width[1]
    unlike = replace(alike[0], means=alike[0].means + np.array([-9.0, 0.0, 9.0]))
    found = pooled([unlike, *alike[1:]])[0]
    assert found.df == pytest.approx(2.0, abs=0.1)
    assert found.standard_error == pytest.approx(unlike.means.std(ddof=1) / math.sqrt(3), rel=0.01)
    assert pooled([unlike, *alike[1:]])[1].spread.df == pytest.approx(2 * 0.4 * 2)


def test_where_executions_are_the_limit_more_of_them_decide():
    found = replace(one(3, executions=5, sample=0.0, noise=0.1, training=1.0))
    found = replace(found, means=found.means - found.means.mean() + 0.5)
    needed = found.executions_needed(margin=0.0, alpha=0.05)
    assert 10 < needed < 60
    assert found.executions_needed(margin=0.0, alpha=0.001) > needed


@pytest.mark.parametrize(("splits", "size"), [("one", 150), ("each", 120)])
def test_where_samples_are_the_limit_only_more_of_them_decide(splits, size):
    found = one(4, splits=splits, executions=10, sample=3.0, noise=0.3, training=0.01)
    found = replace(found, means=found.means - found.means.mean() + 0.15)
    assert found.executions_needed(margin=0.0, alpha=0.05) is None
    needed = found.samples_needed(margin=0.0, alpha=0.05)
    assert needed == pytest.approx((2.8 * 3.0 / 0.15) ** 2, rel=0.5)
    assert needed > size
    equivalent = replace(found, means=found.means - found.mean + 0.001)
    assert equivalent.samples_needed(margin=0.15, alpha=0.05) > needed


@pytest.mark.parametrize("seed", range(20))
def test_what_lacks_samples_lacks_more_than_there_are(seed):
    found = one(seed, splits="each", executions=3, sample=1.0, noise=0.3, training=0.05)
    if found.executions_needed(margin=0.02, alpha=0.01) is None:
        needed = found.samples_needed(margin=0.02, alpha=0.01)
        assert needed is not None
        assert needed > found.num_drawn


def test_number_of_samples_that_parts_are_drawn_from_follows_from_their_overlap():
    found = one(6, executions=8, size=300)
    assert found.num_drawn == pytest.approx(300, rel=0.2)
    assert one(6, splits="one", size=300).num_drawn == 60
    assert replace(found, num_samples=300).num_drawn == 300


@pytest.mark.parametrize(
    ("splits", "executions", "student"), [("each", 3, (0.9, 0.99)), ("one", 3, (0.75, 0.9)), ("one", 10, (0.3, 0.7))]
)
def test_nineteen_of_twenty_intervals_cover_the_difference_for_new_data(splits, executions, student):
    rng = np.random.default_rng(15)
    families = [search(rng, splits=splits, executions=executions, candidates=3) for _ in range(250)]
    covered = np.mean([0.0 in found.interval(0.95) for family in families for found in family])
    by_student = np.mean([0.0 in mean_interval(found.means, level=0.95) for family in families for found in family])
    assert 0.94 < covered < 0.99
    assert student[0] < by_student < student[1]
