"""Catalogue entries for user code: functions of one tensor and Keras layer classes."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch.activations.activation import Activation, Kinks, Parameter
from actsearch.errors import UnknownNameError, UsageError

PACKAGE = "actsearch.user"


@dataclass(frozen=True)
class _LayerOfFunction:
    """Makes layers that apply a function of one tensor."""

    target: Callable[..., Any]

    def __call__(self, **parameters: float) -> Any:
        from actsearch.layers import FunctionActivation

        return FunctionActivation(self.target, parameters)

    def values(self, x: NDArray[Any], **parameters: float) -> NDArray[Any]:
        """Computes the function in the precision of Keras."""
        import keras

        tensor = keras.ops.convert_to_tensor(x, dtype="float32")
        return keras.ops.convert_to_numpy(self.target(tensor, **parameters))


@dataclass(frozen=True)
class _LayerOfClass:
    """Makes layers of a user's class."""

    target: type

    def __call__(self, **parameters: float) -> Any:
        return self.target(**parameters)

    def values(self, x: NDArray[Any], **parameters: float) -> NDArray[Any]:
        """Computes the function with a new layer in inference; all values pass through a single unit."""
        import keras

        column = self(**parameters)(x.reshape(-1, 1).astype("float32"), training=False)
        return keras.ops.convert_to_numpy(column).reshape(x.shape)


def entry_of(
    obj: Any,
    name: str,
    parameters: Mapping[str, Parameter] | None = None,
    *,
    alpha_dropout: bool = False,
    kinks: Kinks = (0.0,),
    **description: str,
) -> Activation:
    """Makes a catalogue entry for a function or a layer class, and lets Keras save and load it by name.

    Args:
        obj: A function of one tensor, written with `keras.ops`, whose other arguments have defaults; or a
            subclass of `keras.layers.Layer` that keeps the shape of its input.
        name: Its name in the catalogue.
        parameters: Ranges of its parameters. If omitted, each argument with a number as default is a parameter that
            ranges from half to twice its default.
        alpha_dropout, kinks: As in `Activation`.
        description: `family`, `formula` and `reference`, as in `Activation`.

    Returns:
        The entry. It is not in the registry yet.

    Raises:
        UsageError: `obj` is neither of these, or cannot be used in a model.
        UnknownNameError: `parameters` names an argument that `obj` does not have.
    """
    make = _maker(obj, name)
    numbers = _numbers(obj, name)
    for given in parameters or {}:
        if given not in numbers:
            raise UnknownNameError(f"parameter of {name}", given, numbers)
    chosen = dict(parameters) if parameters is not None else numbers
    _let_keras_load(obj, name)
    learns = _learns(make, name, {key: p.default for key, p in chosen.items()})
    return Activation(
        name=name,
        function=make.values,
        make=make,
        parameters=chosen,
        learns=learns,
        alpha_dropout=alpha_dropout,
        kinks=kinks,
        **description,
    )


def _maker(obj: Any, name: str) -> _LayerOfFunction | _LayerOfClass:
    """Returns the maker of its layers."""
    import keras

    if inspect.isclass(obj) and issubclass(obj, keras.layers.Layer):
        return _LayerOfClass(obj)
    if not inspect.isfunction(obj):
        raise UsageError(
            f"Cannot register {name!r}: it is {obj!r}; expected a function of one tensor or a subclass of "
            "keras.layers.Layer. For a layer, register its class; wrap anything else in a function."
        )
    if obj.__name__ == "<lambda>":
        raise UsageError(f"Cannot register {name!r}: Keras cannot load a lambda. Write it with def.")
    return _LayerOfFunction(obj)


def _numbers(obj: Any, name: str) -> dict[str, Parameter]:
    """Returns the arguments with a number as default; the first argument of a function is the tensor."""
    arguments = list(inspect.signature(obj).parameters.values())
    if inspect.isfunction(obj):
        arguments = arguments[1:]
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [a for a in arguments if a.kind not in variadic]
    for argument in named:
        if argument.default is argument.empty:
            raise UsageError(
                f"Cannot register {name!r}: its argument {argument.name!r} has no default. Give it a number "
                "as default; this makes it a parameter."
            )
    return {a.name: _parameter(a) for a in named if _is_number(a.default)}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _parameter(argument: inspect.Parameter) -> Parameter:
    """Returns a parameter that ranges from half to twice its default, or from -1 to 1 if that is 0."""
    default = float(argument.default)
    low, high = sorted((default / 2, default * 2)) if default else (-1.0, 1.0)
    return Parameter(default, low, high, f"argument {argument.name} of the function or layer")


def _learns(make: Callable[..., Any], name: str, parameters: Mapping[str, float]) -> bool:
    """Returns whether a layer has trainable weights; builds one, and traces it as a model would."""
    import keras
    import tensorflow as tf

    layer = make(**parameters)
    try:
        layer(keras.Input((4,)))
        traced = tf.function(layer).get_concrete_function(tf.TensorSpec((None, 4), tf.float32))
    except Exception as error:
        raise UsageError(
            f"Cannot register {name!r}: it failed on a tensor of shape (None, 4): {error} Write it with "
            "keras.ops, for tensors of any shape."
        ) from error
    shape = getattr(traced.output_shapes, "as_list", lambda: traced.output_shapes)()
    if shape != [None, 4]:
        raise UsageError(
            f"Cannot register {name!r}: for a tensor of shape [None, 4] it returned {shape}. An activation returns "
            "one tensor with the shape of its input."
        )
    return bool(layer.trainable_weights)


def _let_keras_load(obj: Any, name: str) -> None:
    """Registers it with Keras, unless its author or Keras itself already has."""
    import keras

    saved_as = keras.saving.get_registered_name(obj)
    registered = keras.saving.get_registered_object(saved_as) is obj
    if not registered and obj.__module__.split(".")[0] != "keras":
        keras.saving.register_keras_serializable(package=PACKAGE, name=name)(obj)
