"""Names of the layers and functions inside a layer: the attributes that lead to them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from actsearch.layers.exchange import IN_CODE, STAND_IN, Unmasked
from actsearch.layers.interposition import activation_functions
from actsearch.swap.graph import is_graph
from actsearch.swap.recognition import ARGUMENTS


def layer_paths(owner: Any, layers: Sequence[Any]) -> list[str]:
    """Returns a name for each layer inside a layer: the attributes that lead to it, such as `"blocks/0/dense"`.

    Names of layers would end in numbers that count all layers that the process has made.
    """
    found: dict[int, str] = {id(owner): ""}
    todo = [owner]
    while todo:
        layer = todo.pop(0)
        for name, child in _children(layer):
            if id(child) not in found:
                found[id(child)] = "/".join(part for part in (found[id(layer)], name) if part)
                todo.append(child)
    return [found.get(id(layer), layer.name).removesuffix("/activation") for layer in layers]


def _children(layer: Any) -> Iterator[tuple[str, Any]]:
    if is_graph(layer):
        yield from ((str(number), child) for number, child in enumerate(layer.layers))
        return
    for name, value in sorted(vars(layer).items(), key=lambda item: item[0].startswith("_")):
        if name in ("_layers", "_tracker") or name.startswith("_self_"):  # of Keras and TensorFlow
            continue
        if name in (STAND_IN, IN_CODE):  # of an exchange, whose layers have names of their own
            yield from ((child.name, child) for _, child in _members(value))
            continue
        for suffix, child in _members(value):
            yield name.lstrip("_") + suffix, child


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, keras.layers.Layer):
        yield "", value
    elif isinstance(value, list | tuple):
        yield from ((f"/{i}{rest}", child) for i, part in enumerate(value) for rest, child in _members(part))
    elif isinstance(value, Mapping):
        yield from ((f"/{key}{rest}", child) for key, part in value.items() for rest, child in _members(part))


def functions_of(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the attributes of a layer that hold activation functions, also in lists and dicts: `"acts/0"`."""
    for name, value in list(vars(layer).items()):
        if callable(value):
            if not isinstance(value, type | keras.layers.Layer | Unmasked) and (
                name in ARGUMENTS or id(value) in activation_functions()
            ):
                yield name, value
        elif not name.startswith("_"):
            yield from ((f"{name}/{key}", part) for key, part in _functions_in(value))


def _functions_in(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        items = [(key, part) for key, part in value.items() if isinstance(key, str) and "/" not in key]
    else:
        items = [(str(number), part) for number, part in enumerate(value)] if isinstance(value, list) else []
    for key, part in items:
        if id(part) in activation_functions():
            yield key, part
        else:
            yield from ((f"{key}/{inner}", function) for inner, function in _functions_in(part))
