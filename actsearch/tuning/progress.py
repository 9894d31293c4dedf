"""Progress of a running search: what a reporter does, and those that print lines or show a live view."""

import sys
import time
from collections import deque
from typing import Any, Protocol, TextIO

from markupsafe import Markup
from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from actsearch._text_tables import html_list, html_table, small_picture
from actsearch.errors import UsageError
from actsearch.records import ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
from actsearch.reports.standings import Pace, Standing, Standings, format_seconds, largest_gain


class Reporter(Protocol):
    """Receives the progress of a search."""

    def begin(self, search: SearchRecord, directory: str) -> None:
        """Called when the search starts."""

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        """Called with how much is to be done, as far as it is known; called again when more is known."""

    def started(self, trial: TrialRecord, execution: int) -> None:
        """Called when an execution is handed to the executor; it trains as soon as a worker is free."""

    def recorded(self, trial: TrialRecord) -> None:
        """Called when an execution of an earlier run of the search was taken over, with its trial so far."""

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        """Called when an execution ended."""

    def message(self, text: str) -> None:
        """Called with a message for the user."""

    def end(self) -> None:
        """Called when the search ended, whether or not it succeeded."""


def warn(reporter: Reporter, text: str) -> None:
    """Hands a warning to a reporter: to its method `warning`, or as a message to one that has none."""
    getattr(reporter, "warning", reporter.message)(text)


class Silent:
    """Prints nothing."""

    def begin(self, search: SearchRecord, directory: str) -> None: ...

    def plan(self, num_trials: int | None, num_executions: int | None) -> None: ...

    def started(self, trial: TrialRecord, execution: int) -> None: ...

    def recorded(self, trial: TrialRecord) -> None: ...

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None: ...

    def message(self, text: str) -> None: ...

    def end(self) -> None: ...


class Warnings(Silent):
    """Prints warnings to standard error, such as that MLflow is unreachable, and nothing else."""

    def warning(self, text: str) -> None:
        """Called with a warning."""
        print(f"Warning: {text}", file=sys.stderr, flush=True)


class Lines:
    """Prints a plain line for each execution, for logs and notebooks."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._pace = Pace()
        self._objective = "score"

    def begin(self, search: SearchRecord, directory: str) -> None:
        self._pace.start(search.environment.get("workers", 1))
        self._objective = search.objective.name
        self.message(f"search {search.name}: {goal_text(search.objective)}, in {directory}")

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        self._pace.plan(num_trials, num_executions)

    def started(self, trial: TrialRecord, execution: int) -> None: ...

    def recorded(self, trial: TrialRecord) -> None: ...

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


def goal_text(objective: Objective) -> str:
    """Describes the objective; if its direction was inferred, says from what."""
    reason = f", {objective.reason}" if objective.reason else ""
    return f"{objective.name} ({objective.direction}{reason})"


def reporter_for(verbose: int | Reporter, stream: TextIO | None = None) -> Reporter:
    """Makes the reporter that shows the progress of a search.

    Args:
        verbose: 0 for nothing, 1 for a live view on a terminal or in a notebook and lines elsewhere, 2 for one line per
            execution; or a reporter, which is returned unchanged.
        stream: Stream to write to; standard error, or the notebook, if omitted.

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
    if verbose == 0:
        return Silent()
    if verbose == 1 and stream is None and is_notebook():
        return NotebookView()
    stream = stream or sys.stderr
    return Live(stream) if stream.isatty() and verbose == 1 else Lines(stream)


def is_notebook() -> bool:
    """Returns whether the program runs in the kernel of a notebook, which shows HTML."""
    loaded = sys.modules.get("IPython")
    shell = loaded.get_ipython() if loaded is not None else None
    return getattr(shell, "kernel", None) is not None


