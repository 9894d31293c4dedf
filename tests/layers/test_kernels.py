"""Activation functions on tensors, which must equal TensorFlow's own to the last bit."""

import numpy as np
import pytest
import tensorflow as tf

from actsearch.layers import kernels

X = tf.constant(np.linspace(-8, 8, 65)[:, None], "float32")


def values_and_gradient(function, x=X):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y.numpy(), tape.gradient(y, x).numpy()


@pytest.mark.parametrize(
    ("ours", "fused"),
    [
        (kernels.exponential, tf.nn.elu),
        (lambda x: kernels.prelu(x, tf.zeros(1)), tf.nn.relu),
        (lambda x: kernels.prelu(x, tf.fill([1], 0.3)), lambda x: tf.nn.leaky_relu(x, 0.3)),
        (lambda x: kernels.pelu(x, tf.ones(1), tf.ones(1)), tf.nn.elu),
        (lambda x: kernels.mpelu(x, tf.ones(1), tf.ones(1)), tf.nn.elu),
    ],
)
def test_special_cases_are_the_fused_kernels(ours, fused):
    for got, expected in zip(values_and_gradient(ours), values_and_gradient(fused), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_saturated_units_get_no_gradient_at_all():
    far = tf.constant([[-200.0]])
    one = tf.ones(1)
    for function in (
        lambda x: kernels.exponential(x, scale=1.1, alpha=0.7, beta=0.9),
        lambda x: kernels.serlu(x, scale=1.1, alpha=2.9),
        lambda x: kernels.pelu(x, 0.7 * one, 1.3 * one),
        lambda x: kernels.mpelu(x, 0.7 * one, 1.3 * one),
        lambda x: kernels.parametric_selu(x, 1.1 * one, 0.7 * one),
    ):
        assert values_and_gradient(function, far)[1] == 0


def test_one_slope_an_entry_gets_its_own_gradient():
    x = tf.constant([[-1.0, -2.0], [-3.0, 4.0]])
    slopes = tf.constant([[0.1, 0.2], [0.3, 0.4]])
    with tf.GradientTape() as tape:
        tape.watch(slopes)
        y = kernels.prelu(x, slopes)
    np.testing.assert_array_equal(tape.gradient(y, slopes), [[-1.0, -2.0], [-3.0, 0.0]])
