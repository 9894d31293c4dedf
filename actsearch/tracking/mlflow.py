"""Draws facts of a ledger as MLflow runs: the search, under it its trials, under each its executions.

Drawing the same facts again changes nothing: runs are found by the tags that name them, and points carry the
times of the ledger, by which MLflow knows a point that it has.
"""

import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from actsearch.analysis.health import diagnoses_of, plot_health
from actsearch.analysis.outcomes import Decision
from actsearch.analysis.pictures import pictures_of
from actsearch.analysis.report import markdown
from actsearch.analysis.verdict import verdict_of
from actsearch.errors import TrackingError
from actsearch.ledger import End, Fact, Kind, parse
from actsearch.records import ExecutionRecord, SearchRecord, Status, TrialRecord
from actsearch.tracking.store import StoreAddress

LEVEL, SEARCH_ID, TRIAL_ID, EXECUTION = (f"actsearch.{n}" for n in ("level", "search_id", "trial_id", "execution"))
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100
_WITHOUT_SD = {"num_parameters", "best_epoch", "build_seconds", "trace_seconds"}
_ENDINGS = {"completed": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


def open_experiment(client: MlflowClient, address: StoreAddress) -> str:
    """The experiment's id; it is made where it is not there, with its artifacts beside a local database."""
    found = client.get_experiment_by_name(address.experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {address.experiment!r} was deleted in MLflow; restore it, or give another --experiment"
        )
    if found is not None:
        return found.experiment_id
    folder = re.sub(r"\W+", "-", address.experiment)
    artifacts = (address.database.parent / "mlruns" / folder).as_uri() if address.database else None
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return client.create_experiment(address.experiment, artifact_location=artifacts, tags=tags)


class Drawing:
    """One search in an MLflow store.

    Args:
        client: Connected to the store.
        experiment_id: The experiment that holds the runs.
    """

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._search: SearchRecord | None = None
        self._trials: dict[str, TrialRecord] = {}
        self._runs: dict[tuple[str, ...], str] = {}

    @property
    def run_ids(self) -> dict[str, Any]:
        """The runs that were drawn: of the search, and of each trial."""
        trials = {key[1]: run for key, run in self._runs.items() if key[0] == "trial"}
        return {"run_id": self._runs.get(("search",)), "trial_run_ids": trials}

    def draw(self, facts: Iterable[Fact]) -> None:
        """Draws facts in their order."""
        for fact in facts:
            if fact.kind is Kind.SEARCH:
                self._draw_search(parse(fact, SearchRecord))
            elif fact.kind is Kind.TRIAL:
                self._draw_trial(parse(fact, TrialRecord))
            elif fact.kind is Kind.EXECUTION:
                self._draw_execution(parse(fact, ExecutionRecord))
            elif fact.kind is Kind.DECISION:
                decision = parse(fact, Decision)
                run = self._runs[("trial", decision.trial_id)]
                self._client.set_tag(run, "actsearch.decision", _tag(f"{decision.action}: {decision.reason}"))
            elif fact.kind is Kind.END:
                self.close(parse(fact, End))

    def _draw_search(self, search: SearchRecord) -> None:
        self._search = search
        self._find_runs(search.search_id)
        packages = search.environment.get("packages", {})
        tags = {f"actsearch.version.{name}": version for name, version in packages.items() if version}
        tags |= {f"actsearch.{name}": search.environment.get(name) for name in ("python", "platform", "cpu", "command")}
        tags["mlflow.source.git.commit"] = search.environment.get("git_commit")
        run = self._run(("search",), search.name, search.created_at, None, tags)
        params = {"space": search.name, "baseline": search.baseline, "objective": search.objective.name}
        params |= {"direction": search.objective.direction, **search.settings}
        params |= {f"data_{name}": value for name, value in search.data.items()}
        self._log(run, params=params)
        self._client.log_dict(run, dict(search.space), "space.json")

    def _draw_trial(self, trial: TrialRecord) -> None:
        assert self._search is not None
        self._trials[trial.trial_id] = trial
        parent = self._runs[("search",)]
        run = self._run(("trial", trial.trial_id), trial.activation, self._search.created_at, parent, {})
        matching = {f"matched_{name}": value for name, value in trial.matching.items()}
        self._log(run, params={**trial.hyperparameters, "activation": trial.activation, **matching})
        figures = trial.screening.get("figures", {})
        at = self._search.created_at
        self._log(run, metrics=[_metric(f"screening_{name}", value, at, 0) for name, value in figures.items()])
        if trial.screening.get("hopeless"):
            self._client.set_tag(run, "actsearch.screening", _tag(trial.screening["reason"]))
        if trial.skipped:
            self._client.set_tag(run, "actsearch.skipped", "true")

    def _draw_execution(self, execution: ExecutionRecord) -> None:
        trial = self._trials[execution.trial_id]
        trial = replace(trial, executions=(*trial.executions, execution))
        self._trials[execution.trial_id] = trial
        parent = self._runs[("trial", trial.trial_id)]
        name = f"{trial.activation} #{execution.execution}"
        tags = {"actsearch.reason": execution.reason, "actsearch.trainer": execution.trainer}
        key = ("execution", trial.trial_id, str(execution.execution))
        run = self._run(key, name, execution.started_at, parent, tags)
        params = {**trial.hyperparameters, "activation": trial.activation, "seed": execution.seed}
        self._log(run, params={**params, "epochs": execution.epochs}, metrics=self._execution_metrics(execution))
        status = "FINISHED" if execution.status is Status.COMPLETED else "FAILED"
        self._client.set_terminated(run, status, _milliseconds(execution.ended_at))
        self._log(parent, metrics=[*self._trial_metrics(trial, execution), *_health_metrics(execution)])
        if execution.health:
            self._draw_health(parent, trial)

    def _draw_health(self, run: str, trial: TrialRecord) -> None:
        diagnoses = diagnoses_of(trial)
        if not diagnoses:
            return
        self._client.log_figure(run, plot_health(diagnoses), "health.png")
        found = [f"{f['severity']}, {f['site']}: {f['reason']}" for f in diagnoses[-1].get("findings", [])]
        if found:
            self._client.set_tag(run, "actsearch.health", _tag("\n".join(found)))

    def close(self, end: End) -> None:
        """Ends the runs of search and trials, and writes the leaderboard as the search's note."""
        assert self._search is not None
        at = _milliseconds(end.at)
        for trial in self._trials.values():
            status = "FAILED" if trial.status is Status.FAILED else _ENDINGS.get(end.how, "FAILED")
            reasons = [e.reason for e in trial.executions if e.reason]
            if reasons:
                self._client.set_tag(self._runs[("trial", trial.trial_id)], "actsearch.reason", _tag(reasons[0]))
            self._client.set_terminated(self._runs[("trial", trial.trial_id)], status, at)
        search = replace(self._search, trials=tuple(self._trials.values()), ended_at=end.at)
        run = self._runs[("search",)]
        verdict = verdict_of(search) if search.best is not None else None
        self._client.set_tag(run, "mlflow.note.content", markdown(search, verdict)[:8000])
        if verdict is not None:
            for name, figure in pictures_of(search, verdict).items():
                self._client.log_figure(run, figure, f"report/{name}.png")
            for finding in verdict.findings:
                self._client.set_tag(self._runs[("trial", finding.trial_id)], "actsearch.verdict", str(finding.outcome))
        if end.reason:
            self._client.set_tag(run, "actsearch.reason", _tag(end.reason))
        executions = [e for t in search.trials for e in t.executions]
        metrics = {"num_trials": float(len(search.trials)), "num_executions": float(len(executions))}
        metrics["search_seconds"] = end.at - search.created_at
        if search.best is not None and search.best.mean_score is not None:
            metrics[self._best_name] = search.best.mean_score
        self._log(run, metrics=[_metric(name, value, end.at, 0) for name, value in metrics.items()])
        self._client.set_terminated(run, _ENDINGS.get(end.how, "FAILED"), at)

    @property
    def _best_name(self) -> str:
        assert self._search is not None
        return f"best_{self._search.objective.name}"

    def _execution_metrics(self, execution: ExecutionRecord) -> list[Metric]:
        """Its curves, a point an epoch at the time when that epoch ended, and its figures."""
        points, at = [], execution.started_at
        for epoch, seconds in enumerate(execution.epoch_seconds, start=1):
            at += seconds
            logs = {name: values[epoch - 1] for name, values in execution.history.items() if len(values) >= epoch}
            points += [_metric(name, value, at, epoch) for name, value in logs.items() if not math.isnan(value)]
        figures = self._figures(execution)
        return points + [_metric(name, value, execution.ended_at, 0) for name, value in figures.items()]

    def _trial_metrics(self, trial: TrialRecord, latest: ExecutionRecord) -> list[Metric]:
        """Mean and standard deviation over its executions so far; the step is their number."""
        figures = [self._figures(execution) for execution in trial.completed]
        number = len(trial.executions)
        points = {"num_executions": float(len(figures)), "num_failed": float(number - len(figures))}
        for name in figures[0] if figures else ():
            values = [each[name] for each in figures if name in each]
            points[name] = statistics.fmean(values)
            if len(values) > 1 and name not in _WITHOUT_SD:
                points[f"{name}_sd"] = statistics.stdev(values)
        return [_metric(name, value, latest.ended_at, number) for name, value in points.items()]

    def _figures(self, execution: ExecutionRecord) -> dict[str, float]:
        """What is one number an execution: score, test metrics, and what it cost."""
        figures = {f"test_{name}": value for name, value in execution.test_metrics.items()}
        if execution.score is not None:
            figures[self._best_name] = execution.score
        if execution.best_epoch is not None:
            figures["best_epoch"] = execution.best_epoch
        resources = vars(execution.resources) if execution.resources else {}
        return figures | {name: float(value) for name, value in resources.items() if value is not None}

    def _find_runs(self, search_id: str) -> None:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], f"tags.`{SEARCH_ID}` = '{search_id}'", max_results=1000, page_token=token
            )
            for run in page:
                tags = run.data.tags
                key = [tags[LEVEL], tags.get(TRIAL_ID), tags.get(EXECUTION)]
                self._runs[tuple(part for part in key if part)] = run.info.run_id
            token = page.token
            if not token:
                return

    def _run(
        self, key: tuple[str, ...], name: str, at: float, parent: str | None, tags: Mapping[str, str | None]
    ) -> str:
        """The run of that key: found by its tags, or made."""
        assert self._search is not None
        name = name[:250]
        if key not in self._runs:
            named = dict(zip((LEVEL, TRIAL_ID, EXECUTION), key, strict=False))
            own = {**named, SEARCH_ID: self._search.search_id, "mlflow.runName": name, "mlflow.parentRunId": parent}
            own |= {"mlflow.source.name": "actsearch", "mlflow.source.type": "LOCAL", **tags}
            known = {tag: _tag(value) for tag, value in own.items() if value is not None}
            created = self._client.create_run(self._experiment_id, _milliseconds(at), known, run_name=name)
            self._runs[key] = created.info.run_id
        return self._runs[key]

    def _log(self, run: str, *, params: Mapping[str, Any] | None = None, metrics: Iterable[Metric] = ()) -> None:
        named = {name: value for name, value in (params or {}).items() if value is not None}
        entries = [Param(_key(name), str(value)[:6000]) for name, value in named.items()]
        for some in _chunks(entries, _PARAMS_A_BATCH):
            self._client.log_batch(run, params=some)
        for batch in _chunks(list(metrics), _METRICS_A_BATCH):
            self._client.log_batch(run, metrics=batch)


def _health_metrics(execution: ExecutionRecord) -> list[Metric]:
    """The figures of the whole model and of each site; the step is the epoch."""
    points = []
    for diagnosis in execution.health:
        if "sites" not in diagnosis:
            continue
        figures = {"gradient_ratio": diagnosis["gradient_ratio"]}
        for site in diagnosis["sites"]:
            named = ("dead", "saturated", "sparsity", "gradient_norm")
            figures |= {f"{name}/{site['site']}": site[name] for name in named}
        known = {name: value for name, value in figures.items() if value is not None}
        points += [_metric(name, value, execution.ended_at, diagnosis["epoch"]) for name, value in known.items()]
    return points


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _metric(name: str, value: float, at: float, step: int) -> Metric:
    return Metric(_key(name), float(value), _milliseconds(at), step)


def _key(name: str) -> str:
    """A name as MLflow allows it."""
    return re.sub(r"[^\w\-./: ]", "_", name)[:250]


def _tag(value: str) -> str:
    return value[:8000]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
