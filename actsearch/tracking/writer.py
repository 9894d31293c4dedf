"""Writes the facts of a ledger as MLflow runs: the search, nested in it the trials, nested in each the executions.

Writing the same facts again changes nothing: runs are found by their tags, their existing data is kept, and points have
the times of the ledger, by which MLflow recognizes duplicates.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric

from actsearch.analysis.hyperparameters.importance import importance_of
from actsearch.analysis.results import Decision, Verdict
from actsearch.analysis.verdict import verdict_of
from actsearch.ledger import End, Fact, Kind, Ledger, parse
from actsearch.ledger.samples import StoredSamples
from actsearch.records import CostMeasurement, ExecutionRecord, Extension, SearchRecord, Status, TrialRecord
from actsearch.reports.leaderboard import leaderboard_rows
from actsearch.tracking.confirmation import Confirmation
from actsearch.tracking.data_sets import data_sets
from actsearch.tracking.drawing import drawing
from actsearch.tracking.ending import STATUSES, write_ending, write_report, write_searches
from actsearch.tracking.metrics import (
    BestSoFar,
    TrialFigures,
    cost_ratio_points,
    execution_points,
    importance_points,
    judged_points,
    milliseconds,
    point,
    reference_points,
    search_params,
    search_points,
    search_tags,
)
from actsearch.tracking.pages import PICTURES, search_name
from actsearch.tracking.runs import PARENT, Run, Runs
from actsearch.tracking.ui_view import RUN_COLOUR, prepare_view
from actsearch.visualization._style import style_of
from actsearch.visualization.dead_units import diagnoses_of, plot_health
from actsearch.visualization.figures import figure_makers
from actsearch.visualization.functions_plot import trial_activation_figure

_SEARCH = ("search",)
_MAX_TRAINED = 500  # executions, before their runs are ended


class MLflowWriter:
    """Writes one search to an MLflow store.

    After an error it cannot be used any more; a new one, given the ledger from its start, writes what is missing.

    Args:
        client: Client of the store.
        experiment_id: Id of the experiment that holds the runs.
        ledger: Ledger of the search.
        written: Called whenever MLflow accepted something.
        may_fork: Whether pictures may be drawn in children of this process.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        ledger: Ledger,
        written: Callable[[], None] = lambda: None,
        *,
        may_fork: bool = False,
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._ledger = ledger
        self._written = written
        self._may_fork = may_fork
        self._trials: dict[str, TrialRecord] = {}
        self._executions: dict[str, list[ExecutionRecord]] = {}
        self._figures: dict[str, TrialFigures] = {}
        self._points: dict[str, list[Metric]] = {}  # of trials, that are not written yet
        self._best_points: list[Metric] = []  # of the search, likewise
        self._trained: list[tuple[Run, str, float]] = []  # runs of executions to be ended, with status and time
        self._search: SearchRecord
        self._best: BestSoFar
        self._runs: Runs

    @property
    def run_ids(self) -> dict[str, Any]:
        """Ids of the runs that were written, for the search and for each trial, in the order of the trials."""
        ids = self._runs.ids
        return {"run_id": ids[_SEARCH], "trial_run_ids": {trial: ids["trial", trial] for trial in self._trials}}

    def confirmation(self, num_facts: int) -> Confirmation | None:
        """Returns what the store has now, with the last fact that was written; None if it lacks a model."""
        if self._runs.lack_a_model:
            return None
        run, ids = self._runs[_SEARCH], self.run_ids
        return Confirmation(
            num_facts=num_facts,
            chain=self._ledger.chain_at(num_facts) or "",
            search_id=self._search.search_id,
            experiment_id=self._experiment_id,
            run_id=ids["run_id"],
            trial_run_ids=ids["trial_run_ids"],
            status=run.status,
            ended_at=run.ended_at,
            num_runs=len(self._runs.ids),
        )

    def write(self, facts: Sequence[Fact], *, stop: Callable[[], bool] | None = None) -> int:
        """Writes facts in their order; an end closes the runs if it is the last fact.

        Args:
            facts: The next ones of the ledger.
            stop: Called before each fact; returns whether to leave the rest for another call.

        Returns:
            The number of facts that were written.
        """
        num_written = 0
        for fact in facts:
            if stop is not None and stop():
                break
            if fact.kind is not Kind.EXECUTION or len(self._trained) == _MAX_TRAINED:
                self._flush()
            self._write_fact(fact, is_last=fact is facts[-1])
            num_written += 1
        self._flush()
        return num_written

    def _write_fact(self, fact: Fact, *, is_last: bool) -> None:
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
        elif fact.kind is Kind.EXTENSION:
            added = parse(fact, Extension)
            self._search = replace(self._search, extensions=(*self._search.extensions, added))
        elif fact.kind is Kind.END:
            self._write_end(parse(fact, End), last=is_last)

    def close(self) -> None:
        """Ends the runs of a search whose process exited unexpectedly, at the time of its last execution."""
        times = [execution.ended_at for executions in self._executions.values() for execution in executions]
        at = max(times, default=self._search.created_at)
        if not self._runs[_SEARCH].is_over:
            search = self._known(at)
            self._close(End(at, "interrupted", "the search process exited unexpectedly"), search, self._judged(search))

    def _write_search(self, search: SearchRecord) -> None:
        self._search = search
        self._runs = Runs(self._client, self._experiment_id, search.search_id, self._written)
        tags = search_tags(search.environment)
        run = self._runs.find_or_make(_SEARCH, search_name(search), search.created_at, tags)
        if not run.params:
            self._runs.write_text(run, json.dumps(dict(search.space), indent=2), "space.json")
            self._runs.log_data(run, data_sets(search))
        self._best = BestSoFar(search.objective)
        self._runs.log(run, params=search_params(search), tags=tags)
        if not run.is_over:  # else its columns are those of its verdict
            self._arrange(search)

    def _write_trial(self, trial: TrialRecord) -> None:
        self._trials[trial.trial_id], self._executions[trial.trial_id] = trial, []
        self._figures[trial.trial_id] = TrialFigures(self._search.objective)
        at, parent = self._search.created_at, self._runs[_SEARCH]
        colour = {RUN_COLOUR: style_of(trial.activation).colour}  # until the best ones are known
        tags = {
            PARENT: parent.run_id,
            "actsearch.skipped": "true" if trial.skipped else None,
            "actsearch.screening": trial.screening["reason"] if trial.screening.get("hopeless") else None,
        }
        run = self._runs.find_or_make(("trial", trial.trial_id), trial.activation, at, colour | tags)
        if not run.params:
            self._runs.reopen(parent, search_name(self._search))
        figures = trial.screening.get("figures", {})
        matching = {f"matched_{name}": value for name, value in trial.matching.items()}
        self._runs.log(
            run,
            params={**trial.hyperparameters, "activation": trial.activation, **matching},
            metrics=[point(f"screening_{name}", value, at, 0) for name, value in figures.items()],
            tags=tags,
        )

    def _write_execution(self, execution: ExecutionRecord) -> None:
        """Writes the run of an execution; `_flush` ends it, so that a run that is over is complete."""
        trial = self._trials[execution.trial_id]
        self._executions[trial.trial_id].append(execution)
        points, best = self._figures[trial.trial_id].add(execution), self._best.add(execution)
        parent = self._runs["trial", trial.trial_id]
        tags = {"actsearch.reason": execution.reason, "actsearch.trainer": execution.trainer, PARENT: parent.run_id}
        key = ("execution", trial.trial_id, str(execution.execution))
        run = self._runs.find_or_make(key, f"{trial.activation} #{execution.execution}", execution.started_at, tags)
        if run.is_over and run.tags.get(PARENT) == parent.run_id:
            return
        self._runs.reopen(self._runs[_SEARCH], search_name(self._search))
        self._runs.reopen(parent)
        self._best_points += best
        numbers = {"seed": execution.seed, "epochs": execution.epochs}  # unless a hyperparameter has the name
        params = {**numbers, **trial.hyperparameters, "activation": trial.activation}
        with_curves = self._search.config.log_curves == "all" or execution.execution == 1
        own = execution_points(execution, self._search.objective, with_curves=with_curves)
        self._runs.log(run, params=params, metrics=own, tags=tags)
        self._points.setdefault(trial.trial_id, []).extend(points)
        self._write_health(parent, trial, execution)
        self._write_shape(parent, trial)
        status = "FINISHED" if execution.status is Status.COMPLETED else "FAILED"
        self._trained.append((run, status, execution.ended_at))

    def _flush(self) -> None:
        """Writes what the executions so far add to their trials, in one call for each trial, and ends their runs."""
        for trial_id, points in self._points.items():
            self._runs.log(self._runs["trial", trial_id], metrics=points)
        if self._best_points:
            self._runs.log(self._runs[_SEARCH], metrics=self._best_points)
        for run, status, at in self._trained:
            self._runs.end(run, status, at)
        self._points, self._trained, self._best_points = {}, [], []

    def _write_health(self, run: Run, trial: TrialRecord, execution: ExecutionRecord) -> None:
        """Writes the health issues of a trial, if any, with a figure; the numbers are among the points."""
        diagnoses = diagnoses_of(replace(trial, executions=(execution,))) if execution.health else []
        issues = diagnoses[-1].get("findings") if diagnoses else None
        if issues:
            lines = [f"{issue['severity']}, {issue['site']}: {issue['reason']}" for issue in issues]
            self._runs.write_figure(run, plot_health(diagnoses), "health.png")
            self._runs.log(run, tags={"actsearch.health": "\n".join(lines)})

    def _write_shape(self, run: Run, trial: TrialRecord) -> None:
        """Writes the figure of the activation after its first execution."""
        executions = self._executions[trial.trial_id]
        if len(executions) > 1:
            return
        if (figure := trial_activation_figure(replace(trial, executions=tuple(executions)))) is not None:
            self._runs.write_figure(run, figure, "activation.png")

    def _write_end(self, end: End, *, last: bool) -> None:
        status, run = STATUSES.get(end.how, "FAILED"), self._runs[_SEARCH]
        step = len(self._search.ends)
        self._search = replace(self._search, ends=(*self._search.ends, end.at))
        if (run.status, run.ended_at) == (status, milliseconds(end.at)) and not (last and self._runs.lack_a_model):
            return
        search = self._known(end.at)
        verdict, found = self._judged(search), search_points(search, end.at, step)
        if verdict.best_trial is not None:
            with self._runs.working():
                found += importance_points(importance_of(search, verdict), end.at, step)
        for row in leaderboard_rows(search, verdict):
            points = [*judged_points(row, end.at, step), *cost_ratio_points(row, end.at, step)]
            points += reference_points(row, end.at, step) if row.trial_id == verdict.reference else []
            self._points[row.trial_id] = [*self._figures[row.trial_id].pending(), *points]
        self._runs.log(run, metrics=found)
        if last:
            self._close(end, search, verdict)
        self._flush()

    def _judged(self, search: SearchRecord) -> Verdict:
        with self._runs.working():
            return verdict_of(search, StoredSamples(self._ledger.directory))

    def _close(self, end: End, search: SearchRecord, verdict: Verdict) -> None:
        if not self._client.tracking_uri.startswith("sqlite"):  # of a server, an answer may have been lost
            self._runs.find()
        with self._runs.working():
            makers = figure_makers(search, verdict)
        run = self._runs[_SEARCH]
        with TemporaryDirectory() as folder, drawing(makers, Path(folder), beside=self._may_fork) as finish:
            self._arrange(search, verdict)
            write_ending(self._runs, self._ledger, search, end, verdict, self._points)
            with self._runs.working():
                finish()
            self._runs.write_files(run, Path(folder), PICTURES)
            write_report(self._runs, search, verdict, Path(folder))
        write_searches(self._runs)
        self._runs.end(run, STATUSES.get(end.how, "FAILED"), end.at)
        self._points = {}

    def _arrange(self, search: SearchRecord, verdict: Verdict | None = None) -> None:
        with self._runs.optional("its table and charts"):
            prepare_view(self._client, self._experiment_id, search, verdict)

    def _known(self, at: float) -> SearchRecord:
        trials = [replace(t, executions=tuple(self._executions[t.trial_id])) for t in self._trials.values()]
        return replace(self._search, trials=tuple(trials), ended_at=at)
