"""The map of a search with an activation for each site: how much each activation gains at each site."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from actsearch.activations.bound import BoundActivation
from actsearch.analysis.results import Verdict
from actsearch.errors import UnknownNameError
from actsearch.records import SearchRecord, TrialRecord
from actsearch.visualization._style import INK, SMALL, WIDE, PlotFigure, label_x, plain, shown

_CELL, _ROW = 0.5, 0.34  # inches
_NAMES = 1.6  # inches
_TITLE = 0.9  # inches, with the names of the sites
_DARK = 0.75  # of the largest difference, from where on text is white


@dataclass(frozen=True)
class SiteMap:
    """What the trials that have an activation at a site score, compared with all trials.

    Args:
        sites: Names of the sites, in the order of the model.
        activations: Labels of the activations, the best on average first.
        gains: Mean judged score of those trials minus the mean of all, turned so that + is better, shape
            (activations, sites); nan where no trial has it.
        counts: Number of those trials, shape (activations, sites).
    """

    sites: tuple[str, ...]
    activations: tuple[str, ...]
    gains: NDArray[np.float64]
    counts: NDArray[np.int64]


def compare_sites(search: SearchRecord, verdict: Verdict) -> SiteMap | None:
    """Compares the activations at each site; None if all sites share one activation.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.

    Returns:
        Gains over the average trial, by activation and site.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/joint")
    >>> found = compare_sites(result.record, result.verdict)
    >>> found.sites, found.activations
    (('layer_1', 'layer_2'), ('relu', 'sigmoid'))
    >>> (100 * found.gains).round(1).tolist()  # points
    [[5.7, 4.5], [-5.7, -4.5]]
    """
    chosen = {t.trial_id: labels for t in search.trials if len(labels := labels_by_site(t)) > 1}
    scores = {trial: mean for trial in chosen if (mean := verdict.mean_score(trial)) is not None}
    sites = list(dict.fromkeys(site for trial in scores for site in chosen[trial]))
    names = list(dict.fromkeys(label for trial in scores for label in chosen[trial].values()))
    if len(names) < 2:
        return None
    total, sign = float(np.mean(list(scores.values()))), verdict.units.sign
    found = [
        [[sign * (scores[t] - total) for t in scores if chosen[t].get(site) == name] for site in sites]
        for name in names
    ]
    gains = np.array([[float(np.mean(cell)) if cell else np.nan for cell in row] for row in found])
    counts = np.array([[len(cell) for cell in row] for row in found])
    order = np.argsort(-np.nanmean(gains, axis=1))
    return SiteMap(tuple(sites), tuple(names[i] for i in order), gains[order], counts[order])


def labels_by_site(trial: TrialRecord) -> Mapping[str, str]:
    """Returns the label of a trial's activation at each site; empty if one is not in the catalogue of this process."""
    try:
        return {site: BoundActivation.from_dict(data).label for site, data in trial.activations.items()}
    except UnknownNameError:
        return {}


def plot_site_map(found: SiteMap, verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws the map: a row for each activation, a column for each site, purple where it is better than average.

    Args:
        found: Result of `compare_sites`.
        verdict: The verdict that it was made from.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/joint")
    >>> found = compare_sites(result.record, result.verdict)
    >>> figure = plot_site_map(found, result.verdict)
    >>> figure.axes[0].get_xlabel()
    'site; gain over the average trial in test accuracy (points)'
    """
    scale = 100 if verdict.units.in_points else 1
    gains, cell = scale * found.gains, (width - _NAMES) / len(found.sites)
    figure = PlotFigure(figsize=(width, _TITLE + _ROW * len(found.activations)), layout="constrained")
    axes = plain(figure.subplots())
    most = float(np.nanmax(np.abs(gains))) or 1.0
    decimals = max(1 - math.floor(math.log10(most)), 0)
    axes.pcolormesh(np.ma.masked_invalid(gains), cmap=colormaps["PuOr"], norm=Normalize(-1.3 * most, 1.3 * most))
    axes.set(xlim=(0, len(found.sites)), ylim=(len(found.activations), 0))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for (row, column), gain in np.ndenumerate(gains):
        if np.isfinite(gain) and cell >= _CELL:
            colour = "white" if abs(gain) > _DARK * most else "black"
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{gain:+z.{decimals}f}",
                ha="center",
                va="center",
                color=colour,
                fontsize=SMALL,
            )
    axes.set_yticks(np.arange(len(found.activations)) + 0.5, [shown(name, 16) for name in found.activations])
    step = max(int(np.ceil(0.2 / cell)), 1)
    long = max(map(len, found.sites)) * 0.08 > 0.9 * cell * step
    places = range(0, len(found.sites), step)
    axes.set_xticks([n + 0.5 for n in places], [shown(found.sites[n]) for n in places], rotation=90 if long else 0)
    if long:
        figure.set_figheight(figure.get_figheight() + 0.06 * max(map(len, found.sites)))
    unit = "points" if scale > 1 else "+ is better"
    label_x(axes, f"site; gain over the average trial in {verdict.judged_score} ({unit})", width - _NAMES)
    axes.xaxis.label.set_color(INK)
    return figure
