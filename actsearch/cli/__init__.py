"""The command line: one file a command, each imported when it is called."""

from actsearch.cli.app import main

__all__ = ["main"]
