"""Arranges the page of an experiment in the MLflow UI for one search: its trials, columns and charts.

MLflow stores the arrangement as a shared view: a tag of the experiment, and a link that names it. The page shows data
from the runs of trials: the objective by epoch under its own name or `best_curve_key`, the judged score under
`mean_key`, the gain under `gain_key`, costs, and a colour in `RUN_COLOUR`.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from mlflow import MlflowClient

from actsearch._private import VIEW_TAG
from actsearch.analysis.results import Verdict
from actsearch.records import Direction, SearchRecord
from actsearch.tracking.metrics import (
    DEAD_UNITS,
    NUM_CURVES,
    TRAINING_MEMORY,
    best_curve_key,
    gain_key,
    mean_key,
    ratio_key,
)
from actsearch.tracking.metrics import key as name_for_mlflow
from actsearch.visualization._style import COLOURS, GREY, ranking, styles_of

SCORE_NAME = "actsearch.score_name"
RUN_COLOUR = "mlflow.runColor"
WORKFLOW = "machine_learning"  # otherwise MLflow opens its pages for generative AI
_CHARTS = "actsearch-charts"
_MAX_RUNS, _MAX_SETTINGS = 100, 12
_NAME, _ICON, _NUMBER, _TEXT = 170, 44, 86, 128  # pixels
_OTHERS = ("dead", "gradient_norm", "saturated", "sparsity", "importance", "Model metrics")  # sections that MLflow adds
_PARALLEL_AT = 2
VERDICT = "actsearch.verdict"
_COSTS = ("train_seconds", TRAINING_MEMORY, "inference_microseconds")
_RATIOS = tuple(map(ratio_key, ("train_seconds", "training_memory_bytes", "inference_microseconds")))


def prepare_view(client: MlflowClient, experiment_id: str, search: SearchRecord, verdict: Verdict | None = None) -> str:
    """Arranges the experiment's page for a search; a second call changes nothing.

    The page opens with the search's trials, the best first, with the gain and cost of each. If several hyperparameters
    vary, it has a parallel coordinates chart.

    Args:
        client: Client of the store.
        experiment_id: Id of the experiment that holds the search's runs.
        search: Record of the search, with the trials so far.
        verdict: Its verdict, once there is one; before, trials are ordered by their objective.

    Returns:
        The key of the view, for `view_path`.
    """
    key = key_of(search)
    state = json.dumps(view_state(search, verdict), separators=(",", ":"), sort_keys=True)
    value = f"deflate;{base64.b64encode(zlib.compress(state.encode(), 9)).decode()}"
    if client.get_experiment(experiment_id).tags.get(VIEW_TAG + key) != value:
        client.set_experiment_tag(experiment_id, VIEW_TAG + key, value)
    return key


def key_of(search: SearchRecord) -> str:
    """Returns the key of a search's view."""
    return f"actsearch-{search.search_id}"


def view_path(experiment_id: str, key: str) -> str:
    """Returns the link to a view, relative to the address of the server.

    Example:

    >>> view_path("7", "actsearch-1f")
    '/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=actsearch-1f&compareRunsMode=TABLE'
    """
    query = urlencode({"workflowType": WORKFLOW, "viewStateShareKey": key, "compareRunsMode": "TABLE"})
    return f"/#/experiments/{quote(experiment_id)}/runs?{query}"


def charts_path(experiment_id: str, key: str) -> str:
    """Returns the link to the charts of a view, relative to the address of the server."""
    return view_path(experiment_id, key).replace("TABLE", "CHART")


def run_path(experiment_id: str, run_id: str, page: str = "") -> str:
    """Returns the link to the page of a run, relative to the address of the server.

    Example:

    >>> run_path("7", "1f")
    '#/experiments/7/runs/1f?workflowType=machine_learning'
    """
    return f"#/experiments/{quote(experiment_id)}/runs/{run_id}{page}?{urlencode({'workflowType': WORKFLOW})}"


def view_state(search: SearchRecord, verdict: Verdict | None = None) -> dict[str, Any]:
    """Returns the arrangement in MLflow's format."""
    settings = _settings(search)
    score = f"best_{search.objective.name}" if verdict is None else mean_key(verdict.judged_score)
    gain = None if verdict is None else gain_key(verdict.units)
    columns, widths = _columns(gain, score, settings)
    by_gain = verdict is not None and bool(verdict.comparisons) and not settings
    return {
        "searchFilter": f"tags.`actsearch.search_id` = '{search.search_id}' AND tags.`actsearch.level` = 'trial'",
        "orderByKey": _column("metrics", gain if gain and by_gain else score),
        "orderByAsc": not by_gain and search.objective.direction is Direction.MIN,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOW_ALL",
        "runsVisibilityMap": {},
        "runListHidden": False,
        "viewMaximized": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": True,
        "isAccordionReordered": True,
        "chartsSearchFilter": "",
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "compareRunCharts": _charts(search, gain, score, settings),
        "compareRunSections": [
            _section(_CHARTS, "Activations"),
            *(_section(f"{_CHARTS}-{name}", name, display=False) for name in _OTHERS),
        ],
    }


