"""The trials of a running search and their executions, each written down as it becomes known."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from actsearch.analysis.results import Decision
from actsearch.ledger import FILE_NAME, End, Kind, Ledger
from actsearch.records import ExecutionRecord, Objective, SearchRecord, TrialRecord
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.sync_process import SyncProcess
from actsearch.training.execution import Trained
from actsearch.tuning.storage import save_weights


class Recording:
    """Where the facts of one search go.

    Training never waits for MLflow, and no search fails for it: what MLflow is missing is uploaded later, by `sync`.

    Args:
        directory: The search's directory.
        address: The MLflow store and experiment.
        message: Called, from a thread, where the store is unreachable, and at the end where MLflow is missing data.
    """

    def __init__(self, directory: Path, address: StoreAddress, *, message: Callable[[str], None] | None = None) -> None:
        self._directory, self._address, self._message = directory, address, message
        self.mlflow: dict[str, Any] = {"tracking_uri": address.shown}

    @contextmanager
    def of(self, search: SearchRecord) -> Iterator[Ledger]:
        """The ledger while the search runs; however the search ends, its end is recorded, and written to MLflow.

        Raises:
            LedgerError: It cannot be written.
        """
        ledger = self._open(search)
        process = SyncProcess(self._directory, self._address, message=self._message)
        how, reason = "failed", None
        try:
            yield ledger
            how = "completed"
        except KeyboardInterrupt:
            how, reason = "interrupted", "interrupted from the keyboard"
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            try:
                ledger.append_end(End(time.time(), how, reason))
            finally:
                self._finish(process)

    def _open(self, search: SearchRecord) -> Ledger:
        if (self._directory / FILE_NAME).exists():  # a KerasTuner search that is resumed
            return Ledger(self._directory)
        ledger = Ledger(self._directory, create=True)
        ledger.append_search(replace(search, environment={**search.environment, **self._address.recorded}))
        return ledger

    def _finish(self, process: SyncProcess) -> None:
        self.mlflow |= process.finish()
        if "problem" in self.mlflow and self._message:
            problem = self.mlflow["problem"]
            self._message(f"MLflow is missing data: {problem}. `actsearch sync {self._directory}` uploads the rest.")


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
