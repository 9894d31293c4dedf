"""Rectifiers with a slope below zero."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch import layers
from actsearch.errors import UsageError

numbers = st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=1, max_size=8)
slopes = st.floats(-2, 2, width=32, allow_subnormal=False)
SMALLEST_NORMAL = np.finfo("float32").tiny


def row(values):
    return np.array([values], "float32")


@settings(max_examples=30, deadline=None)
@given(numbers)
def test_prelu_with_slope_0_is_relu(values):
    x = row(values)
    np.testing.assert_array_equal(layers.PReLU(0.0)(x), keras.ops.relu(x))


@settings(max_examples=30, deadline=None)
@given(numbers, slopes)
def test_prelu_before_training_is_leaky_relu(values, slope):
    x = row(values)
    np.testing.assert_allclose(layers.PReLU(slope)(x), layers.LeakyReLU(slope)(x), rtol=1e-7, atol=SMALLEST_NORMAL)


def test_prelu_learns_as_that_of_keras_with_the_same_start():
    def trained(layer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4, 4, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.05), "mse")
        x = np.random.default_rng(0).normal(size=(64, 4, 4, 3)).astype("float32")
        model.fit(x, np.abs(x).mean(axis=(1, 2, 3)), epochs=3, shuffle=False, verbose=0)
        return np.ravel(layer.get_weights()[0])

    theirs = keras.layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2])
    found = trained(layers.PReLU())
    np.testing.assert_allclose(found, trained(theirs), rtol=1e-5)
    assert (found != 0.25).all()


def test_rrelu_in_inference_has_the_mean_slope_of_the_paper():
    assert layers.RReLU()(row([-48.0])).numpy() == pytest.approx(-11)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_rrelu_in_training_draws_a_slope_for_each_element(dtype):
    layer = layers.RReLU(dtype=dtype)
    x = -np.ones((200, 50))
    first = keras.ops.cast(layer(x, training=True), "float32").numpy()
    second = keras.ops.cast(layer(x, training=True), "float32").numpy()
    tolerance = 2**-9
    assert (-1 / 3 - tolerance <= first).all()
    assert (first <= -1 / 8 + tolerance).all()
    assert first.mean() == pytest.approx(-11 / 48, abs=0.005)
    assert first.std() == pytest.approx((1 / 3 - 1 / 8) / np.sqrt(12), rel=0.05)
    assert (first != second).any()
    positive = layer(np.full((3, 2), 2.0), training=True)
    np.testing.assert_array_equal(keras.ops.cast(positive, "float32"), np.full((3, 2), 2.0))


def test_rrelu_gradient_is_the_slope_that_was_drawn():
    layer = layers.RReLU()
    x = tf.constant(row([-2.0, -1.0, 3.0]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_allclose(tape.gradient(y, x), (y / x).numpy(), rtol=1e-6)


def test_rrelu_draws_in_a_model_that_trains_and_only_there():
    model = keras.Sequential([keras.Input((50,)), layers.RReLU()])
    x = -np.ones((20, 50), "float32")
    assert len(np.unique(model(x, training=True))) > 900
    np.testing.assert_allclose(model(x), np.full((20, 50), -11 / 48), rtol=1e-6)


def test_rrelu_leaves_the_weights_of_the_layers_after_it_as_they_are():
    def weights(activation):
        keras.utils.set_random_seed(7)
        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(4),
                activation(),
                keras.layers.Dense(4),
                keras.layers.Dropout(0.5),
            ]
        )
        return [*model.get_weights(), model.layers[-1].seed_generator.state.numpy()]

    for with_rrelu, without in zip(weights(layers.RReLU), weights(layers.ELU), strict=True):
        np.testing.assert_array_equal(with_rrelu, without)


def test_rrelu_does_not_move_python_s_random_and_follows_it():
    def slopes_of(seed):
        random.seed(seed)
        before = random.getstate()
        layer = layers.RReLU()
        assert random.getstate() == before
        return layer(-np.ones((4, 4)), training=True).numpy()

    np.testing.assert_array_equal(slopes_of(1), slopes_of(1))
    assert (slopes_of(1) != slopes_of(2)).any()


def test_rrelu_s_seed_is_not_that_of_the_next_layer():
    random.seed(3)
    layer = layers.RReLU()
    following = keras.random.SeedGenerator()
    assert layer.seed_generator.state.numpy()[0] != following.state.numpy()[0]


def test_rrelu_with_a_seed_draws_the_same():
    x = -np.ones((4, 4))
    first, second = (layers.RReLU(seed=5)(x, training=True).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_rrelu_refuses_a_range_the_wrong_way_round():
    with pytest.raises(UsageError, match=r"RReLU got low=0\.5 and high=0\.25; expected low ≤ high"):
        layers.RReLU(0.5, 0.25)
