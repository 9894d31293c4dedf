"""Figures that compare trials by their judged scores: gains over the baseline, executions, and score against cost.

They use no global state of matplotlib and need no display.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from actsearch._text_tables import core
from actsearch.analysis.results import Verdict, describe
from actsearch.analysis.units import COST_UNITS, cost_label, objective_label, trial_label
from actsearch.records import SearchRecord
from actsearch.visualization._style import (
    GREY,
    INK,
    OTHER,
    OTHER_NAMES,
    SMALL,
    WIDE,
    Style,
    area,
    figure_of,
    fit_scale,
    label_x,
    label_y,
    legend,
    most_rows,
    ranking,
    rows,
    shown,
    styles_of,
    titled,
)


def plot_differences(verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws a forest plot: each trial's gain over the baseline with its interval, and the margin; + is better.

    An interval that exceeds the figure ends in an arrow, and so does a gain that would squeeze all others. At most the
    best 60 are shown, 20 on a narrow figure.

    Args:
        verdict: Verdict of a search, from `judge`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> figure = plot_differences(result.verdict)
    >>> figure.axes[0].get_xlabel()
    'gain over relu in test accuracy (points)'
    """
    paired = sorted((f for f in verdict.comparisons if f.num_pairs), key=lambda f: f.difference or 0.0)[
        -most_rows(width) :
    ]
    scale = 100 if verdict.units.in_points else 1
    middles, margin = [scale * (f.difference or 0.0) for f in paired], scale * verdict.margin
    inner = core([0.0, *middles])[0], max([0.0, *middles])  # what is best is never cut
    beyond = [not inner[0] <= middle <= inner[1] for middle in middles]
    notes = [
        f"{f.outcome}, {verdict.units.signed(f.difference or 0.0) if is_cut else f'n={f.num_pairs}'}"
        for f, is_cut in zip(paired, beyond, strict=True)
    ]
    figure, axes, _ = rows([f.activation for f in paired], notes, verdict.gain_label, width=width)
    if not paired:
        return figure
    axes.axvspan(-margin, margin, color=GREY, alpha=0.3, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1)
    ends = [(scale * f.interval.low, scale * f.interval.high) for f in paired]
    low, high = _view([*inner, -margin, margin], ends)
    axes.set_xlim(low, high)
    styles = styles_of(ranking(verdict))
    for row, (comparison, middle, (left, right)) in enumerate(zip(paired, middles, ends, strict=True)):
        style = styles[comparison.activation]
        if math.isfinite(left) and math.isfinite(right) and left < high and right > low:
            axes.plot([max(left, low), min(right, high)], [row, row], color=style.colour, linewidth=2)
        is_known = math.isfinite(left) and math.isfinite(right)
        arrows = [(low, "<", left < low and is_known), (high, ">", right > high and is_known)]
        title = f"{comparison.activation}: {describe(comparison, verdict.units)}"
        _arrows(axes, row, style, arrows, title)
        if low <= middle <= high:
            titled(axes.plot(middle, row, marker=style.marker, color=style.colour)[0], title)
        elif not is_known:
            _arrows(axes, row, style, [(low, "<", middle < low), (high, ">", middle > high)], title)
    return figure


