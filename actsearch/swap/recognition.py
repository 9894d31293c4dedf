"""Recognises the activation in a Keras function, layer or operation, and names it as in the catalogue."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

import keras

from actsearch._private import OPERATION_MODULES, direct_layers
from actsearch._versions import own_functions
from actsearch.activations import registry
from actsearch.activations.activation import Activation
from actsearch.activations.bound import BoundActivation
from actsearch.layers import FunctionActivation
from actsearch.layers.base import ActivationLayer
from actsearch.layers.interposition import activation_functions
from actsearch.swap.graph import WRAPPERS

# These weigh the entries of an axis against each other, so they cannot be replaced by a function of one number.
NORMALISING = frozenset({"softmax", "log_softmax", "sparsemax", "glu"})
# The values of these are shares, from 0 to 1.
SHARES = frozenset({"sigmoid", "hard_sigmoid", "sparse_sigmoid"})

_LAYERS = (
    ActivationLayer,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)


@dataclass(frozen=True)
class Recognised:
    """An activation of a model, as recognised.

    Args:
        name: Its name in the catalogue, or a description if it is not in the catalogue.
        bound: The entry of the catalogue with its parameters; None if it is not in the catalogue.
        learned: Whether training changes it.
    """

    name: str
    bound: BoundActivation | None = None
    learned: bool = False

    @classmethod
    def entry(cls, activation: Activation, settings: Mapping[str, Any]) -> Self:
        """Makes one from an entry of the catalogue and those settings that are its parameters."""
        given = {key: value for key, value in settings.items() if key in activation.parameters}
        return cls(activation.name, BoundActivation(activation, given), activation.learns)

    @property
    def parameters(self) -> Mapping[str, float]:
        """Its parameters, named as in the catalogue; empty if it is not in the catalogue."""
        return self.bound.parameters if self.bound is not None else {}

    @property
    def in_catalogue(self) -> bool:
        """Whether it is in the catalogue."""
        return self.bound is not None


def recognise(target: Any) -> Recognised:
    """Recognises a function, an activation layer or an operation of `keras.ops`.

    Example:

    >>> recognise(keras.layers.ReLU(max_value=6)).name, recognise(keras.activations.leaky_relu).parameters
    ('relu6', {'slope': 0.2})
    """
    if isinstance(target, FunctionActivation):
        return _of_function(target.function, target.parameters)
    if isinstance(target, keras.layers.Activation):
        return recognise(target.activation)
    if isinstance(target, keras.layers.PReLU):
        return _of_keras_prelu(target)
    if isinstance(target, keras.layers.Lambda):
        return _of_function(target.function, {})
    if isinstance(target, keras.Operation):
        return _of_operation(target)
    return _of_function(target, {})


def is_activation(operation: Any) -> bool:
    """Returns whether a layer or an operation is just an activation function."""
    kind = type(operation)
    if isinstance(operation, keras.layers.Activation):
        return recognise(operation).name != "linear"
    if isinstance(operation, keras.layers.Lambda):
        return id(operation.function) in activation_functions() and not operation.arguments
    if isinstance(operation, keras.layers.Layer):
        return isinstance(operation, _LAYERS) or _registered(kind) is not None
    named = registry.find(kind.__name__) is not None or _snake(kind.__name__) in NORMALISING
    return named and kind.__module__ in OPERATION_MODULES


def _of_function(function: Any, parameters: Mapping[str, float]) -> Recognised:
    registered = _registered(function)
    if registered is not None:
        return Recognised.entry(registered, parameters)
    name = getattr(function, "__name__", type(function).__name__).removesuffix("_v2")
    known = id(function) in activation_functions() or function in vars(own_functions()).values()
    if not known and function not in (getattr(module, name, None) for module in (keras.activations, keras.ops)):
        return Recognised(name)
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()}
    return _named(name, {**defaults, **parameters})


def recognise_call(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recognised:
    """Recognises an activation function of Keras or TensorFlow with the arguments of one call."""
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    return _of_function(function, dict(list(given.items())[1:]))


def _of_operation(operation: Any) -> Recognised:
    registered = _registered(type(operation))
    config = operation.get_config()
    if registered is not None:
        return Recognised.entry(registered, config)
    recognised = _named(type(operation).__name__, config)
    learned = bool(getattr(operation, "trainable_weights", ()))
    return recognised if recognised.in_catalogue else replace(recognised, learned=learned)


def _of_keras_prelu(layer: keras.layers.PReLU) -> Recognised:
    start = layer.alpha_initializer
    slopes = {"slope": float(getattr(start, "value", 0.0))}
    return Recognised.entry(registry.get("prelu"), slopes)


def _named(name: str, settings: Mapping[str, Any]) -> Recognised:
    """Recognises an activation by the name of its class or function, and by its settings."""
    numbers = {_parameter(name, k): float(v) for k, v in settings.items() if type(v) in (int, float)}
    if registry.spelling(name) == "relu":
        return _relu(numbers)
    if settings.get("approximate") is True:
        return Recognised("gelu(approximate)")
    entry = registry.find(name)
    return Recognised(_snake(name)) if entry is None else Recognised.entry(entry, numbers)


def _parameter(name: str, key: str) -> str:
    """Returns the name in the catalogue of a parameter: Keras and TensorFlow name slopes differently."""
    return "slope" if key == "negative_slope" or (name == "leaky_relu" and key == "alpha") else key


def _relu(numbers: Mapping[str, float]) -> Recognised:
    """Recognises Keras's relu: depending on its settings, one of three entries of the catalogue or none of them."""
    ceiling, slope, threshold = numbers.get("max_value"), numbers.get("slope", 0.0), numbers.get("threshold", 0.0)
    if threshold == 0.0 and ceiling is None:
        return Recognised.entry(registry.get("leaky_relu" if slope else "relu"), {"slope": slope})
    if threshold == slope == 0.0 and ceiling == 6.0:
        return Recognised.entry(registry.get("relu6"), {})
    return Recognised(f"relu(max_value={ceiling}, slope={slope:g}, threshold={threshold:g})")


