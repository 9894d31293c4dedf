"""Figures that compare trials by their judged scores: gains over the baseline, executions, and score against cost.

They use no global state of matplotlib and need no display.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from actsearch.analysis.cost_ratios import mean_cost
from actsearch.analysis.results import Verdict
from actsearch.analysis.units import COST_UNITS, cost_label, objective_label, trial_label
from actsearch.records import SearchRecord
from actsearch.visualization._style import (
    GREY,
    INK,
    MAX_ROWS,
    SMALL,
    WIDE,
    Style,
    area,
    figure_of,
    fit_scale,
    label_x,
    label_y,
    legend,
    rows,
    shown,
    styles_of,
)


def plot_differences(verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws a forest plot: each trial's gain over the baseline with its interval, and the margin; + is better.

    An interval that exceeds the figure ends in an arrow. At most the best 60 are shown.

    Args:
        verdict: Verdict of a search, from `judge`.
        width: Width of the figure in inches.

    Returns:
        The figure.
    """
    paired = sorted((f for f in verdict.comparisons if f.num_pairs), key=lambda f: f.difference or 0.0)[-MAX_ROWS:]
    against = verdict.baseline or verdict.leader or ""
    notes = [f"{f.outcome}, n={f.num_pairs}" for f in paired]
    figure, axes, _ = rows([f.activation for f in paired], notes, verdict.gain_label, width=width)
    if not paired:
        return figure
    scale = 100 if verdict.units.in_points else 1
    middles, margin = [scale * (f.difference or 0.0) for f in paired], scale * verdict.margin
    axes.axvspan(-margin, margin, color=GREY, alpha=0.3, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1)
    ends = [(scale * f.interval.low, scale * f.interval.high) for f in paired]
    low, high = _view([*middles, -margin, margin], ends)
    axes.set_xlim(low, high)
    styles = styles_of([against, *(f.activation for f in verdict.comparisons)])
    for row, (comparison, middle, (left, right)) in enumerate(zip(paired, middles, ends, strict=True)):
        style = styles[comparison.activation]
        if math.isfinite(left) and math.isfinite(right):
            axes.plot([max(left, low), min(right, high)], [row, row], color=style.colour, linewidth=2)
            _arrows(axes, row, style, [(low, "<", left < low), (high, ">", right > high)])
        axes.plot(middle, row, style.marker, color=style.colour)
    return figure


def plot_executions(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws the judged score of each execution as a point, and the mean of each trial as a bar; the best is on top.

    At most the best 60 trials are shown.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        width: Width of the figure in inches.

    Returns:
        The figure.
    """
    trials = [t for t in verdict.ranked(search) if verdict.scores.get(t.trial_id)][:MAX_ROWS][::-1]
    judged = [list(verdict.scores[t.trial_id].values()) for t in trials]
    names, notes = [trial_label(search, t) for t in trials], [f"n={len(scores)}" for scores in judged]
    figure, axes, half = rows(names, notes, objective_label(search.objective, verdict.judged_score), width=width)
    styles = styles_of(t.activation for t in search.trials)
    for row, (trial, scores) in enumerate(zip(trials, judged, strict=True)):
        style = styles[trial.activation]
        heights = row + np.linspace(-half, half, len(scores)) if len(scores) > 1 else [row]
        axes.plot(scores, heights, style.marker, color=style.colour, markersize=4, alpha=0.6, markeredgewidth=0)
        axes.plot([np.mean(scores)] * 2, [row - half, row + half], color=style.colour, linewidth=2.5)
    fit_scale(axes, "x", [score for scores in judged for score in scores])
    return figure


def plot_pareto(search: SearchRecord, verdict: Verdict, cost: str = "train_seconds", *, width: float = WIDE) -> Figure:
    """Draws the judged score against a cost, with a mark for each trial; the Pareto front is joined and named.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        cost: One of `COST_UNITS`.
        width: Width of the figure in inches.

    Returns:
        The figure.
    """
    figure, axes = area(width=width)
    styles, points = styles_of(t.activation for t in search.trials), dict[str, tuple[float, float]]()
    trials = verdict.ranked(search)
    for trial in trials:
        mean, score = mean_cost(trial, cost, verdict.executions), verdict.mean_score(trial.trial_id)
        if mean is not None and score is not None:
            points[trial.trial_id] = (mean / COST_UNITS[cost].scale, score)
    labels = {t.trial_id: shown(trial_label(search, t)) for t in search.trials}
    marks = dict[str, Line2D]()
    for trial in trials:
        if trial.trial_id in points:
            style = styles[trial.activation]
            (marks[trial.activation],) = axes.plot(*points[trial.trial_id], style.marker, color=style.colour)
    front = [t for t in verdict.fronts.get(cost, ()) if t in points]
    axes.plot([points[t][0] for t in front], [points[t][1] for t in front], color=GREY, linewidth=1.5, zorder=1)
    fit_scale(axes, "x", [x for x, _ in points.values()])
    fit_scale(axes, "y", [y for _, y in points.values()])
    label_x(axes, f"{cost_label(cost)}; less is better", width - 0.9)
    label_y(axes, objective_label(search.objective, verdict.judged_score))
    axes.margins(0.12)
    legend(axes, marks)
    name_points(axes, [(*points[t], labels[t]) for t in front], list(points.values()))
    return figure


def _view(middles: Sequence[float], intervals: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Chooses limits that show all means at a useful scale: intervals may be cut at three times the usual length."""
    finite = [ends for ends in intervals if all(map(math.isfinite, ends))]
    low, high = min(middles), max(middles)
    reach = max(high - low, 1.5 * float(np.median([b - a for a, b in finite]))) if finite else high - low
    reach = reach or abs(high) or 1.0
    start = max(low - reach, min([low, *(a for a, _ in finite)]))
    end = min(high + reach, max([high, *(b for _, b in finite)]))
    return start - reach / 20, end + reach / 20


def _arrows(axes: Axes, row: int, style: Style, ends: Sequence[tuple[float, str, bool]]) -> None:
    for at, marker, cut in ends:
        if cut:
            axes.plot(at, row, marker, color=style.colour, markersize=5, clip_on=False)


_AWAY = 6  # points
_MARK = 4  # points
_PLACES = (
    (1, 1, "left", "bottom"), (1, -1, "left", "top"), (-1, 1, "right", "bottom"), (-1, -1, "right", "top"),
    (0, 1, "center", "bottom"), (0, -1, "center", "top"), (1, 0, "left", "center"), (-1, 0, "right", "center"),
)  # fmt: skip


def name_points(axes: Axes, named: Sequence[tuple[float, float, str]], points: Sequence[tuple[float, float]]) -> None:
    """Writes each name next to its point, at the first position where it hides neither a mark nor another name.

    A name that does not fit is omitted, since the legend has it. Call this last, when everything else is drawn.

    Args:
        axes: Axes with the points.
        named: x, y and name of the points to name, the most important first.
        points: x and y of all points.
    """
    figure = figure_of(axes)
    figure.draw_without_rendering()
    reach = _MARK * figure.dpi / 72
    taken = [Bbox.from_extents(x, y, x, y).padded(reach) for x, y in map(axes.transData.transform, points)]
    for x, y, name in named:
        for right, up, ha, va in _PLACES:
            text = axes.annotate(
                name, (x, y), xytext=(right * _AWAY, up * _AWAY), textcoords="offset points",
                ha=ha, va=va, fontsize=SMALL, color=INK,
            )  # fmt: skip
            text.set_in_layout(False)
            box = text.get_window_extent()
            if _inside(box, axes.bbox) and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def _inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
