"""The pictures that go with a report, under the names of their files."""

from pathlib import Path

from matplotlib.figure import Figure

from actsearch.analysis.canvas import WIDE
from actsearch.analysis.costs import plot_costs
from actsearch.analysis.curves import curve_trials, plot_curves
from actsearch.analysis.findings import Verdict
from actsearch.analysis.health import health_of, plot_health_map
from actsearch.analysis.plots import plot_differences, plot_executions, plot_pareto
from actsearch.records import SearchRecord


def pictures_of(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> dict[str, Figure]:
    """Forest plot, all executions, learning curves, objective against training time, costs, and health.

    Those that would show nothing are left out.

    Args:
        search: Its records.
        verdict: What `judge` says of it.
        width: Of the figures, in inches: `WIDE`, or `NARROW` for a phone.
    """
    pictures = dict[str, Figure]()
    if any(f.num_pairs for f in verdict.findings):
        pictures["differences"] = plot_differences(verdict, width=width)
    if search.best is not None:
        pictures["executions"] = plot_executions(search, width=width)
    if curve_trials(search, search.objective.name):
        pictures["curves"] = plot_curves(search, width=width)
    if verdict.fronts.get("train_seconds"):
        pictures["pareto"] = plot_pareto(search, verdict, width=width)
    if any(t.mean_resource("train_seconds") is not None for t in search.trials):
        pictures["costs"] = plot_costs(search, width=width)
    health = health_of(search)
    if health is not None:
        pictures["health"] = plot_health_map(health, width=width)
    return pictures


def save_pictures(search: SearchRecord, verdict: Verdict, folder: Path) -> list[Path]:
    """Draws the pictures into a folder, which is made where it is not there; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in pictures_of(search, verdict).items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=150)
    return paths
