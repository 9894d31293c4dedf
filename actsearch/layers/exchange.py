"""Exchanges activations inside layers whose own code applies them, in place, and saves the exchange with the layer.

The layer itself stays as it is, with its class, weights and code. Each of its activations has a `Place`: an attribute
that holds a function, an activation layer, or a call in the code. The exchange at a place outlives saving and loading,
because the config of the layer names the places and their new activations.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import FrameType
from typing import Any, NamedTuple, Self

import keras

from actsearch._private import changing_attributes, discard_own_weights, layers_in
from actsearch.errors import ModelError
from actsearch.layers.interposition import is_own_code, place_of, redirecting

__all__: list[str] = []
_PACKAGE, _NAME = "actsearch", "Exchanged"


class PlaceKind(StrEnum):
    """How the code of a layer applies an activation."""

    ATTRIBUTE = "attribute"
    LAYER = "layer"
    CODE = "code"


class Place(NamedTuple):
    """An activation inside a layer.

    Args:
        layer: The position of its layer among all layers inside, in the order of Keras; 0 is the layer itself.
        kind: How that layer applies it.
        name: The name of the attribute, or the place in the code; empty for an activation layer.
    """

    layer: int
    kind: PlaceKind
    name: str = ""


@dataclass(frozen=True)
class Exchange:
    """A new activation at a place.

    Args:
        place: The place.
        activation: The layer that is applied there from now on.
        shape: The shape of its input, with the batch axis.
    """

    place: Place
    activation: Any
    shape: tuple[int | None, ...]


def exchange(owner: Any, exchanges: Sequence[Exchange]) -> None:
    """Exchanges activations inside a built layer or model, which saves and loads with them from then on.

    Args:
        owner: A built layer or model.
        exchanges: New activations at its places.

    Raises:
        ModelError: The layer does not have one of the places.
    """
    _apply(owner, exchanges)
    owner.__class__ = _exchanged_class(type(owner))
    object.__setattr__(owner, "_exchanges", tuple(exchanges))  # Keras would track the layers a second time


def _apply(owner: Any, exchanges: Sequence[Exchange]) -> None:
    layers = layers_in(owner)
    in_code: dict[int, dict[str, Any]] = {}
    for item in exchanges:
        if item.place.layer >= len(layers):
            raise _missing(owner, item.place)
        layer = layers[item.place.layer]
        if not item.activation.built:
            item.activation.build(item.shape)
        if item.place.kind is PlaceKind.CODE:
            in_code.setdefault(item.place.layer, {})[item.place.name] = item.activation
        elif item.place.kind is PlaceKind.LAYER:
            _stand_in(layer, item.activation)
        elif callable(getattr(layer, item.place.name, None)):
            with changing_attributes(layer):
                setattr(layer, item.place.name, item.activation)
        else:
            raise _missing(owner, item.place)
    if in_code:
        for number, layer in enumerate(layers):
            if is_own_code(type(layer)):
                _redirect_code(layer, in_code.get(number, {}))


def _missing(owner: Any, place: Place) -> ModelError:
    return ModelError(
        f"The layer {owner.name!r} ({type(owner).__name__}) has no activation at {tuple(place)!r}; it had one when the "
        "activations inside it were replaced. Use the code of the layer as it was then."
    )


def _stand_in(layer: Any, activation: Any) -> None:
    """Lets an activation layer apply another activation instead of its own."""
    discard_own_weights(layer)
    with changing_attributes(layer):
        layer.replacement = activation
    object.__setattr__(layer, "call", lambda inputs, *_, **__: activation(inputs))


def _redirect_code(layer: Any, activations: Mapping[str, Any]) -> None:
    """Lets the code of a layer call other activations at these places."""
    original = layer.call
    if activations:
        with changing_attributes(layer):
            layer.replacements = list(activations.values())

    def handler(function: Callable[..., Any], frame: FrameType, args: Any, kwargs: Mapping[str, Any]) -> Any:
        new = activations.get(place_of(function, frame))
        return function(*args, **kwargs) if new is None else new(input_of(args, kwargs))

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        with redirecting((type(layer),), handler):
            return original(*args, **kwargs)

    object.__setattr__(layer, "call", call)


def input_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Returns the input in the arguments of an activation function, which names it `x` or `features`."""
    return args[0] if args else next(iter(kwargs.values()))


@keras.saving.register_keras_serializable(package=_PACKAGE, name=_NAME)
class Exchanged:
    """What the class of a layer is extended by once activations inside the layer were exchanged."""

    _exchanges: tuple[Exchange, ...] = ()
    _waiting: tuple[Exchange, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer as it was, with the exchanges."""
        with _as_original(self):
            layer = keras.saving.serialize_keras_object(self)
        layer.pop("build_config", None)
        layer.pop("compile_config", None)
        exchanges = [
            {
                "place": [item.place.layer, str(item.place.kind), item.place.name],
                "activation": keras.saving.serialize_keras_object(item.activation),
                "shape": list(item.shape),
            }
            for item in self._waiting or self._exchanges
        ]
        return {"layer": layer, "exchanges": exchanges}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes the layer; its activations are exchanged as soon as it is built."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        waiting = tuple(
            Exchange(
                Place(place["place"][0], PlaceKind(place["place"][1]), place["place"][2]),
                keras.saving.deserialize_keras_object(place["activation"]),
                tuple(place["shape"]),
            )
            for place in config["exchanges"]
        )
        layer.__class__ = _exchanged_class(type(layer))
        object.__setattr__(layer, "_waiting", waiting)
        return layer

    def _exchange_now(self) -> None:
        waiting = self._waiting
        object.__setattr__(self, "_waiting", ())
        exchange(self, waiting)

    def load_own_variables(self, store: Any) -> None:
        """Loads the variables of the layer; those of the new activations inside it follow."""
        if self._waiting:
            self._exchange_now()
        super().load_own_variables(store)  # type: ignore[misc]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; the first call after loading builds all layers inside."""
        outputs = super().__call__(*args, **kwargs)  # type: ignore[misc]
        if not self._waiting:
            return outputs
        self._exchange_now()
        if any(isinstance(tensor, keras.KerasTensor) for tensor in keras.tree.flatten(outputs)):
            return outputs  # only its shape counts, and a second call would add a node to the graph
        return super().__call__(*args, **kwargs)  # type: ignore[misc]


_classes: dict[type, type] = {}


def _exchanged_class(kind: type) -> type:
    """Returns the class of a layer with exchanged activations, which keeps the name of the layer's own class."""
    if issubclass(kind, Exchanged):
        return kind
    if kind in _classes:
        return _classes[kind]
    own = type(kind.__name__, (Exchanged, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    for registered in (own, Exchanged):
        keras.saving.register_keras_serializable(package=_PACKAGE, name=_NAME)(registered)
    _classes[kind] = own
    return own


@contextmanager
def _as_original(layer: Any) -> Iterator[None]:
    """Gives a layer its original class, in the block, so that Keras serializes it as it was."""
    kind = type(layer)
    layer.__class__ = next(base for base in kind.__mro__[2:] if not issubclass(base, Exchanged))
    try:
        yield
    finally:
        layer.__class__ = kind


def original_class(layer: Any) -> type:
    """Returns the class of a layer before activations inside it were exchanged."""
    kinds: Iterable[type] = type(layer).__mro__
    return next(kind for kind in kinds if not issubclass(kind, Exchanged))
