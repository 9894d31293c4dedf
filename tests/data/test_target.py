"""Whether a target holds classes or a quantity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actsearch.data.target import classes_of, find_target, one_value_each
from actsearch.errors import DataError
from actsearch.records import Task


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.array(["a", "b"] * 5), Task.BINARY),
        (np.array(["a", "b"] * 5, dtype=object), Task.BINARY),
        (np.array([True, False] * 5), Task.BINARY),
        (np.array([0.0, 1.0] * 5), Task.BINARY),
        (np.array([-1, 1] * 5), Task.BINARY),
        (np.array(["a", "b", "c"] * 5), Task.MULTICLASS),
        (np.arange(20).repeat(2), Task.MULTICLASS),
        (np.arange(100).repeat(5), Task.MULTICLASS),
        (np.arange(1, 101).repeat(5), Task.REGRESSION),
        (np.arange(100).repeat(4), Task.REGRESSION),
        (np.arange(18), Task.REGRESSION),
        (np.array([0.0, 1.0, 2.0] * 5), Task.REGRESSION),
        (np.array([0.1, 0.7] * 5), Task.REGRESSION),
    ],
)
def test_task_found_from_the_values(y: np.ndarray, task: Task) -> None:
    assert find_target(y, None, "y").task is task


def test_a_task_that_was_asked_for_wins() -> None:
    y = np.array([0, 1] * 5)
    assert find_target(y, "regression", "y").encode(y, "y").shape == (10, 1)
    assert find_target(y, "multiclass", "y").num_classes == 2
    assert str(find_target(y, "multiclass", "y")) == "multi-class (2 classes) as asked for"


@given(st.lists(st.sampled_from("abcde"), min_size=2, max_size=30).filter(lambda v: len(set(v)) > 1))
def test_class_numbers_lead_back_to_the_classes(values: list[str]) -> None:
    y = np.array(values)
    target = find_target(y, None, "y")
    assert [target.class_names[code] for code in target.encode(y, "y")] == values


def test_a_class_beyond_the_last_is_unknown() -> None:
    target = find_target(np.array([1, 2] * 5), None, "y")
    for other in (0, 3):
        with pytest.raises(DataError, match=f"y_val has the class {other}, which the training part does not have"):
            target.encode(np.array([1, other]), "y_val")


@pytest.mark.parametrize("y", [np.zeros((4, 2)), np.array([[1, 1], [0, 1]]), np.ones((4, 2, 2)), np.eye(3) * 2])
def test_several_values_for_a_sample_are_no_simple_target(y: np.ndarray) -> None:
    with pytest.raises(DataError, match="one label, one number or one one-hot row"):
        one_value_each(y, "y")
    assert classes_of(y, certain=True) is None
