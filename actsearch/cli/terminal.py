"""Output of the command line: tables, the result of a search, and how to resume it."""

import json
import os
import shlex
import shutil
import sys
import textwrap
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actsearch.records import SearchRecord

if TYPE_CHECKING:
    from actsearch.analysis.results import Verdict
    from actsearch.tuning.result import SearchResult


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO | None = None, *, numbers: bool = False
) -> None:
    """Prints a plain table; `numbers` right-aligns all columns but the first. Long cells are wrapped, never cut."""
    console = Console(file=stream, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, header in enumerate(headers):
        table.add_column(header, justify="right" if numbers and position else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def print_result(search: SearchRecord, verdict: "Verdict", stream: TextIO) -> None:
    """Prints what a search found, and its leaderboard: in lines that fit, and on a terminal in colour.

    Where there is no terminal, lines have 80 characters, or as many as COLUMNS says.
    """
    from actsearch.reports.text import MARKS, text_report

    console = Console(file=stream, highlight=False)
    styles = {f"{MARKS[outcome]} ": style for outcome, style in _STYLES.items()}
    for number, line in enumerate(text_report(search, verdict, width=console.width).splitlines()):
        text = Text(line, style=styles.get(line[:2], "") if number else "bold")
        console.print(text, soft_wrap=True)


_STYLES = {"better": "green", "worse": "red", "failed": "red"}


def print_commands(heading: str, *commands: str) -> None:
    """Prints each command on a line of its own, to be copied; nothing without commands."""
    if given := [command for command in commands if command]:
        print("\n".join([f"\n{heading}", *(f"  {command}" for command in given)]))


def print_wrapped(text: str, *, indent: str = "") -> None:
    """Prints a paragraph in lines that fit the terminal; elsewhere, COLUMNS or 80 characters."""
    width = shutil.get_terminal_size().columns
    print(textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def short(path: Path) -> str:
    """Returns a path as a user would type it: relative to the working directory if it is in there.

    Example:

    >>> short(Path.cwd() / "runs")
    'runs'
    """
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)


def open_in_browser(address: str) -> bool:
    """Opens a page in the user's browser; returns whether there is one."""
    variables = (
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "BROWSER",
    )  # without them, a browser in the terminal would take its place
    has_display = sys.platform == "darwin" or any(os.environ.get(name) for name in variables)
    return has_display and webbrowser.open(address)


def show_interrupted(directory: Path) -> None:
    """Prints the results so far of an interrupted search, and how to resume it."""
    from actsearch.analysis.verdict import verdict_of
    from actsearch.ledger import FILE_NAME, Ledger
    from actsearch.ledger.samples import StoredSamples

    again = shlex.join(["actsearch", "resume", short(directory)])
    print(f"Interrupted. Completed executions are kept. To resume:\n  {again}\n", file=sys.stderr)
    if (directory / FILE_NAME).exists():
        search = Ledger(directory).read()
        print_result(search, verdict_of(search, StoredSamples(directory)), sys.stderr)


def show_result(result: "SearchResult", *, as_json: bool) -> None:
    """Prints the result of a search."""
    from actsearch.reports.next_step import settling_heading

    if as_json:
        print(json.dumps(as_plain(result)))
        return
    print_result(result.record, result.verdict, sys.stdout)
    print_commands(settling_heading(result.verdict), result.how_to_settle)
    where = shlex.quote(short(result.directory))
    pages = f"actsearch ui {where}" if result.mlflow_run_id else ""
    print_commands("To look at it:", f"actsearch report {where}", pages)
    print()
    print_wrapped(f"Model kept: {result.describe_model()}.", indent="  ")
    print(f"Ledger and weights: {short(result.directory)}")
    if result.mlflow_run_id:
        uri = result.mlflow["tracking_uri"]
        store = short(Path(uri.removeprefix("sqlite:///"))) if uri.startswith("sqlite:///") else uri
        print(f"MLflow: run {result.mlflow_run_id} in {store}")


def as_plain(result: "SearchResult") -> dict[str, Any]:
    """Returns the result as plain data for `--json`, the best score first; unknown and infinite values are null."""
    from actsearch.reports.joint import joint_plain
    from actsearch.reports.leaderboard import leaderboard_rows

    search = result.record
    runs = result.mlflow.get("trial_run_ids", {})
    rows = {row.trial_id: row.plain() for row in leaderboard_rows(search, result.verdict)}
    activations: dict[str | None, str] = {trial.trial_id: trial.activation for trial in search.trials}
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
        "mlflow": _plain_tracking(result.mlflow),
        "objective": {"name": search.objective.name, "direction": search.objective.direction.value},
        "baseline": search.baseline,
        "score_name": result.verdict.judged_score,
        "best": result.best.trial_id,
        "best_activation": result.best.activation,
        "recommended": result.verdict.recommended,
        "recommended_activation": activations.get(result.verdict.recommended),
        "verdict": _plain_verdict(search, result.verdict),
        **joint_plain(search, result.verdict),
        "trials": trials,
    }


def _plain_tracking(mlflow: Mapping[str, Any]) -> dict[str, Any]:
    """Returns where MLflow has the search, whether it has all of it (null without tracking), and why not."""
    is_complete = "problem" not in mlflow and "run_id" in mlflow if mlflow else None
    names = ("tracking_uri", "experiment_id", "run_id", "problem")
    return {"complete": is_complete, **{name: mlflow.get(name) for name in names}}


def _plain_verdict(search: SearchRecord, verdict: "Verdict") -> dict[str, Any]:
    """Returns the verdict as plain data: what to do, on what evidence, and each comparison; unknown values are null."""
    from actsearch.reports.leaderboard import leaderboard_rows
    from actsearch.reports.story import story_of

    rows = (row.plain() for row in leaderboard_rows(search, verdict) if verdict.of(row.trial_id))
    return {
        "recommendation": verdict.recommendation,
        **asdict(story_of(search, verdict)),
        "source": verdict.source,
        "scope": verdict.scope.value,
        "margin": verdict.margin,
        "alpha": verdict.alpha,
        "findings": [{new: row[old] for new, old in _FINDING.items()} for row in rows],
    }


_FINDING = {
    "trial_id": "trial_id",
    "activation": "activation",
    "outcome": "verdict",
    "gain": "gain",
    "low": "gain_low",
    "high": "gain_high",
    "pairs": "num_pairs",
    "more_executions": "more_executions",
    "samples_needed": "samples_needed",
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
