"""`actsearch search`: runs a search with data, model and space given on the command line."""

import re
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from actsearch.cli.inputs import DEFAULT_SPACE, problem_of, workers_of
from actsearch.cli.terminal import show_interrupted, show_result
from actsearch.config import EXECUTIONS, MAX_EXECUTIONS, SearchConfig, help_of
from actsearch.errors import UsageError

if TYPE_CHECKING:
    from actsearch.data import Dataset
    from actsearch.executors import Auto, Local, Ray
    from actsearch.tuning.progress import Reporter


NONE_BETTER, INCOMPLETE_STORE, INTERRUPTED = 3, 4, 130  # exit statuses
STATUSES = (
    "Exit status: 0; 1 if no execution completed; 2 for wrong use; 3 with --fail-unless-better if no activation is "
    "shown to be better than the baseline; 4 if MLflow is missing data; 130 if interrupted."
)
EXAMPLES = f"""
Examples:

  actsearch search relu_variants --data digits

  actsearch search relu,gelu,selu --data my.csv --target y --executions 5

  actsearch search --model my_model.keras --data my.npz --allocation race

  actsearch search relu,gelu --data my.npz --json --fail-unless-better

{STATUSES}
"""


def seconds_of(duration: str | None, option: str) -> float | None:
    """Parses a duration such as `90s`, `10m` or `2h` into seconds; None if it is not given.

    Raises:
        UsageError: The text is not a duration.

    Example:

    >>> seconds_of("10m", "--time-budget")
    600.0
    """
    if duration is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", duration.strip())
    if match is None:
        raise UsageError(f"{option} {duration!r} is not a duration. Write seconds, minutes or hours: 90s, 10m, 2h.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _complete_space(incomplete: str) -> list[str]:
    from actsearch.activations import names
    from actsearch.spaces import space_names

    done, comma, last = incomplete.rpartition(",")
    known = names() if comma else [*space_names(), *names()]
    return [f"{done}{comma}{name}" for name in known if name.startswith(last)]


def _option(panel: str, text: str, *flags: str, default: str | None = None, **more: Any) -> Any:
    """Makes an option in a panel of the help; `default` is the text shown if the value is determined later."""
    return typer.Option(*flags, help=text, rich_help_panel=panel, show_default=default or True, **more)


DATA, MODEL, SEARCH, BUDGET, PARALLEL, OUTPUT = "Data", "Model", "Search", "Budget", "Processes", "Output"


def search(
    space: Annotated[
        str | None,
        typer.Argument(
            help="Search space: a name (see `actsearch spaces`), activations such as relu,gelu,selu, or a YAML file.",
            autocompletion=_complete_space,
            show_default=DEFAULT_SPACE,
        ),
    ] = None,
    data: Annotated[
        str,
        _option(
            DATA,
            "digits, breast_cancer, wine, diabetes; a .npz, .csv or .parquet file; a folder with x.npy and y.npy; "
            "package.module:function.",
        ),
    ] = "digits",
    target: Annotated[str | None, _option(DATA, "Column to learn, in a .csv or .parquet file.")] = None,
    task: Annotated[
        str | None,
        _option(DATA, "Kind of target: binary, multiclass or regression.", default="inferred from the target"),
    ] = None,
    splits: Annotated[
        str | None,
        _option(
            DATA,
            "How the data is divided: for each execution (each), once (one), or in folds (5-fold).",
            default="each, unless the data is divided",
        ),
    ] = None,
    in_order: Annotated[
        bool, _option(DATA, "Divide in order, as the past and the future of a series.", "--in-order")
    ] = False,
    groups: Annotated[
        str | None, _option(DATA, "Column whose groups, such as patients, are never divided; .csv and .parquet.")
    ] = None,
    model: Annotated[
        str,
        _option(
            MODEL,
            "mlp, cnn; a compiled model in a .keras file; package.module:function, which returns one, or is a "
            "KerasTuner build(hp).",
        ),
    ] = "mlp",
    layers: Annotated[int | None, _option(MODEL, "Hidden layers of mlp and cnn.", default="3")] = None,
    units: Annotated[int | None, _option(MODEL, "Units of each layer; filters in cnn.", default="64")] = None,
    dropout: Annotated[
        float | None,
        _option(MODEL, "Dropout rate after each activation; AlphaDropout if it matches the activation.", default="0.0"),
    ] = None,
    batch_norm: Annotated[bool, _option(MODEL, "Batch normalization before each activation.", "--batch-norm")] = False,
    learning_rate: Annotated[
        float | None, _option(MODEL, "Learning rate of the optimizer, Adam.", default="0.001")
    ] = None,
    weights: Annotated[
        str | None,
        _option(MODEL, "Weights of a trained .keras model: keep, to start each execution from them, or redraw."),
    ] = None,
    include_frozen: Annotated[
        bool, _option(MODEL, "Replace activations of frozen layers too.", "--include-frozen")
    ] = False,
    include_recurrent: Annotated[
        bool, _option(MODEL, "Replace the activation of LSTM, GRU and SimpleRNN too.", "--include-recurrent")
    ] = False,
    objective: Annotated[
        str | None,
        _option(
            SEARCH,
            "Logged metric; NAME:max or NAME:min if the name does not imply a direction.",
            default="depends on the task",
        ),
    ] = None,
    oracle: Annotated[
        str | None,
        _option(
            SEARCH,
            "Oracle that proposes trials: grid, random, bayesian or hyperband.",
            default="grid if the space is finite, else random",
        ),
    ] = None,
    allocation: Annotated[str, _option(SEARCH, help_of("allocation"))] = SearchConfig.allocation,
    alpha: Annotated[float, _option(SEARCH, help_of("alpha"))] = SearchConfig.alpha,
    margin: Annotated[
        float | None, _option(SEARCH, help_of("margin"), default="0.5 points of accuracy, 1 % of a loss")
    ] = None,
    scope: Annotated[str, _option(SEARCH, help_of("scope"))] = SearchConfig.scope,
    screen: Annotated[str, _option(SEARCH, help_of("screen"))] = SearchConfig.screen,
    seed: Annotated[int, _option(SEARCH, help_of("seed"))] = SearchConfig.seed,
    epochs: Annotated[int, _option(BUDGET, help_of("epochs"))] = SearchConfig.epochs,
    batch_size: Annotated[int, _option(BUDGET, help_of("batch_size"))] = SearchConfig.batch_size,
    executions: Annotated[
        int | None, _option(BUDGET, help_of("executions"), default=str(SearchConfig.executions))
    ] = None,
    max_executions: Annotated[
        int | None, _option(BUDGET, help_of("max_executions"), default=str(SearchConfig.max_executions))
    ] = None,
    only: Annotated[
        list[str] | None,
        _option(BUDGET, "Activation that the search in the directory is extended for; from resume.", hidden=True),
    ] = None,
    max_trials: Annotated[int | None, _option(BUDGET, help_of("max_trials"))] = None,
    time_budget: Annotated[
        str | None, _option(BUDGET, "Stop starting new seeds after this long (90s, 10m, 2h).", metavar="DURATION")
    ] = None,
    isolate: Annotated[
        bool, _option(PARALLEL, "Train in a child process: a crash fails one execution, not the search.", "--isolate")
    ] = False,
    execution_timeout: Annotated[
        str | None,
        _option(
            PARALLEL,
            "Fail executions that take longer (90s, 10m, 2h). Implies --isolate.",
            metavar="DURATION",
        ),
    ] = None,
    workers: Annotated[
        str, _option(PARALLEL, "Number of parallel worker processes; 0 trains in this process; auto chooses.")
    ] = "0",
    address: Annotated[
        str | None,
        _option(PARALLEL, "Run workers on Ray: HOST:PORT or auto for a cluster, local to start Ray on this machine."),
    ] = None,
    gpus_per_worker: Annotated[
        float | None, _option(PARALLEL, "GPUs of each Ray worker; may be a fraction.", default="equal shares")
    ] = None,
    max_retries: Annotated[
        int | None,
        _option(PARALLEL, "Retries for an execution whose process died.", default="1; 0 with --isolate"),
    ] = None,
    directory: Annotated[
        Path | None,
        _option(
            OUTPUT,
            "Directory for ledger and weights; an existing search in it is resumed.",
            default="actsearch-runs/TIME-NAME",
        ),
    ] = None,
    overwrite: Annotated[bool, _option(OUTPUT, "Delete the search in the directory first.", "--overwrite")] = False,
    log_models: Annotated[str, _option(OUTPUT, "Trained models to save and log: best, all or none.")] = "best",
    register: Annotated[str | None, _option(OUTPUT, help_of("register"))] = None,
    log_curves: Annotated[str, _option(OUTPUT, help_of("log_curves"))] = SearchConfig.log_curves,
    tracking_uri: Annotated[
        str | None, _option(OUTPUT, "Address of the MLflow store.", default="MLFLOW_TRACKING_URI, else mlflow.db here")
    ] = None,
    experiment: Annotated[
        str | None, _option(OUTPUT, "Name of the MLflow experiment.", default="MLFLOW_EXPERIMENT_NAME, else actsearch")
    ] = None,
    no_tracking: Annotated[bool, _option(OUTPUT, "Write nothing to MLflow.", "--no-tracking")] = False,
    json: Annotated[
        bool, _option(OUTPUT, "Print the result as one JSON object; only warnings go to standard error.", "--json")
    ] = False,
    fail_unless_better: Annotated[
        bool,
        _option(
            OUTPUT,
            "Exit with status 3 if no activation is shown to be better than the baseline, as for CI.",
            "--fail-unless-better",
        ),
    ] = False,
    quiet: Annotated[bool, _option(OUTPUT, "Print the result and warnings only.", "--quiet")] = False,
    verbose: Annotated[bool, _option(OUTPUT, "Print a line for each execution.", "--verbose")] = False,
) -> None:
    """Search the activation function of a model on data; every trial is logged to MLflow."""
    from actsearch.tracking.sync_process import started_early

    network = _given(layers=layers, units=units, dropout=dropout, learning_rate=learning_rate, batch_norm=batch_norm)
    existing = _given(weights=weights, include_frozen=include_frozen, include_recurrent=include_recurrent)
    reporter = _reporter(None if json or quiet else 2 if verbose else 1)
    elsewhere = workers_of(
        isolate=isolate,
        timeout=seconds_of(execution_timeout, "--execution-timeout"),
        workers=workers,
        address=address,
        gpus=gpus_per_worker,
        max_retries=max_retries,
    )
    with nullcontext() if no_tracking else started_early(), _started(elsewhere) as where:
        load = _given(target=target, task=task, in_order=in_order, groups=groups, seed=seed)
        dataset, build, own_objective = problem_of(data, splits, load, model, space, network, existing, reporter)
        tuner = _tuner(
            build,
            objective or own_objective,
            oracle=oracle,
            max_trials=max_trials,
            executions=None if only else executions,
            allocation=_allocation(allocation, executions, max_executions, only),
            alpha=alpha,
            margin=margin,
            scope=scope,
            splits=splits,
            time_budget=seconds_of(time_budget, "--time-budget"),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            executor=where,
            tracking=_tracking(tracking_uri, experiment, no_tracking, log_models, register, log_curves),
            screen=screen,
            directory=directory,
            overwrite=overwrite,
            verbose=reporter,
        )
        _run(tuner, dataset, as_json=json, must_gain=fail_unless_better)


def _reporter(verbose: int | None) -> "Reporter":
    """Makes the reporter, of warnings only if None; on a terminal, says first what takes the next seconds."""
    from actsearch.tuning.progress import Warnings, reporter_for

    if verbose is None:
        return Warnings()
    if sys.stderr.isatty():
        print("Loading TensorFlow …", file=sys.stderr)
    return reporter_for(verbose)


def _given(**options: Any) -> dict[str, Any]:
    """Those options that the user gave; a flag that is not set is False."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def _allocation(name: str, executions: int | None, max_executions: int | None, only: list[str] | None) -> Any:
    from actsearch.tuning.allocation import Fixed, Race, get

    if max_executions is not None and name != "race":
        raise UsageError(
            f"--max-executions would be ignored: it limits a race, but --allocation is {name}. Give --executions, or "
            "--allocation race."
        )
    if only and name not in ("fixed", "race"):
        raise UsageError(f"--only would be ignored: {name} cannot be extended. Omit it.")
    if name == "race" and (only or max_executions is not None):
        get(name, executions=executions)  # refuses executions
        return Race(max_executions or MAX_EXECUTIONS, only=only or ())
    return Fixed(executions or EXECUTIONS, only=only) if only else name


def _started(elsewhere: "Local | Ray | Auto | None") -> Any:
    """Starts workers that are certain to be needed, so that they import TensorFlow while this process does."""
    from actsearch.executors import Local, Ray

    return elsewhere.start() if isinstance(elsewhere, Local | Ray) else nullcontext(elsewhere)


def _tracking(uri: str | None, experiment: str | None, no_tracking: bool, *logged: Any) -> Any:
    from actsearch.tracking.store import MLflow

    tracking = MLflow(uri, experiment, *logged)
    given = [flag for flag, value in (("--tracking-uri", uri), ("--experiment", experiment)) if value is not None]
    if no_tracking and given:
        raise UsageError(f"{given[0]} would be ignored with --no-tracking. Omit one of them.")
    return False if no_tracking else tracking


def _tuner(*arguments: Any, **options: Any) -> Any:
    from actsearch.tuning.tuner import ActivationTuner

    return ActivationTuner(*arguments, **options)


def _run(tuner: Any, dataset: "Dataset", *, as_json: bool, must_gain: bool) -> None:
    """Searches, and shows what was found, also so far if interrupted; the exit status says what is wrong."""
    from actsearch.analysis.results import Outcome
    from actsearch.training.data import TrainingData

    try:
        with redirect_stdout(sys.stderr):  # what a build function prints is not the result
            result = tuner.search_data(TrainingData.of(dataset), data_description=dataset.describe())
    except KeyboardInterrupt:
        show_interrupted(tuner.search_directory)
        raise typer.Exit(INTERRUPTED) from None
    show_result(result, as_json=as_json)
    if must_gain and not result.verdict.with_outcome(Outcome.BETTER):
        against = result.verdict.baseline or result.verdict.leader
        print(f"--fail-unless-better: no activation is shown to be better than {against}.", file=sys.stderr)
        raise typer.Exit(NONE_BETTER)
    if "problem" in result.mlflow:  # a message has said so
        raise typer.Exit(INCOMPLETE_STORE)
