"""What a search tells while it runs."""

import sys
import time
from dataclasses import dataclass
from typing import Protocol, TextIO

from actsearch.records import ExecutionRecord, SearchRecord, Status, TrialRecord


class Reporter(Protocol):
    """Hears of a search's progress."""

    def begin(self, search: SearchRecord, directory: str) -> None:
        """The search begins."""

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        """How much is to be done, as far as it is known; called again when more is known."""

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        """An execution ended."""

    def message(self, text: str) -> None:
        """Something worth saying once."""

    def end(self) -> None:
        """The search ended, however it did."""


@dataclass
class Pace:
    """Counts executions, and tells how long the rest will take."""

    total: int | None = None
    done: int = 0
    started_at: float = 0.0

    def start(self) -> None:
        """Time runs from here."""
        self.started_at = time.monotonic()

    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the pace so far; None before anything is known."""
        if not self.total or not self.done:
            return None
        return (time.monotonic() - self.started_at) / self.done * (self.total - self.done)


class Silent:
    """Says nothing."""

    def begin(self, search: SearchRecord, directory: str) -> None: ...

    def plan(self, num_trials: int | None, num_executions: int | None) -> None: ...

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None: ...

    def message(self, text: str) -> None: ...

    def end(self) -> None: ...


class Lines:
    """One plain line for each execution, for logs and notebooks."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._pace = Pace()

    def begin(self, search: SearchRecord, directory: str) -> None:
        self._pace.start()
        self.message(f"search {search.name}: {search.objective.name} ({search.objective.direction}), in {directory}")

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:  # noqa: ARG002
        self._pace.total = num_executions

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        self._pace.done += 1
        done = f"{self._pace.done}/{self._pace.total}" if self._pace.total else str(self._pace.done)
        left = self._pace.seconds_left()
        rest = f" left={format_seconds(left)}" if left else ""
        self.message(f"execution {done} {describe(trial, execution)}{rest}")

    def message(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def end(self) -> None: ...


def describe(trial: TrialRecord, execution: ExecutionRecord) -> str:
    """One execution in greppable words."""
    head = f"trial={trial.trial_id} activation={trial.activation!r} execution={execution.execution}"
    if execution.status is not Status.COMPLETED or execution.resources is None or execution.score is None:
        return f"{head} status={execution.status} reason={execution.reason!r}"
    return (
        f"{head} status={execution.status} score={execution.score:.4f} train={execution.resources.train_seconds:.2f}s"
    )


def format_seconds(seconds: float) -> str:
    """`3 s`, `2 min 5 s`, `1 h 10 min`.

    Example:

    >>> format_seconds(125)
    '2 min 5 s'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
