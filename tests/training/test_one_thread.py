"""Which graphs the single-threaded executor is known to run to their end: those that it is not known to are not run."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.training.data import TrainingData
from actsearch.training.epochs import CompiledEpochs, executing
from actsearch.training.one_thread import runs_on_one_thread

SINGLE = "SINGLE_THREADED_EXECUTOR"
V = tf.Variable(1.0)


@tf.function(autograph=False)
def called(x):
    return x + V


@tf.function(autograph=False)
def branching():
    return tf.cond(V > 0, lambda: V.assign_add(1.0), lambda: V + 0.0)


def branch(inside=lambda: V + 1.0):
    return tf.cond(V > 0, inside, lambda: V * 2.0)


def loop(inside):
    tf.while_loop(lambda n: n < 2, lambda n: (inside(), n + 1)[1:], [tf.constant(0)])
    return V + 0.0


SAFE = {
    "branch": branch,
    "branch with an assignment": lambda: branch(lambda: V.assign_add(1.0)),
    "branches one after the other": lambda: branch() + branch(),
    "branch of many": lambda: tf.switch_case(tf.cast(V, tf.int32), [lambda: V + 1.0, lambda: V * 2.0]),
    "branch in a loop": lambda: loop(branch),
    "loop in a branch": lambda: branch(lambda: loop(lambda: V.assign_add(1.0))),
    "branch in a loop in a loop": lambda: loop(lambda: loop(branch)),
    "call": lambda: called(V),
    "call in a loop": lambda: loop(lambda: called(V)),
    "call before a branch": lambda: tf.cond(called(V) > 0, lambda: V + 1.0, lambda: V + 0.0),
    "random numbers": lambda: V + tf.random.uniform(()) + tf.random.stateless_uniform((), seed=[1, 2]),
    "python": lambda: V + tf.py_function(lambda x: x, [V], tf.float32),
    "map": lambda: tf.reduce_sum(tf.map_fn(lambda row: row * 2.0, tf.ones((2, 2)))),
}
UNSAFE = {
    "branch in a branch": lambda: branch(branch),
    "branch in a branch in a loop": lambda: loop(lambda: branch(branch)),
    "branch in a loop in a branch": lambda: branch(lambda: loop(branch)),
    "branch in a call": lambda: branching(),
    "call in a branch": lambda: branch(lambda: called(V)),
    "call in a loop in a branch": lambda: branch(lambda: loop(lambda: called(V))),
    "data set": lambda: tf.data.Dataset.range(2).reduce(V + 0.0, lambda total, _: total + 1.0),
}


def traced(make):
    with executing(SINGLE):
        return tf.function(make, autograph=False).get_concrete_function()


@pytest.mark.parametrize("make", SAFE.values(), ids=SAFE)
def test_what_is_safe_comes_to_its_end(make):
    function = traced(make)
    assert runs_on_one_thread(function)
    with executing(SINGLE):
        assert np.isfinite(function())


@pytest.mark.parametrize("make", UNSAFE.values(), ids=UNSAFE)
def test_what_may_wait_for_ever_is_not_safe(make):
    assert not runs_on_one_thread(traced(make))


def trained(optimizer, *layers, policy="float32", shape=(6,)):
    """The losses of two epochs, and the executor that ran them."""
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential([keras.Input(shape), *(make() for make in layers)])
        model.add(keras.layers.Dense(3, activation="softmax", dtype="float32"))
        model.compile(optimizer(), "sparse_categorical_crossentropy")
    finally:
        keras.config.set_dtype_policy("float32")
    x = np.random.default_rng(0).normal(size=(20, *shape)).astype("float32")
    epochs = CompiledEpochs(model, TrainingData(x, np.arange(20) % 3).tensors(), 8)
    epochs.trace()
    losses = [epochs.train(np.arange(20))["loss"] for _ in range(2)]
    assert losses[1] < losses[0]
    return epochs._executor


def dense():
    return keras.layers.Dense(8, activation="relu")


def test_half_precision_trains_on_the_default_executor():
    assert trained(keras.optimizers.SGD, dense, policy="mixed_float16") is None
    scaled = keras.optimizers.LossScaleOptimizer
    assert trained(lambda: scaled(keras.optimizers.Adam(0.01)), dense) is None


@pytest.mark.parametrize(
    ("optimizer", "layers"),
    [
        (lambda: keras.optimizers.Adam(0.01, use_ema=True, gradient_accumulation_steps=2), [dense]),
        (lambda: keras.optimizers.SGD(0.1), [dense, keras.layers.BatchNormalization]),
    ],
    ids=["average and accumulation", "normalisation"],
)
def test_ordinary_models_train_on_one_thread(optimizer, layers):
    assert trained(optimizer, *layers) == SINGLE


def test_loops_of_recurrent_layers_train_on_one_thread():
    assert trained(lambda: keras.optimizers.SGD(0.1), lambda: keras.layers.LSTM(4), shape=(5, 3)) == SINGLE