class Live:
    """A table of the best trials so far, a progress bar over all executions, what is training, and the time left."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._standings = Standings()
        self._progress = Progress(BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._task = self._progress.add_task("", total=None)
        self._live = RichLive(console=self._console, get_renderable=self._view, refresh_per_second=4, transient=True)

    def begin(self, search: SearchRecord, directory: str) -> None:
        self._standings.begin(search)
        self.message(f"Searching {search.name} for {goal_text(search.objective)}; ledger in {directory}")
        self._live.start()

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        self._standings.pace.plan(num_trials, num_executions)
        self._progress.update(self._task, total=num_executions)

    def started(self, trial: TrialRecord, execution: int) -> None:
        self._standings.started(trial, execution)

    def recorded(self, trial: TrialRecord) -> None:
        self._standings.recorded(trial)

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        if told := self._standings.execution(trial, execution):
            self.message(told)
        self._progress.advance(self._task)

    def message(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        self._live.stop()

    def _view(self) -> Group:
        """Makes what is shown now; another thread calls it."""
        self._progress.update(self._task, description=self._standings.time_left)
        rows, others = self._standings.rows()
        table = [self._table(rows, others)] if rows else []
        return Group(*table, self._progress, Text(self._standings.status, style="dim"))

    def _table(self, rows: list[Standing], others: int) -> Table:
        first, *headers = self._standings.headers(rows)
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column(first, no_wrap=True, overflow="ellipsis")
        for header in headers:
            table.add_column(Text(header), justify="right" if header else "left", no_wrap=True)
        for row in rows:
            cells: list[str | Text] = [row.shown_gain, _bar(row.gain, largest_gain(rows))] if len(headers) > 2 else []
            table.add_row(Text(row.label), str(row.num_scores), row.score, *cells)
        if others:
            table.add_row(Text(f"… and {others} more", style="dim"))
        return table


_HALF = 8  # characters


def _bar(gain: float | None, largest: float) -> Text:
    """Draws a gain to the right of 0, or a loss to the left."""
    length = round(_HALF * abs(gain or 0.0) / largest) if largest else 0
    if gain is None or gain >= 0:
        return Text.assemble(f"{'':{_HALF}}│", ("━" * length, "green"))
    return Text.assemble((f"{'━' * length:>{_HALF}}", "red"), "│")


_MAX_MESSAGES = 12
_SECONDS = 0.2  # between two updates


class NotebookView:
    """The same table in the output of a notebook's cell, where it is updated while the search runs."""

    def __init__(self) -> None:
        self._standings = Standings()
        self._messages: deque[str] = deque(maxlen=_MAX_MESSAGES)
        self._handle: Any = None
        self._updated_at = 0.0
        self._has_ended = False

    def begin(self, search: SearchRecord, directory: str) -> None:
        self._standings.begin(search)
        self.message(f"Searching {search.name} for {goal_text(search.objective)}; ledger in {directory}")

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        self._standings.pace.plan(num_trials, num_executions)

    def started(self, trial: TrialRecord, execution: int) -> None:
        self._standings.started(trial, execution)
        self._update()

    def recorded(self, trial: TrialRecord) -> None:
        self._standings.recorded(trial)

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> None:
        if told := self._standings.execution(trial, execution):
            self._messages.append(told)
        if time.monotonic() > self._updated_at + _SECONDS:
            self._update()

    def message(self, text: str) -> None:
        self._messages.append(text)
        self._update()

    def end(self) -> None:
        self._has_ended = True
        self._update()

    def _update(self) -> None:
        self._updated_at = time.monotonic()
        from IPython.display import HTML, display

        shown = HTML(self.html())
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def html(self) -> str:
        """Makes what is shown now."""
        messages = html_list(self._messages)
        if self._standings.search is None:
            return messages
        rows, others = self._standings.rows()
        headers = self._standings.headers(rows)
        cells = [
            (row.label, str(row.num_scores), row.score, _dim(row.shown_gain), _picture(row.gain, largest_gain(rows)))
            for row in rows
        ]
        table = html_table(headers, [row[: len(headers)] for row in cells]) if rows else Markup("")
        more = Markup("<p>… and {} more</p>").format(others) if others else Markup("")
        return Markup("{}{}{}{}").format(self._progress(), table, more, messages)

    def _progress(self) -> Markup:
        pace = self._standings.pace
        done = f"{pace.done} of {pace.total}" if pace.total else str(pace.done)
        parts = [
            f"{done} executions",
            *([] if self._has_ended else [self._standings.time_left, self._standings.status]),
        ]
        bar = Markup('<progress value="{}" max="{}"></progress> ').format(pace.done, pace.total) if pace.total else ""
        return Markup("<p>{}{}</p>").format(bar, "; ".join(filter(None, parts)))


def _dim(text: str) -> Markup:
    """Greys out a gain, of which no verdict has been reached."""
    return Markup('<span style="opacity: .6">{}</span>').format(text)


def _picture(gain: float | None, largest: float) -> Markup:
    """Draws a gain to the right of 0, or a loss to the left, as a small grey picture: colours are for verdicts."""
    length = 40 * (gain or 0.0) / largest if largest else 0.0
    start = 44.0 + min(length, 0.0)
    zero = '<path d="M44 0V14" stroke="currentColor"/>'
    bar = f'<rect x="{start:.1f}" y="4" width="{abs(length):.1f}" height="6" opacity=".4"/>'
    return small_picture(zero + bar if length else zero, (88, 14), title="" if gain is None else f"{gain:+.3g}")
