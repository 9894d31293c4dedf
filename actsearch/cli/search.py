"""`actsearch search`: data, model and space from the command line to a search."""

import json
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actsearch.errors import ModelError, UsageError

if TYPE_CHECKING:
    from actsearch.data import Dataset
    from actsearch.swap.networks import OutputSpec
    from actsearch.tuning.result import SearchResult
    from actsearch.tuning.tuner import ActivationTuner

DEFAULT_SPACE = "relu_variants"
_TUNER_OPTIONS = (
    "executions", "allocation", "max_executions", "alpha", "margin", "epochs", "batch_size", "oracle", "max_trials",
    "screen", "address", "gpus_per_worker", "max_retries", "seed", "directory", "overwrite", "log_models", "register",
    "tracking_uri", "experiment",
)  # fmt: skip


def run(options: dict[str, Any]) -> int:
    """Runs the search that the options describe; the exit status."""
    from actsearch.tracking.sync_process import started_early

    with started_early():
        return _run(options)


def _run(options: dict[str, Any]) -> int:
    from actsearch._startup import exempt_imports, load_tensorflow, resting
    from actsearch.cli.live_view import reporter_for

    reporter = reporter_for(sys.stderr, quiet=options["json"] or options["quiet"], verbose=options["verbose"])
    timeout = seconds_of(options["execution_timeout"], "--execution-timeout")
    processes = _processes(options, timeout)  # they import TensorFlow while this one does
    load_tensorflow()
    with resting():
        from actsearch.data import load_data
        from actsearch.swap.networks import output_for
        from actsearch.tuning.tuner import ActivationTuner

    exempt_imports()
    dataset = load_data(options["data"], target=options["target"], task=options["task"], seed=options["seed"])
    reporter.message(dataset.summary)
    output = output_for(dataset.task, dataset.num_classes)
    build = _build_function(options, dataset, output)
    tuner = ActivationTuner(
        build,
        objective=options["objective"] or output.objective,
        reporter=reporter,
        time_budget=seconds_of(options["time_budget"], "--time-budget"),
        execution_timeout=timeout,
        **processes,
        **{name: options[name] for name in _TUNER_OPTIONS},
    )
    try:
        with redirect_stdout(sys.stderr):  # what a build function prints is not the result
            result = tuner.search(
                dataset.x_train,
                dataset.y_train,
                validation_data=(dataset.x_val, dataset.y_val),
                test_data=(dataset.x_test, dataset.y_test),
                data=dataset.describe(),
            )
    except KeyboardInterrupt:
        return _interrupted(tuner)
    _show(result, as_json=options["json"])
    return 0


def _processes(options: dict[str, Any], timeout: float | None) -> dict[str, Any]:
    """The child process or the workers that are to train, started."""
    num = options["workers"]
    if num > 0:
        from actsearch.executors.ray_backend import RayCrew

        return {"workers": RayCrew(num, address=options["address"], gpus_each=options["gpus_per_worker"])}
    if options["isolate"] or timeout is not None:
        from actsearch.executors.isolated import Child

        return {"isolate": Child(), "workers": num}
    return {"workers": num}  # none; or less, which is refused


def seconds_of(duration: str | None, option: str) -> float | None:
    """Seconds from `90s`, `10m` or `2h`; None where nothing is given.

    Example:

    >>> seconds_of("10m", "--time-budget")
    600.0
    """
    if duration is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", duration.strip())
    if found is None:
        raise UsageError(f"{option} {duration!r} is no duration: write seconds, minutes or hours as 90s, 10m or 2h.")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _build_function(options: dict[str, Any], dataset: "Dataset", output: "OutputSpec") -> Any:
    """The build function that `--model` names: one of ours, an existing model, or the user's own."""
    from actsearch.spaces import load_space
    from actsearch.swap.networks import BaselineOptions, baseline

    if options["model"].endswith(".keras"):
        return _existing_model(options, dataset)
    if ":" in options["model"]:
        return _users_function(options)
    names = ("layers", "units", "dropout", "batch_norm", "learning_rate")
    fixed = BaselineOptions(**{name: options[name] for name in names})
    space = load_space(options["space"] or DEFAULT_SPACE)
    return baseline(options["model"], space, dataset.input_shape, output, fixed)


