"""Saves models of a class whose `__init__` makes the layers, once their graph is another than `__init__` makes.

Keras would save the arguments of `__init__`, and so load the model with the activations that `__init__` gives it.
Such a model is saved as its graph, with the name of its class and the attributes that the class gave it.
"""

import functools
import inspect
import types
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np

from actsearch._private import class_in_config, functional_class, layers_in, operation_of

__all__: list[str] = []
_PACKAGE, _NAME = "actsearch", "Rebuilt"
_SEQUENCES: dict[str, Any] = {"list": list, "tuple": tuple, "set": set}
# While a model trains, once it is quantized, in a copy.
_ONLY_AT_TIMES = {"history", "_eval_epoch_iterator", "_is_quantized", "get_config"}


@functools.cache
def keras_attributes() -> frozenset[str]:
    """Returns the names of the attributes that layers and compiled models of Keras's own classes have."""
    inputs = keras.Input((1,), name="usual")
    models = [keras.Model(inputs, inputs, name="usual"), keras.Sequential([inputs], name="usual")]
    for model in models:
        model.compile("sgd", "mse", metrics=["mae"])
    return frozenset(_ONLY_AT_TIMES.union(vars(keras.layers.Layer(name="usual")), *(vars(model) for model in models)))


def rebuilt_model(kind: type, graph: Any) -> Any:
    """Makes a model of a class whose `__init__` makes its layers itself, from another graph and without `__init__`.

    Args:
        kind: The class.
        graph: A Functional or Sequential model, whose layers the new one has.

    Returns:
        The model; its attributes have to be copied. It saves and loads with its graph.
    """
    own = _rebuilt_class(kind)
    new: Any = own.__new__(own)
    if isinstance(graph, keras.Sequential):
        keras.Sequential.__init__(new, _with_input(graph), name=graph.name)
    else:
        # Keras makes the class of a first functional model, but not of a second one, a subclass of Functional.
        base = functional_class() if issubclass(own, functional_class()) else keras.Model
        base.__init__(new, graph.input, graph.output, name=graph.name)
    return new


