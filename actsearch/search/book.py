"""The trials of a running search and their executions, each written down as it becomes known."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from actsearch.analysis.outcomes import Decision
from actsearch.ledger import Kind, Ledger
from actsearch.records import ExecutionRecord, Objective, TrialRecord
from actsearch.search.weights import save_weights
from actsearch.training.execution import Trained


class Book:
    """Keeps what a search knows of its trials, and writes into the ledger what is not there yet.

    Args:
        ledger: Where facts go; what an earlier part of the search wrote is read from it.
        directory: Where the weights of each trial's best execution go.
        objective: Says which execution is the best.
    """

    def __init__(self, ledger: Ledger, directory: Path, objective: Objective) -> None:
        self._ledger, self._directory, self._objective = ledger, directory, objective
        self._best: dict[str, dict[int, float]] = {}
        self._num_decisions = 0
        self._written = {(fact.kind, fact.key) for fact in ledger.facts()}
        self.before = {trial.trial_id: trial for trial in ledger.read().trials}
        self._recorded = {(e.trial_id, e.execution): e for t in self.before.values() for e in t.executions}
        self.trials: dict[str, TrialRecord] = {}

    @property
    def num_recorded(self) -> int:
        """The executions of earlier parts of the search."""
        return len(self._recorded)

    @property
    def num_begun(self) -> int:
        """The trials whose first execution was trained in earlier parts of the search."""
        return sum(execution == 1 for _, execution in self._recorded)

    def recorded(self, trial_id: str, execution: int) -> ExecutionRecord | None:
        """The execution as an earlier part of the search wrote it; None where it is still to be trained."""
        return self._recorded.get((trial_id, execution))

    def add_trial(self, trial: TrialRecord) -> None:
        """A trial was proposed."""
        self.trials[trial.trial_id] = replace(trial, executions=())
        if trial.trial_id not in self.before:
            self._ledger.append_trial(trial)

    def add_execution(self, trained: Trained) -> TrialRecord:
        """An execution ended; returns its trial as it is now.

        Weights are written first: where the process ends in between, the execution is trained again.
        """
        record = trained.record
        if record.score is not None and self._is_best(record, record.score):
            self._best[record.trial_id] = {record.execution: record.score}
            if trained.weights is not None:
                save_weights(self._directory, record.trial_id, trained.weights)
        if self.recorded(record.trial_id, record.execution) is None:
            self._ledger.append_execution(record)
        known = self.trials[record.trial_id]
        executions = sorted([*known.executions, record], key=lambda e: e.execution)
        self.trials[record.trial_id] = replace(known, executions=tuple(executions))
        return self.trials[record.trial_id]

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        """All decisions of the allocation so far; those that are new are written."""
        for decision in list(decisions)[self._num_decisions :]:
            self._num_decisions += 1
            if (Kind.DECISION, str(self._num_decisions)) not in self._written:
                self._ledger.append(Kind.DECISION, str(self._num_decisions), decision)

    def _is_best(self, record: ExecutionRecord, score: float) -> bool:
        """Whether it is better than those before, or as good and of a lower number: the order must not matter."""
        both = self._best.get(record.trial_id, {}) | {record.execution: score}
        return bool(self._objective.best(dict(sorted(both.items()))) == record.execution)
