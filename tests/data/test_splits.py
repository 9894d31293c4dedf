"""Splits: which samples are in which part, for each execution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.data.arrays import split_indices
from actsearch.data.splits import SHORTEST, Splits, num_folds
from actsearch.errors import DataError, UsageError

KINDS = ("each", "one", "3-fold")


def overlap(parts):
    together = np.concatenate(parts)
    return len(together) - len(np.unique(together))


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(KINDS), st.integers(20, 200), st.integers(0, 5), st.integers(1, 9))
def test_parts_never_overlap_and_hold_every_sample(kind, num_samples, seed, execution):
    parts = Splits(kind, num_samples, seed)(execution)
    assert overlap(parts) == 0
    assert sum(map(len, parts)) == num_samples
    assert all(len(part) for part in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_and_the_execution_decide_and_nothing_else(kind):
    first, again, other = Splits(kind, 50, 1), Splits(kind, 50, 1), Splits(kind, 50, 2)
    for execution in (1, 2, 5):
        assert all(map(np.array_equal, first(execution), again(execution)))
    assert not np.array_equal(first(1)[-1], other(1)[-1])
    assert np.array_equal(first(1)[-1], first(2)[-1]) == (kind == "one")


def test_the_first_execution_has_the_split_that_one_has():
    labels = np.arange(60) % 3
    expected = split_indices(60, seed=7, labels=labels)
    for kind in ("each", "one"):
        assert all(map(np.array_equal, Splits(kind, 60, 7, labels=labels)(1), expected))


def test_folds_test_every_sample_once_in_each_repetition():
    splits = Splits("4-fold", 41, 0, labels=np.arange(41) % 2)
    first = np.concatenate([splits(n)[-1] for n in range(1, 5)])
    second = np.concatenate([splits(n)[-1] for n in range(5, 9)])
    assert sorted(first) == sorted(second) == list(range(41))
    assert not np.array_equal(splits(1)[-1], splits(5)[-1])


def test_each_part_has_every_class_in_proportion():
    labels = np.repeat([0, 1], [80, 20])
    for kind in KINDS:
        for part in Splits(kind, 100, 3, labels=labels)(2):
            assert labels[part].mean() == pytest.approx(0.2, abs=0.04)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(KINDS), st.lists(st.integers(1, 12), min_size=6, max_size=20), st.integers(1, 6))
def test_no_group_is_in_two_parts(kind, sizes, execution):
    groups = np.repeat(np.arange(len(sizes)), sizes).astype(str)
    parts = Splits(kind, len(groups), 0, groups=groups)(execution)
    names = [set(groups[part]) for part in parts]
    assert sum(map(len, names)) == len(sizes)
    assert all(names)


def test_a_part_that_would_be_empty_gets_the_smallest_group_of_the_fullest():
    groups = np.repeat(np.arange(6), [1, 1, 1, 3, 12, 12])
    assert all(len(part) for part in Splits("each", 30, 0, groups=groups)(1))


def test_a_group_that_is_most_of_the_data_is_trained_on():
    groups = np.array([0] * 90 + [1, 2, 3])
    for execution in range(1, 6):
        assert 0 in groups[Splits("each", 93, 0, groups=groups)(execution)[0]]


@pytest.mark.parametrize("kind", ["each", "4-fold"])
def test_whole_groups_still_give_each_part_both_classes(kind):
    groups = np.repeat(np.arange(24), 5)
    labels = (groups % 6 == 0).astype(int)  # four groups are positive
    splits = Splits(kind, 120, seed=3, labels=labels, groups=groups)
    assert all(len(np.unique(labels[part])) == 2 for n in range(1, 6) for part in splits(n))


def test_a_series_is_divided_in_order_and_ends_at_other_times():
    splits = Splits("each", 100, 0, in_order=True)
    ends = []
    for execution in range(1, 9):
        train, validation, test = splits(execution)
        assert train.max() < validation.min() <= validation.max() < test.min()
        assert train.min() == 0
        ends.append(test.max() + 1)
    assert ends[0] == 100
    assert len(set(ends)) == 8
    assert min(ends) >= 100 * SHORTEST
    assert [Splits("one", 100, 0, in_order=True)(n)[-1].max() for n in (1, 2)] == [99, 99]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"kind": "eech"}, UsageError, "Did you mean 'each'"),
        ({"kind": "1-fold"}, UsageError, "at least 2 folds"),
        ({"kind": "5-fold", "in_order": True}, UsageError, "train on the future"),
        ({"in_order": True, "groups": np.arange(50)}, UsageError, "contradict"),
        ({"groups": np.arange(49)}, DataError, "groups has 49 entries, but there are 50 samples"),
        ({"groups": np.zeros(50)}, DataError, "1 groups are too few for 3 parts"),
        ({"kind": "5-fold", "groups": np.arange(50) % 4}, DataError, "4 groups are too few for 5 folds"),
        ({"kind": "5-fold", "labels": np.arange(50) // 47}, DataError, "3 samples of the rarest class are too few"),
        ({"kind": "60-fold"}, DataError, "50 samples are too few for 60 folds"),
        ({"labels": np.arange(50) // 40, "groups": np.arange(50) // 10}, DataError, "samples of one class only"),
        (
            {"num_samples": 6, "in_order": True},
            DataError,
            "ends at 4 of them in some executions: 4 samples are too few",
        ),
        ({"kind": "3-fold", "labels": np.arange(50) // 47}, DataError, "few for a validation part, one of 4 folds"),
    ],
)
def test_what_cannot_be_divided_is_refused_at_once(arguments, error, says):
    with pytest.raises(error, match=says):
        Splits(**{"kind": "each", "num_samples": 50, "seed": 0, **arguments})


def test_names_of_folds():
    assert [num_folds(text) for text in ("2-fold", "10fold", "3-folds", "one")] == [2, 10, 3, None]
