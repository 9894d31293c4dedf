"""Reports of a search as plain text that fits a terminal."""

import textwrap
from collections.abc import Iterator

from actsearch._text import text_table
from actsearch.analysis.results import Verdict
from actsearch.records import SearchRecord
from actsearch.reports.leaderboard import SHORT, failures_of, headers_of, leaderboard_rows, shortened

WIDTH = 80  # characters
_MAX_LINES = 3
_MAX_FAILURES = 5


def text_report(search: SearchRecord, verdict: Verdict, *, width: int = WIDTH) -> str:
    """Formats the verdict in at most three lines, the leaderboard, and why executions failed.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        width: Maximum number of characters per line.

    Returns:
        The text.
    """
    recommendation = textwrap.wrap(f"{verdict.recommendation}.", width, max_lines=_MAX_LINES, placeholder=" …")
    return "\n".join([*recommendation, "", text_leaderboard(search, verdict, width=width)])


def text_leaderboard(search: SearchRecord, verdict: Verdict, *, width: int = WIDTH) -> str:
    """Formats activation, verdict, score, gain and training time of each trial, and why executions failed."""
    headers = headers_of(verdict)[:SHORT]
    rows = [[cell.text for cell in row.cells[:SHORT]] for row in leaderboard_rows(search, verdict)]
    return "\n".join([text_table(headers, rows, left=2, width=width), *_failures(search, width)])


def _failures(search: SearchRecord, width: int) -> Iterator[str]:
    failures = list(failures_of(search))
    for failure in failures[:_MAX_FAILURES]:
        text = f"{failure.label}, {failure.executions} failed: {shortened(failure.reason)}"
        yield textwrap.fill(text, width, subsequent_indent="  ")
    if len(failures) > _MAX_FAILURES:
        yield f"… and {len(failures) - _MAX_FAILURES} more failures."
