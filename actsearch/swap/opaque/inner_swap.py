"""Exchanges the activations that the code of a layer applies, in a copy of the layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from actsearch._private import layers_in
from actsearch.activations.bound import BoundActivation
from actsearch.errors import ModelError
from actsearch.layers.exchange import Exchange, exchange
from actsearch.swap.recognition import SlotKind
from actsearch.swap.sites import TracedSite

_FIRST = "channels_first"
Swaps = Sequence[tuple[TracedSite, BoundActivation]]


def is_exchanged(traced: TracedSite, wanted: BoundActivation) -> bool:
    """Returns whether a swap is done in place: a copy made from its config would not have it, or not train it."""
    kind = traced.slot.kind
    return kind is SlotKind.INNER or (kind is SlotKind.INNER_ARGUMENT and wanted.activation.learns)


def exchange_inside(
    old: Any, new: Any, swaps: Swaps, initializers: Mapping[int, Mapping[str, dict[str, Any]]], *, is_redrawn: bool
) -> None:
    """Exchanges activations inside a copy of a layer or model, and draws the weights that feed them again.

    Args:
        old: The layer or model in which the sites were found.
        new: A built copy with the same layers inside.
        swaps: The sites inside, with their new activations.
        initializers: The configs of new initializers by argument, by the id of a layer inside `old`.
        is_redrawn: Whether weights get new initializers.
    """
    layers, former = layers_in(new), layers_in(old)
    if len(layers) != len(former):
        raise ModelError(
            f"A copy of the layer {old.name!r} ({type(old).__name__}) has {len(layers)} layers inside instead of "
            f"{len(former)}, so its activations cannot be found there. Make all layers in its __init__ or build."
        )
    if is_redrawn:
        for before, after in zip(former, layers, strict=True):
            redraw(after, initializers.get(id(before), {}))
    exchange(new, list(_exchanges(swaps, layers)))


def redraw(layer: Any, initializers: Mapping[str, dict[str, Any]]) -> None:
    """Draws weights of a built layer from other initializers, with the seeds that the layer has drawn for them."""
    for argument, config in initializers.items():
        before = getattr(layer, argument)
        seeded = {**config["config"], "seed": getattr(before, "seed", None)}
        initializer = keras.initializers.deserialize({**config, "config": seeded})
        setattr(layer, argument, initializer)
        stem = argument.removesuffix("_initializer")
        names = [stem, f"{stem}_kernel", "kernel"]
        variable = getattr(layer, next(name for name in names if hasattr(layer, name)))
        if not getattr(variable, "trainable", False):
            continue  # frozen, or the sum of a frozen kernel and LoRA
        variable.assign(initializer(variable.shape, variable.dtype))


def _exchanges(swaps: Swaps, layers: Sequence[Any]) -> Iterator[Exchange]:
    for traced, wanted in swaps:
        for use in {use.place: use for use in traced.uses}.values():
            layer = layers[use.place.layer]
            same = layer.dtype_policy.compute_dtype == use.dtype  # the code may have cast the input to another
            config = {
                **wanted.layer().get_config(),
                "name": (use.path or traced.site.name).replace("/", "_") + "_activation",
                "dtype": keras.dtype_policies.serialize(layer.dtype_policy) if same else use.dtype,
                "trainable": layer.trainable,
            }
            if wanted.activation.learns and use.feeder and getattr(use.feeder[0], "data_format", "") == _FIRST:
                config["axis"] = 1
            yield Exchange(use.place, type(wanted.layer()).from_config(config), use.shape)
