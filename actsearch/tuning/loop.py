"""The loop of a search: chooses the next execution, has it trained and records it."""

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
    """Whether the user asked to stop the search.

    The first signal lets running executions complete, so that they are not lost; a second one ends them immediately.

    Args:
        say: Called with messages for the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.requested = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Handles signals in a `with` block; changes nothing outside the main thread, the only one that gets them."""
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
        """Ends the search if the user asked to stop.

        Raises:
            KeyboardInterrupt: The user asked to stop.
        """
        if self.requested:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: Any) -> None:  # noqa: ARG002  Python's signature
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._say("Stopping after the current execution. Press Ctrl-C again to stop now and discard it.")


_PROPOSED_AHEAD = 2  # trials beyond those that the workers can run now: their scores are reported in order
_MAX_SUBMITTED = 32  # executions, before the loop checks for results


class SearchLoop:
    """Runs a search from start to end; recorded executions are not trained again.

    Each proposed trial gets its first execution, then all get the others seed by seed. The executor limits how many
    executions run concurrently, and they may end in any order: scores are reported to the oracle in the order in which
    it proposed the trials, and the allocation decides on complete seeds, so that the result is the same.

    Args:
        config: Numbers of the search.
        allocation: Decides which trial gets the next execution.
        trials: Trials, as the oracle proposes them.
        executor: Runs the executions.
        state: Holds the records so far and writes new ones.
        reporter: Shows the progress.
        stop: Whether the user asked to stop.
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
            KeyboardInterrupt: The user stopped the search; executions that were running are recorded.
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
            self._reporter.message("The time budget is used up; every trial that was started has the same executions.")
        self._state.add_measurement(self._executor.measure_costs())
        self._trials.close(self._state.trials)

    def _check_limits(self) -> None:
        """Withdraws waiting executions if the user asked to stop or the time budget is used up."""
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
        """Submits executions until enough are under way; returns whether any is."""
        enough = max(self._executor.num_at_once, self._num_under_way + _MAX_SUBMITTED)  # results are handled meanwhile
        while self._num_under_way < min(enough, self._executor.capacity) and not self._stop.requested:
            chosen = self._next()
            self._state.add_decisions(self._allocation.decisions)
            if chosen is None:
                break
            recorded = self._state.recorded(*chosen)
            if recorded is not None:
                known = self._state.trained(recorded, with_samples=self._allocation.needs_samples)
                self._settle(known, is_new=False)
            else:
                self._executor.submit(self._request(*chosen))
                self._reporter.started(self._state.trials[chosen[0]], chosen[1])
                self._num_under_way += 1
        return self._num_under_way > 0

    def _next(self) -> tuple[str, int] | None:
        """Returns the trial and number of the execution to start next; a new trial's first one takes precedence."""
        while self._is_proposing and len(self._unreported) < self._max_unreported:
            if (proposed := next(self._trials, None)) is None:
                self._end_proposing()
            elif self._begin(*proposed):
                return self._allocation.ask()
        may_ask = self._allocation.trials_may_join and self._num_under_way < self._executor.num_at_once
        return self._allocation.ask() if may_ask or not self._is_proposing else None

    @property
    def _max_unreported(self) -> int:
        """Maximum number of proposed trials whose first score has not been reported to the oracle."""
        return 1 if self._trials.learns else 2 * self._executor.num_at_once + _PROPOSED_AHEAD

    def _begin(self, trial: Any, record: TrialRecord) -> bool:
        """Records a proposed trial; returns whether it is to be trained."""
        self._state.add_trial(record)
        self._unreported.append((trial, record.trial_id))
        if record.screening.get("hopeless"):
            what = "skipped" if record.skipped else "hopeless"
            self._reporter.message(f"screening: {record.activation} {what}: {record.screening['reason']}")
        if not record.skipped:
            is_baseline, limit = record.activation == self._trials.baseline, self._state.last_execution_of(record)
            self._allocation.add(record.trial_id, baseline=is_baseline, limit=limit)
        self._report_to_oracle()
        return not record.skipped

    def _end_proposing(self) -> None:
        self._is_proposing = False
        self._plan(sum(not record.skipped for record in self._state.trials.values()))

    def _settle(self, trained: Trained, *, is_new: bool) -> None:
        """Takes in an execution that ended, now or in an earlier run of the search."""
        record = trained.record
        trial = self._state.add_execution(trained)
        if is_new:
            self._reporter.execution(trial, record)
        else:
            self._reporter.recorded(trial)
        self._allocation.tell(record.trial_id, record.execution, record.score, trained.samples.get("validation"))
        self._report_to_oracle()

    def _report_to_oracle(self) -> None:
        """Reports the scores of first executions to the oracle, in the order of its proposals."""
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
        """Returns the number of epochs: all of them, unless Hyperband or halving assigns fewer."""
        share = self._allocation.epochs(trial_id, execution)
        return max(1, round(share * int(values.get("tuner/epochs", self._config.epochs))))

    def _plan(self, num_trials: int | None) -> None:
        """Reports how much is to be done; the number of executions is known in advance only for a fixed allocation."""
        fixed = num_trials is not None and self._config.allocation == "fixed"
        left = self._state.num_left(num_trials or 0, self._config.executions or 0)
        self._reporter.plan(max((num_trials or 0) - self._state.num_started, 0), left if fixed else None)
