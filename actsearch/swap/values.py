"""What the objects of a model are made with: their configs, which values
two models may both use, and when two of them are equal.
"""

import copy
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

LATER = ("name", "dtype", "trainable", "activity_regularizer")  # can be set once the object exists
_PLAIN = (bool, int, float, str, type(None))


def passed_on(value: Any) -> Any:
    """Returns an object of the user for use in a copy: itself, but for initializers that chose their own seed."""
    if not isinstance(value, keras.initializers.Initializer) or not hasattr(value, "seed"):
        return value
    if value.get_config().get("seed", 0) is not None:
        return value
    new = copy.copy(value)
    new.seed = keras.initializers.RandomUniform().seed
    return new


def is_users_class(kind: type) -> bool:
    """Returns whether a class is neither Keras's, or from below that, nor ours."""
    return kind.__module__.partition(".")[0] not in ("keras", "actsearch", "tensorflow", "builtins")


def is_users_object(value: Any) -> bool:
    """Returns whether it is a function, or an initializer, regularizer and so on, that Keras does not define."""
    if isinstance(value, keras.layers.Layer | keras.Variable | type) or not callable(value):
        return False
    defined = value if hasattr(value, "__qualname__") else type(value)
    return (getattr(defined, "__module__", None) or "").partition(".")[0] not in ("keras", "actsearch")


def is_plain(value: Any) -> bool:
    """Returns whether it is a number, a text and so on, or a nested structure of these."""
    return all(isinstance(part, _PLAIN) for part in keras.tree.flatten(value))


def equal(one: Any, other: Any) -> bool:
    """Returns whether two attributes are equal; layers and Keras's objects are if they are of the same class."""
    parts, others = keras.tree.flatten(one), keras.tree.flatten(other)
    return len(parts) == len(others) and all(_same(a, b) for a, b in zip(parts, others, strict=True))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or keras.ops.is_tensor(one):
        return np.array_equal(np.asarray(one), np.asarray(other))
    if isinstance(one, _PLAIN) or isinstance(other, _PLAIN) or inspect.isroutine(one):
        return bool(one == other)
    return type(one) is type(other)


def comparable(config: Any) -> Any:
    """Returns the config of an object without what differs between two objects that are alike."""
    if isinstance(config, list | tuple):
        return type(config)(map(comparable, config)) if type(config) in (list, tuple) else config
    if not isinstance(config, dict):
        return config
    varying = ("name", "seed", "build_config") if "class_name" in config or "name" in config else ()
    return {key: comparable(value) for key, value in config.items() if key not in varying}


def config_of(operation: Any) -> dict[str, Any] | None:
    """Returns the config of a layer or operation, in which the user's own functions and objects stay objects.

    So they need not be registered with Keras. An initializer that chose its own seed is copied with a new one.

    Returns:
        The config; None if Keras knows none, because the class has no `get_config` for its arguments, or one
        that fails.
    """
    own = {name: value for name, value in vars(operation).items() if is_users_object(value)}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            try:
                config = dict(operation.get_config())
            except TypeError:
                if not own:
                    raise
                config = dict(_without(operation, own).get_config())
    except Exception:  # noqa: BLE001  the code of the class decides which
        return None
    for key in config:
        value = getattr(operation, key, None)
        if key in own or (key in ("activation", "recurrent_activation") and inspect.isfunction(value)):
            config[key] = passed_on(value)
    return config


def alike(one: Any, other: Any) -> bool:
    """Returns whether two attributes are equal, layers in them if they have equal configs."""
    if not equal(one, other):
        return False
    pairs = zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True)
    return all(equal(_described(a), _described(b)) for a, b in pairs if isinstance(a, keras.layers.Layer))


def _described(layer: Any) -> Any:
    return comparable({key: value for key, value in (config_of(layer) or {}).items() if key not in LATER})


def _without(operation: Any, own: Mapping[str, Any]) -> Any:
    """Returns a stand-in for a layer whose own functions and objects, which have no config, are replaced."""
    stand_in = object.__new__(type(operation))
    vars(stand_in).update(vars(operation))
    vars(stand_in).update({name: keras.activations.linear if "activation" in name else None for name in own})
    return stand_in
