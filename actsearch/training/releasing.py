"""Gives the memory of a model's variables back as soon as nobody can reach them.

TensorFlow keeps every custom gradient that it ever traced, and with it the graph and all that the graph reads. Keras's
optimizers trace one (`ReplicaContext.all_reduce`), so the weights and the optimizer state of every model that was
trained in a process would stay in memory until it ends, though no Python object of the model is left.
"""

import weakref
from collections.abc import Iterable

import keras
import tensorflow as tf


def release_when_unreachable(variables: Iterable[keras.Variable]) -> None:
    """Empties each variable of a model when its Python object is gone.

    Args:
        variables: Keras variables.
    """
    for variable in variables:
        value = variable.value
        weakref.finalize(value, _empty, value.handle, value.dtype).atexit = False


def _empty(handle: tf.Tensor, dtype: tf.DType) -> None:
    with tf.init_scope():  # garbage is collected at any time, also while a graph is traced
        tf.raw_ops.AssignVariableOp(resource=handle, value=tf.zeros((0,), dtype))
