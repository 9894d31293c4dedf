"""What a compiled model logs: its default objective, and the direction of its metrics."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from actsearch._private import metrics_given_to
from actsearch.errors import UsageError
from actsearch.records import Direction, Objective, parse_objective
from actsearch.training.epochs import flat_logs, has_own_steps, to_tensors

_LARGER = (  # the names of Keras's metric classes
    r"AUC|\w*Accuracy|\w*IoU|\w*Correlation|CosineSimilarity|F1Score|FBetaScore|R2Score|Precision\w*|Recall\w*"
    r"|Sensitivity\w*|Specificity\w*|TrueNegatives|TruePositives"
)
_SMALLER = r"\w*Crossentropy|\w*Hinge|\w*Error|\w*Divergence|Poisson|FalseNegatives|FalsePositives"


def directions_of(model: keras.Model) -> dict[str, Direction]:
    """Returns the directions of those metrics of a model whose class is Keras's own, by name.

    Args:
        model: A compiled model.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse", metrics=[keras.metrics.Precision(name="hits"), "mae"])
    >>> directions_of(model)["hits"].value
    'max'
    """
    found = {}
    for metric in metrics_given_to(model):
        if isinstance(metric, keras.losses.Loss) or _is_one_of(metric, _SMALLER):
            found[_name_of(metric)] = Direction.MIN
        elif _is_one_of(metric, _LARGER):
            found[_name_of(metric)] = Direction.MAX
    return found


def default_objective(model: keras.Model, batch: Callable[[], Any] | None = None) -> Objective:
    """Returns the objective of a search whose user named none.

    Args:
        model: A compiled model.
        batch: Returns a batch as `train_step` gets it, to find out what a model with steps of its own logs.

    Returns:
        The accuracy that the model is compiled with, on validation data; the total loss for other models and for
        several outputs. For a model with steps of its own, what these log.

    Raises:
        UsageError: A model with steps of its own logs neither an accuracy nor a loss.
    """
    if has_own_steps(model):
        return _of_own_steps(model, None if batch is None else batch())
    outputs = list(getattr(model, "output_names", None) or [])
    if len(outputs) > 1 or len(keras.tree.flatten(model.loss)) > 1:
        return Objective("val_loss", Direction.MIN, f"the total loss of all outputs {', '.join(outputs)}".strip())
    accuracies = [name for metric in metrics_given_to(model) if _is_accuracy(name := _name_of(metric))]
    if accuracies:
        return Objective(f"val_{accuracies[0]}", Direction.MAX, "the accuracy that the model is compiled with")
    return Objective("val_loss", Direction.MIN, "the loss that the model is compiled with")


def _of_own_steps(model: keras.Model, batch: Any) -> Objective:
    validated = step_logs(model.test_step, batch)
    names = step_logs(model.train_step, batch) if validated is None else [f"val_{name}" for name in validated]
    for name in names or ["val_loss"]:
        if _is_accuracy(name.removeprefix("val_")):
            return Objective(name, Direction.MAX, "an accuracy that the model's own steps log")
    losses = sorted((name for name in names or ["val_loss"] if name.endswith("loss")), key=len)
    if not losses:
        raise UsageError(
            f"The model's own steps log {', '.join(names or ())}, none of which is a loss or an accuracy. Choose an "
            'objective and its direction, such as objective="val_score:max".'
        )
    where = "" if losses[0].startswith("val_") else "; on the training data, since the model has no usable test_step"
    return Objective(losses[0], Direction.MIN, f"a loss that the model's own steps log{where}")


def step_logs(step: Any, batch: Any) -> list[str] | None:
    """Returns the names of the logs of a model's step, which is traced and not run; None if it cannot be traced."""
    if batch is None:
        return None
    batch = to_tensors(batch)
    try:
        traced = tf.function(partial(step, batch), autograph=False).get_concrete_function()
    except Exception:  # noqa: BLE001  the user's step, or Keras without a loss, may raise anything
        return None
    return list(flat_logs(traced.structured_outputs))


def objective_of(model: keras.Model, asked_for: Any = None, batch: Callable[[], Any] | None = None) -> Objective:
    """Returns the objective of a search.

    Args:
        model: A compiled model.
        asked_for: What the user gave, as for `parse_objective`; None for `default_objective`; or a function that
            returns the objective for a model.
        batch: As for `default_objective`.
    """
    if asked_for is None:
        return default_objective(model, batch)
    if callable(asked_for):
        return asked_for(model)
    return parse_objective(asked_for, directions_of(model))


def can_validate(model: keras.Model, batch: Callable[[], Any]) -> bool:
    """Returns whether a model can be validated: one with steps of its own may have no usable `test_step`."""
    return not has_own_steps(model) or step_logs(model.test_step, batch()) is not None


def _is_one_of(metric: Any, names: str) -> bool:
    kind = type(metric)
    return kind.__module__.startswith("keras.") and re.fullmatch(names, kind.__name__) is not None


def _name_of(metric: Any) -> str:
    """Returns the name under which Keras logs a metric: of a single output."""
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "name", None) or getattr(metric, "__name__", type(metric).__name__))


def _is_accuracy(name: str) -> bool:
    return name.rpartition("_")[2] in ("acc", "accuracy") and "top" not in name.split("_")
