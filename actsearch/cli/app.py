"""The `actsearch` program: its commands, and how errors become exit statuses."""

import sys
from typing import Annotated

import typer

from actsearch.cli.activations import activations
from actsearch.cli.advise import advise
from actsearch.cli.export import export
from actsearch.cli.report import report
from actsearch.cli.resume import resume
from actsearch.cli.search import EXAMPLES, search
from actsearch.cli.spaces import spaces
from actsearch.cli.sync import sync
from actsearch.cli.ui import ui
from actsearch.errors import ActsearchError, LedgerError, UsageError

app = typer.Typer(
    help="Find the activation function that fits your Keras model: what it gains, and what it costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command(epilog=EXAMPLES)(search)
for command in (resume, sync, report, export, advise, ui, activations, spaces):
    app.command()(command)


def main() -> None:
    """Runs the program. Exit status: 0; 1 nothing completed; 2 wrong use; 130 interrupted."""
    try:
        app()
    except (UsageError, LedgerError) as error:
        sys.exit(_complain(error, 2))
    except ActsearchError as error:
        sys.exit(_complain(error, 1))


def _complain(error: Exception, status: int) -> int:
    print(f"Error: {error}", file=sys.stderr)
    return status


@app.callback(invoke_without_command=True)
def _actsearch(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from actsearch._version import __version__

        print(__version__)
        raise typer.Exit
