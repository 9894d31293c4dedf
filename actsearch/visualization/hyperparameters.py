"""Figures of what the judged score depends on: shares of its variance, and an interaction.

They use no global state of matplotlib and need no display.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from actsearch.analysis.hyperparameters.importance import Importance, Interaction, percent
from actsearch.analysis.units import objective_label, value_text
from actsearch.records import SearchRecord
from actsearch.visualization._style import (
    GREY,
    INK,
    WIDE,
    area,
    fit_scale,
    label_x,
    label_y,
    legend,
    rows,
    styles_of,
)

MAX_BARS, MAX_TICKS = 20, 5
_BLUE = "#0072B2"


def plot_importance(importance: Importance, *, width: float = WIDE) -> Figure:
    """Draws a bar for each hyperparameter: the share of the variance that depends on it, with its standard error.

    Grey bars are what depends on none: seeds and splits, and what the forest does not explain. At most the 20 largest
    are shown.

    Args:
        importance: From `SearchResult.importance`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/joint")
    >>> figure = plot_importance(result.importance())
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]  # from bottom to top
    ['seeds and splits', 'activation.layer_2', 'activation.layer_1', 'learning_rate']
    """
    shares = importance.shares[:MAX_BARS][::-1]
    bars = [(each.name, max(each.share, 0.0), each.spread, _BLUE) for each in shares]
    bars = [*((name, share, 0.0, GREY) for name, share in importance.rest[::-1] if shares), *bars]
    notes = [percent(share) for _, share, _, _ in bars]
    label = f"share of the variance of {importance.judged_score} (%)"
    figure, axes, half = rows([name for name, *_ in bars], notes, label, width=width)
    for row, (_, share, spread, colour) in enumerate(bars):
        axes.barh(row, 100 * share, height=2 * half, color=colour)
        if spread:
            ends = [100 * max(share - spread, 0.0), 100 * (share + spread)]
            axes.plot(ends, [row, row], color=INK, linewidth=1.5)
    if bars:
        axes.set_xlim(left=0)
    return figure


def plot_interaction(search: SearchRecord, importance: Importance, *, width: float = WIDE) -> Figure:
    """Draws the mean judged score against a number such as the learning rate, with a line for each activation.

    It is the largest interaction that the data carry; if they carry none, that with the learning rate, or the first.

    Args:
        search: Record of the search.
        importance: From `SearchResult.importance`.
        width: Width of the figure in inches.

    Returns:
        The figure.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/joint")
    >>> figure = plot_interaction(result.record, result.importance())
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('learning_rate', 'test accuracy (larger is better)')
    """
    figure, axes = area(width=width)
    shown = shown_interaction(importance)
    if shown is None:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", va="center", color=INK)
        return figure
    marks = dict[str, Line2D]()
    for name, style in styles_of(shown.means).items():
        (marks[name],) = axes.plot(
            shown.levels, shown.means[name], color=style.colour, marker=style.marker, markersize=5
        )
    scale = "log" if _is_log(shown.levels) else "linear"
    axes.set_xscale(scale)
    if len(shown.levels) <= MAX_TICKS:
        axes.set_xticks(shown.levels, [value_text(level) for level in shown.levels])
        axes.xaxis.set_minor_locator(NullLocator())
    fit_scale(axes, "y", [mean for means in shown.means.values() for mean in means])
    label_x(axes, shown.other, width - 0.9)
    label_y(axes, objective_label(search.objective, importance.judged_score))
    legend(axes, {name: marks[name] for name in shown.means})
    return figure


def _is_log(levels: Sequence[float]) -> bool:
    """Returns whether positive values are spread more evenly on a logarithmic axis."""
    return len(levels) > 2 and levels[0] > 0 and levels[-1] >= 5 * levels[0]


def shown_interaction(importance: Importance) -> Interaction | None:
    """Returns the interaction that `plot_interaction` shows; None if there is none."""
    return next(iter([*importance.clear_interactions, *importance.interactions]), None)
