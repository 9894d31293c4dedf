"""Tables on the terminal."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actsearch.records import SearchRecord

if TYPE_CHECKING:
    from actsearch.analysis.results import Verdict

_FILE_WIDTH = 500


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO | None = None, *, numbers: bool = False
) -> None:
    """A plain table; `numbers` sets all columns but the first to the right. Nothing is cut where output is a file."""
    console = Console(file=stream, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, header in enumerate(headers):
        table.add_column(header, justify="right" if numbers and position else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(table)


def print_leaderboard(search: SearchRecord, stream: TextIO) -> None:
    """The trials, the best first, and the reasons of those that failed."""
    from actsearch.reports.markdown import HEADERS, leaderboard

    print_table(HEADERS, leaderboard(search), stream, numbers=True)
    for trial in search.trials:
        for execution in trial.executions:
            if execution.reason:
                print(f"FAILED {trial.activation} execution {execution.execution}: {execution.reason}", file=stream)


def print_comparisons(verdict: "Verdict", stream: TextIO) -> None:
    """What is found of each trial against the baseline, with its intervals and costs."""
    from actsearch.reports.markdown import COMPARISON_HEADERS, comparison_row

    rows = [comparison_row(comparison, verdict.units) for comparison in verdict.comparisons]
    if rows:
        print_table(COMPARISON_HEADERS, rows, stream, numbers=True)
