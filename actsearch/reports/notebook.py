"""Reports of a search for notebooks, as HTML without a style sheet."""

from collections.abc import Mapping

from markupsafe import Markup

from actsearch._html import html_heading, html_table
from actsearch.analysis.results import Verdict
from actsearch.records import SearchRecord
from actsearch.reports.leaderboard import LeaderboardRow, headers_of, leaderboard_rows
from actsearch.reports.svg import inline_svg
from actsearch.visualization._style import Style, styles_of
from actsearch.visualization.comparisons import plot_differences
from actsearch.visualization.figures import captions_of


def search_html(search: SearchRecord, verdict: Verdict) -> str:
    """Formats the recommendation, the leaderboard with the symbols used in plots, and the forest plot."""
    styles = styles_of(t.activation for t in search.trials)
    rows = [_cells(row, styles) for row in leaderboard_rows(search, verdict)]
    parts = [html_heading(f"{verdict.recommendation}."), html_table(headers_of(verdict), rows)]
    if any(comparison.num_pairs for comparison in verdict.comparisons):
        caption = captions_of(search, verdict)["differences"]
        parts.append(Markup(inline_svg(plot_differences(verdict), caption, name=f"search-{search.search_id}")))
    return "".join(parts)


def _cells(row: LeaderboardRow, styles: Mapping[str, Style]) -> list[Markup]:
    style, (first, *others) = styles[row.activation], row.cells
    symbol = Markup('<span style="color: {}">{}</span> {}').format(style.css_colour, style.symbol, first.text)
    return [symbol, *(Markup("{}<br><small>{}</small>").format(cell.text, cell.note) for cell in others)]
