"""Exchanges activations inside layers whose own code applies them, in place, and saves the exchange with the layer.

The layer itself stays as it is, with its class, weights and code. Each of its activations has a `Place`: an attribute
that holds a function, an activation layer, or a call in the code. The exchange at a place outlives saving and loading,
because the config of the layer names the places and their new activations.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import FrameType
from typing import Any, NamedTuple, Self

import keras

from actsearch._private import changing_attributes, discard_own_weights, layers_in, mask_of
from actsearch.errors import ModelError
from actsearch.layers.interposition import (
    Handler,
    call_unchanged,
    has_place,
    input_of,
    is_own_code,
    place_of,
    redirecting,
)

__all__: list[str] = []
_PACKAGE, _NAME = "actsearch", "Exchanged"

# Attributes in which an activation layer keeps the one that stands in for it, and a layer those that its code applies.
STAND_IN, IN_CODE = "activation_standing_in", "activations_in_code"
_REDIRECTED = "_activations_at_places"
# Methods through which Keras enters the code of a layer or model.
_ENTRANCES = ("call", "train_step", "test_step", "predict_step", "compute_loss")


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
    if not isinstance(owner, Exchanged):
        object.__setattr__(owner, "_original", _config_or_error(owner))
        object.__setattr__(owner, "_source", Source([_class_name(layer) for layer in layers_in(owner)]))
        owner.__class__ = _exchanged_class(type(owner))
    vars(owner)["_source"].add(owner, exchanges)
    _apply(owner, exchanges)
    # Keras would track the layers a second time.
    object.__setattr__(owner, "_rounds", (*vars(owner).get("_rounds", ()), tuple(exchanges)))


def _config_or_error(layer: Any) -> Any:
    """Returns what Keras would save, before anything is exchanged; for a layer without a config, the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = keras.saving.serialize_keras_object(layer)
    except Exception as error:  # noqa: BLE001  raised once the layer is saved
        return error
    config.pop("build_config", None)
    config.pop("compile_config", None)
    return config


@dataclass
class Source:
    """What the code of a layer was like when activations inside it were exchanged.

    Args:
        layers: The classes of the layers inside, in the order of Keras.
        calls: The places in the code that could be found there, with the numbers of their layers.
    """

    layers: list[str]
    calls: list[tuple[int, str]] = field(default_factory=list)

    def add(self, owner: Any, exchanges: Sequence[Exchange]) -> None:
        """Adds the places of exchanges."""
        layers, known = layers_in(owner), set(self.calls)
        for place in [item.place for item in exchanges if item.place.kind is PlaceKind.CODE]:
            call = place.layer, place.name
            if call not in known and place.layer < len(layers) and has_place(own_code(layers[place.layer]), place.name):
                self.calls.append(call)

    def check(self, owner: Any) -> None:
        """Raises a ModelError if the code is another one by now, so that places would be missed or mistaken."""
        layers = layers_in(owner)
        if [_class_name(layer) for layer in layers] != self.layers:
            raise ModelError(
                f"The layers inside {owner.name!r} ({type(owner).__name__}) are not those that it had when activations "
                f"in it were replaced: {', '.join(self.layers)}. Use the code of the layer as it was then."
            )
        for number, name in self.calls:
            if not has_place(own_code(layers[number]), name):
                raise _missing(owner, Place(number, PlaceKind.CODE, name))


def _class_name(layer: Any) -> str:
    return original_class(layer).__name__


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
        elif function_at(layer, item.place.name) is not None:
            _set_function(layer, item.place.name, item.activation)
        else:
            raise _missing(owner, item.place)
    if in_code:
        for number, layer in enumerate(layers):
            if runs_own_code(layer):
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
        setattr(layer, STAND_IN, activation)
    object.__setattr__(layer, "call", lambda inputs, *_, **__: activation(inputs))


def _set_function(layer: Any, name: str, activation: Any) -> None:
    """Lets an attribute hold another activation: a layer where Keras applies it, else a function without a mask."""
    with changing_attributes(layer):
        if is_own_code(original_class(layer)):
            _track(layer, [activation])
            set_function(layer, name, Unmasked(activation))
        else:
            setattr(layer, name, activation)


def function_at(layer: Any, name: str) -> Any:
    """Returns the function in an attribute, or in a list or dict there: `"acts/0"`; None if there is none."""
    value = layer
    for part in name.split("/"):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, Sequence):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
    return value if callable(value) else None


def set_function(layer: Any, name: str, function: Any) -> None:
    """Replaces the function that `function_at` returns."""
    attribute, *keys = name.split("/")
    if not keys:
        setattr(layer, attribute, function)
        return
    holder = getattr(layer, attribute)
    for key in keys[:-1]:
        holder = holder[key if isinstance(holder, Mapping) else int(key)]
    holder[keys[-1] if isinstance(holder, Mapping) else int(keys[-1])] = function


def _track(layer: Any, activations: Sequence[Any]) -> None:
    setattr(layer, IN_CODE, [*getattr(layer, IN_CODE, ()), *activations])


class Unmasked:
    """An activation layer where the code applied a function: its output has no mask.

    Args:
        activation: The layer.
    """

    def __init__(self, activation: Any) -> None:
        self.activation = activation

    def __call__(self, x: Any) -> Any:
        """Applies the layer."""
        outputs = self.activation(x)
        return outputs if mask_of(outputs) is None else keras.ops.copy(outputs)


