"""A trainer for data that fits in memory: a whole epoch is one TensorFlow function over `model.train_step`.

`train_step` and `test_step` are Keras's public override points, so models that override them work. The overhead of
`model.fit` for each batch (iterator, callbacks, logs) occurs only once for each epoch.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch.data.rows import Rows
from actsearch.swap.weights import restoring_state
from actsearch.training.array_loop import ArrayLoop
from actsearch.training.costs.graph_costs import SavedTensors, saved_tensors
from actsearch.training.datasets.array_stream import ArrayStream, is_streamed
from actsearch.training.datasets.dataset_loop import DatasetLoop
from actsearch.training.datasets.pipeline import Pipeline
from actsearch.training.one_thread import runs_on_one_thread

TRAIN, VALIDATION, TEST = "train", "validation", "test"
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
    number = num_multiplications(model)
    return None if number is None or batch_size * number >= SMALL_STEP else "SINGLE_THREADED_EXECUTOR"


def executing(executor: str | None) -> AbstractContextManager[Any]:
    """Runs the TensorFlow functions that are called in the block on this executor."""
    return nullcontext() if executor is None else tf.experimental.function_executor_type(executor)


def num_multiplications(model: keras.Model) -> int | None:
    """Counts the multiplications of a forward pass of one sample; None if the shapes inside are unknown."""
    try:
        return _multiplications(model)
    except (AttributeError, ValueError):
        return None  # a subclassed model


def _multiplications(layer: Any) -> int:
    """Counts each weight of a layer at each position."""
    if isinstance(layer, keras.Model):
        return sum(_multiplications(part) for part in layer.layers)
    num_weights = sum(math.prod(weight.shape) for weight in layer.weights)
    return num_weights * max(_positions(layer.input), _positions(layer.output)) if num_weights else 0


def _positions(tensors: Any) -> int:
    """Counts positions along all axes except the first and the last; an unknown length counts as 512, as for text."""
    return max(math.prod(size or 512 for size in tensor.shape[1:-1]) for tensor in keras.tree.flatten(tensors))


@dataclass(frozen=True)
class Tensors:
    """Data as `train_step` gets them: `(x, y)`, `(x, y, sample_weight)`, or a bare x without a y.

    Each part is a tensor or a nested structure of tensors on the device, arrays that are too large for it, or a data
    set. `shuffle` is whether arrays are trained in another order in each epoch.
    """

    train: Any
    validation: Any = None
    test: Any = None
    shuffle: bool = True
    _streams: dict[tuple[str, int], ArrayStream] = field(default_factory=dict, repr=False, compare=False)

    @property
    def x(self) -> Any:
        """The inputs of the training data; those of the first batch of a data set."""
        if isinstance(self.train, Pipeline):
            return self.train.x
        return keras.utils.unpack_x_y_sample_weight(self.train)[0]

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that there are, by name."""
        parts = {TRAIN: self.train, VALIDATION: self.validation, TEST: self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def source(self, part: str, batch_size: int) -> Any:
        """Returns a part as a loop takes it: arrays that are too large for the device as batches that are read."""
        data, key = self.parts[part], (part, batch_size)
        if isinstance(data, Pipeline) or not is_streamed(data):
            return data
        if key not in self._streams:  # all models of a search share it
            self._streams[key] = ArrayStream(data, batch_size, part, is_trained=part == TRAIN, shuffle=self.shuffle)
        return self._streams[key]

    def samples(self, part: str) -> Any:
        """Returns the samples of a part as tensors; None if those of a data set have no order that stays the same."""
        data = self.parts[part]
        if not isinstance(data, Pipeline):
            return data
        return None if data.samples is None else to_tensors(data.samples)


def has_own_steps(model: keras.Model) -> bool:
    """Returns whether a model has a `train_step` or `test_step` of its own."""
    kind = type(model)
    return kind.train_step is not keras.Model.train_step or kind.test_step is not keras.Model.test_step


class CompiledEpochs:
    """The epochs of one model, traced once and used for its lifetime; each execution may have other data.

    Args:
        model: A compiled Keras model; it is built if necessary.
        tensors: Training, validation and test data.
        batch_size: Number of samples in a batch of arrays; the last batch may be smaller.

    Attributes:
        saved: What a training step keeps for its backward pass, once it is traced; None if that is unknown.
    """

    def __init__(self, model: keras.Model, tensors: Tensors, batch_size: int) -> None:
        self.model = model
        self.saved: SavedTensors | None = None
        self._tensors, self._batch_size = tensors, batch_size
        self._loops = {
            part: _loop(tensors.source(part, batch_size), model, batch_size, is_trained=part == TRAIN)
            for part in tensors.parts
        }
        self._train = self._loops[TRAIN]
        is_array = isinstance(self._train, ArrayLoop)
        self._executor = executor_for(model, batch_size if is_array else self.num_in_batch)
        self._create_variables()
        model.reset_metrics()
        self._traced: dict[str, Any] = {}

    @property
    def tensors(self) -> Tensors:
        """The data of the next calls: others may replace them, of the same shapes and types."""
        return self._tensors

    @tensors.setter
    def tensors(self, tensors: Tensors) -> None:
        self._tensors = tensors
        for part in tensors.parts:
            self._loops[part].data = tensors.source(part, self._batch_size)

    @property
    def num_samples(self) -> int | None:
        """The number of training samples; None if they come from a data set."""
        return self._train.num_samples if isinstance(self._train, ArrayLoop) else None

    @property
    def num_in_batch(self) -> int:
        """The number of samples in the first batch."""
        return self._train.num_in_batch

    @property
    def num_batches(self) -> int | None:
        """The number of batches in an epoch; None if it is unknown."""
        return self._train.num_batches

    @property
    def max_steps(self) -> int:
        """The number of batches that `steps` can train."""
        return self._train.max_steps

    @contextmanager
    def execution(self, seed: int) -> Iterator[None]:
        """Begins an execution with a seed as `start` does, and lets go of its batches after the `with` block."""
        self.start(seed)
        try:
            yield
        finally:
            for loop in self._loops.values():
                if isinstance(loop, DatasetLoop):
                    loop.stop()

    def start(self, seed: int) -> None:
        """Begins an execution.

        Args:
            seed: Seed of the randomness of a training data set, also of Python code in it that draws from the global
                generators.
        """
        if not isinstance(self._train, ArrayLoop):
            random.seed(seed)
            np.random.seed(seed % 2**32)
        for part, loop in self._loops.items():
            if isinstance(loop, DatasetLoop):
                loop.start(seed if part == TRAIN else None)

    def _create_variables(self) -> None:
        """Creates the variables of metrics and optimizers. Steps of the user's own are traced, not run, as in `fit`."""
        if has_own_steps(self.model):
            steps = [self.model.train_step, *[self.model.test_step] * (len(self._loops) > 1)]
            with executing(self._executor):
                for step in steps:
                    tf.function(step, autograph=False).get_concrete_function(self._train.batch_spec())
        else:
            with restoring_state(self.model):
                self.model.test_step(self._train.batch())
        if self.model.optimizer is not None and not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)

    def trace(self) -> None:
        """Builds the graphs, so that the first epoch does not include their cost.

        TensorFlow optimizes a graph at its first call, so this trains a batch or two: restore the initial state of the
        model afterwards.
        """
        self._trace()
        if self._executor is not None and not all(map(runs_on_one_thread, self._traced.values())):
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
        with executing(self._executor):
            self._traced = {part: self._graph(part) for part in self._loops if part != TEST or not self._tests_validate}
            if self._tests_validate:
                self._traced[TEST] = self._traced[VALIDATION]

    def _graph(self, part: str) -> Any:
        specs = self._loops[part].specs()
        return tf.function(partial(self._epoch, part), autograph=False).get_concrete_function(*specs)

    @property
    def _tests_validate(self) -> bool:
        """Whether one graph serves validation and test: it takes their data as an argument."""
        loops = [self._loops.get(part) for part in (VALIDATION, TEST)]
        specs = [loop.specs() for loop in loops if isinstance(loop, ArrayLoop)]
        return len(specs) == len(loops) and specs[0] == specs[1]

    def _epoch(self, part: str, *arguments: Any) -> tuple[dict[str, Any], Any]:
        """Runs the step on all batches of a part, inside a TensorFlow function; returns logs and number of batches."""
        logs, number = self._loops[part].graph(self._step(part), *arguments)
        metrics = dict(self.model.get_metrics_result())
        return metrics if logs is None or set(logs) == set(metrics) else flat_logs(logs), number

    def _step(self, part: str) -> Any:
        return self._counted_step if part == TRAIN else self.model.test_step

    def _counted_step(self, batch: Any) -> Any:
        logs = self.model.train_step(batch)
        self.saved = self.saved or saved_tensors(tf.compat.v1.get_default_graph())
        return logs

    def _call_first(self) -> None:
        """Calls each graph for one batch."""
        for part, loop in self._loops.items():
            loop.steps(partial(self._call, part), 1)()

    def _call(self, part: str, *arguments: Any) -> Any:
        with executing(self._executor):
            return self._traced[part](*arguments)

    @property
    def outputs(self) -> dict[str, Any]:
        """The logs of an epoch as symbolic tensors, by name; the names of those of validation start with `val_`."""
        logs = {part: traced.structured_outputs[0] for part, traced in self._traced.items()}
        return dict(logs[TRAIN]) | {f"val_{name}": log for name, log in logs.get(VALIDATION, {}).items()}

    def train(self, order: np.ndarray | None, calls: keras.callbacks.CallbackList | None = None) -> dict[str, Any]:
        """Trains one epoch and validates it; returns the same logs as `model.fit`.

        Args:
            order: The order of the samples; None for a data set, which has its own.
            calls: Callbacks that are called before and after the validation.
        """
        logs = self._run(TRAIN, order)
        if VALIDATION in self._loops:
            if calls is not None:
                calls.on_test_begin()
            validated = self._run(VALIDATION)
            if calls is not None:
                calls.on_test_end(dict(validated))
            logs |= {f"val_{name}": value for name, value in validated.items()}
        return logs

    def steps(self, count: int) -> Callable[[], None]:
        """Returns a function that trains `count` batches, at most `max_steps`, and waits for the end."""
        train = self._train.steps(partial(self._call, TRAIN), count)

        def run() -> None:
            for log in train().values():
                np.asarray(log)

        return run

    def test(self) -> dict[str, Any]:
        """Returns the model's metrics on the test data; empty if there are none."""
        return self._run(TEST) if TEST in self._loops else {}

    def _run(self, part: str, order: np.ndarray | None = None) -> dict[str, Any]:
        self.model.reset_metrics()
        return _to_numpy(self._loops[part].run(partial(self._call, part), order))


def _loop(data: Any, model: keras.Model, batch_size: int, *, is_trained: bool) -> ArrayLoop | DatasetLoop:
    keeps_logs = has_own_steps(model)
    if isinstance(data, Pipeline):
        at_once = 1 if isinstance(data, ArrayStream) else model.steps_per_execution
        return DatasetLoop(data, keeps_logs=keeps_logs, at_once=at_once)
    return ArrayLoop(data, batch_size, is_ordered=is_trained, keeps_logs=keeps_logs)


def to_tensors(data: Any) -> Any:
    """Converts nested arrays to tensors, once for each search; lists become tuples, as in fit."""
    return keras.tree.lists_to_tuples(tf.nest.map_structure(_to_tensor, data))


def _to_tensor(array: Any) -> tf.Tensor:
    if isinstance(array, Rows):
        return array  # too large for the device
    tensor = tf.convert_to_tensor(array)
    return tf.cast(tensor, keras.backend.floatx()) if tensor.dtype.is_floating else tensor


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
