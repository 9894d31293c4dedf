"""Progress reports of a running search."""

import statistics
import sys
import time
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from actsearch.analysis.statistics import mean_interval
from actsearch.errors import UsageError
from actsearch.records import ExecutionRecord, Objective, SearchRecord, Status, TrialRecord


class Reporter(Protocol):
    """Receives the progress of a search."""

    def begin(self, search: SearchRecord, directory: str) -> None:
        """Called when the search starts."""

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        """Called with how much is to be done, as far as it is known; called again when more is known."""

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        """Called when an execution ended."""

    def message(self, text: str) -> None:
        """Called with a message for the user."""

    def end(self) -> None:
        """Called when the search ended, whether or not it succeeded."""


class Pace:
    """Counts executions, and estimates how long the rest will take.

    A trial's first execution traces its model, later ones mostly do not, so the two kinds are timed separately. Until
    a later one has ended, they are assumed to take as long as building and training did in the first ones.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self._num_trials = 0
        self._firsts: list[float] = []
        self._others: list[float] = []
        self._trained: list[float] = []
        self._at = 0.0
        self._num_at_once = 1

    def start(self, num_at_once: int = 1) -> None:
        """Starts the clock; `num_at_once` executions run concurrently."""
        self._at, self._num_at_once = time.monotonic(), num_at_once

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        """Sets how much is to be done, as far as it is known."""
        self._num_trials, self.total = num_trials or 0, num_executions

    def add(self, execution: ExecutionRecord) -> None:
        """Counts an execution that ended just now."""
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        if self._num_at_once > 1:
            seconds = (execution.ended_at - execution.started_at) / self._num_at_once
        (self._firsts if execution.execution == 1 else self._others).append(seconds)
        self.done += 1
        if execution.resources is not None:
            trained = execution.resources.build_seconds + execution.resources.train_seconds
            self._trained.append(trained / self._num_at_once)

    def seconds_left(self) -> float | None:
        """Estimates the seconds left at the pace so far; None before the first execution ended."""
        if not self.total or not self.done:
            return None
        left = max(self.total - self.done, 0)
        firsts = min(max(self._num_trials - len(self._firsts), 0), left) if self._firsts else 0
        other = self._others or self._trained or self._firsts
        return firsts * statistics.fmean(self._firsts or [0.0]) + (left - firsts) * statistics.median(other)


class Silent:
    """Prints nothing."""

    def begin(self, search: SearchRecord, directory: str) -> None: ...

    def plan(self, num_trials: int | None, num_executions: int | None) -> None: ...

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None: ...

    def message(self, text: str) -> None: ...

    def end(self) -> None: ...


class Lines:
    """Prints a plain line for each execution, for logs and notebooks."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._pace = Pace()
        self._objective = "score"

    def begin(self, search: SearchRecord, directory: str) -> None:
        self._pace.start(search.environment.get("workers", 1))
        self._objective = search.objective.name
        self.message(f"search {search.name}: {_goal(search.objective)}, in {directory}")

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        self._pace.plan(num_trials, num_executions)

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        self._pace.add(execution)
        done = f"{self._pace.done}/{self._pace.total}" if self._pace.total else str(self._pace.done)
        left = self._pace.seconds_left()
        rest = f" left={format_seconds(left)}" if left else ""
        self.message(f"execution {done} {describe(trial, execution, self._objective)}{rest}")

    def message(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def end(self) -> None: ...


def describe(trial: TrialRecord, execution: ExecutionRecord, objective: str) -> str:
    """Describes an execution in a line that is easy to grep; its score is that of the objective, which is named."""
    head = f"trial={trial.trial_id} activation={trial.activation!r} execution={execution.execution}"
    if execution.status is not Status.COMPLETED or execution.resources is None or execution.score is None:
        return f"{head} status={execution.status} reason={execution.reason!r}"
    seconds = execution.resources.train_seconds
    return f"{head} status={execution.status} {objective}={execution.score:.4f} train={seconds:.2f}s"


def _goal(objective: Objective) -> str:
    """Describes the objective; if its direction was inferred, says from what."""
    reason = f", {objective.reason}" if objective.reason else ""
    return f"{objective.name} ({objective.direction}{reason})"


def format_seconds(seconds: float) -> str:
    """Formats a duration: `3 s`, `2 min 5 s`, `1 h 10 min`.

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


def reporter_for(verbose: int | Reporter, stream: TextIO | None = None) -> Reporter:
    """Makes the reporter that shows the progress of a search.

    Args:
        verbose: 0 for nothing, 1 for a live view on a terminal and lines elsewhere, 2 for one line per execution; or a
            reporter, which is returned unchanged.
        stream: Stream to write to; standard error if omitted.

    Returns:
        The reporter.

    Raises:
        UsageError: `verbose` is not 0, 1 or 2.

    Example:

    >>> type(reporter_for(0)).__name__
    'Silent'
    """
    if not isinstance(verbose, int):
        return verbose
    if verbose not in (0, 1, 2):
        raise UsageError(f"verbose must be 0 (nothing), 1 (a live view) or 2 (a line per execution), not {verbose!r}.")
    stream = stream or sys.stderr
    if verbose == 0:
        return Silent()
    return Live(stream) if stream.isatty() and verbose == 1 else Lines(stream)


class Live:
    """A progress bar over all executions, with the best trial so far and the time left."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._pace = Pace()
        self._trials: dict[str, TrialRecord] = {}
        self._search: SearchRecord | None = None
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
        ]
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task: Any = None

    def begin(self, search: SearchRecord, directory: str) -> None:
        self._search = search
        self._pace.start(search.environment.get("workers", 1))
        self.message(f"Searching {search.name} for {_goal(search.objective)}; ledger in {directory}")
        self._task = self._progress.add_task("first execution", total=self._pace.total, left="")
        self._progress.start()

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        self._pace.plan(num_trials, num_executions)
        self._progress.update(self._task, total=num_executions)

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        self._pace.add(execution)
        self._trials[trial.trial_id] = trial
        if execution.status is Status.FAILED:
            self.message(f"FAILED {trial.activation} execution {execution.execution}: {execution.reason}")
        left = self._pace.seconds_left()
        self._progress.update(
            self._task, advance=1, description=self._best(), left=f"{format_seconds(left)} left" if left else ""
        )

    def message(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        self._progress.stop()

    def _best(self) -> str:
        assert self._search is not None
        scores = {t.trial_id: t.mean_score for t in self._trials.values() if t.mean_score is not None}
        if not scores:
            return "nothing completed yet"
        best = self._trials[self._search.objective.best(scores)]
        interval = mean_interval(list(best.scores.values()))
        reach = f" [{interval.low:.4f}, {interval.high:.4f}]" if len(best.scores) > 1 else ""
        leading = f"{best.activation} {scores[best.trial_id]:.4f}{reach}"
        return f"{len(self._trials)} trials, best {self._search.objective.name} so far: {leading}"
