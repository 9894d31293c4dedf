"""Reports of a search: the rows of its leaderboard, and whole reports as text, markdown or an HTML page."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.reports.html import html_report as html_report
    from actsearch.reports.leaderboard import LeaderboardRow as LeaderboardRow
    from actsearch.reports.leaderboard import leaderboard_rows as leaderboard_rows
    from actsearch.reports.markdown import markdown_report as markdown_report
    from actsearch.reports.text import text_report as text_report

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "LeaderboardRow": "leaderboard",
        "html_report": "html",
        "leaderboard_rows": "leaderboard",
        "markdown_report": "markdown",
        "text_report": "text",
    },
)
