"""The `actsearch` program: its commands, and how errors become exit statuses."""

import sys
from typing import Annotated

import typer

from actsearch.cli.activations import activations
from actsearch.cli.advise import advise
from actsearch.cli.export import export
from actsearch.cli.report import report
from actsearch.cli.resume import resume
from actsearch.cli.search import EXAMPLES, INCOMPLETE_STORE, STATUSES, search
from actsearch.cli.spaces import spaces
from actsearch.cli.sync import sync
from actsearch.cli.ui import ui
from actsearch.errors import ActsearchError, IncompleteStoreError, LedgerError, UsageError

SEARCHES, RESULTS, KNOWLEDGE = "Search", "Results", "Activations and models"
FIRST_STEPS = f"""
A first search, and what it found:

  actsearch search relu_variants --data digits --directory found

  actsearch report found --html --open

{STATUSES}
"""
app = typer.Typer(
    help="Find the activation function that fits your Keras model: what it gains, and what it costs.",
    epilog=FIRST_STEPS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _examples(*commands: str) -> str:
    return "\n\n".join(["Examples:", *(f"  actsearch {command}" for command in commands)])


_COMMANDS = (
    (SEARCHES, search, EXAMPLES),
    (SEARCHES, resume, _examples("resume found", "resume found --executions 10", "resume found --until-decided")),
    (RESULTS, report, _examples("report found", "report found --html --open", "report found --html page.html")),
    (RESULTS, ui, _examples("ui found", "ui --tracking-uri sqlite:///mlflow.db")),
    (RESULTS, sync, _examples("sync found", "sync found --tracking-uri http://server:5000")),
    (RESULTS, export, _examples("export found best.keras", "export found all.keras --refit")),
    (KNOWLEDGE, activations, _examples("activations", "activations selu", "activations selu --plot selu.svg")),
    (KNOWLEDGE, spaces, _examples("spaces", "spaces relu_variants > mine.yaml")),
    (KNOWLEDGE, advise, _examples("advise model.keras", "advise model.keras --data my.csv --target y")),
)
for panel, command, examples in _COMMANDS:
    app.command(epilog=examples, rich_help_panel=panel)(command)


def main() -> None:
    """Runs the program, and ends it with one of `STATUSES`."""
    try:
        app()
    except (UsageError, LedgerError) as error:
        sys.exit(_complain(error, 2))
    except IncompleteStoreError as error:
        sys.exit(_complain(error, INCOMPLETE_STORE))
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
