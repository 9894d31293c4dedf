"""The `actsearch` program: its commands and options, and how errors become exit statuses."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from actsearch.errors import ActsearchError, LedgerError, UsageError

app = typer.Typer(
    help="Find the activation function that fits your Keras model: what it gains, and what it costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


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
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        from actsearch._version import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def search(
    space: Annotated[
        str | None, typer.Argument(help="A search space (see `spaces`), a YAML file, or activations: relu,gelu,selu.")
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            help="digits, breast_cancer, wine, diabetes; a .npz, .csv or .parquet file; package.module:function."
        ),
    ] = "digits",
    target: Annotated[str | None, typer.Option(help="The column to learn, for .csv and .parquet.")] = None,
    task: Annotated[
        str | None, typer.Option(help="binary, multiclass or regression; found from the target if left out.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="mlp, cnn; a compiled model in a .keras file; package.module:function, a KerasTuner build(hp)."
        ),
    ] = "mlp",
    layers: Annotated[int, typer.Option(help="Hidden layers of mlp and cnn.")] = 3,
    units: Annotated[int, typer.Option(help="Units of each layer; filters in cnn.")] = 64,
    dropout: Annotated[float, typer.Option(help="Rate after each activation; AlphaDropout where it fits.")] = 0.0,
    batch_norm: Annotated[
        bool, typer.Option("--batch-norm", help="Batch normalisation before each activation.")
    ] = False,
    learning_rate: Annotated[float, typer.Option(help="Of the optimizer, Adam.")] = 0.001,
    objective: Annotated[
        str | None,
        typer.Option(
            help="A metric of the logs; NAME:max or NAME:min where the name does not tell. [default: by the task]"
        ),
    ] = None,
    oracle: Annotated[
        str | None, typer.Option(help="grid, random, bayesian or hyperband. [default: grid where the space is finite]")
    ] = None,
    screen: Annotated[str, typer.Option(help="Before training: off, report what is hopeless, or skip it.")] = "off",
    max_trials: Annotated[int | None, typer.Option(help="The most trials.")] = None,
    executions: Annotated[int, typer.Option(help="Trainings of each trial, each from another seed.")] = 3,
    allocation: Annotated[str, typer.Option(help="Who gets the next execution: fixed, halving, or race.")] = "fixed",
    max_executions: Annotated[int, typer.Option(help="The most trainings of a trial, in a race.")] = 30,
    alpha: Annotated[float, typer.Option(help="The chance of any wrong claim.")] = 0.05,
    margin: Annotated[
        float | None,
        typer.Option(help="The difference that does not matter. [default: 0.5 points of accuracy, 1 % of a loss]"),
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option(help="Begin no further seed after this time: 90s, 10m, 2h.")
    ] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="Train in a child process: what ends it fails one execution only.")
    ] = False,
    execution_timeout: Annotated[
        str | None, typer.Option(help="Fail executions that take longer: 90s, 10m, 2h. Isolates them.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that train at a time, on Ray; 0 for none but this.")] = 0,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster for the workers: auto or HOST:PORT. [default: this machine]")
    ] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="GPUs of each worker, or a share of one. [default: equal shares]")
    ] = None,
    max_retries: Annotated[int, typer.Option(help="How often to train again what was lost with a worker.")] = 1,
    epochs: Annotated[int, typer.Option(help="Epochs of an execution.")] = 30,
    batch_size: Annotated[int, typer.Option(help="Samples a batch.")] = 32,
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 0,
    directory: Annotated[
        Path | None,
        typer.Option(help="Where ledger and weights go; a search there goes on. [default: actsearch-runs/TIME-NAME]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the search that is in the directory.")] = False,
    log_models: Annotated[str, typer.Option(help="Trained models to save and log: best, all or none.")] = "best",
    register: Annotated[str | None, typer.Option(help="Register the best model in MLflow under this name.")] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="The MLflow store. [default: MLFLOW_TRACKING_URI, else mlflow.db here]")
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="[default: MLFLOW_EXPERIMENT_NAME, else actsearch]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result alone.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line for each execution, on a terminal too.")] = False,
) -> None:
    """Search the activation function of a model on data; every trial goes to MLflow."""
    options = dict(locals())
    from actsearch.cli.search import run

    raise typer.Exit(run(options))


@app.command()
def resume(
    directory: Annotated[Path, typer.Argument(help="The directory of a search that was ended.")],
    tracking_uri: Annotated[str | None, typer.Option(help="The MLflow store, where it needs a password.")] = None,
    workers: Annotated[int | None, typer.Option(help="Another number of workers than it was begun with.")] = None,
    address: Annotated[str | None, typer.Option(help="Another Ray cluster.")] = None,
) -> None:
    """Go on with a search where it ended."""
    from actsearch.cli.resume import run

    raise typer.Exit(run(typer.main.get_command(app), directory, tracking_uri, workers, address))


@app.command()
def sync(
    directory: Annotated[Path, typer.Argument(help="The directory of a search.")],
    tracking_uri: Annotated[str | None, typer.Option(help="Another MLflow store than the search's own.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Another experiment than the search's own.")] = None,
) -> None:
    """Draw into MLflow what it lacks of a search."""
    from actsearch.cli.sync import run

    run(directory, tracking_uri, experiment)


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(help="The directory of a search.")],
    html: Annotated[Path | None, typer.Option(help="Write it as a page of one file, to be sent on.")] = None,
) -> None:
    """Show what a search found."""
    from actsearch.cli.report import run

    run(directory, html)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="The directory of a search.")],
    file: Annotated[Path, typer.Argument(help="Where the model goes: a .keras file.")],
    trial: Annotated[str | None, typer.Option(help="Another trial than the best, by its id.")] = None,
) -> None:
    """Write the best trained model as a .keras file."""
    from actsearch.cli.export import run

    run(directory, file, trial)


@app.command()
def advise(
    path: Annotated[Path, typer.Argument(help="A model in a .keras file.")],
    data: Annotated[str | None, typer.Option(help="Data as for `search`: its targets are checked too.")] = None,
    target: Annotated[str | None, typer.Option(help="The column to learn, for .csv and .parquet.")] = None,
) -> None:
    """Say what is wrong with the activations, output and loss of a model."""
    from actsearch.cli.advise import run

    run(path, data, target)


@app.command()
def ui(
    directory: Annotated[
        Path | None, typer.Argument(help="The directory of a search. [default: the store of this folder]")
    ] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="Another MLflow store.")] = None,
    port: Annotated[int | None, typer.Option(help="[default: a free one]")] = None,
) -> None:
    """Open the MLflow UI on what was logged."""
    from actsearch.cli.ui import run

    raise typer.Exit(run(directory, tracking_uri, port))


@app.command()
def activations(
    name: Annotated[str | None, typer.Argument(help="One activation, in full.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it and its derivative into this file (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """List the activations, or show one."""
    from actsearch.cli.activations import run

    run(name, plot)


@app.command()
def spaces(
    name: Annotated[
        str | None, typer.Argument(help="One space, or activations as relu,gelu: its YAML, to begin your own from.")
    ] = None,
) -> None:
    """List the search spaces, or show one."""
    from actsearch.cli.spaces import run

    run(name)
