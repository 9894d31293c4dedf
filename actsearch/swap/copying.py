"""Copies single objects of a model: layers, operations, optimizers and what else Keras makes from a config.

Keras copies an object with `from_config(get_config())`. That fails for classes whose `__init__` does not accept what
`get_config` returns, and silently gives another object if `get_config` omits an argument. Here, arguments that are
not accepted are set afterwards, and arguments that are missing are taken from the attributes of the same name.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any

import keras

from actsearch._private import constructor_arguments, direct_layers, keras_message, layers_in, output_shape_of
from actsearch.activations.bound import BoundActivation
from actsearch.errors import ModelError
from actsearch.layers.exchange import Exchanged, original_class
from actsearch.layers.rebuilt import keras_attributes
from actsearch.swap.values import (
    LATER,
    alike,
    comparable,
    config_of,
    equal,
    is_plain,
    is_users_class,
    is_users_object,
    passed_on,
)
from actsearch.swap.weights import copy_adapted


def new_layer(
    operation: Any,
    kind: type,
    *,
    initializers: Mapping[str, Any],
    inner: Mapping[tuple[str, ...], BoundActivation],
    linear: bool,
    copied: Callable[[Any], Any] | None = None,
) -> Any:
    """Makes a copy of a layer or operation, with changes.

    Args:
        operation: The layer or operation to copy.
        kind: The class of the copy.
        initializers: The configs of new initializers, by argument.
        inner: New activations, by their path in the config.
        linear: Whether to remove its own activation and, with it, the activity regularizer.
        copied: Copies a layer that is an argument of the layer; if omitted, without changes.

    Returns:
        The copy; its weights are new.

    Raises:
        ModelError: It cannot be made from its config or from its attributes.
    """
    if type(operation) is keras.layers.Lambda:
        return _lambda(operation)
    changes = dict(initializers) | ({"activation": "linear"} if linear else {})
    try:
        with _known_objects(operation):
            config = config_of(operation)
            if config is None:
                new = _from_attributes(operation, kind, copied or _unchanged)
            else:
                new = _from_config(operation, kind, config, changes, inner, copied)
        if isinstance(operation, keras.layers.Layer):
            _set_later(operation, new, linear=linear)
    except Exception as error:  # the code of the class decides which
        raise ModelError(
            f"The layer {operation.name!r} ({type(operation).__name__}) cannot be copied into a new model: "
            f"{keras_message(error)} Let __init__ of its class accept **kwargs and get_config() return all other "
            "arguments of __init__, or pass a function that makes the model: actsearch.search(make_model, x, y)."
        ) from error
    copy_adapted(operation, new)
    return new


def remade(old: Any, kind: type, config: Mapping[str, Any], copied: Callable[[Any], Any] | None = None) -> Any:
    """Makes an object from a config, even if its class does not accept all of it or the config lacks arguments.

    Args:
        old: The object that the config describes.
        kind: The class of the new object.
        config: The config, with changes.
        copied: Copies a layer that is an argument which the config lacks; if omitted, without changes.

    Returns:
        The new object. Arguments that `__init__` does not accept are set as attributes.

    Raises:
        TypeError, ValueError: The new object cannot be made, or differs from the config.
    """
    if not is_users_class(kind) or issubclass(kind, Exchanged):
        return _from_keras_config(kind, config)
    parameters = _parameters(kind)
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    optional = LATER if _has_own_loader(kind) else tuple(config)
    given = {key: value for key, value in config.items() if anything or key in parameters or key not in optional}
    known = constructor_arguments(old)
    given |= {name: known[name] for name in parameters if name in known and name not in (*config, *LATER)}
    # A loader of the class's own may make such layers itself; the copies would be of no use to others then.
    argument = functools.partial(_argument, _unchanged if copied is None or _has_own_loader(kind) else copied)
    required = _required(old, parameters, given, argument)
    given |= required
    refused: Set[str] = set()
    try:
        new = _load(kind, given, anything=anything)
    except (TypeError, ValueError):
        fewer = {key: value for key, value in given.items() if key in _all_arguments(kind)}
        if len(fewer) == len(given):
            raise
        given = fewer
        new = _load(kind, given, anything=anything)
        refused = config.keys() - given.keys()
    unknown = [name for name in parameters if name not in (*config, *known, *LATER) and hasattr(old, name)]
    omitted = {name: getattr(old, name) for name in unknown if not alike(getattr(old, name), getattr(new, name, None))}
    if omitted:
        omitted = {name: keras.tree.map_structure(argument, value) for name, value in omitted.items()}
        new = _load(kind, {**given, **omitted}, anything=anything)
    for name, value in {**required, **omitted}.items():
        if not alike(value, getattr(new, name, None)):
            raise TypeError(f"get_config() omits {name}, which is {getattr(old, name)!r}.")
    for key in config.keys() - given.keys() - set(LATER):
        _set_argument(new, key, config[key])
    added = {name: value for name, value in {**given, **omitted}.items() if name not in config}
    if refused or added:
        _complete_config(new, refused, added)
    return new


def _complete_config(new: Any, refused: Set[str], added: Mapping[str, Any]) -> None:
    """Lets a copy have the config that it was made from, so that a file with it is loaded as the same object."""

    def get_config() -> dict[str, Any]:
        config = {key: value for key, value in type(new).get_config(new).items() if key not in refused}
        return {**{name: _serialized(value) for name, value in added.items()}, **config}

    object.__setattr__(new, "get_config", get_config)


def _serialized(value: Any) -> Any:
    return value if is_plain(value) else keras.saving.serialize_keras_object(value)


class _PartLoader:
    """Stands for the class of a layer inside a layer, while Keras loads that from the config of the outer one."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts

    def from_config(self, config: dict[str, Any]) -> Any:
        """Makes the copy of the part that has this config."""
        old = next((part for part in self._parts if part.name == config.get("name")), self._parts[0])
        new = remade(old, original_class(old), config)
        _set_later(old, new, linear=False)
        return new


