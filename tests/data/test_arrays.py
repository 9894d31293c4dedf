"""Arrays passed from Python: checked, split and hashed, nested or not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.data import Task, check_arrays, fingerprint, split_arrays
from actsearch.errors import DataError

X = np.arange(40.0).reshape(20, 2)
Y = np.array([0, 1] * 10)


def with_hole(value: float) -> np.ndarray:
    x = X.copy()
    x[3, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (X, np.ndarray),
        (X.tolist(), np.ndarray),
        (pd.DataFrame(X), np.ndarray),
        ([["text"]] * 20, np.ndarray),
        ({"a": X, "b": X[:, 0]}, dict),
        ([X, X[:, :1]], list),
        ((X, {"deep": X}), tuple),
    ],
)
def test_array_likes_and_nested_inputs_are_taken(x: Any, kind: type) -> None:
    checked, y = check_arrays(x, pd.Series(Y))
    assert type(checked) is kind
    np.testing.assert_array_equal(y, Y)
    assert [len(part) for _, part in split_arrays(checked, y, seed=0)] == [12, 4, 4]


def test_structure_of_nested_inputs_is_kept() -> None:
    x, _ = check_arrays((X, {"deep": X.tolist()}, [X, X]), Y)
    assert isinstance(x, tuple)
    assert isinstance(x[1]["deep"], np.ndarray)
    assert isinstance(x[2], list)
    part = split_arrays(x, Y, seed=0)[0][0]
    np.testing.assert_array_equal(part[0], part[1]["deep"])
    np.testing.assert_array_equal(part[0], part[2][1])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (with_hole(np.nan), Y, r"data: x has missing values \(NaN\) in 1 of 20 samples, the first at index \[3, 1\]"),
        (with_hole(np.inf), Y, "data: x has infinite values in 1 of 20 samples"),
        ({"a": X, "b": with_hole(np.nan)}, Y, r"data: x\['b'\] has missing values"),
        (X, with_hole(np.nan), "data: y has missing values"),
        (X, Y[:-1], "data: x has 20 samples, but y has 19; they must have the same number"),
        ({"a": X, "b": X[:5]}, Y, r"x\['a'\] has 20 samples, but x\['b'\] has 5"),
        (list(X), Y, r"x\[0\] has 2 samples, but y has 20.*join them with np\.stack"),
        (X[:0], Y[:0], "data: x has no samples"),
        (X, np.zeros(20), r"data: y is 0\.0 for all 20 samples, so there is nothing to learn"),
        (X, np.eye(3)[[1] * 20], "data: y is equal for all 20 samples"),
        (X.astype(object), [0, 1] * 10, "data: x has numbers of the dtype object. Convert it: .astype"),
        (X, [None] * 20, "data: y holds values of the type NoneType; expected numbers"),
        (X, ["cat", "dog"] * 10, "data: y holds text; number the classes from 0"),
        (X * 1j, Y, "data: x holds values of the type complex128"),
        ([[1.0], [2.0, 3.0]], [0, 1], "data: x is not an array: its rows differ in length"),
        (iter(X), Y, "data: x is a iterator; expected an array"),
        (3.0, Y, "data: x is a float; expected an array with the samples along its first axis"),
        (None, Y, "data: x is a NoneType; expected an array"),
        ({}, Y, "data: x holds no array"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_arrays(x, y)


def test_the_callers_name_stands_in_the_message() -> None:
    with pytest.raises(DataError, match=r"^validation_data: x has missing values"):
        check_arrays(with_hole(np.nan), Y, name="validation_data")


def test_several_outputs_are_not_judged_by_their_values() -> None:
    _, y = check_arrays(X, {"label": Y, "constant": np.zeros(20)})
    assert len(split_arrays(X, y, seed=0)[0][1]["constant"]) == 12


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(5, 40), min_size=2, max_size=12),
    seed=st.integers(0, 2**40),
    form=st.sampled_from(["labels", "column", "one-hot"]),
)
def test_division_loses_no_sample_and_each_part_has_each_class(counts: list[int], seed: int, form: str) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    y = {"labels": labels, "column": labels[:, None], "one-hot": np.eye(len(counts))[labels]}[form]
    parts = split_arrays(np.arange(len(labels)), y, seed=seed, task=Task.MULTICLASS)
    everything = np.concatenate([x for x, _ in parts])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(labels)))
    for x, part in parts:
        assert set(labels[x]) == set(range(len(counts)))
        np.testing.assert_array_equal(part, y[x])


def test_each_part_has_the_classes_in_the_same_shares() -> None:
    labels = np.repeat([0, 1], [900, 100])
    for _, y in split_arrays(np.arange(1000), labels, seed=3):
        assert y.mean() == pytest.approx(0.1)


def test_other_shares_and_a_quantity() -> None:
    y = np.linspace(0, 1, 50)
    assert [len(part) for _, part in split_arrays(y, y, seed=0, shares=(0.8, 0.2))] == [40, 10]
    assert [len(part) for _, part in split_arrays(Y, Y, seed=0, task=Task.REGRESSION)] == [12, 4, 4]


def test_too_few_samples_to_divide() -> None:
    with pytest.raises(DataError, match="4 samples are too few to split into 3 parts; at least 5 are needed"):
        split_arrays(X[:4], X[:4, 0], seed=0)
    with pytest.raises(DataError, match=r"Too few samples in 1 of 2 classes: 1 \(3\)\. At least 5 of each"):
        split_arrays(X, (np.arange(20) < 3).astype(int), seed=0)


@given(
    values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=20),
    place=st.integers(0, 19),
    change=st.floats(allow_nan=False),
)
def test_fingerprint_changes_with_a_value_and_only_then(values: list[float], place: int, change: float) -> None:
    changed = values.copy()
    changed[place % len(values)] = change
    same = np.array(changed).tobytes() == np.array(values).tobytes()
    assert (fingerprint(np.array(values)) == fingerprint(np.array(changed))) is same


def test_fingerprint_sees_shape_type_order_and_keys_but_not_memory_layout() -> None:
    prints = {
        fingerprint(X),
        fingerprint(X.reshape(2, 20)),
        fingerprint(X.astype(np.float32)),
        fingerprint(X, Y),
        fingerprint(Y, X),
        fingerprint({"a": X, "b": Y}),
        fingerprint({"a": Y, "b": X}),
        fingerprint(np.array(["ab", "c"])),
        fingerprint(np.array(["a", "bc"])),
    }
    assert len(prints) == 9
    assert fingerprint(X) == fingerprint(np.asfortranarray(X)) == fingerprint(X.copy())
    assert fingerprint({"a": X, "b": Y}) == fingerprint({"b": Y, "a": X})
