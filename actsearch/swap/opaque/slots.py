"""The activations at one call of a model, including those that the code of its layer applies."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras

from actsearch._private import layers_in
from actsearch.layers.interposition import NAMES, is_own_code
from actsearch.swap.graph import WRAPPERS, Arguments, Call, parts_of
from actsearch.swap.opaque.inside import InnerUse, has_own_code, traced_inside
from actsearch.swap.opaque.paths import layer_paths
from actsearch.swap.recognition import (
    SOFTMAX_ATTENTION,
    ActivationSlot,
    Recognised,
    SlotKind,
    activation_slots,
    argument_slots,
    core,
)

Slot = tuple[ActivationSlot, tuple[InnerUse, ...]]


def slots_at(call: Call) -> Iterator[Slot]:
    """Yields the activations at a call, each with its applications by the layer's code as far as they are known."""
    inner = _traced(call)
    if inner is None:
        yield from ((slot, ()) for slot in [*activation_slots(call.operation), *_named_in_code(call.operation)])
    else:
        prefix = f"/{core(call.operation).name}" if isinstance(call.operation, WRAPPERS) else ""
        yield from ((replace(slot, suffix=prefix + slot.suffix), uses) for slot, uses in inner)


def _traced(call: Call) -> list[Slot] | None:
    """Returns the activations that a traced call applies; None if Keras knows them, or if tracing fails."""
    owner = core(call.operation)
    recurrent = isinstance(owner, keras.layers.RNN | keras.layers.Bidirectional)
    built = getattr(owner, "built", False) or bool(parts_of(owner))
    if call.arguments is None or not built or not (recurrent or has_own_code(owner)):
        return None
    inside = traced_inside(owner, *_inner_arguments(call.operation, call.arguments))
    if inside is None:
        return None
    arguments = [slot for slot in argument_slots(owner) if slot.kind is SlotKind.INNER_ARGUMENT]
    found: dict[Any, tuple[ActivationSlot, list[InnerUse]]] = {}
    for use in inside.uses:
        slot = _argument_of(owner, use, arguments) or _slot(owner, use)
        found.setdefault(slot.keys or use.place, (slot, []))[1].append(use)
    taken = dict[str, int]()
    others = [ActivationSlot(owner, f"/{name}", Recognised(name), SlotKind.FIXED) for name in inside.others]
    slots = [*found.values(), *((slot, []) for slot in [*_attention_in(owner), *others])]
    return [(_numbered(slot, taken), tuple(same)) for slot, same in slots]


def _attention_in(owner: Any) -> Iterator[ActivationSlot]:
    """Yields the softmax of each of Keras's attention layers in a layer, which Keras applies by its own code."""
    layers = layers_in(owner)
    for layer, path in zip(layers, layer_paths(owner, layers), strict=True):
        if isinstance(layer, SOFTMAX_ATTENTION):
            yield ActivationSlot(owner, f"/{path}/softmax", Recognised("softmax"), SlotKind.FIXED, gate=True)


def _named_in_code(operation: Any) -> Iterator[ActivationSlot]:
    """Yields the activation functions that code names which cannot be traced, such as that of a `tf.function`."""
    owner = core(operation)
    if not isinstance(owner, keras.layers.Layer) or not has_own_code(owner):
        return
    for layer in layers_in(owner):
        kinds = [kind for kind in type(layer).__mro__ if is_own_code(kind)]
        functions = [getattr(value, "python_function", value) for kind in kinds for value in vars(kind).values()]
        named = {name for f in functions if hasattr(f, "__code__") for name in f.__code__.co_names}
        for name in sorted(named & NAMES - set(dir(layer))):
            yield ActivationSlot(owner, f"/{name}", Recognised(name), SlotKind.FIXED)


def _argument_of(owner: Any, use: InnerUse, arguments: list[ActivationSlot]) -> ActivationSlot | None:
    """Returns the argument of the layer that it hands on to where it is applied; None if there is none."""
    same = [slot for slot in arguments if _function(owner, slot.keys) is use.function]
    return next((slot for slot in same if slot.keys[-1] == use.place.name), same[0] if same else None)


def _slot(owner: Any, use: InnerUse) -> ActivationSlot:
    suffix = f"/{use.path}" if use.path else ""
    gate = use.place.name == "recurrent_activation"
    return ActivationSlot(
        owner, suffix, use.activation, SlotKind.INNER, gate=gate, recurrent=use.is_recurrent and not use.is_gate
    )


def _numbered(slot: ActivationSlot, taken: dict[str, int]) -> ActivationSlot:
    """Appends a number to a name that another activation of the layer has."""
    number = taken.get(slot.suffix, 0)
    taken[slot.suffix] = number + 1
    return replace(slot, suffix=f"{slot.suffix}_{number}") if number else slot


def _function(owner: Any, keys: tuple[str, ...]) -> Any:
    """Returns the function that an argument of a layer, of its cell or of its first direction holds."""
    holder = owner.forward_layer if isinstance(owner, keras.layers.Bidirectional) else owner
    holder = holder.cell if type(holder) is keras.layers.RNN else holder
    return getattr(holder, keys[-1])


def _inner_arguments(operation: Any, arguments: Arguments) -> Arguments:
    """Returns the arguments with which a wrapper calls the layer in it."""
    if not isinstance(operation, keras.layers.TimeDistributed):
        return arguments
    args, kwargs = arguments
    tensor = args[0] if args else kwargs["inputs"]
    return [keras.KerasTensor((*tensor.shape[:1], *tensor.shape[2:]), tensor.dtype)], {}
