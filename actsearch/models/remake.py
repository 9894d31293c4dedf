"""Makes single layers anew, with some settings changed."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from actsearch.errors import ModelError
from actsearch.models.fitting import Wanted
from actsearch.models.graph import WRAPPERS, is_graph
from actsearch.models.sites import Place

_CANNOT_MAKE = (AttributeError, KeyError, NotImplementedError, TypeError, ValueError)


def layer(
    operation: Any,
    kind: type,
    *,
    initializers: Mapping[str, Any],
    inner: Mapping[tuple[str, ...], Wanted],
    linear: bool,
) -> Any:
    """A layer or operation like this one.

    Args:
        operation: The old one.
        kind: Its class from now on.
        initializers: The configs of new initializers by argument.
        inner: New activations by the way to them in the config.
        linear: Whether its own activation is taken away; its activity regularizer then goes too.

    Raises:
        ModelError: It has no config, or its config does not make it.
    """
    if type(operation) is keras.layers.Lambda:
        return _lambda(operation)
    try:
        config = {**_config(operation), **initializers}
        for keys, wanted in inner.items():
            _set_activation(config, keys, wanted)
        if linear:
            config |= {"activation": "linear"}
            config.pop("activity_regularizer", None)
        new = kind.from_config(config)  # type: ignore[attr-defined]
    except _CANNOT_MAKE as error:
        raise ModelError(
            f"The layer {operation.name!r} ({type(operation).__name__}) cannot be made anew for another model: "
            f"{in_short(error)} Give the class a get_config() that has all arguments of its __init__, or call "
            "actsearch.choose(hp, space) in the function that builds the model."
        ) from error
    _copy_vocabulary(operation, new)
    return new


def activation_layer(place: Place, wanted: Wanted, *, name: str) -> Any:
    """The layer of a new activation, with dtype, `trainable` and activity regularizer of what stood there."""
    new = wanted.layer()
    owner = place.stand.owner
    config = {
        **new.get_config(),
        "name": name,
        "dtype": keras.dtype_policies.serialize(_policy(place)),
        "trainable": getattr(owner, "trainable", True),
    }
    if getattr(owner, "activity_regularizer", None) is not None:
        config["activity_regularizer"] = keras.regularizers.serialize(owner.activity_regularizer)
    return type(new).from_config(config)


def copy_trainable(old: Any, new: Any) -> None:
    """Sets `trainable` as it was, in the layers inside a user's own layer too."""
    new.trainable = old.trainable
    if not (is_graph(old) or isinstance(old, WRAPPERS)):
        inside = (layer._flatten_layers(include_self=False) for layer in (old, new))
        for old_part, new_part in zip(*inside, strict=False):
            new_part.trainable = old_part.trainable


def copy_weights(old: Any, new: Any, *, always: bool) -> None:
    """Copies the weights of a layer; without `always` only those that training would not change.

    Models and `TimeDistributed` have no weights of their own.
    """
    if is_graph(old) or isinstance(old, keras.layers.TimeDistributed):
        return
    if not (always or not old.trainable or isinstance(old, keras.layers.Normalization)):
        return
    if [w.shape for w in old.weights] == [w.shape for w in new.weights]:
        new.set_weights(old.get_weights())
    if isinstance(new, keras.layers.Normalization) and new.built:
        new.finalize_state()


def _config(operation: Any) -> dict[str, Any]:
    """Its config, with activations that are plain functions as they are: they need not be registered with Keras."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
        config = operation.get_config()
    for key in ("activation", "recurrent_activation"):
        if key in config and inspect.isfunction(getattr(operation, key, None)):
            config[key] = getattr(operation, key)
    return config


def _policy(place: Place) -> Any:
    """The dtype policy at a site; for an operation, which has none, that of the layer before it."""
    call = place.calls[0]
    operation = place.stand.owner
    while not isinstance(operation, keras.layers.Layer):
        call = call.sources[0]
        operation = call.operation
    return operation.dtype_policy


def _set_activation(config: dict[str, Any], keys: tuple[str, ...], wanted: Wanted) -> None:
    new = wanted.layer()
    activation = new.activation if isinstance(new, keras.layers.Activation) else new
    ways = [keys, ("backward_layer", *keys[1:])] if keys[0] == "layer" else [keys]
    for way in ways:
        target = config
        for key in way[:-1]:
            target = target[key]
        target[way[-1]] = keras.activations.serialize(activation)


def _lambda(old: Any) -> Any:
    """Its function lives in this process, so it need not go through a config, which Keras refuses to load."""
    return keras.layers.Lambda(
        old.function,
        output_shape=old._output_shape,
        mask=old.mask,
        arguments=old.arguments,
        name=old.name,
        dtype=old.dtype_policy,
        trainable=old.trainable,
    )


def _copy_vocabulary(old: Any, new: Any) -> None:
    """An adapted vocabulary is no weight and stands in no config."""
    if hasattr(old, "get_vocabulary") and new.vocabulary_size() != old.vocabulary_size():
        new.set_vocabulary(old.get_vocabulary(include_special_tokens=False))


def in_short(error: Exception) -> str:
    """What Keras's error says, on one line, without the configs and examples that it adds."""
    innermost = str(error).rpartition("Exception encountered: ")[2].strip()
    told = innermost.partition("\n\n")[0].partition(" Full object config")[0]
    return " ".join(told.split()) or type(error).__name__
