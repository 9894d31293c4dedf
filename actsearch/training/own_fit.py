"""A user's `HyperModel.fit`: what it asks of its hyperparameters, how it is called, and what it returns."""

import dis
import inspect
import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from types import CodeType
from typing import Any

import keras
import numpy as np
from keras_tuner.engine.hypermodel import HyperModel

from actsearch.errors import ExecutionFailedError, UnknownObjectiveError, UsageError
from actsearch.layers.base import exclude_from_weight_decay
from actsearch.records import Objective
from actsearch.training.callbacks import Recorder

_IMPLICIT = ("epochs", "batch_size", "verbose", "shuffle")  # which actsearch passes even if the user gave none
_TWICE = re.compile(r"got multiple values for (?:keyword )?argument '(\w+)'")
_TRAINING = ("__call__", "evaluate", "predict", "predict_on_batch", "test_on_batch", "train_on_batch")


@dataclass(frozen=True)
class OwnFit:
    """Calls a user's `HyperModel.fit` as KerasTuner does: `fit(hp, model, x, y, **options)`.

    Args:
        fit: The method.
        omitted: Options that actsearch would pass, but that `fit` sets itself or does not take.
    """

    fit: Callable[..., Any]
    omitted: frozenset[str] = frozenset()

    def __call__(self, hp: Any, model: keras.Model, x: Any, **options: Any) -> Any:
        """Trains a model; returns what `fit` returns."""
        known = set(hp.values)
        targets = (options.pop("y"),) if "y" in options else ()
        found = self.fit(hp, model, x, *targets, **{n: v for n, v in options.items() if n not in self.omitted})
        if late := sorted(set(hp.values) - known):
            raise ExecutionFailedError(
                f"fit asked for hyperparameter {late[0]!r} only after it had trained, so it is not searched. Ask for "
                "it at the start of fit, or in build."
            )
        return found

    @property
    def reads_hyperparameters(self) -> bool:
        """Whether it uses its `hp` at all."""
        code = self._code
        if code is None:
            return True
        name = code.co_varnames[1 if inspect.ismethod(self.fit) else 0]
        loads = [each.argval for each in dis.get_instructions(code) if each.opname.startswith("LOAD")]
        return any(name in argument if isinstance(argument, tuple) else name == argument for argument in loads)

    @property
    def names_options(self) -> bool:
        """Whether it names an option that actsearch passes, so that it may set it itself."""
        code = self._code
        return code is None or any(name in code.co_consts or name in _in_tuples(code.co_consts) for name in _IMPLICIT)

    @property
    def _code(self) -> CodeType | None:
        return getattr(inspect.unwrap(self.fit), "__code__", None)

    def ask(self, hp: Any, model: keras.Model, x: Any, options: Mapping[str, Any]) -> Exception | None:
        """Calls `fit` as far as its first training step, so that it registers its hyperparameters on `hp`.

        `model.fit` does not train and returns a `History`; anything else that would train ends the call. What `fit`
        prints is not shown.

        Args:
            hp: The hyperparameters, on which `model` was built.
            model: A model for this call alone.
            x: Training data.
            options: Other arguments of `fit`.

        Returns:
            The error in which the call ended, if any; in an execution it would be raised again.
        """
        with _without_training(model), redirect_stdout(io.StringIO()), suppress(_TrainingBegins):
            try:
                self(hp, model, x, **options)
            except Exception as error:  # noqa: BLE001  the caller knows which errors come from the empty history
                return error
        return None

    def adapted(
        self, hp: Any, model: Callable[[], keras.Model], x: Any, options: Mapping[str, Any], given: Mapping[str, Any]
    ) -> "OwnFit":
        """Returns this call without the options that `fit` sets itself, such as `epochs=hp.Int("epochs", 5, 20)`.

        It asks `fit`, unless that has neither hyperparameters nor options of its own.

        Args:
            hp: The hyperparameters, which get those of `fit`.
            model: Makes a model for a call of `ask`.
            x: Training data.
            options: Other arguments of `fit`.
            given: Those of them that the user gave.

        Raises:
            UsageError: `fit` sets an option that the user gave.
        """
        accepted = inspect.signature(self.fit).parameters
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
        omitted = {name for name in _IMPLICIT if not takes_any and name not in accepted}
        if not self.reads_hyperparameters and not self.names_options:
            return OwnFit(self.fit, frozenset(omitted))
        while True:
            call = OwnFit(self.fit, frozenset(omitted))
            error = call.ask(hp, model(), x, options)
            twice = _TWICE.search(str(error)) if isinstance(error, TypeError) else None
            name = twice[1] if twice else ""
            if name not in _IMPLICIT or name in omitted:
                return call
            if given.get(name) is not None:
                raise UsageError(
                    f"{name}={given[name]!r} contradicts your HyperModel.fit, which sets {name} itself. Omit one of "
                    "them."
                )
            omitted.add(name)


def _in_tuples(constants: tuple[Any, ...]) -> set[Any]:
    return {part for constant in constants if isinstance(constant, tuple) for part in constant}


def has_own_fit(build: Callable[..., Any]) -> bool:
    """Whether a build function belongs to a `HyperModel` with its own `fit`, which may compile the model itself."""
    owner = getattr(build, "__self__", None)
    return isinstance(owner, HyperModel) and type(owner).fit is not HyperModel.fit


