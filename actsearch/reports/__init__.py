"""A search as text: leaderboard, markdown, an HTML page, and what notebooks show."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.reports.html import html_report as html_report
    from actsearch.reports.markdown import leaderboard as leaderboard
    from actsearch.reports.markdown import markdown as markdown

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "html_report": "html",
        "leaderboard": "markdown",
        "markdown": "markdown",
    },
)
