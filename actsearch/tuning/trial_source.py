"""Trials as the oracle proposes them, described for the ledger, and screened where that is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import keras_tuner

from actsearch._private import record_values
from actsearch.diagnostics.screening import screen
from actsearch.errors import DataError, ModelError
from actsearch.records import ExecutionRecord, Status, TrialRecord
from actsearch.training.data import TrainingData
from actsearch.tuning.oracles import GridOracle, grid_size
from actsearch.tuning.problem import Hypermodel
from actsearch.tuning.state import check_same_trial

Screener = Callable[[Any], dict[str, Any]]
Builder = Callable[[Any], Any]
_INDIFFERENT = (GridOracle, keras_tuner.oracles.RandomSearchOracle)


class TrialSource:
    """The trials that an oracle proposes, one after the other: an iterator.

    Args:
        oracle: KerasTuner's.
        hypermodel: Says what hyperparameter values mean.
        tuner_id: Who asks.
        build: Builds a trial's model once on its hyperparameters, so that those that only this trial has are found.
        screener: From that model to what is found before training; None where nothing is screened.
        skip: Whether trials that are hopeless are marked as skipped; the baseline never is.
        before: What an earlier part of the search wrote of trials that will be proposed again.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: Hypermodel,
        tuner_id: str,
        *,
        build: Builder,
        screener: Screener | None = None,
        skip: bool = False,
        before: Mapping[str, TrialRecord] | None = None,
    ) -> None:
        self._oracle = oracle
        self._hypermodel = hypermodel
        self._tuner_id = tuner_id
        self._build = build
        self._screener = screener
        self._skip = skip
        self._before = before or {}
        self._num_asked = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, TrialRecord]:
        self._num_asked += 1
        # Oracles give one trial to each tuner at a time, and several may be under way here.
        trial = self._oracle.create_trial(f"{self._tuner_id}-{self._num_asked}")
        if trial.status != "RUNNING":
            raise StopIteration
        described = self._described(trial)
        record_values(self._oracle, trial)  # with what the build has added, before others are proposed
        return trial, described

    @property
    def learns(self) -> bool:
        """Whether the oracle wants to be told how each trial went before it is asked for the next."""
        return type(self._oracle) not in _INDIFFERENT

    @property
    def baseline(self) -> str | None:
        """The label that all others are compared with."""
        return self._hypermodel.baseline

    @property
    def planned(self) -> int | None:
        """How many trials there will be; None where nobody knows beforehand."""
        size = grid_size(self._oracle.hyperparameters)
        known = [n for n in (self._oracle.max_trials, size) if n is not None]
        bounded = self._oracle.max_trials or isinstance(self._oracle, GridOracle)
        return min(known) if known and bounded else None

    def tell(self, trial: Any, first: ExecutionRecord | None) -> None:
        """The oracle learns how a trial's first execution went; None where the trial was skipped."""
        trial.status = "COMPLETED" if first and first.status is Status.COMPLETED else "FAILED"
        if first and first.score is not None:
            self._oracle.update_trial(trial.trial_id, {self._oracle.objective.name: first.score})
        self._oracle.end_trial(trial)

    def close(self, trials: Mapping[str, TrialRecord]) -> None:
        """KerasTuner's own listings show the mean over all executions."""
        for trial_id, record in trials.items():
            self._oracle.get_trial(trial_id).score = record.mean_score

    def _described(self, trial: Any) -> TrialRecord:
        hp = trial.hyperparameters
        try:
            model = self._build(hp)
        except Exception:  # noqa: BLE001  its first execution fails in the same way, and records the reason
            model = None
        self._oracle.update_space(hp)
        values = dict(hp.values)
        if trial.trial_id in self._before:
            check_same_trial(self._before[trial.trial_id], values)
            return replace(self._before[trial.trial_id], executions=())
        label, matching = self._hypermodel.label_on(hp), self._hypermodel.matching_on(hp)
        screening = self._screener(model) if self._screener and model is not None else {}
        skipped = self._skip and bool(screening.get("hopeless")) and label != self.baseline
        activations = self._hypermodel.activations_on(hp)
        return TrialRecord(trial.trial_id, values, label, matching, screening, skipped, activations=activations)


def screened(model: Any, data: TrainingData) -> dict[str, Any]:
    """What the model at initialisation says of its training, as plain data; `problem` where it cannot be measured."""
    try:
        screening = screen(model, data.x, data.y)
    except (ModelError, DataError) as error:
        return {"problem": str(error)}
    return screening.to_dict() | {"reason": " ".join(issue.message for issue in screening.reasons)}
