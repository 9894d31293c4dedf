"""Where activations stand in a layer or operation, and how they are held there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import keras

from actsearch.models.graph import WRAPPERS
from actsearch.models.recognition import Recognised, is_activation, recognise

# They apply `activation` last, to their own output: it can be split off as a layer.
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
_KEYS = ("activation", "recurrent_activation")
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)
_SOFTMAX_ATTENTION = (keras.layers.Attention, keras.layers.AdditiveAttention)


class Held(StrEnum):
    """How a layer or operation holds an activation."""

    ARGUMENT = "activation argument"
    LAYER = "activation layer"
    OPERATION = "operation"
    INNER_ARGUMENT = "argument used inside its layer"
    FIXED = "fixed inside its layer"


@dataclass(frozen=True)
class Stand:
    """One activation in a layer or operation.

    Args:
        owner: The layer or operation; the inner one of a wrapper.
        suffix: What its name has after the owner's: `"/recurrent_activation"`.
        activation: What stands there.
        held: How it is held.
        keys: The way to it in the owner's config, for an inner argument.
        gate: Whether the kind of layer makes it a gate.
    """

    owner: Any
    suffix: str
    activation: Recognised
    held: Held
    keys: tuple[str, ...] = ()
    gate: bool = False


def core(operation: Any) -> Any:
    """The layer itself, without wrappers that only apply it."""
    return core(operation.layer) if isinstance(operation, WRAPPERS) else operation


def stands_in(operation: Any) -> list[Stand]:
    """The activations in a layer or operation; linear ones are none."""
    if isinstance(operation, WRAPPERS):
        inner = stands_in(operation.layer)
        return [replace(s, suffix=f"/{operation.layer.name}{s.suffix}") for s in inner]
    if is_activation(operation):
        held = Held.LAYER if isinstance(operation, keras.layers.Layer) else Held.OPERATION
        return [Stand(operation, "", recognise(operation), held)]
    found = list(_arguments(operation))
    if not (found and isinstance(operation, _RECURRENT)):
        found += _fixed(operation)
    return [stand for stand in found if stand.activation.name != "linear"]


def _arguments(operation: Any) -> Iterator[Stand]:
    """Those that are arguments of the layer, of its cell, or of its two directions."""
    holder, keys = operation, tuple[str, ...]()
    if isinstance(holder, keras.layers.Bidirectional):
        holder, keys = holder.forward_layer, ("layer", "config")
    if type(holder) is keras.layers.RNN:
        holder, keys = holder.cell, (*keys, "cell", "config")
    gated = hasattr(holder, "recurrent_activation")
    for key in _KEYS:
        function = getattr(holder, key, None)
        if not callable(function):
            continue
        suffix = f"/{key}" if gated or keys else ""
        yield Stand(operation, suffix, recognise(function), _held(operation, holder, (*keys, key)), (*keys, key), gated)


def _fixed(operation: Any) -> Iterator[Stand]:
    """Those that the layer's own code applies, out of reach from outside."""
    if isinstance(operation, _SOFTMAX_ATTENTION):
        yield Stand(operation, "/softmax", Recognised("softmax"), Held.FIXED, gate=True)
    arguments = [getattr(operation, key, None) for key in _KEYS]
    for layer in getattr(operation, "_layers", ()):
        if any(layer is argument for argument in arguments):
            continue
        for stand in stands_in(layer):
            # An activation layer made inside another has a name with a number that counts all models so far.
            name = stand.activation.name if stand.held is Held.LAYER else layer.name
            yield replace(stand, suffix=f"/{name}{stand.suffix}", held=Held.FIXED)


def _held(operation: Any, holder: Any, keys: tuple[str, ...]) -> Held:
    if isinstance(holder, LINEAR_LAYERS) and type(holder).call.__module__.startswith("keras."):
        return Held.ARGUMENT
    return Held.INNER_ARGUMENT if _in_config(operation, keys) else Held.FIXED


def _in_config(operation: Any, keys: tuple[str, ...]) -> bool:
    """Whether the layer can be made anew with another activation there."""
    try:
        config = operation.get_config()
    except NotImplementedError:
        return False
    for key in keys:
        if key not in config:
            return False
        config = config[key]
    return True
