"""Which traced models are kept, and that a kept one trains like a fresh one."""

import weakref
from dataclasses import replace

import keras
import numpy as np
import pytest

from actsearch.training.model_cache import ModelCache, build_model, trains_by_fit
from tests.helpers.executions import hyperparameters, request, run_executions
from tests.helpers.networks import small_network


@pytest.mark.parametrize("activation", ["relu", "prelu", "selu"])
def test_a_kept_trace_trains_what_a_fresh_model_would(data, activation):
    """To the last bit: weights, dropout, optimizer and order of the data come from the seed alone."""
    first, second = request(activation, seed=1), request(activation, execution=2, seed=2)
    reused = run_executions(data, first, second)[1]
    fresh = run_executions(data, second)[0]
    assert reused.record.resources.trace_seconds == 0
    assert reused.record.history == fresh.record.history
    for one, other in zip(reused.weights, fresh.weights, strict=True):
        np.testing.assert_array_equal(one, other)


class Deferred(keras.Model):
    """A model that is built by its first call."""

    def __init__(self):
        super().__init__()
        self.recurrent = keras.layers.LSTM(4, dropout=0.5)
        self.output_layer = keras.layers.Dense(1)

    def call(self, x, training=False):
        return self.output_layer(self.recurrent(x, training=training))


def test_a_model_is_built_without_drawing_its_random_numbers():
    def build(_):
        model = Deferred()
        model.compile("sgd", "mse")
        return model

    model = build_model(build, None, 1, np.ones((1, 3, 2), "float32"))
    assert model.built
    assert model.recurrent.cell.seed_generator.state.numpy()[1] == 0


def test_trials_that_differ_in_the_learning_rate_share_a_trace(data):
    def build(hp):
        model = small_network(hp)
        model.compile(keras.optimizers.Adam(hp.values["rate"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    first, second = (
        replace(request(), trial_id=str(rate), hyperparameters={"activation": "relu", "rate": rate})
        for rate in (0.01, 0.001)
    )
    shared = run_executions(data, first, second, build=build)[1]
    fresh = run_executions(data, second, build=build)[0]
    assert shared.record.resources.trace_seconds == 0
    assert shared.record.history == fresh.record.history


def test_traced_models_beyond_the_limit_of_memory_are_given_back(data):
    built = []

    def build(hp):
        model = small_network(hp)
        built.append(weakref.ref(model))
        return model

    models = ModelCache(build, max_bytes=20_000)
    tensors = data.tensors()
    for activation in ("relu", "selu", "relu"):
        assert models.prepare(hyperparameters(activation), 1, tensors, 32).trace_seconds > 0
    alive = [model() is not None for model in built]
    assert alive.count(True) <= 1


def test_no_kept_model_holds_the_data_of_an_earlier_split(data):
    models, first, other = ModelCache(small_network), data.tensors(), data.tensors()
    built = [models.prepare(hyperparameters(activation), 1, first, 32) for activation in ("relu", "selu")]
    models.use(other)
    assert all(each.epochs.tensors is other for each in built)


def test_a_trace_is_not_reused_for_another_model(data):
    """A build function may draw what no hyperparameter tells."""
    import random

    def build(hp):
        rate = random.random() / 2
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(rate), keras.layers.Dense(10, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    first, second = request(seed=1), request(seed=2, execution=2)
    reused = run_executions(data, first, second, build=build)[1]
    fresh = run_executions(data, second, build=build)[0]
    assert reused.record.history == fresh.record.history


@pytest.mark.parametrize(
    ("options", "by_fit"), [({}, False), ({"jit_compile": True}, True), ({"run_eagerly": True}, True)]
)
def test_what_a_loop_cannot_do_is_trained_by_fit(options, by_fit):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    assert trains_by_fit(model) == by_fit
