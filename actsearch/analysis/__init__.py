"""From records to evidence: statistics, the verdict, tables and pictures. No Keras and no MLflow in here."""

from importlib import import_module
from typing import Any

_HOMES = {
    "judge": "verdict",
    "Verdict": "findings",
    "Finding": "findings",
    "Outcome": "outcomes",
    "leaderboard": "report",
    "markdown": "report",
    "health_of": "health",
    "html_report": "page",
    "plot_costs": "costs",
    "plot_curves": "curves",
    "plot_differences": "plots",
    "plot_executions": "plots",
    "plot_health_map": "health",
    "plot_pareto": "plots",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
