"""Compiled epochs over data sets against `model.fit`; `benchmarks/random_pipelines.py` tries more of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.errors import DataError, UsageError
from actsearch.records import Status
from actsearch.training.data import training_data
from benchmarks.random_pipelines import check, drawn_pipelines
from tests.helpers.executions import request, run_executions

NUM_PIPELINES = 12


@pytest.mark.slow
@pytest.mark.parametrize("number", range(NUM_PIPELINES))
def test_a_random_pipeline_trains_in_a_search_as_in_fit(number):
    assert check(drawn_pipelines(NUM_PIPELINES)[number]) == "equal"


def linear(hp, *, at_once=1, optimizer="sgd"):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], steps_per_execution=at_once)
    return model


X = np.random.default_rng(0).normal(size=(22, 4)).astype("float32")
Y = np.arange(22) % 3


def batches(size=4):
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(size)


def unknown_length():
    return batches().filter(lambda x, y: tf.constant(value=True))


def history_of(train, *, validation=(X, Y), build=linear, epochs=3, trainer="compiled", **options):
    parts = train if isinstance(train, tuple) else (train,)
    options |= {"shuffle": False} if len(parts) > 1 else {}
    data = training_data(*parts, validation_data=validation, test_data=batches(), fit_options=options)
    [trained] = run_executions(data, request(epochs=epochs), build=build, health=False, compiled=trainer == "compiled")
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert trained.record.trainer == trainer
    return {**trained.record.history, "test": (trained.record.test_score,)}


def assert_as_in_fit(train, **options):
    ours = history_of(train, **options)
    theirs = history_of(train, trainer="fit", **options)
    assert sorted(ours) == sorted(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-5, err_msg=name)


def test_arrays_may_be_validated_on_a_data_set():
    assert_as_in_fit((X, Y), validation=batches(5).repeat(), validation_steps=3)


def test_a_data_set_may_be_validated_on_arrays():
    assert_as_in_fit(batches().shuffle(6), validation=(X, Y))


@pytest.mark.filterwarnings("ignore:.*ran out of data:UserWarning")
@pytest.mark.parametrize("steps", [4, 9])
def test_steps_of_an_epoch_begin_where_the_last_one_ended(steps):
    assert_as_in_fit(batches(), steps_per_epoch=steps, epochs=4)


def test_steps_are_rounded_up_to_those_that_are_executed_at_once():
    assert_as_in_fit(batches().repeat(), steps_per_epoch=4, build=lambda hp: linear(hp, at_once=3))


@pytest.mark.filterwarnings("error:x ran out of data")
def test_an_epoch_that_lacks_batches_is_warned_of():
    with pytest.raises(AssertionError, match="epoch 1 had 6 of 7 batches"):
        history_of(batches(), steps_per_epoch=7)


def test_an_epoch_without_any_batch_is_no_epoch():
    """`fit` would log a loss of 0."""
    with pytest.raises(AssertionError, match=r"no batch was left for epoch 2.*\.repeat\(\)"):
        history_of(unknown_length(), steps_per_epoch=6)


@pytest.mark.parametrize("name", ["x", "validation_data", "test_data"])
def test_a_data_set_without_end_is_refused(name):
    data = {"x": batches(), "validation_data": batches(), "test_data": batches()}
    data[name] = data[name].repeat()
    with pytest.raises(UsageError, match=f"{name} is a data set without end"):
        training_data(**data)


def test_long_epochs_are_trained_in_parts(monkeypatch):
    """Python reacts to Ctrl-C between them."""
    monkeypatch.setattr("actsearch.training.datasets.dataset_loop._CHUNK_SECONDS", 1e-9)
    assert_as_in_fit(batches(2), validation=batches(2))


def broken_at(start):
    def checked(x, y):
        return tf.debugging.check_numerics(x / tf.cast(tf.reduce_sum(y) < 1000, tf.float32), "the pictures"), y

    y = np.where(np.arange(22) < start, Y, 1000)
    return tf.data.Dataset.from_tensor_slices((X, y)).batch(2).map(checked)


def test_an_error_in_the_data_set_is_the_reason():
    with pytest.raises(AssertionError, match="InvalidArgumentError: .*the pictures : Tensor had Inf"):
        history_of(broken_at(10))


def test_a_first_batch_that_cannot_be_read_is_no_reason_to_begin():
    with pytest.raises(DataError, match="first batch of the data set cannot be read: .*the pictures"):
        history_of(broken_at(0))
    with pytest.raises(DataError, match="The data set is empty"):
        history_of(batches().take(0))


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=4, use_ema=True),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
    ],
    ids=["accumulated", "scaled"],
)
def test_optimizers_with_a_state_of_their_own(optimizer):
    assert_as_in_fit(batches(), build=lambda hp: linear(hp, optimizer=optimizer()))


def test_trials_are_paired_and_executions_are_not():
    data = training_data(batches(2).shuffle(11), validation_data=(X, Y))
    requests = [request(seed=1), request(seed=1), request(seed=2, execution=2)]
    one, same, other = (each.record for each in run_executions(data, *requests, build=linear, health=False))
    assert one.history == same.history
    assert one.history != other.history
    assert same.resources.trace_seconds == 0


def test_samples_of_a_fixed_order_have_scores():
    held = {"fixed": batches(5), "shuffled": batches(5).shuffle(3)}
    for kind, validation in held.items():
        data = training_data(batches(), validation_data=validation, test_data=(X, Y))
        [trained] = run_executions(data, request(), build=linear, health=False)
        assert sorted(trained.samples) == (["test", "validation"] if kind == "fixed" else ["test"])
        if kind == "fixed":
            scores = trained.samples["validation"].values
            assert len(scores) == len(X)
            assert scores.mean() == pytest.approx(trained.record.score, abs=1e-5)
