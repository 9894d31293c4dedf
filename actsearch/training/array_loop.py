"""Runs a step on all batches of arrays that are on the device, in a loop inside one TensorFlow function."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


class ArrayLoop:
    """The batches of arrays, in an order that is an argument where they are trained.

    Args:
        data: A tensor, or nested tensors, of n samples.
        batch_size: Number of samples in a batch; the last batch may be smaller.
        is_ordered: Whether each call gets an order of the samples.
        keeps_logs: Whether the logs of the last step are returned. A model's own `train_step` may return logs that are
            not metrics. Then, as in `model.fit`, those of the last batch count, so the last batch runs after the loop.

    Attributes:
        data: The data of the next calls: other samples may replace them, of the same shapes and types.
    """

    def __init__(self, data: Any, batch_size: int, *, is_ordered: bool, keeps_logs: bool) -> None:
        self.data, self._batch_size = data, batch_size
        self._is_ordered, self._keeps_logs = is_ordered, keeps_logs

    @property
    def num_samples(self) -> int:
        """The number of samples."""
        return int(tf.nest.flatten(self.data)[0].shape[0])

    @property
    def num_in_batch(self) -> int:
        """The number of samples in the first batch."""
        return min(self._batch_size, self.num_samples)

    @property
    def num_batches(self) -> int:
        """The number of batches in an epoch."""
        return math.ceil(self.num_samples / self._batch_size)

    @property
    def max_steps(self) -> int:
        """The number of batches of full size, which a measurement may train."""
        return self.num_samples // self.num_in_batch

    def batch(self) -> Any:
        """Returns the first batch."""
        return _rows(self.data, slice(0, self.num_in_batch))

    def batch_spec(self) -> Any:
        """Returns types and shapes of a batch, with the number of samples left undefined."""
        return tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), self.data)

    def specs(self) -> tuple[Any, ...]:
        """Returns what the traced function takes: data of any number of samples, an order, and a number of batches."""
        order = (tf.TensorSpec((None,), tf.int32),) * self._is_ordered
        return (self.batch_spec(), *order, tf.TensorSpec((), tf.int32))

    def graph(self, step: Callable[[Any], Any], data: Any, *arguments: tf.Tensor) -> tuple[Any, None]:
        """Runs the step on all batches with a single trace: as in `model.fit`, the batch size is left undefined.

        Args:
            step: `train_step` or `test_step`.
            data, arguments: As in `specs`.

        Returns:
            The logs of the last step if they are kept, and no number of batches: it is known before.
        """
        *order, loops = arguments
        count = tf.shape(order[0])[0] if order else tf.shape(tf.nest.flatten(data)[0])[0]
        size = self._batch_size

        def rows(start: Any, end: Any) -> Any:
            if order:
                return tf.nest.map_structure(lambda a: tf.gather(a, order[0][start:end]), data)
            return _rows(data, slice(start, end))

        def body(number: tf.Tensor) -> tuple[tf.Tensor]:
            start = number * size
            step(_of_any_length(rows(start, tf.minimum(start + size, count))))
            return (number + 1,)

        end = tf.while_loop(lambda number: number < loops, body, [tf.constant(0)], parallel_iterations=1)
        if not self._keeps_logs:
            return None, None
        with tf.control_dependencies(end):
            return dict(step(_of_any_length(rows((count - 1) // size * size, count)))), None

    def run(self, call: Callable[..., Any], order: np.ndarray | None = None) -> Any:
        """Runs a whole epoch.

        Args:
            call: Calls the traced function.
            order: The order of the samples, where there is one.
        """
        count = self.num_samples if order is None else len(order)
        arguments = () if order is None else (tf.constant(order, tf.int32),)
        return call(self.data, *arguments, tf.constant(math.ceil(count / self._batch_size) - self._keeps_logs))[0]

    def steps(self, call: Callable[..., Any], count: int) -> Callable[[], Any]:
        """Returns a function that runs the first `count` batches, fewer than the epoch has."""
        order = (tf.range(self.num_samples),) * self._is_ordered
        loops = tf.constant(min(count, self.num_batches - self._keeps_logs))
        return lambda: call(self.data, *order, loops)[0]


def _of_any_length(batch: Any) -> Any:
    """Leaves the number of samples of a batch undefined."""
    return tf.nest.map_structure(lambda a: tf.compat.v1.placeholder_with_default(a, [None, *a.shape[1:]]), batch)


def _rows(data: Any, rows: Any) -> Any:
    return tf.nest.map_structure(lambda a: a[rows], data)


def order_of(seed: int, epoch: int, num_samples: int) -> np.ndarray:
    """Returns the order of the samples in an epoch; it depends only on seed and epoch, so activations are paired."""
    return np.random.default_rng([seed, epoch]).permutation(num_samples)
