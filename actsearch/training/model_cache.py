"""Prepares models for executions: builds them from a seed, or sets the state of such a build on a cached model."""

import gc
import json
import math
import random
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch._private import eagerly, reset_layer_names
from actsearch.data.rows import Rows
from actsearch.errors import ExecutionFailedError, ModelError
from actsearch.layers.base import exclude_from_weight_decay
from actsearch.swap.weights import restoring_state
from actsearch.training.batches import Batches
from actsearch.training.costs.graph_costs import SavedTensors, flops_per_sample
from actsearch.training.datasets.pipeline import first_of, len_of
from actsearch.training.epochs import CompiledEpochs, Tensors, has_own_steps
from actsearch.training.model_state import of_tensorflow, state_variables
from actsearch.training.own_fit import has_own_fit
from actsearch.training.resources import Stopwatch

_OURS = ("keras", "actsearch")
_VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__")  # between layers
MAX_OUTPUT_BYTES = 1_000_000_000


def trace_key(model: keras.Model, values: Mapping[str, Any]) -> str | None:
    """Returns a key that is equal for models that one trace can train, given their weights and optimizer state.

    The learning rate is a variable of the optimizer, so models that differ in nothing else have the same key. The
    configuration of user layers, losses and metrics may be incomplete, so models with any of these have the same key
    only if their hyperparameter values are equal as well.

    Args:
        model: A compiled model.
        values: The hyperparameter values that it was built from.

    Returns:
        The key; None if the trace depends on code that no configuration describes, such as a user's step or loss.
    """
    if has_own_steps(model) or not all(_is_keras_loss(loss) for loss in keras.tree.flatten(model.loss)):
        return None
    if (text := json_of(model)) is None:
        return None
    config = json.loads(text)
    optimizer = (config.get("compile_config") or {}).get("optimizer") or {}
    if isinstance(optimizer, dict) and isinstance(optimizer.get("config", {}).get("learning_rate"), float):
        del optimizer["config"]["learning_rate"]
    complete = all(_is_complete(part) for part in _objects(config))
    return json.dumps([config, None if complete else sorted(values.items())], sort_keys=True, default=repr)


def json_of(model: keras.Model) -> str | None:
    """Returns the configuration of a model as JSON; None if it is subclassed, or if a `get_config` fails."""
    try:
        return model.to_json()
    except Exception:  # noqa: BLE001  code of the model's own classes writes it
        return None


def _is_keras_loss(loss: Any) -> bool:
    return loss is None or isinstance(loss, str) or type(loss).__module__.startswith("keras.")


def _objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yields every object in a configuration."""
    parts = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    if isinstance(config, dict) and "class_name" in config:
        yield config
    for part in parts:
        yield from _objects(part)


def _is_complete(part: Mapping[str, Any]) -> bool:
    """Returns whether its configuration is surely complete: it is Keras's or ours, and no code or data shaped it."""
    package = (part.get("module") or "").split(".")[0] or (part.get("registered_name") or "").split(">")[0]
    is_shaped = part["class_name"] == "Lambda" or hasattr(getattr(keras.layers, part["class_name"], None), "adapt")
    return part["class_name"] in _VALUES or (package in _OURS and not is_shaped)


def release_when_unreachable(variables: Iterable[Any]) -> None:
    """Empties each variable of a model when its Python object is garbage collected.

    Args:
        variables: Variables of Keras or TensorFlow.
    """
    for value in map(of_tensorflow, variables):
        weakref.finalize(value, _empty, value.handle, value.dtype).atexit = False


def _empty(handle: tf.Tensor, dtype: tf.DType) -> None:
    with eagerly():  # garbage collection may run at any time, even while a graph is built
        tf.raw_ops.AssignVariableOp(resource=handle, value=tf.zeros((0,), dtype))


BuildFunction = Callable[[Any], keras.Model]


