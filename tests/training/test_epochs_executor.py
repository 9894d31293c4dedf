"""The choice of TensorFlow's executor."""

import keras
import numpy as np
import tensorflow as tf

from actsearch.training.array_loop import order_of
from actsearch.training.epochs import CompiledEpochs, Tensors, executing, executor_for, to_tensors

SINGLE = "SINGLE_THREADED_EXECUTOR"


def dense(units):
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(10)])


def test_small_steps_run_on_one_thread_and_large_ones_do_not():
    assert executor_for(dense(64), 32) == SINGLE
    assert executor_for(dense(64), 4096) is None
    assert executor_for(dense(4096), 32) is None


def test_a_filter_counts_at_each_place_of_its_map():
    def convolution(size):
        return keras.Sequential([keras.Input((size, size, 1)), keras.layers.Conv2D(8, 3, padding="same")])

    assert executor_for(convolution(8), 32) == SINGLE
    assert executor_for(convolution(128), 32) is None


def test_layers_of_a_model_within_count():
    inner = dense(4096)
    assert executor_for(keras.Sequential([keras.Input((64,)), inner]), 32) is None


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(1)

    def call(self, inputs):
        return self.out(inputs)


def test_of_a_subclassed_model_nothing_is_known():
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    assert executor_for(model, 1) is None


class TracedBefore(keras.layers.Layer):
    """Its loop is a TensorFlow function of its own, which may be traced outside of an executor."""

    @tf.function
    def call(self, inputs):
        return tf.map_fn(lambda row: 2.0 * row, inputs)


def test_a_function_that_was_traced_for_the_other_executor():
    model = keras.Sequential([keras.Input((8,)), TracedBefore(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((20, 8), "float32"), np.ones((20, 1), "float32")
    assert executor_for(model, 10) == SINGLE
    epochs = CompiledEpochs(model, Tensors(to_tensors((x, y))), 10)
    epochs.trace()
    losses = [epochs.train(order_of(0, epoch, 20))["loss"] for epoch in range(3)]
    assert losses[2] < losses[0]


def test_loops_and_branches_run_on_one_thread():
    @tf.function
    def sum_of_squares(limit):
        total = 0
        for number in tf.range(limit):
            total += tf.cond(number % 2 == 0, lambda number=number: number * number, lambda: 0)
        return total

    with executing(SINGLE):
        assert sum_of_squares(tf.constant(5)) == 0 + 4 + 16