def _redirect_code(layer: Any, activations: Mapping[str, Any]) -> None:
    """Lets the code of a layer call other activations at these places."""
    if activations:
        with changing_attributes(layer):
            _track(layer, list(activations.values()))
    known = vars(layer).get(_REDIRECTED)
    if known is not None:
        known.update({place: Unmasked(activation) for place, activation in activations.items()})
        return
    new = {place: Unmasked(activation) for place, activation in activations.items()}
    object.__setattr__(layer, _REDIRECTED, new)

    def handler(function: Callable[..., Any], frame: FrameType, args: Any, kwargs: Mapping[str, Any]) -> Any:
        here = new.get(place_of(function, frame))
        if here is None:
            return call_unchanged(function, frame, args, kwargs)
        return here(input_of(function, args, kwargs))

    for name in _ENTRANCES:
        method = getattr(layer, name, None)
        if method is not None and (name == "call" or is_own_code(getattr(method, "__module__", "keras"))):
            object.__setattr__(layer, name, _redirected(method, own_code(layer), handler))


def _redirected(method: Callable[..., Any], code: Any, handler: Handler) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with redirecting(code, handler):
            return method(*args, **kwargs)

    return call


@keras.saving.register_keras_serializable(package=_PACKAGE, name=_NAME)
class Exchanged:
    """What the class of a layer is extended by once activations inside the layer were exchanged."""

    _original: Any = None
    _rounds: tuple[tuple[Exchange, ...], ...] = ()
    _waiting: tuple[tuple[Exchange, ...], ...] = ()
    _source: Any = None

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer as it was, with the exchanges."""
        if isinstance(self._original, Exception):
            raise self._original
        return {
            "layer": self._original,
            "exchanges": [_plain(each) for each in self._waiting or self._rounds],
            "source": asdict(self._source),
            "name": self.name,  # type: ignore[attr-defined]
            "trainable": self.trainable,  # type: ignore[attr-defined]
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),  # type: ignore[attr-defined]
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes the layer; its activations are exchanged as soon as it is built."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        object.__setattr__(layer, "_original", config["layer"])
        source = config["source"]
        object.__setattr__(layer, "_source", Source(source["layers"], [(n, name) for n, name in source["calls"]]))
        object.__setattr__(layer, "_waiting", tuple(_exchanges_of(each) for each in config["exchanges"]))
        layer.__class__ = _exchanged_class(type(layer))
        _set_changed(layer, config)
        return layer

    def _exchange_now(self) -> None:
        waiting = self._waiting
        object.__setattr__(self, "_waiting", ())
        self._source.check(self)
        for each in waiting:
            exchange(self, each)

    def load_own_variables(self, store: Any) -> None:
        """Loads the variables of the layer; those of the new activations inside it follow."""
        if self._waiting:
            self._exchange_now()
        super().load_own_variables(store)  # type: ignore[misc]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer; the first call after loading builds all layers inside, symbolically."""
        if not self._waiting:
            return super().__call__(*args, **kwargs)  # type: ignore[misc]
        if any(isinstance(tensor, keras.KerasTensor) for tensor in keras.tree.flatten([args, kwargs])):
            outputs = super().__call__(*args, **kwargs)  # type: ignore[misc]
            self._exchange_now()
            return outputs  # only its shape counts, and a second call would add a node to the graph
        super().__call__(*keras.tree.map_structure(_symbolic, args), **kwargs)  # type: ignore[misc]
        self._exchange_now()
        return super().__call__(*args, **kwargs)  # type: ignore[misc]


def _set_changed(layer: Any, config: Mapping[str, Any]) -> None:
    """Sets what was changed since the exchange; to set `trainable` again would unfreeze layers inside."""
    for name in ("name", "trainable"):
        if getattr(layer, name) != config[name]:
            setattr(layer, name, config[name])
    if keras.dtype_policies.serialize(layer.dtype_policy) != config["dtype"]:
        layer.dtype_policy = keras.dtype_policies.deserialize(config["dtype"])


def _symbolic(value: Any) -> Any:
    return keras.KerasTensor(value.shape, value.dtype) if hasattr(value, "shape") else value


def _plain(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
    return [
        {
            "place": [item.place.layer, str(item.place.kind), item.place.name],
            "activation": keras.saving.serialize_keras_object(item.activation),
            "shape": list(item.shape),
        }
        for item in exchanges
    ]


def _exchanges_of(plain: Sequence[Mapping[str, Any]]) -> tuple[Exchange, ...]:
    return tuple(
        Exchange(
            Place(item["place"][0], PlaceKind(item["place"][1]), item["place"][2]),
            keras.saving.deserialize_keras_object(item["activation"]),
            tuple(item["shape"]),
        )
        for item in plain
    )


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


def original_class(layer: Any) -> type:
    """Returns the class of a layer before activations inside it were exchanged."""
    kinds: Iterable[type] = type(layer).__mro__
    return next(kind for kind in kinds if not issubclass(kind, Exchanged))


def own_code(layer: Any) -> Any:
    """Returns the code of a layer that does not belong to Keras: its class, or the function of a Lambda."""
    return layer.function if isinstance(layer, keras.layers.Lambda) else type(layer)


def runs_own_code(layer: Any) -> bool:
    """Returns whether a layer runs code of the user."""
    return is_own_code(original_class(layer)) or (
        isinstance(layer, keras.layers.Lambda) and inspect.isfunction(layer.function) and is_own_code(layer.function)
    )
