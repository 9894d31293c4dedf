"""Which models share a trace."""

from functools import partial

import keras
import numpy as np
import pytest

from actsearch.layers import PReLU
from actsearch.training.model_cache import build_model, trace_key
from actsearch.tuning.problem import model_fingerprint


class Scaled(keras.layers.Layer):
    """Its configuration leaves out what it multiplies with."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def get_config(self):
        return {}

    def call(self, inputs):
        return inputs * self.factor


def key(*, learning_rate=0.01, units=4, layer=None, loss="mse", metrics=(), kind=keras.Sequential, **values):
    def build(hp):
        extra = [] if layer is None else [layer()]
        model = kind([keras.Input((3,)), keras.layers.Dense(units), *extra, keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=list(metrics))
        return model

    return trace_key(build_model(build, None, 0), values)


def test_models_that_differ_in_the_learning_rate_alone_share_a_trace():
    assert key(learning_rate=0.01, learning=1) == key(learning_rate=0.1, learning=2)


def functional(parts):
    inputs, *layers = parts
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, keras.layers.Add()([outputs, outputs]))


def test_a_functional_model_shares_one_as_a_sequential_one_does():
    """Keras writes the tensors between its layers as objects without a module."""
    kind = {"kind": functional}
    assert key(learning_rate=0.01, learning=1, **kind) == key(learning_rate=0.1, learning=2, **kind)
    assert key(units=4, **kind) != key(units=8, **kind)


def adapted(scale):
    layer = keras.layers.Normalization()
    layer.adapt(np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 1.0]], "float32") * scale)
    return layer


@pytest.mark.parametrize("kind", [keras.Sequential, functional])
def test_a_layer_that_was_adapted_to_data_keeps_more_than_its_configuration_says(kind):
    assert key(layer=partial(adapted, 1), kind=kind, scale=1) != key(layer=partial(adapted, 9), kind=kind, scale=9)
    assert key(layer=partial(adapted, 1), kind=kind, scale=1) == key(layer=partial(adapted, 1), kind=kind, scale=1)


def test_a_schedule_stands_in_the_trace():
    schedule = keras.optimizers.schedules.ExponentialDecay
    assert key(learning_rate=schedule(0.1, 10, 0.9)) != key(learning_rate=schedule(0.2, 10, 0.9))


@pytest.mark.parametrize(
    "other",
    [
        {"units": 5},
        {"layer": PReLU},
        {"layer": lambda: keras.layers.Dropout(0.1)},
        {"loss": "mae"},
        {"metrics": ["mae"]},
    ],
    ids=["units", "layer", "dropout", "loss", "metrics"],
)
def test_models_that_differ_in_anything_else_do_not(other):
    assert key(**other) != key()


def test_dropout_rates_stand_in_the_trace():
    assert key(layer=lambda: keras.layers.Dropout(0.1)) != key(layer=lambda: keras.layers.Dropout(0.2))


@pytest.mark.parametrize(
    "make", [lambda f: Scaled(f), lambda f: keras.layers.Lambda(lambda x: x * f)], ids=["own", "lambda"]
)
def test_layers_of_the_users_own_are_shared_for_equal_hyperparameters_alone(make):
    """Nothing says whether their configuration is whole."""
    one = key(layer=lambda: make(2.0), factor=2.0)
    assert one is not None
    assert one == key(layer=lambda: make(2.0), factor=2.0)
    assert one != key(layer=lambda: make(3.0), factor=3.0)


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


def test_steps_and_losses_of_the_users_own_are_not_shared():
    assert key(kind=OwnStep) is None
    assert key(loss=lambda y_true, y_pred: y_pred - y_true) is None


class Failing(keras.layers.Layer):
    def get_config(self):
        raise RuntimeError("no config")

    def call(self, x):
        return x


def test_a_layer_whose_config_fails_shares_no_trace_and_has_a_fingerprint():
    assert key(layer=Failing) is None
    model = keras.Sequential([keras.Input((3,)), Failing()])
    assert model_fingerprint(model) == model_fingerprint(model)
