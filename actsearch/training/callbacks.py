"""Keras callbacks of executions: copies for each execution, and our own recorder and health monitor."""

import copy
import dis
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from actsearch._private import profiles_batches
from actsearch.diagnostics.health import ActivationHealth
from actsearch.errors import ExecutionFailedError, ObjectiveShapeError, UnknownObjectiveError, UsageError, summarize
from actsearch.records import Objective
from actsearch.training.epochs import single_numbers
from actsearch.training.resources import Sampler, Stopwatch

Callbacks = Sequence[keras.callbacks.Callback] | Callable[[], Sequence[keras.callbacks.Callback]]
_BATCH_HOOKS = [
    f"on_{phase}batch_{end}" for phase in ("", "train_", "test_") for end in ("begin", "end")
]  # fit predicts nothing, so callbacks may have hooks for that
_NOTHING = {"RESUME", "NOP", "LOAD_CONST", "POP_TOP", "RETURN_VALUE", "RETURN_CONST"}


def fresh(callbacks: Callbacks, execution: str = "") -> list[keras.callbacks.Callback]:
    """Returns callbacks for one execution: the result of the function, or deep copies of those in the list.

    `BackupAndRestore` gets a folder of its own: an execution must not begin with the weights of another one.

    Args:
        callbacks: As the user gave them.
        execution: Name of the execution, for folders.

    Raises:
        UsageError: A callback cannot be copied.
    """
    if callable(callbacks):
        return [_in_own_folder(callback, execution) for callback in callbacks()]
    try:
        return [_in_own_folder(copy.deepcopy(callback), execution) for callback in callbacks]
    except (TypeError, ValueError, AttributeError, NotImplementedError, RecursionError) as error:
        raise UsageError(
            f"A callback cannot be copied for each execution ({summarize(error)}). "
            "Pass a function that returns new callbacks: callbacks=lambda: [MyCallback()]."
        ) from error


def _in_own_folder(callback: keras.callbacks.Callback, execution: str) -> keras.callbacks.Callback:
    if type(callback) is not keras.callbacks.BackupAndRestore or not execution:
        return callback
    return keras.callbacks.BackupAndRestore(
        str(Path(callback.backup_dir) / execution),
        save_freq=callback.save_freq,
        double_checkpoint=callback.double_checkpoint,
        delete_checkpoint=callback.delete_checkpoint,
    )


