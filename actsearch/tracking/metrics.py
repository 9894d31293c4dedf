"""Converts records to MLflow's metrics, parameters and tags."""

import math
import re
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Metric

from actsearch.analysis.hyperparameters.importance import Importance
from actsearch.analysis.units import Units
from actsearch.records import ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
from actsearch.reports.leaderboard import LeaderboardRow
from actsearch.visualization.curves import mean_curve

_GAIN = "gain"
DEAD_UNITS = "dead_units_percent"
NUM_CURVES = 6  # of the best five trials and the baseline
TRAINING_MEMORY = "training_memory_mib"  # MLflow would show bytes with all their digits
_IN_MIB = {"training_memory_bytes": TRAINING_MEMORY, "peak_rss_bytes": "peak_rss_mib"}
_COUNTED = {"num_parameters", "flops_per_sample", "training_memory_bytes", "peak_rss_bytes"}
_WITHOUT_SD = {
    "num_parameters", "flops_per_sample", "training_memory_bytes", TRAINING_MEMORY,
    "best_epoch", "build_seconds", "trace_seconds",
}  # fmt: skip


def execution_points(execution: ExecutionRecord, objective: Objective, *, with_curves: bool = True) -> list[Metric]:
    """Lists an execution's curves, one point per epoch at the time when that epoch ended, and its figures."""
    points, at = [], execution.started_at
    for epoch, seconds in enumerate(execution.epoch_seconds if with_curves else (), start=1):
        at += seconds
        used = {f"system/{name}": values for name, values in execution.samples.items()}  # MLflow has a page for these
        curves = {**execution.history, **used}
        logs = {name: values[epoch - 1] for name, values in curves.items() if len(values) >= epoch}
        points += [point(name, value, at, epoch) for name, value in logs.items() if not math.isnan(value)]
    figures = _figures(execution, objective)
    return points + [point(name, value, execution.ended_at, 0) for name, value in figures.items()] + _learned(execution)


class TrialFigures:
    """Means and standard deviations over the executions of a trial, which may be many.

    Args:
        objective: Objective of the search.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._moments: dict[str, tuple[int, float, float]] = {}
        self._num_completed = self._number = 0
        self._at = 0.0
        self._has_point = True  # there is nothing before the first execution

    def add(self, execution: ExecutionRecord) -> list[Metric]:
        """Takes in an execution; returns the points that it adds, and those of its health.

        From 100 executions on, the figures get a point after every tenth of them, and so on. The step is the number of
        executions; for the health it is the epoch.
        """
        self._number, self._at = self._number + 1, execution.ended_at
        if execution.status is Status.COMPLETED:
            self._num_completed += 1
            for name, value in _figures(execution, self._objective).items():
                count, mean, squares = self._moments.get(name, (0, 0.0, 0.0))
                after = mean + (value - mean) / (count + 1)
                self._moments[name] = count + 1, after, squares + (value - mean) * (value - after)
        self._has_point = self._number % 10 ** max(len(str(self._number)) - 2, 0) == 0
        return [*(self._latest() if self._has_point else ()), *_health_points(execution)]

    def pending(self) -> list[Metric]:
        """Lists the figures of the executions so far, unless `add` has returned them: MLflow is slow at duplicates."""
        return [] if self._has_point else self._latest()

    def _latest(self) -> list[Metric]:
        failed = self._number - self._num_completed
        points = {"num_executions": float(self._num_completed), "num_failed": float(failed)}
        for name, (count, mean, squares) in self._moments.items():
            points[name] = mean if name in _COUNTED else rounded(mean)
            if count > 1 and name not in _WITHOUT_SD:
                points[f"{name}_sd"] = rounded(math.sqrt(squares / (count - 1)), mean)
        return [point(name, value, self._at, self._number) for name, value in points.items()]


def curve_points(trial: TrialRecord, shown: str | None = None) -> list[Metric]:
    """Lists the mean curves of a trial's executions, one point per epoch.

    All points have the end time of the last execution: the same executions give the same points, which MLflow stores
    only once.

    Args:
        trial: The trial.
        shown: Curve that is also listed under `best_curve_key`, since a chart of MLflow cannot choose trials.
    """
    at = max((e.ended_at for e in trial.completed), default=0.0)
    names = dict.fromkeys(name for e in trial.completed for name, values in e.history.items() if values)
    keys = {name: name for name in names} | ({best_curve_key(shown): shown} if shown in names else {})
    return [
        point(key, value, at, epoch)
        for key, name in keys.items()
        for epoch, value in enumerate(map(rounded, mean_curve(trial, name)[0]), start=1)
        if math.isfinite(value)
    ]


def best_curve_key(metric: str) -> str:
    """Returns the name of the curve that only the best trials and the baseline have."""
    return f"best_trials_{metric}"


def gain_key(units: Units) -> str:
    """Returns the name of the gain, which says so where it is in points."""
    return f"{_GAIN}_points" if units.in_points else _GAIN


def cost_ratio_points(row: LeaderboardRow, at: float, step: int) -> list[Metric]:
    """Lists the costs of a trial as multiples of the baseline's, where they are settled."""
    ratios = {name: ratio for name, ratio in row.cost_ratios.items() if ratio.is_settled}
    return [point(ratio_key(name), round(ratio.estimate, 2), at, step) for name, ratio in ratios.items()]