@dataclass(frozen=True)
class BuiltModel:
    """A model with its weights drawn from a seed.

    `epochs` is None if `model.fit` trains it, `forward` if it cannot be called, `key` if no cache keeps it. `saved` is
    what a training step keeps for its backward pass.
    """

    model: keras.Model
    forward: "Forward | None"
    epochs: CompiledEpochs | None
    build_seconds: float
    trace_seconds: float
    saved: SavedTensors | None = None
    key: tuple[str, int] | None = None

    def training_bytes(self, num_in_batch: int | None) -> int | None:
        """Returns the bytes of weights, optimizer state and saved tensors for a batch; None if they are unknown."""
        if self.saved is None or num_in_batch is None:
            return None
        return _num_bytes(self.model) + self.saved.bytes_for(num_in_batch)


def build_model(build: BuildFunction, hp: Any, seed: int, sample: Any = None) -> keras.Model:
    """Builds a model with its weights drawn from the seed; learned activation parameters do not decay.

    Keras draws the seeds of initializers and dropout from Python's generator. TensorFlow's generator is seeded only
    once for each search, because `tf.random.set_seed` discards everything that TensorFlow has compiled, which costs
    about 300 ms for each traced model.

    Args:
        build: The build function, from hyperparameters to a compiled model.
        hp: The hyperparameters.
        seed: The seed for Python and NumPy.
        sample: Some rows of x, to build a model that does not know the shape of its input.

    Returns:
        The model.

    Raises:
        ModelError: The build function does not return a compiled Keras model, or one that a `HyperModel.fit` compiles.
    """
    reset_layer_names()  # so that layer names are equal in all trials; clear_session would reset much more
    random.seed(seed)
    np.random.seed(seed)
    model = build(hp)
    if not isinstance(model, keras.Model):
        raise ModelError(f"The build function returned {model!r:.80}; expected a compiled keras.Model. Return it.")
    if not model.compiled and not has_own_fit(build):
        raise ModelError(
            "The build function returned a model that is not compiled, so there is no loss to train on. "
            "Call model.compile(optimizer, loss, metrics) before returning the model."
        )
    if not model.built and not has_call(model):
        model.built = all(layer.built for layer in model.layers)  # nothing else could tell
    if not model.built and sample is not None:
        _call_once(model, sample)
    if model.built:
        exclude_from_weight_decay(model)
    return model


def has_call(model: keras.Model) -> bool:
    """Returns whether a model can be called; a GAN or VAE that only has a `train_step` cannot."""
    return type(model).call is not keras.Model.call


def _call_once(model: keras.Model, sample: Any) -> None:
    """Calls a model so that it creates its weights; if only its own `train_step` can use x, that will create them."""
    if not has_call(model):
        return
    try:
        with restoring_state(model):
            model(sample)
    except Exception:
        if not has_own_steps(model):
            raise


