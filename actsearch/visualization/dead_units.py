"""Figures of the health of trials: dead units and gradient norms at each site."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from actsearch.analysis.units import trial_label
from actsearch.records import SearchRecord, TrialRecord
from actsearch.visualization._style import (
    CHARACTER,
    GREY,
    INK,
    MAX_ROWS,
    NARROW,
    SMALL,
    WIDE,
    PlotFigure,
    figure_of,
    label_x,
    most_rows,
    plain,
    shown,
)

ROW = 0.24  # inches
_CELL = 0.44  # inches, minimum width for a number


class _Scale(NamedTuple):
    colours: str
    bounds: list[float]
    extend: Literal["neither", "both"]
    ticks: list[float]
    text: Callable[[float], str]


def _ratio(value: float) -> str:
    return f"{value:.0f}" if 10 <= value < 10_000 else f"{value:.2g}" if 0.001 <= value < 10 else f"{value:.0e}"


# Larger shares are darker; ratios near 1 are pale.
_SHARES = _Scale(
    "Blues", [0, 0.01, *(n / 10 for n in range(1, 10)), 0.99, 1], "neither", [0, 0.1, 0.5, 0.9, 1], "{:.0%}".format
)
_RATIOS = _Scale(
    "PuOr", [1e-4, 1e-3, 1e-2, 0.1, 0.5, 2, 10, 1e2, 1e3, 1e4], "both", [1e-3, 0.1, 0.5, 2, 10, 1e3], _ratio
)


def heat_of_shares(axes: Axes, bar: Axes, shares: NDArray[np.float64], *, inches: float) -> None:
    """Draws a matrix of shares from 0 to 1 as coloured cells, the first row on top; nan is a dash.

    Args:
        axes: Axes to draw on.
        bar: Axes for the colour bar.
        shares: Matrix of shares.
        inches: Width of the axes; numbers are written if they fit.
    """
    _heat(axes, bar, shares, _SHARES, inches)


def heat_of_ratios(axes: Axes, bar: Axes, ratios: NDArray[np.float64], *, inches: float) -> None:
    """Draws a matrix of ratios like `heat_of_shares`, on a logarithmic scale around 1."""
    _heat(axes, bar, ratios, _RATIOS, inches)


def _heat(axes: Axes, bar: Axes, values: NDArray[np.float64], scale: _Scale, inches: float) -> None:
    norm = BoundaryNorm(scale.bounds, colormaps[scale.colours].N, extend=scale.extend)
    mesh = axes.pcolormesh(np.ma.masked_invalid(values), cmap=scale.colours, norm=norm)
    num_rows, num_columns = values.shape
    axes.set(xlim=(0, num_columns), ylim=(num_rows, 0))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if num_columns and inches / num_columns >= _CELL:
        for (row, column), value in np.ndenumerate(values):
            finite = np.isfinite(value)
            colour = INK if not finite else "white" if _is_dark(mesh.to_rgba(np.array([value]))[0]) else "black"
            text = scale.text(float(value)) if finite else "–"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour, fontsize=SMALL - 1)
    key = figure_of(axes).colorbar(mesh, cax=bar, orientation="horizontal", ticks=scale.ticks)
    key.ax.tick_params(which="both", colors=INK, labelsize=SMALL - 1, length=2)
    key.ax.xaxis.set_major_formatter(lambda value, _: scale.text(value))
    key.outline.set(edgecolor=GREY, linewidth=0.5)


def _is_dark(colour: NDArray[np.float64]) -> bool:
    red, green, blue, _ = colour
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45)


MEASURES = {"dead": "dead units", "saturated": "saturated units", "sparsity": "zero outputs"}
_NARROW_NAME, _NARROW_LINES = 16, 5
_BAR = 0.1  # inches
_NAMES = {True: 1.4, False: 2.3}  # inches to the left of the cells, on narrow figures and on others


@dataclass(frozen=True)
class HealthMap:
    """The last diagnoses of a search: one row per trial, the best first, one column per site, from input to output.

    Args:
        names: Labels of the trials.
        sites: Names of the sites if all trials agree, else their numbers.
        dead: Shares of dead units, shape (trials, sites); nan if a trial lacks the site.
        gradient: Gradient norm at each site divided by that at the trial's last site, shape (trials, sites).
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]
    dead: NDArray[np.float64]
    gradient: NDArray[np.float64]


def health_map(search: SearchRecord) -> HealthMap | None:
    """Collects the last diagnoses of the best 60 trials; None if there are none.

    Args:
        search: Record of the search.

    Returns:
        Names of the trials and sites, shares of dead units and gradient norms; None without diagnoses.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> health = health_map(result.record)
    >>> dict(zip(health.names, health.dead.max(axis=1).round(2).tolist()))
    {'elu': 0.0, 'relu': 0.34, 'sigmoid': 0.0}
    """
    diagnosed = [(t, last[-1]["sites"]) for t in search.ranked if (last := diagnoses_of(t))][:MAX_ROWS]
    if not diagnosed:
        return None
    size = max(len(sites) for _, sites in diagnosed)
    named = {tuple(site["site"] for site in sites) for _, sites in diagnosed}
    return HealthMap(
        tuple(trial_label(search, trial) for trial, _ in diagnosed),
        next(iter(named)) if len(named) == 1 else tuple(str(n) for n in range(1, size + 1)),
        np.array([_filled([site["dead"] for site in sites], size) for _, sites in diagnosed]),
        np.array([_filled(_ratios([site["gradient_norm"] for site in sites]), size) for _, sites in diagnosed]),
    )


