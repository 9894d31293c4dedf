"""The costs of each trial, as bars."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actsearch._text_tables import same_decimals
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
    ranking,
    rows_height,
    styles_of,
    titled,
)

_NAMES = 2.2  # inches
_MAX_PANELS = 4  # side by side
_MAX_NARROW, _MAX_WIDE = 8, 30  # rows


def plot_costs(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> Figure:
    """Draws each cost as a bar: the baseline's mean over its executions, and that times the multiple of each other.

    A line is the interval of the multiple; a grey line marks the baseline's cost. The trial with the best judged score
    is on top; at most the best 30 and the baseline are shown, on a narrow figure the best 8 and the first four costs.
    Costs that are the same for all trials are omitted, except training time.

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
        _draw(axes, search, verdict, trials, cost, half=half, inches=inches)
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
    axes: Axes,
    search: SearchRecord,
    verdict: Verdict,
    trials: Sequence[TrialRecord],
    name: str,
    *,
    half: float,
    inches: float,
) -> None:
    unit, styles, reference = COST_UNITS[name], styles_of(ranking(verdict, search)), verdict.reference_in(search)
    known = {row: c for row, t in enumerate(trials) if (c := verdict.cost_of(t, reference, name)) is not None}
    texts, ends = same_decimals([cost / unit.scale for cost in known.values()]), [0.0]
    for (row, cost), text in zip(known.items(), texts, strict=True):
        trial = trials[row]
        low, high = _interval(verdict, trial, name, cost)
        (bar,) = axes.barh(row, cost / unit.scale, 2 * half, color=styles[trial.activation].colour, alpha=0.55)
        titled(bar, f"{trial_label(search, trial)}: {text} {unit.unit}")
        if high > low:
            axes.plot([low / unit.scale, high / unit.scale], [row, row], color=INK, linewidth=1)
        ends.append(high / unit.scale)
        axes.annotate(
            text, (ends[-1], row), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=SMALL, color=INK,
        )  # fmt: skip
    room = 0.1 + CHARACTER * max(map(len, texts), default=0)
    axes.set_xlim(0, (max(ends) or 1.0) / max(1 - room / inches, 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(max(int(inches / 0.7), 1)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    if reference is not None and (base := reference.mean_resource(name)) is not None:
        axes.axvline(base / unit.scale, color=GREY, linewidth=1, zorder=0)


def _interval(verdict: Verdict, trial: TrialRecord, name: str, cost: float) -> tuple[float, float]:
    """Returns the ends of the interval of a cost that comes from a multiple, else the cost itself."""
    comparison = verdict.of(trial.trial_id)
    ratio = comparison.cost_ratios.get(name) if comparison else None
    if ratio is None or not ratio.is_settled or COST_UNITS[name].is_counted:
        return cost, cost
    return cost * ratio.interval.low / ratio.estimate, cost * ratio.interval.high / ratio.estimate