class ModelCache:
    """Builds models, and keeps traced ones for reuse.

    A later execution builds a fresh model from its own seed and copies its state to a kept model, with that of dropout
    layers and optimizer. Training the kept model then gives exactly the same result as training the fresh one.

    Args:
        build: The build function, from hyperparameters to a compiled model.
        max_bytes: Maximum memory for the variables of kept models, which counts towards the peak of later trials.
        max_models: Maximum number of kept models; the graphs of each take some MB.
    """

    def __init__(self, build: BuildFunction, *, max_bytes: int = 100_000_000, max_models: int = 256) -> None:
        self._build = build
        self._max_bytes, self._max_models = max_bytes, max_models
        self._sizes: dict[tuple[str, int], int] = {}
        self._kept: OrderedDict[tuple[str, int], BuiltModel] = OrderedDict()

    def prepare(self, hp: Any, seed: int, tensors: Tensors, batch_size: int) -> BuiltModel:
        """Prepares a model whose epochs run compiled."""
        watch = Stopwatch()
        fresh = build_model(self._build, hp, seed, some_rows(tensors.x))
        shared = trace_key(fresh, hp.values)
        key = None if shared is None else (shared, batch_size)
        kept = None if key is None else self._kept.pop(key, None)
        if kept is not None:
            if fresh.optimizer is not None:
                fresh.optimizer.build(fresh.trainable_variables)
            _copy_state(_state(fresh), kept.model)
            assert kept.epochs is not None
            kept.epochs.tensors = tensors
            built = replace(kept, build_seconds=watch.lap(), trace_seconds=0.0)
        else:
            built = replace(_traced(fresh, tensors, batch_size, watch), key=key)
        if key is not None:
            self._kept[key] = built
            self._sizes.setdefault(key, _num_bytes(built.model) if kept is None else 0)
            self._drop_oldest()
        return built

    def use(self, tensors: Tensors) -> None:
        """Gives all kept models the data of another split, so that no trial that has left holds an earlier one."""
        for built in self._kept.values():
            if built.epochs is not None:
                built.epochs.tensors = tensors

    def kept(self, key: tuple[str, int]) -> BuiltModel | None:
        """Returns the model that is kept under this key; None if it was dropped for lack of memory."""
        return self._kept.get(key)

    def _drop_oldest(self) -> None:
        before = len(self._kept)
        while self._kept and (sum(self._sizes.values()) > self._max_bytes or len(self._kept) > self._max_models):
            del self._sizes[self._kept.popitem(last=False)[0]]
        if len(self._kept) < before:
            gc.collect()  # models have many reference cycles

    def prepare_for_fit(self, hp: Any, seed: int, x: Any) -> BuiltModel:
        """Prepares a model that `model.fit` trains; it is not kept."""
        watch = Stopwatch()
        model = build_model(self._build, hp, seed, some_rows(x))
        return BuiltModel(model, None, None, watch.lap(), 0.0)


def _traced(model: keras.Model, tensors: Tensors, batch_size: int, watch: Stopwatch) -> BuiltModel:
    epochs = CompiledEpochs(model, tensors, batch_size)
    release_when_unreachable(state_variables(model))
    build_seconds = watch.lap()
    state = _state(model)
    epochs.trace()
    forward = forward_of(model, tensors.x, batch_size)
    _copy_state(state, model)
    return BuiltModel(model, forward, epochs, build_seconds, watch.lap(), epochs.saved)


@dataclass(frozen=True)
class Forward:
    """A traced forward pass without training, over batches of any size.

    Args:
        traced: The TensorFlow function of a batch of x.
        sample: A batch of the training data.
        flops_per_sample: Floating-point operations for one sample; None if they cannot be counted.
    """

    traced: Any
    sample: Any
    flops_per_sample: int | None = None

    @property
    def num_samples(self) -> int:
        """Number of samples in `sample`."""
        return _length(self.sample)

    def __call__(self) -> Any:
        """Returns the outputs for `sample`."""
        return self.traced(self.sample)

    def over(self, x: Any) -> Any:
        """Returns the outputs for x, an array or nested arrays of any length; None if they are too large to be kept."""
        if self._bytes_for(_length(x)) > MAX_OUTPUT_BYTES:
            return None
        like = tf.nest.flatten(self.sample)
        leaves, size = tf.nest.flatten(x), self.num_samples
        parts = []
        for start in range(0, _length(x), size):
            batch = [tf.cast(leaf[start : start + size], of.dtype) for leaf, of in zip(leaves, like, strict=True)]
            parts.append(self.traced(tf.nest.pack_sequence_as(self.sample, batch)))
        return tf.nest.map_structure(lambda *outputs: tf.concat(outputs, axis=0), *parts)

    def _bytes_for(self, num_samples: int) -> int:
        """Returns the bytes of the outputs; axes of unknown length count as 1."""
        outputs = [output for output in tf.nest.flatten(self.traced.structured_outputs) if output.shape.rank]
        return num_samples * sum(o.dtype.size * math.prod(size or 1 for size in o.shape[1:]) for o in outputs)


