"""Arranges the page of an experiment in the MLflow UI for one search: its trials, columns and charts.

MLflow stores the arrangement as a shared view: a tag of the experiment, and a link that names it. The page shows data
from the runs of trials: the objective by epoch under its own name, the judged score under `judged_key`, `GAIN`,
`TRAINING_MEMORY`, and in `RUN_COLOUR` the colour of the activation in our figures.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from mlflow import MlflowClient

from actsearch._private import VIEW_TAG
from actsearch.records import Direction, SearchRecord
from actsearch.tracking.metrics import GAIN, TRAINING_MEMORY, judged_key
from actsearch.tracking.metrics import key as name_for_mlflow

SCORE_NAME = "actsearch.score_name"
RUN_COLOUR = "mlflow.runColor"
_CHARTS = "actsearch-charts"
_MAX_RUNS, _MAX_SETTINGS = 100, 12
_COSTS = ("train_seconds", TRAINING_MEMORY, "inference_microseconds")


def prepare_view(client: MlflowClient, experiment_id: str, search: SearchRecord, score_name: str = "") -> str:
    """Arranges the experiment's page for a search; a second call changes nothing.

    The page opens with the search's trials, the best first, with the gain and cost of each. If several hyperparameters
    vary, it has a parallel coordinates chart.

    Args:
        client: Client of the store.
        experiment_id: Id of the experiment that holds the search's runs.
        search: Record of the search, with the trials so far.
        score_name: Name of the judged score, once there is a verdict; before, trials are ordered by their objective.

    Returns:
        The key of the view, for `view_path`.
    """
    key = key_of(search)
    state = json.dumps(view_state(search, score_name), separators=(",", ":"), sort_keys=True)
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
    '/#/experiments/7/runs?viewStateShareKey=actsearch-1f&compareRunsMode=TABLE'
    """
    query = urlencode({"viewStateShareKey": key, "compareRunsMode": "TABLE"})
    return f"/#/experiments/{quote(experiment_id)}/runs?{query}"


def view_state(search: SearchRecord, score_name: str = "") -> dict[str, Any]:
    """Returns the arrangement in MLflow's format."""
    best, settings = f"best_{search.objective.name}", _settings(search)
    score = judged_key(score_name) if score_name else best
    columns = [_column("params", "activation"), *(_column("params", name) for name in settings)]
    columns += [_column("metrics", name) for name in (score, GAIN, f"{GAIN}_low", f"{GAIN}_high")]
    columns += [_column("tags", "actsearch.verdict")]
    columns += [_column("metrics", name) for name in ("num_executions", *_COSTS, "flops_per_sample", "num_parameters")]
    return {
        "searchFilter": f"tags.`actsearch.search_id` = '{search.search_id}' AND tags.`actsearch.level` = 'trial'",
        "orderByKey": _column("metrics", score),
        "orderByAsc": search.objective.direction is Direction.MIN,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOWALL",
        "runsVisibilityMap": {},
        "runListHidden": False,
        "viewMaximized": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "autoRefreshEnabled": True,
        "isAccordionReordered": False,
        "chartsSearchFilter": "",
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
        "compareRunCharts": _charts(search.objective.name, score, settings),
        "compareRunSections": [_section(_CHARTS, "Activations")],
    }


def _charts(objective: str, score: str, settings: Sequence[str]) -> list[dict[str, Any]]:
    objective, score = name_for_mlflow(objective), name_for_mlflow(score)
    charts: list[dict[str, Any]] = [
        _curve(objective),
        {"type": "SCATTER", "xaxis": _axis("train_seconds"), "yaxis": _axis(score)},
        *({"type": "BAR", "metricKey": name} for name in (score, *_COSTS)),
    ]
    if settings:
        names = ["activation", *map(name_for_mlflow, settings)]
        charts.append({"type": "PARALLEL", "selectedParams": names, "selectedMetrics": [score], "showAllRuns": True})
    shared = {"metricSectionId": _CHARTS, "isGenerated": False, "deleted": False, "runsCountToCompare": _MAX_RUNS}
    return [{"uuid": f"actsearch-{n}", **chart, **shared} for n, chart in enumerate(charts)]


def _curve(metric: str) -> dict[str, Any]:
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


def _section(uuid: str, name: str) -> dict[str, Any]:
    return {
        "uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False, "isGenerated": False,
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
