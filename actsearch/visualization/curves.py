"""Learning curves: the mean over the executions of each activation, and a band of one standard deviation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actsearch.analysis.statistics import Array
from actsearch.analysis.units import metric_label, trial_label
from actsearch.records import SearchRecord, TrialRecord
from actsearch.visualization._style import (
    GREY,
    INK,
    SMALL,
    WIDE,
    Style,
    area,
    fit_scale,
    label_x,
    label_y,
    legend,
    plain,
    shown,
    styles_of,
)

MAX_TOGETHER = 8
MAX_PANELS = 30
_PANEL = 1.7  # inches
_TITLE_LENGTH = 22


def plot_curves(search: SearchRecord, metric: str | None = None, *, width: float = WIDE) -> Figure:
    """Draws learning curves over epochs: the mean of the executions, and a band of one standard deviation to each side.

    Of several configurations of an activation, the one with the best mean objective is shown. More than 8 activations
    get separate panels, for at most the best 30, with the baseline in grey for comparison.

    Args:
        search: Record of the search.
        metric: Name of the metric in the history; the objective if omitted.
        width: Width of the figure in inches.

    Returns:
        The figure.
    """
    metric = metric or search.objective.name
    trials = curve_trials(search, metric)
    styles = styles_of(t.activation for t in search.trials)
    if len(trials) > MAX_TOGETHER:
        return _apart(search, trials[:MAX_PANELS], metric, width)
    figure, axes = area(width=width)
    marks = dict[str, Artist]()
    for trial in trials:
        marks[trial_label(search, trial)] = _draw(axes, mean_curve(trial, metric), styles[trial.activation])
    _scale(axes, [mean_curve(t, metric)[0] for t in trials])
    label_x(axes, "epoch (mean of the executions ± one standard deviation)", width - 0.9)
    label_y(axes, metric_label(metric))
    legend(axes, marks)
    return figure


def curve_trials(search: SearchRecord, metric: str) -> list[TrialRecord]:
    """Lists the best trial of each activation that has curves of the metric, the best first."""
    best: dict[str, TrialRecord] = {}
    for trial in search.ranked:
        if any(e.history.get(metric) for e in trial.completed):
            best.setdefault(trial.activation, trial)
    return list(best.values())


def mean_curve(trial: TrialRecord, metric: str) -> tuple[Array, Array]:
    """Computes mean and standard deviation by epoch, over the executions that reached it; SD nan for fewer than two."""
    curves = [e.history[metric] for e in trial.completed if e.history.get(metric)]
    grid = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in enumerate(curves):
        grid[row, : len(curve)] = np.where(np.isfinite(curve), curve, np.nan)
    counts = np.isfinite(grid).sum(axis=0)
    with np.errstate(over="ignore"):
        mean = np.nansum(grid, axis=0) / np.where(counts, counts, np.nan)
        squares = np.nansum((grid - mean) ** 2, axis=0)
    return mean, np.sqrt(squares / np.where(counts > 1, counts - 1, np.nan))


def _draw(axes: Axes, curve: tuple[Array, Array], style: Style) -> Artist:
    mean, sd = curve
    epochs = np.arange(1, mean.size + 1)
    (line,) = axes.plot(epochs, mean, color=style.colour, linestyle=style.line)
    line.set(marker=style.marker, markevery=max(mean.size // 8, 1), markersize=4)
    axes.fill_between(epochs, mean - sd, mean + sd, color=style.colour, alpha=0.12, linewidth=0)
    return line


def _scale(axes: Axes, means: Sequence[Array]) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    fit_scale(axes, "y", [float(value) for mean in means for value in mean if np.isfinite(value)])


def _apart(search: SearchRecord, trials: Sequence[TrialRecord], metric: str, width: float) -> Figure:
    """Draws a separate panel for each trial, with common axes."""
    columns = max(int(width / _PANEL), 1)
    num_rows = -(-len(trials) // columns)
    names = [shown(trial_label(search, t), _TITLE_LENGTH) for t in trials]
    title = 0.14 * max(name.count("\n") + 1 for name in names)
    figure = Figure(figsize=(width, 0.7 + num_rows * (1.2 + title)), layout="constrained")
    grid = figure.subplots(num_rows, columns, sharex=True, sharey=True, squeeze=False)
    styles, means = styles_of(t.activation for t in search.trials), [mean_curve(t, metric)[0] for t in trials]
    reference = next((m for t, m in zip(trials, means, strict=True) if t.activation == search.baseline), None)
    for number, axes in enumerate(grid.flat):
        if number >= len(trials):
            axes.set_visible(False)
            continue
        plain(axes)
        if reference is not None:
            axes.plot(np.arange(1, reference.size + 1), reference, color=GREY, linewidth=1)
        _draw(axes, mean_curve(trials[number], metric), styles[trials[number].activation])
        axes.set_title(names[number], fontsize=SMALL, color=INK)
        axes.tick_params(labelbottom=number + columns >= len(trials))
    _scale(grid[0, 0], means)
    figure.supxlabel("epoch", fontsize=9, color=INK)
    figure.supylabel(metric_label(metric), fontsize=9, color=INK)
    return figure
