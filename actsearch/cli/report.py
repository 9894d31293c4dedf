"""`actsearch report`: reports on a search from its ledger."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actsearch.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from actsearch.analysis.results import Verdict
    from actsearch.records import SearchRecord

FOLDER, PAGE = "report", "report.html"


def report(
    directory: Annotated[Path, typer.Argument(help="Directory of a search.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="File for the page, with --html.", show_default=f"{PAGE} in the directory"),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write a self-contained HTML page, and print its path alone.")
    ] = False,
    in_browser: Annotated[bool, typer.Option("--open", help="With --html: open the page in the browser.")] = False,
) -> None:
    """Show the results of a search: verdict, leaderboard and figures."""
    if not html and (file is not None or in_browser):
        ignored = "--open" if in_browser else str(file)
        raise UsageError(f"{ignored} would be ignored without --html, which writes a page. Add it.")
    if file is not None and file.is_dir() and not directory.is_dir():  # report --html FILE DIRECTORY
        directory, file = file, directory
    search = _intact(directory, only_pages=html)
    if search is None:
        return
    from actsearch.analysis.verdict import verdict_of
    from actsearch.ledger.samples import StoredSamples

    verdict = verdict_of(search, StoredSamples(directory))
    if html:
        _write_page(search, verdict, file or directory / PAGE, in_browser=in_browser)
    else:
        _show(search, verdict, directory)


def _intact(directory: Path, *, only_pages: bool) -> "SearchRecord | None":
    """Reads what is intact of a ledger; if the description of the search is lost, lists the facts and returns None."""
    from actsearch.ledger import Kind, assemble, salvage

    salvaged = salvage(directory)
    has_search = any(fact.kind is Kind.SEARCH for fact in salvaged.facts)
    if salvaged.problem:
        if only_pages and not has_search:
            raise LedgerError(f"{salvaged.problem} There is no page of it; without --html, what is intact is listed.")
        print(f"Warning: {salvaged.problem} Only the intact part is shown here.", file=sys.stderr)
        if not has_search:
            print("\n".join(salvaged.lines))
            return None
    return assemble(salvaged.facts)


def _show(search: "SearchRecord", verdict: "Verdict", directory: Path) -> None:
    """Prints the results, and saves the figures beside the ledger."""
    from actsearch.cli.terminal import print_commands, print_result, print_wrapped, short
    from actsearch.reports.next_step import how_to_settle, settling_heading
    from actsearch.visualization.figures import save_figures

    data = search.data.get("summary") or search.data.get("name", "")
    print_wrapped(f"{search.name}: objective {search.objective.name} ({search.objective.direction}). {data}")
    print()
    print_result(search, verdict, sys.stdout)
    if search.best is None:
        return
    print()
    for note in verdict.notes:
        print_wrapped(f"- {note}", indent="  ")
    print_commands(settling_heading(verdict), how_to_settle(search, verdict, directory))
    try:
        paths = save_figures(search, verdict, directory / FOLDER)
    except OSError as error:
        raise UsageError(
            f"{directory / FOLDER}: figures cannot be written: {error.strerror}. Use `--html FILE` to write a page "
            "elsewhere."
        ) from error
    print()
    print_wrapped(f"Figures in {short(directory / FOLDER)}: {', '.join(path.name for path in paths)}", indent="  ")


def _write_page(search: "SearchRecord", verdict: "Verdict", path: Path, *, in_browser: bool) -> None:
    """Writes the page, prints its path, and opens it if that is wanted."""
    from actsearch.cli.terminal import open_in_browser
    from actsearch.reports import html_report

    page = html_report(search, verdict)
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}. Give another file: --html FILE.") from error
    print(path)
    if in_browser and not open_in_browser(path.absolute().as_uri()):
        print("No browser was found here. Open the file in one.", file=sys.stderr)