def plot_executions(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws the judged score of each execution as a point, and the mean of each trial as a bar; the best is on top.

    Scores that would squeeze all others are arrows at the edge. At most the best 60 trials are shown, 20 on a
    narrow figure.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> figure = plot_executions(result.record, result.verdict)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]  # from bottom to top
    ['sigmoid', 'relu', 'elu']
    """
    trials = [t for t in verdict.ranked(search) if verdict.scores.get(t.trial_id)][: most_rows(width)][::-1]
    judged = [list(verdict.scores[t.trial_id].values()) for t in trials]
    names, (low, high) = [trial_label(search, t) for t in trials], core(s for scores in judged for s in scores)
    means = [float(np.mean(scores)) for scores in judged]
    notes = [
        f"n={len(scores)}" if low <= mean <= high else f"mean {verdict.units.score(mean)}"
        for scores, mean in zip(judged, means, strict=True)
    ]
    figure, axes, half = rows(names, notes, objective_label(search.objective, verdict.judged_score), width=width)
    styles = styles_of(ranking(verdict, search))
    edge = 0.04 * (high - low)
    for row, (trial, mean) in enumerate(zip(trials, means, strict=True)):
        style, scores = styles[trial.activation], verdict.scores[trial.trial_id]
        heights = row + np.linspace(-half, half, len(scores)) if len(scores) > 1 else np.array([row])
        inside = [n for n, score in enumerate(scores.values()) if low <= score <= high]
        (points,) = axes.plot(
            [list(scores.values())[n] for n in inside], heights[inside], marker=style.marker, linestyle="",
            color=style.colour, markersize=4, alpha=0.6, markeredgewidth=0,
        )  # fmt: skip
        told = [f"{names[row]}, execution {n}: {verdict.units.score(score)}" for n, score in scores.items()]
        titled(points, *(told[n] for n in inside))
        title = f"{names[row]}: mean {verdict.units.score(mean)}"
        below, above = (min(scores.values()) < low, max(scores.values()) > high) if edge else (False, False)
        _arrows(axes, row, style, [(low - edge, "<", below), (high + edge, ">", above)], title)
        if low <= mean <= high:
            (bar,) = axes.plot([mean] * 2, [row - half, row + half], color=style.colour, linewidth=2.5)
            titled(bar, title)
    fit_scale(axes, "x", [s for scores in judged for s in scores if low <= s <= high])
    return figure


def plot_pareto(search: SearchRecord, verdict: Verdict, cost: str = "train_seconds", *, width: float = WIDE) -> Figure:
    """Draws the judged score against a cost, with a mark for each trial; the Pareto front is joined and named.

    Two lines cross at what all are compared with. Any other trial that would squeeze the rest is an arrow at the edge.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        cost: One of `COST_UNITS`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> plot_pareto(result.record, result.verdict, "cpu_seconds").axes[0].get_xlabel()
    'CPU time (s); less is better'
    """
    figure, axes = area(width=width)
    points = _costs_and_scores(search, verdict, cost)
    sides = [core(point[axis] for point in points.values()) for axis in (0, 1)]
    if verdict.reference in points:
        reference = points[verdict.reference]
        sides = [(min(low, at), max(high, at)) for (low, high), at in zip(sides, reference, strict=True)]
        axes.axvline(reference[0], color=GREY, linewidth=1, zorder=1)
        axes.axhline(reference[1], color=GREY, linewidth=1, zorder=1)
    marks = _draw_points(axes, search, verdict, points, sides, cost)
    beyond = [trial for trial, point in points.items() if _clamped(point, sides)[1]]
    labels = {t.trial_id: shown(trial_label(search, t)) for t in search.trials}
    labels |= {t: f"{labels[t]}: {verdict.units.score(points[t][1])}" for t in beyond}
    points = {trial: _clamped(point, sides)[0] for trial, point in points.items()}
    front = [t for t in verdict.fronts.get(cost, ()) if t in points]
    axes.plot([points[t][0] for t in front], [points[t][1] for t in front], color=GREY, linewidth=1.5, zorder=1)
    fit_scale(axes, "x", [x for x, _ in points.values()])
    fit_scale(axes, "y", [y for _, y in points.values()])
    label_x(axes, f"{cost_label(cost)}; less is better", width - 0.9)
    label_y(axes, objective_label(search.objective, verdict.judged_score))
    axes.margins(0.12)
    legend(axes, marks)
    named = dict.fromkeys([*([verdict.reference] if verdict.reference in points else []), *front, *beyond])
    name_points(axes, [(*points[t], labels[t]) for t in named], list(points.values()))
    return figure


def _costs_and_scores(search: SearchRecord, verdict: Verdict, cost: str) -> dict[str, tuple[float, float]]:
    """Returns cost and judged score of each trial that has both."""
    points, reference = dict[str, tuple[float, float]](), verdict.reference_in(search)
    for trial in verdict.ranked(search):
        mean, score = verdict.cost_of(trial, reference, cost), verdict.mean_score(trial.trial_id)
        if mean is not None and score is not None:
            points[trial.trial_id] = (mean / COST_UNITS[cost].scale, score)
    return points


def _draw_points(
    axes: Axes,
    search: SearchRecord,
    verdict: Verdict,
    points: Mapping[str, tuple[float, float]],
    sides: Sequence[tuple[float, float]],
    cost: str,
) -> dict[str, Line2D]:
    """Draws a mark or an arrow for each trial, what all are compared with on top; returns the marks for the legend."""
    styles, unit, marks = styles_of(ranking(verdict, search)), COST_UNITS[cost], dict[str, Line2D]()
    names = dict.fromkeys(name if style != OTHER else OTHER_NAMES for name, style in styles.items())
    for trial in verdict.ranked(search):
        if trial.trial_id not in points:
            continue
        style, (at, arrow) = styles[trial.activation], _clamped(points[trial.trial_id], sides)
        top = 3 if trial.trial_id == verdict.reference else 2 if style != OTHER else 1.5
        size = _ARROW_SIZE if arrow else None
        marker = arrow or style.marker
        (mark,) = axes.plot(*at, marker=marker, markersize=size, color=style.colour, linestyle="", zorder=top)
        name = trial.activation if style != OTHER else OTHER_NAMES
        marks[name] = Line2D([], [], color=style.colour, marker=style.marker, linestyle="")
        x, score = points[trial.trial_id]
        told = f"{verdict.units.score(score)}, {unit.text(x * unit.scale)} {unit.unit}"
        titled(mark, f"{trial_label(search, trial)}: {told}")
    return {name: marks[name] for name in names if name in marks}


def _view(middles: Sequence[float], intervals: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Chooses limits that show all means at a useful scale: intervals may be cut at three times the usual length."""
    finite = [ends for ends in intervals if all(map(math.isfinite, ends))]
    low, high = min(middles), max(middles)
    reach = max(high - low, 1.5 * float(np.median([b - a for a, b in finite]))) if finite else high - low
    reach = reach or abs(high) or 1.0
    start = max(low - reach, min([low, *(a for a, _ in finite)]))
    end = min(high + reach, max([high, *(b for _, b in finite)]))
    return start - reach / 20, end + reach / 20


def _arrows(axes: Axes, row: int, style: Style, ends: Sequence[tuple[float, str, bool]], title: str) -> None:
    for at, marker, cut in ends:
        if cut:
            titled(axes.plot(at, row, marker, color=style.colour, markersize=5, clip_on=False)[0], title)


_ARROW_SIZE = 11
_ARROWS = ((r"$\leftarrow$", r"$\rightarrow$"), (r"$\downarrow$", r"$\uparrow$"))


def _clamped(point: tuple[float, float], sides: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], str]:
    """Moves a point that is outside to the edge, and returns the arrow that stands for it there; empty for others."""
    placed, arrow = list(point), ""
    for axis, (low, high) in enumerate(sides):
        if not low <= point[axis] <= high:
            edge = 0.1 * (high - low)
            placed[axis] = low - edge if point[axis] < low else high + edge
            arrow = _ARROWS[axis][point[axis] > high]
    return (placed[0], placed[1]), arrow


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
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)  # half of what `draw_without_rendering` takes
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