def _known_objects(operation: Any) -> AbstractContextManager[Any]:
    """Lets Keras find the user's classes and functions in a layer by name, whether or not they are registered."""
    parts = layers_in(operation) if isinstance(operation, keras.layers.Layer) else []
    known: dict[str, Any] = {}
    for value in [value for part in parts for value in vars(part).values() if is_users_object(value)]:
        known |= _by_name(value if hasattr(value, "__qualname__") else type(value))
    for kind in {original_class(part) for part in parts if is_users_class(type(part))}:
        loader = _PartLoader([part for part in parts if original_class(part) is kind])
        known |= dict.fromkeys(_by_name(kind), loader)
    return keras.saving.custom_object_scope(known)


def _by_name(each: Any) -> dict[str, Any]:
    name = getattr(each, "__name__", "")
    return {} if hasattr(keras.layers, name) else {name: each, keras.saving.get_registered_name(each): each}


def _from_config(
    operation: Any,
    kind: type,
    config: dict[str, Any],
    changes: Mapping[str, Any],
    inner: Mapping[tuple[str, ...], BoundActivation],
    copied: Callable[[Any], Any] | None,
) -> Any:
    """Makes a layer from its config, with other arguments, and with other activations inside."""
    config |= changes
    for keys, wanted in inner.items():
        _set_activation(config, keys, wanted)
    if "activation" in changes:
        config.pop("activity_regularizer", None)
    new = remade(operation, kind, config, copied)
    if is_users_class(kind):  # its __init__ may accept arguments and ignore them
        for key in [*changes, *(keys[0] for keys in inner if len(keys) == 1)]:
            _set_argument(new, key, config[key])
    return new


def _from_keras_config(kind: Any, config: Mapping[str, Any]) -> Any:
    """Makes an object of a class of Keras, whose `TextVectorization` does not load its own functions."""
    if kind is keras.layers.TextVectorization and any(callable(config[key]) for key in ("standardize", "split")):
        return kind(**config)
    return kind.from_config(dict(config))


def _load(kind: Any, given: Mapping[str, Any], *, anything: bool) -> Any:
    """Makes an object of a user's class; the `from_config` of its base class in Keras may add arguments."""
    base = keras.Operation if issubclass(kind, keras.Operation) else kind
    if anything or _has_own_loader(kind) or kind.from_config.__func__ is base.from_config.__func__:
        return kind.from_config(dict(given))
    return kind(**keras.saving.deserialize_keras_object(dict(given)))


def _from_attributes(operation: Any, kind: type, copied: Callable[[Any], Any]) -> Any:
    """Makes a layer without a config from its attributes, and checks that all that it computes from them is the same.

    Raises:
        TypeError: An argument has no attribute of its name, or an attribute of the copy differs.
    """
    given: dict[str, Any] = {}
    for name, parameter in _parameters(kind).items():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD) or name in LATER:
            continue
        if not hasattr(operation, name):
            raise TypeError(f"its argument {name} is neither in a config nor an attribute.")
        given[name] = keras.tree.map_structure(functools.partial(_argument, copied), getattr(operation, name))
    new = kind(**given)
    for name, value in vars(new).items():
        if name not in keras_attributes() and not equal(value, getattr(operation, name, None)):
            raise TypeError(f"its attribute {name} would be {value!r} instead of {getattr(operation, name, None)!r}.")
    return new


def _argument(copied: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, keras.Variable):
        raise TypeError("two models would share a variable.")
    if isinstance(value, keras.optimizers.Optimizer):
        return remade(value, type(value), value.get_config())
    return copied(value) if isinstance(value, keras.layers.Layer) else passed_on(value)


