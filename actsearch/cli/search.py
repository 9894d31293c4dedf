"""`actsearch search`: data, model and space from the command line to a search."""

import json
import sys
from typing import TYPE_CHECKING, Any

from actsearch.errors import UsageError

if TYPE_CHECKING:
    from actsearch.data import Dataset
    from actsearch.models.outputs import OutputSpec
    from actsearch.search.result import SearchResult
    from actsearch.search.tuner import ActivationTuner

DEFAULT_SPACE = "relu_variants"
_TUNER_OPTIONS = (
    "executions", "epochs", "batch_size", "oracle", "max_trials", "seed", "directory", "overwrite", "tracking_uri",
    "experiment",
)  # fmt: skip


def run(options: dict[str, Any]) -> int:
    """Runs the search that the options describe; the exit status."""
    from actsearch.cli.progress import reporter_for
    from actsearch.quiet import load_tensorflow

    reporter = reporter_for(sys.stderr, quiet=options["json"])
    load_tensorflow()
    from actsearch.data import load_data
    from actsearch.models.outputs import output_for
    from actsearch.search.tuner import ActivationTuner

    dataset = load_data(options["data"], target=options["target"], task=options["task"], seed=options["seed"])
    reporter.message(dataset.summary)
    output = output_for(dataset.task, dataset.num_classes)
    tuner = ActivationTuner(
        _build_function(options, dataset, output),
        objective=options["objective"] or output.objective,
        reporter=reporter,
        **{name: options[name] for name in _TUNER_OPTIONS},
    )
    try:
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


def _build_function(options: dict[str, Any], dataset: "Dataset", output: "OutputSpec") -> Any:
    from actsearch.models.baselines import BaselineOptions, baseline
    from actsearch.spaces import load_space

    if ":" in options["model"]:
        if options["space"] is not None:
            raise UsageError(
                f"{options['model']} names its search space itself, where it calls choose(hp, space): leave "
                f"{options['space']!r} out."
            )
        from actsearch.importing import import_object

        return import_object(options["model"], "build function")
    names = ("layers", "units", "dropout", "batch_norm", "learning_rate")
    fixed = BaselineOptions(**{name: options[name] for name in names})
    space = load_space(options["space"] or DEFAULT_SPACE)
    return baseline(options["model"], space, dataset.input_shape, output, fixed)


def _interrupted(tuner: "ActivationTuner") -> int:
    from actsearch.cli.tables import print_leaderboard

    search = tuner.recorded()
    print(f"Interrupted. What was trained is in {tuner.search_directory}.", file=sys.stderr)
    if search is not None and search.best is not None:
        print_leaderboard(search, sys.stderr)
    return 130


def _show(result: "SearchResult", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(as_plain(result)))
        return
    from actsearch.cli.tables import print_leaderboard

    print_leaderboard(result.record, sys.stdout)
    print(f"\nLedger and weights: {result.directory}")
    if result.mlflow_run_id:
        print(f"MLflow: run {result.mlflow_run_id} in {result.mlflow['tracking_uri']}")
    print(f"Look at it:  actsearch report {result.directory}  ·  actsearch ui {result.directory}")


def as_plain(result: "SearchResult") -> dict[str, Any]:
    """The result as plain data for `--json`; what is not known, or no finite number, is null."""
    search = result.record
    runs = result.mlflow.get("trial_run_ids", {})
    trials = [
        {
            "trial_id": trial.trial_id,
            "mlflow_run_id": runs.get(trial.trial_id),
            "status": trial.status.value,
            "hyperparameters": dict(trial.hyperparameters),
            "activation": trial.activation,
            "executions": [_plain_execution(execution) for execution in trial.executions],
            "mean_score": trial.mean_score,
            "sd_score": trial.sd_score,
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
