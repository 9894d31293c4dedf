"""Rules that find mismatches between output, loss, number of units and targets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from actsearch._private import operation_of
from actsearch.activations import registry
from actsearch.diagnostics.issues import Issue, Severity
from actsearch.errors import DataError
from actsearch.swap.dataflow import class_of
from actsearch.swap.graph import Call
from actsearch.swap.opaque.inside import has_own_code
from actsearch.swap.opaque.slots import slots_at
from actsearch.swap.recognition import LINEAR_LAYERS, SHARES, activation_slots, core

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
        if has_own_code(core(call.operation)):
            ends = [slot for slot, uses in slots_at(call) if any(use.is_output for use in uses)]
            return call.path, ends[0].activation.name if len(ends) == 1 else None
        slots = activation_slots(call.operation)
        if slots:
            return call.path, None if slots[0].gate or slots[0].recurrent else slots[0].activation.name
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


ERROR, WARNING, HINT = Severity.ERROR, Severity.WARNING, Severity.HINT
_NAMES = {
    "sparse": "sparse_categorical_crossentropy",
    "categorical": "categorical_crossentropy",
    "binary": "binary_crossentropy",
}
_FITTING = {"sparse": "softmax", "categorical": "softmax", "binary": "sigmoid"}
# With this many samples for each class, a class that never occurs is a mistake rather than chance.
_ENOUGH = 20


def output_issues(head: Head) -> Iterator[Issue]:
    """Yields the mismatches at one output; of several between the same two things, only the first."""
    if head.activation == "softmax" and head.units == 1:
        yield Issue(
            ERROR,
            head.name,
            "A softmax over one unit is always 1, so nothing can be learned.",
            'Use activation="sigmoid" with binary_crossentropy for two classes, or one unit for each class.',
        )
        return
    if head.loss in _FITTING:
        yield from _cross_entropy(head)
    yield from _targets(head)


def _cross_entropy(head: Head) -> Iterator[Issue]:
    """Checks the activation against a cross-entropy."""
    fitting, loss = _FITTING[str(head.loss)], _NAMES[str(head.loss)]
    if head.loss != "binary" and head.units == 1:
        yield Issue(
            ERROR,
            head.name,
            f"{loss} over one unit has nothing to choose from.",
            'Use activation="sigmoid" with binary_crossentropy for two classes, or one unit for each class.',
        )
        return
    if head.activation is None:
        return
    if head.activation == fitting:
        if head.from_logits:
            yield Issue(
                WARNING,
                head.name,
                f"The loss has from_logits=True, but the output is already a {fitting}. Keras removes the {fitting} "
                "with a warning if it detects it, and applies it twice if not.",
                f'Omit from_logits=True, or activation="{fitting}".',
            )
    elif head.activation == "linear":
        if not head.from_logits:
            yield Issue(
                ERROR,
                head.name,
                f"{loss} expects probabilities, but the output is linear.",
                f'Use activation="{fitting}", or the loss with from_logits=True.',
            )
    elif not (head.activation == "log_softmax" and head.from_logits):
        yield _unfitting(head, fitting, loss)


def _unfitting(head: Head, fitting: str, loss: str) -> Issue:
    """Reports an activation that does not match the cross-entropy."""
    several = "several labels for each sample" if head.loss == "binary" else "one class of several"
    shares = head.activation in SHARES | {"softmax"} and not head.from_logits
    return Issue(
        WARNING if shares or head.from_logits else ERROR,
        head.name,
        f"The output ends in {head.activation}, but {loss} for {several if (head.units or 2) > 1 else 'two classes'} "
        f"needs {fitting}."
        + (
            ""
            if shares
            else f" The values of {head.activation} are not {'logits' if head.from_logits else 'probabilities'}."
        ),
        f'Use activation="{fitting}"' + (" and omit from_logits=True." if head.from_logits else "."),
    )


def _targets(head: Head) -> Iterator[Issue]:
    """Checks the targets against loss, number of units and activation."""
    if head.y is None or not len(head.y) or head.y.dtype.kind not in "biuf":
        return
    rules = {"sparse": _sparse, "categorical": _categorical, "binary": _binary, "regression": _regression}
    if head.loss is not None:
        yield from rules[head.loss](head, head.y)


def _sparse(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """Checks targets that should be class numbers."""
    if _has_shape(y, head.shape) and y.shape[-1] > 1:
        yield Issue(
            ERROR,
            head.name,
            f"The targets have the shape {y.shape}, one column for each class, but sparse_categorical_crossentropy "
            "expects class numbers.",
            "Use categorical_crossentropy, or targets y.argmax(-1).",
        )
        return
    labels = np.unique(y if head.ignored is None else y[y != head.ignored])
    if not len(labels) or head.units is None:
        return
    low, high = labels[0], labels[-1]
    if low < 0 or high >= head.units:
        yield Issue(
            ERROR,
            head.name,
            f"The targets are class numbers from {low:g} to {high:g}, but the output has {head.units} units, for 0 to "
            f"{head.units - 1}.",
            f"Use {int(high) + 1} units." if low >= 0 else "Number the classes from 0, or use ignore_class.",
        )
    elif len(labels) < head.units and y.size >= _ENOUGH * head.units:
        yield Issue(
            WARNING,
            head.name,
            f"{head.units - len(labels)} of {head.units} units are for classes that none of the {y.size} targets has.",
            f"Use one unit for each class ({len(labels)}), and number the classes from 0.",
        )


def _categorical(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """Checks targets that should have one column for each class."""
    if y.ndim < len(head.shape) or (y.shape[-1] == 1 and head.units != 1):
        yield Issue(
            ERROR,
            head.name,
            f"The targets have the shape {y.shape}, but categorical_crossentropy expects {head.units} columns, one for "
            "each class.",
            "Use sparse_categorical_crossentropy for class numbers.",
        )
    elif head.units is not None and y.shape[-1] != head.units:
        yield _wrong_width(head, y)
    elif np.any(y.sum(-1) > 1.5):
        yield Issue(
            ERROR,
            head.name,
            f"{np.mean(y.sum(-1) > 1.5):.0%} of the targets have several labels, but softmax with "
            "categorical_crossentropy is for a single label.",
            'Use activation="sigmoid" with binary_crossentropy.',
        )


def _binary(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """Checks targets that should be 0 and 1, or shares between them."""
    if np.nanmin(y) < 0 or np.nanmax(y) > 1:
        several = len(np.unique(y)) > 2
        yield Issue(
            ERROR,
            head.name,
            f"The targets range from {np.nanmin(y):g} to {np.nanmax(y):g}, but binary_crossentropy expects 0 and 1.",
            'Use activation="softmax" with one unit for each class and sparse_categorical_crossentropy.'
            if several
            else "Use 0 and 1 for the two classes.",
        )
    elif not _fits(y, head):
        yield _wrong_width(head, y)
    elif (head.units or 1) > 2 and head.activation == "sigmoid" and len(y) > _ENOUGH and np.all(y.sum(-1) == 1):
        yield Issue(
            HINT,
            head.name,
            f"Each of the {len(y)} samples has exactly one label, so the {head.units} classes seem mutually exclusive.",
            'If they are, use activation="softmax" with categorical_crossentropy.',
        )


def _regression(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """Checks targets that should be numbers in the range of the output."""
    if not _fits(y, head):
        yield _wrong_width(head, y)
        return
    if head.activation == "softmax":
        if np.allclose(y.sum(-1), 1) and np.all((y == 0) | (y == 1)):
            yield Issue(
                HINT,
                head.name,
                "The targets are classes, but the loss is for numbers and learns little from confident mistakes.",
                "Use categorical_crossentropy.",
            )
        elif not np.allclose(y.sum(-1), 1, atol=1e-3):
            yield Issue(
                ERROR,
                head.name,
                "The output is a softmax, the values of which add up to 1, but the targets do not.",
                "Omit the activation.",
            )
        return
    low, high = _reach(head.activation)
    outside = np.mean((y < low) | (y > high))
    if outside > 0:
        yield Issue(
            ERROR,
            head.name,
            f"The values of {head.activation} are between {low:g} and {high:g}, but {outside:.0%} of the targets are "
            f"outside: they range from {np.nanmin(y):.3g} to {np.nanmax(y):.3g}.",
            "Omit the activation for regression, or scale the targets.",
        )


def _wrong_width(head: Head, y: np.ndarray) -> Issue:
    return Issue(
        ERROR,
        head.name,
        f"The output has the shape {head.shape}, but the targets have {y.shape}.",
        "Use as many units as the targets have columns.",
    )


def _fits(y: np.ndarray, head: Head) -> bool:
    """Returns whether there is a target for each value of the output; a single unit needs no axis."""
    return _has_shape(y, head.shape) or (head.units == 1 and _has_shape(y[..., None], head.shape))


def _has_shape(y: np.ndarray, shape: tuple[int | None, ...]) -> bool:
    """Returns whether targets have the shape of the output; an unknown size matches any."""
    return y.ndim == len(shape) and all(b in (None, a) for a, b in zip(y.shape[1:], shape[1:], strict=True))


def _reach(activation: str | None) -> tuple[float, float]:
    """Returns the smallest and the largest value of an activation of the catalogue."""
    if activation is None or activation not in registry.names():
        return -np.inf, np.inf
    far = np.geomspace(1e-3, 1e8, 500)
    values = registry.get(activation)(np.concatenate([-far[::-1], far]))
    low, high = values.min(), values.max()
    rounded = [float(np.round(v, 6)) for v in (low, high)]
    return (rounded[0] if low > -1e3 else -np.inf), (rounded[1] if high < 1e3 else np.inf)
