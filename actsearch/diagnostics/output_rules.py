"""Output, loss, number of units and targets that do not fit each other."""

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
        name: The layer that makes it.
        activation: What it ends in: `"linear"`, or as `Recognised.name`; None where that cannot be told.
        shape: Its shape with the batch axis.
        loss: `"sparse"`, `"categorical"` or `"binary"` cross-entropy, `"regression"`, or None: another, or none.
        from_logits: Whether the loss takes what comes before softmax or sigmoid.
        ignored: The class number that the loss leaves out.
        y: The targets, `(n, …)`; None where they are not known.
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
    """The outputs of a Sequential or Functional model, as far as they can be told apart.

    Args:
        model: The model.
        calls: Its calls, from `trace`.
        y: The targets, structured as for `model.fit`.

    Raises:
        DataError: There are not as many targets as outputs.
    """
    if not getattr(model, "outputs", None):
        return  # not built yet
    structure = getattr(model, "output", None)
    keys = sorted(structure) if isinstance(structure, Mapping) else list(range(len(model.outputs)))
    names = [operation_of(tensor).name for tensor in model.outputs]
    targets = _per_output(y, keys, names)
    if y is not None and len(keys) > 1 and not isinstance(y, Mapping | list | tuple):
        raise DataError(f"The model has {len(keys)} outputs, and y is one array. Give a list or a mapping of targets.")
    losses = _per_output(model.loss if model.compiled else None, keys, names)
    for tensor, name, loss, target in zip(model.outputs, names, losses, targets, strict=True):
        made_by = [c for c in calls if c.is_output and (c.path == name or c.path.startswith(f"{name}/"))]
        if len(made_by) == 1:
            site, activation = _end(made_by[0])
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
    """What belongs to each output, given as for `compile` and `fit`: for all, by position, or by name."""
    if isinstance(given, Mapping):
        return [given.get(key, given.get(name)) for key, name in zip(keys, names, strict=True)]
    if isinstance(given, list | tuple):
        if len(given) != len(keys):
            raise DataError(f"The model has {len(keys)} outputs, and {len(given)} are given. Give one for each.")
        return list(given)
    return [given] * len(keys)


def _end(call: Call) -> tuple[str, str | None]:
    """The layer or operation that decides the values of an output, and its activation."""
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
    """Which of the known losses it is, and its settings."""
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
# Samples for each class from which on a class that never occurs is a mistake and no chance.
_ENOUGH = 20


def output_issues(head: Head) -> Iterator[Issue]:
    """What does not fit at one output; of several contradictions between the same two things, the first."""
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
    """The activation against a cross-entropy."""
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
                f"The loss is told from_logits=True, and the output is a {fitting} already. Keras takes the {fitting} "
                "away again where it can see it, with a warning, and counts it twice where it cannot.",
                f'Leave out from_logits=True, or activation="{fitting}".',
            )
    elif head.activation == "linear":
        if not head.from_logits:
            yield Issue(
                ERROR,
                head.name,
                f"{loss} takes the linear output for probabilities, which it is not.",
                f'Use activation="{fitting}", or the loss with from_logits=True.',
            )
    elif not (head.activation == "log_softmax" and head.from_logits):
        yield _unfitting(head, fitting, loss)


def _unfitting(head: Head, fitting: str, loss: str) -> Issue:
    """Another activation than the one that belongs to the cross-entropy."""
    several = "several labels a sample" if head.loss == "binary" else "one class of several"
    shares = head.activation in SHARES | {"softmax"} and not head.from_logits
    return Issue(
        WARNING if shares or head.from_logits else ERROR,
        head.name,
        f"The output ends in {head.activation}, and {loss} for {several if (head.units or 2) > 1 else 'two classes'} "
        f"goes with {fitting}."
        + (
            ""
            if shares
            else f" The values of {head.activation} are no {'logits' if head.from_logits else 'probabilities'}."
        ),
        f'Use activation="{fitting}"' + (" and leave out from_logits=True." if head.from_logits else "."),
    )


def _targets(head: Head) -> Iterator[Issue]:
    """The targets against loss, number of units and activation."""
    if head.y is None or not len(head.y) or head.y.dtype.kind not in "biuf":
        return
    rules = {"sparse": _sparse, "categorical": _categorical, "binary": _binary, "regression": _regression}
    if head.loss is not None:
        yield from rules[head.loss](head, head.y)


