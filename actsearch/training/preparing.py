"""A model ready for an execution: built from the seed, or a cached one that is given the state of such a build."""

import random
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.utils.naming import reset_uids

from actsearch.errors import ExecutionFailedError, ModelError
from actsearch.layers.base import exclude_from_weight_decay
from actsearch.training.compiled import Epochs, Tensors
from actsearch.training.resources import Stopwatch

BuildFunction = Callable[[Any], keras.Model]


@dataclass(frozen=True)
class Prepared:
    """A model with its weights drawn from a seed. `epochs` is None where `model.fit` is to train it."""

    model: keras.Model
    predict: Any
    epochs: Epochs | None
    build_seconds: float
    trace_seconds: float


def build_model(build: BuildFunction, hp: Any, seed: int, sample: Any = None) -> keras.Model:
    """A new model, its weights drawn from the seed; learned parameters of activations escape weight decay.

    Keras draws the seeds of initializers and dropout from Python's generator. TensorFlow's own is seeded once a search:
    `tf.random.set_seed` throws away all that TensorFlow has compiled, some 300 ms for each traced model.

    Args:
        build: From hyperparameters to a compiled model.
        hp: The hyperparameters.
        seed: Seeds Python and NumPy.
        sample: Some rows of x, which make the weights of a model that does not know its input's shape.

    Raises:
        ModelError: The build function does not return a compiled Keras model.
    """
    reset_uids()  # layers are called the same in every trial; clear_session would wipe much more
    random.seed(seed)
    np.random.seed(seed)
    model = build(hp)
    if not isinstance(model, keras.Model):
        raise ModelError(f"The build function returned {model!r:.80}; expected a compiled keras.Model. Return one.")
    if not model.compiled:
        raise ModelError(
            "The build function returned a model that is not compiled, so there is no loss to train on. "
            "Call model.compile(optimizer, loss, metrics) in it before it returns."
        )
    if not model.built and sample is not None:
        model(sample)
    if model.built:
        exclude_from_weight_decay(model)
    return model


class Workshop:
    """Prepares models, and keeps the traced ones of the trials seen last.

    A further execution of a trial builds a fresh model from its own seed and hands over the state: weights, the
    random generators of dropout layers, and the optimizer. The kept trace then trains exactly what the fresh model
    would have.

    Args:
        build: From hyperparameters to a compiled model.
        capacity: How many traced models are kept.
    """

    def __init__(self, build: BuildFunction, *, capacity: int = 32) -> None:
        self._build = build
        self._capacity = capacity
        self._kept: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, hp: Any, seed: int, tensors: Tensors, batch_size: int) -> Prepared:
        """A model whose epochs run compiled."""
        watch = Stopwatch()
        fresh = build_model(self._build, hp, seed, some_rows(tensors.train[0]))
        key = _key(hp.values, batch_size)
        kept = self._kept.pop(key, None)
        if kept is not None and kept.epochs is not None and _trains_the_same(fresh, kept.model):
            fresh.optimizer.build(fresh.trainable_variables)
            _copy_state(_state(fresh), kept.model)
            self._kept[key] = kept
            return Prepared(kept.model, kept.predict, kept.epochs, watch.lap(), 0.0)
        epochs = Epochs(fresh, tensors, batch_size)
        build_seconds = watch.lap()
        state = _state(fresh)
        epochs.trace()
        predict = predict_function(fresh, tensors.train[0], batch_size)
        _copy_state(state, fresh)
        prepared = Prepared(fresh, predict, epochs, build_seconds, watch.lap())
        self._kept[key] = prepared
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return prepared

    def prepare_for_fit(self, hp: Any, seed: int, x: Any) -> Prepared:
        """A model that `model.fit` trains; nothing of it is kept."""
        watch = Stopwatch()
        model = build_model(self._build, hp, seed, some_rows(x))
        return Prepared(model, None, None, watch.lap(), 0.0)


def predict_function(model: keras.Model, x: Any, batch_size: int) -> Any:
    """A traced forward pass over one batch: a function of no arguments, and how many samples it takes."""
    sample = some_rows(x, batch_size)
    forward = tf.function(lambda: model(sample, training=False), autograph=False).get_concrete_function()
    forward()
    return forward, int(tf.nest.flatten(sample)[0].shape[0])


def some_rows(x: Any, count: int = 1) -> Any:
    """The first rows of arrays or nested structures of them; the first batch of a data set."""
    if not isinstance(x, np.ndarray | tf.Tensor | list | tuple | dict):
        first = next(iter(x))
        return first[0] if isinstance(first, tuple) else first
    return tf.nest.map_structure(lambda a: tf.convert_to_tensor(a[:count]), x)


def _key(values: Mapping[str, Any], batch_size: int) -> str:
    return repr((sorted(values.items()), batch_size))


def _variables(model: keras.Model) -> list[Any]:
    metrics = {id(v) for metric in model.metrics for v in metric.variables}
    return [v for v in model.variables if id(v) not in metrics] + list(model.optimizer.variables)


def _state(model: keras.Model) -> list[np.ndarray]:
    return [np.array(v.numpy()) for v in _variables(model)]


def _copy_state(state: list[np.ndarray], model: keras.Model) -> None:
    variables = _variables(model)
    if len(variables) != len(state):
        raise ExecutionFailedError(
            f"The model has {len(variables)} variables now and had {len(state)} when it was built: its train_step "
            "makes variables. Make them in build()."
        )
    for variable, value in zip(variables, state, strict=True):
        variable.assign(value)


def trains_by_fit(model: keras.Model) -> bool:
    """Whether a model asks for what only `model.fit` does: eager steps, or metrics computed by its own code."""
    own = ("compute_metrics", "get_metrics_result", "fit", "evaluate")
    return bool(model.run_eagerly) or any(getattr(type(model), n) is not getattr(keras.Model, n) for n in own)


def _trains_the_same(one: keras.Model, other: keras.Model) -> bool:
    """Whether the trace of one model trains the other: the same layers, and no state but weights and optimizer."""
    plain = all(isinstance(loss, str) or type(loss).__module__.startswith("keras.") for loss in _losses(one))
    standard = type(one).train_step is keras.Model.train_step and type(one).test_step is keras.Model.test_step
    if not (plain and standard):
        return False
    try:
        return one.to_json() == other.to_json()
    except (NotImplementedError, TypeError, ValueError):
        return False  # a subclassed model says nothing of its layers


def _losses(model: keras.Model) -> list[Any]:
    return [loss for loss in keras.tree.flatten(model.loss) if loss is not None]
