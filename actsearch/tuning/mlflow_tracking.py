"""The ledger and MLflow runs of actsearch for any KerasTuner tuner."""

import math
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

from actsearch.config import SearchConfig
from actsearch.errors import ExecutionFailedError, UsageError
from actsearch.layers.base import exclude_from_weight_decay
from actsearch.ledger import Ledger
from actsearch.records import (
    ExecutionRecord,
    Objective,
    Resources,
    Status,
    TrialRecord,
    execution_seed,
    parse_objective,
)
from actsearch.tracking.store import MLflow
from actsearch.training.callbacks import Recorder
from actsearch.training.execution import reason_of
from actsearch.training.resources import Meter, Stopwatch
from actsearch.tuning.problem import Hypermodel, describe_search, inspect_hypermodel
from actsearch.tuning.state import SearchState

if TYPE_CHECKING:
    from keras_tuner import Tuner as _AnyTuner
else:
    _AnyTuner = object


class MLflowTracking(_AnyTuner):
    """A mixin that gives a KerasTuner tuner the ledger and the MLflow runs of `ActivationTuner`.

    KerasTuner's training is unchanged: it keeps its oracle, order and repetition. Each execution is seeded, measured
    and recorded separately.

    Args:
        tracking: `actsearch.MLflow(...)`; if omitted, MLflow's environment variables, else `mlflow.db` in the working
            directory.

    Example:

    >>> import actsearch, keras_tuner
    >>> class Tuner(actsearch.MLflowTracking, keras_tuner.Hyperband):
    ...     pass
    """

    def __init__(self, *args: Any, tracking: MLflow | None = None, **options: Any) -> None:
        self._address = (tracking or MLflow()).address
        self._trials: dict[str, TrialRecord] = {}
        self._build_seconds = 0.0
        self.mlflow: dict[str, Any] = {}
        super().__init__(*args, **options)

    def search(self, *args: Any, **options: Any) -> None:
        """Runs KerasTuner's `search` and writes it to MLflow; afterwards, `mlflow` has the ids of the runs."""
        self._hypermodel: Hypermodel = inspect_hypermodel(self.hypermodel)
        self._goal: Objective = _one_objective(self.oracle.objective)
        config = SearchConfig(
            seed=self.oracle.seed,
            executions=self.executions_per_trial,
            epochs=options.get("epochs", 1),
            oracle=type(self.oracle).__name__,
            max_executions=None,
            factor=None,
            rungs=None,
        )
        search = describe_search(self._hypermodel, self._goal, config, {}, {"tuner": type(self).__name__})
        state = SearchState(Path(self.project_dir), search, store=self._address)
        with state.open() as ledger:
            self._ledger: Ledger = ledger
            self._trials = {trial.trial_id: trial for trial in ledger.read().trials}
            super().search(*args, **options)
        self.mlflow = state.mlflow
        if "problem" in self.mlflow:
            warnings.warn(f"MLflow is missing data: {self.mlflow['problem']}", RuntimeWarning, stacklevel=2)

    def on_trial_begin(self, trial: Any) -> None:
        super().on_trial_begin(trial)
        if trial.trial_id not in self._trials:
            hp = trial.hyperparameters.copy()
            hp.values = dict(trial.hyperparameters.values)
            try:
                self.hypermodel.build(hp)
            except Exception:  # noqa: BLE001  KerasTuner's own build fails too, and that is recorded
                hp.values = dict(trial.hyperparameters.values)
            label, matching = self._hypermodel.label_on(hp), self._hypermodel.matching_on(hp)
            self._trials[trial.trial_id] = TrialRecord(
                trial.trial_id, dict(hp.values), label, matching, activations=self._hypermodel.activations_on(hp)
            )
            self._ledger.append_trial(self._trials[trial.trial_id])

    def _build_hypermodel(self, hp: Any) -> keras.Model:
        """Seeds and times a build; KerasTuner's clear_session just before it discards any earlier seed."""
        keras.utils.set_random_seed(self._seed_now)
        watch = Stopwatch()
        model = super()._build_hypermodel(hp)
        if model.built:
            exclude_from_weight_decay(model)
        self._build_seconds = watch.lap()
        return model

    @property
    def _seed_now(self) -> int:
        return execution_seed(self.oracle.seed, getattr(self, "_execution", 1))

    def _build_and_fit_model(self, trial: Any, *args: Any, **options: Any) -> Any:
        """Runs one execution; KerasTuner calls this for each without its number, so it is counted here."""
        trial_record = self._trials[trial.trial_id]
        self._execution = len(trial_record.executions) + 1
        started = ExecutionRecord(
            trial_id=trial.trial_id,
            execution=self._execution,
            seed=self._seed_now,
            epochs=options.get("epochs", 1) - options.get("initial_epoch", 0),
            status=Status.FAILED,
            started_at=time.time(),
            ended_at=time.time(),
            trainer="fit",
        )
        recorder, meter = Recorder(self._goal), Meter()
        options["callbacks"] = [*options.get("callbacks", []), recorder]
        ended = replace(started, reason="interrupted")
        try:
            results = super()._build_and_fit_model(trial, *args, **options)
            ended = _completed(started, recorder, results, self._resources(recorder, meter))
        except UsageError as error:
            ended = replace(started, reason=str(error))
            raise keras_tuner.errors.FatalValueError(str(error)) from error
        except Exception as error:
            ended = replace(started, reason=reason_of(error))
            raise
        finally:
            ended = replace(ended, ended_at=time.time(), epoch_seconds=tuple(recorder.epoch_seconds))
            self._ledger.append_execution(ended)
            self._trials[trial.trial_id] = replace(trial_record, executions=(*trial_record.executions, ended))
        return results

    def _resources(self, recorder: Recorder, meter: Meter) -> Resources | None:
        if not recorder.epoch_seconds:
            return None
        usage = meter.read()
        return Resources(
            build_seconds=self._build_seconds,
            trace_seconds=0.0,
            train_seconds=sum(recorder.epoch_seconds),
            best_epoch_seconds=sum(recorder.epoch_seconds[: recorder.best_epoch]),
            cpu_seconds=usage.cpu_seconds,
            peak_rss_bytes=usage.peak_rss_bytes,
            num_parameters=recorder.model.count_params(),
            peak_gpu_bytes=usage.peak_gpu_bytes,
            gpu_joules=usage.gpu_joules,
        )


def _one_objective(objective: Any) -> Objective:
    if not objective.name or objective.name in {"multi_objective", "default_objective"}:
        raise UsageError(
            "MLflowTracking compares trials by a single logged metric. Give the tuner exactly one objective, such as "
            "keras_tuner.Objective('val_accuracy', 'max')."
        )
    return parse_objective(objective)


def _completed(
    started: ExecutionRecord, recorder: Recorder, results: Any, resources: Resources | None
) -> ExecutionRecord:
    """Makes the record of an execution that completed; its score is the objective at its best epoch."""
    if recorder.scores:
        score = recorder.scores[recorder.best_epoch - 1]
    else:  # the user's HyperModel.fit, which calls no callbacks
        score = float(results[recorder.objective.name] if isinstance(results, dict) else results)
    if not math.isfinite(score):
        raise ExecutionFailedError(f"{recorder.objective.name} is {score}")
    return replace(
        started,
        status=Status.COMPLETED,
        score=score,
        best_epoch=recorder.best_epoch or None,
        history={name: tuple(values) for name, values in recorder.history.items()},
        resources=resources,
    )