def need_fit(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Returns whether one of them does something at each batch, which only `model.fit` lets it do."""
    return any(_acts_on_batches(callback, name) for callback in callbacks for name in _BATCH_HOOKS)


def _acts_on_batches(callback: keras.callbacks.Callback, name: str) -> bool:
    hook = getattr(callback, name, None)
    function = getattr(hook, "__func__", hook)
    if function is getattr(keras.callbacks.Callback, name) or _is_empty(function):
        return False
    return not any(
        function is getattr(kind, name, None) and is_idle(callback)
        for kind in type(callback).__mro__
        for known, is_idle in _IDLE.items()
        if f"{kind.__module__.partition('.')[0]}.{kind.__name__}" == known
    )


def _is_empty(function: Any) -> bool:
    """Returns whether the code of a function does nothing, as a hook that is only a `pass`."""
    code = getattr(function, "__code__", None)
    return code is not None and {each.opname for each in dis.get_instructions(code)} <= _NOTHING


def _saves_epochs(callback: Any) -> bool:
    return bool(callback.save_freq == "epoch")


# Callbacks whose hooks for batches do nothing with some arguments, by package and name.
_IDLE: dict[str, Callable[[Any], bool]] = {
    "keras.BackupAndRestore": _saves_epochs,
    "keras.ModelCheckpoint": _saves_epochs,
    "keras.TensorBoard": lambda callback: callback.update_freq == "epoch" and not profiles_batches(callback),
    # The mean of losses with a NaN is NaN, and the recorder ends an execution with it.
    "keras.TerminateOnNaN": lambda callback: not getattr(callback, "raise_error", False),
    "mlflow.MlflowCallback": lambda callback: callback.log_every_n_steps is None,
}


class Recorder(keras.callbacks.Callback):
    """Records the logs and the duration of each epoch, and the weights of the best epoch.

    Raises:
        UnknownObjectiveError: The objective is not among the logs of an epoch, so no execution can be scored.
        ObjectiveShapeError: The objective has a number for each class, so it cannot rank epochs.
        ExecutionFailedError: The loss or the objective is NaN or infinite.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective
        self.history: dict[str, list[float]] = {}
        self.epoch_seconds: list[float] = []
        self.best_epoch = 0
        self.best_weights: list[Any] = []
        self._watch, self._sampler = Stopwatch(), Sampler()

    @property
    def scores(self) -> list[float]:
        """The objective of each epoch."""
        return self.history.get(self.objective.name, [])

    @property
    def score(self) -> float:
        """The objective at the best epoch."""
        return self.scores[self.best_epoch - 1]

    @property
    def samples(self) -> dict[str, tuple[float, ...]]:
        """The resource usage of the process in each epoch."""
        return {name: tuple(values) for name, values in self._sampler.samples.items()}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._watch.lap()
        self._sampler.begin()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch_seconds.append(self._watch.lap())
        self._sampler.end()
        check_objective(self.objective, logs or {})
        logs = single_numbers(logs or {})
        for name in dict.fromkeys([*self.history, *logs]):
            values = self.history.setdefault(name, [math.nan] * (len(self.epoch_seconds) - 1))
            values.append(logs.get(name, math.nan))  # not every callback logs in every epoch
        for name in ("loss", self.objective.name):
            if not math.isfinite(logs.get(name, 0.0)):
                raise ExecutionFailedError(f"{name} is {logs[name]} in epoch {epoch + 1}")
        best = self.objective.best(dict(enumerate(self.scores, start=1)))
        if best != self.best_epoch:
            self.best_epoch, self.best_weights = best, self.model.get_weights()


def check_objective(objective: Objective, logs: Mapping[str, Any]) -> None:
    """Checks that the objective is among an epoch's logs and is a single number.

    Raises:
        UnknownObjectiveError: It is not among them.
        ObjectiveShapeError: It has a number for each class.
    """
    if objective.name not in logs:
        raise UnknownObjectiveError(objective.name, logs)
    shape = getattr(logs[objective.name], "shape", ())
    if getattr(shape, "rank", 0) is None or None in tuple(shape):
        return  # a symbolic tensor of unknown size
    if math.prod(shape) != 1:
        raise ObjectiveShapeError(objective.name, shape)


class HealthMonitor(ActivationHealth):
    """`ActivationHealth` for executions: if a model cannot be diagnosed, it records the reason and training continues.

    Args:
        x, y: Some of the training data, as for `ActivationHealth`.

    Attributes:
        cpu_seconds: CPU time of the diagnoses, which is not a cost of the activation.
    """

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__(x, y)
        self._problem: str | None = None
        self.cpu_seconds = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        begin = time.process_time()
        try:
            super().on_train_begin(logs)
        except Exception as error:  # noqa: BLE001  user layers may raise anything when they are called outside of fit
            self._problem = summarize(error)
        self.cpu_seconds += time.process_time() - begin

    def _diagnose(self) -> None:
        if self._probe is None or self._problem is not None:
            return
        begin = time.process_time()
        try:
            super()._diagnose()
        except Exception as error:  # noqa: BLE001  as above
            self._problem = summarize(error)
        self.cpu_seconds += time.process_time() - begin

    def plain(self) -> tuple[dict[str, Any], ...]:
        """Returns the diagnoses as plain data, by epoch; if one failed, the last entry has its `problem`."""
        diagnoses = tuple(diagnosis.to_dict() for diagnosis in self.diagnoses.values())
        return diagnoses if self._problem is None else (*diagnoses, {"problem": self._problem})
