"""The loop of a search: who gets the next execution, having it trained, and writing it down."""

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from actsearch.executors.base import Executor
from actsearch.records import ExecutionRequest, TrialRecord, execution_seed
from actsearch.training.execution import Trained
from actsearch.tuning.allocation import Allocation
from actsearch.tuning.config import Settings
from actsearch.tuning.progress import Reporter
from actsearch.tuning.signals import Interruption
from actsearch.tuning.state import Book
from actsearch.tuning.trial_source import Proposals

_PROPOSED_AHEAD = 2  # trials for which nobody is free yet
_MOST_ASKED = 32  # executions, before what has ended is looked at


class Run:
    """One run of a search from its start to its end; what the book has already is not trained again.

    Each proposed trial gets its first execution, then all get the others seed by seed. As many executions are under
    way as the executor takes, and they may end in any order: the oracle hears of trials in the order in which it
    proposed them, and the allocation decides on complete seeds, so that the result is the same.

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
        self._is_proposing, self._is_late = True, False
        self._untold: deque[tuple[Any, str]] = deque()
        self._num_under_way = 0

    def to_the_end(self) -> None:
        """Runs the search.

        Raises:
            KeyboardInterrupt: Somebody asked for the end; the executions that had begun are written down.
        """
        self._plan(self._proposals.planned)
        while self._begin_more():
            trained = self._executor.next()
            if trained is not None:
                self._num_under_way -= 1
                self._settle(trained, is_new=True)
            self._look_up()
        if self._is_proposing or not self._allocation.finished:
            self._interruption.check()
        if self._is_late:
            self._reporter.message("The time budget is used up; every trial that was begun has the same executions.")
        self._proposals.close(self._book.trials)

    def _look_up(self) -> None:
        """Now and then: whether somebody asked for the end, or the time is used up."""
        if self._interruption.requested:
            self._num_under_way -= len(self._executor.cancel())
        elif not self._is_late and time.monotonic() > self._deadline:
            self._is_late = True
            self._end_proposing()
            for request in self._executor.cancel():
                self._allocation.take_back(request.trial_id, request.execution)
                self._num_under_way -= 1
            self._allocation.stop()

    def _begin_more(self) -> bool:
        """Asks for executions until enough are under way; whether any is."""
        enough = max(self._executor.num_at_once, self._num_under_way + _MOST_ASKED)  # nobody waits until all is asked
        while self._num_under_way < min(enough, self._executor.capacity) and not self._interruption.requested:
            asked = self._next()
            self._book.add_decisions(self._allocation.decisions)
            if asked is None:
                break
            known = self._book.recorded(*asked)
            if known is not None:
                self._settle(Trained(known), is_new=False)
            else:
                self._executor.submit(self._request(*asked))
                self._num_under_way += 1
        return self._num_under_way > 0

    def _next(self) -> tuple[str, int] | None:
        """The trial and the number of the execution to begin next; a new trial's first one before all others."""
        while self._is_proposing and len(self._untold) < self._most_untold:
            if (found := next(self._proposals, None)) is None:
                self._end_proposing()
            elif self._begin(*found):
                return self._allocation.ask()
        may_ask = self._allocation.trials_may_join and self._num_under_way < self._executor.num_at_once
        return self._allocation.ask() if may_ask or not self._is_proposing else None

    @property
    def _most_untold(self) -> int:
        """How many trials may be proposed whose first execution the oracle has not been told of."""
        return 1 if self._proposals.learns else self._executor.num_at_once + _PROPOSED_AHEAD

    def _begin(self, trial: Any, record: TrialRecord) -> bool:
        """A trial is written down; whether it is to be trained."""
        self._book.add_trial(record)
        self._untold.append((trial, record.trial_id))
        if record.screening.get("hopeless"):
            what = "skipped" if record.skipped else "hopeless"
            self._reporter.message(f"screening: {record.activation} {what}: {record.screening['reason']}")
        if not record.skipped:
            self._allocation.add(record.trial_id, baseline=record.activation == self._proposals.baseline)
        self._tell_oracle()
        return not record.skipped

    def _end_proposing(self) -> None:
        self._is_proposing = False
        self._plan(sum(not record.skipped for record in self._book.trials.values()))

    def _settle(self, trained: Trained, *, is_new: bool) -> None:
        """An execution ended, now or in an earlier part of the search."""
        record = trained.record
        trial = self._book.add_execution(trained)
        if is_new:
            self._reporter.execution(trial, record)
        self._allocation.tell(record.trial_id, record.execution, record.score)
        self._tell_oracle()

    def _tell_oracle(self) -> None:
        """The oracle learns the score of first executions, in the order of its proposals."""
        while self._untold:
            trial, record = self._untold[0][0], self._book.trials[self._untold[0][1]]
            first = next((e for e in record.executions if e.execution == 1), None)
            if first is None and not record.skipped:
                return
            self._proposals.tell(trial, first)
            self._untold.popleft()

    def _request(self, trial_id: str, execution: int) -> ExecutionRequest:
        values = self._book.trials[trial_id].hyperparameters
        return ExecutionRequest(
            trial_id=trial_id,
            execution=execution,
            seed=execution_seed(self._settings.seed, execution),
            epochs=self._epochs(trial_id, execution, values),
            hyperparameters=values,
        )

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
