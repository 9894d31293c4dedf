"""The live view of a running search on a terminal."""

import sys
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from actsearch.analysis.statistics import mean_interval
from actsearch.errors import UsageError
from actsearch.records import ExecutionRecord, SearchRecord, Status, TrialRecord
from actsearch.tuning.progress import Lines, Pace, Reporter, Silent, format_seconds


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
        goal = f"{search.objective.name} ({search.objective.direction})"
        self.message(f"Searching {search.name} for {goal}; ledger in {directory}")
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
        return f"{len(self._trials)} trials, best so far: {best.activation} {scores[best.trial_id]:.4f}{reach}"
