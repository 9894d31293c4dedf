"""Where the values of a tensor go in a TensorFlow graph."""

import pytest
import tensorflow as tf

from actsearch.swap.opaque.tensorflow_graph import multiplies_another, passes_through, reaches, source_of


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (lambda y, x: tf.reshape(y, (-1,)) * 2.0 + 1.0, True),
        (lambda y, x: tf.concat([y, x], 1), True),
        (lambda y, x: tf.nn.depth_to_space(tf.reshape(y, (1, 1, 1, 4)), 2), True),
        (lambda y, x: y + x, False),
        (lambda y, x: tf.reduce_sum(y), False),
        (lambda y, x: tf.exp(y), False),
    ],
)
def test_values_reach_an_output_through_moves_and_scales(then, expected):
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, (1, 4))
        y = tf.nn.relu(x)
        assert reaches(y, [then(y, x)]) is expected


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (lambda y, x: y * x, True),
        (lambda y, x: tf.reshape(y, (4, 1)) * tf.transpose(x), True),
        (lambda y, x: y * tf.exp(y), False),
        (lambda y, x: y * 2.0, False),
        (lambda y, x: y + x, False),
    ],
)
def test_a_gate_multiplies_what_does_not_depend_on_it(then, expected):
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, (1, 4))
        y = tf.nn.sigmoid(x)
        then(y, x)
        assert multiplies_another(y) is expected


def test_the_tensor_before_one_that_only_moves_values():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, (1, 4))
        moved = tf.transpose(x)
        assert (passes_through(moved), passes_through(tf.exp(x))) == (True, False)
        assert source_of(moved).name == x.name
        assert source_of(x) is None
