"""Output of the command line: tables, the result of a search, and how to resume it."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actsearch.analysis.units import metric_label
from actsearch.records import SearchRecord

if TYPE_CHECKING:
    from actsearch.analysis.results import Verdict
    from actsearch.tuning.result import SearchResult

_FILE_WIDTH = 500


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO | None = None, *, numbers: bool = False
) -> None:
    """Prints a plain table; `numbers` right-aligns all columns but the first. Output to a file is never cut."""
    console = Console(file=stream, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, header in enumerate(headers):
        table.add_column(header, justify="right" if numbers and position else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(table)


def print_leaderboard(search: SearchRecord, verdict: "Verdict", stream: TextIO) -> None:
    """Prints the trials, the best first, and why executions failed; a terminal shows only the columns that fit."""
    from actsearch.reports.leaderboard import failures_of, headers_of, leaderboard_rows, text_leaderboard

    console = Console(file=stream)
    if console.is_terminal:
        print(text_leaderboard(search, verdict, width=console.width), file=stream)
        return
    rows = [list(map(str, row.cells)) for row in leaderboard_rows(search, verdict)]
    print_table(headers_of(search, verdict), rows, stream, numbers=True)
    for failure in failures_of(search):
        print(failure, file=stream)


def show_interrupted(directory: Path) -> None:
    """Prints the results so far of an interrupted search, and how to resume it."""
    from actsearch.analysis.verdict import verdict_of
    from actsearch.ledger import FILE_NAME, Ledger
    from actsearch.ledger.samples import StoredSamples

    print(f"Interrupted. Completed executions are kept. To resume: actsearch resume {directory}", file=sys.stderr)
    if (directory / FILE_NAME).exists():
        search = Ledger(directory).read()
        print_leaderboard(search, verdict_of(search, StoredSamples(directory)), sys.stderr)


def show_result(result: "SearchResult", *, as_json: bool) -> None:
    """Prints the result of a search."""
    if as_json:
        print(json.dumps(as_plain(result)))
        return
    print_leaderboard(result.record, result.verdict, sys.stdout)
    print(f"{result.verdict.recommendation}.")
    if result.how_to_settle:
        print(f"To settle it: {result.how_to_settle}")
    print(f"\nBest by {metric_label(result.record.objective.name)}: {result.describe_model()}.")
    print(f"Ledger and weights: {result.directory}")
    if result.mlflow_run_id:
        print(f"MLflow: run {result.mlflow_run_id} in {result.mlflow['tracking_uri']}")
    print(f"View it:  actsearch report {result.directory}  ·  actsearch ui {result.directory}")


def as_plain(result: "SearchResult") -> dict[str, Any]:
    """Returns the result as plain data for `--json`, the best score first; unknown and infinite values are null."""
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
        for trial in result.verdict.ranked(search)
    ]
    return {
        "search_id": search.search_id,
        "directory": str(result.directory),
        "mlflow": {name: result.mlflow.get(name) for name in ("tracking_uri", "experiment_id", "run_id")},
        "objective": {"name": search.objective.name, "direction": search.objective.direction.value},
        "baseline": search.baseline,
        "score_name": result.verdict.judged_score,
        "best": result.best.trial_id,
        "recommended": result.verdict.recommended,
        "recommendation": result.verdict.recommendation,
        "trials": trials,
    }


def _plain_execution(execution: Any) -> dict[str, Any]:
    resources = execution.resources
    costs = ("train_seconds", "train_wall_seconds", "training_memory_bytes", "cpu_seconds", "peak_rss_bytes")
    return {
        "execution": execution.execution,
        "seed": execution.seed,
        "status": execution.status.value,
        "objective": execution.score,
        "test_score": execution.test_score,
        **{name: getattr(resources, name) if resources else None for name in costs},
        "num_epochs": execution.num_epochs,
    }
