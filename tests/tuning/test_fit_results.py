"""What a training returned, as KerasTuner reads it."""

import math

import keras
import keras_tuner
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actsearch.tuning.fit_results import EpochLog, add_epoch, fit_result, parts_of, score_of

LOWEST, HIGHEST = keras_tuner.Objective("val_loss", "min"), keras_tuner.Objective("val_accuracy", "max")


def history(**curves):
    made = keras.callbacks.History()
    made.history = curves
    return made


@pytest.mark.parametrize(
    ("results", "score"),
    [
        (2, 2.0),
        (np.float32(0.5), 0.5),
        ({"val_loss": np.array([1.5]), "other": 3}, 1.5),
        (history(val_loss=[3.0, 1.0, 2.0]), 1.0),
        ([1.0, {"val_loss": 2.0}, history(val_loss=[6.0])], 3.0),
        ({"loss": 1.0}, None),
        (history(loss=[1.0]), None),
        ([1.0, None], None),
        ([], None),
        ("1.0", None),
        (None, None),
    ],
)
def test_the_score_is_the_one_that_kerastuner_takes(results, score):
    assert score_of(results, LOWEST) == score


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), st.sampled_from(["min", "max"]))
def test_the_best_epoch_has_the_score(values, direction):
    found = fit_result(history(metric=values), {}, keras_tuner.Objective("metric", direction))
    assert found.score == (min if direction == "min" else max)(values)
    assert values[found.best_epoch - 1] == found.score


def test_callbacks_see_more_epochs_than_the_last_history():
    seen = {"val_loss": [3.0, 2.0, 2.5]}
    found = fit_result(history(val_loss=[2.5]), seen, LOWEST)
    assert (found.score, found.best_epoch, found.history) == (2.5, 3, {"val_loss": (3.0, 2.0, 2.5)})


def test_metrics_that_only_the_result_has_are_put_in_the_last_epoch():
    found = fit_result({"val_loss": 1.0, "seconds": 5}, {"loss": [2.0, 1.0]}, LOWEST)
    assert found.history["loss"] == (2.0, 1.0)
    assert math.isnan(found.history["val_loss"][0])
    assert (found.history["val_loss"][1], found.history["seconds"][1]) == (1.0, 5.0)


def test_a_number_alone_counts_as_one_epoch():
    assert fit_result(0.25, {}, HIGHEST).history == {"val_accuracy": (0.25,)}


def test_a_list_has_a_part_for_each_training():
    assert list(parts_of([1.0, 2.0])) == [1.0, 2.0]
    assert list(parts_of(1.0)) == [1.0]
    assert list(parts_of([])) == [[]]


def test_an_epoch_may_log_anything():
    curves = {}
    add_epoch(curves, {"loss": keras.ops.convert_to_tensor(1.0), "matrix": np.ones((2, 2)), "text": "no", 3: 4}, 1)
    assert curves == {"loss": [1.0], "3": [4.0]}


def test_an_epoch_log_never_raises():
    log = EpochLog()
    log.on_epoch_end(0, logs=7)
    assert isinstance(log.problem, AttributeError)
