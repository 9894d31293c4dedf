"""One training of a KerasTuner tuner, while it runs and as the record of an execution."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from actsearch.errors import UnknownObjectiveError
from actsearch.records import ExecutionRecord, Resources, Status
from actsearch.training.execution import reason_of
from actsearch.training.resources import Meter, Stopwatch, Usage, undisturbed_seconds
from actsearch.tuning.fit_results import EpochLog, FitResult, fit_result


@dataclass
class ObservedTraining:
    """What is seen of one training while it runs.

    `number` counts the executions of the trial from 1. `seed` is None where the tuner's own code trains without one.
    `results` is what the training returned, `error` what it raised.
    """

    number: int = 1
    epochs: int = 1
    seed: int | None = None
    log: EpochLog = field(default_factory=EpochLog)
    started_at: float = field(default_factory=time.time)
    ended_at: float = 0.0
    build_seconds: float = 0.0
    model: Any = None
    results: Any = None
    error: BaseException | None = None
    num_parameters: int | None = None
    usage: Usage | None = None
    _watch: Stopwatch = field(default_factory=Stopwatch)
    _meter: Meter | None = None

    def begin(self, number: int, epochs: int) -> None:
        """Starts measuring.

        Args:
            number: Number of the execution.
            epochs: Epochs that the tuner grants; only executions with the same number are compared.
        """
        self.number, self.epochs = number, epochs
        self._meter = Meter()
        self._watch.lap()

    def built(self, model: Any) -> None:
        """Ends the build, and starts the first epoch for loops that do not call `on_epoch_begin`."""
        self.model, self.build_seconds = model, self._watch.lap()
        self.log.on_epoch_begin()

    def end(self) -> None:
        """Ends measuring, and lets go of the model."""
        self.ended_at = time.time()
        model: Any = self.model or self.log.model or getattr(self.results, "model", None)
        self.model = None
        if self._meter is not None:
            self.usage = self._meter.read()
        if hasattr(model, "count_params"):
            self.num_parameters = int(model.count_params())

    def split(self, parts: Sequence[Any]) -> list["ObservedTraining"]:
        """Divides a training that returned several results; their times, which are unknown, are made equal."""
        if len(parts) == 1:
            return [replace(self, results=parts[0])]
        seconds = (self.ended_at - self.started_at) / len(parts)
        starts = [self.started_at + number * seconds for number in range(len(parts))]
        return [
            replace(self, number=self.number + n, started_at=start, ended_at=start + seconds, results=part, usage=None)
            for n, (start, part) in enumerate(zip(starts, parts, strict=True))
        ]


def record_of(training: ObservedTraining, trial_id: str, objective: Any) -> ExecutionRecord:
    """Makes the record of a training that ended.

    Args:
        training: The training.
        trial_id: Id of its trial.
        objective: KerasTuner's objective.

    Returns:
        The record: COMPLETED if the training returned a finite score.
    """
    results = None if training.error is not None else training.results
    outcome = fit_result(results, training.log.history, objective)
    reason = _failure(training, outcome, objective)
    seconds = _epoch_seconds(training, outcome)
    return ExecutionRecord(
        trial_id=trial_id,
        execution=training.number,
        seed=training.seed,
        epochs=training.epochs,
        status=Status.COMPLETED if reason is None else Status.FAILED,
        started_at=training.started_at,
        ended_at=training.ended_at,
        score=outcome.score if reason is None else None,
        best_epoch=outcome.best_epoch if reason is None else None,
        history=outcome.history,
        epoch_seconds=seconds,
        samples=training.log.samples,
        resources=_resources(training, seconds, outcome.best_epoch),
        trainer="fit" if training.seed is not None else None,  # the user's own code trains without one
        reason=reason,
    )


def _failure(training: ObservedTraining, outcome: FitResult, objective: Any) -> str | None:
    """Returns why a training has no score; None if it has one."""
    if isinstance(training.error, Exception):
        return reason_of(training.error)
    if training.error is not None:
        return "interrupted"
    if outcome.score is None and outcome.history:
        return str(UnknownObjectiveError(objective.name, outcome.history))
    if outcome.score is None:
        return f"It returned {training.results!r:.80}, which has no {objective.name}"
    return None if math.isfinite(outcome.score) else f"{objective.name} is {outcome.score}"


def _epoch_seconds(training: ObservedTraining, outcome: FitResult) -> tuple[float, ...]:
    """Returns the duration of each epoch; of epochs that no callback saw, the mean."""
    number = max(map(len, outcome.history.values()), default=0)
    if len(training.log.epoch_seconds) == number:
        return tuple(training.log.epoch_seconds)
    return (max(training.ended_at - training.started_at - training.build_seconds, 0.0) / number,) * number


def _resources(training: ObservedTraining, seconds: tuple[float, ...], best_epoch: int | None) -> Resources | None:
    """Returns the cost; None if it is unknown, as for a model that is not Keras's."""
    usage = training.usage
    if usage is None or training.num_parameters is None or not seconds:
        return None
    return Resources(
        build_seconds=training.build_seconds,
        trace_seconds=0.0,
        train_seconds=undisturbed_seconds(seconds),
        best_epoch_seconds=undisturbed_seconds(seconds, best_epoch),
        cpu_seconds=usage.cpu_seconds,
        peak_rss_bytes=None,  # of the process of the whole search
        num_parameters=training.num_parameters,
        peak_gpu_bytes=usage.peak_gpu_bytes,
        gpu_joules=usage.gpu_joules,
        train_wall_seconds=sum(seconds),
    )
