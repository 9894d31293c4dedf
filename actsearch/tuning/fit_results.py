"""What one training of a KerasTuner tuner returned and logged, in whichever way KerasTuner allows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from actsearch.layers.base import exclude_from_weight_decay
from actsearch.training.resources import Sampler, Stopwatch

Curves = dict[str, list[float]]


@dataclass(frozen=True)
class FitResult:
    """What is known of one training; `score` is the objective as KerasTuner takes it, None if it cannot be known."""

    score: float | None
    best_epoch: int | None = None
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


class EpochLog(keras.callbacks.Callback):
    """Records the logs and the duration of each epoch, and never raises: an error is kept in `problem`.

    Custom training loops call only some of the methods of a callback, and log what they like.

    Attributes:
        history: Values of each logged name, one for each epoch; NaN where an epoch did not log it.
        epoch_seconds: Duration of each epoch.
        problem: The first error in this callback.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: Curves = {}
        self.epoch_seconds: list[float] = []
        self.problem: Exception | None = None
        self._watch, self._sampler = Stopwatch(), Sampler()

    @property
    def samples(self) -> dict[str, tuple[float, ...]]:
        """The resource usage of the process in each epoch."""
        return {name: tuple(values) for name, values in self._sampler.samples.items()}

    def set_model(self, model: Any) -> None:
        """Takes the model; one that was compiled in `fit` has its learned activations excluded from weight decay."""
        super().set_model(model)
        try:
            if isinstance(model, keras.Model):
                exclude_from_weight_decay(model)
        except Exception as error:  # noqa: BLE001  as below
            self.problem = self.problem or error

    def on_epoch_begin(self, epoch: int = 0, logs: Any = None) -> None:  # noqa: ARG002  Keras's signature
        """Starts the clock of an epoch."""
        self._watch.lap()
        self._sampler.begin()

    def on_epoch_end(self, epoch: int = 0, logs: Any = None) -> None:  # noqa: ARG002  Keras's signature
        """Records an epoch."""
        try:
            self.epoch_seconds.append(self._watch.lap())
            self._sampler.end()
            add_epoch(self.history, logs or {}, len(self.epoch_seconds))
        except Exception as error:  # noqa: BLE001  training continues; the observer says what is missing
            self.problem = self.problem or error


def add_epoch(history: Curves, logs: Mapping[Any, Any], number: int) -> None:
    """Adds the scalars among the logs of epoch `number` to a history, which then has that many values of each name.

    Example:

    >>> history = {"loss": [3.0]}
    >>> add_epoch(history, {"lr": 0.1, "confusion": [1, 2]}, 2)
    >>> history
    {'loss': [3.0, nan], 'lr': [nan, 0.1]}
    """
    scalars = {str(name): float(np.squeeze(value)) for name, value in logs.items() if _is_scalar(value)}
    for name in dict.fromkeys([*history, *scalars]):
        values = history.setdefault(name, [])
        values.extend([math.nan] * (number - 1 - len(values)))
        values.append(scalars.get(name, math.nan))


def fit_result(results: Any, logged: Curves, objective: Any) -> FitResult:
    """Reads what `HyperModel.fit` or `run_trial` returned for one training.

    Args:
        results: A number, a dict of metrics, a `History`, or a list of these, whose scores are averaged.
        logged: History of the epochs that callbacks saw; empty if none was called.
        objective: KerasTuner's objective.

    Returns:
        The score and the curves. Metrics that only `results` has are put in the last epoch. Where no epoch is known,
        the whole training counts as one.
    """
    curves: Curves = {name: list(values) for name, values in logged.items()}
    score = score_of(results, objective)
    if isinstance(results, keras.callbacks.History):
        curves = curves or _history_of(results)
    returned = results if isinstance(results, dict) else {}
    if score is not None and not isinstance(results, keras.callbacks.History):
        returned = {objective.name: score} | returned
    number = max(1, *map(len, curves.values())) if curves else 1
    for name, value in returned.items():
        if str(name) not in curves and _is_scalar(value):
            curves[str(name)] = [math.nan] * (number - 1) + [float(np.squeeze(value))]
    values = _objectives(curves, objective)
    if values and objective.name not in curves:
        curves[objective.name] = values
    best = next((epoch for epoch, value in enumerate(values, start=1) if value == score), None)
    return FitResult(score, best, {name: tuple(each) for name, each in curves.items()})


def score_of(results: Any, objective: Any) -> float | None:
    """Returns the objective in results as KerasTuner takes it: at the best epoch, averaged over a list; else None."""
    if isinstance(results, list):
        scores = [score_of(each, objective) for each in results]
        known = [score for score in scores if score is not None]
        return float(np.mean(known)) if known and len(known) == len(scores) else None
    if isinstance(results, int | float | np.floating):
        return float(results)
    if isinstance(results, dict):
        value: Any = results.get(objective.name)
        return float(np.squeeze(value)) if _is_scalar(value) else None
    if isinstance(results, keras.callbacks.History):
        best: float | None = None
        for value in _objectives(_history_of(results), objective):
            if best is None or objective.better_than(value, best):
                best = value
        return best
    return None


def parts_of(results: Any) -> Sequence[Any]:
    """Returns the results of each training where `run_trial` returned a list of them."""
    return results if isinstance(results, list) and results else [results]


def _objectives(curves: Curves, objective: Any) -> list[float]:
    """The objective in each epoch, with the sum of a list of objectives; empty if it is not logged."""
    rows = list(_epochs(curves))
    return [float(objective.get_value(row)) for row in rows] if rows and all(map(objective.has_value, rows)) else []


def _epochs(curves: Curves) -> Iterator[dict[str, float]]:
    for epoch in range(max(map(len, curves.values()), default=0)):
        yield {name: values[epoch] for name, values in curves.items() if epoch < len(values)}


def _history_of(history: Any) -> Curves:
    curves: Curves = {}
    length = max((len(values) for values in history.history.values()), default=0)
    for number in range(1, length + 1):
        logs = {name: values[number - 1] for name, values in history.history.items() if len(values) >= number}
        add_epoch(curves, logs, number)
    return curves


def _is_scalar(value: Any) -> bool:
    if value is None or isinstance(value, str | bytes | Mapping):
        return False
    try:
        float(np.squeeze(value))
    except (TypeError, ValueError):
        return False
    return True
