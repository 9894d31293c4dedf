"""A search as a report in markdown."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from actsearch.records import Direction, SearchRecord
from actsearch.reports.leaderboard import failures_of, headers_of, leaderboard_rows, shortened

if TYPE_CHECKING:
    from actsearch.analysis.results import Verdict


def markdown_report(
    search: SearchRecord,
    verdict: "Verdict",
    *,
    links: Mapping[str, str] | None = None,
    max_length: int | None = None,
) -> str:
    """The report of a search: recommendation, leaderboard, notes, and why executions failed.

    Args:
        search: Its records.
        verdict: What `judge` says of it.
        links: An address for each trial, by its id; its name in the leaderboard leads there.
        max_length: Maximum number of characters. Tables have fewer rows then, and say so.
    """
    rows = len(search.trials)
    while True:
        text = _markdown(search, verdict, links or {}, rows)
        if max_length is None or len(text) <= max_length or rows == 0:
            return text if max_length is None else text[:max_length]
        rows = rows // 2


def _markdown(search: SearchRecord, verdict: "Verdict", links: Mapping[str, str], rows: int) -> str:
    larger = "larger" if search.objective.direction is Direction.MAX else "smaller"
    parts = [
        f"**{escape(search.name)}**: {escape(search.objective.name)}, {larger} is better",
        f"**{escape(verdict.recommendation)}.**",
    ]
    board = []
    for row in leaderboard_rows(search, verdict):
        cells = [escape(str(cell)) for cell in row.cells]
        if row.trial_id in links:
            cells[0] = f"[{cells[0]}]({_address(links[row.trial_id])})"
        board.append(cells)
    parts.append(_table([escape(header) for header in headers_of(verdict)], board, rows))
    if verdict.comparisons:
        parts.append(_promise(verdict))
    parts.append("\n".join(f"- {escape(note)}" for note in verdict.notes))
    failed = [f"- {escape(f.label)}, {f.executions} failed: {escape(shortened(f.reason))}" for f in failures_of(search)]
    parts.append("\n".join(failed[:rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _promise(verdict: "Verdict") -> str:
    """What the verdicts mean, and how often they may be wrong."""
    within = f"Equivalent means within ±{verdict.units.margin(verdict.margin)}. " if verdict.margin > 0 else ""
    return f"{within}The chance that any verdict is wrong is at most {100 * verdict.alpha:g} %."


def escape(text: str) -> str:
    """Text that markdown and HTML show as it is, in one line; it cannot end a table's cell.

    Example:

    >>> print(escape("a|b <script> *c*"))
    a\\|b &lt;script&gt; \\*c\\*
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)", lambda found: "\\" + found[0], plain)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    lines = [headers, ["---", "---", *["---:"] * (len(headers) - 2)], *rows[:most]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table if len(rows) <= most else f"{table}\n\n… and {len(rows) - most} more."


def _address(link: str) -> str:
    """An address as markdown takes it: nothing in it ends the link."""
    return quote(link, safe="#/:?&=%.-_~@,")