def _existing_model(options: dict[str, Any], dataset: "Dataset") -> Any:
    from actsearch.spaces import load_space
    from actsearch.swap.searched_model import SearchedModel
    from actsearch.swap.user_model import load_user_model
    from actsearch.tuning.api import default_objective

    model = load_user_model(options["model"])
    if isinstance(model.input_shape, tuple) and tuple(model.input_shape[1:]) != dataset.input_shape:
        raise ModelError(
            f"{options['model']} takes samples of shape {tuple(model.input_shape[1:])}, and those of {dataset.name} "
            f"have the shape {dataset.input_shape}. Give data of that shape; package.module:function can make it."
        )
    build = SearchedModel(model, load_space(options["space"] or DEFAULT_SPACE))
    options["objective"] = options["objective"] or default_objective(model)
    return build


def _users_function(options: dict[str, Any]) -> Any:
    from actsearch._user_code import import_object

    if options["space"] is not None:
        raise UsageError(
            f"{options['model']} names its search space itself, where it calls choose(hp, space): leave "
            f"{options['space']!r} out."
        )
    sys.path.insert(0, str(Path.cwd()))  # what it imports when it is called is found too
    return import_object(options["model"], "build function")


def _interrupted(tuner: "ActivationTuner") -> int:
    from actsearch.analysis.verdict import verdict_of
    from actsearch.cli.terminal import print_leaderboard
    from actsearch.ledger import FILE_NAME, Ledger

    directory = tuner.search_directory
    print(f"Interrupted. What was trained is kept. To go on: actsearch resume {directory}", file=sys.stderr)
    if (directory / FILE_NAME).exists():
        search = Ledger(directory).read()
        print_leaderboard(search, verdict_of(search), sys.stderr)
    return 130


def _show(result: "SearchResult", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(as_plain(result)))
        return
    from actsearch.cli.terminal import print_leaderboard

    print_leaderboard(result.record, result.verdict, sys.stdout)
    print(f"{result.verdict.recommendation}.")
    print(f"\nLedger and weights: {result.directory}")
    if result.mlflow_run_id:
        print(f"MLflow: run {result.mlflow_run_id} in {result.mlflow['tracking_uri']}")
    print(f"Look at it:  actsearch report {result.directory}  ·  actsearch ui {result.directory}")


def as_plain(result: "SearchResult") -> dict[str, Any]:
    """The result as plain data for `--json`; what is unknown, or not a finite number, is null."""
    from actsearch.reports.leaderboard import leaderboard_rows

    search = result.record
    runs = result.mlflow.get("trial_run_ids", {})
    rows = {row.trial_id: row.plain() for row in leaderboard_rows(search, result.verdict)}
    trials = [
        {
            **rows[trial.trial_id],
            "mlflow_run_id": runs.get(trial.trial_id),
            "status": trial.status.value,
            "hyperparameters": dict(trial.hyperparameters),
            "executions": [_plain_execution(execution) for execution in trial.executions],
        }
        for trial in search.trials
    ]
    return {
        "search_id": search.search_id,
        "directory": str(result.directory),
        "mlflow": {name: result.mlflow.get(name) for name in ("tracking_uri", "experiment_id", "run_id")},
        "objective": {"name": search.objective.name, "direction": search.objective.direction.value},
        "baseline": search.baseline,
        "best": result.best.trial_id,
        "recommendation": result.verdict.recommendation,
        "trials": trials,
    }


def _plain_execution(execution: Any) -> dict[str, Any]:
    resources = execution.resources
    costs = ("train_seconds", "cpu_seconds", "peak_rss_bytes")
    return {
        "execution": execution.execution,
        "seed": execution.seed,
        "status": execution.status.value,
        "score": execution.score,
        "test_score": execution.test_score,
        **{name: getattr(resources, name) if resources else None for name in costs},
        "num_epochs": execution.num_epochs,
    }
