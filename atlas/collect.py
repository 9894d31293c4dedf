"""Collects the searches of one or more runs of the atlas in one parquet file: a row per situation, activation and run.

    python -m atlas.collect atlas-run-1 atlas-run-2 --to atlas.parquet

A situation without a complete search is omitted, and named. The file's metadata has the plan, its hash, the versions
and how to repeat the runs, under the key `actsearch.atlas`; `COLUMNS` says what each column is.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

import actsearch
from actsearch.analysis.comparison import judged_scores, paired_samples
from actsearch.ledger import FILE_NAME
from actsearch.ledger.samples import StoredSamples
from actsearch.records import Direction, ExecutionRecord, SearchRecord, TrialRecord
from atlas.data_sets import ALL
from atlas.plan import PLAN, Plan, load_plan
from atlas.searches import ABOUT, JUDGED, TUNING, is_complete, tuned_rates

METADATA = b"actsearch.atlas"
SHARE_OF_LEVEL = 0.9
_NUMBERS = ("learning_rate", "samples", "gradient_start", "epochs_to_level", "seconds_to_level")  # all may be missing
COLUMNS = {
    "run": "number of the run; another one has other seeds and splits",
    "situation": "name of the situation in the plan",
    "axis": "axis of the plan that it belongs to",
    "data ... samples": "the factors of the situation, as in the plan",
    "task, kind, licence": "of the data set",
    "num_samples": "samples of the data set that were divided, 60/20/20 for each execution",
    "epochs": "epochs of an execution",
    "seed": "seed of the search that was judged",
    "activation": "name in the catalogue",
    "label": "the activation with its parameters",
    "rate": "learning rate that it was trained with",
    "rate_scores": "mean validation score with each learning rate that was tried, in the order of the plan",
    "executions, failed": "executions of the search, and those that failed",
    "score_name, score": "judged score and its mean, on test data",
    "scores": "judged score of each execution, in their order; NaN if it failed",
    "gain": "mean difference of the judged score from that of relu, turned so that + is better",
    "low, high": "interval of the gain on new data; all intervals of a situation hold together with 95 %",
    "p_value": "adjusted for all activations of the situation",
    "error, df": "standard error of the gain on new data and its degrees of freedom, for one comparison alone",
    "outcome": "better, equivalent, worse, undecided, failed or baseline",
    "validation_score": "mean validation score in the best epoch, which also chooses it",
    "time_ratio, time_low, time_high": "time of a training step in units of relu's, measured in turns; 95 % interval",
    "cpu_ratio, cpu_low, cpu_high": "the same for CPU time",
    "train_seconds": "mean training time of an execution",
    "num_parameters": "parameters of the model",
    "dead_first, dead_last": "share of dead units after the first and the last epoch of execution 1",
    "largest_dead": "largest share of dead units in any layer, after the last epoch of execution 1",
    "gradient_start": "norm of the gradient at the first site, divided by that at the last, before training",
    "gradient_first, gradient_last": "the same after the first and the last epoch of execution 1",
    "level": f"{SHARE_OF_LEVEL:g} of relu's mean validation score (of an error: divided by it)",
    "epochs_to_level": "median number of epochs until a validation score reaches it; NaN if half of them never do",
    "seconds_to_level": "that number times the median time of an epoch",
    "reached_level": "executions that reached it",
}


def collect(directories: Sequence[Path], plan: Plan) -> tuple[pd.DataFrame, list[str]]:
    """Reads the searches of runs.

    Args:
        directories: Directories that `atlas.run` has written.
        plan: Their plan.

    Returns:
        The rows, and the names of the situations that were omitted since their search is not complete.
    """
    rows: list[dict[str, Any]] = []
    omitted = []
    for about_path in sorted(path for directory in directories for path in directory.glob(f"*/{ABOUT}")):
        about = json.loads(about_path.read_text("utf-8"))
        if about["plan"] == plan.hash and is_complete(about_path.parent, plan):
            rows += rows_of(about_path.parent, about)
        else:
            omitted.append(f"{about['name']} (run {about['run']})")
    table = pd.DataFrame(rows)
    return table.astype({name: float for name in _NUMBERS if name in table}), omitted


def rows_of(directory: Path, about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields a row for each activation of a situation."""
    result = actsearch.load_result(directory / JUDGED)
    record, verdict, situation = result.record, result.verdict, about["situation"]
    rates, rate_scores = _tuning(directory)
    pairs = paired_samples(judged_scores(record, StoredSamples(directory / JUDGED)))
    differences = {pair.trial.trial_id: pair.differences for pair in pairs}
    level, rows = _level(record), result.leaderboard().set_index("trial_id")
    for trial in record.trials:
        shown, name = rows.loc[trial.trial_id], trial.hyperparameters["activation"]
        scores, own = verdict.scores.get(trial.trial_id, {}), differences.get(trial.trial_id)
        yield {
            "run": about["run"],
            "situation": about["name"],
            **_factors(situation, record),
            "activation": name,
            "label": trial.activation,
            "rate": rates.get(name, situation["learning_rate"]),
            "rate_scores": rate_scores.get(name, []),
            "executions": len(trial.executions),
            "failed": len(trial.executions) - len(trial.completed),
            "scores": [scores.get(each.execution, float("nan")) for each in trial.executions],
            **{column: shown[name] for column, name in _OF_LEADERBOARD.items()},
            "error": None if own is None else own.standard_error,
            "df": None if own is None else own.df,
            "validation_score": trial.mean_score,
            **_health(trial),
            **_speed(trial, record, level),
        }


