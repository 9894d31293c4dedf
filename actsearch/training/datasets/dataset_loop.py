"""Runs a step on the batches of a `tf.data.Dataset`, in a loop inside one TensorFlow function."""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from actsearch.errors import ExecutionFailedError
from actsearch.training.datasets.pipeline import Pipeline

_CHUNK_SECONDS = 0.5  # between two moments in which Python can react to Ctrl-C
_FIRST_CHUNK, _GROWTH = 1, 4


class DatasetLoop:
    """The batches of a data set: an epoch has all of them, or a number of steps as in `model.fit`.

    The traced function takes an iterator and a number of batches. It is called several times for a long epoch, since
    Python can end it only between two calls.

    Args:
        data: The data set.
        keeps_logs: Whether the logs of the last step are returned, for a model's own `train_step`.
        at_once: Number of steps that the model was compiled to execute in one call; `fit` rounds those of an epoch up
            to a multiple of it.

    Attributes:
        data: The data set of the next epochs: another one with elements of the same kind may replace it.
    """

    def __init__(self, data: Pipeline, *, keeps_logs: bool, at_once: int = 1) -> None:
        self.data, self._keeps_logs, self._at_once = data, keeps_logs, at_once
        self._per_second = 0.0
        self.start(None)

    def start(self, seed: int | None) -> None:
        """Begins an execution.

        Args:
            seed: Seed of the randomness of the data set; it is left as it is if omitted.
        """
        self._epochs, self._epoch = self.data.with_seed(seed), 0
        self._iterator: Any = None
        self._num_seen = 0

    def stop(self) -> None:
        """Ends an execution: an iterator that has not ended keeps batches, and the data set."""
        self._epochs, self._iterator, self._num_seen = self.data.with_seed(None), None, 0

    @property
    def num_in_batch(self) -> int:
        """The number of samples in the first batch."""
        return self.data.num_in_batch

    @property
    def num_batches(self) -> int | None:
        """The number of batches in an epoch; None if it is unknown."""
        return self.data.steps or self.data.cardinality

    @property
    def max_steps(self) -> int:
        """The number of batches that a measurement may train: it repeats the first."""
        return 1000

    def batch(self) -> Any:
        """Returns the first batch."""
        return self.data.prepared(self.data.first)

    def batch_spec(self) -> Any:
        """Returns types and shapes of a batch."""
        return self.data.element_spec

    def specs(self) -> tuple[Any, ...]:
        """Returns what the traced function takes: an iterator and a number of batches."""
        return tf.data.IteratorSpec(self.data.element_spec), tf.TensorSpec((), tf.int32)

    def graph(self, step: Callable[[Any], Any], iterator: Any, limit: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """Runs the step on the next batches, at most `limit` and at least none.

        No batch is taken from the iterator that is not used: the next epoch may begin with it.

        Returns:
            The logs of the last step if they are kept, and the number of batches.
        """
        traced = self._traced(step) if self._keeps_logs else None

        def following(number: tf.Tensor) -> Any:
            return tf.cond(
                number < limit,
                iterator.get_next_as_optional,
                lambda: tf.experimental.Optional.empty(iterator.element_spec),
            )

        def body(number: tf.Tensor, batch: Any, *_: tf.Tensor) -> tuple[Any, ...]:
            logs = step(self.data.prepared(batch.get_value())) if traced is None else traced(batch.get_value())
            return (number + 1, following(number + 1), *(() if traced is None else tf.nest.flatten(logs)))

        zero = tf.constant(0)
        first = following(zero)
        logs = [] if traced is None else tf.nest.flatten(traced.structured_outputs)
        number, _, *last = tf.while_loop(
            lambda number, batch, *_: tf.logical_and(number < limit, batch.has_value()),
            body,
            [zero, first, *(tf.zeros([size or 0 for size in log.shape], log.dtype) for log in logs)],
            shape_invariants=[zero.shape, tf.type_spec_from_value(first), *(log.shape for log in logs)],
            parallel_iterations=1,
        )
        return None if traced is None else tf.nest.pack_sequence_as(traced.structured_outputs, last), number

    def _traced(self, step: Callable[[Any], Any]) -> Any:
        """Traces a step whose logs are to be kept: a loop must know their types before."""
        spec = self.data.element_spec
        return tf.function(lambda batch: dict(step(self.data.prepared(batch))), autograph=False).get_concrete_function(
            spec
        )

    def run(self, call: Callable[..., Any], order: Any = None) -> Any:  # noqa: ARG002  the data set has its own
        """Runs an epoch as `model.fit` does, and returns what the last call returned.

        Raises:
            ExecutionFailedError: The data set has no batch for this epoch.
        """
        limit = self._limit()
        outputs, count = self._run(call, limit)
        self._num_seen += count
        self._epoch += 1
        steps, cardinality = self.data.steps, self.data.cardinality
        if not count:
            raise ExecutionFailedError(
                f"{self.data.name}: no batch was left for epoch {self._epoch}, since "
                + (
                    f"the data set ended. An epoch takes {steps} batches: let the data set repeat with .repeat(), or "
                    "omit the number of steps"
                    if steps
                    else "the data set is empty"
                )
            )
        if steps and count < steps:
            self._warn(count)
        ended = steps is None or (self._num_seen >= cardinality if cardinality is not None else count < limit)
        if ended:
            self._iterator, self._num_seen = None, 0
        return outputs

    def _limit(self) -> int:
        """Returns the number of batches of the next epoch, and opens an iterator if it takes a new one."""
        if self._iterator is None or not self.data.is_trained:
            dataset = self._epochs(self._epoch)
            if self._epoch and self.data.steps is None and self.data.cardinality is not None:
                iter(dataset)  # as fit does after each epoch, so that a shuffle has the same order in the next one
            self._iterator, self._num_seen = iter(dataset), 0
        if self.data.steps is None:
            return 2**31 - 1
        steps, cardinality = math.ceil(self.data.steps / self._at_once) * self._at_once, self.data.cardinality
        return steps if cardinality is None else min(steps, cardinality - self._num_seen)

    def _run(self, call: Callable[..., Any], limit: int) -> tuple[Any, int]:
        """Calls the traced function until the limit is reached or the data end, each time for half a second."""
        total, chunk, outputs = 0, _FIRST_CHUNK, None
        while total < limit:
            if self._per_second:
                chunk = max(1, int(self._per_second * _CHUNK_SECONDS))
            chunk = min(chunk, limit - total)
            began = time.perf_counter()
            found, number = call(self._iterator, tf.constant(chunk))
            count = int(number)
            outputs = found if count or outputs is None else outputs
            total += count
            if count < chunk:
                break
            seconds = max(time.perf_counter() - began, 1e-6)
            self._per_second = min(count / seconds, _GROWTH * chunk / _CHUNK_SECONDS)
        return outputs, total

    def _warn(self, count: int) -> None:
        warnings.warn(
            f"{self.data.name} ran out of data: epoch {self._epoch} had {count} of {self.data.steps} batches. Let the "
            "data set repeat with .repeat().",
            stacklevel=2,
        )

    def steps(self, call: Callable[..., Any], count: int) -> Callable[[], Any]:
        """Returns a function that runs `count` batches, all equal to the first."""
        iterator, limit = iter(self.data.repeated()), tf.constant(count)
        return lambda: call(iterator, limit)[0]
