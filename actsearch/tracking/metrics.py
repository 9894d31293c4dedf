"""Converts records to MLflow's metrics, parameters and tags."""

import math
import re
import statistics
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Metric

from actsearch.records import ExecutionRecord, Objective, SearchRecord, TrialRecord
from actsearch.reports.leaderboard import LeaderboardRow
from actsearch.visualization.curves import mean_curve

GAIN = "gain"
TRAINING_MEMORY = "training_memory_mib"  # MLflow would show bytes with all their digits
_IN_MIB = {"training_memory_bytes": TRAINING_MEMORY, "peak_rss_bytes": "peak_rss_mib"}
_WITHOUT_SD = {
    "num_parameters", "flops_per_sample", "training_memory_bytes", TRAINING_MEMORY,
    "best_epoch", "build_seconds", "trace_seconds",
}  # fmt: skip


def execution_points(execution: ExecutionRecord, objective: Objective) -> list[Metric]:
    """Lists an execution's curves, one point per epoch at the time when that epoch ended, and its figures."""
    points, at = [], execution.started_at
    for epoch, seconds in enumerate(execution.epoch_seconds, start=1):
        at += seconds
        used = {f"system/{name}": values for name, values in execution.samples.items()}  # MLflow has a page for these
        curves = {**execution.history, **used}
        logs = {name: values[epoch - 1] for name, values in curves.items() if len(values) >= epoch}
        points += [point(name, value, at, epoch) for name, value in logs.items() if not math.isnan(value)]
    figures = _figures(execution, objective)
    return points + [point(name, value, execution.ended_at, 0) for name, value in figures.items()] + _learned(execution)


def trial_points(trial: TrialRecord, objective: Objective) -> list[Metric]:
    """Lists means and standard deviations over a trial's executions so far, and the health of the latest one.

    The step is the number of executions; for the health it is the epoch.
    """
    latest, number = trial.executions[-1], len(trial.executions)
    figures = [_figures(execution, objective) for execution in trial.completed]
    points = {"num_executions": float(len(figures)), "num_failed": float(number - len(figures))}
    for name in figures[0] if figures else ():
        values = [each[name] for each in figures if name in each]
        points[name] = statistics.fmean(values)
        if len(values) > 1 and name not in _WITHOUT_SD:
            points[f"{name}_sd"] = statistics.stdev(values)
    return [point(name, value, latest.ended_at, number) for name, value in points.items()] + _health_points(latest)


def curve_points(trial: TrialRecord) -> list[Metric]:
    """Lists the mean curves of a trial's executions, one point per epoch.

    All points have the end time of the last execution: the same executions give the same points, which MLflow stores
    only once.
    """
    at = max((e.ended_at for e in trial.completed), default=0.0)
    names = dict.fromkeys(name for e in trial.completed for name, values in e.history.items() if values)
    return [
        point(name, value, at, epoch)
        for name in names
        for epoch, value in enumerate(mean_curve(trial, name)[0], start=1)
        if math.isfinite(value)
    ]


def cost_ratio_points(row: LeaderboardRow, at: float, step: int) -> list[Metric]:
    """Lists the costs of a trial as multiples of the baseline's, where they are settled."""
    ratios = {name: ratio for name, ratio in row.cost_ratios.items() if ratio.is_settled}
    return [point(f"{name}_ratio", ratio.estimate, at, step) for name, ratio in ratios.items()]


def search_points(search: SearchRecord, at: float, step: int) -> list[Metric]:
    """Lists the figures of a search at its end: counts, duration and best score."""
    executions = [e for t in search.trials for e in t.executions]
    figures = {"num_trials": float(len(search.trials)), "num_executions": float(len(executions))}
    figures["search_seconds"] = at - search.created_at
    if search.best is not None and search.best.mean_score is not None:
        figures[_best(search.objective)] = search.best.mean_score
    return [point(name, value, at, step) for name, value in figures.items()]


