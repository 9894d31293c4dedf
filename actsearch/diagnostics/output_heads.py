"""The outputs of a model: the final activation, loss and targets of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from actsearch._private import operation_of
from actsearch.errors import DataError
from actsearch.swap.dataflow import class_of
from actsearch.swap.graph import Call
from actsearch.swap.recognition import LINEAR_LAYERS, activation_slots, core

_LOSSES = {
    "sparsecategoricalcrossentropy": "sparse",
    "categoricalcrossentropy": "categorical",
    "categoricalfocalcrossentropy": "categorical",
    "binarycrossentropy": "binary",
    "binaryfocalcrossentropy": "binary",
    "meansquarederror": "regression",
    "meanabsoluteerror": "regression",
    "meanabsolutepercentageerror": "regression",
    "meansquaredlogarithmicerror": "regression",
    "huber": "regression",
    "logcosh": "regression",
}
_PASSING = ("Activation", "Cast", "Flatten", "Identity", "Permute", "Reshape", "Squeeze")


@dataclass(frozen=True, eq=False)
class Head:
    """One output of a model.

    Args:
        name: The layer that computes it.
        activation: Its activation: `"linear"`, or as `Recognised.name`; None if it is unknown.
        shape: Its shape with the batch axis.
        loss: `"sparse"`, `"categorical"` or `"binary"` for a cross-entropy, `"regression"`, or None for another loss
            or none.
        from_logits: Whether the loss expects logits, that is, values before softmax or sigmoid.
        ignored: The class number that the loss ignores.
        y: The targets, `(n, …)`; None if they are not known.
    """

    name: str
    activation: str | None
    shape: tuple[int | None, ...]
    loss: str | None
    from_logits: bool = False
    ignored: int | None = None
    y: Any = None

    @property
    def units(self) -> int | None:
        """Size of the last axis."""
        return self.shape[-1]


def heads(model: Any, calls: list[Call], y: Any = None) -> Iterator[Head]:
    """Yields the outputs of a Sequential or Functional model that a single call computes.

    Args:
        model: The model.
        calls: Its calls, from `trace`.
        y: The targets, structured as for `model.fit`.

    Raises:
        DataError: The number of targets differs from the number of outputs.
    """
    if not getattr(model, "outputs", None):
        return  # not built yet
    structure = getattr(model, "output", None)
    keys = sorted(structure) if isinstance(structure, Mapping) else list(range(len(model.outputs)))
    names = [operation_of(tensor).name for tensor in model.outputs]
    targets = _per_output(y, keys, names)
    if y is not None and len(keys) > 1 and not isinstance(y, Mapping | list | tuple):
        raise DataError(f"The model has {len(keys)} outputs, but y is one array. Pass a list or a mapping of targets.")
    losses = _per_output(model.loss if model.compiled else None, keys, names)
    for tensor, name, loss, target in zip(model.outputs, names, losses, targets, strict=True):
        producers = [c for c in calls if c.is_output and (c.path == name or c.path.startswith(f"{name}/"))]
        if len(producers) == 1:
            site, activation = _end(producers[0])
            kind, settings = _loss(loss)
            yield Head(
                name=site,
                activation=activation,
                shape=tuple(tensor.shape),
                loss=kind,
                from_logits=bool(settings.get("from_logits")),
                ignored=settings.get("ignore_class"),
                y=None if target is None else np.asarray(target),
            )


def _per_output(given: Any, keys: list[Any], names: list[str]) -> list[Any]:
    """Returns one item for each output, from the forms of `compile` and `fit`: for all, by position, or by name."""
    if isinstance(given, Mapping):
        return [given.get(key, given.get(name)) for key, name in zip(keys, names, strict=True)]
    if isinstance(given, list | tuple):
        if len(given) != len(keys):
            raise DataError(f"The model has {len(keys)} outputs, but {len(given)} were passed. Pass one for each.")
        return list(given)
    return [given] * len(keys)


def _end(call: Call) -> tuple[str, str | None]:
    """Returns the path of the layer or operation that determines the values of an output, and its activation."""
    while True:
        slots = activation_slots(call.operation)
        if slots:
            return call.path, None if slots[0].gate else slots[0].activation.name
        if isinstance(core(call.operation), LINEAR_LAYERS):
            return call.path, "linear"
        if class_of(call) not in _PASSING or len(call.sources) != 1:
            return call.path, None
        (call,) = call.sources


def _loss(loss: Any) -> tuple[str | None, Mapping[str, Any]]:
    """Returns the kind of a loss, if it is one of Keras's that the rules cover, and its settings."""
    if loss is None:
        return None, {}
    loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    module = getattr(loss, "__module__", "")
    if not module.startswith("keras."):
        return None, {}
    return _LOSSES.get(name.replace("_", "").lower()), loss.get_config() if hasattr(loss, "get_config") else {}