_OF_LEADERBOARD = {
    "score_name": "score_name",
    "score": "score",
    "gain": "gain",
    "low": "gain_low",
    "high": "gain_high",
    "p_value": "p_value",
    "outcome": "verdict",
    "train_seconds": "train_seconds",
    "num_parameters": "num_parameters",
    **{f"time_{end}": f"train_seconds_ratio_{end}" for end in ("low", "high")},
    **{f"cpu_{end}": f"cpu_seconds_ratio_{end}" for end in ("low", "high")},
    "time_ratio": "train_seconds_ratio",
    "cpu_ratio": "cpu_seconds_ratio",
}


def _factors(situation: Mapping[str, Any], record: SearchRecord) -> dict[str, Any]:
    data = ALL[situation["data"]]
    return {
        **{factor: _plain(value) for factor, value in situation.items()},
        "task": str(data.task),
        "kind": data.kind,
        "licence": data.licence,
        "num_samples": record.data["num_samples"],
        "epochs": record.config.epochs,
        "seed": record.config.seed,
    }


def _plain(value: Any) -> Any:
    """Returns the value of a factor for a column: a number, or None where the plan has a word such as `tuned`."""
    return None if value in ("tuned", "all") else value


def _tuning(directory: Path) -> tuple[dict[str, float], dict[str, list[float | None]]]:
    """Returns for each activation the chosen learning rate, and the mean validation score of each that was tried."""
    if not (directory / TUNING / FILE_NAME).is_file():
        return {}, {}
    record = actsearch.load_result(directory / TUNING).record
    scores: dict[str, dict[float, float | None]] = {}
    for trial in record.trials:
        of_rates = scores.setdefault(trial.hyperparameters["activation"], {})
        of_rates[trial.hyperparameters["learning_rate"]] = trial.mean_score
    return tuned_rates(record), {name: [each[rate] for rate in sorted(each)] for name, each in scores.items()}


def _health(trial: TrialRecord) -> dict[str, Any]:
    diagnoses = next((each.health for each in trial.executions if each.health), ())
    figures = trial.screening.get("figures", {})
    columns: dict[str, Any] = {"gradient_start": figures.get("gradient_ratio")}
    for when, diagnosis in zip(("first", "last"), (diagnoses[:1], diagnoses[-1:]), strict=True):
        for found in diagnosis:
            units = sum(site["num_units"] for site in found["sites"])
            columns[f"dead_{when}"] = sum(site["dead"] * site["num_units"] for site in found["sites"]) / units
            columns[f"gradient_{when}"] = found["gradient_ratio"]
            columns["largest_dead"] = max(site["dead"] for site in found["sites"])
    return columns


