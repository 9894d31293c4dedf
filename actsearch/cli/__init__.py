"""The command line: one module per command; each imports what it needs only when it runs."""

from actsearch.cli.app import main

__all__ = ["main"]
