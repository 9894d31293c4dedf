"""The health of a trial as a picture: its sites from input to output, at the epochs that were diagnosed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from actsearch.records import TrialRecord

MEASURES = {"dead": "dead units", "saturated": "saturated units", "sparsity": "zero outputs"}


def diagnoses_of(trial: TrialRecord) -> list[Mapping[str, Any]]:
    """The diagnoses of a trial's first execution that has some, by epoch."""
    for execution in trial.executions:
        found = [diagnosis for diagnosis in execution.health if "sites" in diagnosis]
        if found:
            return found
    return []


def plot_health(diagnoses: Sequence[Mapping[str, Any]]) -> Figure:
    """Shares of dead, saturated and zero outputs: a row a site, a column an epoch, dark where the share is large.

    Args:
        diagnoses: As `diagnoses_of` gives them; at least one.
    """
    sites = [site["site"] for site in diagnoses[-1]["sites"]]
    epochs = [diagnosis["epoch"] for diagnosis in diagnoses]
    figure = Figure(figsize=(3.2 * len(MEASURES), 1.4 + 0.28 * len(sites)), layout="constrained")
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    for axes, (measure, title) in zip(panels, MEASURES.items(), strict=True):
        shares = np.array([[_share(diagnosis, site, measure) for diagnosis in diagnoses] for site in sites], float)
        image = axes.imshow(shares, vmin=0, vmax=1, cmap="cividis_r", aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.5 else "black"
            text = "-" if np.isnan(share) else f"{share:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        axes.set_title(title, fontsize=9)
        axes.set_xticks(range(len(epochs)), [str(epoch) for epoch in epochs])
        axes.set_xlabel("epoch")
    panels[0].set_yticks(range(len(sites)), sites, fontsize=8)
    figure.colorbar(image, ax=panels, label="share")
    return figure


def _share(diagnosis: Mapping[str, Any], site: str, measure: str) -> float:
    found = next((s for s in diagnosis["sites"] if s["site"] == site), None)
    value = found[measure] if found else None
    return float("nan") if value is None else float(value)