def _sparse(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """Class numbers are expected."""
    if _has_shape(y, head.shape) and y.shape[-1] > 1:
        yield Issue(
            ERROR,
            head.name,
            f"The targets have the shape {y.shape}, one column for each class, and sparse_categorical_crossentropy "
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
            f"The targets are class numbers from {low:g} to {high:g}, and the output has {head.units} units, for 0 to "
            f"{head.units - 1}.",
            f"Use {int(high) + 1} units." if low >= 0 else "Number the classes from 0 on, or use ignore_class.",
        )
    elif len(labels) < head.units and y.size >= _ENOUGH * head.units:
        yield Issue(
            WARNING,
            head.name,
            f"{head.units - len(labels)} of {head.units} units stand for classes that none of {y.size} targets has.",
            f"Use one unit for each class ({len(labels)}), numbered from 0 on.",
        )


def _categorical(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """One column for each class is expected."""
    if y.ndim < len(head.shape) or (y.shape[-1] == 1 and head.units != 1):
        yield Issue(
            ERROR,
            head.name,
            f"The targets have the shape {y.shape}, and categorical_crossentropy expects {head.units} columns, one for "
            "each class.",
            "Use sparse_categorical_crossentropy for class numbers.",
        )
    elif head.units is not None and y.shape[-1] != head.units:
        yield _wrong_width(head, y)
    elif np.any(y.sum(-1) > 1.5):
        yield Issue(
            ERROR,
            head.name,
            f"{np.mean(y.sum(-1) > 1.5):.0%} of the targets have several labels, and softmax with "
            "categorical_crossentropy is for one.",
            'Use activation="sigmoid" with binary_crossentropy.',
        )


def _binary(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """0 and 1, or shares between, are expected."""
    if np.nanmin(y) < 0 or np.nanmax(y) > 1:
        several = len(np.unique(y)) > 2
        yield Issue(
            ERROR,
            head.name,
            f"The targets go from {np.nanmin(y):g} to {np.nanmax(y):g}, and binary_crossentropy expects 0 and 1.",
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
            f"Each of the {len(y)} samples has exactly one label, as if the {head.units} classes excluded each other.",
            'If they do, use activation="softmax" with categorical_crossentropy.',
        )


def _regression(head: Head, y: np.ndarray) -> Iterator[Issue]:
    """Numbers in reach of the output are expected."""
    if not _fits(y, head):
        yield _wrong_width(head, y)
        return
    if head.activation == "softmax":
        if np.allclose(y.sum(-1), 1) and np.all((y == 0) | (y == 1)):
            yield Issue(
                HINT,
                head.name,
                "The targets are classes, and the loss is one for numbers: it learns little from confident mistakes.",
                "Use categorical_crossentropy.",
            )
        elif not np.allclose(y.sum(-1), 1, atol=1e-3):
            yield Issue(
                ERROR,
                head.name,
                "The output is a softmax, whose values sum up to 1, and the targets do not.",
                "Leave out the activation.",
            )
        return
    low, high = _reach(head.activation)
    outside = np.mean((y < low) | (y > high))
    if outside > 0:
        yield Issue(
            ERROR,
            head.name,
            f"The values of {head.activation} lie between {low:g} and {high:g}, and {outside:.0%} of the targets do "
            f"not: they go from {np.nanmin(y):.3g} to {np.nanmax(y):.3g}.",
            "Leave out the activation for regression, or scale the targets.",
        )


def _wrong_width(head: Head, y: np.ndarray) -> Issue:
    return Issue(
        ERROR,
        head.name,
        f"The output has the shape {head.shape}, and the targets have {y.shape}.",
        "Use as many units as the targets have columns.",
    )


def _fits(y: np.ndarray, head: Head) -> bool:
    """Whether there is a target for each value of the output; one unit needs no axis of its own."""
    return _has_shape(y, head.shape) or (head.units == 1 and _has_shape(y[..., None], head.shape))


def _has_shape(y: np.ndarray, shape: tuple[int | None, ...]) -> bool:
    """Whether targets have the shape of the output; unknown sizes fit all."""
    return y.ndim == len(shape) and all(b in (None, a) for a, b in zip(y.shape[1:], shape[1:], strict=True))


def _reach(activation: str | None) -> tuple[float, float]:
    """The smallest and the largest value of an activation, as the catalogue knows it."""
    if activation is None or activation not in registry.names():
        return -np.inf, np.inf
    far = np.geomspace(1e-3, 1e8, 500)
    values = registry.get(activation)(np.concatenate([-far[::-1], far]))
    low, high = values.min(), values.max()
    rounded = [float(np.round(v, 6)) for v in (low, high)]
    return (rounded[0] if low > -1e3 else -np.inf), (rounded[1] if high < 1e3 else np.inf)
