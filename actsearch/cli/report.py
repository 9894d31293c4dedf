"""`actsearch report`: reports on a search from its ledger."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from actsearch.errors import UsageError

FOLDER = "report"


def report(
    directory: Annotated[Path, typer.Argument(help="Directory of a search.")],
    html: Annotated[
        Path | None, typer.Option(help="Write a self-contained HTML report to this file.", show_default=False)
    ] = None,
) -> None:
    """Show the results of a search: verdict, leaderboard and figures."""
    from actsearch.analysis.verdict import verdict_of
    from actsearch.cli.terminal import print_leaderboard
    from actsearch.ledger import Kind, assemble, salvage
    from actsearch.ledger.samples import StoredSamples
    from actsearch.reports import html_report
    from actsearch.reports.next_step import how_to_settle
    from actsearch.visualization.figures import save_figures

    salvaged = salvage(directory)
    if salvaged.problem:
        print(f"Warning: {salvaged.problem} Only the intact part is shown here.", file=sys.stderr)
        if not any(fact.kind is Kind.SEARCH for fact in salvaged.facts):  # the description of the search is lost
            print("\n".join(salvaged.lines))
            return
    search = assemble(salvaged.facts)
    data = search.data.get("summary") or search.data.get("name", "")
    print(f"{search.name}: objective {search.objective.name} ({search.objective.direction}). {data}")
    verdict = verdict_of(search, StoredSamples(directory))
    print_leaderboard(search, verdict, sys.stdout)
    if search.best is not None:
        for note in verdict.notes:
            print(f"- {note}")
        print(f"\n{verdict.recommendation}.")
        if step := how_to_settle(search, verdict, directory):
            print(f"To settle it: {step}")
    if html is not None:
        _write(html, html_report(search, verdict))
        print(f"\nReport: {html}")
    elif search.best is not None:
        try:
            paths = save_figures(search, verdict, directory / FOLDER)
        except OSError as error:
            raise UsageError(
                f"{directory / FOLDER}: figures cannot be written: {error.strerror}. Use --html FILE to write a report "
                "elsewhere."
            ) from error
        print(f"\nFigures: {', '.join(map(str, paths))}")


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}. Give another file to --html.") from error
