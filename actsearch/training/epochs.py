"""A trainer for data that fits in memory: a whole epoch is one TensorFlow function over `model.train_step`.

`train_step` and `test_step` are Keras's public override points, so models that override them work. The overhead of
`model.fit` for each batch (iterator, callbacks, logs) occurs only once for each epoch.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch.swap.weights import restoring_state
from actsearch.training.costs.graph_costs import SavedTensors, saved_tensors
from actsearch.training.one_thread import runs_on_one_thread

SMALL_STEP = 3_000_000  # multiplications of a forward pass over a batch; measured break-even on two cores


def executor_for(model: keras.Model, batch_size: int) -> str | None:
    """Returns the name of TensorFlow's executor for a model; None for the default.

    The choice depends only on the model, not on measurements, because the last digit of a sum depends on the executor
    and the same seed must give the same numbers.

    Args:
        model: A built model.
        batch_size: Number of samples in a batch.
    """
    if tf.config.list_logical_devices("GPU"):
        return None
    try:
        small = batch_size * _multiplications(model) < SMALL_STEP
    except (AttributeError, ValueError):
        return None  # the shapes inside a subclassed model are unknown
    return "SINGLE_THREADED_EXECUTOR" if small else None


def executing(executor: str | None) -> AbstractContextManager[Any]:
    """Runs the TensorFlow functions that are called in the block on this executor."""
    return nullcontext() if executor is None else tf.experimental.function_executor_type(executor)


def _multiplications(layer: Any) -> int:
    """Counts the multiplications of a forward pass of one sample: each weight at each position of its layer."""
    if isinstance(layer, keras.Model):
        return sum(_multiplications(part) for part in layer.layers)
    num_weights = sum(math.prod(weight.shape) for weight in layer.weights)
    return num_weights * max(_positions(layer.input), _positions(layer.output)) if num_weights else 0


def _positions(tensors: Any) -> int:
    """Counts positions along all axes except the first and the last; an unknown length counts as 512, as for text."""
    return max(math.prod(size or 512 for size in tensor.shape[1:-1]) for tensor in keras.tree.flatten(tensors))


@dataclass(frozen=True)
class Tensors:
    """Data on the device as `train_step` gets them: `(x, y)`, `(x, y, sample_weight)`, or a bare x without a y.

    Each part is a tensor or a nested structure of tensors.
    """

    train: Any
    validation: Any = None
    test: Any = None

    @property
    def x(self) -> Any:
        """The inputs of the training data."""
        return keras.utils.unpack_x_y_sample_weight(self.train)[0]


def has_own_steps(model: keras.Model) -> bool:
    """Returns whether a model has a `train_step` or `test_step` of its own."""
    kind = type(model)
    return kind.train_step is not keras.Model.train_step or kind.test_step is not keras.Model.test_step


class CompiledEpochs:
    """The epochs of one model, traced once and used for its lifetime; each execution may have other data.

    Args:
        model: A compiled Keras model; it is built if necessary.
        tensors: Training, validation and test data.
        batch_size: Number of samples in a batch; the last batch may be smaller.

    Attributes:
        tensors: The data of the next calls: other samples may replace them, of the same shapes and types.
        saved: What a training step keeps for its backward pass, once it is traced; None if that is unknown.
    """

    def __init__(self, model: keras.Model, tensors: Tensors, batch_size: int) -> None:
        self.model = model
        self.tensors, self._batch_size = tensors, batch_size
        self.num_in_batch = min(batch_size, self.num_samples)
        self.saved: SavedTensors | None = None
        self._executor = executor_for(model, batch_size)
        self._create_variables(_rows(tensors.train, slice(0, self.num_in_batch)))
        model.reset_metrics()
        self._train_epoch: Any = None
        self._validate: Any = None
        self._test: Any = None

    @property
    def num_samples(self) -> int:
        """The number of training samples."""
        return _length(self.tensors.train)

    def _create_variables(self, batch: Any) -> None:
        """Creates the variables of metrics and optimizers. Steps of the user's own are traced, not run, as in `fit`."""
        if has_own_steps(self.model):
            steps = [self.model.train_step]
            if self.tensors.validation is not None or self.tensors.test is not None:
                steps.append(self.model.test_step)
            with executing(self._executor):
                for step in steps:
                    tf.function(partial(_on_any_length, step, batch), autograph=False).get_concrete_function()
        else:
            with restoring_state(self.model):
                self.model.test_step(batch)
        if self.model.optimizer is not None and not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)

    def trace(self) -> None:
        """Builds the graphs, so that the first epoch does not include their cost.

        TensorFlow optimizes a graph at its first call, so this trains a batch or two: restore the initial state of the
        model afterwards.
        """
        self._trace()
        if self._executor is not None and not all(map(runs_on_one_thread, self._traced_functions)):
            self._executor = None
            self._trace()
        try:
            self._call_first()
        except tf.errors.FailedPreconditionError:
            if self._executor is None:
                raise
            self._executor = None  # a TensorFlow function inside was already traced for the default executor
            self._trace()
            self._call_first()

    @property
    def executor(self) -> str | None:
        """Name of TensorFlow's executor that runs the epochs; None for the default."""
        return self._executor

    def _trace(self) -> None:
        order = tf.TensorSpec((None,), tf.int32)
        with executing(self._executor):
            self._train_epoch = _traced(self._one_epoch, self.tensors.train, order)
            self._validate = self._traced_evaluation(self.tensors.validation)
            self._test = self._traced_evaluation(self.tensors.test)

    def _traced_evaluation(self, data: Any) -> Any:
        return None if data is None else _traced(self._evaluate, data)

    @property
    def _traced_functions(self) -> list[Any]:
        return [traced for traced in (self._train_epoch, self._validate, self._test) if traced is not None]

    def _call_first(self) -> None:
        """Calls each graph for one batch."""
        with executing(self._executor):
            self._train_epoch(
                self.tensors.train, tf.range(self.num_samples), tf.constant(min(1, self._loops(self.num_samples)))
            )
            for traced, data in ((self._validate, self.tensors.validation), (self._test, self.tensors.test)):
                if traced is not None:
                    traced(data, tf.constant(min(1, self._loops(_length(data)))))

    @property
    def outputs(self) -> dict[str, Any]:
        """The logs of an epoch as symbolic tensors, by name; the names of those of validation start with `val_`."""
        validated = self._validate.structured_outputs if self._validate else {}
        return dict(self._train_epoch.structured_outputs) | {f"val_{name}": log for name, log in validated.items()}

    def train(self, order: np.ndarray) -> dict[str, Any]:
        """Trains one epoch with the samples in this order, and returns the same logs as `model.fit`."""
        loops = tf.constant(self._loops(len(order)))
        logs = self._call(self._train_epoch, self.tensors.train, tf.constant(order, tf.int32), loops)
        if self._validate is not None:
            validated = self._evaluated(self._validate, self.tensors.validation)
            logs |= {f"val_{name}": value for name, value in validated.items()}
        return logs

    def steps(self, count: int) -> Callable[[], None]:
        """Returns a function that trains the first `count` batches, fewer than the epoch has, and waits for the end."""
        order, loops = tf.range(self.num_samples), tf.constant(count)

        def run() -> None:
            with executing(self._executor):
                logs = self._train_epoch(self.tensors.train, order, loops)
            for log in logs.values():
                np.asarray(log)

        return run

    def test(self) -> dict[str, Any]:
        """Returns the model's metrics on the test data; empty if there are none."""
        return {} if self._test is None else self._evaluated(self._test, self.tensors.test)

    def _evaluated(self, traced: Any, data: Any) -> dict[str, Any]:
        return self._call(traced, data, tf.constant(self._loops(_length(data))))

    def _call(self, traced: Any, *arguments: Any) -> dict[str, Any]:
        self.model.reset_metrics()
        with executing(self._executor):
            return _to_numpy(traced(*arguments))

    def _one_epoch(self, data: Any, order: tf.Tensor, loops: tf.Tensor) -> dict[str, tf.Tensor]:
        def rows(start: Any, end: Any) -> Any:
            return tf.nest.map_structure(lambda a: tf.gather(a, order[start:end]), data)

        return self._steps(self._counted_step, rows, loops, tf.shape(order)[0])

    def _counted_step(self, batch: Any) -> Any:
        logs = self.model.train_step(batch)
        self.saved = self.saved or saved_tensors(tf.compat.v1.get_default_graph())
        return logs

    def _evaluate(self, data: Any, loops: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(tf.nest.flatten(data)[0])[0]
        return self._steps(self.model.test_step, lambda s, e: _rows(data, slice(s, e)), loops, count)

    def _loops(self, count: int) -> int:
        """Returns the number of batches to run in the loop: all, or all but the last.

        A model's own `train_step` may return logs that are not metrics. Then, as in `model.fit`, those of the last
        batch count, so the last batch runs after the loop.
        """
        return math.ceil(count / self._batch_size) - has_own_steps(self.model)

    def _steps(self, step: Any, rows: Any, loops: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        """Runs the step on all batches with a single trace: as in `model.fit`, the batch size is left undefined."""
        size = self._batch_size

        def body(number: tf.Tensor) -> tuple[tf.Tensor]:
            start = number * size
            step(_of_any_length(rows(start, tf.minimum(start + size, count))))
            return (number + 1,)

        end = tf.while_loop(lambda number: number < loops, body, [tf.constant(0)], parallel_iterations=1)
        if not has_own_steps(self.model):
            return dict(self.model.get_metrics_result())
        with tf.control_dependencies(end):
            logs = dict(step(_of_any_length(rows((count - 1) // size * size, count))))
        metrics = dict(self.model.get_metrics_result())
        return metrics if set(logs) == set(metrics) else flat_logs(logs)


def order_of(seed: int, epoch: int, num_samples: int) -> np.ndarray:
    """Returns the order of the samples in an epoch; it depends only on seed and epoch, so activations are paired."""
    return np.random.default_rng([seed, epoch]).permutation(num_samples)


def to_tensors(data: Any) -> Any:
    """Converts nested arrays to tensors, once for each search; lists become tuples, as in fit."""
    return keras.tree.lists_to_tuples(tf.nest.map_structure(_to_tensor, data))


def _to_tensor(array: Any) -> tf.Tensor:
    tensor = tf.convert_to_tensor(array)
    return tf.cast(tensor, keras.backend.floatx()) if tensor.dtype.is_floating else tensor


def _length(data: Any) -> int:
    return int(tf.nest.flatten(data)[0].shape[0])


def _rows(data: Any, rows: Any) -> Any:
    return tf.nest.map_structure(lambda a: a[rows], data)


def _of_any_length(batch: Any) -> Any:
    return tf.nest.map_structure(lambda a: tf.compat.v1.placeholder_with_default(a, [None, *a.shape[1:]]), batch)


def _traced(function: Any, data: Any, *arguments: tf.TensorSpec) -> Any:
    """Traces a function of data of any number of samples, of further arguments, and of a number of batches."""
    specs = tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), data)
    loops = tf.TensorSpec((), tf.int32)
    return tf.function(function, autograph=False).get_concrete_function(specs, *arguments, loops)


def _on_any_length(step: Any, batch: Any) -> Any:
    return step(_of_any_length(batch))


def flat_logs(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces a log that is a mapping, such as the result of all compiled metrics, by its entries, as in `fit`."""
    flat: dict[str, Any] = {}
    for name, log in logs.items():
        flat |= flat_logs(log) if isinstance(log, Mapping) else {name: log}
    return flat


def _to_numpy(logs: dict[str, Any]) -> dict[str, Any]:
    """Converts logs as `model.fit` does; a metric with a number for each class is an array."""
    return {name: float(np.asarray(v).item()) if np.size(v) == 1 else np.asarray(v) for name, v in logs.items()}


def single_numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Returns the logs that are a single number: a metric with a number for each class cannot rank epochs."""
    return {name: float(np.asarray(v).item()) for name, v in logs.items() if np.size(v) == 1}
