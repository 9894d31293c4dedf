"""A search as one HTML page that can be sent on: it holds all that it shows, and asks the network for nothing."""

from actsearch.analysis.page.page import html_report

__all__ = ["html_report"]