def forward_of(model: keras.Model, x: Any, batch_size: int) -> Forward | None:
    """Traces a forward pass; None for a model that cannot be called on x."""
    if not has_call(model):
        return None
    sample = some_rows(x, batch_size)
    fixed = _length(sample) if has_fixed_batch(model) else None
    try:
        specs = tf.nest.map_structure(lambda a: _spec(a, fixed), sample)
        traced = tf.function(partial(model, training=False), autograph=False).get_concrete_function(specs)
    except Exception:
        if not has_own_steps(model):
            raise
        return None
    forward = Forward(traced, sample, flops_per_sample(traced))
    forward()
    return forward


def _spec(tensor: Any, num_samples: int | None) -> Any:
    if isinstance(tensor, tf.Tensor):
        return tf.TensorSpec((num_samples, *tensor.shape[1:]), tensor.dtype)
    return tf.type_spec_from_value(tensor)


def fixed_batch_size(model: keras.Model) -> int | None:
    """Returns the batch size that a model's inputs fix, as stateful recurrent layers need it; None if they do not."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    sizes = {tensor.shape[0] for tensor in inputs if isinstance(tensor, keras.KerasTensor)}
    return sizes.pop() if len(sizes) == 1 else None


def has_fixed_batch(model: keras.Model) -> bool:
    """Returns whether an input of a model fixes the batch size, as stateful recurrent layers need it."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    return any(isinstance(tensor, keras.KerasTensor) and tensor.shape[0] is not None for tensor in inputs)


def _length(data: Any) -> int:
    return len_of(tf.nest.flatten(data)[0])


def some_rows(x: Any, count: int = 1) -> Any:
    """Returns the first rows of arrays or of nested structures of them, or the first batch of a data set."""
    if isinstance(x, Batches):
        return x.parts()[0]
    if not isinstance(x, np.ndarray | Rows | tf.Tensor | tf.RaggedTensor | tf.SparseTensor | list | tuple | dict):
        return keras.utils.unpack_x_y_sample_weight(first_of(x))[0]
    return tf.nest.map_structure(lambda a: _first_rows(a, count), x)


def _first_rows(array: Any, count: int) -> Any:
    if isinstance(array, tf.SparseTensor):
        return tf.sparse.slice(array, [0] * len(array.shape), [count, *array.shape[1:]])
    return array[:count] if isinstance(array, tf.RaggedTensor) else tf.convert_to_tensor(array[:count])


def _state(model: keras.Model) -> list[np.ndarray]:
    return [np.array(v.numpy()) for v in state_variables(model)]


def _copy_state(state: list[np.ndarray], model: keras.Model) -> None:
    variables = state_variables(model)
    if len(variables) != len(state):
        raise ExecutionFailedError(
            f"The model has {len(variables)} variables but had {len(state)} when it was built, so its train_step "
            "creates variables. Create them in build()."
        )
    for variable, value in zip(variables, state, strict=True):
        variable.assign(value)


@contextmanager
def keeping_state(model: keras.Model) -> Iterator[None]:
    """Undoes at the end of the block what training changes in a model."""
    state = _state(model)
    try:
        yield
    finally:
        _copy_state(state, model)
        model.reset_metrics()


def trains_by_fit(model: keras.Model) -> bool:
    """Returns whether a model needs `model.fit`: for eager steps, replicas, or metrics computed by its own code.

    So does `jit_compile=True` on a CPU, where XLA is not Keras's default: inside of a loop it may end the process.
    """
    if model.jit_compile and not tf.config.list_logical_devices("GPU"):
        return True
    own = ("compute_metrics", "get_metrics_result", "fit", "evaluate")
    if model.run_eagerly or model.distribute_strategy.num_replicas_in_sync > 1:
        return True
    return any(getattr(type(model), n) is not getattr(keras.Model, n) for n in own)


def _num_bytes(model: keras.Model) -> int:
    return sum(v.dtype.size * math.prod(v.shape) for v in map(of_tensorflow, state_variables(model)))
