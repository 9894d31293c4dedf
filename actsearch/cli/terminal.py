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


def print_leaderboard(search: SearchRecord, verdict: "Verdict", stream: TextIO) -> None:
    """The trials, the best first, and the reasons of those that failed; on a terminal only what fits it."""
    from actsearch.reports.leaderboard import failures_of, headers_of, leaderboard_rows
    from actsearch.reports.text import text_leaderboard

    console = Console(file=stream)
    if console.is_terminal:
        print(text_leaderboard(search, verdict, width=console.width), file=stream)
        return
    rows = [list(map(str, row.cells)) for row in leaderboard_rows(search, verdict)]
    print_table(headers_of(verdict), rows, stream, numbers=True)
    for failure in failures_of(search):
        print(failure, file=stream)