def _level(record: SearchRecord) -> float | None:
    """Returns the validation score that counts as reached: a tenth short of the baseline's."""
    means = [trial.mean_score for trial in record.trials if trial.activation == record.baseline]
    if not means or means[0] is None:
        return None
    return means[0] * SHARE_OF_LEVEL if record.objective.direction is Direction.MAX else means[0] / SHARE_OF_LEVEL


def _speed(trial: TrialRecord, record: SearchRecord, level: float | None) -> dict[str, Any]:
    if level is None:
        return {}
    epochs = [_epochs_to(level, execution, record) for execution in trial.executions]
    middle = statistics.median(epochs) if epochs else float("inf")
    seconds = [statistics.median(each.epoch_seconds) for each in trial.completed if each.epoch_seconds]
    reached = middle < float("inf")
    return {
        "level": level,
        "reached_level": sum(each < float("inf") for each in epochs),
        "epochs_to_level": middle if reached else None,
        "seconds_to_level": middle * statistics.median(seconds) if reached and seconds else None,
    }


def _epochs_to(level: float, execution: ExecutionRecord, record: SearchRecord) -> float:
    """Returns the first epoch, from 1, in which the validation score reaches the level; infinity if none does."""
    sign = 1 if record.objective.direction is Direction.MAX else -1
    history = execution.history.get(record.objective.name, ())
    reached = (number for number, value in enumerate(history, start=1) if sign * value >= sign * level)
    return next(reached, float("inf"))


def write(table: pd.DataFrame, path: Path, plan: Plan, environments: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows and their metadata.

    Args:
        table: Rows of `collect`.
        path: Path of the parquet file.
        plan: The plan.
        environments: Versions and hardware of the searches, without duplicates.
    """
    about = {
        "plan": plan.content,
        "plan_hash": plan.hash,
        "runs": sorted(map(int, table["run"].unique())),
        "collected": datetime.now(UTC).date().isoformat(),
        "environments": environments,
        "columns": COLUMNS,
        "repeat": 'python -m pip install -e ".[atlas]" && python -m atlas.run --seed RUN --out DIR && '
        "python -m atlas.collect DIR --to FILE, in a checkout of the commit that the environment names",
    }
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), METADATA: json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow, path, compression="zstd")


def environments_of(directories: Sequence[Path]) -> list[dict[str, Any]]:
    """Returns the versions, commits and hardware of the searches, each once, without paths and commands."""
    known = ("packages", "python", "platform", "cpu", "cpu_count", "git_commit")
    found: list[dict[str, Any]] = []
    for path in sorted(path for directory in directories for path in directory.glob(f"*/{JUDGED}/{FILE_NAME}")):
        environment = actsearch.load_result(path.parent).record.environment
        kept = {name: environment[name] for name in known if name in environment}
        found += [kept] if kept not in found else []
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m atlas.collect", description="Writes the result of the atlas.")
    parser.add_argument("directories", type=Path, nargs="+", help="directories that atlas.run has written")
    parser.add_argument("--plan", type=Path, default=PLAN, help="YAML file of the plan")
    parser.add_argument("--to", type=Path, required=True, help="parquet file to write")
    given = parser.parse_args(arguments)
    plan = load_plan(given.plan)
    table, omitted = collect(given.directories, plan)
    for name in omitted:
        print(f"omitted, not complete: {name}")
    if table.empty:
        raise SystemExit("No situation is complete: run python -m atlas.run first.")
    write(table, given.to, plan, environments_of(given.directories))
    print(
        f"{given.to}: {len(table)} rows of {table['situation'].nunique()} situations, {given.to.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main()
