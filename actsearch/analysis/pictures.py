"""The pictures that go with a report, under the names of their files."""

from pathlib import Path

from matplotlib.figure import Figure

from actsearch.analysis.findings import Verdict
from actsearch.analysis.plots import plot_curves, plot_differences, plot_executions, plot_pareto
from actsearch.records import SearchRecord


def pictures_of(search: SearchRecord, verdict: Verdict) -> dict[str, Figure]:
    """Forest plot, all executions, learning curves, and the objective against training time."""
    return {
        "differences": plot_differences(verdict),
        "executions": plot_executions(search),
        "curves": plot_curves(search),
        "pareto": plot_pareto(search, verdict),
    }


def save_pictures(search: SearchRecord, verdict: Verdict, folder: Path) -> list[Path]:
    """Draws the pictures into a folder; their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, figure in pictures_of(search, verdict).items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=150)
    return paths
