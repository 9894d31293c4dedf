"""The loop of a search: who gets the next execution, having it trained, and writing it down."""

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from actsearch.config import SearchConfig
from actsearch.executors.base import Executor
from actsearch.records import ExecutionRequest, TrialRecord, execution_seed
from actsearch.training.execution import Trained
from actsearch.tuning.allocation import Allocation
from actsearch.tuning.progress import Reporter
from actsearch.tuning.state import SearchState
from actsearch.tuning.trial_source import TrialSource

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Whether the user asked for the end of the search.

    The first signal lets running executions complete, so that they are not lost; a second one ends them immediately.

    Args:
        say: Called with what to tell the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.requested = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Signals come here; outside of the main thread, which Python sends none elsewhere, nothing is changed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Ends the search if the user asked for it.

        Raises:
            KeyboardInterrupt: The user did.
        """
        if self.requested:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: Any) -> None:  # noqa: ARG002  Python's signature
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._say("Stopping after the current execution. Press Ctrl-C again to stop now and discard it.")


_PROPOSED_AHEAD = 2  # trials for which nobody is free yet
_MAX_SUBMITTED = 32  # executions, before what has ended is looked at


class SearchLoop:
    """One run of a search from its start to its end; what the state has recorded is not trained again.

    Each proposed trial gets its first execution, then all get the others seed by seed. As many executions are under
    way as the executor takes, and they may end in any order: the oracle hears of trials in the order in which it
    proposed them, and the allocation decides on complete seeds, so that the result is the same.

    Args:
        config: The numbers of the search.
        allocation: Decides which trial gets the next execution.
        trials: The trials, as the oracle proposes them.
        executor: Trains.
        state: What is known, and where it is written.
        reporter: Shows the progress.
        stop: Whether the user asked for the end.
    """

    def __init__(
        self,
        config: SearchConfig,
        allocation: Allocation,
        trials: TrialSource,
        executor: Executor,
        state: SearchState,
        reporter: Reporter,
        stop: StopSignal,
    ) -> None:
        self._config = config
        self._allocation = allocation
        self._trials = trials
        self._executor = executor
        self._state = state
        self._reporter = reporter
        self._stop = stop
        self._deadline = time.monotonic() + (config.time_budget or math.inf)
        self._is_proposing = True
        self._is_late = False
        self._unreported: deque[tuple[Any, str]] = deque()
        self._num_under_way = 0

    def run(self) -> None:
        """Runs the search.

        Raises:
            KeyboardInterrupt: Somebody asked for the end; the executions that had begun are written down.
        """
        self._plan(self._trials.planned)
        while self._begin_more():
            trained = self._executor.next()
            if trained is not None:
                self._num_under_way -= 1
                self._settle(trained, is_new=True)
            self._check_limits()
        if self._is_proposing or not self._allocation.finished:
            self._stop.check()
        if self._is_late:
            self._reporter.message("The time budget is used up; every trial that was begun has the same executions.")
        self._trials.close(self._state.trials)

    def _check_limits(self) -> None:
        """Now and then: whether somebody asked for the end, or the time is used up."""
        if self._stop.requested:
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
        enough = max(
            self._executor.num_at_once, self._num_under_way + _MAX_SUBMITTED
        )  # nobody waits until all is asked
        while self._num_under_way < min(enough, self._executor.capacity) and not self._stop.requested:
            asked = self._next()
            self._state.add_decisions(self._allocation.decisions)
            if asked is None:
                break
            known = self._state.recorded(*asked)
            if known is not None:
                self._settle(Trained(known), is_new=False)
            else:
                self._executor.submit(self._request(*asked))
                self._num_under_way += 1
        return self._num_under_way > 0

    def _next(self) -> tuple[str, int] | None:
        """The trial and the number of the execution to begin next; a new trial's first one before all others."""
        while self._is_proposing and len(self._unreported) < self._max_unreported:
            if (found := next(self._trials, None)) is None:
                self._end_proposing()
            elif self._begin(*found):
                return self._allocation.ask()
        may_ask = self._allocation.trials_may_join and self._num_under_way < self._executor.num_at_once
        return self._allocation.ask() if may_ask or not self._is_proposing else None

    @property
    def _max_unreported(self) -> int:
        """How many trials may be proposed whose first execution the oracle has not been told of."""
        return 1 if self._trials.learns else self._executor.num_at_once + _PROPOSED_AHEAD

    def _begin(self, trial: Any, record: TrialRecord) -> bool:
        """A trial is written down; whether it is to be trained."""
        self._state.add_trial(record)
        self._unreported.append((trial, record.trial_id))
        if record.screening.get("hopeless"):
            what = "skipped" if record.skipped else "hopeless"
            self._reporter.message(f"screening: {record.activation} {what}: {record.screening['reason']}")
        if not record.skipped:
            self._allocation.add(record.trial_id, baseline=record.activation == self._trials.baseline)
        self._report_to_oracle()
        return not record.skipped

    def _end_proposing(self) -> None:
        self._is_proposing = False
        self._plan(sum(not record.skipped for record in self._state.trials.values()))

    def _settle(self, trained: Trained, *, is_new: bool) -> None:
        """An execution ended, now or in an earlier part of the search."""
        record = trained.record
        trial = self._state.add_execution(trained)
        if is_new:
            self._reporter.execution(trial, record)
        self._allocation.tell(record.trial_id, record.execution, record.score)
        self._report_to_oracle()

    def _report_to_oracle(self) -> None:
        """The oracle learns the score of first executions, in the order of its proposals."""
        while self._unreported:
            trial, record = self._unreported[0][0], self._state.trials[self._unreported[0][1]]
            first = next((e for e in record.executions if e.execution == 1), None)
            if first is None and not record.skipped:
                return
            self._trials.tell(trial, first)
            self._unreported.popleft()

    def _request(self, trial_id: str, execution: int) -> ExecutionRequest:
        values = self._state.trials[trial_id].hyperparameters
        return ExecutionRequest(
            trial_id=trial_id,
            execution=execution,
            seed=execution_seed(self._config.seed, execution),
            epochs=self._epochs(trial_id, execution, values),
            hyperparameters=values,
        )

    def _epochs(self, trial_id: str, execution: int, values: Mapping[str, Any]) -> int:
        """All epochs; fewer where Hyperband or halving gives fewer."""
        share = self._allocation.epochs(trial_id, execution)
        return max(1, round(share * int(values.get("tuner/epochs", self._config.epochs))))

    def _plan(self, num_trials: int | None) -> None:
        """How many executions are to come is known beforehand for a fixed number of them only."""
        fixed = num_trials is not None and self._config.allocation == "fixed"
        total = (num_trials or 0) * (self._config.executions or 0)
        fresh = max((num_trials or 0) - self._state.num_started, 0)
        self._reporter.plan(fresh, max(total - self._state.num_recorded, 0) if fixed else None)
