"""The costs of each trial, as bars."""

import math
import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actsearch.analysis.results import Verdict
from actsearch.analysis.units import COST_UNITS, cost_label, trial_label
from actsearch.records import SearchRecord, TrialRecord
from actsearch.visualization._style import (
    CHARACTER,
    GREY,
    INK,
    NARROW,
    SMALL,
    WIDE,
    PlotFigure,
    label_x,
    name_rows,
    plain,
    rows_height,
    styles_of,
    titled,
)

_NAMES = 2.2  # inches
_MAX_PANELS = 4  # side by side
_MAX_NARROW, _MAX_WIDE = 8, 30  # rows


def plot_costs(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws the mean of each cost over the completed executions as a bar, and its standard deviation as a line.

    A grey line marks the baseline's cost. The trial with the best judged score is on top; at most the best 30 and the
    baseline are shown, on a narrow figure the best 8 and the first four costs. Costs that are the same for all trials
    are omitted, except training time.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> figure = plot_costs(result.record, result.verdict)
    >>> figure.axes[0].get_xlabel(), len(figure.axes)
    ('training time (s)', 3)
    """
    trials = _shown_trials(search, verdict, _MAX_NARROW if width <= NARROW else _MAX_WIDE)
    costs = [p for p in COST_UNITS if p == "train_seconds" or len({t.mean_resource(p) for t in trials}) > 1]
    names = [trial_label(search, t) for t in trials]
    narrow = width <= NARROW
    costs = costs[:_MAX_PANELS] if narrow else costs
    columns = 1 if narrow else min(len(costs), _MAX_PANELS)
    shape = (math.ceil(len(costs) / columns), columns)
    inches = width - 0.2 if narrow else (width - _NAMES) / columns
    figure = PlotFigure(layout="constrained")
    panels, lines = list(figure.subplots(*shape, squeeze=False).flat), 1
    for axes in panels[len(costs) :]:
        axes.set_visible(False)
    for number, (axes, cost) in enumerate(zip(panels, costs, strict=False)):
        lines = max(lines, label_x(plain(axes), cost_label(cost), inches))
        half = name_rows(axes, names, width=width)
        _draw(axes, search, trials, cost, half=half, inches=inches)
        if number % columns:
            axes.set_yticklabels([])
    figure.set_size_inches(width, shape[0] * (rows_height(names, width) + 0.35 + 0.17 * lines))
    return figure


def _shown_trials(search: SearchRecord, verdict: Verdict, most: int) -> list[TrialRecord]:
    """Returns the best trials and the baseline, the best last."""
    trials = [t for t in verdict.ranked(search) if t.mean_score is not None]
    best, baselines = trials[:most], [t for t in trials if t.activation == search.baseline]
    return [*best, *(baselines[:1] if not any(t in best for t in baselines) else [])][::-1]


def _draw(
    axes: Axes, search: SearchRecord, trials: Sequence[TrialRecord], cost: str, *, half: float, inches: float
) -> None:
    unit, styles = COST_UNITS[cost], styles_of(t.activation for t in search.trials)
    texts, ends = [""], [0.0]
    for row, trial in enumerate(trials):
        values = costs_of(trial, cost)
        if not values:
            continue
        mean, sd = statistics.fmean(values) / unit.scale, _sd(values) / unit.scale
        (bar,) = axes.barh(row, mean, 2 * half, color=styles[trial.activation].colour, alpha=0.55)
        titled(bar, f"{trial_label(search, trial)}: {unit.text(mean * unit.scale)} {unit.unit}")
        axes.plot([mean - sd, mean + sd], [row, row], color=INK, linewidth=1)
        texts.append(unit.text(mean * unit.scale))
        ends.append(mean + sd)
        axes.annotate(
            texts[-1],
            (ends[-1], row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=INK,
        )
    room = 0.1 + CHARACTER * max(map(len, texts))
    axes.set_xlim(0, (max(ends) or 1.0) / max(1 - room / inches, 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(max(int(inches / 0.7), 1)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    baseline = next((t for t in trials if t.activation == search.baseline), None)
    if baseline is not None and costs_of(baseline, cost):
        axes.axvline(statistics.fmean(costs_of(baseline, cost)) / unit.scale, color=GREY, linewidth=1, zorder=0)


def costs_of(trial: TrialRecord, cost: str) -> list[float]:
    """Lists a cost over the completed executions for which it was measured."""
    values = [getattr(e.resources, cost) for e in trial.completed if e.resources is not None]
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def _sd(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0
