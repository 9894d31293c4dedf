"""Which of TensorFlow's executors runs the epochs of a model.

TensorFlow hands each operation of a graph to a pool of threads. Where the operations are small, handing over takes
longer than computing, and an executor of one thread is up to twice as fast; the operations themselves still use all
cores. Where they are large, it loses what independent operations gain by running side by side.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import tensorflow as tf

SMALL_STEP = 3_000_000  # multiplications of a forward pass over a batch; measured break-even on two cores


def executor_for(model: keras.Model, batch_size: int) -> str | None:
    """The name of the executor; None for TensorFlow's own choice.

    It depends on the model and nothing measured, so that the same seed gives the same numbers: the last digit of a
    sum depends on the executor.

    Args:
        model: A built model.
        batch_size: Samples a batch.
    """
    if tf.config.list_logical_devices("GPU"):
        return None
    try:
        small = batch_size * _multiplications(model) < SMALL_STEP
    except (AttributeError, ValueError):
        return None  # a subclassed model says nothing of the shapes in it
    return "SINGLE_THREADED_EXECUTOR" if small else None


def executing(executor: str | None) -> AbstractContextManager[Any]:
    """TensorFlow functions that are called inside run on this executor."""
    return nullcontext() if executor is None else tf.experimental.function_executor_type(executor)


def _multiplications(layer: Any) -> int:
    """Of a forward pass of one sample: each weight meets each position of its layer."""
    if isinstance(layer, keras.Model):
        return sum(_multiplications(part) for part in layer.layers)
    num_weights = sum(math.prod(weight.shape) for weight in layer.weights)
    return num_weights * max(_positions(layer.input), _positions(layer.output)) if num_weights else 0


def _positions(tensors: Any) -> int:
    """Places along all axes but the first and the last; a length that is not known counts as one of text."""
    return max(math.prod(size or 512 for size in tensor.shape[1:-1]) for tensor in keras.tree.flatten(tensors))