def _unchanged(layer: Any) -> Any:
    return new_layer(layer, type(layer), initializers={}, inner={}, linear=False)


def _parameters(kind: Any) -> dict[str, inspect.Parameter]:
    """Returns the parameters of the class's `__init__`, without `self`."""
    return dict(list(inspect.signature(kind.__init__).parameters.items())[1:])


def _all_arguments(kind: type) -> set[str]:
    """Returns the names of the parameters of all `__init__` of a class and its bases."""
    makers = [vars(each)["__init__"] for each in kind.__mro__ if "__init__" in vars(each) and each is not object]
    return {name for maker in makers for name in inspect.signature(maker).parameters}


def _has_own_loader(kind: type) -> bool:
    """Returns whether a class of the user defines `from_config`."""
    return any("from_config" in vars(each) for each in kind.__mro__ if is_users_class(each))


def _required(
    old: Any,
    parameters: Mapping[str, inspect.Parameter],
    given: Mapping[str, Any],
    argument: Callable[[Any], Any],
) -> dict[str, Any]:
    """Returns the arguments without a default that are missing, from the attributes of the same name."""
    named = {name for name, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    named |= {name for name, p in parameters.items() if p.default is p.empty and p.kind is p.KEYWORD_ONLY}
    missing = [name for name in named - given.keys() if hasattr(old, name)]
    return {name: keras.tree.map_structure(argument, getattr(old, name)) for name in missing}


_LOADERS = {
    "activation": keras.activations.get,
    "initializer": keras.initializers.get,
    "regularizer": keras.regularizers.get,
    "constraint": keras.constraints.get,
}


def _set_argument(new: Any, key: str, value: Any) -> None:
    """Gives an object an argument that `__init__` does not accept or ignores, as an attribute.

    Raises:
        TypeError: The object has no such attribute, or its config is different after that.
    """
    config = config_of(new) or {}
    if _is_config(config, key, value):
        return
    if not hasattr(new, key) and not getattr(new, "built", True) and config.get(key, value) is None:
        return  # its build sets it
    if not hasattr(new, key):
        raise TypeError(f"__init__ does not accept {key}, which is {value!r}.")
    setattr(new, key, _LOADERS.get(key.rpartition("_")[2], lambda config: config)(value))
    config = config_of(new) or {}
    if key in config and not _is_config(config, key, value):
        raise TypeError(f"__init__ does not accept {key}, which would be {config[key]!r} instead of {value!r}.")


def _is_config(config: Mapping[str, Any], key: str, value: Any) -> bool:
    now = config.get(key)
    if callable(now) and not isinstance(value, str | dict):
        return now is value or (not inspect.isroutine(now) and type(now) is type(value))
    return bool(key in config and comparable(getattr(now, "__name__", now)) == comparable(value))


def _set_later(old: Any, new: Any, *, linear: bool) -> None:
    """Gives a layer the name, dtype policies and activity regularizer of the old one, where its class dropped them."""
    if not is_users_class(type(new)):
        return
    if new.name != old.name:
        new.name = old.name
    if old.activity_regularizer is not None and new.activity_regularizer is None and not linear:
        new.activity_regularizer = old.activity_regularizer
    _set_policies(old, new)


def _set_policies(old: Any, new: Any) -> None:
    """Copies dtype policies, also to the layers inside, as far as these exist before the layer is built."""
    if new.dtype_policy.name != old.dtype_policy.name:
        new.dtype_policy = old.dtype_policy
    added = keras.layers.InputLayer  # by Keras, once a Sequential is built
    inside = [[part for part in direct_layers(layer) if not isinstance(part, added)] for layer in (old, new)]
    if [type(part) for part in inside[0]] == [type(part) for part in inside[1]]:
        for old_part, new_part in zip(*inside, strict=True):
            _set_policies(old_part, new_part)


def _set_activation(config: dict[str, Any], keys: tuple[str, ...], wanted: BoundActivation) -> None:
    new = wanted.layer()
    activation = new.activation if isinstance(new, keras.layers.Activation) else new
    ways = [keys, ("backward_layer", *keys[1:])] if keys[0] == "layer" else [keys]
    for way in ways:
        target = config
        for key in way[:-1]:
            target = target[key]
        target[way[-1]] = keras.activations.serialize(activation)


def _lambda(old: Any) -> Any:
    """Copies a Lambda layer directly, because Keras refuses to load its function from a config."""
    return keras.layers.Lambda(
        old.function,
        output_shape=output_shape_of(old),
        mask=old.mask,
        arguments=old.arguments,
        name=old.name,
        dtype=old.dtype_policy,
        trainable=old.trainable,
    )
