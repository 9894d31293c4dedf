"""The configs of layers and operations, also where a class of the user has none for its own functions and objects."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from actsearch.swap.values import comparable, equal, is_users_object, passed_on

LATER = ("name", "dtype", "trainable", "activity_regularizer")  # can be set once the object exists


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
