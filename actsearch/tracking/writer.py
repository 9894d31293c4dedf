"""Writes the facts of a ledger as MLflow runs: the search, nested in it the trials, nested in each the executions.

Writing the same facts again changes nothing: runs are found by their tags, their existing data is kept, and points have
the times of the ledger, by which MLflow recognizes duplicates.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mlflow import MlflowClient

from actsearch.analysis.results import Decision, Verdict
from actsearch.analysis.units import COST_UNITS
from actsearch.analysis.verdict import verdict_of
from actsearch.ledger import End, Fact, Kind, Ledger, parse
from actsearch.ledger.samples import StoredSamples
from actsearch.records import CostMeasurement, ExecutionRecord, SearchRecord, Status, TrialRecord
from actsearch.reports.leaderboard import LeaderboardRow, leaderboard_rows
from actsearch.reports.markdown import markdown_report
from actsearch.tracking.metrics import (
    cost_ratio_points,
    curve_points,
    execution_points,
    judged_points,
    milliseconds,
    point,
    search_params,
    search_points,
    search_tags,
    trial_points,
)
from actsearch.tracking.runs import PARENT, Run, Runs
from actsearch.tracking.store import model_file
from actsearch.tracking.ui_view import RUN_COLOUR, SCORE_NAME, prepare_view
from actsearch.visualization._style import style_of
from actsearch.visualization.dead_units import diagnoses_of, plot_health
from actsearch.visualization.figures import all_figures
from actsearch.visualization.functions_plot import trial_activation_figure

_SEARCH = ("search",)


class MLflowWriter:
    """Writes one search to an MLflow store.

    After an error it cannot be used any more; a new one, given the ledger from its start, writes what is missing.

    Args:
        client: Client of the store.
        experiment_id: Id of the experiment that holds the runs.
        ledger: Ledger of the search.
        written: Called whenever MLflow accepted something.
    """

    def __init__(
        self, client: MlflowClient, experiment_id: str, ledger: Ledger, written: Callable[[], None] = lambda: None
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._ledger = ledger
        self._written = written
        self._trials: dict[str, TrialRecord] = {}
        self._num_ends = 0
        self._search: SearchRecord
        self._runs: Runs

    @property
    def run_ids(self) -> dict[str, Any]:
        """Ids of the runs that were written, for the search and for each trial."""
        ids = self._runs.ids
        return {"run_id": ids[_SEARCH], "trial_run_ids": {key[1]: run for key, run in ids.items() if key[0] == "trial"}}

    def write(self, facts: Sequence[Fact]) -> None:
        """Writes facts in their order; an end closes the runs if it is the last fact."""
        for fact in facts:
            if fact.kind is Kind.SEARCH:
                self._write_search(parse(fact, SearchRecord))
            elif fact.kind is Kind.TRIAL:
                self._write_trial(parse(fact, TrialRecord))
            elif fact.kind is Kind.EXECUTION:
                self._write_execution(parse(fact, ExecutionRecord))
            elif fact.kind is Kind.DECISION:
                decision = parse(fact, Decision)
                tags = {"actsearch.decision": f"{decision.action}: {decision.reason}"}
                self._runs.log(self._runs["trial", decision.trial_id], tags=tags)
            elif fact.kind is Kind.MEASUREMENT:
                measured = parse(fact, CostMeasurement)
                self._search = replace(self._search, measurements=(*self._search.measurements, measured))
            elif fact.kind is Kind.END:
                self._write_end(parse(fact, End), last=fact is facts[-1])

    def close(self) -> None:
        """Ends the runs of a search whose process exited unexpectedly, at the time of its last execution."""
        times = [e.ended_at for t in self._trials.values() for e in t.executions]
        at = max(times, default=self._search.created_at)
        if not self._runs[_SEARCH].is_over:
            search = self._known(at)
            self._close(
                End(at, "interrupted", "the search process exited unexpectedly"),
                verdict_of(search, StoredSamples(self._ledger.directory)),
            )

    def _write_search(self, search: SearchRecord) -> None:
        self._search = search
        self._runs = Runs(self._client, self._experiment_id, search.search_id, self._written)
        tags = search_tags(search.environment)
        run = self._runs.find_or_make(_SEARCH, search.name, search.created_at, tags)
        if not run.params:
            self._runs.write_text(run, json.dumps(dict(search.space), indent=2), "space.json")
        self._runs.log(run, params=search_params(search), tags=tags)
        prepare_view(self._client, self._experiment_id, search)

    def _write_trial(self, trial: TrialRecord) -> None:
        self._trials[trial.trial_id] = trial
        at, parent = self._search.created_at, self._runs[_SEARCH]
        tags = {
            PARENT: parent.run_id,
            RUN_COLOUR: style_of(trial.activation).colour,
            "actsearch.skipped": "true" if trial.skipped else None,
            "actsearch.screening": trial.screening["reason"] if trial.screening.get("hopeless") else None,
        }
        run = self._runs.find_or_make(("trial", trial.trial_id), trial.activation, at, tags)
        if not run.params:
            self._runs.reopen(parent)
        figures = trial.screening.get("figures", {})
        matching = {f"matched_{name}": value for name, value in trial.matching.items()}
        self._runs.log(
            run,
            params={**trial.hyperparameters, "activation": trial.activation, **matching},
            metrics=[point(f"screening_{name}", value, at, 0) for name, value in figures.items()],
            tags=tags,
        )

    def _write_execution(self, execution: ExecutionRecord) -> None:
        """Writes the run of an execution; it is ended last, so that a run that is over is complete."""
        before = self._trials[execution.trial_id]
        trial = self._trials[before.trial_id] = replace(before, executions=(*before.executions, execution))
        parent = self._runs["trial", trial.trial_id]
        tags = {"actsearch.reason": execution.reason, "actsearch.trainer": execution.trainer, PARENT: parent.run_id}
        key = ("execution", trial.trial_id, str(execution.execution))
        run = self._runs.find_or_make(key, f"{trial.activation} #{execution.execution}", execution.started_at, tags)
        if run.is_over and run.tags.get(PARENT) == parent.run_id:
            return
        self._runs.reopen(self._runs[_SEARCH])
        self._runs.reopen(parent)
        numbers = {"seed": execution.seed, "epochs": execution.epochs}  # unless a hyperparameter has the name
        params = {**numbers, **trial.hyperparameters, "activation": trial.activation}
        points = execution_points(execution, self._search.objective)
        self._runs.log(run, params=params, metrics=points, tags=tags)
        self._runs.log(parent, metrics=trial_points(trial, self._search.objective))
        self._write_health(parent, trial)
        self._write_shape(parent, trial)
        status = "FINISHED" if execution.status is Status.COMPLETED else "FAILED"
        self._runs.end(run, status, execution.ended_at)

    def _write_health(self, run: Run, trial: TrialRecord) -> None:
        """Writes the health issues of a trial, if any, with a figure; the numbers are among the points."""
        diagnoses = diagnoses_of(trial) if trial.executions[-1].health else []
        issues = diagnoses[-1].get("findings") if diagnoses else None
        if issues:
            lines = [f"{issue['severity']}, {issue['site']}: {issue['reason']}" for issue in issues]
            self._runs.write_figure(run, plot_health(diagnoses), "health.png")
            self._runs.log(run, tags={"actsearch.health": "\n".join(lines)})

    def _write_shape(self, run: Run, trial: TrialRecord) -> None:
        """Writes the figure of the activation after its first execution."""
        if len(trial.executions) == 1 and (figure := trial_activation_figure(trial)) is not None:
            self._runs.write_figure(run, figure, "activation.png")

    def _write_end(self, end: End, *, last: bool) -> None:
        status, run = STATUSES.get(end.how, "FAILED"), self._runs[_SEARCH]
        step, self._num_ends = self._num_ends, self._num_ends + 1
        if (run.status, run.ended_at) == (status, milliseconds(end.at)):
            return
        search = self._known(end.at)
        self._runs.log(run, metrics=search_points(search, end.at, step))
        verdict = verdict_of(search, StoredSamples(self._ledger.directory))
        for row in leaderboard_rows(search, verdict):
            points = [*judged_points(row, end.at, step), *cost_ratio_points(row, end.at, step)]
            self._runs.log(self._runs["trial", row.trial_id], metrics=points)
        if last:
            self._close(end, verdict)

    def _close(self, end: End, verdict: Verdict) -> None:
        self._runs.find()
        search = self._known(end.at)
        prepare_view(self._client, self._experiment_id, search, verdict.judged_score)
        write_ending(self._runs, self._ledger, search, end, verdict)

    def _known(self, at: float) -> SearchRecord:
        return replace(self._search, trials=tuple(self._trials.values()), ended_at=at)


STATUSES = {"completed": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
TABLE = "trials.json"
AVERAGED = "actsearch.curves_of"  # the number of executions in a trial's mean curves
_JUDGED = (
    *("score_name", "score", "score_sd", "num_executions", "gain", "gain_low", "gain_high", "verdict"),
    "objective_mean",
)
_LONGEST_NOTE = 8000  # characters, by MLflow's limit on tags


def write_ending(runs: Runs, ledger: Ledger, search: SearchRecord, end: End, verdict: Verdict) -> None:
    """Writes the results and ends the runs, that of the search last, so that a run that is over is complete.

    The mean curves of a trial are written once, when its search is completed: if a point were written again with
    another value, MLflow would keep both, so the curves do not change if the search is resumed later.

    Args:
        runs: Runs of the search.
        ledger: Ledger of the search.
        search: Record of the search.
        end: Its last end.
        verdict: Its verdict, from `judge`.
    """
    status = STATUSES.get(end.how, "FAILED")
    rows = leaderboard_rows(search, verdict)
    outcomes = {row.trial_id: row.outcome or None for row in rows}
    for trial in search.trials:
        run = runs["trial", trial.trial_id]
        reason = next((e.reason for e in trial.executions if e.reason), None)
        judged = {"actsearch.verdict": outcomes[trial.trial_id], SCORE_NAME: verdict.judged_score}
        runs.log(run, tags={"actsearch.reason": reason} | judged)
        averaged = str(len(trial.completed))
        if status == "FINISHED" and run.tags.get(AVERAGED, averaged) == averaged:
            runs.log(run, metrics=curve_points(trial), tags={AVERAGED: averaged})
        runs.end(run, "FAILED" if trial.status is Status.FAILED else status, end.at)
    run = runs["search",]
    tags = {"mlflow.note.content": _note(runs, search, verdict), "actsearch.reason": end.reason}
    tags[SCORE_NAME] = verdict.judged_score
    runs.log(run, tags=tags | {"mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}])})
    runs.write_text(run, json.dumps(_table(rows)), TABLE)
    facts = [json.dumps({"kind": f.kind, "key": f.key, "body": json.loads(f.body)}) for f in ledger.facts()]
    runs.write_text(run, "\n".join(facts) + "\n", "ledger.jsonl")
    for name, figure in all_figures(search, verdict).items():
        runs.write_figure(run, figure, f"report/{name}.png")
    _log_models(runs, ledger, search)
    runs.end(run, status, end.at)


def _log_models(runs: Runs, ledger: Ledger, search: SearchRecord) -> None:
    for trial in search.trials:
        file = model_file(ledger.directory, trial.trial_id)
        if file.is_file() and trial.scores:
            name = re.sub(r"[^\w-]+", "-", f"{search.name}-{trial.activation}")[:100]
            best = search.best is not None and trial.trial_id == search.best.trial_id
            register = search.config.register if best else None
            execution = search.objective.best(trial.scores)
            runs.log_model(runs["trial", trial.trial_id], file, name, execution, register)


def _note(runs: Runs, search: SearchRecord, verdict: Verdict) -> str:
    """Writes the report, with a link from each trial to its run, and how to reproduce the search."""
    command = "\n".join(f"    {line}" for line in str(search.environment.get("command", "")).splitlines())
    reproduce = f"\nTo reproduce this search:\n\n{command}\n" if 0 < len(command) < _LONGEST_NOTE / 4 else ""
    links = {trial.trial_id: runs.path("trial", trial.trial_id) for trial in search.trials}
    return markdown_report(search, verdict, links=links, max_length=_LONGEST_NOTE - len(reproduce)) + reproduce


def _table(rows: Sequence[LeaderboardRow]) -> dict[str, Any]:
    """Makes a table for MLflow with one row per trial, the best first."""
    lines = []
    for row in rows:
        values = row.plain()
        line = {"trial_id": row.trial_id, **row.hyperparameters, "activation": row.activation}
        lines.append(line | {name: values[name] for name in (*_JUDGED, *COST_UNITS)})
    columns = list(dict.fromkeys(name for line in lines for name in line))
    return {"columns": columns, "data": [[line.get(name) for name in columns] for line in lines]}
