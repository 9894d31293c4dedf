"""Everything that training changes in a model: its variables, and those of all that it holds as attributes."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from actsearch.training.epochs import has_own_steps

_LIBRARIES = ("builtins", "collections", "functools", "keras", "numpy", "tensorflow", "types", "weakref")


def state_variables(model: keras.Model) -> list[Any]:
    """Lists the variables that training changes, except those of the model's metrics, which each epoch resets.

    These are the variables of the model, its optimizer, and of other optimizers, random generators and objects that
    the model or its layers hold as attributes, also in lists and dicts, such as the two optimizers of a GAN.

    Args:
        model: A compiled model.

    Returns:
        Keras and TensorFlow variables, each once, in an order that is equal for models of the same configuration.
    """
    seen = {_key(variable) for metric in model.metrics for variable in metric.variables}
    optimizer = getattr(getattr(model, "optimizer", None), "variables", ())  # a model that is never compiled has none
    listed = []
    ignored = () if has_own_steps(model) else keras.Metric  # without steps of its own, Keras resets them
    for variable in [*model.variables, *optimizer, *_held(model, set(), ignored)]:
        if _key(variable) not in seen:
            seen.add(_key(variable))
            listed.append(variable)
    return listed


def of_tensorflow(variable: Any) -> tf.Variable:
    """Returns the TensorFlow variable inside a variable of Keras; one of TensorFlow itself."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def _key(variable: Any) -> int:
    """Identifies a variable: a Keras variable and the TensorFlow variable inside it are the same."""
    return id(of_tensorflow(variable))


def _held(thing: Any, seen: set[int], ignored: Any) -> Iterator[Any]:
    """Yields the variables of an object and of all that it holds, but for objects of classes to be ignored."""
    if id(thing) in seen or isinstance(thing, ignored):
        return
    seen.add(id(thing))
    if isinstance(thing, keras.Variable | tf.Variable):
        yield thing
    elif isinstance(thing, keras.optimizers.Optimizer | keras.Metric):
        yield from thing.variables
    elif isinstance(thing, Mapping):
        for part in list(thing.values()):
            yield from _held(part, seen, ignored)
    elif isinstance(thing, list | tuple | set):
        for part in list(thing):
            yield from _held(part, seen, ignored)
    elif _has_parts(thing):
        for name, part in list(vars(thing).items()):
            if not name.startswith("_self_"):  # TensorFlow's own list of the same objects
                yield from _held(part, seen, ignored)


def _has_parts(thing: Any) -> bool:
    """Whether the attributes of an object count: those of layers and generators, and of objects of the user's own."""
    if isinstance(thing, keras.Layer | keras.random.SeedGenerator | tf.random.Generator):
        return True
    kind = type(thing)
    return (
        hasattr(thing, "__dict__") and not isinstance(thing, type) and kind.__module__.split(".")[0] not in _LIBRARIES
    )
