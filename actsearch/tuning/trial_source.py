"""Trials as the oracle proposes them, described for the ledger, and screened if requested."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import keras_tuner

from actsearch._private import record_values
from actsearch.diagnostics.screening import screen
from actsearch.errors import summarize
from actsearch.records import ExecutionRecord, Status, TrialRecord
from actsearch.training.data import TrainingData
from actsearch.tuning.oracles import learns, num_planned
from actsearch.tuning.problem import Hypermodel
from actsearch.tuning.state import check_same_trial

Screener = Callable[[Any], dict[str, Any]]
Builder = Callable[[Any], Any]


class TrialSource:
    """An iterator over the trials that an oracle proposes.

    Args:
        oracle: KerasTuner oracle.
        hypermodel: Maps hyperparameter values to activations.
        tuner_id: Name of the tuner, for the oracle.
        build: Builds a trial's model once on its hyperparameters, to find those that only this trial has.
        screener: Screens that model before training; None to screen nothing.
        skip: Whether hopeless trials are marked as skipped; the baseline never is.
        before: Trials that an earlier run of the search recorded and that will be proposed again, by id.
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
        # An oracle gives each tuner one trial at a time, but several may be under way here.
        trial = self._oracle.create_trial(f"{self._tuner_id}-{self._num_asked}")
        if trial.status != "RUNNING":
            raise StopIteration
        described = self._described(trial)
        record_values(self._oracle, trial)  # including those that the build added, before others are proposed
        return trial, described

    @property
    def learns(self) -> bool:
        """Whether the oracle needs the score of each trial before it proposes the next."""
        return learns(self._oracle)

    @property
    def baseline(self) -> str | None:
        """The label that all others are compared with."""
        return self._hypermodel.baseline

    @property
    def planned(self) -> int | None:
        """Number of trials that will be proposed; None if it is not known in advance."""
        return num_planned(self._oracle)

    def tell(self, trial: Any, first: ExecutionRecord | None) -> None:
        """Reports a trial's first execution to the oracle; None for a skipped trial."""
        trial.status = "COMPLETED" if first and first.status is Status.COMPLETED else "FAILED"
        if first and first.score is not None:
            self._oracle.update_trial(trial.trial_id, {self._oracle.objective.name: first.score})
        self._oracle.end_trial(trial)

    def close(self, trials: Mapping[str, TrialRecord]) -> None:
        """Sets the oracle's scores to the means over all executions, for KerasTuner's own listings."""
        for trial_id, record in trials.items():
            self._oracle.get_trial(trial_id).score = record.mean_score

    def _described(self, trial: Any) -> TrialRecord:
        hp = trial.hyperparameters
        before = self._before.get(trial.trial_id)
        if before is not None and before.hyperparameters.keys() == hp.values.keys():  # so a build adds none
            check_same_trial(before, hp.values)
            return replace(before, executions=())
        try:
            model = self._build(hp)
        except Exception:  # noqa: BLE001  its first execution fails in the same way, and records the reason
            model = None
        self._oracle.update_space(hp)
        values = dict(hp.values)
        if before is not None:
            check_same_trial(before, values)
            return replace(before, executions=())
        label, matching = self._hypermodel.label_on(hp), {} if model is None else self._hypermodel.matching_on(hp)
        screening = self._screener(model) if self._screener and model is not None else {}
        skipped = self._skip and bool(screening.get("hopeless")) and label != self.baseline
        activations = self._hypermodel.activations_on(hp)
        return TrialRecord(trial.trial_id, values, label, matching, screening, skipped, activations=activations)


def screened(model: Any, data: TrainingData) -> dict[str, Any]:
    """Screens a model at initialisation; returns plain data, with `problem` if it cannot be measured."""
    try:
        screening = screen(model, *data.probe())
    except Exception as error:  # noqa: BLE001  user layers may raise anything when they are called outside of fit
        return {"problem": summarize(error)}
    return screening.to_dict() | {"reason": " ".join(issue.message for issue in screening.reasons)}
