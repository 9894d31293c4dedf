"""Writes what the runs of a search have when it is over: results, names, notes, models."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric

from actsearch.analysis.hyperparameters.importance import importance_of
from actsearch.analysis.results import Verdict
from actsearch.analysis.units import COST_UNITS
from actsearch.ledger import End, Ledger
from actsearch.records import SearchRecord, Status
from actsearch.reports.html import html_report
from actsearch.reports.leaderboard import LeaderboardRow, leaderboard_rows
from actsearch.reports.story import story_of
from actsearch.tracking.metrics import curve_points, gain_key
from actsearch.tracking.pages import (
    MAX_SEARCHES,
    REPORT,
    Places,
    experiment_note,
    search_name,
    search_note,
    trial_name,
    trial_note,
)
from actsearch.tracking.runs import NAME, NOTE, Runs
from actsearch.tracking.store import MODEL_ID, model_file
from actsearch.tracking.ui_view import RUN_COLOUR, SCORE_NAME, VERDICT, chart_colours, run_path, shown_curves

if TYPE_CHECKING:
    from mlflow.entities import Run

STATUSES = {"completed": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
TABLE = "trials.json"
AVERAGED = "actsearch.curves_of"  # the number of executions in a trial's mean curves
_JUDGED = (
    *("score_name", "score", "score_sd", "num_executions", "gain", "gain_low", "gain_high", "verdict"),
    "objective_mean",
)
_ADVICE = "actsearch.advice"


def write_ending(
    runs: Runs,
    ledger: Ledger,
    search: SearchRecord,
    end: End,
    verdict: Verdict,
    points: Mapping[str, Sequence[Metric]],
) -> None:
    """Writes the results, and ends the runs of trials; the caller ends that of the search, when it is complete.

    The mean curves of a trial are written once, when its search is completed: if a point were written again with
    another value, MLflow would keep both, so the curves do not change if the search is resumed later.

    Args:
        runs: Runs of the search.
        ledger: Ledger of the search.
        search: Record of the search.
        end: Its last end.
        verdict: Its verdict, from `judge`.
        points: What is still to be written of its trials, by their ids.
    """
    status = STATUSES.get(end.how, "FAILED")
    rows, colours = leaderboard_rows(search, verdict), chart_colours(search, verdict)
    curves, by_trial = shown_curves(search, verdict), {row.trial_id: row for row in rows}
    places = places_of(runs)
    for trial in search.trials:
        run, row = runs["trial", trial.trial_id], by_trial[trial.trial_id]
        reason = next((e.reason for e in trial.executions if e.reason), None)
        tags = {"actsearch.reason": reason, VERDICT: row.outcome or None, SCORE_NAME: verdict.judged_score}
        tags |= {NAME: trial_name(row), RUN_COLOUR: colours[trial.trial_id]}
        tags |= {NOTE: trial_note(search, verdict, trial, row, places)}
        metrics, averaged = list(points.get(trial.trial_id, ())), str(len(trial.completed))
        if status == "FINISHED" and run.tags.get(AVERAGED, averaged) == averaged:
            metrics += curve_points(trial, search.objective.name if trial.trial_id in curves else None)
            tags[AVERAGED] = averaged
        runs.log(run, metrics=metrics, tags=tags)
        runs.end(run, "FAILED" if trial.status is Status.FAILED else status, end.at)
    run = runs["search",]
    with runs.working():
        tags = {NOTE: search_note(search, verdict, places), NAME: search_name(search, verdict)}
    tags |= {"actsearch.reason": end.reason, SCORE_NAME: verdict.judged_score}
    tags |= {_ADVICE: story_of(search, verdict).advice} | _best_tags(search, verdict)
    runs.log(run, tags=tags | {"mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}])})
    runs.write_text(run, json.dumps(_table(rows)), TABLE)
    facts = [json.dumps({"kind": f.kind, "key": f.key, "body": json.loads(f.body)}) for f in ledger.facts()]
    runs.write_text(run, "\n".join(facts) + "\n", "ledger.jsonl")
    _log_models(runs, ledger, search)


def write_report(runs: Runs, search: SearchRecord, verdict: Verdict, pictures: Path) -> None:
    """Writes the report of a search, with pictures that are already drawn.

    Args:
        runs: Runs of the search.
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        pictures: Folder with the pictures, `NAME.png`.
    """
    with runs.working():
        drawn = {file.stem: file.read_bytes() for file in sorted(pictures.glob("*.png"))}
        report = html_report(search, verdict, drawn=drawn)
    runs.write_text(runs["search",], report, REPORT)


def write_searches(runs: Runs) -> None:
    """Lists the latest searches in the note of their experiment."""

    def write(before: str, found: "list[Run]") -> str:
        lines = []
        for run in found:
            started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
            advice = run.data.tags.get(_ADVICE, "" if run.info.end_time else "still running")
            place = run_path(run.info.experiment_id, run.info.run_id)
            lines.append((f"{started:%Y-%m-%d %H:%M} UTC", run.info.run_name, advice, place))
        return experiment_note(before, lines)

    runs.list_searches(write, MAX_SEARCHES)


def places_of(runs: Runs) -> Places:
    """Returns where the pages of a search are."""
    trials = {key[1]: run_id for key, run_id in runs.ids.items() if key[0] == "trial"}
    return Places(runs.experiment_id, runs["search",].run_id, trials)


def _log_models(runs: Runs, ledger: Ledger, search: SearchRecord) -> None:
    for trial in search.trials:
        file = model_file(ledger.directory, trial.trial_id)
        if file.is_file() and trial.scores:
            name = re.sub(r"[^\w-]+", "-", f"{search.name}-{trial.activation}")[:100]
            best = search.best is not None and trial.trial_id == search.best.trial_id
            register = search.config.register if best else None
            execution = search.objective.best(trial.scores)
            run = runs["trial", trial.trial_id]
            runs.log_model(run, file, name, execution, register)
            if best and (model_id := run.tags.get(MODEL_ID)):
                runs.link_model(runs["search",], model_id)


def _best_tags(search: SearchRecord, verdict: Verdict) -> dict[str, str | None]:
    """Names the best trial and what mattered, if several hyperparameters vary."""
    if verdict.best_trial is None:
        return {}
    best, importance = verdict.best_trial, importance_of(search, verdict)
    return {"actsearch.best_trial": f"{best.named}: {best.certainty}", "actsearch.importance": importance.summary()}


def _table(rows: Sequence[LeaderboardRow]) -> dict[str, Any]:
    """Makes a table for MLflow with one row per trial, the best first."""
    lines = []
    for row in rows:
        values = row.plain()
        line = {"trial_id": row.trial_id, **row.hyperparameters, "activation": row.activation}
        lines.append(line | dict(_in_points(row, name, values[name]) for name in (*_JUDGED, *COST_UNITS)))
    columns = list(dict.fromkeys(name for line in lines for name in line))
    return {"columns": columns, "data": [[line.get(name) for name in columns] for line in lines]}


def _in_points(row: LeaderboardRow, name: str, value: Any) -> tuple[str, Any]:
    """Returns name and value of a figure; a gain has the name and the unit that it has among the metrics."""
    if not name.startswith("gain") or not row.units.in_points:
        return name, value
    return name.replace("gain", gain_key(row.units)), None if value is None else round(100 * value, 4)
