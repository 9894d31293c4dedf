"""Reports of a search in markdown."""

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
    """Writes the report of a search: recommendation, leaderboard, notes, and why executions failed.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        links: Address for each trial by its id, to link its name in the leaderboard.
        max_length: Maximum number of characters; tables are cut to fit, and say so.

    Returns:
        The report.
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
        f"**{escape(search.name)}**: {escape(verdict.judged_score)}, {larger} is better",
        f"**{escape(verdict.recommendation)}.**",
    ]
    board = []
    for row in leaderboard_rows(search, verdict):
        cells = [escape(str(cell)) for cell in row.cells]
        if row.trial_id in links:
            cells[0] = f"[{cells[0]}]({_address(links[row.trial_id])})"
        board.append(cells)
    parts.append(_table([escape(header) for header in headers_of(search, verdict)], board, rows))
    if verdict.comparisons:
        parts.append(_promise(verdict))
    parts.append("\n".join(f"- {escape(note)}" for note in verdict.notes))
    failed = [f"- {escape(f.label)}, {f.executions} failed: {escape(shortened(f.reason))}" for f in failures_of(search)]
    parts.append("\n".join(failed[:rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _promise(verdict: "Verdict") -> str:
    """Explains the verdicts and the chance that they are wrong."""
    within = f"Equivalent means within ±{verdict.shown_margin}. " if verdict.margin > 0 else ""
    return f"{within}The chance that any verdict is wrong is at most {100 * verdict.alpha:g} %."


def escape(text: str) -> str:
    """Escapes a text so that markdown and HTML show it literally, on one line and inside a table cell.

    Example:

    >>> print(escape("a|b <script> *c*"))
    a\\|b &lt;script&gt; \\*c\\*
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)", lambda match: "\\" + match[0], plain)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    lines = [headers, ["---", "---", *["---:"] * (len(headers) - 2)], *rows[:most]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table if len(rows) <= most else f"{table}\n\n… and {len(rows) - most} more."


def _address(link: str) -> str:
    """Quotes an address so that no character in it ends the markdown link."""
    return quote(link, safe="#/:?&=%.-_~@,")