@keras.saving.register_keras_serializable(package=_PACKAGE, name=_NAME)
class Rebuilt:
    """What the class of a model is extended by if its graph is not that of its `__init__`."""

    def get_config(self) -> dict[str, Any]:
        """Returns the graph, and the attributes that Keras's own models do not have."""
        kind: Any = next(each for each in type(self).__mro__ if not issubclass(each, Rebuilt))
        return {
            "class": [kind.__module__, kind.__name__, keras.saving.get_registered_name(kind)],
            "graph": _config_of(self),
            "trainable": self.trainable,  # type: ignore[attr-defined]
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),  # type: ignore[attr-defined]
            "attributes": _Attributes(self).plain(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes the model."""
        graph = keras.saving.deserialize_keras_object(config["graph"])
        new = rebuilt_model(class_in_config(*config["class"]), graph)
        if not config["trainable"]:
            new.trainable = False
        new.dtype_policy = keras.dtype_policies.deserialize(config["dtype"])
        _Attributes(new).set(config["attributes"])
        return new


def _config_of(model: Any) -> dict[str, Any]:
    """Returns the config of a model of Keras's own class with the same graph and layers.

    In a functional one, Keras builds layers when they are called, and not by their shapes. A layer without a `build`
    would count as built then, and those inside it would have no weights.
    """
    if isinstance(model, keras.Sequential):  # another Sequential would call the layers, which clears their losses
        layers = [operation_of(tensor) for tensor in model.inputs] if model.built else []
        plain = [keras.saving.serialize_keras_object(layer) for layer in [*layers, *model.layers]]
        own = {"name": model.name, "layers": plain}
        return {"module": "keras", "class_name": "Sequential", "config": own, "registered_name": None}
    graph = keras.Model(model.input, model.output, name=model.name)
    config: dict[str, Any] = keras.saving.serialize_keras_object(graph)
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
    return config


def _with_input(model: Any) -> list[Any]:
    return [*model.inputs, *model.layers] if model.built else list(model.layers)


class _Attributes:
    """Turns the attributes of a model into plain data and back; layers of its graph become references.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        operations = model.layers if isinstance(model, keras.Sequential) else model.operations
        layers = {operation.name: operation for operation in operations if isinstance(operation, keras.layers.Layer)}
        self._graph = {name: layers_in(layer) for name, layer in layers.items()}
        self._references = {
            id(part): (name, position) for name, parts in self._graph.items() for position, part in enumerate(parts)
        }
        self._beside: list[Any] = []

    def plain(self) -> dict[str, Any]:
        """Returns the attributes as plain data.

        Raises:
            NotImplementedError: Keras cannot save an attribute.
        """
        values = {name: value for name, value in vars(self._model).items() if name not in keras_attributes()}
        return {name: self._encoded(name, value) for name, value in values.items()}

    def set(self, attributes: Mapping[str, Any]) -> None:
        """Gives the model attributes from plain data."""
        for name, value in attributes.items():
            setattr(self._model, name, self._decoded(value))

    def _encoded(self, name: str, value: Any) -> dict[str, Any]:
        if isinstance(value, keras.layers.Layer):
            return self._encoded_layer(value)
        if isinstance(value, keras.Variable):
            return {"variable": [list(value.shape), value.dtype, value.trainable, value.name]}
        if inspect.ismethod(value) and value.__self__ is self._model:
            return {"method": value.__name__}
        if isinstance(value, dict):
            return {"dict": [[self._encoded(name, part) for part in item] for item in value.items()]}
        sequence = next((kind for kind in _SEQUENCES if isinstance(value, _SEQUENCES[kind])), None)
        if sequence is not None and not hasattr(value, "_fields"):
            return {sequence: [self._encoded(name, part) for part in value]}
        try:
            return {"value": keras.saving.serialize_keras_object(value)}
        except (AttributeError, TypeError, ValueError) as error:
            raise NotImplementedError(
                f"The attribute {name} of the model {self._model.name!r} is {value!r}, which Keras cannot save. Give "
                f"{type(value).__name__} a get_config method, or save the weights: model.save_weights(path)."
            ) from error

    def _encoded_layer(self, layer: Any) -> dict[str, Any]:
        if id(layer) in self._references:
            return {"of graph": list(self._references[id(layer)])}
        for position, known in enumerate(self._beside):
            if known is layer:
                return {"again": position}
        self._beside.append(layer)
        return {"layer": keras.saving.serialize_keras_object(layer)}

    def _decoded(self, plain: Mapping[str, Any]) -> Any:
        ((kind, value),) = plain.items()
        if kind == "of graph":
            return self._graph[value[0]][value[1]]
        if kind == "again":
            return self._beside[value]
        if kind == "variable":
            shape, dtype, trainable, name = value
            return keras.Variable(np.zeros(shape), dtype=dtype, trainable=trainable, name=name)
        if kind == "method":
            return types.MethodType(getattr(type(self._model), value), self._model)
        if kind == "dict":
            return {self._decoded(key): self._decoded(part) for key, part in value}
        if kind in _SEQUENCES:
            return _SEQUENCES[kind](self._decoded(part) for part in value)
        made = keras.saving.deserialize_keras_object(value)
        if kind == "layer":
            self._beside.append(made)
        return made


_classes: dict[type, type] = {}


def _rebuilt_class(kind: Any) -> Any:
    """Returns the class of a rebuilt model, which keeps the name of the model's own class."""
    if issubclass(kind, Rebuilt):
        return kind
    if kind not in _classes:
        own = type(kind.__name__, (Rebuilt, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})
        for registered in (own, Rebuilt):
            keras.saving.register_keras_serializable(package=_PACKAGE, name=_NAME)(registered)
        _classes[kind] = own
    return _classes[kind]
