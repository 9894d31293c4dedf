"""The loop of a search: who gets the next execution, training it, and writing it down."""

import math
import time
from collections.abc import Mapping
from typing import Any

from actsearch.records import ExecutionRequest, TrialRecord
from actsearch.search.allocation import Allocation
from actsearch.search.book import Book
from actsearch.search.executors import Executor
from actsearch.search.interruption import Interruption
from actsearch.search.progress import Reporter
from actsearch.search.proposals import Proposals
from actsearch.search.seeds import execution_seed
from actsearch.search.settings import Settings
from actsearch.training.execution import Trained


class Run:
    """One run of a search from its start to its end; what the book has already is not trained again.

    Args:
        settings: The numbers of the search.
        allocation: Decides which trial gets the next execution.
        proposals: The trials.
        executor: Trains.
        book: What is known, and where it is written.
        reporter: Hears of the progress.
        interruption: Whether somebody asked for the end.
    """

    def __init__(
        self,
        settings: Settings,
        allocation: Allocation,
        proposals: Proposals,
        executor: Executor,
        book: Book,
        reporter: Reporter,
        interruption: Interruption,
    ) -> None:
        self._settings, self._allocation, self._proposals = settings, allocation, proposals
        self._executor, self._book, self._reporter = executor, book, reporter
        self._interruption = interruption
        self._deadline = time.monotonic() + (settings.time_budget or math.inf)

    def to_the_end(self) -> None:
        """Each proposed trial's first execution, then the others seed by seed.

        Raises:
            KeyboardInterrupt: Somebody asked for the end.
        """
        self._plan(self._proposals.planned)
        for trial, record in self._proposals:
            self._begin(record)
            self._proposals.tell(trial, self._book.trials[record.trial_id])
            if self._late:
                break
        self._plan(sum(not record.skipped for record in self._book.trials.values()))
        while True:
            if self._late:
                self._allocation.stop()
            if not self._run_next():
                break
        if self._late:
            self._reporter.message("The time budget is used up; every trial that was begun has the same executions.")
        self._proposals.close(self._book.trials)

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _begin(self, record: TrialRecord) -> None:
        """A trial is written down, and gets its first execution unless it is skipped."""
        self._book.add_trial(record)
        if record.screening.get("hopeless"):
            what = "skipped" if record.skipped else "hopeless"
            self._reporter.message(f"screening: {record.activation} {what}: {record.screening['reason']}")
        if not record.skipped:
            self._allocation.add(record.trial_id, baseline=record.activation == self._proposals.baseline)
            self._run_next()

    def _run_next(self) -> bool:
        asked = self._allocation.ask()
        if asked is None:
            self._book.add_decisions(self._allocation.decisions)
            return False
        known = self._book.recorded(*asked)
        trained = self._train(*asked) if known is None else Trained(known)
        trial = self._book.add_execution(trained)
        if known is None:
            self._reporter.execution(trial, trained.record)
        self._allocation.tell(*asked, trained.record.score)
        self._book.add_decisions(self._allocation.decisions)
        return True

    def _train(self, trial_id: str, execution: int) -> Trained:
        self._interruption.check()
        values = self._book.trials[trial_id].hyperparameters
        request = ExecutionRequest(
            trial_id=trial_id,
            execution=execution,
            seed=execution_seed(self._settings.seed, execution),
            epochs=self._epochs(trial_id, execution, values),
            hyperparameters=values,
        )
        self._executor.submit(request)
        return self._executor.next()

    def _epochs(self, trial_id: str, execution: int, values: Mapping[str, Any]) -> int:
        """All epochs; fewer where Hyperband or halving gives fewer."""
        share = self._allocation.epochs(trial_id, execution)
        return max(1, round(share * int(values.get("tuner/epochs", self._settings.epochs))))

    def _plan(self, num_trials: int | None) -> None:
        """How many executions are to come is known beforehand for a fixed number of them only."""
        fixed = num_trials is not None and self._settings.allocation == "fixed"
        total = (num_trials or 0) * self._settings.executions
        fresh = max((num_trials or 0) - self._book.num_begun, 0)
        self._reporter.plan(fresh, max(total - self._book.num_recorded, 0) if fixed else None)
