"""Learning curves: the gain of each activation over the baseline by epoch, or the scores where there is no baseline."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actsearch._text_tables import core
from actsearch.analysis.results import Verdict
from actsearch.analysis.statistics import Array
from actsearch.analysis.units import Units, metric_label, trial_label
from actsearch.records import SearchRecord, TrialRecord
from actsearch.visualization._style import (
    GREY,
    INK,
    OTHER,
    OTHER_NAMES,
    STYLES,
    WIDE,
    Style,
    area,
    fit_scale,
    label_x,
    label_y,
    legend,
    ranking,
    styles_of,
    titled,
)

MAX_COLOURED = len(STYLES)
_MAX_BANDS = 3
_STARTING = 0.25  # of the epochs, which do not determine the scale


def plot_curves(
    search: SearchRecord, metric: str | None = None, *, verdict: Verdict | None = None, width: float = WIDE
) -> Figure:
    """Draws learning curves: how far the mean of each activation is from the baseline's after each epoch.

    Of the objective, differences are gains: + is better. Without curves of the baseline, or of another activation, the
    curves are those of the metric itself. The baseline and the best seven are coloured, the others grey; up to three
    have a band of one standard deviation to each side. Of several configurations of an activation, the one with the
    best mean objective is shown. The first quarter of the epochs may exceed the figure.

    Args:
        search: Record of the search.
        metric: Name of the metric in the history; the objective if omitted.
        verdict: Its verdict, whose gains say which are the best; the mean objective does if omitted.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> plot_curves(result.record).axes[0].get_ylabel()
    'gain over relu in val accuracy (points)'
    >>> plot_curves(result.record, "loss").axes[0].get_ylabel()
    'loss minus that of relu'
    """
    metric = metric or search.objective.name
    trials = curve_trials(search, metric)
    reference = reference_of(search, trials)
    figure, axes = area(width=width)
    first = [search.baseline] if search.baseline else []
    names = [*first, *(t.activation for t in search.ranked)] if verdict is None else ranking(verdict, search)
    styles, marks = styles_of(names), dict[str, Artist]()
    curves = {t.trial_id: mean_curve(t, metric) for t in trials}
    if reference is not None:
        sign = _sign(search, metric)
        curves = {t.trial_id: difference_curve(t, reference, metric, sign) for t in trials if t is not reference}
        longest = max(mean_curve(reference, metric)[0].size, 2)
        (marks[f"{reference.activation} (0)"],) = axes.plot([1, longest], [0, 0], color=INK, linewidth=1)
    shown = [t for t in trials if t.trial_id in curves]
    has_bands = len(shown) <= _MAX_BANDS
    others = [t for t in shown if styles[t.activation] == OTHER]
    for trial in others[::-1]:
        _draw(axes, curves[trial.trial_id], OTHER, trial_label(search, trial), has_band=False)
    for trial in (t for t in shown if t not in others):
        label = trial_label(search, trial)
        marks[label] = _draw(axes, curves[trial.trial_id], styles[trial.activation], label, has_band=has_bands)
    if others:
        (marks[f"{len(others)} {OTHER_NAMES}"],) = axes.plot([], [], color=GREY)
    _scale(axes, [curves[t.trial_id][0] for t in shown], is_difference=reference is not None)
    label_x(axes, "epoch", width - 0.9)
    label_y(axes, curves_label(search, metric, reference))
    legend(axes, marks)
    return figure


def reference_of(search: SearchRecord, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """Returns the trial of the baseline among those with curves; None if there is nothing to compare with it."""
    return next((t for t in trials if t.activation == search.baseline and len(trials) > 1), None)


def curves_label(search: SearchRecord, metric: str, reference: TrialRecord | None) -> str:
    """Labels the y axis."""
    if reference is None:
        return metric_label(metric)
    unit = "points" if _in_points(search, metric) else "+ is better"
    if metric != search.objective.name:
        return f"{metric_label(metric)} minus that of {reference.activation}"
    return f"gain over {reference.activation} in {metric_label(metric)} ({unit})"


def _in_points(search: SearchRecord, metric: str) -> bool:
    best = search.best
    level = (best.mean_score if best else None) or 0.0
    return metric == search.objective.name and Units(search.objective, level).in_points


def _sign(search: SearchRecord, metric: str) -> float:
    """Returns the factor that turns differences of the objective into gains, in points where it has them."""
    if metric != search.objective.name:
        return 1.0
    return Units(search.objective, 0.0).sign * (100.0 if _in_points(search, metric) else 1.0)


def curve_trials(search: SearchRecord, metric: str) -> list[TrialRecord]:
    """Lists the best trial of each activation that has curves of the metric, the best first."""
    best: dict[str, TrialRecord] = {}
    for trial in search.ranked:
        if any(e.history.get(metric) for e in trial.completed):
            best.setdefault(trial.activation, trial)
    return list(best.values())


def mean_curve(trial: TrialRecord, metric: str) -> tuple[Array, Array]:
    """Computes mean and standard deviation by epoch, over the executions that reached it; SD nan for fewer than two."""
    return _moments([np.array(e.history[metric]) for e in trial.completed if e.history.get(metric)])


def difference_curve(trial: TrialRecord, reference: TrialRecord, metric: str, sign: float = 1.0) -> tuple[Array, Array]:
    """Computes mean and standard deviation of the paired differences by epoch, over the executions that both reached.

    Without common executions, it is the difference of the means, without a deviation.
    """
    own, other = (
        {e.execution: np.array(e.history[metric]) for e in t.completed if e.history.get(metric)}
        for t in (trial, reference)
    )
    pairs = [(own[n], other[n]) for n in own if n in other]
    if not pairs:
        pairs = [(mean_curve(trial, metric)[0], mean_curve(reference, metric)[0])]
    lengths = [min(a.size, b.size) for a, b in pairs]
    return _moments([sign * (a[:size] - b[:size]) for (a, b), size in zip(pairs, lengths, strict=True)])


def _moments(curves: Sequence[Array]) -> tuple[Array, Array]:
    grid = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in enumerate(curves):
        grid[row, : len(curve)] = np.where(np.isfinite(curve), curve, np.nan)
    counts = np.isfinite(grid).sum(axis=0)
    with np.errstate(over="ignore"):
        mean = np.nansum(grid, axis=0) / np.where(counts, counts, np.nan)
        squares = np.nansum((grid - mean) ** 2, axis=0)
    return mean, np.sqrt(squares / np.where(counts > 1, counts - 1, np.nan))


def _draw(axes: Axes, curve: tuple[Array, Array], style: Style, label: str, *, has_band: bool) -> Artist:
    mean, sd = curve
    epochs = np.arange(1, mean.size + 1)
    if style == OTHER:
        (line,) = axes.plot(epochs, mean, color=GREY, linewidth=0.8)
    else:
        (line,) = axes.plot(epochs, mean, color=style.colour, linewidth=1.5)
        line.set(marker=style.marker, markevery=max(mean.size // 8, 1), markersize=4)
    known = mean[np.isfinite(mean)]
    titled(line, f"{label}: {known[-1]:.3g} at the end" if known.size else label)
    if has_band:
        axes.fill_between(epochs, mean - sd, mean + sd, color=style.colour, alpha=0.12, linewidth=0)
    return line


def _scale(axes: Axes, means: Sequence[Array], *, is_difference: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if not is_difference:
        fit_scale(axes, "y", [float(value) for mean in means for value in mean if np.isfinite(value)])
        return
    late = [float(v) for mean in means for v in mean[math.ceil(_STARTING * mean.size) :] if np.isfinite(v)]
    low, high = core([0.0, *late])
    if high > low:
        room = 0.08 * (high - low)
        axes.set_ylim(min(low, 0.0) - room, max(high, 0.0) + room)
