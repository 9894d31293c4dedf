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

from actsearch._private import class_in_config, compile_arguments, functional_class, layers_in, operation_of

__all__: list[str] = []
_PACKAGE, _NAME = "actsearch", "Rebuilt"
_SEQUENCES: dict[str, Any] = {"list": list, "tuple": tuple, "set": set}
# While a model trains, once it is quantized, in a copy.
_ONLY_AT_TIMES = {"history", "_eval_epoch_iterator", "_is_quantized", "get_config"}
_WAITING = "_attributes_until_compiled"
_SIMPLE = (bool, int, float, str, bytes, type(None))


@functools.cache
def keras_attributes() -> frozenset[str]:
    """Returns the names of the attributes that layers and compiled models of Keras's own classes have."""
    inputs = keras.Input((1,), name="usual")
    outputs = keras.layers.Identity(name="same")(inputs)  # some versions of Keras refuse a model without any layer
    models = [keras.Model(inputs, outputs, name="usual"), keras.Sequential([inputs], name="usual")]
    for model in models:
        model.compile("sgd", "mse", metrics=["mae"])
    return frozenset(
        _ONLY_AT_TIMES.union([_WAITING], vars(keras.layers.Layer(name="usual")), *(vars(model) for model in models))
    )


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
            "supports_masking": self.supports_masking,  # type: ignore[attr-defined]
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
        if config["supports_masking"]:
            new.supports_masking = True
        attributes = _Attributes(new)
        attributes.set(config["attributes"])
        object.__setattr__(new, _WAITING, attributes)  # Keras would track what is in it
        return new

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles the model, and sets the attributes that are its optimizer or its metrics."""
        super().compile_from_config(config)  # type: ignore[misc]
        attributes = vars(self).pop(_WAITING, None)
        if attributes is not None and self.compiled:  # type: ignore[attr-defined]
            attributes.set_compiled()


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
        self._compiled = _compiled_with(model)
        self._waiting: dict[str, Any] = {}

    def plain(self) -> dict[str, Any]:
        """Returns the attributes as plain data; last those that are set once the model is compiled.

        Raises:
            NotImplementedError: Keras cannot save an attribute.
        """
        own = [(name, value) for name, value in vars(self._model).items() if name not in keras_attributes()]
        compiled = {id(part) for part in self._compiled.values()}
        own.sort(key=lambda item: any(id(part) in compiled for part in _parts_of(item[1])))
        return {name: self._encoded(name, value) for name, value in own}

    def set(self, attributes: Mapping[str, Any]) -> None:
        """Gives the model attributes from plain data; None for those that wait until it is compiled."""
        for name, value in attributes.items():
            if _is_compiled(value):
                self._waiting[name] = value
            setattr(self._model, name, None if _is_compiled(value) else self._decoded(value))

    def set_compiled(self) -> None:
        """Gives a compiled model the attributes that waited for it."""
        self._compiled = _compiled_with(self._model)
        for name, value in self._waiting.items():
            setattr(self._model, name, self._decoded(value))

    def _encoded(self, name: str, value: Any) -> dict[str, Any]:
        for key, part in self._compiled.items():
            if part is value:
                return {"compiled": key}
        for position, known in enumerate(self._beside):
            if known is value:
                return {"again": position}
        if isinstance(value, keras.layers.Layer):
            if id(value) in self._references:
                return {"of graph": list(self._references[id(value)])}
            self._beside.append(value)
            return {"new": keras.saving.serialize_keras_object(value)}
        if isinstance(value, keras.Variable):
            self._beside.append(value)
            return {"variable": [list(value.shape), value.dtype, value.trainable, value.name]}
        if inspect.ismethod(value) and value.__self__ is self._model:
            return {"method": value.__name__}
        if isinstance(value, dict):
            return {"dict": [[self._encoded(name, part) for part in item] for item in value.items()]}
        sequence = next((kind for kind in _SEQUENCES if isinstance(value, _SEQUENCES[kind])), None)
        if sequence is not None and not hasattr(value, "_fields"):
            return {sequence: [self._encoded(name, part) for part in value]}
        try:
            plain = keras.saving.serialize_keras_object(value)
        except (AttributeError, TypeError, ValueError) as error:
            raise NotImplementedError(
                f"The attribute {name} of the model {self._model.name!r} is {value!r}, which Keras cannot save. Give "
                f"{type(value).__name__} a get_config method, or save the weights: model.save_weights(path)."
            ) from error
        if isinstance(value, _SIMPLE):
            return {"value": plain}
        self._beside.append(value)
        return {"new": plain}

    def _decoded(self, plain: Mapping[str, Any]) -> Any:
        ((kind, value),) = plain.items()
        if kind == "of graph":
            return self._graph[value[0]][value[1]]
        if kind == "again":
            return self._beside[value]
        if kind == "compiled":
            return self._compiled.get(value)
        if kind == "method":
            return types.MethodType(getattr(type(self._model), value), self._model)
        if kind == "dict":
            return {self._decoded(key): self._decoded(part) for key, part in value}
        if kind in _SEQUENCES:
            return _SEQUENCES[kind](self._decoded(part) for part in value)
        if kind == "value":
            return keras.saving.deserialize_keras_object(value)
        made = _variable(*value) if kind == "variable" else keras.saving.deserialize_keras_object(value)
        self._beside.append(made)
        return made


def _variable(shape: list[int], dtype: str, trainable: bool, name: str) -> Any:
    return keras.Variable(np.zeros(shape), dtype=dtype, trainable=trainable, name=name)


def _compiled_with(model: Any) -> dict[str, Any]:
    """Returns the optimizer and the metrics of a model by where they are in the arguments of `compile`."""
    if not getattr(model, "compiled", False):
        return {}
    known = compile_arguments(model)
    metrics = {
        f"{name} {position}": metric
        for name in ("metrics", "weighted_metrics")
        for position, metric in enumerate(keras.tree.flatten(known[name]))
        if isinstance(metric, keras.metrics.Metric)
    }
    return {"optimizer": model.optimizer, **metrics}


def _parts_of(value: Any) -> list[Any]:
    """Returns the objects in nested lists, sets and dictionaries; Keras cannot sort all keys of these."""
    if isinstance(value, dict):
        return [part for item in value.items() for inner in item for part in _parts_of(inner)]
    if isinstance(value, list | tuple | set):
        return [part for inner in value for part in _parts_of(inner)]
    return [value]


def _is_compiled(plain: Any) -> bool:
    """Returns whether the plain data of an attribute refer to what its model is compiled with."""
    ((kind, value),) = plain.items()
    if kind == "dict":
        return any(_is_compiled(part) for item in value for part in item)
    return kind == "compiled" or (kind in _SEQUENCES and any(map(_is_compiled, value)))


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