def ratio_key(cost: str) -> str:
    """Returns the name of a cost as a multiple of the baseline's.

    Example:

    >>> ratio_key("train_seconds")
    'train_seconds_ratio'
    """
    return f"{cost}_ratio"


def reference_points(row: LeaderboardRow, at: float, step: int) -> list[Metric]:
    """Lists gain and costs of the trial that all others are compared with, so that tables and charts show it too."""
    costs = dict.fromkeys(["train_seconds", *row.costs])
    return [point(gain_key(row.units), 0.0, at, step), *(point(ratio_key(name), 1.0, at, step) for name in costs)]


def search_points(search: SearchRecord, at: float, step: int) -> list[Metric]:
    """Lists the figures of a search at its end: counts, duration and best score."""
    executions = [e for t in search.trials for e in t.executions]
    figures = {"num_trials": float(len(search.trials)), "num_executions": float(len(executions))}
    figures["search_seconds"] = rounded(at - search.created_at)
    if search.best is not None and search.best.mean_score is not None:
        figures[_best(search.objective)] = rounded(search.best.mean_score)
    return [point(name, value, at, step) for name, value in figures.items()]


def importance_points(importance: Importance, at: float, step: int) -> list[Metric]:
    """Lists the shares of the variance of the judged score, and R² on trials held out; none where nothing is known."""
    if not importance.shares:
        return []
    figures = {f"importance/{each.name}": each.share for each in importance.shares}
    figures |= {f"interaction/{e.activation}/{e.other}": e.share for e in importance.clear_interactions}
    figures |= {} if importance.r2 is None else {"importance_r2": importance.r2}
    figures |= {f"importance/{name.replace(' ', '_')}": share for name, share in importance.rest}
    return [point(name, rounded(value), at, step) for name, value in figures.items()]


def judged_points(row: LeaderboardRow, at: float, step: int) -> list[Metric]:
    """Lists what the verdict found of a trial: its judged score and its gain, turned so that + is better.

    All are rounded, since MLflow shows all digits: a share to four decimals, and points to two.
    """
    known, gain, level = row.plain(), gain_key(row.units), row.score or 0.0
    figures = {mean_key(row.score_name): known["score"], f"{mean_key(row.score_name)}_sd": known["score_sd"]}
    shown = {name: rounded(value, level) for name, value in figures.items() if value is not None}
    gains = {gain: known["gain"], f"{gain}_low": known["gain_low"], f"{gain}_high": known["gain_high"]}
    for name, value in gains.items():
        if value is not None:
            shown[name] = round(100 * value, 2) if row.units.in_points else rounded(value, level)
    return [point(name, value, at, step) for name, value in shown.items()]


class BestSoFar:
    """The mean judged score of the best trial so far, by the number of executions done; the objective chooses it.

    Args:
        objective: Objective of the search.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._number = 0
        self._sums: dict[str, tuple[int, float, float]] = {}

    def add(self, execution: ExecutionRecord) -> list[Metric]:
        """Takes in an execution; returns the point that it adds. From 100 on, only every tenth has one, and so on."""
        self._number += 1
        if execution.status is Status.COMPLETED and execution.score is not None:
            is_tested = execution.test_score is not None
            count, score, judged = self._sums.get(execution.trial_id, (0, 0.0, 0.0))
            own = execution.test_score if execution.test_score is not None else execution.score
            self._sums[execution.trial_id] = count + 1, score + execution.score, judged + own
            self._name = f"best_so_far_{'test_' if is_tested else ''}{self._metric(is_tested)}"
        if not self._sums or self._number % 10 ** max(len(str(self._number)) - 2, 0):
            return []
        best = self._objective.best({trial: score / count for trial, (count, score, _) in self._sums.items()})
        count, _, judged = self._sums[best]
        return [point(self._name, rounded(judged / count), execution.ended_at, self._number)]

    def _metric(self, is_tested: bool) -> str:
        return self._objective.name.removeprefix("val_") if is_tested else self._objective.name


def mean_key(score_name: str) -> str:
    """Returns the name of the metric that has the judged score with the digits that a table shows.

    Example:

    >>> mean_key("test accuracy")
    'mean_test_accuracy'
    """
    return f"mean_{score_name.replace(' ', '_')}"


def rounded(value: float, level: float = 0.0) -> float:
    """Rounds to four significant digits, and to the sixth digit of a level, below which a difference is noise.

    Example:

    >>> rounded(0.0124999), rounded(26112.4), rounded(1.98e-8, level=0.95)
    (0.0125, 26110.0, 0.0)
    """
    if level and math.isfinite(level):
        value = round(value, 5 - math.floor(math.log10(abs(level))))
    return float(f"{value:.4g}")


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
        if dead := [site["dead"] for site in diagnosis["sites"] if site["dead"] is not None]:
            figures[DEAD_UNITS] = rounded(100 * max(dead))
        measured = {name: rounded(value) for name, value in figures.items() if value is not None}
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
