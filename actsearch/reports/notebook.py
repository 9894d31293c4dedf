"""Verdicts and searches as notebooks show them: pieces of HTML without a style sheet of their own."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from actsearch.analysis.results import Verdict
from actsearch.records import SearchRecord
from actsearch.reports.markdown import COMPARISON_HEADERS, comparison_row
from actsearch.reports.svg import inline_svg
from actsearch.reports.table import headers_of, rows_of
from actsearch.visualization.comparisons import plot_differences
from actsearch.visualization.figures import captions_of


def verdict_html(verdict: Verdict) -> str:
    """The recommendation, a table of the comparisons, and the notes."""
    table = _table(
        COMPARISON_HEADERS, [comparison_row(comparison, verdict.units) for comparison in verdict.comparisons]
    )
    notes = Markup("").join(Markup("<li>{}</li>").format(note) for note in verdict.notes)
    return str(Markup("<p><b>{}.</b></p>{}<ul>{}</ul>").format(verdict.recommendation, table, notes))


def search_html(search: SearchRecord, verdict: Verdict) -> str:
    """The recommendation, a table of the trials with the signs that they have in pictures, and the forest plot."""
    lines = [
        [Markup('<span style="color: {}">{}</span> {}').format(row.colour, row.symbol, row.cells[0].text)]
        + [Markup("{}<br><small>{}</small>").format(cell.text, cell.note) for cell in row.cells[1:]]
        for row in rows_of(search, verdict)
    ]
    parts = [Markup("<p><b>{}.</b></p>").format(verdict.recommendation), _table(headers_of(verdict), lines)]
    if any(comparison.num_pairs for comparison in verdict.comparisons):
        caption = captions_of(search, verdict)["differences"]
        parts.append(Markup(inline_svg(plot_differences(verdict), caption, name=f"search-{search.search_id}")))
    return "".join(parts)


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> Markup:
    if not lines:
        return Markup("")
    head = Markup("").join(Markup("<th>{}</th>").format(header) for header in headers)
    rows = Markup("").join(Markup("<tr>{}</tr>").format(_cells(line)) for line in lines)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, rows)


def _cells(line: Sequence[str]) -> Markup:
    return Markup("").join(Markup("<td>{}</td>").format(escape(cell)) for cell in line)