def judged_points(row: LeaderboardRow, at: float, step: int) -> list[Metric]:
    """Lists what the verdict found of a trial: its judged score and its gain, turned so that + is better."""
    score, known = judged_key(row.score_name), row.plain()
    figures = {score: known["score"], f"{score}_sd": known["score_sd"]}
    figures |= {name: known[name] for name in (GAIN, f"{GAIN}_low", f"{GAIN}_high")}
    return [point(name, value, at, step) for name, value in figures.items() if value is not None]


def judged_key(score_name: str) -> str:
    """Returns the name of the metric that has the judged score, so that the UI says which score it shows.

    Example:

    >>> judged_key("test accuracy")
    'judged_test_accuracy'
    """
    return f"judged_{score_name.replace(' ', '_')}"


def point(name: str, value: float, at: float, step: int) -> Metric:
    """Makes an MLflow metric; `at` is in seconds since 1970."""
    return Metric(key(name), float(value), milliseconds(at), step)


def key(name: str) -> str:
    """Replaces characters that MLflow does not allow in a name."""
    return re.sub(r"[^\w\-./: ]", "_", name)[:250]


def milliseconds(seconds: float) -> int:
    """Converts a time to MLflow's unit."""
    return round(seconds * 1000)


def search_params(search: SearchRecord) -> dict[str, Any]:
    """Returns the parameters of a search's run: what was searched, and how."""
    params = {"space": search.name, "baseline": search.baseline, "objective": search.objective.name}
    matching = "off" if search.space.get("matching") is False else "on"
    params |= {"direction": search.objective.direction, "matching": matching, "model": search.model}
    params |= {"weights": search.weights} if search.weights else {}
    params |= search.config.plain()
    return params | {f"data_{name}": value for name, value in search.data.items()}


def search_tags(environment: Mapping[str, Any]) -> dict[str, str | None]:
    """Returns the tags of a search's run: where it was searched."""
    packages = environment.get("packages", {})
    tags = {f"actsearch.version.{name}": version for name, version in packages.items()}
    tags |= {f"actsearch.{name}": environment.get(name) for name in ("python", "platform", "cpu", "command")}
    return tags | {"mlflow.source.git.commit": environment.get("git_commit")}


def _figures(execution: ExecutionRecord, objective: Objective) -> dict[str, float]:
    """Collects the single numbers of an execution: score, test metrics and costs."""
    figures = {f"test_{name}": value for name, value in execution.test_metrics.items()}
    if execution.score is not None:
        figures[_best(objective)] = execution.score
    if execution.best_epoch is not None:
        figures["best_epoch"] = execution.best_epoch
    resources = vars(execution.resources) if execution.resources else {}
    known = {name: float(value) for name, value in resources.items() if value is not None}
    return figures | known | {short: known[name] / 2**20 for name, short in _IN_MIB.items() if name in known}


def _health_points(execution: ExecutionRecord) -> list[Metric]:
    """Lists the health figures of the whole model and of each site; the step is the epoch."""
    points = []
    for diagnosis in execution.health:
        if "sites" not in diagnosis:
            continue
        figures = {"gradient_ratio": diagnosis["gradient_ratio"]}
        for site in diagnosis["sites"]:
            named = ("dead", "saturated", "sparsity", "gradient_norm")
            figures |= {f"{name}/{site['site']}": site[name] for name in named}
        measured = {name: value for name, value in figures.items() if value is not None}
        points += [point(name, value, execution.ended_at, diagnosis["epoch"]) for name, value in measured.items()]
    return points


def _learned(execution: ExecutionRecord) -> list[Metric]:
    """Lists the means of learned parameters, before training and in the best epoch."""
    points = []
    for site, parameters in execution.learned.items():
        for name, (start, mean, *_) in parameters.items():
            points.append(point(f"learned/{name}/{site}", start, execution.started_at, 0))
            points.append(point(f"learned/{name}/{site}", mean, execution.ended_at, execution.best_epoch or 1))
    return points


def _best(objective: Objective) -> str:
    return f"best_{objective.name}"