def plot_health_map(health: HealthMap, *, width: float = WIDE) -> Figure:
    """Draws the share of dead units and the relative gradient norm of each trial at each site.

    A narrow figure has the best 20 trials.

    Args:
        health: Result of `health_map`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> figure = plot_health_map(health_map(result.record))
    >>> figure.axes[0].get_title()
    'share of dead units'
    """
    narrow, most = width <= NARROW, most_rows(width)
    names = [shown(name, _NARROW_NAME, lines=_NARROW_LINES) if narrow else shown(name) for name in health.names[:most]]
    inches = (width - _NAMES[narrow]) / (1 if narrow else 2)
    panels = _stacked(names, health.sites, (2, 1) if narrow else (1, 2), width)
    titles = ("share of dead units", "gradient norm, as a multiple of the last site's")
    draws: tuple[Callable[..., None], ...] = (heat_of_shares, heat_of_ratios)
    for (axes, bar), draw, values, title in zip(panels, draws, (health.dead, health.gradient), titles, strict=True):
        draw(axes, bar, values[:most], inches=inches)
        axes.set_title(shown(title, int(inches / 0.085)), fontsize=9, color=INK)
        _name_columns(axes, health.sites, inches)
        label_x(axes, "site, from input to output", inches)
        axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=SMALL)
    if not narrow:
        panels[1][0].set_yticklabels([])
    return figure_of(panels[0][0])


def diagnoses_of(trial: TrialRecord) -> list[Mapping[str, Any]]:
    """Returns the diagnoses of a trial's first execution that has any, by epoch."""
    for execution in trial.executions:
        diagnoses = [diagnosis for diagnosis in execution.health if diagnosis.get("sites")]
        if diagnoses:
            return diagnoses
    return []


def plot_health(diagnoses: Sequence[Mapping[str, Any]], *, width: float = 9.6) -> Figure:
    """Draws the shares of dead, saturated and zero outputs of one trial: one row per site, one column per epoch.

    Args:
        diagnoses: Result of `diagnoses_of`; at least one diagnosis.
        width: Width of the figure in inches.

    Returns:
        The figure.
    """
    sites = [site["site"] for site in diagnoses[-1]["sites"]]
    epochs = [str(diagnosis["epoch"]) for diagnosis in diagnoses]
    names = [shown(site) for site in sites]
    panels = _stacked(names, epochs, (1, len(MEASURES)), width)
    inches = (width - _NAMES[False]) / len(MEASURES)
    for (axes, bar), (measure, title) in zip(panels, MEASURES.items(), strict=True):
        shares = [[_share(diagnosis, site, measure) for diagnosis in diagnoses] for site in sites]
        heat_of_shares(axes, bar, np.array(shares), inches=inches)
        axes.set_title(title, fontsize=9, color=INK)
        _name_columns(axes, epochs, inches)
        label_x(axes, "epoch", inches)
        axes.set_yticks(
            np.arange(len(names)) + 0.5, names if axes is panels[0][0] else [""] * len(names), fontsize=SMALL
        )
    return figure_of(panels[0][0])


def _stacked(
    names: Sequence[str], columns: Sequence[str], shape: tuple[int, int], width: float
) -> list[tuple[Axes, Axes]]:
    """Makes the axes of panels that are high enough for these rows, each with axes for a colour bar below it."""
    lines = max(name.count("\n") + 1 for name in names)
    cells = len(names) * max(ROW, 0.14 * lines + 0.06)
    labels = 1.3 + CHARACTER * max(map(len, columns)) / 1.5
    figure = PlotFigure(figsize=(width, shape[0] * (cells + labels)), layout="constrained")
    grid = figure.subplots(2 * shape[0], shape[1], squeeze=False, height_ratios=[cells, _BAR] * shape[0])
    pairs = zip(grid[::2].flat, grid[1::2].flat, strict=True)
    return [(plain(axes), bar) for axes, bar in pairs]


def _name_columns(axes: Axes, names: Sequence[str], inches: float) -> None:
    """Names as many columns as fit, vertically if the names are long."""
    step = math.ceil(len(names) * 0.2 / inches)
    long = CHARACTER * max(map(len, names)) > 0.9 * step * inches / len(names)
    places = range(0, len(names), step)
    axes.set_xticks([n + 0.5 for n in places], [shown(names[n]) for n in places], rotation=90 if long else 0)


def _filled(values: Sequence[float | None], size: int) -> list[float]:
    numbers = [math.nan if value is None else float(value) for value in values]
    return numbers + [math.nan] * (size - len(numbers))


def _ratios(norms: Sequence[float | None]) -> list[float | None]:
    last = norms[-1]
    return [None if not last or norm is None else norm / last for norm in norms]


def _share(diagnosis: Mapping[str, Any], site: str, measure: str) -> float:
    measured = next((s for s in diagnosis["sites"] if s["site"] == site), None)
    value = measured[measure] if measured else None
    return math.nan if value is None else float(value)
