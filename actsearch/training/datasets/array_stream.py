"""Arrays that are too large for the device as a `tf.data.Dataset`, whose batches are read as they are needed."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch._typing import Array
from actsearch.data.rows import Rows
from actsearch.training.array_loop import order_of
from actsearch.training.datasets.pipeline import Pipeline
from actsearch.training.datasets.seeding import Epochs

AHEAD = 2  # batches that are read while one trains
_PROBED = 4096  # samples


def is_streamed(data: Any) -> bool:
    """Returns whether any of nested arrays is too large to be copied to the device."""
    return any(isinstance(leaf, Rows) for leaf in tf.nest.flatten(data))


def stream(data: Any, batch_size: int, order: Callable[[int], Array] | None = None) -> tf.data.Dataset:
    """Returns arrays as a data set.

    Args:
        data: What `train_step` gets of all samples: nested arrays of the same length.
        batch_size: Number of samples in a batch; the last batch may be smaller.
        order: Returns the order of the samples in an epoch, counted from 0. Then the data set continues over all
            epochs, so that looking at its first batch changes nothing; without an order, it ends after all samples.

    Returns:
        The data set.

    Example:

    >>> batches = stream((Rows(np.arange(5.0)), np.arange(5)), 2)
    >>> [y.numpy().tolist() for _, y in batches]
    [[0, 1], [2, 3], [4]]
    """
    data = keras.tree.lists_to_tuples(data)
    leaves = tf.nest.flatten(data)
    num_samples = len(leaves[0])
    types = [tf.as_dtype(keras.backend.floatx()) if _is_float(leaf) else tf.as_dtype(leaf.dtype) for leaf in leaves]

    def read(rows: Array) -> list[Array]:
        return [_read(leaf, rows).astype(kind.as_numpy_dtype) for leaf, kind in zip(leaves, types, strict=True)]

    def batch(rows: tf.Tensor) -> Any:
        tensors = tf.numpy_function(read, [rows], types)
        for tensor, leaf in zip(tensors, leaves, strict=True):
            tensor.set_shape((None, *leaf.shape[1:]))
        return tf.nest.pack_sequence_as(data, tensors)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        rows = tf.numpy_function(lambda n: np.asarray(order(int(n)), np.int64), [number], tf.int64)  # type: ignore[misc]
        rows.set_shape((num_samples,))
        return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)

    whole = tf.data.Dataset.range(num_samples).batch(batch_size)
    numbers = whole if order is None else tf.data.Dataset.counter().flat_map(epoch)
    return numbers.map(batch).prefetch(AHEAD)


class ArrayStream(Pipeline):
    """Arrays that are too large for the device as batches, trained in the order that smaller arrays have.

    Args:
        data, batch_size: As for `stream`.
        name: The name of the data in messages.
        is_trained: Whether it is trained on; otherwise it is read in its own order.
        shuffle: Whether the samples are trained in another order in each epoch.
    """

    def __init__(self, data: Any, batch_size: int, name: str, *, is_trained: bool, shuffle: bool) -> None:
        on_host = keras.tree.map_structure(lambda leaf: leaf if isinstance(leaf, Rows) else np.asarray(leaf), data)
        self._arrays, self._batch_size, self._shuffle = on_host, batch_size, shuffle
        whole = stream(on_host, batch_size)
        super().__init__(whole, name, steps=int(whole.cardinality()) if is_trained else None, is_trained=is_trained)

    @cached_property
    def cardinality(self) -> int | None:
        """The number of batches; None for those of all epochs, which have no end."""
        return None if self.is_trained else super().cardinality

    def with_seed(self, seed: int | None) -> Epochs:
        """Returns the data set of an execution as a function of the epoch: one without end."""
        if seed is None or not self.is_trained:
            return super().with_seed(None)
        dataset, _ = stream_of_epochs(self._arrays, self._batch_size, seed, self._shuffle)
        return lambda epoch: dataset  # noqa: ARG005


def stream_of_epochs(data: Any, batch_size: int, seed: int, shuffle: bool) -> tuple[tf.data.Dataset, int]:
    """Returns the data set of an execution, with the orders that arrays on the device have, and its batches per epoch.

    Args:
        data, batch_size: As for `stream`.
        seed: Seed of the execution.
        shuffle: Whether the samples are trained in another order in each epoch.
    """
    num_samples = len(tf.nest.flatten(data)[0])
    order = partial(order_of, seed, num_samples=num_samples) if shuffle else lambda _: np.arange(num_samples)
    return stream(data, batch_size, order), -(-num_samples // batch_size)


def some_samples(data: Any) -> Any:
    """Returns evenly spaced samples of nested arrays."""
    length = len(tf.nest.flatten(data)[0])
    rows = np.linspace(0, length - 1, min(length, _PROBED)).astype(int)
    return keras.tree.map_structure(lambda leaf: leaf[rows], data)


def _is_float(leaf: Any) -> bool:
    return tf.as_dtype(leaf.dtype).is_floating


def _read(leaf: Any, rows: Array) -> Array:
    return leaf[rows] if isinstance(leaf, Rows) else np.asarray(leaf)[rows]
