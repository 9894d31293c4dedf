"""`actsearch report`: what the ledger of a search says."""

import sys
from pathlib import Path

FOLDER = "report"


def run(directory: Path) -> None:
    """Prints verdict and leaderboard of the search in a directory, and draws its pictures there."""
    from actsearch.analysis.pictures import save_pictures
    from actsearch.analysis.verdict import verdict_of
    from actsearch.cli.tables import print_findings, print_leaderboard
    from actsearch.ledger import Ledger

    search = Ledger(directory).read()
    data = search.data.get("summary") or search.data.get("name", "")
    print(f"{search.name}: {search.objective.name} ({search.objective.direction}). {data}")
    print_leaderboard(search, sys.stdout)
    if search.best is None:
        return
    verdict = verdict_of(search)
    print_findings(verdict, sys.stdout)
    for note in verdict.notes:
        print(f"- {note}")
    print(f"\n{verdict.recommendation}.")
    print(f"\nPictures: {', '.join(map(str, save_pictures(search, verdict, directory / FOLDER)))}")
