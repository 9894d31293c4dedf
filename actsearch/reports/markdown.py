"""Reports of a search in markdown."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from actsearch.analysis.units import error_unit
from actsearch.records import Direction, SearchRecord
from actsearch.reports.joint import joint_sentences
from actsearch.reports.leaderboard import failures_of, headers_of, leaderboard_rows, shortened
from actsearch.reports.story import story_of

if TYPE_CHECKING:
    from actsearch.analysis.results import Verdict


def markdown_report(
    search: SearchRecord,
    verdict: "Verdict",
    *,
    links: Mapping[str, str] | None = None,
    max_length: int | None = None,
) -> str:
    """Writes the report of a search: what it found, leaderboard, notes, and why executions failed.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        links: Address for each trial by its id, to link its name in the leaderboard.
        max_length: Maximum number of characters; tables are cut to fit, and say so.

    Returns:
        The report.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> report = markdown_report(result.record, result.verdict)
    >>> print(report.splitlines()[0])
    **relu-elu-sigmoid**: test accuracy, larger is better
    """
    rows, board = len(search.trials), _board(search, verdict, links or {})
    while True:
        text = _markdown(search, verdict, board, rows)
        if max_length is None or len(text) <= max_length or rows == 0:
            return text if max_length is None else text[:max_length]
        rows = rows // 2


def _board(search: SearchRecord, verdict: "Verdict", links: Mapping[str, str]) -> list[list[str]]:
    board = []
    for row in leaderboard_rows(search, verdict):
        cells = [escape(str(cell)) for cell in row.cells]
        if row.trial_id in links:
            cells[0] = link(cells[0], links[row.trial_id])
        board.append(cells)
    return board


def _markdown(search: SearchRecord, verdict: "Verdict", board: Sequence[Sequence[str]], rows: int) -> str:
    larger = "larger" if search.objective.direction is Direction.MAX else "smaller"
    story = story_of(search, verdict)
    parts = [
        f"**{escape(search.name)}**: {escape(verdict.judged_score)}, {larger} is better",
        f"**{escape(story.advice)}**",
    ]
    parts[1] += "".join(f" {escape(sentence)}" for sentence in story.sentences[1:])
    parts[1] += "".join(f"\n\n{escape(paragraph)}" for paragraph in joint_sentences(search, verdict))
    parts.append(markdown_table([escape(header) for header in headers_of(search, verdict)], board, rows))
    if verdict.comparisons:
        parts.append(promise(verdict))
    parts.append("\n".join(f"- {escape(note)}" for note in (error_unit(search), *verdict.notes) if note))
    failed = [f"- {escape(f.label)}, {f.executions} failed: {escape(shortened(f.reason))}" for f in failures_of(search)]
    parts.append("\n".join(failed[:rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def promise(verdict: "Verdict") -> str:
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


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], most: int, *, num_texts: int = 2) -> str:
    """Formats a table.

    Args:
        headers: Headers of the columns, escaped.
        rows: Cells of each row, escaped.
        most: Maximum number of rows; if there are more, a line says so.
        num_texts: Number of columns that are aligned to the left, the first ones.

    Returns:
        The table.
    """
    lines = [headers, ["---"] * num_texts + ["---:"] * (len(headers) - num_texts), *rows[:most]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table if len(rows) <= most else f"{table}\n\n… and {len(rows) - most} more."


def link(text: str, address: str) -> str:
    """Links an escaped text; the address is quoted so that no character in it ends the link.

    Example:

    >>> link("selu", "runs/1 (2)")
    '[selu](runs/1%20%282%29)'
    """
    return f"[{text}]({quote(address, safe='#/:?&=%.-_~@,')})"