def _columns(gain: str | None, score: str, settings: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Returns the columns that are selected, and all with their widths, in the order in which they are shown.

    Costs are multiples of the baseline's once there are gains. A search over several hyperparameters compares only some
    of its trials, so it keeps the costs themselves: never both, since they are measured in different ways.
    MLflow cannot hide when a run was created and how long it took: the one becomes as narrow as the icon of its state,
    the other stands last.
    """
    gains, costs = [gain, f"{gain}_low", f"{gain}_high"] if gain else [], _costs(gain, settings)
    widths = {_column("metrics", name): _NUMBER if name == gain else _TEXT for name in gains}
    widths |= {_column("tags", VERDICT): _TEXT, _column("metrics", costs[0]): _TEXT, _column("metrics", score): _TEXT}
    widths |= {_column("params", name): _TEXT for name in ("activation", *settings)}
    figures = ("num_executions", *costs[1:], DEAD_UNITS, "flops_per_sample", "num_parameters")
    widths |= {_column("metrics", name): _TEXT for name in figures}
    first = {_column("attributes", "Run Name"): _NAME, "runDateAndNestInfo": _ICON}
    return list(widths), {**first, **widths, "duration": _NUMBER}


def _costs(gain: str | None, settings: Sequence[str]) -> tuple[str, ...]:
    return _COSTS if gain is None or settings else _RATIOS


def _charts(search: SearchRecord, gain: str | None, score: str, settings: Sequence[str]) -> list[dict[str, Any]]:
    objective, score, costs = search.objective.name, name_for_mlflow(score), _costs(gain, settings)
    judged = gain if gain and not settings else score
    charts: list[dict[str, Any]] = [
        {"type": "BAR", "metricKey": gain or score},
        {"type": "SCATTER", "xaxis": _axis(costs[0]), "yaxis": _axis(judged)},
        _curve(best_curve_key(objective) if len(search.trials) > NUM_CURVES else objective),
        {"type": "BAR", "metricKey": DEAD_UNITS},
        *({"type": "BAR", "metricKey": name} for name in costs),
    ]
    if settings:
        names = ["activation", *map(name_for_mlflow, settings)]
        parallel = {"type": "PARALLEL", "selectedParams": names, "selectedMetrics": [score], "showAllRuns": True}
        charts.insert(_PARALLEL_AT, parallel)
    shared = {"metricSectionId": _CHARTS, "isGenerated": False, "deleted": False, "runsCountToCompare": _MAX_RUNS}
    return [{"uuid": f"actsearch-{n}", **chart, **shared} for n, chart in enumerate(charts)]


def shown_curves(search: SearchRecord, verdict: Verdict) -> set[str]:
    """Returns the trials whose curves are shown, if not all are: the best five and the reference."""
    if len(search.trials) <= NUM_CURVES:
        return set()
    best = [trial.trial_id for trial in verdict.ranked(search) if trial.trial_id != verdict.reference]
    return {*best[: NUM_CURVES - 1], *([verdict.reference] if verdict.reference else [])}


def chart_colours(search: SearchRecord, verdict: Verdict) -> dict[str, str]:
    """Returns the colours of trials in charts: distinct ones for the reference and the seven best, grey beyond.

    An activation has the colour that it has in our figures, unless a better one in the same search has it.
    """
    ranked = [trial for trial in verdict.ranked(search) if trial.trial_id != verdict.reference]
    first = [trial for trial in search.trials if trial.trial_id == verdict.reference]
    colours: dict[str, str] = {}
    styles = styles_of(ranking(verdict, search))
    for trial in [*first, *ranked][: len(COLOURS)]:
        own, taken = styles[trial.activation].colour, colours.values()
        free = [colour for colour in COLOURS if colour not in taken]
        colours[trial.trial_id] = own if own in free else free[-1]
    return {trial.trial_id: colours.get(trial.trial_id, GREY) for trial in search.trials}


def _curve(metric: str) -> dict[str, Any]:
    metric = name_for_mlflow(metric)
    return {
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "lineSmoothness": 0,
        "selectedXAxisMetricKey": "",
        "range": {"xMin": None, "xMax": None, "yMin": None, "yMax": None},
        "useGlobalXaxisKey": False,
        "displayPoints": None,
    }


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}


def _section(uuid: str, name: str, *, display: bool = True) -> dict[str, Any]:
    return {
        "uuid": uuid, "name": name, "display": display, "isReordered": False, "deleted": False, "isGenerated": False,
    }  # fmt: skip


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name_for_mlflow(name)}`"


def _settings(search: SearchRecord) -> list[str]:
    """Lists up to 12 hyperparameters other than the activation that differ between trials, or may do so later."""
    if len(search.trials) < 2:
        return list(search.space.get("hyperparameters") or {})[:_MAX_SETTINGS]
    values: dict[str, set[str]] = {}
    for trial in search.trials:
        for name, value in trial.hyperparameters.items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, seen in values.items() if name != "activation" and len(seen) > 1][:_MAX_SETTINGS]
