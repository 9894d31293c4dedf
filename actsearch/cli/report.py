"""`actsearch report`: what the ledger of a search says."""

import sys
from pathlib import Path


def run(directory: Path) -> None:
    """Prints the leaderboard of the search in a directory, and why executions failed."""
    from actsearch.cli.tables import print_leaderboard
    from actsearch.ledger import Ledger

    search = Ledger(directory).read()
    data = search.data.get("summary") or search.data.get("name", "")
    print(f"{search.name}: {search.objective.name} ({search.objective.direction}). {data}")
    print_leaderboard(search, sys.stdout)