def _registered(target: Any) -> Activation | None:
    """Returns the entry under which a function or layer class was registered, or None."""
    entries = (registry.get(name) for name in registry.names())
    return next((e for e in entries if getattr(e.make, "target", None) is target), None)


def _snake(name: str) -> str:
    """Returns the name of the function of a Keras class: `log_softmax` for `LogSoftmax`."""
    functions = {registry.spelling(function): function for function in dir(keras.activations)}
    return functions.get(registry.spelling(name), name)


# These apply `activation` last, to their own output, so it can be split off as a layer.
LINEAR_LAYERS = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
ARGUMENTS = ("activation", "recurrent_activation")
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
SOFTMAX_ATTENTION = (keras.layers.Attention, keras.layers.AdditiveAttention)


class SlotKind(StrEnum):
    """How a layer or operation holds an activation."""

    ARGUMENT = "activation argument"
    LAYER = "activation layer"
    OPERATION = "operation"
    INNER_ARGUMENT = "argument used inside its layer"
    INNER = "applied by the code of its layer"
    FIXED = "fixed inside its layer"


@dataclass(frozen=True)
class ActivationSlot:
    """One activation in a layer or operation.

    Args:
        owner: The layer or operation; for a wrapper, the inner layer.
        suffix: The part of its name after the owner's: `"/recurrent_activation"`.
        activation: The activation in the slot.
        kind: How the owner holds it.
        keys: The path to it in the owner's config, for an inner argument.
        gate: Whether the kind of layer makes it a gate.
        recurrent: Whether a recurrent cell applies it to its state.
    """

    owner: Any
    suffix: str
    activation: Recognised
    kind: SlotKind
    keys: tuple[str, ...] = ()
    gate: bool = False
    recurrent: bool = False


def core(operation: Any) -> Any:
    """Returns the layer itself, without wrappers that only apply it."""
    return core(operation.layer) if isinstance(operation, WRAPPERS) else operation


def activation_slots(operation: Any) -> list[ActivationSlot]:
    """Returns the activations in a layer or operation, except for linear ones."""
    if isinstance(operation, WRAPPERS):
        inner = activation_slots(operation.layer)
        return [replace(s, suffix=f"/{operation.layer.name}{s.suffix}") for s in inner]
    if is_activation(operation):
        kind = SlotKind.LAYER if isinstance(operation, keras.layers.Layer) else SlotKind.OPERATION
        return [ActivationSlot(operation, "", recognise(operation), kind)]
    slots = list(argument_slots(operation))
    if not (slots and isinstance(operation, _RECURRENT)):
        slots += _fixed(operation)
    return [slot for slot in slots if slot.activation.name != "linear"]


def argument_slots(operation: Any) -> Iterator[ActivationSlot]:
    """Yields the activations that are arguments of the layer, of its cell, or of its two directions."""
    holder, keys = operation, tuple[str, ...]()
    if isinstance(holder, keras.layers.Bidirectional):
        holder, keys = holder.forward_layer, ("layer", "config")
    if type(holder) is keras.layers.RNN:
        holder, keys = holder.cell, (*keys, "cell", "config")
    gated = hasattr(holder, "recurrent_activation")
    for key in ARGUMENTS:
        function = getattr(holder, key, None)
        if not callable(function):
            continue
        yield ActivationSlot(
            operation,
            f"/{key}" if gated or keys else "",
            recognise(function),
            _slot_kind(operation, holder, (*keys, key)),
            (*keys, key),
            gate=key == "recurrent_activation",
            recurrent=key == "activation" and isinstance(operation, _RECURRENT),
        )


def _fixed(operation: Any) -> Iterator[ActivationSlot]:
    """Yields the activations that the layer's own code applies, which cannot be replaced from outside."""
    if isinstance(operation, SOFTMAX_ATTENTION):
        yield ActivationSlot(operation, "/softmax", Recognised("softmax"), SlotKind.FIXED, gate=True)
    arguments = [getattr(operation, key, None) for key in ARGUMENTS]
    for layer in direct_layers(operation):
        if any(layer is argument for argument in arguments):
            continue
        for slot in activation_slots(layer):
            # The name of an activation layer made inside another ends in a number that counts all models so far.
            name = slot.activation.name if slot.kind is SlotKind.LAYER else layer.name
            yield replace(slot, suffix=f"/{name}{slot.suffix}", kind=SlotKind.FIXED)


def _slot_kind(operation: Any, holder: Any, keys: tuple[str, ...]) -> SlotKind:
    if isinstance(holder, LINEAR_LAYERS) and type(holder).call.__module__.startswith("keras."):
        return SlotKind.ARGUMENT
    return SlotKind.INNER_ARGUMENT if _in_config(operation, keys) else SlotKind.FIXED


def _in_config(operation: Any, keys: tuple[str, ...]) -> bool:
    """Returns whether the config of the layer has the activation, so that a copy can have another one."""
    try:
        config = operation.get_config()
    except Exception:  # noqa: BLE001  the code of the class decides which
        return False
    for key in keys:
        if key not in config:
            return False
        config = config[key]
    return True
