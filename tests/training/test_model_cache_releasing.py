"""Releasing the memory of trained models."""

import gc

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from actsearch.training.model_cache import release_when_unreachable

MEGABYTES = 36  # of the weights and the optimizer state of one model


def wide(hp):
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(40_000, hp.values["activation"]), keras.layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [True, False])
def test_memory_does_not_grow_with_the_number_of_models(digits, compiled):
    x, y = digits
    data = TrainingData(x[:64], y[:64], (x[64:96], y[64:96]))
    executions = Executions(wide, data, Objective("val_loss", Direction.MIN), health=False, compiled=compiled)
    executions._models._max_bytes = 1
    used = []
    for number, activation in enumerate(["relu", "elu", "selu", "tanh", "silu", "gelu"]):
        trained = executions.run(ExecutionRequest(str(number), 1, 1, 1, {"activation": activation}))
        assert trained.record.status is Status.COMPLETED
        del trained
        gc.collect()
        used.append(psutil.Process().memory_info().rss / 1e6)
    assert used[-1] - used[1] < 2 * MEGABYTES  # four models later


def test_a_variable_is_emptied_with_its_object_and_not_before():
    variable = keras.Variable([1.0, 2.0])
    handle = variable.value.handle
    release_when_unreachable([variable])
    np.testing.assert_array_equal(tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32), [1.0, 2.0])
    del variable
    assert tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32).shape == (0,)


@pytest.mark.parametrize("building", [lambda: tf.Graph().as_default(), tf.init_scope])
def test_a_variable_may_go_while_a_graph_is_built(building):
    variable = keras.Variable([1.0, 2.0])
    handle = variable.value.handle
    release_when_unreachable([variable])
    with building():
        del variable
    assert tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32).shape == (0,)


def test_variables_of_tensorflow_that_a_model_holds_are_released_too(digits):
    def build(hp):
        layers = [keras.layers.Rescaling(1.0), keras.layers.Dense(10, "softmax")]
        model = keras.Sequential([keras.Input((64,)), *layers])
        model.layers[0].steps = tf.Variable(0, dtype="int64")
        model.layers[0].random = tf.random.Generator.from_seed(1)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    x, y = digits
    data = TrainingData(x[:64], y[:64], (x[64:96], y[64:96]))
    executions = Executions(build, data, Objective("val_loss", Direction.MIN))
    for number in (1, 2):
        record = executions.run(ExecutionRequest("0", number, number, 1, {})).record
        assert record.status is Status.COMPLETED, record.reason


def test_a_variable_that_goes_while_a_graph_is_traced_leaves_no_trace_in_it():
    variables = [keras.Variable(1.0)]
    release_when_unreachable(variables)
    before = tf.function(lambda: tf.constant(1.0)).get_concrete_function().graph.get_operations()

    @tf.function
    def traced():
        variables.clear()
        return tf.constant(1.0)

    during = traced.get_concrete_function().graph.get_operations()
    assert [operation.type for operation in during] == [operation.type for operation in before]
