"""The trials of a running search and their executions, each written down as it becomes known."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from actsearch.analysis.outcomes import Decision
from actsearch.ledger import Kind, Ledger
from actsearch.records import Objective, TrialRecord
from actsearch.search.weights import save_weights
from actsearch.training.execution import Trained


class Book:
    """Keeps what a search knows of its trials; the ledger has every fact before anything else is done with it.

    Args:
        ledger: Where facts go.
        directory: Where the weights of each trial's best execution go.
        objective: Says which execution is the best.
    """

    def __init__(self, ledger: Ledger, directory: Path, objective: Objective) -> None:
        self._ledger, self._directory, self._objective = ledger, directory, objective
        self._best_scores: dict[str, float] = {}
        self._num_decisions = 0
        self.trials: dict[str, TrialRecord] = {}

    def add_trial(self, trial: TrialRecord) -> None:
        """A trial was proposed."""
        self.trials[trial.trial_id] = trial
        self._ledger.append_trial(trial)

    def add_execution(self, trained: Trained) -> TrialRecord:
        """An execution ended; returns its trial as it is now."""
        record = trained.record
        self._ledger.append_execution(record)
        known = self.trials[record.trial_id]
        self.trials[record.trial_id] = replace(known, executions=(*known.executions, record))
        if trained.weights is not None and record.score is not None and self._is_best(record.trial_id, record.score):
            save_weights(self._directory, record.trial_id, trained.weights)
            self._best_scores[record.trial_id] = record.score
        return self.trials[record.trial_id]

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        """All decisions of the allocation so far; those that are new are written."""
        for decision in list(decisions)[self._num_decisions :]:
            self._num_decisions += 1
            self._ledger.append(Kind.DECISION, str(self._num_decisions), decision)

    def _is_best(self, trial_id: str, score: float) -> bool:
        known = self._best_scores.get(trial_id)
        return known is None or bool(self._objective.best({"known": known, "new": score}) == "new")