class FitRecorder(Recorder):
    """A recorder for a user's `HyperModel.fit`: its epochs need not log the objective, and its result counts."""

    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        self._returned: float | None = None

    @property
    def score(self) -> float:
        """The score that `fit` returned, or the objective at the best epoch."""
        return super().score if self._returned is None else self._returned

    def set_model(self, model: Any) -> None:
        """Takes the model; one that was compiled in `fit` has its learned activations excluded from weight decay."""
        super().set_model(model)
        exclude_from_weight_decay(model)

    def on_epoch_end(self, epoch: int = 0, logs: Any = None) -> None:
        """Records an epoch of any training loop."""
        if self.objective.name in (logs or {}):
            super().on_epoch_end(epoch, logs)
        else:
            self._add(logs or {}, self._watch.lap())

    def take(self, result: Any, model: keras.Model) -> None:
        """Takes what `fit` returned: a number, a dict of metrics, a `History`, or a list of these.

        Where callbacks saw no epoch, the last one counts, since its weights are the only ones that are known.

        Args:
            result: What it returned.
            model: The trained model.

        Raises:
            UnknownObjectiveError: The objective is in neither the result nor the epochs.
            ExecutionFailedError: It returned something else, or a score that is NaN or infinite.
        """
        if not isinstance(result, keras.callbacks.History):
            self._returned = returned = returned_score(result, self.objective.name)
            metrics = {self.objective.name: returned} | (result if isinstance(result, dict) else {})
            if not self.epoch_seconds:
                self._add(metrics, self._watch.lap())
            for name in metrics.keys() - self.history.keys():
                self.history[name] = [math.nan] * (len(self.epoch_seconds) - 1) + [float(metrics[name])]
        elif not self.epoch_seconds:
            columns = zip(*result.history.values(), strict=True)
            epochs = [dict(zip(result.history, values, strict=True)) for values in columns]
            seconds = self._watch.lap() / max(len(epochs), 1)
            for logs in epochs:
                self._add(logs, seconds)
        if not self.scores:
            raise UnknownObjectiveError(self.objective.name, self.history)
        if not self.best_epoch:
            self.best_epoch, self.best_weights = len(self.epoch_seconds), model.get_weights()
        if not math.isfinite(self.score):
            raise ExecutionFailedError(f"{self.objective.name} is {self.score}")

    def _add(self, logs: Mapping[str, Any], seconds: float) -> None:
        """Adds an epoch that does not choose the weights."""
        self.epoch_seconds.append(seconds)
        self._sampler.end()
        scalars = {str(name): float(np.squeeze(value)) for name, value in logs.items() if np.size(value) == 1}
        for name in dict.fromkeys([*self.history, *scalars]):
            values = self.history.setdefault(name, [math.nan] * (len(self.epoch_seconds) - 1))
            values.append(scalars.get(name, math.nan))


def returned_score(result: Any, objective: str) -> float:
    """Returns the objective in what `fit` returned, as KerasTuner takes it.

    Raises:
        UnknownObjectiveError: A dict lacks the objective.
        ExecutionFailedError: It is none of the things that KerasTuner takes.

    Example:

    >>> returned_score([{"val_loss": 1.0}, 2], "val_loss")
    1.5
    """
    if isinstance(result, list) and result:
        return float(np.mean([returned_score(each, objective) for each in result]))
    if isinstance(result, int | float | np.number):
        return float(result)
    if isinstance(result, dict):
        if objective not in result:
            raise UnknownObjectiveError(objective, map(str, result))
        return float(result[objective])
    raise ExecutionFailedError(
        f"fit returned {result!r:.80}; expected a number, a dict of metrics, a History, or a list of numbers or dicts. "
        "Return the result of model.fit, or the objective."
    )


class _TrainingBegins(BaseException):
    """Ends a call of `fit` before it trains; no `except Exception` of the user's catches it."""


class _AnyMetric(defaultdict[str, list[float]]):
    """The history of a training that did not take place: every metric is there, and is 0."""

    def __init__(self) -> None:
        super().__init__(lambda: [0.0])


@contextmanager
def _without_training(model: keras.Model) -> Iterator[None]:
    """Keeps a `with` block from training: fits return at once, other uses of the model with data end the block."""

    def fit(self: Any, *args: Any, **options: Any) -> keras.callbacks.History:  # noqa: ARG001  Keras's signature
        history = keras.callbacks.History()
        history.set_model(self)
        history.history, history.epoch = _AnyMetric(), [0]
        return history

    def stop(self: Any, *args: Any, **options: Any) -> Any:
        if keras.backend.is_keras_tensor(*args[:1]) if args else False:
            return original.__call__(self, *args, **options)
        raise _TrainingBegins

    original, own = type(model), vars(keras.Model).get("fit")
    object.__setattr__(model, "__class__", type(original.__name__, (original,), dict.fromkeys(_TRAINING, stop)))
    keras.Model.fit = fit
    try:
        yield
    finally:
        object.__setattr__(model, "__class__", original)
        if own is None:
            del keras.Model.fit
        else:
            keras.Model.fit = own
